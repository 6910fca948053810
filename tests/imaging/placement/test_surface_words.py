"""The surface of a product from its title, the caller's words and its shape."""

import numpy as np
import pytest

from imaging.cutout import CutOut
from imaging.cutout.own_alpha import by_alpha
from imaging.placement.surface_words import kind_of, surface_by_shape, surface_by_words
from testing.drift import camouflaged, read_scene
from testing.pictures import PHOTOS


@pytest.mark.parametrize(
    ("words", "surface"),
    [
        ("Lay the rug on the floor in the middle of the room", "rug"),
        ("Lege den Teppich auf den Boden", "rug"),
        ("Pose le tapis devant la fenêtre", "rug"),
        ("Pon la alfombra en el suelo", "rug"),
        ("把地毯铺在地板上", "rug"),
        ("hang the poster over the sofa", "wall"),
        ("das Bild an die Wand", "wall"),
        ("put the vase on the table", "tabletop"),
        ("hang it from the ceiling", "ceiling"),
        ("hang the pendant above the table", "ceiling"),
        ("die Pendelleuchte über den Tisch", "ceiling"),
        ("put the armchair beside the rug", None),
        ("left of the mirror", "wall"),
        ("stell den Sessel neben den Teppich", None),
        ("in the left corner", None),
        ("把椅子放在地毯旁边", None),
        ("put the chair on the rug", "floor"),
        ("", None),
    ],
)
def test_of_the_instructions_what_is_placed_counts_and_not_what_it_is_placed_by(
    words: str, surface: str | None
) -> None:
    assert surface_by_words(words, "") == surface


@pytest.mark.parametrize(
    ("name", "surface"),
    [
        ("Berber Rug 160 x 230", "rug"),
        ("Kurzflorteppich Luna", "rug"),
        ("Framed poster 'Blue'", "wall"),
        ("Wanduhr Eiche", "wall"),
        ("Floor lamp Arc", "floor"),
        ("Table lamp Mini", "tabletop"),
        ("Ceramic vase, tall", "tabletop"),
        ("Pendant lamp Dome", "ceiling"),
        ("Lustre en cristal", "ceiling"),
        ("吊灯", "ceiling"),
        ("Armchair Oslo", None),
        ("Bodenvase groß", "floor"),
    ],
)
def test_a_title_tells_the_kind(name: str, surface: str | None) -> None:
    assert kind_of(name) == surface


def test_a_place_in_words_counts_before_the_kind() -> None:
    assert surface_by_words("on the floor", "Mirror tall") == "floor"
    assert surface_by_words("on the floor", "Berber Rug") == "rug"


def woven(width: int, height: int) -> CutOut:
    """Return a pattern that is symmetric in both directions."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    bands = (np.abs(x) > 0.85) | (np.abs(y) > 0.85) | ((np.abs(x) < 0.3) & (np.abs(y) < 0.3))
    color = np.where(bands[..., None], (230, 220, 200), (40, 60, 130)).astype(np.uint8)
    return CutOut(color, np.ones((height, width), np.float32), 1.0)


def test_a_symmetric_pattern_from_edge_to_edge_is_a_rug() -> None:
    assert surface_by_shape(woven(240, 160)) == "rug"


def test_a_pouf_is_no_rug() -> None:
    scene = read_scene(PHOTOS / "armchair_daylight")
    pouf = camouflaged(scene)[1]
    cropped = by_alpha(pouf.color, np.rint(255 * pouf.alpha).astype(np.uint8))
    assert surface_by_shape(cropped) is None


def test_a_cupboard_is_no_rug() -> None:
    plain = CutOut(np.full((160, 120, 3), 180, np.uint8), np.ones((160, 120), np.float32), 1.0)
    with_plinth = woven(160, 240)
    with_plinth.color[200:] = 20
    assert surface_by_shape(plain) is None
    assert surface_by_shape(with_plinth) is None
