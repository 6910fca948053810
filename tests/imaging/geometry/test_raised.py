import cv2
import numpy as np
import pytest

from imaging.geometry.raised import front_edge, is_raised
from imaging.picture import Pixels, Point
from tests.imaging import drawn

TOP, FRONT, CLOTH = (214, 196, 172), (62, 52, 44), (190, 60, 50)
CAMERA = drawn.camera()


def quadrangle(picture: Pixels, corners: list[tuple[float, float, float]], color: tuple[int, int, int]) -> None:
    """Fill the area between corners (x, y, z) in cm."""
    columns_rows = np.stack(CAMERA.project(*np.array(corners, float).T), axis=1)
    cv2.fillConvexPoly(picture, columns_rows.round().astype(np.int32), color, cv2.LINE_AA)


def room_with_table(z: float = 250) -> Pixels:
    """A table of 160 x 80 cm, `z` cm away."""
    picture = drawn.room(CAMERA)
    quadrangle(picture, [(-80, 75, z), (80, 75, z), (80, 0, z), (-80, 0, z)], FRONT)
    quadrangle(picture, [(-80, 75, z), (80, 75, z), (80, 75, z + 80), (-80, 75, z + 80)], TOP)
    return picture


def room_with_rug() -> Pixels:
    picture = drawn.room(CAMERA)
    quadrangle(picture, [(-80, 0, 250), (80, 0, 250), (80, 0, 350), (-80, 0, 350)], CLOTH)
    return picture


def seen_at(x: float, y: float, z: float) -> Point:
    column, row = CAMERA.project(*(np.array([value], float) for value in (x, y, z)))
    return round(column.item()), round(row.item())


def test_a_point_on_a_table_is_raised() -> None:
    for x in (-50, 0, 50):
        assert is_raised(room_with_table(), seen_at(x, 75, 280))


def test_the_floor_around_a_table_is_not() -> None:
    for x, z in ((-140, 300), (140, 250), (0, 220), (-20, 460)):
        assert not is_raised(room_with_table(), seen_at(x, 0, z))


@pytest.mark.parametrize("z", [260, 300, 340])
def test_a_rug_is_not(z: float) -> None:
    assert not is_raised(room_with_rug(), seen_at(0, 0, z))


@pytest.mark.parametrize("case", drawn.CASES)
def test_no_place_on_the_floor_of_a_photo_is(case: str) -> None:
    assert not is_raised(drawn.photo(case), tuple(drawn.told(case)["foot"]))


@pytest.mark.parametrize("size", [(1, 1), (300, 1), (1, 300), (16, 16)])
def test_any_picture_can_be_asked(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert not is_raised(pixels, (size[1] - 1, size[0] - 1))


def test_the_front_edge_of_a_table_is_measured() -> None:
    (left, row), (right, _) = seen_at(-80, 75, 220), seen_at(80, 75, 220)
    edge = front_edge(room_with_table(220), seen_at(0, 75, 250), row + 50)
    assert edge is not None
    assert edge.length == pytest.approx(right - left, rel=0.05)
    assert edge.row == pytest.approx(row, abs=3)


def test_an_edge_that_is_much_nearer_is_not_that_of_the_table() -> None:
    row = seen_at(0, 75, 250)[1]
    assert front_edge(room_with_table(), seen_at(0, 75, 280), row - 10) is None
    assert front_edge(drawn.room(CAMERA), seen_at(0, 0, 300), 600) is None
