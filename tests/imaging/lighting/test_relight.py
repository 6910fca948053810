from dataclasses import replace

import numpy as np
import pytest

from imaging.arrays import to_lab
from imaging.lighting.estimate import Light, Source, encoded, linear
from imaging.lighting.relight import gain, relit, saturation
from tests.imaging import drawn

DAY = Light(Source((0.0, 250.0, 300.0), 45.0, 0.2), window=True, level=0.58, brightest=0.85, warmth=1.0)
EVENING = replace(DAY, level=0.18, warmth=1.5)
SUN = Source((0.0, 1e5, 0.0), 1e3, 0.3)


def test_an_evening_room_shows_the_product_darker_and_warmer() -> None:
    day, evening = gain(drawn.block(9, 9), DAY, None), gain(drawn.block(9, 9), EVENING, None)
    assert evening[1] < 0.7 * day[1]
    assert evening[0] / evening[2] > 1.1


def test_the_sun_brightens_what_stands_in_it() -> None:
    assert gain(drawn.block(9, 9), DAY, SUN)[1] > gain(drawn.block(9, 9), DAY, None)[1]


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (255, 0, 0)])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_every_room_leaves_a_product_visible(color: tuple[int, int, int], level: float) -> None:
    for warmth in (0.01, 100.0):
        found = gain(drawn.block(9, 9, color), replace(DAY, level=level, warmth=warmth), SUN)
        assert (found > 0.1).all()
        assert (found < 1.7).all()


def test_what_is_not_too_bright_is_only_brightened() -> None:
    colors = np.array([[0.1, 0.2, 0.05], [0.3, 0.3, 0.3]], np.float32)
    assert relit(colors, np.ones(3), 0.85) == pytest.approx(colors, abs=1e-5)


def test_nothing_outshines_the_window() -> None:
    white = relit(np.ones((1, 3), np.float32), np.full(3, 1.5), 0.85)
    assert white.max() < 0.85
    assert np.ptp(white) < 1e-3


def test_brighter_stays_brighter() -> None:
    ramp = np.repeat(np.linspace(0, 1, 50, dtype=np.float32)[:, None], 3, axis=1)
    assert (np.diff(relit(ramp, np.full(3, 1.4), 0.6), axis=0) > 0).all()


def test_a_bright_color_stays_a_color() -> None:
    blue = relit(np.array([[0.27, 0.46, 0.93]], np.float32), np.full(3, 1.1), 0.85)[0]
    assert blue[2] > 1.5 * blue[1] > 2 * blue[0]


def test_a_product_without_a_solid_pixel_has_a_gain() -> None:
    ghost = replace(drawn.block(9, 9), alpha=np.full((9, 9), 0.2, np.float32))
    assert np.isfinite(gain(ghost, DAY, None)).all()
    assert saturation(ghost, np.full(3, 0.2)) == 1, "also in a dark room"


def test_a_product_keeps_its_chroma_in_a_dark_room() -> None:
    red = (180, 40, 40)
    factors = gain(drawn.block(9, 9, red), replace(DAY, level=0.04, near=0.04), None)
    kept = saturation(drawn.block(9, 9, red), factors)
    before = np.array([[red]], np.uint8)
    after = encoded(relit(linear(before)[0], factors, 0.85, kept))[None]
    chroma = [float(np.hypot(*to_lab(each)[0, 0, 1:])) for each in (before, after)]
    assert factors[1] < 0.5
    assert abs(chroma[1] - chroma[0]) < 7


def test_a_product_of_no_color_gets_none() -> None:
    assert saturation(drawn.block(9, 9, (128, 128, 128)), np.full(3, 0.2)) == 1


def test_nothing_is_far_lighter_than_white_in_the_same_light() -> None:
    dark_corner = replace(DAY, level=0.1, lightest=0.12)
    assert gain(drawn.block(9, 9, (250, 250, 250)), dark_corner, None)[1] <= 1.8 * 0.12 / 0.9
