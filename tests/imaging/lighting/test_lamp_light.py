import pytest

from imaging.lighting.lamp_light import lampshade_share, mean_color
from tests.imaging import drawn


def test_a_pale_shade_on_a_pole_is_a_lamp() -> None:
    assert lampshade_share(drawn.lamp()) == pytest.approx(0.2, abs=0.02)
    assert lampshade_share(drawn.alpha_product("floor_lamp_evening")) == pytest.approx(0.21, abs=0.03)


@pytest.mark.parametrize(
    "product", [drawn.block(50, 200, (240,) * 3), drawn.disc(100, (240,) * 3), drawn.stool((240,) * 3)]
)
def test_other_white_things_are_none(product: drawn.CutOut) -> None:
    assert lampshade_share(product) == 0


def test_a_dark_or_colorful_top_on_a_pole_is_no_lampshade() -> None:
    assert lampshade_share(drawn.lamp((60, 60, 60))) == 0
    assert lampshade_share(drawn.lamp((240, 40, 40))) == 0


def test_a_white_top_on_a_stout_pillar_is_no_lampshade() -> None:
    assert lampshade_share(drawn.lamp(pole=50)) == 0


def test_the_armchair_and_the_vase_are_no_lamps() -> None:
    assert lampshade_share(drawn.alpha_product("armchair_daylight")) == 0
    assert lampshade_share(drawn.alpha_product("vase_loft")) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (3, 3)])
def test_products_of_every_shape_have_an_answer(shape: tuple[int, int]) -> None:
    assert lampshade_share(drawn.block(*shape)) == 0


def test_the_color_of_a_shade_is_linear_and_its_own() -> None:
    assert mean_color(drawn.lamp((255, 255, 0)), 0.2) == pytest.approx([1, 1, 0])
    assert mean_color(drawn.lamp((188, 188, 188)), 0.2) == pytest.approx([0.5] * 3, abs=0.01)
