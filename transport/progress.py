"""Progress messages to the platform: only the newest, one at a time, and none after the result."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

Send = Callable[[dict[str, Any]], Awaitable[None]]

SEND_SECONDS = 5.0
"""Timeout of one progress message, after which it is dropped."""


class ProgressSender:
    """Sends progress at most once per interval. Created and closed on the event loop; `report` is thread-safe."""

    def __init__(self, send: Send, interval_seconds: float = 1.0) -> None:
        self._send = send
        self._interval = interval_seconds
        self._loop = asyncio.get_running_loop()
        self._newest: dict[str, Any] | None = None
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def report(self, progress: dict[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self._note, progress)

    async def close(self) -> None:
        """Drop what was not sent yet, and return once no message is in flight."""
        self._closing.set()
        self._wake.set()
        await self._task

    def _note(self, progress: dict[str, Any]) -> None:
        self._newest = progress
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            if self._closing.is_set():
                return
            self._wake.clear()
            assert self._newest is not None
            with contextlib.suppress(TimeoutError, OSError):
                await asyncio.wait_for(self._send(self._newest), SEND_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._interval)
