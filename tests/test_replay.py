"""A recorded result that drifted like a real model's, through the job interface: the photo is restored around it."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from models import replay
from testing.pictures import CHAIR, as_base64, case, pixels
from testing.shop import answer, door


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
