"""Caches limited in bytes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from imaging.byte_cache import ByteCache, array_digest

Bytes = NDArray[np.uint8]


class Maker:
    """Makes arrays of 100 bytes and counts them."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> Bytes:
        self.made += 1
        return np.zeros(100, np.uint8)


def test_an_equal_key_gets_the_same_value() -> None:
    cache, make = ByteCache[Bytes](1_000), Maker()
    one, again, other = (cache.get(key, make) for key in ("one", "one", "other"))
    assert (one is again, other is one, make.made, cache.hits) == (True, False, 2, 1)


def test_the_values_that_were_used_last_are_kept_as_far_as_they_fit() -> None:
    cache, make = ByteCache[Bytes](200), Maker()
    for key in "abacab":
        cache.get(key, make)
    assert (make.made, cache.nbytes) == (4, 200)
    cache.clear()
    assert cache.nbytes == 0


def test_a_value_larger_than_the_cache_is_made_and_not_kept() -> None:
    cache = ByteCache[Bytes](99)
    assert len(cache.get("large", Maker())) == 100
    assert cache.nbytes == 0


def test_what_could_not_be_made_is_tried_again() -> None:
    cache = ByteCache[Bytes](1_000)

    def broken() -> Bytes:
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        cache.get("key", broken)
    assert len(cache.get("key", Maker())) == 100


def test_arrays_are_told_apart_by_their_shapes_and_values() -> None:
    flat = np.arange(6, dtype=np.uint8)
    keys = {array_digest(each) for each in (flat, flat.reshape(2, 3), flat.reshape(3, 2), flat + np.uint8(1))}
    assert len(keys) == 4
    assert array_digest(flat.reshape(2, 3)[:, ::-1]) == array_digest(flat.reshape(2, 3)[:, ::-1].copy())
