"""`POST /v1/layout`: where products would go, without painting."""

import base64
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from PIL import Image

from models.preview import Preview
from testing.fakes import Slow, never
from testing.live import Live, serving
from testing.pictures import as_base64, file_of, plain_room
from testing.shop import small_edit

PLACE: dict[str, Any] = {"placement_coordinates": [80, 110], "product_height_cm": 40}


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(Preview) as server:
        yield server


def laid_out(live: Live, job: dict[str, Any]) -> dict[str, Any]:
    answer = httpx2.post(live.url + "/v1/layout", json=job)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_product_is_where_an_edit_puts_it(live: Live) -> None:
    job = small_edit(**PLACE)
    [place] = laid_out(live, job)["placements"]
    info = httpx2.post(live.url + "/v1/edit", json=job).json()["placement_info"]
    for name in ("coordinates", "box", "surface", "scale", "cutout_confidence"):
        assert place[name] == info[name], name
    left, top, right, bottom = place["box"]
    assert place["corners"] == [[left, top], [right, top], [right, bottom], [left, bottom]]


def test_the_cut_out_is_transparent_where_the_room_is_seen(live: Live) -> None:
    [place] = laid_out(live, small_edit(**PLACE))["placements"]
    head, _, text = place["cut_out"].partition(",")
    picture = Image.open(io.BytesIO(base64.b64decode(text)))
    assert (head, picture.mode) == ("data:image/webp;base64", "RGBA")
    assert picture.getchannel("A").getextrema() == (0, 255)


def test_a_rug_has_corners_in_perspective(live: Live) -> None:
    [place] = laid_out(live, small_edit(**PLACE, placement_surface="rug"))["placements"]
    (a, _), (b, _), (c, _), (d, _) = place["corners"]
    assert place["surface"] == "rug"
    assert c - d > b - a


def test_each_of_several_products_has_its_place_and_its_warnings(live: Live) -> None:
    product = small_edit()["product_image"]
    products = [
        {"product_image": product} | PLACE,
        {"product_image": product, "placement_coordinates": [30, 110], "product_height_cm": 40, "rotation_degrees": 9},
    ]
    first, second = laid_out(live, {"room_image": small_edit()["room_image"], "products": products})["placements"]
    assert (first["coordinates"], second["coordinates"]) == ([80, 110], [30, 110])
    assert "products[1].rotation_degrees has no effect: only rugs are turned" in second["warnings"]


@pytest.mark.parametrize("surface", ["floor", "rug", "wall", "tabletop", "ceiling"])
def test_a_photo_that_is_known_gives_the_same_layout(live: Live, surface: str) -> None:
    job = small_edit(**PLACE, placement_surface=surface)
    again = [laid_out(live, job)["placements"] for _ in range(2)]
    with serving(Preview) as other:
        assert again == [laid_out(other, job)["placements"]] * 2


def test_a_warning_about_a_file_is_not_repeated_for_the_next_one(live: Live) -> None:
    cut_off = file_of(plain_room(), "JPEG")[:-2]
    for _ in range(2):
        assert laid_out(live, small_edit(room_image=as_base64(cut_off)))["warnings"]
    assert "warnings" not in laid_out(live, small_edit())


def test_a_layout_waits_for_neither_a_picture_nor_the_model() -> None:
    engine = Slow(go=threading.Semaphore(0))
    with serving(lambda: engine) as live, ThreadPoolExecutor(1) as callers:
        painting = callers.submit(httpx2.post, live.url + "/v1/edit", json=small_edit())
        assert laid_out(live, small_edit(**PLACE))["placements"]
        assert not painting.done()
        engine.go = None
        engine_free = painting.result()
    assert engine_free.status_code == 200
    with serving(never) as live:
        assert laid_out(live, small_edit())["placements"]


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"room_image": None}, "INVALID_INPUT", "room_image"),
        ({"product_image": "bm8="}, "INVALID_INPUT", "product_image"),
        ({"placement_coordinates": [5000, 10]}, "INVALID_INPUT", "placement_coordinates"),
        ({"nonsense": 1}, "INVALID_INPUT", "nonsense"),
        ({"action": "generate"}, "INVALID_INPUT", "action"),
        ({"replace": "the old vase"}, "NOT_SUPPORTED", "replace"),
    ],
)
def test_what_an_edit_refuses_is_refused(live: Live, wrong: dict[str, Any], code: str, field: str) -> None:
    answer = httpx2.post(live.url + "/v1/layout", json=small_edit(**wrong))
    body = answer.json()
    assert (answer.status_code, body["error_code"], body["fields"]) == (400, code, [field])
    assert body["error"].endswith(f"[{code}]")


def test_the_same_key_and_limits_guard_it() -> None:
    with serving(Preview, api_key="s3cret", max_request_mb=0.001) as live:
        locked = httpx2.post(live.url + "/v1/layout", json=small_edit())
        assert (locked.status_code, locked.json()["error_code"]) == (401, "UNAUTHORIZED")
        headers = {"Authorization": "Bearer s3cret"}
        large = httpx2.post(live.url + "/v1/layout", json=small_edit(instructions="x" * 3000), headers=headers)
        assert (large.status_code, large.json()["error_code"]) == (413, "IMAGE_TOO_LARGE")
