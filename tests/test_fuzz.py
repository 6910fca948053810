"""Thousands of malformed inputs: `make fuzz`. A short form runs with every test.

Each input is a valid one with parts of it broken: fields replaced, removed, added or nested, base64 cut or changed,
bytes of the text changed. Failing inputs are kept in tests/seeds and tried first the next time.
"""

import base64
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase
from PIL import Image

from rp_handler import Door
from testing.live import Gray, Live, serving
from testing.pictures import as_base64, file_of, plain_room, red_vase
from testing.shop import door, run, small_edit, small_generate

LONG = os.environ.get("FUZZ_EXAMPLES")
"""Number of examples of each face; by default a few hundred that are the same every time."""

SLOWEST_SECONDS = 5.0
"""Processor time for any answer; the slowest take about a tenth of it."""

SEEDS = DirectoryBasedExampleDatabase(Path(__file__).parent / "seeds")

many = settings(
    max_examples=int(LONG or 300),
    derandomize=not LONG,
    database=SEEDS if LONG else None,
    suppress_health_check=list(HealthCheck),
)

ROOM, PRODUCT = as_base64(file_of(plain_room())), as_base64(file_of(red_vase()))
FULL_EDIT = small_edit(
    instructions="left of the sofa",
    negative_prompt="blurry",
    placement_coordinates=[80, 100],
    placement_box=[10, 10, 90, 110],
    placement_surface="floor",
    mask=as_base64(file_of(Image.new("L", (160, 120), 255))),
    product_scale=0.3,
    product_height_cm=80,
    camera_height_cm=140,
    harmonize=0.5,
    preserve_background=True,
    num_inference_steps=4,
    true_cfg_scale=1,
    quality="fast",
    seed=7,
    n=1,
    output_format="jpeg",
    output_quality=80,
    response_format="data_url",
    fallback=True,
    idempotency_key="order",
)
GENERATION = {"prompt": "a room", "size": "256x256", "n": 1, "seed": 1, "stream": False, "partial_images": 1}
EDIT_BODY = {"prompt": "turn it", "image": [ROOM, PRODUCT], "size": "auto", "placement_coordinates": [80, 100]}
JOBS = [
    small_edit(),
    FULL_EDIT,
    small_generate(environment_type="bedroom", instructions="by a window"),
    {"action": "health_check"},
    {"openai_route": "/v1/images/generations", "openai_input": GENERATION},
    {"openai_route": "/v1/images/edits", "openai_input": EDIT_BODY},
]
BODIES = [
    ("/v1/edit", small_edit()),
    ("/v1/edit", FULL_EDIT),
    ("/v1/generate", small_generate()),
    ("/v1/images/generations", GENERATION),
    ("/v1/images/edits", EDIT_BODY),
]

ODD_TEXTS = st.sampled_from(
    ["", " ", "\x00", "null", "NaN", "٣", "\ud800", "../../etc/passwd", "file:///etc/passwd", "{{7*7}}", "%s%n",
     "http://127.0.0.1/", "https://[::1]/", "data:image/png;base64,", "data:,", "=" * 9, "'; DROP", "\u202e"]
)  # fmt: skip
ODD_NUMBERS = st.sampled_from([0, -1, 2**31, 2**63, 2**64, -(2**200), 0.1, -0.0, 1e308, 5e-324, float("nan"), 1e999])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | ODD_TEXTS | ODD_NUMBERS
VALUES = st.recursive(
    LEAVES, lambda deeper: st.lists(deeper, max_size=4) | st.dictionaries(st.text(max_size=8), deeper, max_size=3)
)


@st.composite
def pictures(draw: st.DrawFn) -> str:
    """Draw a picture's base64, broken."""
    data = bytearray(base64.b64decode(draw(st.sampled_from([ROOM, PRODUCT]))))
    for _ in range(draw(st.integers(1, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    cut = data[: draw(st.integers(0, len(data)))]
    return base64.b64encode(draw(st.sampled_from([data, cut, data + data]))).decode()


@st.composite
def broken(draw: st.DrawFn, valid: Any) -> Any:
    """Draw a value of the same kind with one or a few faults."""
    if not isinstance(valid, dict) or not draw(st.integers(0, 40)):
        return draw(VALUES)
    told = dict(valid)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(told)) | st.text(max_size=12)) if told else draw(st.text(max_size=12))
        match draw(st.integers(0, 5)):
            case 0:
                told.pop(name, None)
            case 1 if isinstance(told.get(name), dict):
                told[name] = draw(broken(told[name]))
            case 2:
                told[name] = draw(pictures())
            case 3:
                told[name] = [told.get(name)] * draw(st.integers(0, 3))
            case 4 if isinstance(told.get(name), str):
                text = told[name]
                told[name] = draw(st.sampled_from([text[:-3], text + "\n", text.swapcase(), text * 2]))
            case _:
                told[name] = draw(VALUES)
    return told


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a route and the bytes of a request to it, some of which are not JSON."""
    route, valid = draw(st.sampled_from(BODIES))
    text = bytearray(json.dumps(draw(broken(valid))).encode("utf-8", "surrogatepass"))
    if not draw(st.integers(0, 5)):
        for _ in range(draw(st.integers(1, 5))):
            text[draw(st.integers(0, len(text) - 1))] = draw(st.integers(0, 255))
    return route, bytes(text)


@pytest.fixture(scope="module")
def worker() -> Door:
    return door(Gray, max_output_megapixels=0.3, max_image_megapixels=1)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(Gray, max_output_megapixels=0.3, max_image_megapixels=1, max_request_mb=2) as server:
        yield server


@many
@given(job=st.sampled_from(JOBS).flatmap(broken))
def test_the_job_face_answers_or_names_what_is_wrong(worker: Door, job: Any) -> None:
    started = time.process_time()
    told = run(worker, job)
    assert time.process_time() - started < SLOWEST_SECONDS
    assert told.get("output") is not None
    if "error" in told:
        assert isinstance(told["error"], str)
        assert told["output"]["error_code"] != "INTERNAL_ERROR", told["error"]
        assert is_fit_for_strangers(told["error"])
    json.dumps(told, allow_nan=False)


@many
@given(request=texts())
def test_the_http_face_answers_or_names_what_is_wrong(
    live: Live, request: tuple[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    route, body = request
    started = time.process_time()
    answer = httpx2.post(live.url + route, content=body, headers={"Content-Type": "application/json"})
    assert time.process_time() - started < SLOWEST_SECONDS
    assert answer.status_code in (200, 400, 413), answer.text[:300]
    assert is_fit_for_strangers(answer.text)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    caplog.clear()


def is_fit_for_strangers(text: str) -> bool:
    return not any(word in text for word in ("Traceback", 'File "', str(Path.cwd()), "site-packages"))
