"""Products seen before are not cut out again."""

import pytest

from handlers.runtime.cutout_cache import CutOutCache
from imaging.codec.decode import ImageLimits, decode
from imaging.picture import Picture
from schemas.errors import ErrorCode, JobError
from testing.pictures import file_of, plain_room, red_vase


def picture(height: int = 100) -> Picture:
    return decode(file_of(red_vase(height)), "product_image", ImageLimits(10**7, 10**7))


def test_a_product_seen_before_is_not_cut_out_again() -> None:
    cache = CutOutCache()
    first = cache.cut_out(picture(), "product_image")
    assert cache.cut_out(picture(), "product_image") is first
    assert cache.cut_out(picture(80), "product_image") is not first
    assert cache.hits == 1


def test_the_least_recently_used_cut_out_goes_first() -> None:
    one = CutOutCache().cut_out(picture(), "product_image")
    cache = CutOutCache(max_bytes=2 * (one.color.nbytes + one.alpha.nbytes))
    kept, dropped = cache.cut_out(picture(100), "product_image"), cache.cut_out(picture(98), "product_image")
    cache.cut_out(picture(100), "product_image")
    cache.cut_out(picture(96), "product_image")
    assert cache.cut_out(picture(100), "product_image") is kept
    assert cache.cut_out(picture(98), "product_image") is not dropped


def test_a_cut_out_larger_than_the_cache_is_made_and_not_kept() -> None:
    cache = CutOutCache(max_bytes=10)
    assert cache.cut_out(picture(), "product_image").confidence > 0
    cache.cut_out(picture(), "product_image")
    assert cache.hits == 0


def test_a_picture_without_a_product_names_its_field() -> None:
    blank = Picture(decode(file_of(plain_room(64, 64)), "room", ImageLimits(10**7, 10**7)).pixels[:1, :1].repeat(64, 0))
    with pytest.raises(JobError, match="Invalid image\\[1\\]: it shows no product") as problem:
        CutOutCache().cut_out(blank, "image[1]")
    assert problem.value.code is ErrorCode.INVALID_INPUT
