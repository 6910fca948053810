"""Decoded pictures of layouts."""

import numpy as np
import pytest

from handlers.runtime.picture_cache import PictureCache
from imaging.picture import Picture
from schemas.errors import ErrorCode, JobError


class Decoder:
    """Decodes to gray pictures and counts them."""

    def __init__(self) -> None:
        self.decoded = 0

    def __call__(self) -> Picture:
        self.decoded += 1
        return Picture(np.full((10, 10, 3), self.decoded, np.uint8), np.full((10, 10), 255, np.uint8))


def test_an_equal_file_is_decoded_once_and_cannot_be_changed() -> None:
    cache, decode = PictureCache(), Decoder()
    one, again, other = (cache.picture(file, decode) for file in (b"one", b"one", b"other"))
    assert (one is again, other is one, decode.decoded) == (True, False, 2)
    with pytest.raises(ValueError, match="read-only"):
        one.pixels[0, 0] = 0


def test_the_pictures_that_were_used_last_are_kept_as_far_as_they_fit() -> None:
    cache, decode = PictureCache(max_bytes=2 * 400), Decoder()
    for file in (b"a", b"b", b"a", b"c", b"a", b"b"):
        cache.picture(file, decode)
    assert decode.decoded == 4
    assert PictureCache(max_bytes=10).picture(b"too large to keep", decode).size == (10, 10)


def test_what_cannot_be_decoded_is_tried_again() -> None:
    cache, decode = PictureCache(), Decoder()

    def damaged() -> Picture:
        raise JobError(ErrorCode.INVALID_INPUT, "damaged")

    with pytest.raises(JobError):
        cache.picture(b"file", damaged)
    assert cache.picture(b"file", decode).size == (10, 10)
