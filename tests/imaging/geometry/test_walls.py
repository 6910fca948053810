import numpy as np
import pytest

from imaging.geometry.find_camera import find_camera
from imaging.geometry.walls import ROOM_CM, WALL_CM, floor_end, wall_distance
from tests.imaging import drawn


def wall_row() -> float:
    camera = drawn.camera()
    return float(camera.project(np.zeros(1), np.zeros(1), np.array([float(drawn.WALL_CM)]))[1][0])


def test_the_floor_ends_at_the_wall() -> None:
    end = floor_end(drawn.room(drawn.camera()), drawn.camera(), (350, 450), 560)
    assert end == pytest.approx(wall_row(), abs=4)


def test_a_rug_is_no_wall() -> None:
    room = drawn.room(drawn.camera())
    room[470:540, 300:500] = (180, 60, 60)
    assert floor_end(room, drawn.camera(), (350, 450), 580) == pytest.approx(wall_row(), abs=4)


def test_a_sofa_before_the_wall_ends_the_floor() -> None:
    room = drawn.room(drawn.camera())
    room[300:450, 200:600] = (50, 70, 110)
    assert floor_end(room, drawn.camera(), (350, 450), 580) == pytest.approx(450, abs=4)


def test_nothing_is_said_where_floor_and_wall_look_alike() -> None:
    room = np.full((600, 800, 3), 180, np.uint8)
    room[430:] = 186
    assert floor_end(room, drawn.camera(), (350, 450), 580) is None


@pytest.mark.parametrize(
    ("columns", "foot"), [((-50, -10), 500), ((400, 400), 500), ((350, 450), 251), ((0, 800), 900)]
)
def test_impossible_places_have_an_answer(columns: tuple[int, int], foot: int) -> None:
    end = floor_end(drawn.room(drawn.camera()), drawn.camera(), columns, foot)
    assert end is None or 250 < end < 600


def test_the_distance_of_the_back_wall_is_seen() -> None:
    assert wall_distance(drawn.room(drawn.camera()), drawn.camera())[0] == pytest.approx(drawn.WALL_CM, rel=0.1)


@pytest.mark.parametrize("case", drawn.CASES)
def test_the_back_walls_of_the_photos_are_about_six_meters_away(case: str) -> None:
    room = drawn.photo(case)
    camera = find_camera(room, drawn.told(case)["camera_height_cm"])
    assert 420 < wall_distance(room, camera)[0] < 720


def test_the_ceiling_tells_the_distance_where_furniture_hides_the_floor() -> None:
    room = drawn.room(drawn.camera())
    room[400:] = (50, 70, 110)
    assert wall_distance(room, drawn.camera())[0] == pytest.approx(drawn.WALL_CM, rel=0.15)


def test_a_wall_that_reaches_the_upper_border_is_near() -> None:
    camera = drawn.camera()
    in_view_from = (ROOM_CM - camera.height_cm) / abs(camera.slants(0, 0)[1])
    distance, error = wall_distance(np.full((600, 800, 3), 180, np.uint8), camera)
    assert in_view_from < WALL_CM
    assert distance < 0.75 * WALL_CM
    assert error > 0.2
