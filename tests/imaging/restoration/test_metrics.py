import numpy as np
import pytest

from imaging.compose import Composite
from imaging.picture import Pixels, differing
from imaging.restoration.metrics import agreement, product_similarity

ROOM = np.full((200, 300, 3), 170, np.uint8)
BOX = (100, 60, 160, 180)


def product(shade: int = 40, box: tuple[int, int, int, int] = BOX) -> Pixels:
    left, top, right, bottom = box
    stripes = shade + 60 * (np.arange(bottom - top)[:, None, None] // 10 % 2)
    pixels = ROOM.copy()
    pixels[top:bottom, left:right] = stripes
    return pixels


def guide() -> Composite:
    left, top, right, bottom = BOX
    pixels = product()
    return Composite(pixels, differing(pixels, ROOM), BOX, np.ones((bottom - top, right - left), np.float32))


def test_the_guide_is_like_itself() -> None:
    like = product_similarity(ROOM, guide().pixels, guide())
    assert like is not None
    assert (like.color, like.present) == (0, 1)
    assert like.structure > 0.99


def test_a_small_shift_is_forgiven() -> None:
    like = product_similarity(ROOM, product(box=(102, 61, 162, 181)), guide())
    assert like is not None
    assert like.structure > 0.5


def test_an_empty_room_lacks_the_product() -> None:
    like = product_similarity(ROOM, ROOM, guide())
    assert like is not None
    assert like.present == 0
    assert like.structure < 0.1


def test_another_shade_is_told_in_cielab() -> None:
    like = product_similarity(ROOM, product(shade=90), guide())
    assert like is not None
    assert like.color == pytest.approx(20, abs=4)


def test_a_translucent_product_is_judged_as_any_other() -> None:
    left, top, right, bottom = BOX
    pixels = np.rint(0.65 * ROOM + 0.35 * product()).astype(np.uint8)
    alpha = np.full((bottom - top, right - left), 0.35, np.float32)
    like = product_similarity(ROOM, pixels, Composite(pixels, differing(pixels, ROOM), BOX, alpha))
    assert like is not None
    assert (like.color, like.present) == (0, 1)


def test_a_product_outside_the_photo_is_like_nothing() -> None:
    nothing = Composite(ROOM, np.zeros((200, 300), np.bool_), (0, 0, 10, 10), np.zeros((10, 10), np.float32))
    assert product_similarity(ROOM, ROOM, nothing) is None


@pytest.mark.parametrize(
    ("other", "shared"), [((0, 0, 10, 10), 1.0), ((5, 0, 15, 10), 1 / 3), ((20, 20, 30, 30), 0.0), (None, 0.0)]
)
def test_boxes_agree_by_what_they_share(other: tuple[int, int, int, int] | None, shared: float) -> None:
    assert agreement(other, (0, 0, 10, 10)) == pytest.approx(shared)
