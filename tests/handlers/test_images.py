"""Pictures as callers send them: base64 in all its forms, and texts that are nearly URLs."""

import base64
import urllib.parse
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from handlers.images import PictureReader, url_in
from imaging.codec.decode import ImageLimits
from schemas.errors import ErrorCode, JobError
from testing.pictures import file_of
from transport.fetch import Fetcher

NOISE = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
FILE = file_of(Image.fromarray(NOISE), "JPEG")
PLAIN = base64.b64encode(FILE).decode()
READER = PictureReader(ImageLimits(1_000_000, 1_000_000), Fetcher(1_000_000))


def lines(text: str, length: int, between: str) -> str:
    return between.join(text[at : at + length] for at in range(0, len(text), length))


@pytest.mark.parametrize(
    "sent",
    [
        lambda text: text,
        lambda text: text.rstrip("="),
        lambda text: text.replace("+", " "),
        lambda text: "data:image/jpeg;base64," + text.replace("+", " "),
        lambda text: "data:image/jpeg;base64," + urllib.parse.quote(text, safe=""),
        lambda text: lines(text, 76, "\r\n"),
        lambda text: lines(text, 64, "\n    "),
        lambda text: lines(text, 76, " "),
        lambda text: f'"{text}"',
        lambda text: f" '{text}'\n",
        lambda text: "\ufeff" + text,
        lambda text: "base64," + text,
        lambda text: "data:image/jpeg;base64, " + text,
        lambda text: "image/jpeg;base64," + text,
        lambda text: f'"data:image/jpeg;base64,{text}"',
    ],
)
def test_a_picture_is_the_same_however_its_base64_is_written(sent: Callable[[str], str]) -> None:
    assert "+" in PLAIN
    assert np.array_equal(READER.picture(sent(PLAIN), "room_image").pixels, READER.picture(PLAIN, "room_image").pixels)


BLANKS = 2_900_000
"""As many as fit into the limit: minutes for a pattern that tries a run of blanks from each of its blanks."""


@pytest.mark.parametrize("blank", [" ", "\t", " \t"])
def test_a_long_run_of_blanks_is_read_once(blank: str) -> None:
    with pytest.raises(JobError, match="Invalid mask"):
        READER.picture("A" + blank * (BLANKS // len(blank)) + "A", "mask")


@pytest.mark.parametrize("character", [" ", "A", "%2B", "\n", "="])
def test_a_text_far_over_the_limit_is_refused_before_it_is_read(character: str) -> None:
    with pytest.raises(JobError, match="more than 1 MB, the limit") as refused:
        READER.picture("A" + character * 3_000_001 + "A", "mask")
    assert refused.value.code is ErrorCode.IMAGE_TOO_LARGE


@pytest.mark.parametrize("text", ["this is no picture at all", "%41" * 100, " " * 100, "=" * 9, "ü", "/9j/ 4AAQ"])
def test_words_are_no_picture(text: str) -> None:
    with pytest.raises(JobError, match="Invalid mask: Failed to decode image"):
        READER.picture(text, "mask")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("//cdn.shop.example/s/files/1/a.png?v=1", "https://cdn.shop.example/s/files/1/a.png?v=1"),
        (" //cdn.shop.example:443/a.png\n", "https://cdn.shop.example:443/a.png"),
        ("HTTPS://shop.example/a b.png ", "HTTPS://shop.example/a b.png"),
        ('"https://shop.example/a.png"', "https://shop.example/a.png"),
        ("\ufeffhttps://shop.example/a.png", "https://shop.example/a.png"),
        (" " * 9999 + "https://shop.example/a.png", "https://shop.example/a.png"),
        ("//" + "a." * 1_000_000, None),
        ("//8AAAA/AAAA", None),
        ("/9j/4AAQSkZJRg", None),
        ("https:/shop.example/a.png", None),
    ],
)
def test_what_is_taken_for_a_url(text: str, url: str | None) -> None:
    assert url_in(text) == url


@pytest.mark.parametrize("scheme", ["blob", "file", "s3", "gs", "ftp", "C"])
def test_another_scheme_is_named(scheme: str) -> None:
    with pytest.raises(JobError) as caught:
        READER.picture(f"{scheme}:https://shop.example/1", "product_image")
    assert caught.value.code is ErrorCode.INVALID_INPUT
    assert f"{scheme.lower()}: URLs are not supported" in caught.value.message
    assert "https://" in caught.value.message
