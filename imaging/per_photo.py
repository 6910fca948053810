"""Remembers what was computed from a photo for as long as the photo is in memory.

A photo is a read-only array, which nothing can change later, or a cut-out. Results of other arrays are not remembered.
An edit computes each of these results once, and so does a photo that is laid out again and again.
"""

import threading
import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A", bound=NDArray[Any])
Photo = TypeVar("Photo")

MOST_RESULTS = 64
"""Results kept for one photo: a handful for the whole photo, and two or three for each place that was looked at."""

_results: dict[int, LRUCache[Any, Any]] = {}
"""The results of each photo by its id. They are removed when the photo is deleted."""

_lock = threading.RLock()  # a photo may be deleted, and its results with it, while this thread holds the lock


def read_only(array: A) -> A:
    """Return the same array after making it read-only."""
    array.setflags(write=False)
    return array


def once_per_photo(find: Callable[Concatenate[Photo, P], R]) -> Callable[Concatenate[Photo, P], R]:
    """Return `find` with its results remembered for each photo and its other arguments, which must be hashable.

    A result must not refer to its photo, or the photo is never deleted.
    """

    @wraps(find)
    def remembered(photo: Photo, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if isinstance(photo, np.ndarray) and photo.flags.writeable:
            return find(photo, *args, **kwargs)
        key = (find, args, *sorted(kwargs.items()))
        with _lock:
            known = _results_of(photo)
            if key in known:
                return known[key]
        found = find(photo, *args, **kwargs)
        with _lock:
            known[key] = found
        return found

    return remembered


def _results_of(photo: object) -> LRUCache[Any, Any]:
    if id(photo) not in _results:
        _results[id(photo)] = LRUCache(MOST_RESULTS)
        weakref.finalize(photo, _forget, id(photo)).atexit = False
    return _results[id(photo)]


def _forget(photo_id: int) -> None:
    with _lock:
        _results.pop(photo_id, None)
