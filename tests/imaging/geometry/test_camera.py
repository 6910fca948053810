from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imaging.geometry.camera import FOCAL_SHARE, HORIZON_SHARE, Camera
from imaging.geometry.camera_height import refined_height
from imaging.geometry.find_camera import find_camera
from imaging.picture import Pixels
from tests.imaging import drawn


@pytest.mark.parametrize("case", drawn.CASES)
def test_the_horizon_of_a_photo_is_found_within_half_a_percent_of_its_height(case: str) -> None:
    room = drawn.photo(case)
    camera = find_camera(room)
    assert camera.found
    assert camera.horizon == pytest.approx(drawn.told(case)["horizon_y"], abs=0.005 * room.shape[0])


@pytest.mark.parametrize("horizon", [120, 250, 380])
def test_the_horizon_of_a_bare_room_is_where_it_was_drawn(horizon: float) -> None:
    assert find_camera(drawn.room(drawn.camera(horizon=horizon))).horizon == pytest.approx(horizon, abs=3)


def test_a_larger_photo_has_the_same_camera_at_its_scale() -> None:
    room = drawn.photo("vase_loft")
    large = cv2.resize(room, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    one, three = find_camera(room), find_camera(large)
    assert three.horizon / 3 == pytest.approx(one.horizon, abs=3)
    assert three.focal / 3 == pytest.approx(one.focal, rel=0.05)


def test_two_vanishing_points_tell_the_focal_length() -> None:
    height, width, focal, horizon = 600, 800, 480.0, 260
    picture = np.full((height, width, 3), 230, np.uint8)
    for turn in (np.radians(40), np.radians(-50)):  # two walls at a right angle
        far = (width / 2 + focal * np.tan(turn), horizon)
        for row in range(20, height, 45):
            cv2.line(picture, (width // 2, row), (int(far[0]), int(far[1])), (40, 40, 40), 1, cv2.LINE_AA)
    camera = find_camera(picture)
    assert camera.horizon == pytest.approx(horizon, abs=4)
    assert camera.focal == pytest.approx(np.hypot(focal, horizon - height / 2), rel=0.1)


@pytest.mark.parametrize("size", [(800, 600), (300, 900), (1, 1), (2, 3), (3000, 1), (1, 3000)])
def test_a_photo_without_edges_gets_the_stated_default(size: tuple[int, int]) -> None:
    camera = find_camera(np.full((size[1], size[0], 3), 128, np.uint8), 120)
    stated = Camera(size, HORIZON_SHARE * size[1], FOCAL_SHARE * max(size), 120, found=False)
    assert replace(camera, horizon_error=0.0, height_error=0.0) == stated
    assert camera.horizon_error > 0.1 * size[1]


def picket_fence(pitch: float = 0.0, roll: float = 0.0) -> tuple[Pixels, float]:
    """Return a picture of upright edges only, and the row of the horizon at its middle column.

    The camera has the usual lens, looks down by `pitch` and is turned clockwise by `roll`.
    """
    height, width = 600, 800
    focal = FOCAL_SHARE * width
    picture = np.full((height, width, 3), 230, np.uint8)
    horizon = height / 2 - focal * np.tan(pitch)
    meet = np.array([width / 2, height / 2 + focal / np.tan(pitch) if pitch else 1e9])
    for x in np.linspace(-100, width + 100, 14):
        top = meet + ([x, horizon] - meet) * (meet[1] + 200) / (meet[1] - horizon)
        low = meet + ([x, horizon] - meet) * (meet[1] - height - 200) / (meet[1] - horizon)
        ends = (np.array([top, low]) - [width / 2, height / 2]) @ turn_by(roll) + [width / 2, height / 2]
        cv2.line(picture, *(tuple(end.round().astype(int).tolist()) for end in ends), (40, 40, 40), 2, cv2.LINE_AA)
    return picture, horizon


def turn_by(angle: float) -> NDArray[np.float64]:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


@pytest.mark.parametrize("degrees", [0, 5, 12])
def test_upright_edges_alone_tell_how_far_the_camera_looks_down(degrees: float) -> None:
    picture, horizon = picket_fence(pitch=np.radians(degrees))
    camera = find_camera(picture)
    assert camera.found
    assert camera.horizon == pytest.approx(horizon, abs=0.02 * 600)
    assert camera.horizon_error > 0.04 * 600, "crops and lenses that are shifted look the same"


@pytest.mark.parametrize("degrees", [-3, 2, 4])
def test_a_photo_held_askew_has_another_horizon_in_each_column(degrees: float) -> None:
    camera = find_camera(picket_fence(roll=np.radians(degrees))[0])
    assert np.degrees(camera.roll) == pytest.approx(degrees, abs=0.2)
    right = camera.at_column(700)
    assert right.roll == 0
    assert right.horizon - camera.horizon == pytest.approx(300 * np.tan(np.radians(degrees)), abs=2)


def test_a_camera_that_looks_down_is_held_by_somebody_who_stands_and_a_level_one_is_lower() -> None:
    down, level = (find_camera(picket_fence(pitch=np.radians(degrees))[0]) for degrees in (12, 0))
    upright = find_camera(np.ascontiguousarray(picket_fence()[0][:, 200:600]))
    assert 140 < down.height_cm < 160
    assert 105 < level.height_cm < 125
    assert 140 < upright.height_cm < 160
    assert level.height_error > down.height_error > 0.1


@pytest.mark.parametrize("height_cm", [95, 180])
def test_the_height_of_the_room_tells_the_height_of_the_camera(height_cm: float) -> None:
    seen_by = replace(drawn.camera(), height_cm=height_cm)
    usual = seen_by.at_height(130, 0.28)
    found, error = refined_height(drawn.room(seen_by), usual)
    assert abs(np.log(found / height_cm)) < 0.7 * abs(np.log(130 / height_cm))
    assert error < usual.height_error


def test_a_height_that_the_caller_knows_is_taken() -> None:
    camera = find_camera(drawn.room(drawn.camera()), 87)
    assert camera.height_cm == 87
    assert camera.height_error < 0.05


def test_noise_is_no_room() -> None:
    assert not find_camera(np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)).found


@pytest.mark.parametrize("seed", range(3))
def test_foliage_is_no_room(seed: int) -> None:
    rng = np.random.default_rng(seed)
    leaves = np.full((600, 800, 3), (60, 90, 50), np.uint8)
    for x, y, angle, length in rng.uniform(0, (800, 600, np.pi, 60), (600, 4)):
        end = int(x + length * np.cos(angle)), int(y + length * np.sin(angle))
        cv2.line(leaves, (int(x), int(y)), end, rng.integers(30, 200, 3).tolist(), 2, cv2.LINE_AA)
    assert not find_camera(leaves).found


def test_what_is_projected_is_seen_where_it_stands() -> None:
    camera = drawn.camera(horizon=180)
    x, y = camera.project(np.array([80.0]), np.array([0.0]), np.array([320.0]))
    assert np.ravel(camera.on_floor(x, y)) == pytest.approx([80, 320])
    assert camera.distance(float(y[0])) == pytest.approx(320)


def test_no_floor_is_seen_at_or_above_the_horizon() -> None:
    camera = drawn.camera()
    assert camera.distance(camera.horizon) == camera.distance(0) == float("inf")
    assert camera.distance(camera.horizon + 1) < float("inf")


def test_a_scaled_camera_sees_the_same_room() -> None:
    camera = drawn.camera()
    half = camera.scaled(0.5)
    assert half.size == (400, 300)
    assert half.distance(220) == pytest.approx(camera.distance(440))
