from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from imaging.picture import Size, size_of
from imaging.restoration.registration import aligned, color_shift, covered, only_resized, register
from testing.drift import Model, Scene, as_pixels, motion, painted, read_scene, residual
from testing.pictures import CHAIR, PHOTOS

CASES = sorted(file.parent for file in PHOTOS.glob("*/case.json"))
ROOM = read_scene(CHAIR)
SIZE = size_of(ROOM.room)
EVERYWHERE = np.ones(ROOM.product.shape, bool)
MIXTURE = Model("", 1.02, (0.012, -0.015), -0.4, 0.001, color_shift=True, jpeg=75)


def misplaced(model: Model, scene: Scene) -> tuple[float, float]:
    """Return the median and the largest distance in photo pixels, outside the product."""
    found = register(painted(model, scene), scene.room)
    return residual(scene, found.matrix, motion(model, scene))


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
@pytest.mark.parametrize(
    "model",
    [
        MIXTURE,
        Model("", 0.97, (-0.02, 0.02), 0.5, color_shift=True, megapixel=True, repaint=True),
        Model("", 1.03, (0.02, -0.02), -0.5, -0.001, jpeg=60, gradient=0.15),
        Model("", repaint=True, gradient=-0.12),
    ],
    ids=["mixture", "repainted", "uneven light", "in place"],
)
def test_a_drift_is_found_to_a_tenth_of_a_pixel(folder: Path, model: Model) -> None:
    median, worst = misplaced(model, read_scene(folder))
    assert median < 0.1
    assert worst < 0.3


def test_a_slight_perspective_is_found() -> None:
    assert misplaced(Model("", tilt=0.004), ROOM)[1] < 0.3


def test_twice_the_usual_drift_is_still_found() -> None:
    assert misplaced(Model("", 0.94, (0.04, -0.03), 1.0, color_shift=True), ROOM)[1] < 0.3


@pytest.mark.parametrize("size", [(1184, 896), (512, 384), (640, 832)])
def test_a_picture_of_another_size_and_shape_is_registered(size: Size) -> None:
    raw = cv2.resize(painted(MIXTURE, ROOM), size, interpolation=cv2.INTER_AREA)
    found = register(raw, ROOM.room)
    assert found.painted == size
    assert residual(ROOM, found.between(SIZE, SIZE).matrix, motion(MIXTURE, ROOM))[1] < 0.5


def test_what_is_to_be_ignored_is_not_compared() -> None:
    right = EVERYWHERE.copy()
    right[:, :350] = False
    went_elsewhere = painted(replace(MIXTURE, shift=(-0.005, 0.01)), ROOM)
    raw = np.where(right[..., None], went_elsewhere, painted(MIXTURE, ROOM))
    left = replace(ROOM, product=right)
    assert residual(left, register(raw, ROOM.room, right).matrix, motion(MIXTURE, ROOM))[1] < 0.3
    assert residual(left, register(raw, ROOM.room).matrix, motion(MIXTURE, ROOM))[1] > 3


def test_drift_is_told_in_pixels_percent_and_degrees() -> None:
    raw = painted(Model("", 1.02, (0.01, 0.0), -0.4), ROOM)
    pixels, percent, degrees = register(cv2.resize(raw, (1184, 896)), ROOM.room).drift
    assert pixels == pytest.approx(0.01 * SIZE[0], abs=0.1)
    assert percent == pytest.approx(2, abs=0.02)
    assert degrees == pytest.approx(-0.4, abs=0.02)


@pytest.mark.parametrize("what", ["mirrored", "another room", "noise", "nothing"])
def test_another_scene_is_not_found_and_not_warped(what: str) -> None:
    pictures = {
        "mirrored": ROOM.truth[:, ::-1].copy(),
        "another room": read_scene(PHOTOS / "floor_lamp_evening").truth,
        "noise": np.random.default_rng(0).integers(0, 256, ROOM.room.shape, np.uint8),
        "nothing": np.zeros_like(ROOM.room),
    }
    found = register(pictures[what], ROOM.room)
    assert not found.found
    assert found.matrix == pytest.approx(np.eye(3))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (23, 40), (300, 24), (1, 90)])
def test_the_smallest_pictures_are_no_error(size: Size) -> None:
    small = cv2.resize(ROOM.room, size, interpolation=cv2.INTER_AREA)
    register(small, small)


def test_equal_pictures_give_equal_matrices() -> None:
    raw = painted(MIXTURE, ROOM)
    assert np.array_equal(register(raw, ROOM.room).matrix, register(raw, ROOM.room).matrix)


def test_aligned_undoes_the_drift_as_a_whole_and_in_part() -> None:
    raw = painted(replace(MIXTURE, color_shift=False, jpeg=None), ROOM)
    found = register(raw, ROOM.room)
    whole = aligned(raw, found, SIZE)
    shown = covered(found, SIZE)
    assert np.abs(whole.astype(int) - ROOM.truth)[shown].mean() < 0.5
    part = aligned(raw, found, SIZE, (300, 200, 500, 340))
    assert np.abs(part.astype(int) - whole[200:340, 300:500]).max() <= 1


def test_what_was_zoomed_out_of_the_picture_is_not_covered() -> None:
    shown = covered(register(painted(Model("", zoom=1.03), ROOM), ROOM.room), SIZE)
    assert not shown[:, :14].any()
    assert not shown[-10:].any()
    assert shown[20:-20, 25:-25].all()


def test_a_change_of_size_alone_is_that_of_cv2_resize() -> None:
    larger = aligned(ROOM.room, only_resized(SIZE, (2048, 1536)), (2048, 1536))
    assert np.abs(larger.astype(int) - cv2.resize(ROOM.room, (2048, 1536), interpolation=cv2.INTER_CUBIC)).max() <= 1


def test_a_cast_in_uneven_light_is_measured_and_taken_off() -> None:
    raw = as_pixels(painted(Model("", color_shift=True, gradient=-0.12), replace(ROOM, truth=ROOM.room)) * 0.93)
    shift = color_shift(ROOM.room, raw, EVERYWHERE)
    assert np.median(np.abs(shift.removed_from(raw, SIZE, (0, 0, *SIZE)) - ROOM.room)) < 1
    assert shift.misfit < 2
    assert shift.distance > 5


def test_the_colors_of_what_changed_are_not_taken_for_a_color_shift() -> None:
    raw = ROOM.room.copy()
    raw[300:, 200:700] = (20, 140, 120)
    shift = color_shift(ROOM.room, raw, EVERYWHERE)
    assert np.abs(shift.removed_from(ROOM.room, SIZE, (0, 0, *SIZE)) - ROOM.room).max() < 2
