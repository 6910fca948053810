import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from imaging.geometry.camera import Camera
from imaging.geometry.find_camera import find_camera
from imaging.picture import Pixels
from imaging.placement.find_place import FoundPlace, find_place
from imaging.placement.text_placement import Words, read
from imaging.scenes import draw_scene
from tests.imaging.drawn import CASES, HALF_CM, PHOTOS, WALL_CM, camera, room

INSTRUCTIONS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("instructions.json").read_text())
NOISE = np.random.default_rng(0)
ODD_PICTURES: dict[str, Pixels] = {
    "noise": NOISE.integers(0, 256, (120, 160, 3), np.uint8),
    "a stamp": NOISE.integers(0, 256, (16, 16, 3), np.uint8),
    "black": np.zeros((120, 160, 3), np.uint8),
    "white": np.full((120, 160, 3), 255, np.uint8),
    "green": np.full((120, 160, 3), (40, 160, 40), np.uint8),
    "a pixel": np.zeros((1, 1, 3), np.uint8),
    "a row": np.zeros((1, 300, 3), np.uint8),
    "a column": np.zeros((300, 1, 3), np.uint8),
}
SAYINGS = (
    "",
    "left",
    "in the right corner at the back, not on the left",
    "on the table",
    "hang it on the wall",
    "hang it on the right wall",
    "on the floor in front",
    "against the wall",
)


@cache
def photo(case: str) -> tuple[Pixels, Camera]:
    read_back = cv2.imread(str(PHOTOS / case / "room.png"))
    assert read_back is not None
    pixels = np.ascontiguousarray(read_back[..., ::-1], np.uint8)
    return pixels, find_camera(pixels)


def asked(case: str, words: str) -> FoundPlace:
    return find_place(*photo(case), read(words))


def is_right(one: dict[str, Any], spot: FoundPlace) -> bool:
    left, top, right, bottom = one["region"]
    return bool(left <= spot.point[0] < right and top <= spot.point[1] < bottom)


def test_instructions_in_five_languages_are_followed() -> None:
    wrong = [(one, spot) for one in INSTRUCTIONS if not is_right(one, spot := asked(one["room"], one["words"]))]
    for one, spot in wrong:
        print(f"{one['language']} {one['room']}: {one['words']!r} ended at {spot.point}, not in {one['region']}")  # noqa: T201
    assert len(INSTRUCTIONS) == 29
    assert not wrong


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("words", ["", "on the left", "in the far right corner", "in front", "hang it on the left"])
def test_the_mirrored_room_has_the_mirrored_place(case: str, words: str) -> None:
    pixels, seen_by = photo(case)
    x, y = asked(case, words).point
    other_side = "".join({"left": "right", "right": "left"}.get(part, part) for part in re.split(r"\b", words))
    mirrored = find_place(np.ascontiguousarray(pixels[:, ::-1]), seen_by, read(other_side)).point
    assert abs(pixels.shape[1] - 1 - mirrored[0] - x) < 0.07 * pixels.shape[1]
    assert abs(mirrored[1] - y) < 0.05 * pixels.shape[0]


@pytest.mark.parametrize("words", ["", "left", "right", "in the corner", "in the foreground", "at the back"])
def test_a_box_on_the_floor_is_kept_clear_of(words: str) -> None:
    seen_by = camera()
    pixels = room(seen_by)
    fill_box(pixels, seen_by, (-60, 60), (0, 50), 330)
    spot = find_place(pixels, seen_by, read(words))
    x, z = (value.item() for value in seen_by.on_floor(*np.array(spot.point, float)[:, None] + 0.5))
    assert spot.surface == "floor"
    assert spot.seen
    assert np.hypot(max(abs(x) - 60, 0), max(330 - z, z - 430, 0)) > 38, "cm to the box"
    assert HALF_CM - abs(x) > 38, "cm to the side walls"
    assert WALL_CM - z > 38, "cm to the back wall"


def fill_box(pixels: Pixels, seen_by: Camera, x: tuple[int, int], y: tuple[int, int], z: int) -> None:
    """Draw the box's front, and its top with a depth of 100 cm."""
    for corners, color in (
        ([(x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z)], (60, 70, 110)),
        ([(x[0], y[1], z), (x[1], y[1], z), (x[1], y[1], z + 100), (x[0], y[1], z + 100)], (80, 95, 140)),
    ):
        columns_rows = np.stack(seen_by.project(*np.array(corners, float).T), axis=1)
        cv2.fillConvexPoly(pixels, columns_rows.round().astype(np.int32), color, cv2.LINE_AA)


def test_a_side_is_a_third_of_the_free_floor() -> None:
    seen_by = camera()
    left, right = (find_place(room(seen_by), seen_by, Words(side=side)).point[0] for side in ("left", "right"))
    assert left < 0.42 * 800
    assert right > 0.58 * 800


def test_the_foreground_is_below_the_background() -> None:
    for case in CASES:
        front, back = asked(case, "in the foreground").point, asked(case, "at the back").point
        assert front[1] > 0.85 * len(photo(case)[0])
        assert back[1] < 0.75 * len(photo(case)[0])


@pytest.mark.parametrize("environment", ["living_room", "bedroom", "dining_room", "kitchen", "bathroom", "office"])
def test_a_drawn_room_has_its_free_place_in_front(environment: str) -> None:
    scene = draw_scene(environment, (640, 480), 3)
    column, row = find_place(scene.pixels, scene.camera, Words()).point
    here = scene.pixels[row - 6 : row + 7, column - 9 : column + 10].astype(float)
    assert row > scene.camera.horizon + 0.5 * (480 - scene.camera.horizon)
    assert here.std(axis=(0, 1)).max() < 22, "plain floor all round"


@pytest.mark.parametrize("case", CASES)
def test_what_hangs_covers_no_picture_and_no_window(case: str) -> None:
    pixels, _ = photo(case)
    for words in ("hang it on the wall", "hang it on the left", "hang it on the right wall"):
        spot = asked(case, words)
        x, y = spot.point
        assert spot.surface == "wall"
        here = pixels[y - 20 : y + 21, x - 20 : x + 21].astype(float)
        assert here.std(axis=(0, 1)).max() < 8, "plain wall all round"


def test_a_side_of_the_wall_is_kept() -> None:
    left, right = (asked("vase_loft", f"hang it on the wall on the {side}").point[0] for side in ("left", "right"))
    assert left < 0.4 * 983
    assert right > 0.6 * 983


def test_no_table_is_looked_for() -> None:
    place = find_place(room(camera()), camera(), Words(surface="tabletop"))
    assert (place.surface, place.seen) == ("tabletop", False)
    assert 250 < place.point[1] < 600


@pytest.mark.parametrize("name", ODD_PICTURES)
@pytest.mark.parametrize("level", [-2.0, 0.42, 0.99, 2.0])
def test_any_picture_has_a_spot(name: str, level: float) -> None:
    pixels = ODD_PICTURES[name]
    height, width = pixels.shape[:2]
    seen_by = Camera((width, height), level * height, 0.7 * max(width, height), 150.0, found=False)
    for words in SAYINGS:
        spot = find_place(pixels, seen_by, read(words))
        assert 0 <= spot.point[0] < width
        assert 0 <= spot.point[1] < height
        assert spot.surface == "wall" or spot.point[1] > seen_by.horizon or seen_by.horizon >= height - 1


def test_equal_pictures_have_equal_spots_and_stay_as_they_are() -> None:
    pixels, seen_by = photo(CASES[0])
    before = pixels.copy()
    assert len({find_place(pixels, seen_by, Words()) for _ in range(3)}) == 1
    assert (pixels == before).all()


def test_a_large_photo_has_the_spot_of_its_small_copy() -> None:
    pixels, seen_by = photo(CASES[0])
    large = cv2.resize(pixels, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    far = Camera((3072, 2304), 3 * seen_by.horizon, 3 * seen_by.focal, seen_by.height_cm, seen_by.found)
    x, y = find_place(large, far, read("on the left")).point
    small = asked(CASES[0], "on the left").point
    assert np.hypot(x / 3 - small[0], y / 3 - small[1]) < 20
