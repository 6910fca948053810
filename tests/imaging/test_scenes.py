from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from imaging.geometry.camera import Camera
from imaging.picture import Pixels
from imaging.scenes import DrawnScene, Exhibit, draw_scene
from imaging.scenes.bodies import Body, Leaf, box
from imaging.scenes.light import Lighting
from imaging.scenes.materials import Material
from imaging.scenes.render import Scenery, render
from imaging.scenes.rooms import HOOKS, ROOMS, RoomPlan
from imaging.scenes.style import read_kind, read_style
from models.engine import Control, GenerateTask, Sampling
from models.preview import Preview
from tests.imaging.drawn import block

KINDS = tuple(ROOMS)
SMALL = (320, 256)
SHAPES = [(256, 256), (640, 360), (361, 517), (1024, 256), (256, 1024)]

TOLD_APART = 4.0
"""Mean difference in gray levels at which two pictures look different; the grain of two takes differs by 1."""


@cache
def drawn(environment: str, seed: int) -> DrawnScene:
    return draw_scene(environment, SMALL, seed)


def difference(first: DrawnScene, second: DrawnScene) -> float:
    return float(np.abs(first.pixels.astype(int) - second.pixels).mean())


def same(first: DrawnScene, second: DrawnScene) -> bool:
    return first.foot == second.foot and np.array_equal(first.pixels, second.pixels)


def brightness(pixels: Pixels) -> float:
    return float(pixels.mean())


@pytest.mark.parametrize("size", [(333, 257), (1024, 256), (256, 1024)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_fills_every_shape_of_picture(kind, size):
    scene = draw_scene(kind, size, 1)
    assert scene.pixels.shape == (size[1], size[0], 3)
    assert scene.pixels.dtype == np.uint8
    assert scene.camera.size == size
    assert scene.pixels.std() > 5


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_pixels(kind):
    assert same(draw_scene(kind, SMALL, 0), drawn(kind, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_other_seeds_give_other_rooms(kind):
    scenes = [drawn(kind, seed) for seed in range(3)]
    assert all(difference(first, second) > TOLD_APART for first, second in combinations(scenes, 2))


def test_seeds_put_the_window_on_either_side():
    feet = {drawn("studio", seed).foot[0] < SMALL[0] / 2 for seed in range(5)}
    assert feet == {True, False}


def test_every_kind_looks_different():
    scenes = [drawn(f"{kind} nordic", 2) for kind in KINDS]
    assert all(difference(first, second) > TOLD_APART for first, second in combinations(scenes, 2))


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("living_room", ["Living Room", "Wohnzimmer", "le séjour", "sala de estar", "明亮的客厅", "studio apartment"]),
        ("bedroom", ["a bed", "Schlafzimmer", "chambre à coucher", "Habitación", "卧室"]),
        ("kitchen", ["kitchen", "Altbauküche", "CUISINE", "la cocina", "厨房"]),
        ("dining_room", ["dining-room", "Esszimmer", "salle à manger", "comedor", "餐厅"]),
        ("bathroom", ["bath", "ein modernes Bad", "salle de bain", "cuarto de baño", "浴室"]),
        ("office", ["home office", "Büro", "bureau", "despacho", "书房"]),
        ("outdoor", ["sunny garden", "Dachterrasse", "au jardin", "terraza", "海滩", "on the beach"]),
        ("studio", ["photo studio", "Fotostudio", "fond blanc", "estudio", "摄影棚"]),
    ],
)
def test_a_kind_is_understood_in_five_languages(kind, names):
    assert [read_kind(name) for name in names] == [kind] * len(names)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("kitchen with a dining table", "kitchen"),
        ("office beside the kitchen", "office"),
        ("living room with a view of the garden", "living_room"),
        ("beach house living room", "living_room"),
        ("Badminton", None),
        ("a spacious hall", None),
    ],
)
def test_the_room_named_first_wins_and_parts_of_other_words_do_not_count(text, kind):
    assert read_kind(text) == kind


@pytest.mark.parametrize(
    ("palette", "texts"),
    [
        ("nordic", ["scandinavian living room", "skandinavisches Wohnzimmer", "salon scandinave", "北欧客厅"]),
        ("industrial", ["industrial loft", "Küche im Industriestil", "salón industrial", "工业风"]),
        ("coastal", ["beach", "maritimes Zimmer", "bord de mer", "en la playa", "海边"]),
    ],
)
def test_a_mood_is_understood_in_five_languages(palette, texts):
    styles = [read_style(text, np.random.default_rng(seed)) for seed, text in enumerate(texts)]
    assert {style.name for style in styles} == {palette}


def test_a_name_in_another_language_draws_the_same_room():
    assert same(drawn("Küche", 0), drawn("kitchen", 0))


def test_unknown_words_give_a_living_room_in_colors_of_their_own():
    first, again = (read_style("xyzzy", np.random.default_rng(seed)).name for seed in (1, 2))
    names = {read_style(text, np.random.default_rng(1)).name for text in ("xyzzy", "plugh", "quux", "frotz", "")}
    assert first == again
    assert len(names) > 2
    assert same(drawn("xyzzy", 2), drawn(f"{first} living_room", 2))


@pytest.mark.parametrize("kind", ["living_room", "kitchen", "outdoor"])
def test_evenings_are_darker(kind):
    day, evening = drawn(f"{kind} nordic", 2), drawn(f"{kind} nordic in the evening", 2)
    assert brightness(evening.pixels) < brightness(day.pixels) - 20


def test_an_evening_is_understood_in_five_languages():
    texts = ["evening", "Abendstimmung", "le soir", "atardecer", "夜晚"]
    assert all(read_style(text, np.random.default_rng(0)).evening for text in texts)


def test_a_nightstand_makes_no_night():
    styles = [read_style(text, np.random.default_rng(0)) for text in ("bedroom, nightstand", "Bett mit Nachttisch")]
    assert not any(style.evening for style in styles)


@pytest.mark.parametrize("size", [*SHAPES, (1280, 720), (720, 1280)])
def test_the_foot_stands_in_the_lowest_third_near_the_middle(size):
    scene = draw_scene("studio", size, 0)
    x, y = scene.foot
    assert 0.4 * size[0] < x < 0.6 * size[0]
    assert max(scene.camera.horizon, 0.66 * size[1]) < y < 0.95 * size[1]


def test_a_chair_is_prominent_and_a_wardrobe_fits():
    scene = draw_scene("living_room", (1280, 720), 0)
    rows_per_cm = (scene.foot[1] - scene.camera.horizon) / scene.camera.height_cm
    assert 0.35 < 90 * rows_per_cm / 720 < 0.45
    assert scene.foot[1] - 200 * rows_per_cm > 20


@pytest.mark.parametrize("size", SHAPES)
def test_a_chair_fits_into_narrow_pictures(size):
    scene = draw_scene("studio", size, 0)
    rows_per_cm = (scene.foot[1] - scene.camera.horizon) / scene.camera.height_cm
    assert 90 * rows_per_cm < 0.45 * size[0]


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (1024, 1024)])
@pytest.mark.parametrize(
    ("shape", "height_cm"), [((250, 100), 85), ((80, 100), 300), ((100, 400), 220), ((60, 100), 90)]
)
def test_a_product_of_known_size_is_whole_in_the_picture(size, shape, height_cm):
    product = block(*shape)
    task = GenerateTask(product, "outdoor", "", size, height_cm, None, Sampling(3))
    assert not Preview().generate(task, Control()).warnings


@pytest.mark.parametrize("size", SHAPES)
def test_a_meter_at_the_foot_measures_what_the_camera_says(size):
    scene = draw_scene("studio", size, 0)
    camera, (x, y) = scene.camera, scene.foot
    top, bottom = _drawn_rows(camera, x, y)
    _, expected = camera.project(*(np.array(a) for a in ((0.0, 0.0), (100.0, 0.0), (camera.distance(y),) * 2)))
    assert (top, bottom) == pytest.approx(tuple(expected), abs=1)
    assert bottom - top == pytest.approx(100 * (y - camera.horizon) / camera.height_cm, abs=1.5)


def _drawn_rows(camera: Camera, x: int, y: int) -> tuple[int, int]:
    """Return the first row of a black, one-meter-high board that stands at a pixel before white, and the first row
    below it."""
    z = camera.distance(y)
    board = box((x - camera.size[0] / 2) * z / camera.focal, 0, z, (20, 100, 0.1), Material((0.0, 0.0, 0.0)), 0)
    scenery = Scenery((board,), (), Lighting((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)), ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)))
    rows = np.flatnonzero(render(scenery, camera, np.random.default_rng(0))[:, x].mean(1) < 100)
    return int(rows[0]), int(rows[-1]) + 1


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_floor_is_free_around_the_foot(kind, size):
    scene = draw_scene("studio", size, 0)
    foot = min(scene.foot[0], size[0] - 1 - scene.foot[0]), scene.foot[1]
    style = read_style(kind, np.random.default_rng(0))
    plan = RoomPlan.before(scene.camera, foot, style, np.random.default_rng(0))
    scenery = ROOMS[kind](plan)
    x, z = plan.spot
    assert not [body for body in scenery.bodies if not body.broad and _in_the_way(*_extent(body), x, z)]
    assert not [leaf for leaf in scenery.leaves if _in_the_way(*_extent(leaf), x, z)]


def _extent(part: Body | Leaf) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(part, Leaf):
        return part.points.min(0), part.points.max(0)
    return np.array(part.low), np.array(part.high)


def _in_the_way(low: np.ndarray, high: np.ndarray, x: float, z: float) -> bool:
    """Return True if something takes the product's place or stands between it and the camera."""
    beside = low[0] > x + 60 or high[0] < x - 60
    return not beside and low[2] < z + 60 and low[1] < 200


@pytest.mark.parametrize("kind", KINDS)
def test_the_floor_is_well_lit_by_day(kind):
    scene = drawn(f"{kind} nordic", 2)
    x, y = scene.foot
    assert brightness(scene.pixels[y - 8 : y + 8, x - 40 : x + 40]) > 175


def test_a_mirrored_room_is_the_same_room_from_the_other_side():
    camera = draw_scene("studio", SMALL, 0).camera
    foot = round(0.42 * SMALL[0]), round(0.92 * SMALL[1])
    plan = RoomPlan.before(camera, foot, read_style("living room", np.random.default_rng(1)), np.random.default_rng(1))
    plain = replace(ROOMS["living_room"](plan), leaves=())
    smooth = replace(plain, bodies=tuple(replace(x, material=Material(x.material.color)) for x in plain.bodies))
    room, mirror = (render(scenery, camera, np.random.default_rng(0)) for scenery in (smooth, smooth.mirrored()))
    assert np.abs(room.astype(int) - mirror[:, ::-1]).mean() < 2


PINK = (255, 0, 255)


def pink(pixels: Pixels) -> np.ndarray:
    red, green, blue = np.moveaxis(pixels.astype(int), 2, 0)
    return (red - green > 60) & (blue - green > 60)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rug_lies_whole_in_the_picture_and_under_the_furniture(kind):
    scene = draw_scene(kind, SMALL, 1, Exhibit(block(200, 140, PINK), (200, 140), "rug"))
    seen = pink(scene.pixels)
    rows, columns = np.nonzero(seen)
    assert scene.is_complete
    assert seen.sum() > 0.01 * seen.size
    assert min(rows.min(), columns.min()) > 0
    assert rows.max() < SMALL[1] - 1
    assert columns.max() < SMALL[0] - 1
    assert rows.min() > scene.camera.horizon


def test_a_table_stands_on_a_rug():
    rug = Exhibit(block(200, 140, PINK), (200, 140), "rug")
    seen = pink(draw_scene("dining_room", (640, 512), 1, rug).pixels)
    rows, columns = np.nonzero(seen)
    inside = seen[rows.min() : rows.max(), columns.min() : columns.max()]
    assert 0.3 < inside.mean() < 0.85


def test_the_hole_of_a_rug_shows_the_floor():
    ring = block(200, 200, PINK)
    ring.alpha[50:150, 50:150] = 0
    whole, holed = (
        pink(draw_scene("studio", SMALL, 1, Exhibit(product, (200, 200), "rug")).pixels).sum()
        for product in (block(200, 200, PINK), ring)
    )
    assert 0.6 < holed / whole < 0.9


@pytest.mark.parametrize(
    ("kind", "surface"), [(kind, surface) for kind in KINDS for surface in ("tabletop", "ceiling", "wall")]
)
def test_a_place_is_kept_inside_the_picture(kind, surface):
    scene = draw_scene(kind, (200, 150), 1, Exhibit(block(30, 40), (30, 40), surface))
    if surface == "wall" and kind not in HOOKS:
        assert scene.box is None
        return
    left, top, right, bottom = scene.box
    assert 0 <= left < right <= 200
    assert 0 <= top < bottom <= 150
    assert (right - left) / (bottom - top) == pytest.approx(0.75, abs=0.12)


def test_a_vase_stands_on_the_table_that_is_drawn_for_it():
    with_table = draw_scene("living_room", (640, 400), 1, Exhibit(block(20, 30), (20, 30), "tabletop"))
    left, _, right, bottom = with_table.box
    beneath = with_table.pixels[bottom - 4 : bottom + 12, left - 20 : right + 20].reshape(-1, 3)
    assert beneath.std(axis=0).max() < 25, "one surface"
    assert with_table.camera.height_cm > 75
