"""The size of a product at one spot of the photo: pixel rows to cm and back, and the error of that."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from imaging.geometry.camera import Camera
from imaging.geometry.product_volume import Solid
from imaging.geometry.walls import wall_distance
from imaging.picture import Pixels
from imaging.placement.in_plane import ceiling_distance
from imaging.placement.text_placement import Surface

TABLE_CM = 75.0
"""The height of a table top: tables and desks are 72 to 76 cm high, worktops 91, coffee tables 40."""

_LOWEST_CAMERA_CM = 8.0  # over a table top

# Photos of a table top alone are taken from close by and low: usual values, and one standard deviation as a share.
_LEVEL_OVER_TABLE_CM, _TABLE_DISTANCE_CM = 60.0, 200.0
_TABLE_ERROR, _TABLE_ERROR_OF_STANDING = 0.5, 0.25
_STANDING_ERROR = 0.2  # the error of the camera's height of somebody who stands

_CEILING_ERROR = 0.3  # ceilings are 230 to 350 cm high, and where one hangs the lamp from it is not seen

WALL_ERROR = 0.4
"""One standard deviation of a wall's distance at one point, as a share: its foot is mostly hidden, and the floor mostly
ends at furniture before it. Measured on real rooms."""

CAMERA_HEIGHT = "the camera's height (camera_height_cm tells it)"
WALL_DISTANCE = "the distance of the wall at that point"

_LEAST_ROWS = 1.0  # below the horizon


class Perspective(Protocol):
    """The measures of a product at one spot, in pixel rows and in cm. `error` is one standard deviation of its size as
    a share, `unknown` what it is due to."""

    @property
    def error(self) -> float: ...
    @property
    def unknown(self) -> str: ...
    def rows(self, height_cm: float) -> float: ...
    def height_cm(self, rows: float) -> float: ...
    def distance_cm(self, height_cm: float) -> float: ...


@dataclass(frozen=True)
class Standing:
    """A solid with its lowest pixel row just above `base_row`, on the plane under the camera."""

    camera: Camera
    solid: Solid
    base_row: int
    unknown: str

    @property
    def error(self) -> float:
        rows = max(self.base_row - self.camera.horizon, _LEAST_ROWS)
        return float(np.hypot(self.camera.height_error, self.camera.horizon_error / rows))

    def rows(self, height_cm: float) -> float:
        top, bottom = self.solid.rows(self.camera, height_cm, self.distance_cm(height_cm))
        return bottom - top

    def height_cm(self, rows: float) -> float:
        return self.solid.height_in(self.camera, self.base_row, rows)

    def distance_cm(self, height_cm: float) -> float:
        return self.solid.distance(self.camera, height_cm, self.base_row)


@dataclass(frozen=True)
class AtDistance:
    """Something flat at a known distance: what hangs on a wall, or stands where no floor can be."""

    focal: float
    distance: float
    error: float
    unknown: str

    def rows(self, height_cm: float) -> float:
        return height_cm * self.focal / self.distance

    def height_cm(self, rows: float) -> float:
        return rows * self.distance / self.focal

    def distance_cm(self, height_cm: float) -> float:  # noqa: ARG002  the same for all heights
        return self.distance


def perspective_at(room: Pixels, solid: Solid, camera: Camera, surface: Surface, base_row: int) -> Perspective:
    """Return the perspective of a solid with its base just above a pixel row, or hung on the wall; `camera` stands over
    the floor and has the horizon of the solid's column."""
    if surface == "ceiling":
        distance = ceiling_distance(camera, base_row - 1, wall_distance(room, camera)[0])
        return AtDistance(camera.focal, distance, _CEILING_ERROR, "the height of the ceiling")
    if surface == "wall" or base_row <= camera.horizon:
        return _on_wall(room, camera)
    if surface == "tabletop":
        return Standing(over(camera, surface, base_row), solid, base_row, "the camera's height over the table")
    unknown = CAMERA_HEIGHT if camera.found else "the horizon"
    return Standing(camera, solid, base_row, unknown)


def _on_wall(room: Pixels, camera: Camera) -> AtDistance:
    distance, error = wall_distance(room, camera)
    return AtDistance(camera.focal, distance, error, WALL_DISTANCE)


def over(camera: Camera, surface: Surface, base_row: int) -> Camera:
    """Return the camera over the surface that carries the product."""
    if surface != "tabletop":
        return camera
    over_usual = max(camera.height_cm - TABLE_CM, _LOWEST_CAMERA_CM)
    if camera.height_error <= _STANDING_ERROR:
        return camera.at_height(over_usual, max(camera.height_error, _TABLE_ERROR_OF_STANDING))
    below = max(base_row - camera.horizon, _LEAST_ROWS) / camera.focal
    close = float(np.sqrt(_LEVEL_OVER_TABLE_CM * _TABLE_DISTANCE_CM * below))
    return camera.at_height(max(min(close, camera.height_cm), _LOWEST_CAMERA_CM), _TABLE_ERROR)
