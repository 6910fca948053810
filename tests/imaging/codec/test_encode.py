import io

import numpy as np
import pytest
from PIL import Image

from imaging.codec.encode import encode, encode_within
from imaging.picture import Picture
from testing.pictures import plain_room
from testing.profiles import display_p3

ROOM = np.asarray(plain_room(300, 200))
NOISE = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_png_is_lossless_and_carries_profile_and_provenance() -> None:
    file = encode(Picture(ROOM, icc=display_p3()), "png", 95, "composite")
    image = opened(file.data)
    assert (np.asarray(image) == ROOM).all()
    assert image.info["icc_profile"] == display_p3()
    assert b"digitalsourcetype/composite<" in image.info["xmp"]
    assert file.lossless


def test_jpeg_keeps_the_full_color_resolution() -> None:
    image = opened(encode(Picture(ROOM), "jpeg", 95, "composite").data)
    assert {component[1:3] for component in image.layer} == {(1, 1)}


def test_the_same_picture_gives_the_same_bytes() -> None:
    for file_format in ("png", "jpeg", "webp"):
        first, second = (encode(Picture(ROOM), file_format, 90, "composite").data for _ in range(2))
        assert first == second


@pytest.mark.parametrize("pixels", [ROOM, NOISE], ids=["smooth", "noise"])
@pytest.mark.parametrize("limit", [1_000, 20_000, 100_000, 10_000_000])
def test_what_fits_is_the_best_that_does(pixels: np.ndarray, limit: int) -> None:
    file = encode_within(Picture(pixels), limit, 95, "composite")
    png = encode(Picture(pixels), "png", 100, "composite")
    if len(png.data) <= limit:
        assert file.data == png.data
    elif len(encode(Picture(pixels), "jpeg", 20, "composite").data) <= limit:
        assert file.mime_type == "image/jpeg"
        assert len(file.data) <= limit
    else:
        assert len(file.data) > limit, "the caller is told by the size"


def test_a_hopeless_png_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr("imaging.codec.encode._png", lambda *_: tried.append(1) or b"")
    encode_within(Picture(NOISE), 60_000, 95, "composite")
    assert not tried
