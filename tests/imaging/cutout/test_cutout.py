"""Pictures drawn at four times their size, so that the true alpha of every pixel is known, and the photos in
`examples`."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from imaging.cutout import CutOut, NoProductError, cut_out
from imaging.cutout.product import LONGEST_SIDE
from imaging.picture import Picture

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"
SIDE = 320
FINE = 4
WHITE = (255, 255, 255)
RED, GRAY, WOOD = (150, 60, 50), (175, 175, 178), (90, 65, 45)
LEGS = ((95, 190), (211, 190), (76, 235), (230, 235))


class Sketch:
    """A product being drawn: its color and coverage, both FINE times larger than the photo."""

    def __init__(self):
        self.color = np.zeros((SIDE * FINE, SIDE * FINE, 3), np.float32)
        self.cover = np.zeros((SIDE * FINE, SIDE * FINE), np.uint8)

    def polygon(self, corners, color):
        area = np.zeros_like(self.cover)
        cv2.fillPoly(area, [np.rint(np.array(corners) * FINE).astype(np.int32)], 1)
        return self.paint(area, color)

    def box(self, left, top, right, bottom, color):
        return self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], color)

    def disc(self, x, y, radius, color, stretch=1.0):
        area = np.zeros_like(self.cover)
        cv2.ellipse(area, (x * FINE, y * FINE), (radius * FINE, int(radius * stretch * FINE)), 0, 0, 360, 1, -1)
        return self.paint(area, color)

    def paint(self, area, color):
        self.color[area > 0] = 0 if color is None else color
        self.cover[area > 0] = color is not None
        return self

    def taken(self, background=WHITE, shadow=1.0, noise=0.0, quality=None):
        """Return a photo of the sketch, and its true alpha."""
        alpha = cv2.resize(self.cover.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        color = cv2.resize(self.color, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        shade = np.broadcast_to(np.asarray(shadow, np.float32), (SIDE, SIDE))[..., None]
        light = color + np.asarray(background, np.float32) * shade * (1 - alpha[..., None])
        light = light + np.random.default_rng(1).normal(0, 1, light.shape) * noise
        pixels = np.rint(light).clip(0, 255).astype(np.uint8)
        return Picture(pixels if quality is None else jpeg(pixels, quality)), alpha


def jpeg(pixels, quality):
    return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def chair(color=RED, leg=WOOD, leg_width=6.0):
    sketch = Sketch()
    for x, bottom in LEGS:
        sketch.box(x, 170, x + leg_width, bottom, leg)
    sketch.polygon([(95, 60), (215, 60), (220, 162), (90, 162)], color)
    return sketch.polygon([(82, 158), (228, 158), (238, 182), (72, 182)], np.multiply(color, 0.85))


def soft_shadow(x=155, y=228, width=95, depth=0.4, blur=7):
    dark = np.zeros((SIDE, SIDE), np.float32)
    cv2.ellipse(dark, (x, y), (width, 14), 0, 0, 360, depth, -1)
    return 1 - cv2.GaussianBlur(dark, (0, 0), blur)


def vignette(color=(225, 225, 225), strength=0.2):
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    return np.array(color) / (1 + strength * (x * x + y * y) / 2)[..., None] ** 2


def sweep():
    fall = 1 / (1 + np.exp(-12 * (np.linspace(0, 1, SIDE) - 0.65)))
    return (235 - 45 * fall)[:, None, None] * np.ones((1, SIDE, 3))


def agreement(cut: CutOut, truth: np.ndarray) -> float:
    """Return the intersection over union of soft masks; the cut may lie up to three pixels from the true bounding
    box."""
    left, top, width, height = cv2.boundingRect((truth > 0.02).astype(np.uint8))
    rows, columns = cut.alpha.shape
    framed = np.pad(truth[top : top + height, left : left + width], ((3, rows + 3), (3, columns + 3)))
    steps = [(y, x) for y in range(7) for x in range(7)]
    common = max(np.minimum(framed[y : y + rows, x : x + columns], cut.alpha).sum() for y, x in steps)
    return float(common / (truth.sum() + cut.alpha.sum() - common))


def on(background: Iterable[int], cut: CutOut) -> np.ndarray:
    alpha = cut.alpha[..., None]
    return cut.color * alpha + np.array(background) * (1 - alpha)


def photo(case: str, name: str) -> Picture:
    pixels = cv2.cvtColor(cv2.imread(str(PHOTOS / case / name), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    return Picture(
        np.ascontiguousarray(pixels[..., :3]), pixels[..., 3].copy() if name == "product_alpha.png" else None
    )


def true_alpha(case: str) -> np.ndarray:
    alpha = photo(case, "product_alpha.png").alpha
    assert alpha is not None
    return alpha.astype(np.float32) / 255


# With an alpha of its own


@pytest.mark.parametrize("case", ["armchair_daylight", "floor_lamp_evening", "vase_loft"])
def test_a_cut_out_product_keeps_its_own_alpha(case):
    cut = cut_out(photo(case, "product_alpha.png"))
    assert cut.confidence == 1
    assert agreement(cut, true_alpha(case)) > 0.999


def test_color_under_transparent_pixels_never_shows():
    picture, alpha = chair().taken()
    pixels = np.where(alpha[..., None] > 0.15, RED, (0, 255, 0)).astype(np.uint8)
    cut = cut_out(Picture(pixels, np.rint(255 * alpha).astype(np.uint8)))
    assert (cut.color == RED).all()
    assert picture.alpha is None


def test_a_wholly_opaque_alpha_counts_as_none():
    picture, alpha = chair().taken()
    cut = cut_out(Picture(picture.pixels, np.full(alpha.shape, 255, np.uint8)))
    assert agreement(cut, alpha) > 0.99


def test_a_few_transparent_pixels_in_the_corners_are_taken_for_white():
    picture, alpha = chair().taken()
    rounded = np.full(alpha.shape, 255, np.uint8)
    rounded[:6, :6] = rounded[-6:, -6:] = 0
    black_corners = np.where(rounded[..., None] > 0, picture.pixels, 0).astype(np.uint8)
    assert agreement(cut_out(Picture(black_corners, rounded)), alpha) > 0.99


def test_a_tightly_cropped_box_with_rounded_corners_is_all_product():
    picture, alpha = Sketch().box(0, 0, SIDE, SIDE, (170, 150, 130)).taken()
    alpha[np.ix_((0, 1, -2, -1), (0, 1, -2, -1))] = 0
    cut = cut_out(Picture(picture.pixels, np.rint(255 * alpha).astype(np.uint8)))
    assert cut.confidence == 1
    assert agreement(cut, alpha) > 0.99


def test_a_tightly_cropped_box_seen_from_above_is_all_product():
    picture, alpha = Sketch().box(0, 0, SIDE, SIDE, (170, 150, 130)).taken()
    for row in range(4):
        alpha[row, : 4 - row] = alpha[row, row - 4 :] = 0
    cut = cut_out(Picture(picture.pixels, np.rint(255 * alpha).astype(np.uint8)))
    assert cut.confidence == 1
    assert agreement(cut, alpha) > 0.99


def rounded_card(picture: Picture, corner: int = 20) -> Picture:
    """Return the picture with an alpha that clears only its corners, which are black underneath."""
    inner = np.zeros((SIDE, SIDE), np.uint8)
    cv2.rectangle(inner, (corner, 0), (SIDE - 1 - corner, SIDE - 1), 255, -1)
    cv2.rectangle(inner, (0, corner), (SIDE - 1, SIDE - 1 - corner), 255, -1)
    for x in (corner, SIDE - 1 - corner):
        for y in (corner, SIDE - 1 - corner):
            cv2.circle(inner, (x, y), corner, 255, -1)
    return Picture(np.where(inner[..., None] > 0, picture.pixels, 0).astype(np.uint8), inner)


@pytest.mark.parametrize("margin", [0, 30])
def test_an_opaque_white_card_stays_behind(margin):
    picture, alpha = chair().taken()
    card = rounded_card(picture)
    edges = ((margin, margin),) * 2
    wide = Picture(np.pad(card.pixels, (*edges, (0, 0))), np.pad(card.alpha, edges))
    assert agreement(cut_out(wide), alpha) > 0.98


def test_a_white_product_with_an_alpha_of_its_own_stays_as_it_is():
    picture, alpha = Sketch().disc(160, 200, 90, (252, 252, 252)).box(130, 20, 190, 150, (252, 252, 252)).taken()
    cut = cut_out(Picture(picture.pixels, np.rint(255 * alpha).astype(np.uint8)))
    assert agreement(cut, alpha) > 0.99
    assert cut.confidence == 1


def test_stray_faint_pixels_are_no_product():
    picture, alpha = chair().taken()
    truth = alpha.copy()
    alpha[2, SIDE - 3], alpha[SIDE - 3, 2] = 20 / 255, 30 / 255
    assert agreement(cut_out(Picture(picture.pixels, np.rint(255 * alpha).astype(np.uint8))), truth) > 0.99


def test_a_faint_black_shadow_in_the_alpha_is_no_product():
    _, alpha = chair().taken()
    shadow = 1 - soft_shadow(y=248, width=140, depth=0.43)
    pixels = np.where(alpha[..., None] > 0, RED, 0).astype(np.uint8)
    baked = np.rint(255 * (alpha + shadow * (1 - alpha))).astype(np.uint8)
    assert agreement(cut_out(Picture(pixels, baked)), alpha) > 0.97


def test_a_translucent_product_stays_whole():
    _, alpha = chair().taken()
    for tint in (RED, (20, 20, 20)):
        pixels = np.full((SIDE, SIDE, 3), tint, np.uint8)
        assert agreement(cut_out(Picture(pixels, np.rint(90 * alpha).astype(np.uint8))), 90 / 255 * alpha) > 0.99


def test_a_nearly_transparent_product_is_not_trusted():
    picture, alpha = chair().taken()
    assert cut_out(Picture(picture.pixels, np.rint(25 * alpha).astype(np.uint8))).confidence < 0.3


# From a plain background


@pytest.mark.parametrize(("case", "least"), [("armchair_daylight", 0.985), ("vase_loft", 0.96)])
@pytest.mark.parametrize("quality", [None, 80])
def test_a_photo_on_white_gives_nearly_the_true_alpha(case, least, quality):
    pixels = photo(case, "product_white.png").pixels
    cut = cut_out(Picture(pixels if quality is None else jpeg(pixels, quality)))
    assert agreement(cut, true_alpha(case)) > least
    assert cut.confidence >= 0.8


def test_a_lamp_on_white_keeps_its_thin_pole_and_admits_that_its_white_shade_is_gone():
    cut = cut_out(photo("floor_lamp_evening", "product_white.png"))
    assert cut.alpha.shape == pytest.approx((274, 64), abs=6)
    assert (cut.alpha.max(axis=1)[4:-4] > 0.7).all()
    assert cut.confidence < 0.6


BACKGROUNDS = {
    "light gray": {"background": (228, 228, 228)},
    "cream with noise": {"background": (240, 230, 205), "noise": 2.0},
    "colored, JPEG": {"background": (90, 140, 190), "quality": 80},
    "dark": {"background": (20, 22, 26), "noise": 1.0},
    "vignette": {"background": vignette(strength=1.0), "quality": 90},
    "studio sweep": {"background": sweep(), "noise": 1.0},
    "white, JPEG": {"quality": 70},
}


@pytest.mark.parametrize("look", BACKGROUNDS.values(), ids=BACKGROUNDS.keys())
def test_a_chair_comes_off_any_plain_ground(look):
    picture, alpha = chair().taken(**look)
    cut = cut_out(picture)
    assert agreement(cut, alpha) > 0.98
    assert cut.confidence >= 0.8


@pytest.mark.parametrize("background", [WHITE, (215, 220, 228)])
def test_an_edge_takes_nothing_of_its_old_ground_along(background):
    cut = cut_out(chair().taken(background)[0])
    soft = (cut.alpha > 0.1) & (cut.alpha < 0.9)
    assert soft.sum() > 100
    assert cut.color[soft].max(axis=0).tolist() <= [160, 75, 65]


def test_shrinking_a_cut_out_draws_no_rim_around_it():
    cut = cut_out(Sketch().disc(160, 160, 97, RED).taken()[0])
    half = (cut.alpha.shape[1] // 2, cut.alpha.shape[0] // 2)
    small = CutOut(cv2.resize(cut.color, half), cv2.resize(cut.alpha, half), cut.confidence)
    assert on((20, 20, 20), small)[..., 1].max() <= 66


@pytest.mark.parametrize("background", [WHITE, (228, 228, 228), (150, 190, 160)])
@pytest.mark.parametrize("quality", [None, 85])
def test_a_soft_shadow_is_not_product(background, quality):
    picture, alpha = chair().taken(background, soft_shadow(), quality=quality)
    assert agreement(cut_out(picture), alpha) > 0.98


def test_a_shadow_may_be_warmer_than_its_ground():
    warm = soft_shadow(depth=0.3)[..., None] ** (0.85, 1, 1.4)
    picture, alpha = chair().taken(np.array((240, 230, 205)) * warm)
    assert agreement(cut_out(picture), alpha) > 0.98


def test_no_shred_of_a_shadow_on_a_vignette_makes_the_product_larger():
    picture, alpha = chair().taken(vignette() * soft_shadow(depth=0.3)[..., None], quality=85)
    assert cut_out(picture).alpha.shape == pytest.approx(np.ptp(np.argwhere(alpha > 0.02), axis=0) + 1, abs=6)


def test_a_gray_mug_loses_its_shadow_and_nothing_else():
    mug = Sketch().disc(235, 150, 45, GRAY).disc(235, 150, 32, None).box(90, 80, 220, 230, GRAY)
    picture, alpha = mug.taken((235, 235, 235), soft_shadow(width=90))
    assert agreement(cut_out(picture), alpha) > 0.98


@pytest.mark.parametrize("quality", [None, 85])
def test_poles_two_pixels_wide_stay_whole(quality):
    picture, alpha = chair(leg_width=2).taken((250, 250, 250), quality=quality)
    cut = cut_out(picture)
    assert agreement(cut, alpha) > 0.98
    bottom = cut.alpha[-40:-4]
    assert (bottom.max(axis=1) > 0.8).all()


def test_a_thin_pole_keeps_its_own_color():
    blue = (40, 60, 130)
    cut = cut_out(chair(leg=blue, leg_width=2).taken()[0])
    solid = cut.alpha[-40:] > 0.9
    assert np.abs(cut.color[-40:][solid] - np.array(blue)).max() < 12


def test_the_ground_shows_through_a_ring():
    picture, alpha = Sketch().disc(160, 160, 100, WOOD).disc(160, 160, 80, None).taken((215, 215, 215), quality=70)
    assert agreement(cut_out(picture), alpha) > 0.97


def test_the_ground_shows_through_a_black_frame():
    picture, alpha = (
        Sketch().box(70, 50, 250, 270, (40, 35, 30)).box(82, 62, 238, 258, None).taken(vignette(), quality=90)
    )
    assert agreement(cut_out(picture), alpha) > 0.98


def test_the_ground_shows_through_every_compartment_of_a_shelf():
    shelf = Sketch().box(60, 60, 260, 262, WOOD)
    for left in range(68, 250, 48):
        for top in range(68, 250, 48):
            shelf.box(left, top, left + 40, top + 40, None)
    picture, alpha = shelf.taken(vignette())
    assert agreement(cut_out(picture), alpha) > 0.98


def test_gray_panels_in_a_frame_are_no_holes():
    cabinet = Sketch().box(60, 60, 260, 262, WOOD)
    cabinet.box(68, 68, 156, 254, GRAY).box(164, 68, 252, 254, GRAY)
    picture, alpha = cabinet.taken()
    assert agreement(cut_out(picture), alpha) > 0.99


def test_a_white_label_amid_a_product_is_no_hole():
    picture, alpha = Sketch().box(70, 60, 250, 280, RED).box(135, 140, 185, 180, WHITE).taken()
    assert agreement(cut_out(picture), alpha) > 0.99


def test_a_printed_label_is_no_hole_wherever_it_is():
    label = Sketch().box(70, 60, 250, 280, RED).box(78, 70, 242, 150, WHITE).box(120, 100, 200, 115, WOOD)
    picture, alpha = label.taken(quality=80)
    assert agreement(cut_out(picture), alpha) > 0.99


def test_a_burnt_out_glint_is_no_hole():
    vase = Sketch().disc(160, 170, 70, (70, 120, 190), stretch=1.4)
    glint = np.zeros_like(vase.cover, np.float32)
    cv2.ellipse(glint, (115 * FINE, 150 * FINE), (8 * FINE, 30 * FINE), 15, 0, 360, 1.4, -1)
    vase.color += 255 * cv2.GaussianBlur(glint, (0, 0), 4 * FINE)[..., None] * vase.cover[..., None]
    vase.color = vase.color.clip(0, 255)
    picture, alpha = vase.taken()
    assert agreement(cut_out(picture), alpha) > 0.99


def test_white_on_white_is_found_by_its_last_two_levels_and_trusted_less():
    lamp = (
        Sketch().disc(160, 110, 60, (253, 253, 252)).box(157, 165, 163, 280, GRAY).disc(160, 280, 40, GRAY, stretch=0.2)
    )
    picture, alpha = lamp.taken()
    cut = cut_out(picture)
    assert agreement(cut, alpha) > 0.98
    assert cut.confidence < 0.8


def faded_ball(rim, middle):
    y, x = np.mgrid[0 : SIDE * FINE, 0 : SIDE * FINE] / FINE - 160
    ball = Sketch().disc(160, 160, 90, WHITE)
    ball.color *= (rim + (middle - rim) * (1 - (x * x + y * y) / 90**2).clip(0))[..., None] / 255
    return ball


@pytest.mark.parametrize(("rim", "middle", "background"), [(255, 190, 255), (205, 250, 200)])
def test_a_ball_that_fades_into_the_ground_is_no_shadow(rim, middle, background):
    picture, alpha = faded_ball(rim, middle).taken((background, background, background))
    assert agreement(cut_out(picture), alpha) > 0.9


def test_a_white_seat_burnt_out_on_one_side_is_no_shadow():
    seat = Sketch().box(90, 60, 230, 180, GRAY).box(80, 180, 240, 225, WHITE)
    seat.color[180 * FINE : 225 * FINE] *= np.linspace(1, 0.8, 45 * FINE)[:, None, None]
    picture, alpha = seat.taken()
    assert agreement(cut_out(picture), alpha) > 0.95


def test_a_white_vase_on_gray_is_all_there():
    vase = Sketch().disc(160, 200, 60, WHITE, stretch=1.3)
    vase.color *= np.linspace(0.85, 1, SIDE * FINE)[:, None]
    picture, alpha = vase.taken((205, 205, 205), soft_shadow(160, 270, 70))
    assert agreement(cut_out(picture), alpha) > 0.97


@pytest.mark.parametrize("box", [(100, 140, 220, 320), (0, 100, 150, 250), (5, 5, 315, 315), (158, 160, 164, 168)])
def test_a_product_may_touch_the_border_fill_the_frame_or_be_tiny(box):
    picture, alpha = Sketch().box(*box, WOOD).taken((240, 240, 240), quality=90)
    cut = cut_out(picture)
    assert agreement(cut, alpha) > 0.95
    assert cut.confidence >= 0.8


def test_two_products_stay_together_and_dust_goes():
    picture, alpha = Sketch().box(40, 120, 140, 280, RED).box(190, 180, 280, 280, WOOD).taken()
    picture.pixels[20:22, 20:22] = 90
    assert agreement(cut_out(picture), alpha) > 0.99


def test_a_large_product_is_reduced_and_a_small_one_left_as_it_is():
    picture, alpha = chair().taken()
    large = cv2.resize(picture.pixels, (3200, 3200), interpolation=cv2.INTER_CUBIC)
    assert max(cut_out(Picture(large)).alpha.shape) == pytest.approx(LONGEST_SIDE * 176 / SIDE, abs=4)
    solid = cut_out(Picture(large, np.full((3200, 3200), 90, np.uint8)))
    assert solid.alpha.shape == (LONGEST_SIDE, LONGEST_SIDE)
    assert (
        np.abs(cv2.resize(solid.color, (SIDE, SIDE), interpolation=cv2.INTER_AREA) - picture.pixels.astype(int)).mean()
        < 3
    )
    assert cut_out(picture).alpha.shape == pytest.approx(np.ptp(np.argwhere(alpha > 0.02), axis=0) + 1, abs=2)


def test_equal_photos_give_equal_bytes():
    first, second = (cut_out(chair().taken(quality=80)[0]) for _ in range(2))
    assert first.color.tobytes() == second.color.tobytes()
    assert first.alpha.tobytes() == second.alpha.tobytes()


def test_a_hole_shows_a_colored_background_however_thick_the_walls_around_it():
    picture, alpha = Sketch().box(40, 40, 280, 280, WOOD).box(130, 130, 190, 190, None).taken((110, 160, 190), noise=1)
    assert agreement(cut_out(picture), alpha) > 0.98


def test_a_light_pattern_is_no_hole():
    tile = Sketch().box(60, 60, 260, 260, (150, 150, 150))
    rng = np.random.default_rng(3)
    for x, y in rng.integers(80, 240, (40, 2)):
        tile.disc(int(x), int(y), 7, tuple(int(level) for level in rng.integers(205, 230, 3)))
    picture, alpha = tile.taken((240, 240, 240), noise=1)
    assert agreement(cut_out(picture), alpha) > 0.98


def test_gray_metal_is_told_from_its_deep_shadow():
    ball = Sketch().disc(150, 150, 70, (120, 118, 116))
    grain = np.random.default_rng(2).normal(0, 30, (SIDE, SIDE, 1)).astype(np.float32)
    ball.color += cv2.resize(grain, None, fx=FINE, fy=FINE)[..., None] * (ball.cover[..., None] > 0)
    ball.color = ball.color.clip(0, 255)
    picture, alpha = ball.taken((238, 238, 240), soft_shadow(x=210, y=205, width=90, depth=0.45), noise=1)
    assert agreement(cut_out(picture), alpha) > 0.97


def test_a_shadow_may_take_on_the_color_of_a_product_on_colored_paper():
    shadow = soft_shadow(y=285, width=110, depth=0.18)[..., None] ** (0.4, 1.0, 1.9)
    pot = Sketch().box(100, 120, 220, 280, (200, 80, 30))
    picture, alpha = pot.taken(np.array((212, 178, 134)) * shadow, noise=1)
    assert agreement(cut_out(picture), alpha) > 0.97


@pytest.mark.parametrize("sides", [(40, 40, 0, 0), (0, 0, 50, 50), (30, 30, 30, 30)])
def test_bars_around_a_studio_shot_are_no_part_of_the_product(sides):
    picture, alpha = chair().taken(sweep(), noise=1)
    barred = cv2.copyMakeBorder(picture.pixels, *sides, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    assert agreement(cut_out(Picture(barred)), alpha) > 0.97


def test_a_poster_on_white_is_the_product_to_its_straight_edges():
    poster = Sketch().box(40, 30, 280, 290, (232, 224, 205)).disc(160, 150, 70, RED).box(90, 220, 230, 260, GRAY)
    picture, alpha = poster.taken()
    assert agreement(cut_out(picture), alpha) > 0.99


# From a scene, or not at all


def scene() -> tuple[Picture, np.ndarray]:
    rows = np.linspace(0, 1, SIDE)[:, None, None]
    walls = np.where(np.arange(SIDE)[None, :, None] < 130, (70, 90, 60), (190, 180, 150))
    planks = np.where(np.arange(SIDE)[None, :, None] % 40 < 20, (120, 80, 50), (80, 60, 110))
    return chair().taken(np.where(rows < 0.6, walls, planks), noise=6.0)


def test_a_product_in_a_scene_is_found_but_little_trusted():
    picture, alpha = scene()
    cut = cut_out(picture)
    assert agreement(cut, alpha) > 0.6
    assert 0.1 < cut.confidence <= 0.5


def test_a_room_with_plain_walls_is_no_product():
    room = cv2.cvtColor(cv2.imread(str(PHOTOS / "armchair_daylight" / "room.png")), cv2.COLOR_BGR2RGB)
    assert cut_out(Picture(room)).confidence < 0.5


def test_the_same_scene_gives_the_same_bytes():
    first, second = (cut_out(scene()[0]) for _ in range(2))
    assert first.alpha.tobytes() == second.alpha.tobytes()


def test_where_nothing_comes_apart_the_whole_picture_is_the_answer_and_not_trusted():
    pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    cut = cut_out(Picture(pixels))
    assert np.array_equal(cut.color, pixels)
    assert cut.alpha.min() == 1
    assert cut.confidence < 0.5


@pytest.mark.parametrize(
    "picture",
    [
        Picture(np.full((50, 80, 3), 255, np.uint8)),
        Picture(np.rint(vignette(strength=0.4)).astype(np.uint8)),
        Picture(jpeg(np.random.default_rng(0).normal(200, 3, (90, 90, 3)).clip(0, 255).astype(np.uint8), 80)),
        Picture(np.zeros((50, 80, 3), np.uint8), np.zeros((50, 80), np.uint8)),
    ],
    ids=["white", "empty studio", "noise", "transparent"],
)
def test_a_picture_without_a_product_is_refused(picture):
    with pytest.raises(NoProductError):
        cut_out(picture)


@pytest.mark.parametrize("width", [1, 2, 7])
@pytest.mark.parametrize("height", [1, 3, 40])
def test_a_picture_of_any_size_gets_an_answer_or_a_reason(width, height):
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    with contextlib.suppress(NoProductError):
        cut = cut_out(Picture(pixels))
        assert cut.color.shape[:2] == cut.alpha.shape


# With a learned prior


def test_a_prior_finds_the_product_in_a_scene_and_the_picture_says_where_it_ends():
    picture, alpha = scene()
    coarse = cv2.resize(cv2.resize(alpha, (160, 160), interpolation=cv2.INTER_AREA), (SIDE, SIDE))
    cut = cut_out(picture, prior=lambda _: coarse)
    assert agreement(cut, alpha) > 0.9
    assert cut.confidence >= 0.5


def test_an_opening_that_a_prior_overlooks_is_no_product():
    wall = np.where(np.arange(SIDE)[None, :, None] < 160, (70, 130, 60), (190, 180, 150))
    picture, alpha = Sketch().box(90, 60, 230, 260, WOOD).box(130, 100, 190, 140, None).taken(wall, noise=6.0)
    _, filled = Sketch().box(90, 60, 230, 260, WOOD).taken()
    cut = cut_out(picture, prior=lambda _: filled)
    assert agreement(cut, alpha) > 0.96
    assert cut.alpha[60:70, 60:80].max() < 0.1


def test_an_undecided_prior_is_not_trusted():
    picture, alpha = scene()
    assert cut_out(picture, prior=lambda _: cv2.GaussianBlur(alpha, (0, 0), 15)).confidence < 0.5


def framed_print(left: int, top: int, right: int, bottom: int) -> tuple[Picture, np.ndarray, np.ndarray]:
    """Return the photo of a print of a red disc in a black frame on a wall, the frame's alpha, and the disc's."""
    wall = np.where(np.arange(SIDE)[:, None, None] < 250, (200, 190, 180), (120, 80, 60))
    frame = Sketch().box(left, top, right, bottom, (30, 30, 30))
    picture, alpha = frame.box(left + 15, top + 15, right - 15, bottom - 15, WHITE).taken(wall, noise=3)
    spot, _ = Sketch().disc(160, 160, 45, RED).taken()
    pixels = np.where((spot.pixels < 250).any(axis=2, keepdims=True), spot.pixels, picture.pixels)
    return Picture(pixels), alpha, (spot.pixels[..., 1] < 128).astype(np.float32)


@pytest.mark.parametrize("has_prior", [False, True])
def test_a_print_belongs_to_the_frame_that_fills_the_photo(has_prior):
    picture, alpha, disc = framed_print(60, 30, 260, 290)
    cut = cut_out(picture, prior=(lambda _: disc) if has_prior else None)
    assert agreement(cut, alpha) > 0.97
    assert cut.confidence >= 0.5


def test_a_soft_shadow_on_the_wall_is_no_part_of_a_frame():
    picture, alpha, _ = framed_print(60, 30, 260, 290)
    fallen = cv2.GaussianBlur(np.roll(alpha, (10, -10), (0, 1)), (0, 0), 5) * (1 - alpha)
    cut = cut_out(Picture((picture.pixels * (1 - 0.5 * fallen[..., None])).astype(np.uint8)))
    assert agreement(cut, alpha) > 0.97


def test_a_print_in_a_small_frame_is_not_trusted_to_be_the_product():
    picture, _, disc = framed_print(80, 80, 240, 240)
    assert cut_out(picture, prior=lambda _: disc).confidence < 0.5


def test_a_prior_that_sees_no_single_thing_confirms_that_the_picture_is_the_product():
    pixels = cv2.resize(np.random.default_rng(4).integers(0, 256, (40, 60, 3), np.uint8), (600, 400))
    nothing = np.zeros((400, 600), np.float32)
    alone, confirmed = cut_out(Picture(pixels)), cut_out(Picture(pixels), prior=lambda _: nothing)
    assert alone.alpha.min() == confirmed.alpha.min() == 1
    assert alone.confidence < 0.5 <= confirmed.confidence


def test_no_prior_is_asked_about_a_product_on_a_plain_background():
    def asked(_: np.ndarray) -> np.ndarray:
        raise AssertionError

    assert cut_out(chair().taken()[0], prior=asked).confidence > 0.8


def test_an_outline_that_is_not_trusted_is_not_shown_to_a_model():
    picture, _ = scene()
    assert np.array_equal(cut_out(picture).reference, picture.pixels)
    trusted = cut_out(chair().taken()[0])
    assert np.array_equal(trusted.reference, trusted.on_white)


def glass_jar() -> tuple[Picture, np.ndarray]:
    """Return the photo of a jar of clear glass under a wooden lid, and the alpha of both."""
    picture, lid = Sketch().box(90, 60, 230, 100, WOOD).taken((232, 232, 234), noise=1.5)
    jar = picture.pixels.astype(np.int16)
    for left, top, right, bottom in ((100, 100, 102, 280), (218, 100, 220, 280), (100, 278, 220, 280)):
        jar[top:bottom, left:right] -= 6
    _, body = Sketch().box(100, 100, 220, 280, WOOD).taken()
    return Picture(jar.astype(np.uint8)), np.maximum(lid, body)


def test_clear_glass_under_a_lid_is_half_transparent_and_not_trusted():
    jar, alpha = glass_jar()
    cut = cut_out(jar)
    assert cut.confidence < 0.5
    assert agreement(cut, (alpha > 0.5) * np.where(np.arange(SIDE)[:, None] < 100, 1, 0.55)) > 0.9


def test_a_prior_that_sees_more_than_an_outline_that_is_not_trusted_decides():
    jar, alpha = glass_jar()
    seen, blind = (cut_out(jar, prior=lambda _, likely=likely: likely) for likely in (alpha, alpha * 0))
    assert agreement(seen, alpha) > 0.95
    assert (seen.confidence > 0.5, blind.confidence < 0.5) == (True, True)
    assert np.array_equal(blind.alpha, cut_out(jar).alpha)
