from dataclasses import replace

import numpy as np
import pytest

from imaging.geometry.find_camera import find_camera
from imaging.picture import Box
from imaging.placement.layout import Placement, Wish, lay_out
from imaging.placement.perspective import TABLE_CM
from schemas.answers import Scale
from tests.imaging import drawn
from tests.imaging.geometry.test_raised import room_with_table, seen_at

CAMERA = drawn.camera()
ROOM = drawn.room(CAMERA)


def placed(wish: Wish, product: drawn.CutOut | None = None) -> Placement:
    return lay_out(ROOM, product or drawn.block(60, 100), CAMERA, wish)


def overlap(a: Box, b: Box) -> float:
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@pytest.mark.parametrize("case", drawn.CASES)
def test_a_product_of_known_height_is_as_large_as_it_truly_is(case: str) -> None:
    room, told = drawn.photo(case), drawn.told(case)
    camera = find_camera(room, told["camera_height_cm"])
    wish = Wish(coordinates=tuple(told["foot"]), product_height_cm=told["height_cm"])
    placement = lay_out(room, drawn.alpha_product(case), camera, wish)
    true = told["box"]
    assert overlap(placement.box, true) > 0.85
    assert placement.box[3] - placement.box[1] == pytest.approx(true[3] - true[1], rel=0.05)
    assert placement.height_cm == pytest.approx(told["height_cm"], rel=0.02)


def test_the_foot_is_where_it_was_asked_for() -> None:
    for foot in [(400, 500), (5, 599), (799, 300), (333, 444)]:
        placement = placed(Wish(coordinates=foot))
        assert placement.base_point == foot
        assert placement.frame[3] == foot[1] + 1


def test_the_farther_the_smaller() -> None:
    near, far = (placed(Wish(coordinates=(400, row), product_height_cm=90)).frame for row in (560, 420))
    assert near[3] - near[1] > 1.5 * (far[3] - far[1])


def test_a_picture_from_a_lower_camera_shows_the_product_larger() -> None:
    wish = Wish(coordinates=(400, 560), product_height_cm=90)
    low = lay_out(ROOM, drawn.block(60, 100), replace(CAMERA, height_cm=75), wish).frame
    high = placed(wish).frame
    assert low[3] - low[1] > 1.5 * (high[3] - high[1])


@pytest.mark.parametrize("box", [(100, 100, 300, 500), (10, 300, 700, 400), (0, 0, 800, 600), (50, 50, 51, 51)])
def test_a_box_is_filled_as_far_as_the_shape_allows_at_its_bottom_center(box: Box) -> None:
    frame = placed(Wish(box=box)).frame
    width, height = frame[2] - frame[0], frame[3] - frame[1]
    assert frame[3] == box[3]
    assert abs((frame[0] + frame[2]) - (box[0] + box[2])) <= 1
    assert width == pytest.approx(0.6 * height, abs=0.6)
    assert height == box[3] - box[1] or abs(width - (box[2] - box[0])) <= 1


def test_on_a_wall_a_box_is_filled_in_its_middle_and_coordinates_are_the_center() -> None:
    assert placed(Wish(box=(100, 50, 160, 250), surface="wall")).frame == pytest.approx((100, 100, 160, 200), abs=3)
    hung = placed(Wish(coordinates=(400, 180), surface="wall", product_height_cm=80))
    assert hung.base_point == (400, 180)
    assert hung.frame[1] + hung.frame[3] == pytest.approx(360, abs=1)


def test_what_hangs_has_the_scale_of_the_wall() -> None:
    hung = placed(Wish(coordinates=(400, 180), surface="wall", product_height_cm=80))
    assert hung.frame[3] - hung.frame[1] == pytest.approx(80 * CAMERA.focal / drawn.WALL_CM, rel=0.08)


def test_on_a_table_the_camera_is_lower() -> None:
    floor, table = (
        placed(Wish(coordinates=(400, 480), surface=surface, product_height_cm=40)) for surface in ("floor", "tabletop")
    )
    assert table.camera.height_cm == CAMERA.height_cm - TABLE_CM
    assert table.frame[3] - table.frame[1] > 1.7 * (floor.frame[3] - floor.frame[1])


def test_the_scale_is_a_share_of_the_photo() -> None:
    frame = placed(Wish(coordinates=(400, 580), scale=0.25)).frame
    assert frame[3] - frame[1] == 150


def test_without_any_size_it_is_a_usual_one() -> None:
    lamp, sofa = (placed(Wish(coordinates=(400, 480)), drawn.block(*shape)) for shape in ((30, 120), (200, 90)))
    assert 140 < lamp.height_cm < 180
    assert 65 < sofa.height_cm < 95


@pytest.mark.parametrize("shape", [(10, 400), (400, 10), (100, 100)])
@pytest.mark.parametrize("row", [260, 400, 599])
def test_a_size_of_ours_looks_at_home(shape: tuple[int, int], row: int) -> None:
    frame = placed(Wish(coordinates=(400, row)), drawn.block(*shape)).frame
    assert frame[3] - frame[1] <= 0.7 * 600
    assert frame[2] - frame[0] <= 0.7 * 800 + 1


def test_a_mask_is_stood_in_and_bounds_the_size() -> None:
    mask = np.zeros((600, 800), np.bool_)
    mask[300:500, 200:300] = True
    assert placed(Wish(mask=mask)).frame == (200, 334, 300, 500)
    small = placed(Wish(mask=mask, product_height_cm=30))
    assert small.frame[3] == 500
    assert small.height_cm == pytest.approx(30, rel=0.05)
    assert placed(Wish(mask=mask, product_height_cm=300)).frame == (200, 334, 300, 500)


def test_of_a_mask_the_largest_part_is_meant() -> None:
    mask = np.zeros((600, 800), np.bool_)
    mask[300:500, 200:300] = mask[:4, 790:794] = True
    assert placed(Wish(mask=mask)).frame == (200, 334, 300, 500)


@pytest.mark.parametrize("wish", [Wish(), Wish(product_height_cm=150), Wish(surface="wall")])
def test_a_product_fits_into_a_mask_of_any_shape(wish: Wish) -> None:
    row, column = np.mgrid[:600, :800]
    mask = np.hypot((row - 430) / 130, (column - 300) / 110) < 1
    placement = placed(replace(wish, mask=mask))
    left, top, right, bottom = placement.frame
    assert mask[top:bottom, left:right].mean() > 0.97
    assert bottom - top > 120
    assert not placement.warnings


def test_a_product_that_no_size_brings_into_the_mask_is_cut_and_said() -> None:
    row, column = np.mgrid[:600, :800]
    mask = abs(row - column * 0.4 - 250) < 2
    assert any("mask" in warning for warning in placed(Wish(mask=mask)).warnings)
    aside = placed(Wish(mask=row > 400, coordinates=(400, 420)))
    assert any("mask" in warning for warning in aside.warnings)


def test_coordinates_win_over_a_mask_and_a_box_over_both() -> None:
    mask = np.zeros((600, 800), np.bool_)
    mask[300:500, 200:300] = True
    assert placed(Wish(mask=mask, coordinates=(600, 550))).base_point == (600, 550)
    placement = placed(Wish(mask=mask, coordinates=(600, 550), box=(10, 300, 100, 400)))
    assert placement.frame[3] == 400
    assert any("placement_coordinates" in warning for warning in placement.warnings)


def test_without_a_place_a_free_one_inside_the_photo_is_found() -> None:
    placement = placed(Wish(product_height_cm=90))
    assert placement.box == placement.frame
    assert placement.frame[3] > CAMERA.horizon


@pytest.mark.parametrize("words", ["", "in the left corner", "on the far right"])
def test_a_place_of_ours_keeps_the_whole_product_in_the_photo(words: str) -> None:
    placement = placed(Wish(instructions=words), drawn.block(300, 60))
    assert placement.box == placement.frame


def test_a_point_above_the_horizon_is_on_the_wall() -> None:
    placement = placed(Wish(coordinates=(400, 150), product_height_cm=60))
    assert placement.surface == "wall"
    assert any("horizon" in warning for warning in placement.warnings)


def test_a_box_or_a_mask_above_the_horizon_is_on_the_wall() -> None:
    mask = np.zeros((600, 800), np.bool_)
    mask[50:200, 300:500] = True
    for name, wish in {"placement_box": Wish(box=(300, 50, 500, 200)), "mask": Wish(mask=mask)}.items():
        placement = placed(wish)
        assert (placement.surface, placement.frame) == ("wall", (355, 50, 445, 200))
        assert any(warning.startswith(name) and "horizon" in warning for warning in placement.warnings)
    assert placed(Wish(box=(300, 50, 500, 200), surface="floor")).surface == "floor"
    assert placed(Wish(box=(300, 50, 500, 400))).surface == "floor"


def test_a_floor_above_the_horizon_is_a_guess_and_is_said() -> None:
    placement = placed(Wish(coordinates=(400, 200), product_height_cm=60, surface="floor"))
    assert placement.base_point == (400, 200)
    assert 20 < placement.frame[3] - placement.frame[1] < 200
    assert any("horizon" in warning for warning in placement.warnings)


def test_what_has_no_effect_is_said() -> None:
    for wish in (Wish(box=(0, 400, 90, 490), product_height_cm=50), Wish(box=(0, 400, 90, 490), scale=0.5)):
        assert any("placement_box decides the size" in warning for warning in placed(wish).warnings)
    both = placed(Wish(coordinates=(400, 500), scale=0.5, product_height_cm=50))
    assert any("product_scale has no effect" in warning for warning in both.warnings)
    assert not placed(Wish(coordinates=(400, 500), product_height_cm=50)).warnings


def test_a_size_that_is_not_sure_is_said_where_true_scale_was_asked_for() -> None:
    wish = Wish(coordinates=(400, 500), product_height_cm=50)
    sure, low, unseen = (
        lay_out(ROOM, drawn.block(60, 100), camera, wish)
        for camera in (
            CAMERA.at_height(150, 0.2),
            CAMERA.at_height(150, 0.4),
            replace(CAMERA, found=False, horizon_error=100.0),
        )
    )
    assert not sure.warnings
    assert sure.scale == Scale(source="camera", error_percent=20.0)
    assert any("40 %" in warning and "camera_height_cm" in warning for warning in low.warnings)
    assert any("the photo does not show the horizon" in warning for warning in unseen.warnings)


def test_it_is_said_how_the_size_was_found() -> None:
    mask = np.zeros((600, 800), np.bool_)
    mask[300:500, 200:300] = True
    for wish in (Wish(box=(100, 100, 300, 500)), Wish(coordinates=(400, 500), scale=0.3), Wish(mask=mask)):
        assert placed(wish).scale == Scale(source="asked", error_percent=0.0)
    assert placed(Wish(coordinates=(400, 500), product_height_cm=50)).scale.source == "camera"
    guessed = placed(Wish(coordinates=(400, 500))).scale
    assert guessed.source == "usual_height"
    assert guessed.error_percent >= 25


def test_a_tap_on_a_table_stands_the_product_on_it_and_says_so() -> None:
    tap = Wish(coordinates=seen_at(0, 75, 280), product_height_cm=30)
    on_table = lay_out(room_with_table(), drawn.block(60, 100), CAMERA, tap)
    assert on_table.surface == "tabletop"
    assert on_table.warnings[0].startswith("placement_coordinates seem to be on a table")
    asked = lay_out(room_with_table(), drawn.block(60, 100), CAMERA, replace(tap, surface="floor"))
    assert asked.surface == "floor"


def test_the_front_edge_of_a_table_tells_the_size_of_what_stands_on_it() -> None:
    camera = CAMERA.at_height(CAMERA.height_cm, 0.3)
    point = seen_at(0, 75, 250)
    wish = Wish(coordinates=point, product_height_cm=30, surface="tabletop")
    rooms = room_with_table(220), np.full_like(ROOM, 190)
    seen, unseen = (lay_out(room, drawn.block(60, 100), camera, wish) for room in rooms)
    truth = 30 * (point[1] - camera.horizon) / (camera.height_cm - 75)
    off = [abs(np.log((each.frame[3] - each.frame[1]) / truth)) for each in (seen, unseen)]
    assert off[0] < 0.85 * off[1]
    assert seen.scale.error_percent < 0.75 * unseen.scale.error_percent
    assert (seen.scale.source, unseen.scale.source) == ("object", "camera")


def test_what_hangs_is_not_sure_of_its_size_where_neither_floor_nor_ceiling_tells_the_wall() -> None:
    wish = Wish(coordinates=(400, 180), surface="wall", product_height_cm=80)
    unseen = lay_out(np.full_like(ROOM, 180), drawn.block(60, 100), CAMERA, wish)
    assert any("the distance of the wall" in warning for warning in unseen.warnings)
    assert unseen.scale.error_percent > placed(wish).scale.error_percent > 30


def test_a_tilted_photo_has_the_scale_of_the_column() -> None:
    wish = Wish(coordinates=(700, 500), product_height_cm=50)
    level, tilted = (lay_out(ROOM, drawn.block(60, 100), replace(CAMERA, roll=roll), wish) for roll in (0, 0.1))
    above = (500 - CAMERA.horizon - 300 * np.tan(0.1)) / (500 - CAMERA.horizon)
    shrunk = (tilted.frame[3] - tilted.frame[1]) / (level.frame[3] - level.frame[1])
    assert shrunk == pytest.approx(above, rel=0.05)


def test_what_reaches_beyond_the_photo_is_cut_and_said() -> None:
    placement = placed(Wish(coordinates=(5, 590), product_height_cm=120), drawn.disc(100))
    assert placement.frame[0] < 0 == placement.box[0]
    assert any("border" in warning for warning in placement.warnings)


def test_the_box_is_what_is_seen_of_the_product_and_not_of_its_frame() -> None:
    lamp = drawn.block(100, 100)
    alpha = np.zeros((100, 100), np.float32)
    alpha[:40], alpha[:, 45:55] = 1, 1
    placement = placed(Wish(box=(300, 50, 500, 250)), replace(lamp, alpha=alpha))
    assert placement.box == pytest.approx((300, 50, 500, 250), abs=3)
    cut = placed(Wish(coordinates=(400, 50), surface="floor", scale=0.5), replace(lamp, alpha=alpha))
    assert cut.frame == (250, -249, 550, 51)
    assert cut.box == (385, 0, 415, 51)


def test_of_a_product_without_a_solid_pixel_the_frame_is_the_box() -> None:
    ghost = replace(drawn.block(50, 50), alpha=np.full((50, 50), 0.1, np.float32))
    assert placed(Wish(coordinates=(0, 599), scale=0.5), ghost).box == (0, 300, 150, 600)


@pytest.mark.parametrize("height_cm", [1, 1000])
@pytest.mark.parametrize("foot", [(0, 0), (799, 599), (0, 251), (400, 252)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)])
def test_every_size_at_every_place_covers_some_of_the_photo(
    height_cm: float, foot: tuple[int, int], shape: tuple[int, int]
) -> None:
    left, top, right, bottom = placed(Wish(coordinates=foot, product_height_cm=height_cm), drawn.block(*shape)).box
    assert 0 <= left < right <= 800
    assert 0 <= top < bottom <= 600
