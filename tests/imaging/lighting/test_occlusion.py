import numpy as np
import pytest

from imaging.lighting.estimate import Source
from imaging.lighting.occlusion import ShadowPlane, light_left, pole
from imaging.picture import Box, Weights
from tests.imaging import drawn

CAMERA = drawn.camera()
PART: Box = (200, 380, 600, 560)
LEFT, RIGHT = (Source((x, 200.0, 300.0), 10.0, 0.5) for x in (-300.0, 300.0))


def around(
    source: Source | None = None, height: float = 60, plane: ShadowPlane | None = None, part: Box = PART
) -> Weights:
    body = [pole(0, 300, 20, height)]
    return light_left(CAMERA, body, (source,) if source else (), plane or ShadowPlane("floor"), part)


def at(kept: Weights, x: float, z: float) -> float:
    column, row = (float(each[0]) for each in CAMERA.project(np.array([x]), np.zeros(1), np.array([z])))
    return float(kept[round(row) - PART[1], round(column) - PART[0]])


def test_it_is_dark_under_the_body_and_bright_far_from_it() -> None:
    kept = around()
    assert at(kept, 0, 300) < 0.05
    assert at(kept, 24, 300) < at(kept, 40, 300) < at(kept, 80, 300)
    assert at(kept, 110, 300) > 0.95


def test_soft_light_casts_no_shadow_to_one_side() -> None:
    kept = around()
    assert at(kept, -40, 300) == pytest.approx(at(kept, 40, 300), abs=0.02)


def test_the_shadow_falls_away_from_the_light() -> None:
    assert at(around(LEFT), 45, 300) < at(around(LEFT), -45, 300) - 0.3
    assert at(around(RIGHT), -45, 300) < at(around(RIGHT), 45, 300) - 0.3


def test_a_taller_body_casts_a_longer_shadow() -> None:
    assert at(around(LEFT, 30), 90, 300) > at(around(LEFT, 90), 90, 300) + 0.3


def test_a_wall_behind_is_darkened_beside_the_body() -> None:
    kept = around(plane=ShadowPlane("wall", 330), part=(200, 200, 600, 500))
    assert kept[:, 200].min() < 0.6
    assert kept[:, 130].min() < 0.9
    assert kept[:, 10].min() > 0.9


def test_on_the_wall_the_shadow_is_about_as_tall_as_the_body() -> None:
    top = 200
    kept = around(plane=ShadowPlane("wall", 330), part=(200, top, 600, 500))
    rows = CAMERA.project(np.zeros(2), np.array([30.0, 90.0]), np.full(2, 330.0))[1].round().astype(int) - top
    assert kept[rows[0], 200] < 0.7
    assert kept[rows[1], 200] > 0.95


def test_two_bodies_hide_no_more_than_there_is() -> None:
    body = [pole(0, 300, 20, 60), pole(0, 300, 20, 60)]
    twice = light_left(CAMERA, body, (LEFT,), ShadowPlane("floor"), PART)
    assert np.abs(twice - around(LEFT)).mean() < 0.005
    assert twice.min() >= 0


def test_a_part_of_one_pixel_has_an_answer() -> None:
    assert light_left(CAMERA, [pole(0, 300, 20, 60)], (LEFT,), ShadowPlane("floor"), (400, 500, 401, 501)).shape == (
        1,
        1,
    )


def test_a_dark_floor_gets_less_light_back_than_a_light_one() -> None:
    light, dark = (
        light_left(CAMERA, [pole(0, 300, 20, 60)], (), ShadowPlane("floor"), PART, albedo) for albedo in (0.6, 0.1)
    )
    assert at(dark, 24, 300) < at(light, 24, 300) - 0.05
    assert at(dark, 110, 300) > 0.9
