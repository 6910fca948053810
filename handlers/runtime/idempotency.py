"""Idempotency keys of this worker: a repeated job gets the answer of the first one."""

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress
from typing import Any

from cachetools import TTLCache

from models.engine import Control

Answer = dict[str, Any]

POLL_SECONDS = 0.2
"""Interval at which a waiting repeat checks whether its caller is still connected."""

OVERHEAD_BYTES = 1_000
"""Counted for each stored answer besides its texts, so that empty ones cannot accumulate without limit."""


class _FirstFailedError(Exception):
    """The run that repeats were waiting for failed; one of them has to do the work."""


class IdempotencyCache:
    """Successful answers of the last `seconds`, up to `max_bytes`; the least recently used are dropped first.

    An entry belongs to a caller, a key and a body. Another body under the same key is another job, and callers never
    see each other's answers.
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Future[Answer]] = {}
        self._finished: TTLCache[str, Answer] = TTLCache(max_bytes, seconds, getsizeof=_size)

    def run(self, key: str, body: object, control: Control, work: Callable[[], Answer], *, caller: str = "") -> Answer:
        """Return the stored answer of an equal job, the answer of one that is still running, or the result of `work`.

        Raises what `work` raises, and what `control` raises while waiting for another run. If that run fails or is
        cancelled, the next waiting caller does the work.
        """
        entry = _digest([caller, key, body])
        while True:
            with self._lock:
                if entry in self._finished:
                    return dict(self._finished[entry])
                running = self._running.get(entry)
                if running is None:
                    ours = self._running[entry] = Future()
            if running is None:
                return self._worked(entry, ours, work)
            with suppress(_FirstFailedError):
                return dict(_awaited(running, control))

    def _worked(self, entry: str, running: Future[Answer], work: Callable[[], Answer]) -> Answer:
        try:
            answer = work()
        except BaseException:
            with self._lock:
                del self._running[entry]
            running.set_exception(_FirstFailedError())
            raise
        with self._lock:
            del self._running[entry]
            with suppress(ValueError):  # larger than the whole cache
                self._finished[entry] = dict(answer)
        running.set_result(dict(answer))
        return answer


def _size(value: Any) -> int:
    """Return the characters of all texts in `value` (mostly base64), plus a constant."""
    return OVERHEAD_BYTES + _text_length(value)


def _text_length(value: Any) -> int:
    match value:
        case str():
            return len(value)
        case dict():
            return sum(map(_text_length, value.values()))
        case list():
            return sum(map(_text_length, value))
    return 0


def _awaited(answer: Future[Answer], control: Control) -> Answer:
    while True:
        control.check()
        try:
            return answer.result(POLL_SECONDS)
        except NotInTime:
            continue


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
