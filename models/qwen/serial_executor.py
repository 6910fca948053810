"""A thread that does one thing after the other, for those who wait for it."""

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Errand = tuple[Callable[[], Any], Future[Any]]


class SerialExecutor:
    """Unlike an executor's, the thread does not keep a process that is told to end. It ends with this object."""

    def __init__(self, name: str) -> None:
        self._errands: SimpleQueue[Errand | None] = SimpleQueue()
        threading.Thread(target=_run, args=(self._errands,), name=name, daemon=True).start()
        weakref.finalize(self, self._errands.put, None)

    def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises."""
        done: Future[T] = Future()
        self._errands.put((work, done))
        return done.result()


def _run(errands: "SimpleQueue[Errand | None]") -> None:
    while (errand := errands.get()) is not None:
        _do(*errand)
        del errand  # with all that it held


def _do(work: Callable[[], Any], done: Future[Any]) -> None:
    try:
        done.set_result(work())
    except BaseException as problem:  # noqa: BLE001  who waits raises it
        done.set_exception(problem)
