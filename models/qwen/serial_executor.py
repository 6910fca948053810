"""Runs calls one after the other on a single daemon thread."""

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Call = tuple[Callable[[], Any], Future[Any]]


class SerialExecutor:
    """A single worker thread. Unlike a ThreadPoolExecutor's it is a daemon and does not delay the exit of the process;
    it ends when this object is garbage-collected."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        threading.Thread(target=_run, args=(self._calls,), name=name, daemon=True).start()
        weakref.finalize(self, self._calls.put, None)

    def run(self, work: Callable[[], T]) -> T:
        """Run `work` on the thread and return its result or raise its exception."""
        done: Future[T] = Future()
        self._calls.put((work, done))
        return done.result()


def _run(calls: "SimpleQueue[Call | None]") -> None:
    while (call := calls.get()) is not None:
        _do(*call)
        del call  # so that it does not keep tensors alive while the thread waits


def _do(work: Callable[[], Any], done: Future[Any]) -> None:
    try:
        done.set_result(work())
    except BaseException as problem:  # noqa: BLE001  raised again in the waiting thread
        done.set_exception(problem)
