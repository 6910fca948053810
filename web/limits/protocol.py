"""uvicorn's HTTP protocol with deadlines, so that stalled callers hold neither a connection nor the server's
shutdown."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 60.0
"""Time for a request's headers, from the connection or from their first byte."""

WRITE_SECONDS = 60.0
"""Time that an answer may wait for its reader without progress."""

SHUTDOWN_WRITE_SECONDS = 8.0
"""The same limit during shutdown."""

LAST_WRITES_SECONDS = 20.0
"""Total time for an answer during shutdown. Orchestrators kill the process 30 s after the request to stop."""

MAX_HEADER_BYTES = 65_536


class Protocol(H11Protocol):
    """Closes connections that stall; on shutdown also those whose request is incomplete."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._unsent = 0
        self._writing_since = 0.0
        self._is_ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        for deadline in (self._header_deadline, self._write_deadline):
            if deadline:
                deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_idle and not self.transport.is_closing():
            self._await_headers()  # the first bytes of another request

    def handle_events(self) -> None:
        super().handle_events()
        if not self._is_idle and self._header_deadline:
            self._header_deadline.cancel()
            self._header_deadline = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._unsent_bytes():
            self._watch_writing()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_writing()

    def shutdown(self) -> None:
        """Let running jobs be answered; close the connection if there is none or its request is incomplete."""
        self._is_ending = True
        if self.cycle is not None and not self.cycle.response_complete and self.cycle.more_body:
            self.transport.abort()
            return
        super().shutdown()
        if self._unsent_bytes():
            self._watch_writing()

    @property
    def _is_idle(self) -> bool:
        """True while no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _await_headers(self) -> None:
        if self._header_deadline is None:
            self._header_deadline = self.loop.call_later(HEADER_SECONDS, self._give_up_headers)

    def _give_up_headers(self) -> None:
        self._header_deadline = None
        if self._is_idle:
            self.transport.abort()

    def _unsent_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    def _watch_writing(self) -> None:
        self._writing_since = self.loop.time()
        self._check_later()

    def _check_later(self) -> None:
        if self._write_deadline:
            self._write_deadline.cancel()
        self._unsent = self._unsent_bytes()
        seconds = SHUTDOWN_WRITE_SECONDS if self._is_ending else WRITE_SECONDS
        self._write_deadline = self.loop.call_later(seconds, self._check_writing)

    def _check_writing(self) -> None:
        self._write_deadline = None
        unsent = self._unsent_bytes()
        is_late = self._is_ending and self.loop.time() - self._writing_since > LAST_WRITES_SECONDS
        if unsent and (unsent >= self._unsent or is_late):
            self.transport.abort()
        elif unsent:
            self._check_later()
