"""Rugs and pictures under a known camera, against corners projected by hand."""

import cv2
import numpy as np
import pytest

from imaging.geometry.camera import Camera
from imaging.geometry.planes import Corners, Wall, room_angle, rug_corners, wall_at, wall_corners
from imaging.picture import Pixels

CAMERA = Camera((800, 600), horizon=240, focal=640, height_cm=150, found=True)
YAW = np.radians(25)


def pinhole(points: np.ndarray, camera: Camera = CAMERA) -> np.ndarray:
    """Project (x, y, z) in cm, with the pitch rotation written out as matrices."""
    pitch = np.arctan((camera.size[1] / 2 - camera.horizon) / camera.focal)
    c, s = np.cos(pitch), np.sin(pitch)
    down = np.array([[1, 0, 0], [0, -c, -s], [0, -s, c]])
    seen = (points - [0, camera.height_cm, 0]) @ down.T
    return seen[:, :2] / seen[:, 2:] * camera.focal + np.array(camera.size) / 2


def error(found: Corners | None, truth: np.ndarray) -> float:
    """Return the mean distance of the corners as a share of the diagonal."""
    assert found is not None
    return float(np.linalg.norm(np.array(found) - truth, axis=1).mean() / np.hypot(*np.ptp(truth, axis=0)))


@pytest.mark.parametrize("degrees", [-40, 0, 15, 90])
def test_a_rug_lies_in_the_floor(degrees: float) -> None:
    turn = np.radians(degrees)
    across, away = np.array([np.cos(turn), 0, np.sin(turn)]), np.array([-np.sin(turn), 0, np.cos(turn)])
    near = np.array([-20, 0, 300])
    truth = pinhole(np.array([near + across * x + away * z for x, z in ((-80, 120), (80, 120), (80, 0), (-80, 0))]))
    column, row = pinhole(near[None])[0]
    assert error(rug_corners(CAMERA, (int(column), int(row)), 160, 120, turn), truth) < 0.02


def test_a_rug_above_the_horizon_or_behind_the_camera_is_none() -> None:
    assert rug_corners(CAMERA, (400, 200), 160, 120, 0) is None
    assert rug_corners(CAMERA, (400, 590), 160, 3000, np.pi) is None


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2 - 0.3, -np.pi / 2 + 0.2])
def test_a_picture_hangs_in_its_wall(angle: float) -> None:
    center, along = np.array([60, 170, 350]), np.array([np.cos(angle), 0, np.sin(angle)])
    points = [center + along * x + np.array([0, y, 0]) for x, y in ((-35, 25), (35, 25), (35, -25), (-35, -25))]
    truth = pinhole(np.array(points))
    column, row = pinhole(center[None])[0]
    assert error(wall_corners(CAMERA, (int(column), int(row)), 70, 50, Wall(350, angle)), truth) < 0.02


def corridor(yaw: float) -> Pixels:
    """Return a room of 300 x 600 cm with a tiled floor and striped side walls, seen from its near end."""
    pixels = np.full((600, 800, 3), 205, np.uint8)
    turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])

    def line(start: tuple[float, float, float], end: tuple[float, float, float]) -> None:
        ends = pinhole(np.array([start, end]) @ turn.T)
        a, b = (tuple(round(float(value)) for value in each) for each in ends)
        cv2.line(pixels, a, b, (60, 60, 60), 2, cv2.LINE_AA)

    for x in np.arange(-150, 151, 50):
        line((x, 0, 120), (x, 0, 600))
    for z in np.arange(150, 601, 75):
        line((-150, 0, z), (150, 0, z))
    for y in (60, 120, 180, 240):
        for side in (-150, 150):
            line((side, y, 150), (side, y, 600))
        line((-150, y, 600), (150, y, 600))
    return pixels


@pytest.mark.parametrize("degrees", [0, 12, -20])
def test_the_room_s_direction_is_found(degrees: float) -> None:
    found = np.degrees(room_angle(corridor(np.radians(degrees)), CAMERA))
    assert found == pytest.approx(degrees, abs=1.5)


def test_a_side_wall_recedes_and_the_back_wall_does_not() -> None:
    room = corridor(0)
    left, back, right = (wall_at(room, CAMERA, point).angle for point in ((90, 200), (400, 180), (710, 200)))
    assert np.degrees(left) == pytest.approx(90, abs=2)
    assert np.degrees(right) == pytest.approx(-90, abs=2)
    assert abs(np.degrees(back)) < 2


@pytest.mark.parametrize("moldings", [False, True])
def test_the_distance_of_a_side_wall_is_told_by_its_lines_and_not_by_moldings_of_the_ceiling(moldings: bool) -> None:
    room = corridor(0)
    for x in (-60, -30) if moldings else ():
        ends = pinhole(np.array([(x, 250, 200), (x, 250, 600)]))
        a, b = (tuple(round(float(value)) for value in each) for each in ends)
        cv2.line(room, a, b, (60, 60, 60), 2, cv2.LINE_AA)
    wall = wall_at(room, CAMERA, (90, 200))
    right = CAMERA.slants(90.5, 200.5)[0]
    assert abs(right) * wall.distance_cm == pytest.approx(150, rel=0.25)
