from dataclasses import replace

import cv2
import numpy as np
import pytest

from imaging.compose import Composite, compose
from imaging.geometry.find_camera import find_camera
from imaging.lighting.estimate import encoded, linear
from imaging.picture import Mask, Pixels
from imaging.placement.layout import Placement, Wish, lay_out
from tests.imaging import drawn

CAMERA = drawn.camera()
ROOM = drawn.room(CAMERA)


def made(wish: Wish, product: drawn.CutOut | None = None, room: Pixels = ROOM) -> tuple[Composite, Placement]:
    product = product or drawn.block(60, 100)
    placement = lay_out(room, product, CAMERA, wish)
    return compose(room, product, placement), placement


def standing(x: int = 400, y: int = 520, product: drawn.CutOut | None = None, room: Pixels = ROOM) -> Pixels:
    return made(Wish(coordinates=(x, y), product_height_cm=60), product, room)[0].pixels


def lightness(pixels: Pixels) -> np.ndarray:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)[..., 0].astype(np.int16)


def covered(placement: Placement) -> Mask:
    mask = np.zeros(ROOM.shape[:2], np.bool_)
    left, top, right, bottom = placement.box
    mask[top:bottom, left:right] = True
    return mask


WISHES = (
    Wish(coordinates=(400, 520), product_height_cm=60),
    Wish(coordinates=(3, 599), product_height_cm=150),
    Wish(coordinates=(400, 300), surface="wall", product_height_cm=60),
    Wish(coordinates=(400, 420), surface="tabletop", product_height_cm=20),
    Wish(coordinates=(400, 100), surface="floor", product_height_cm=60),
    Wish(box=(790, 590, 800, 600)),
    Wish(box=(0, 0, 800, 600)),
)


@pytest.mark.parametrize("wish", WISHES)
def test_outside_what_changed_the_photo_is_the_same_bit_for_bit(wish: Wish) -> None:
    composite, _ = made(wish)
    assert composite.changed.any()
    assert (composite.pixels[~composite.changed] == ROOM[~composite.changed]).all()


@pytest.mark.parametrize("wish", WISHES)
def test_a_solid_product_covers_its_box_and_the_rest_is_only_dimmed(wish: Wish) -> None:
    red = drawn.block(60, 100, (230, 10, 20))
    composite, placement = made(wish, red)
    box = covered(placement)
    is_red = composite.pixels[..., 0].astype(int) - composite.pixels[..., 1] > 90
    assert (is_red == box).all()
    assert (composite.pixels[~box] <= ROOM[~box]).all()


@pytest.mark.parametrize("case", drawn.CASES)
def test_pixels_without_a_reason_to_change_are_kept(case: str) -> None:
    room, told = drawn.photo(case), drawn.told(case)
    product, camera = drawn.alpha_product(case), find_camera(room, told["camera_height_cm"])
    wish = Wish(coordinates=tuple(told["foot"]), product_height_cm=told["height_cm"])
    changed = compose(room, product, lay_out(room, product, camera, wish)).changed
    left, top, right, bottom = told["box"]
    beside, above = int(0.6 * (right - left)), int(0.35 * (bottom - top))
    changed[top - above : bottom + above, left - beside : right + beside] = False
    changed[cv2.absdiff(drawn.photo(case, "truth.png"), room).max(axis=2) > 2] = False  # a lit lamp reaches far
    assert not changed.any()


def test_the_shadow_is_darkest_at_the_foot_and_ends_smoothly() -> None:
    dimmed = lightness(ROOM) - lightness(standing())
    below = dimmed[521:560, 400]
    assert below[:3].mean() > below[8:11].mean() > below[20:23].mean()
    assert abs(np.diff(dimmed[525:600, 250:550], axis=1)).max() < 12


def test_the_shadow_falls_away_from_the_window() -> None:
    for window, darker in (("left", 1), ("right", -1)):
        room = drawn.room(CAMERA, window=window)
        dimmed = lightness(room) - lightness(standing(room=room))
        left, right = dimmed[500:525, 345:370].sum(), dimmed[500:525, 431:456].sum()
        assert (right - left) * darker > 0


def test_floor_is_dark_under_a_stool_and_at_its_feet() -> None:
    composite, placement = made(Wish(coordinates=(400, 540), product_height_cm=50), drawn.stool())
    left, top, right, bottom = placement.frame
    dimmed = lightness(ROOM) - lightness(composite.pixels)
    row, width = round(top + 0.8 * (bottom - top)), right - left
    between_legs = dimmed[row, left + round(0.25 * width)]
    beside = dimmed[row, left - round(0.2 * width)]
    assert between_legs > beside + 15
    at_foot = dimmed[bottom : bottom + 4, left + width // 2]
    assert at_foot.mean() > dimmed[bottom : bottom + 4, left + width // 4].mean() + 5


def test_a_wall_close_behind_takes_some_of_the_shadow() -> None:
    composite, placement = made(Wish(coordinates=(400, 425), product_height_cm=90))
    left, top, _, bottom = placement.frame
    beside = np.s_[(top + bottom) // 2 : bottom - 30, left - 6 : left - 1]
    assert (lightness(ROOM) - lightness(composite.pixels))[beside].mean() > 3


def test_what_hangs_throws_no_shadow_on_the_floor() -> None:
    composite, placement = made(Wish(coordinates=(400, 300), surface="wall", product_height_cm=60))
    left, top, right, bottom = placement.frame
    size = bottom - top
    assert (lightness(ROOM) - lightness(composite.pixels))[bottom + 1, (left + right) // 2] > 3
    assert not composite.changed[bottom + size // 4 :].any()


def test_what_can_stand_nowhere_throws_no_shadow() -> None:
    composite, placement = made(Wish(coordinates=(400, 100), surface="floor", product_height_cm=60))
    assert (composite.changed == covered(placement)).all()


def test_the_edge_has_no_halo() -> None:
    """Between the product and the floor there is a mixture of both, nothing brighter or darker."""
    floor = np.full_like(ROOM, 150)
    product = drawn.disc(300, (60, 60, 60))
    pixels = standing(product=product, room=floor)
    assert pixels.max() <= 150
    assert pixels.min() >= 40


def test_fine_detail_stays_crisp() -> None:
    stripes = drawn.block(120, 200, (40, 40, 40))
    stripes.color[:, ::2] = 215
    composite, placement = made(Wish(box=(300, 300, 420, 500)), stripes)
    left, top, right, bottom = placement.box
    inside = composite.pixels[top:bottom, left:right].astype(int)
    assert (right - left, bottom - top) == (120, 200)
    assert (np.abs(np.diff(inside[..., 0], axis=1)) > 100).all()


def test_the_products_color_is_kept_in_a_neutral_room() -> None:
    color = (60, 120, 90)
    composite, placement = made(Wish(coordinates=(400, 520), product_height_cm=60), drawn.block(60, 100, color))
    left, top, right, bottom = placement.box
    light = linear(composite.pixels[(top + bottom) // 2, (left + right) // 2])
    ratios = light / linear(np.array(color, np.uint8))
    assert ratios.max() / ratios.min() < 1.2
    assert 0.7 < ratios.mean() < 1.5


@pytest.mark.parametrize("dimmed", [0.25, 0.05])
def test_in_an_underexposed_photo_the_product_is_as_dark_as_the_room(dimmed: float) -> None:
    dim = np.rint(encoded(linear(ROOM) * np.float32(dimmed))).astype(np.uint8)
    inside = covered(made(Wish(coordinates=(400, 520), product_height_cm=60))[1])
    bright, dark = (linear(standing(room=room))[inside].mean() for room in (ROOM, dim))
    assert dark / bright < 2 * dimmed


def test_a_lampshade_is_bright_in_lamplight_and_a_white_cabinet_is_not() -> None:
    evening = (ROOM * 0.45).astype(np.uint8)
    lamp, cabinet = drawn.lamp(), drawn.block(50, 200, (240, 238, 230))
    for product, bright in ((lamp, True), (cabinet, False)):
        composite, placement = made(Wish(coordinates=(400, 500), product_height_cm=150), product, evening)
        shade = composite.pixels[placement.frame[1] + 5, placement.base_point[0]]
        assert (shade.min() > 215) == bright


LAMP_WISH = Wish(coordinates=(400, 420), product_height_cm=150)  # in front of the wall
EVENING = (ROOM * 0.45).astype(np.uint8)


def gained(product: drawn.CutOut, room: Pixels, wish: Wish = LAMP_WISH) -> tuple[np.ndarray, Placement]:
    """Return how much lighter each pixel outside the product became."""
    composite, placement = made(wish, product, room)
    return np.where(covered(placement), 0, lightness(composite.pixels) - lightness(room)), placement


def test_a_lit_lamp_brightens_the_wall_less_and_less_with_distance() -> None:
    gain, placement = gained(drawn.lamp(), EVENING)
    _, top, right, _ = placement.frame
    above = gain[:top, placement.base_point[0]][::-1]
    assert above[2] > 15
    assert (np.diff(above[5:]) <= 1).all()
    assert above[-1] == 0
    assert gain[top + 10, right + 10] > 10


def test_the_light_of_a_lamp_has_no_edge() -> None:
    gain, placement = gained(drawn.lamp(), EVENING)
    wall = gain[: placement.frame[1]]
    assert max(np.abs(np.diff(wall, axis=axis)).max() for axis in (0, 1)) <= 3
    composite, _ = made(LAMP_WISH, drawn.lamp(), EVENING)
    assert (composite.pixels[~composite.changed] == EVENING[~composite.changed]).all()


def test_a_lamp_burns_no_wall_out() -> None:
    composite, placement = made(replace(LAMP_WISH, coordinates=(400, 419)), drawn.lamp(), (ROOM * 0.6).astype(np.uint8))
    assert composite.pixels[~covered(placement)].max() < 240


@pytest.mark.parametrize(
    ("product", "room"), [(drawn.lamp(), ROOM), (drawn.lamp((60, 60, 60)), EVENING), (drawn.stool((240,) * 3), EVENING)]
)
def test_a_lamp_in_daylight_and_what_is_no_lamp_light_nothing(product: drawn.CutOut, room: Pixels) -> None:
    assert gained(product, room)[0].max() <= 0


def pendant(shade: tuple[int, int, int] = (240, 238, 230)) -> drawn.CutOut:
    """Return a shade on a cord."""
    alpha = np.zeros((200, 120), np.float32)
    alpha[:140, 58:62] = 1
    alpha[140:] = 1
    color = np.full((200, 120, 3), 30, np.uint8)
    color[140:] = shade
    return drawn.CutOut(color, alpha, 1.0)


HANGING = Wish(coordinates=(400, 120), product_height_cm=90, surface="ceiling")  # before the wall


def test_a_lit_pendant_is_bright_and_lights_what_is_below_it_and_a_dark_one_does_not() -> None:
    gain, placement = gained(pendant(), EVENING, HANGING)
    composite, _ = made(HANGING, pendant(), EVENING)
    _, top, right, bottom = placement.frame
    assert composite.pixels[bottom - 5, placement.base_point[0]].min() > 215
    assert composite.pixels[top + 5, placement.base_point[0]].max() < 60, "the cord does not shine"
    below = gain[bottom:, placement.base_point[0]]
    assert below[3] > 10
    assert below[-1] == 0
    assert gain[bottom - 10, right + 10] > 5
    assert gained(pendant((60, 60, 60)), EVENING, HANGING)[0].max() <= 0
    assert gained(pendant(), ROOM, HANGING)[0].max() <= 0


def test_what_hangs_from_the_ceiling_casts_no_shadow() -> None:
    for room in (ROOM, EVENING):
        assert gained(pendant((60, 60, 60)), room, HANGING)[0].min() >= 0


def test_the_same_job_gives_the_same_pixels() -> None:
    assert (standing() == standing()).all()


def test_a_transparent_product_changes_nothing_but_light() -> None:
    ghost = replace(drawn.block(60, 100), alpha=np.zeros((100, 60), np.float32))
    assert (standing(product=ghost) <= ROOM).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (40, 30), (1, 200), (300, 1)])
def test_rooms_of_every_size_are_composed(size: tuple[int, int]) -> None:
    room = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    product = drawn.disc(20)
    for wish in (Wish(coordinates=(0, size[1] - 1), product_height_cm=500), Wish(box=(0, 0, *size))):
        placement = lay_out(room, product, find_camera(room), wish)
        composite = compose(room, product, placement)
        assert composite.pixels.shape == room.shape
