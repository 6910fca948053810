import cv2
import numpy as np
import pytest

from imaging.geometry.camera import Camera
from imaging.lighting.estimate import Source
from imaging.lighting.sun import find_sun
from imaging.picture import Pixels
from tests.imaging import drawn

CAMERA = drawn.camera((480, 360), 150, 336)
WINDOW = Source((-drawn.HALF_CM, 150.0, 300.0), 80.0, 0.2)
FLOOR_ROW = 255


def sunlit(azimuth: float, light: int = 165) -> Pixels:
    """Return a floor with a patch of sun whose long edges run in the direction `azimuth` (degrees, from x to z)."""
    picture = np.full((360, 480, 3), (120, 115, 108), np.uint8)
    along = np.array([np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth))])
    across = np.array([-along[1], along[0]])
    middle = np.array([-20.0, 300.0])
    corners = [middle + a * 80 * along + b * 40 * across for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    cv2.fillConvexPoly(
        picture, on_floor(CAMERA, np.array(corners)), (light, round(0.96 * light), round(0.9 * light)), cv2.LINE_AA
    )
    return picture


def on_floor(camera: Camera, spots: np.ndarray) -> np.ndarray:
    x, y = camera.project(spots[:, 0], np.zeros(len(spots)), spots[:, 1])
    return np.stack([x, y], axis=1).round().astype(np.int32)


def frame_at(x: float, z: float) -> tuple[int, int, int, int]:
    column, row = on_floor(CAMERA, np.array([[x, z]]))[0].tolist()
    return column - 18, row - 60, column + 18, row


@pytest.mark.parametrize("azimuth", [155, 170, 190])
def test_the_sun_shines_along_the_edges_of_its_patch(azimuth: float) -> None:
    sun = find_sun(sunlit(azimuth), CAMERA, WINDOW, frame_at(-20, 290), FLOOR_ROW)
    assert sun is not None
    found = np.degrees(np.arctan2(sun.position[2] - 290, sun.position[0] + 20)) % 360
    assert found == pytest.approx(azimuth, abs=8)


def test_the_sun_adds_what_the_shade_lacks() -> None:
    for light in (145, 190):
        sun = find_sun(sunlit(170, light), CAMERA, WINDOW, frame_at(-20, 290), FLOOR_ROW)
        assert sun is not None
        assert sun.share == pytest.approx(1 - (120 / light) ** 2.2, abs=0.04)


def test_beside_its_patch_there_is_no_sun() -> None:
    assert find_sun(sunlit(170), CAMERA, WINDOW, frame_at(40, 220), FLOOR_ROW) is None


def test_in_the_half_shade_beside_the_sun_there_is_none() -> None:
    picture = sunlit(170, 150)
    column, row = frame_at(-20, 290)[0], frame_at(-20, 290)[3]
    picture[row - 20 : row + 20, column - 45 : column - 5] = (200, 192, 180)
    assert find_sun(picture, CAMERA, WINDOW, frame_at(-20, 290), FLOOR_ROW) is None


def test_an_even_floor_is_not_sunlit() -> None:
    assert find_sun(drawn.room(CAMERA), CAMERA, WINDOW, frame_at(-20, 290), FLOOR_ROW) is None


def test_a_white_rug_is_no_sun() -> None:
    picture = drawn.room(CAMERA)
    left, _, right, bottom = frame_at(-20, 290)
    picture[bottom - 25 : bottom + 15, left - 8 : right + 8] = (225, 224, 222)
    assert find_sun(picture, CAMERA, WINDOW, frame_at(-20, 290), FLOOR_ROW) is None


@pytest.mark.parametrize("frame", [(-30, -20, -10, 5), (470, 300, 520, 420), (0, 0, 1, 1), (0, 0, 480, 360)])
def test_frames_at_the_border_have_an_answer(frame: tuple[int, int, int, int]) -> None:
    find_sun(sunlit(170), CAMERA, WINDOW, frame, FLOOR_ROW)
