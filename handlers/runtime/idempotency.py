"""A repeated job gets the answer of the first: idempotency keys within this worker."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass, field
from typing import Any

from models.engine import Control
from schemas.errors import ErrorCode, JobError

Answer = dict[str, Any]

LOOK_SECONDS = 0.2
"""How often one who waits looks whether it is still wanted."""


@dataclass(frozen=True, eq=False)
class _Entry:
    body: str
    until: float
    answer: Future[Answer] = field(default_factory=Future)

    @property
    def is_over(self) -> bool:
        return self.answer.done() and time.monotonic() > self.until


class _FirstFailedError(Exception):
    """The job that others waited for."""


class IdempotencyCache:
    """Keeps finished answers for `seconds`, the last of them where they have more than `max_bytes` together; only
    successes are kept."""

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._known: dict[str, _Entry] = {}

    def run(self, key: str, body: object, control: Control, work: Callable[[], Answer]) -> Answer:
        """The stored answer of an equal job, that of one still running, or `work`'s own.

        Raises JobError INVALID_INPUT where the key belongs to another body, and what `control` raises while it waits.
        When the first fails or is cancelled, whoever waited for it works itself.
        """
        digest = _digest(body)
        while True:
            entry, is_ours = self._claim(key, digest)
            if is_ours:
                return self._worked(key, entry, work)
            try:
                return dict(_awaited(entry.answer, control))
            except _FirstFailedError:
                continue

    def _claim(self, key: str, digest: str) -> tuple[_Entry, bool]:
        with self._lock:
            entry = self._known.get(key)
            if entry is None or entry.is_over:
                self._make_room()
                entry = self._known[key] = _Entry(digest, time.monotonic() + self._seconds)
                return entry, True
        if entry.body != digest:
            message = f"Invalid idempotency_key: it was used with another input in the last {self._seconds:g} s"
            raise JobError(ErrorCode.INVALID_INPUT, message, ("idempotency_key",))
        return entry, False

    def _worked(self, key: str, entry: _Entry, work: Callable[[], Answer]) -> Answer:
        try:
            answer = work()
        except BaseException:
            with self._lock:
                self._known.pop(key, None)
            entry.answer.set_exception(_FirstFailedError())
            raise
        entry.answer.set_result(dict(answer))
        return answer

    def _make_room(self) -> None:
        finished = {key: entry for key, entry in self._known.items() if entry.answer.done()}
        kept = 0
        for key, entry in reversed(finished.items()):
            kept += _size(entry.answer.result())
            if entry.is_over or kept > self._max_bytes:
                del self._known[key]


def _size(told: Any) -> int:
    """Bytes of its texts, pictures above all."""
    match told:
        case str():
            return len(told)
        case dict():
            return sum(map(_size, told.values()))
        case list():
            return sum(map(_size, told))
    return 0


def _awaited(answer: Future[Answer], control: Control) -> Answer:
    while True:
        control.check()
        try:
            return answer.result(LOOK_SECONDS)
        except NotInTime:
            continue


def _digest(body: object) -> str:
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
