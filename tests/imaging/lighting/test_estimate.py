import numpy as np
import pytest

from imaging.lighting.estimate import encoded, find_light, linear
from tests.imaging import drawn


def test_linear_light_and_back_is_the_same_picture() -> None:
    values = np.arange(256, dtype=np.uint8)
    assert (encoded(linear(values)).round().astype(np.uint8) == values).all()


@pytest.mark.parametrize(("side", "sign"), [("left", -1), ("right", 1)])
def test_the_light_comes_from_the_window(side: str, sign: int) -> None:
    light = find_light(drawn.room(drawn.camera(), window=side), drawn.camera(), drawn.WALL_CM)
    assert light.window
    assert light.source.position[0] * sign > 150


def test_a_window_that_reaches_down_to_the_floor_is_a_window() -> None:
    room = drawn.photo("armchair_daylight")
    light = find_light(room, drawn.camera((1024, 768), 285, 717), 600)
    assert light.window
    assert light.source.position[0] < -150


def test_a_sunlit_floor_is_no_window() -> None:
    room = drawn.room(drawn.camera())
    room[450:560, 200:500] = 255
    assert not find_light(room, drawn.camera(), drawn.WALL_CM).window


def test_a_dark_room_is_lit_from_its_ceiling() -> None:
    light = find_light(drawn.photo("floor_lamp_evening"), drawn.camera((1024, 768), 310, 717), 600)
    assert not light.window
    assert light.source.position == (0, 250, 300)
    assert light.source.share > 0.5


def test_a_bright_room_without_a_window_has_soft_shadows() -> None:
    light = find_light(np.full((60, 80, 3), 205, np.uint8), drawn.camera((80, 60), 25, 56), 500)
    assert not light.window
    assert light.source.share < 0.3


def test_lamplight_is_warm_and_daylight_is_not() -> None:
    evening, day = (
        find_light(drawn.photo(case), drawn.camera((1024, 768), 300, 717), 600).warmth
        for case in ("floor_lamp_evening", "armchair_daylight")
    )
    assert evening > 1.2 > day > 0.9


def test_green_walls_are_no_green_light() -> None:
    room = np.full((60, 80, 3), (120, 200, 120), np.uint8)
    assert find_light(room, drawn.camera((80, 60), 25, 56), 500).warmth == pytest.approx(1)


@pytest.mark.parametrize("level", [0, 255])
def test_a_black_and_a_white_picture_have_light(level: int) -> None:
    light = find_light(np.full((3, 2, 3), level, np.uint8), drawn.camera((2, 3), 1, 2), 500)
    assert 0 < light.brightest <= 1
    assert light.exposure == (1 if level else pytest.approx(0, abs=0.01))
    assert np.isfinite(light.warmth)


def test_a_bright_window_does_not_make_the_far_end_of_a_dark_room_bright() -> None:
    room = np.full((300, 400, 3), 60, np.uint8)
    room[40:140, 20:120] = 255
    light = find_light(room, drawn.camera((400, 300), 120, 280), 500, (300, 200, 360, 280))
    assert light.window
    assert light.near < 0.06
    assert light.exposure < 0.3
