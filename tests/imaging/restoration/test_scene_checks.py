import numpy as np
import pytest

from imaging.compose import compose
from imaging.picture import Pixels
from imaging.placement.layout import Wish, lay_out
from imaging.restoration.scene_checks import SceneChecks, scene_checks
from tests.imaging import drawn

CAMERA = drawn.camera()


def checked(wish: Wish, room: Pixels | None = None, product: drawn.CutOut | None = None) -> SceneChecks:
    room = drawn.room(CAMERA) if room is None else room
    product = product or drawn.block(60, 100)
    placement = lay_out(room, product, CAMERA, wish)
    guide = compose(room, product, placement)
    return scene_checks(room, guide.pixels, guide, product, placement)


def test_a_product_on_free_floor_is_whole_on_clear_ground_and_no_brighter_than_the_room() -> None:
    seen = checked(Wish(coordinates=(400, 520), product_height_cm=60))
    assert seen.visible == pytest.approx(1, abs=0.01)
    assert seen.clear_ground is not None
    assert seen.clear_ground > 0.9
    assert seen.brightness is not None
    assert seen.brightness < 10


def test_a_product_cut_off_by_the_border_is_not_whole() -> None:
    assert checked(Wish(coordinates=(3, 560), product_height_cm=60)).visible < 0.7


def test_a_product_across_other_things_has_no_clear_ground() -> None:
    room = drawn.room(CAMERA)
    room[490:530, 340:400] = (40, 60, 160)
    seen = checked(Wish(coordinates=(400, 520), product_height_cm=60), room)
    assert seen.clear_ground is not None
    assert seen.clear_ground < 0.75


def test_what_hangs_on_a_wall_has_no_ground() -> None:
    assert checked(Wish(coordinates=(400, 300), surface="wall", product_height_cm=60)).clear_ground is None


def test_a_product_left_in_its_studio_light_is_brighter_than_a_dim_room() -> None:
    room = (drawn.room(CAMERA) * 0.3).astype(np.uint8)
    white = drawn.block(60, 100, (250, 250, 250))
    placement = lay_out(room, white, CAMERA, Wish(coordinates=(400, 520), product_height_cm=60))
    guide = compose(room, white, placement)
    left, top, right, bottom = placement.box
    studio = guide.pixels.copy()
    studio[top:bottom, left:right] = 250
    relit, pasted = (scene_checks(room, each, guide, white, placement).brightness for each in (guide.pixels, studio))
    assert relit is not None
    assert pasted is not None
    assert pasted > max(20, relit + 10)


def test_a_rug_that_lies_inside_the_photo_is_whole() -> None:
    assert checked(Wish(coordinates=(400, 560), surface="rug", product_height_cm=60)).visible > 0.99
