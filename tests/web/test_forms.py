"""Unexpected bodies: whatever comes in, the response is an answer or a refusal."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from schemas.openai import EditBody, GenerationBody
from testing.live import Gray, Live, serving
from testing.patience import WAIT_SECONDS
from testing.pictures import as_base64, file_of, plain_room, red_vase

EDITS = "/v1/images/edits"
ROOM, PRODUCT, DOT = (file_of(image) for image in (plain_room(), red_vase(), Image.new("L", (1, 1))))

FIELDS = sorted({*EditBody.model_fields, *GenerationBody.model_fields, "room_image", "product_image", "output_size"})
NAMES = st.sampled_from(FIELDS)
TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "null",
        "true",
        "-1",
        "0",
        "1e999",
        "NaN",
        "٣",
        "[",
        "[]",
        "[[1]]",
        "[1,2]",
        '{"a":1}',
        "256x256",
        "url",
        "\x00",
        " ",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just(as_base64(ROOM))
VALUES = st.recursive(SCALARS, lambda deeper: st.lists(deeper, max_size=4) | st.dictionaries(TEXTS, deeper, max_size=2))
BOXES = st.sampled_from(["{}", "{}[]", "{}[0]", "{}[1]", "{}[9999]", "{}[x]", "[{}]", "{}]"])
FORM_NAMES = st.builds(str.format, BOXES, NAMES) | st.text(max_size=8)
FILES = st.tuples(
    st.sampled_from(["image", "image[]", "images", "images[2]", "mask", "prompt", "n"]),
    st.sampled_from([ROOM, PRODUCT, DOT, b"", ROOM[:40]]) | st.binary(max_size=20),
)

few = settings(max_examples=60, derandomize=True, database=None)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(Gray, max_output_megapixels=0.1, max_request_mb=1) as server:
        yield server


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail the test if something was logged as an error: a traceback, or a failure within a stream."""
    yield
    assert not [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]


def expect_no_fault(answer: httpx2.Response) -> None:
    assert answer.status_code in (200, 400, 413), answer.text
    assert answer.status_code == 200 or answer.json()["error"]


@pytest.mark.usefixtures("quiet")
def test_no_form_breaks_the_server(live: Live) -> None:
    @few
    @given(st.dictionaries(FORM_NAMES, TEXTS | st.lists(TEXTS, max_size=3), max_size=6), st.lists(FILES, max_size=3))
    def sent(fields: dict[str, Any], files: list[tuple[str, bytes]]) -> None:
        expect_no_fault(httpx2.post(live.url + EDITS, data={"prompt": "a vase"} | fields, files=files))

    sent()


@pytest.mark.usefixtures("quiet")
def test_no_body_that_says_it_is_a_form_breaks_the_server(live: Live) -> None:
    parts = st.sampled_from(
        [b"--x", b"--x--", b"\r\n", b"Content-Disposition: form-data; name=", b'"image"', b"=", b";", b"&"]
    )

    @few
    @given(
        st.sampled_from(
            ["multipart/form-data; boundary=x", "multipart/form-data", "application/x-www-form-urlencoded"]
        ),
        st.lists(parts | st.binary(max_size=6), max_size=12).map(b"".join),
    )
    def sent(kind: str, body: bytes) -> None:
        expect_no_fault(httpx2.post(live.url + EDITS, content=body, headers={"Content-Type": kind}))

    sent()


@pytest.mark.parametrize(
    ("route", "whole"),
    [
        ("/v1/images/generations", {"prompt": "p", "size": "256x256"}),
        (EDITS, {"prompt": "p", "image": as_base64(ROOM)}),
        (EDITS, {"prompt": "p", "image": [as_base64(ROOM), as_base64(PRODUCT)], "product_scale": 0.3}),
        ("/v1/edit", {"room_image": as_base64(ROOM), "product_image": as_base64(PRODUCT)}),
        ("/v1/layout", {"room_image": as_base64(ROOM), "product_image": as_base64(PRODUCT)}),
        ("/v1/generate", {"product_image": as_base64(PRODUCT), "output_size": [256, 256]}),
    ],
    ids=["generations", "edits", "placed edits", "edit", "layout", "generate"],
)
@pytest.mark.usefixtures("quiet")
def test_no_json_breaks_the_server(live: Live, route: str, whole: dict[str, Any]) -> None:
    @few
    @given(st.dictionaries(NAMES | TEXTS, VALUES, max_size=3).map(lambda fields: whole | fields) | VALUES)
    def sent(body: object) -> None:
        expect_no_fault(httpx2.post(live.url + route, content=json.dumps(body).encode()))

    sent()


BOMBS = {
    "a list of empty lists": ("application/json", b'{"a":[' + b"[]," * 200_000 + b"0]}"),
    "many names": ("application/json", b"{" + b",".join(b'"%x":0' % number for number in range(200_000)) + b"}"),
    "many fields": ("application/x-www-form-urlencoded", b"a&" * 500_000),
    "one long field": ("application/x-www-form-urlencoded", b"prompt=" + b"%41" * 5_600_000),
    "many escapes": ("application/x-www-form-urlencoded", b"prompt=" + b"%41" * 2_000_001),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_body_of_very_many_parts_is_refused_before_it_is_parsed(name: str) -> None:
    kind, body = BOMBS[name]
    with serving() as live:
        answer = httpx2.post(
            live.url + "/v1/images/edits", content=body, headers={"Content-Type": kind}, timeout=WAIT_SECONDS
        )
    assert answer.status_code in (400, 413)
    assert answer.json()["error"]["param"] == "body"
