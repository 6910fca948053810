import numpy as np

from imaging.geometry.floor import Floor, find_floor
from imaging.picture import Pixels
from tests.imaging import drawn


def floor_of(pixels: Pixels, horizon: float = 250) -> Floor:
    return find_floor(pixels, drawn.camera(horizon=horizon))


def test_the_floor_of_a_bare_room_ends_at_its_walls() -> None:
    camera = drawn.camera()
    floor = floor_of(drawn.room(camera))
    x, z = np.meshgrid(np.linspace(-200, 200, 9), np.linspace(160, 470, 9))
    columns, rows = (part.round().astype(int) for part in camera.project(x, 0 * x, z))
    inside = (columns >= 0) & (columns < 800) & (rows < 600)
    assert floor.seen
    assert floor.likely[rows[inside], columns[inside]].mean() > 0.85
    assert not floor.ground[: int(camera.horizon) + 20].any()


def test_a_floor_that_changes_its_color_with_the_distance_is_one_floor() -> None:
    camera = drawn.camera()
    picture = drawn.room(camera)
    light = np.interp(np.arange(600), (camera.horizon, 600), (1.25, 0.75))[:, None, None]
    floor = floor_of((picture * np.where(light, light, 1)).clip(0, 255).astype(np.uint8))
    back = camera.project(np.zeros(1), np.zeros(1), np.array([470.0]))[1].item()
    assert floor.likely[int(back), 400]


def test_what_rises_to_the_horizon_is_no_floor() -> None:
    picture = np.full((600, 800, 3), 210, np.uint8)
    picture[254:, 60:] = 25  # the back of a sofa
    assert not floor_of(picture).seen
