"""Recorded results that drifted like a real model's, through the front door: the photo is restored around them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx2
import numpy as np
import pytest
from PIL import Image

from imaging.picture import Picture
from imaging.placement.suggestion import room_shown
from models import replay
from models.engine import ImageModel
from models.preview import Preview
from schemas.errors import ErrorCode, JobError
from testing.fakes import Talking
from testing.live import serving
from testing.pictures import CHAIR, PHOTOS, as_base64, case, pixels
from testing.shop import answer, door, run


def drifted(truth: np.ndarray) -> np.ndarray:
    """Return the picture zoomed by 1 %, shifted by some pixels, turned a little, and warmer."""
    height, width = truth.shape[:2]
    motion = cv2.getRotationMatrix2D((width / 2, height / 2), 0.3, 1.01) + np.array([[0, 0, 5], [0, 0, -3]])
    moved = cv2.warpAffine(truth, motion, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.clip(moved * np.array([1.04, 1.0, 0.95]), 0, 255).astype(np.uint8)


def test_a_drifted_result_is_brought_back_and_all_else_is_the_photo(tmp_path: Path) -> None:
    truth, room = (np.asarray(Image.open(CHAIR / name)) for name in ("truth.png", "room.png"))
    Image.fromarray(drifted(truth)).save(tmp_path / "0.png")
    told = case(CHAIR)
    job = {
        "product_image": as_base64(CHAIR / "product_alpha.png"),
        "room_image": as_base64(CHAIR / "room.png"),
        "placement_coordinates": told["foot"],
        "product_height_cm": told["height_cm"],
        "fallback": False,
        "seed": 0,
    }
    out = answer(door(lambda: replay.open_replay(tmp_path)), job)
    made, info = pixels(out["processed_image"]), out["placement_info"]
    assert info["engine"] == "replay"
    assert info["checks"]["background_identical"] == 1.0
    drift = info["checks"]["drift"]
    assert drift["found"]
    assert abs(drift["degrees"]) > 0.2
    left, top, right, bottom = told["box"]
    product = np.s_[top:bottom, left:right]
    assert (
        abs(made[product].astype(int) - truth[product]).mean()
        < 0.5 * abs(room[product].astype(int) - truth[product]).mean()
    )
    far = np.s_[:300, 500:]
    assert (made[far] == room[far]).all()


def lamp_for_armchair(**fields: Any) -> dict[str, Any]:
    """Return a job that puts a floor lamp, which is much narrower, in the place of the armchair in the photo."""
    job = {
        "product_image": as_base64(PHOTOS / "floor_lamp_evening/product_alpha.png"),
        "room_image": as_base64(CHAIR / "truth.png"),
        "replace": "the old armchair",
        "product_height_cm": 160,
        "output_format": "png",
        "seed": 0,
    }
    return {name: value for name, value in (job | fields).items() if value is not None}


Ask = Callable[[dict[str, Any]], dict[str, Any]]


@contextmanager
def front_door(name: str, load: Callable[[], ImageModel]) -> Iterator[Ask]:
    """Give a function from a job to its answer or its error, through the queue's door or through HTTP."""
    if name == "queue":
        worker = door(load)
        yield lambda job: run(worker, job)["output"]
        return
    with serving(load) as live:
        yield lambda job: httpx2.post(live.url + "/v1/edit", json=job).json()


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    """Return the room without the armchair, with the lamp where the armchair stood."""
    left, _, right, bottom = case(CHAIR)["box"]
    place = {"placement_coordinates": [(left + right) // 2, bottom - 1], "replace": None}
    job = lamp_for_armchair(room_image=as_base64(CHAIR / "room.png"), **place)
    return pixels(answer(door(), job)["processed_image"])


@pytest.fixture(scope="module")
def recordings(expected: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    Image.fromarray(drifted(expected)).save(folder / "0.png")
    photo = Picture(np.asarray(Image.open(CHAIR / "truth.png")))
    scale = np.divide(room_shown(photo).size, photo.size)
    box = (np.array(case(CHAIR)["box"]) * np.tile(scale, 2)).tolist()
    answers = [
        {"asked": "the old armchair", "answer": json.dumps({"box": box})},
        {"asked": "the piano", "answer": '{"box": null}'},
    ]
    (folder / "answers.json").write_text(json.dumps(answers))
    return folder


@pytest.mark.parametrize("through", ["queue", "http"])
class TestReplaceByWords:
    """An armchair makes way for a lamp. Recorded are the model's picture, and what it said about the photo."""

    def test_the_old_thing_is_gone_and_the_rest_is_the_photo(
        self, through: str, recordings: Path, expected: np.ndarray
    ) -> None:
        with front_door(through, lambda: replay.open_replay(recordings)) as ask:
            out = ask(lamp_for_armchair())
        made, info = pixels(out["processed_image"]).astype(int), out["placement_info"]
        photo, checks = np.asarray(Image.open(CHAIR / "truth.png")).astype(int), info["checks"]
        left, top, right, bottom = case(CHAIR)["box"]
        old = np.s_[top:bottom, left:right]
        assert abs(made[old] - expected[old]).mean() < 0.15 * abs(photo[old] - expected[old]).mean()
        far = np.s_[:, 500:]
        assert (made[far] == photo[far]).all()
        assert (info["engine"], checks["failed"], checks["background_identical"]) == ("replay", [], 1.0)
        assert checks["replaced"] > 0.5
        assert checks["drift"]["found"]
        assert checks["drift"]["percent"] > 0.5
        assert info["coordinates"] == pytest.approx([(left + right) // 2, bottom - 1], abs=6)

    def test_what_the_model_does_not_find_is_said(self, through: str, recordings: Path) -> None:
        with front_door(through, lambda: replay.open_replay(recordings)) as ask:
            said = ask(lamp_for_armchair(replace="the piano"))
        assert (said["error_code"], said["fields"]) == ("INVALID_INPUT", ["replace"])
        assert "Invalid replace: it was not found in the photo" in said["message"]

    @pytest.mark.parametrize("replaced", ["the old armchair", case(CHAIR)["box"]])
    def test_the_preview_can_neither_find_nor_remove_it(self, through: str, replaced: Any) -> None:
        with front_door(through, Preview) as ask:
            said = ask(lamp_for_armchair(replace=replaced))
        assert (said["error_code"], said["fields"]) == ("NOT_SUPPORTED", ["replace"])

    def test_the_preview_covers_what_the_product_hides_and_says_so(self, through: str) -> None:
        chair = as_base64(CHAIR / "product_alpha.png")
        inside = {"placement_box": case(CHAIR)["box"], "replace": [210, 520, 280, 590], "product_height_cm": None}
        with front_door(through, Preview) as ask:
            out = ask(lamp_for_armchair(product_image=chair, **inside))
        assert any("Nothing had to be removed" in warning for warning in out["warnings"])

    @pytest.mark.parametrize("code", [ErrorCode.GENERATION_ERROR, ErrorCode.OUT_OF_MEMORY])
    def test_a_language_model_that_fails_is_an_error_of_its_own(self, through: str, code: ErrorCode) -> None:
        with front_door(through, lambda: Talking(JobError(code, "The model failed"))) as ask:
            said = ask(lamp_for_armchair())
        assert (said["error_code"], said["success"]) == (code, False)

    def test_a_model_that_fails_to_paint_does_not_fall_back_to_what_cannot_remove(
        self, through: str, recordings: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "0.png").write_bytes(b"damaged")
        (tmp_path / "answers.json").write_text((recordings / "answers.json").read_text())
        with front_door(through, lambda: replay.open_replay(tmp_path)) as ask:
            said = ask(lamp_for_armchair())
        assert (said["error_code"], said["success"]) == ("GENERATION_ERROR", False)
