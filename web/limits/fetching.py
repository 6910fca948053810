"""Fetches callers' pictures by URL before their jobs join the queue, so that a slow host delays nobody else."""

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from schemas.errors import ErrorCode, JobError
from transport.fetch import Fetcher


class Fetches:
    """Fetches pictures for `at_once` callers at a time; `most_waiting` more may wait."""

    def __init__(self, fetcher: Fetcher, at_once: int, most_waiting: int) -> None:
        self._fetcher = fetcher
        self._most = at_once + most_waiting
        self._pool = ThreadPoolExecutor(at_once, "fetch")
        self._callers = 0

    async def fetched(self, urls: Mapping[str, str], cancelled: threading.Event) -> dict[str, bytes]:
        """Return the contents of `urls`, which maps each URL to the field that names it.

        Raises JobError if one cannot be fetched, TOO_MANY_REQUESTS if too many callers wait, and CANCELLED soon after
        `cancelled` is set.
        """
        if not urls:
            return {}
        if self._callers >= self._most:
            raise JobError(ErrorCode.TOO_MANY_REQUESTS, "Too many pictures are being fetched, try again later")
        self._callers += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._all, urls, cancelled)
        finally:
            self._callers -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _all(self, urls: Mapping[str, str], cancelled: threading.Event) -> dict[str, bytes]:
        def check() -> None:
            if cancelled.is_set():
                raise JobError(ErrorCode.CANCELLED, "The caller hung up")

        return {url: self._fetcher.fetch(url, field, check) for url, field in urls.items()}
