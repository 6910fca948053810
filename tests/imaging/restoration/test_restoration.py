from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from imaging.picture import Mask, Pixels, Size
from imaging.restoration.restoration import Restored, restore
from testing.drift import MODELS, Model, Scene, as_pixels, camouflaged, painted, psnr, read_scene, undone
from testing.pictures import CHAIR, PHOTOS

CASES = sorted(file.parent for file in PHOTOS.glob("*/case.json"))
ROOM = read_scene(CHAIR)
LAMP, VASE = (read_scene(PHOTOS / name) for name in ("floor_lamp_evening", "vase_loft"))
MIXTURE = Model("", 0.98, (0.012, -0.015), 0.4, color_shift=True, jpeg=80, megapixel=True)


def brought_back(scene: Scene, raw: Pixels) -> Restored:
    return restore(scene.room, raw, scene.near, scene.box)


def same(one: Pixels, other: Pixels) -> Mask:
    return (one == other).all(axis=2)


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
@pytest.mark.parametrize(
    "model",
    [MIXTURE, replace(MIXTURE, zoom=1.03, gradient=0.15), replace(MIXTURE, degrees=-0.5, repaint=True)],
    ids=["mixture", "uneven light", "repainted"],
)
def test_a_drifted_picture_costs_less_than_a_decibel_and_no_pixel_outside(folder: Path, model: Model) -> None:
    scene = read_scene(folder)
    answer = brought_back(scene, painted(model, scene))
    undrifted = brought_back(scene, painted(model.without_drift, scene))
    assert same(answer.pixels, scene.room)[~scene.near].all()
    assert psnr(scene, answer.pixels) > psnr(scene, undrifted.pixels) - 1


def test_the_drift_is_told() -> None:
    drift = brought_back(ROOM, painted(MIXTURE, ROOM)).drift
    assert drift.pixels == pytest.approx(np.hypot(0.012 * 1024, 0.015 * 768), abs=0.2)
    assert drift.percent == pytest.approx(-2, abs=0.02)
    assert drift.degrees == pytest.approx(0.4, abs=0.02)
    assert drift.color > 4
    assert drift.found


@pytest.mark.parametrize("scene", [ROOM, VASE], ids=lambda scene: scene.name)
def test_without_any_layout_the_product_and_its_shadow_are_found_by_difference(scene: Scene) -> None:
    answer = restore(scene.room, painted(MIXTURE, scene))
    truly = np.abs(scene.truth.astype(int) - scene.room).max(axis=2) > 20
    changed = ~same(answer.pixels, scene.room)
    assert changed[truly & scene.near].mean() > 0.97
    assert changed.mean() < truly.mean() + 0.15
    assert psnr(scene, answer.pixels) > 38


def test_a_thin_pole_is_kept() -> None:
    answer = brought_back(LAMP, painted(replace(MIXTURE, jpeg=None), LAMP))
    _, top, _, bottom = LAMP.box
    pole = np.zeros_like(LAMP.product)
    pole[top + 60 : bottom - 20] = LAMP.product[top + 60 : bottom - 20]
    apart = np.abs(answer.pixels.astype(int) - LAMP.truth)[pole].mean()
    assert apart < 0.2 * np.abs(LAMP.room.astype(int) - LAMP.truth)[pole].mean()


def test_a_picture_that_kept_the_photo_is_taken_as_it_is() -> None:
    composite = np.where(ROOM.near[..., None], ROOM.truth, ROOM.room)
    for allowed in (ROOM.near, None):
        answer = restore(ROOM.room, composite, allowed, ROOM.box)
        assert np.array_equal(answer.pixels, composite)
    plain = np.full_like(ROOM.room, 200)
    plain[:, 900:910] = 100
    busy = np.where(ROOM.near[..., None], ROOM.truth, plain)
    assert np.array_equal(restore(plain, busy, ROOM.near).pixels, busy)
    narrower = ROOM.near.copy()
    narrower[:, :250] = False
    answer = restore(ROOM.room, composite, narrower)
    assert np.array_equal(answer.pixels, np.where(narrower[..., None], composite, ROOM.room))
    assert answer.drift.pixels == answer.drift.color == 0


def test_where_nothing_was_painted_the_photo_stays_whole() -> None:
    nothing = replace(ROOM, truth=ROOM.room)
    for raw in (
        ROOM.room,
        painted(replace(MIXTURE, color_shift=False), nothing),
        painted(Model("", 1.02, color_shift=True), nothing),
    ):
        assert same(restore(ROOM.room, raw).pixels, ROOM.room).all()


def test_where_nothing_may_change_nothing_does() -> None:
    answer = restore(ROOM.room, painted(MIXTURE, ROOM), np.zeros_like(ROOM.near))
    assert np.array_equal(answer.pixels, ROOM.room)


def test_what_was_changed_far_from_the_product_is_left_out() -> None:
    truth = ROOM.truth.copy()
    truth[200:260, 900:960] = (200, 30, 30)
    raw = painted(MIXTURE, replace(ROOM, truth=truth))
    anywhere, near = (restore(ROOM.room, raw, None, box).pixels for box in (None, ROOM.box))
    assert not same(anywhere, ROOM.room)[200:260, 900:960].any()
    assert same(near, ROOM.room)[150:310, 850:1010].all()


def test_specks_are_left_out() -> None:
    truth = ROOM.truth.copy()
    truth[200:204, 900:904] = truth[60:63, 300:303] = (200, 30, 30)
    changed = ~same(restore(ROOM.room, painted(MIXTURE, replace(ROOM, truth=truth))).pixels, ROOM.room)
    assert not changed[180:224, 880:924].any()
    assert not changed[40:83, 280:323].any()


def test_light_leaves_the_photo_its_grain() -> None:
    """A soft shadow on a grainy wall, which the model painted smooth."""
    grain = np.random.default_rng(1).normal(0, 6, (*LAMP.product.shape, 1))
    room = as_pixels(LAMP.room + grain)
    y, x = np.indices(LAMP.product.shape)
    shadow = 1 - 0.2 * np.exp(-(((x - 300) / 60) ** 2) - ((y - 250) / 60) ** 2)[..., None]
    answer = restore(room, painted(MIXTURE, replace(LAMP, truth=as_pixels(LAMP.room * shadow)))).pixels
    inside = np.s_[210:290, 260:340, 1]
    assert answer[inside].mean() == pytest.approx((LAMP.room * shadow)[inside].mean(), abs=2)
    fine = answer[inside] - cv2.GaussianBlur(answer[inside].astype(float), (0, 0), 3)
    assert np.corrcoef(fine.ravel(), grain[inside[:2]].ravel())[0, 1] > 0.9


def test_a_shadow_fades_towards_the_end_of_what_may_change() -> None:
    left, top, right, bottom = VASE.box
    allowed = np.zeros_like(VASE.product)
    allowed[top - 20 : bottom + 20, left - 20 : right + 45] = True
    before = VASE.room.astype(int)
    change = np.abs(restore(VASE.room, painted(MIXTURE, VASE), allowed, VASE.box).pixels - before).max(axis=2)
    assert change[bottom - 25 : bottom - 5, right + 5].max() > 20
    assert change[bottom - 25 : bottom - 5, right + 40 : right + 45].max() < 12


def test_light_fades_out_where_the_painted_picture_does_not_reach() -> None:
    y, x = np.indices(ROOM.product.shape)
    shadow = 1 - 0.11 * np.exp(-((x / 80) ** 2) - ((y - 600) / 60) ** 2)[..., None]
    truth = as_pixels(ROOM.room * shadow)
    answer = restore(ROOM.room, painted(Model("", shift=(-0.02, 0.0)), replace(ROOM, truth=truth))).pixels
    missing = np.abs(answer.astype(int) - truth)[580:620].mean(axis=(0, 2))
    assert missing[25:60].max() < 1.5
    assert missing[10] < 12 < missing[0]
    assert np.diff(missing[:25]).min() > -2.5


def test_a_product_that_looks_like_what_is_behind_it_is_taken_as_it_was_painted() -> None:
    """Within 2 dB on average, and 5 dB at worst, of undoing the drift that was applied."""
    losses = []
    for scene in (camouflaged(given)[0] for given in (ROOM, LAMP, VASE)):
        for model in (Model(""), MODELS[0], MODELS[5], MODELS[8]):
            raw = painted(replace(model, jpeg=model.jpeg or 95), scene)
            answer = restore(scene.room, raw, scene.near, scene.box, product=scene.product.astype(np.float32))
            perfect = undone(model, scene, raw)
            losses.append(psnr(scene, perfect, scene.product) - psnr(scene, answer.pixels, scene.product))
    assert np.mean(losses) < 2
    assert max(losses) < 5


def test_the_product_leaves_no_halo() -> None:
    around = cv2.dilate(VASE.product.astype(np.uint8), np.ones((25, 25))) > VASE.product
    answer = brought_back(VASE, painted(replace(MIXTURE, jpeg=None), VASE)).pixels
    assert np.abs(answer.astype(int) - VASE.truth)[around].mean() < 1


@pytest.mark.parametrize("color", [(1.0, 1.0, 1.0), (0.9, 1.0, 1.08), (1.15, 1.15, 1.15)])
def test_no_grain_of_the_photo_shows_through_a_product(color: tuple[float, float, float]) -> None:
    """A smooth disc with a black outline before a grainy wall: in the wall's color, bluer, brighter."""
    grain = np.random.default_rng(1).normal(0, 6, (*LAMP.product.shape, 1))
    room = as_pixels(LAMP.room + grain)
    truth = cv2.circle(LAMP.room.copy(), (310, 300), 60, (20, 20, 20), -1)
    disc = cv2.circle(np.zeros(LAMP.product.shape, np.uint8), (310, 300), 55, 1, -1) > 0
    truth[disc] = np.clip(LAMP.room[300, 310] * np.array(color), 0, 255)
    answer = restore(room, painted(replace(MIXTURE, jpeg=None), replace(LAMP, truth=truth))).pixels
    inner = cv2.erode(disc.astype(np.uint8), np.ones((15, 15))) > 0
    assert answer[..., 1][inner].std() < 1.5


def test_a_hue_is_no_light() -> None:
    """A tint without an edge on a grainy wall is paint."""
    grain = np.random.default_rng(1).normal(0, 6, (*LAMP.product.shape, 1))
    y, x = np.indices(LAMP.product.shape)
    near = np.exp(-((((x - 300) / 60) ** 2 + ((y - 250) / 60) ** 2) ** 2))[..., None]
    truth = as_pixels(LAMP.room * (1 + near * np.array([-0.1, 0, 0.12])))
    answer = restore(as_pixels(LAMP.room + grain), painted(replace(MIXTURE, jpeg=None), replace(LAMP, truth=truth)))
    inside = np.s_[230:270, 280:320, 1]
    assert np.corrcoef(answer.pixels[inside].ravel(), grain[inside[:2]].ravel())[0, 1] < 0.3


def test_black_that_a_cast_cut_off_is_not_taken_for_another_light() -> None:
    room = ROOM.room.copy()
    room[:200, 700:] //= 30
    answer = restore(room, painted(Model("", 0.98), replace(ROOM, truth=as_pixels(room - 15.0))))
    assert same(answer.pixels, room)[20:180, 720:1000].all()


def test_another_scene_is_used_as_it_is_and_said_to_be_one() -> None:
    raw = cv2.resize(VASE.truth, (1184, 896))
    answer = restore(ROOM.room, raw, ROOM.near)
    assert not answer.drift.found
    assert same(answer.pixels, ROOM.room)[~ROOM.near].all()
    resized = cv2.resize(raw, (1024, 768), interpolation=cv2.INTER_AREA)
    assert np.abs(answer.pixels.astype(int) - resized)[ROOM.near].mean() < 2


def test_on_a_plain_wall_there_is_no_drift_to_find_but_a_color_shift() -> None:
    y, x = np.indices((500, 700))
    wall = (210 - 25 * x / 700 - 15 * y / 500)[..., None] * np.array([1, 0.97, 0.92])
    picture = wall.copy()
    picture[150:350, 250:450] = (60, 120, 160)
    noisy = as_pixels(wall + np.random.default_rng(2).normal(0, 3, wall.shape))
    answer = restore(noisy, as_pixels(picture * np.array([1.06, 1, 0.93]) - 4), None, (250, 150, 450, 350))
    assert answer.drift.found
    assert np.array_equal(answer.pixels[:100], noisy[:100])
    assert np.abs(answer.pixels[160:340, 260:440].astype(int) - (60, 120, 160)).max() < 12


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (31, 97), (307, 229), (1201, 401), (401, 1201), (1009, 757)])
def test_the_answer_has_the_photos_size_whatever_the_painted_picture_has(size: Size) -> None:
    room, truth = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (ROOM.room, ROOM.truth))
    for painted_size in ((512, 384), (1184, 896), size):
        answer = restore(room, cv2.resize(truth, painted_size, interpolation=cv2.INTER_AREA))
        assert answer.pixels.shape == room.shape
        assert np.abs(answer.pixels.astype(int) - truth).mean() < 3


def test_a_large_photo_keeps_its_own_pixels_and_gets_the_product_enlarged() -> None:
    large = (2561, 1913)
    room, truth = (cv2.resize(each, large, interpolation=cv2.INTER_CUBIC) for each in (ROOM.room, ROOM.truth))
    product = cv2.resize(ROOM.product.astype(np.uint8), large, interpolation=cv2.INTER_NEAREST) > 0
    near = cv2.circle(np.zeros(large[::-1], np.uint8), (617, 1327), 601, 1, -1) > 0
    raw = cv2.resize(painted(replace(MIXTURE, jpeg=None), ROOM), (1152, 864), interpolation=cv2.INTER_CUBIC)
    answer = restore(room, raw, near)
    assert same(answer.pixels, room)[~near].all()
    assert np.abs(answer.pixels.astype(int) - truth)[product & near].mean() < 3


def test_equal_input_gives_equal_bytes() -> None:
    raw = painted(MIXTURE, VASE)
    assert np.array_equal(brought_back(VASE, raw).pixels, brought_back(VASE, raw).pixels)
