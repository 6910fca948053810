"""The size of a product at one spot of the photo: conversion between pixel rows and cm, and its error."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from imaging.geometry.camera import Camera
from imaging.geometry.product_volume import Solid
from imaging.geometry.raised import TABLE_WIDTH_CM, TABLE_WIDTH_ERROR, front_edge
from imaging.geometry.walls import wall_distance
from imaging.picture import Pixels, Point
from imaging.placement.in_plane import ceiling_distance
from imaging.placement.text_placement import Surface

TABLE_CM = 75.0
"""Height of a table top: tables and desks are 72 to 76 cm high, worktops 91, coffee tables 40."""

_LOWEST_CAMERA_CM = 8.0  # over a table top

# Photos of a table top are taken from close by and low: usual values, and one standard deviation as a share.
_LEVEL_OVER_TABLE_CM, _TABLE_DISTANCE_CM = 60.0, 200.0
_TABLE_ERROR, _TABLE_ERROR_OF_STANDING = 0.5, 0.25
_STANDING_ERROR = 0.2  # the error of the camera's height of somebody who stands

_FRONT_ROWS = 2.5  # rows below the horizon, by those of the point: a table's front edge is not so much nearer than that

_CEILING_ERROR = 0.3  # ceilings are 230 to 350 cm high, and where one hangs the lamp from it is not seen

WALL_ERROR = 0.4
"""Standard deviation of a wall's distance at one point, as a share: its foot is mostly hidden, and the floor mostly
ends at furniture in front of it. Measured on real rooms."""

CAMERA_HEIGHT = "the camera's height (set camera_height_cm)"
WALL_DISTANCE = "the distance of the wall at that point"

_LEAST_ROWS = 1.0  # below the horizon


class Perspective(Protocol):
    """The measures of a product at one spot, in pixel rows and in cm.

    `camera` stands above the surface that carries it. `error` is the standard deviation of its size as a share,
    `unknown` what causes it, and `by_object` is True where an object of usual size in view told it.
    """

    @property
    def by_object(self) -> bool: ...
    @property
    def camera(self) -> Camera: ...
    @property
    def error(self) -> float: ...
    @property
    def unknown(self) -> str: ...
    def rows(self, height_cm: float) -> float: ...
    def height_cm(self, rows: float) -> float: ...
    def distance_cm(self, height_cm: float) -> float: ...


@dataclass(frozen=True)
class Standing:
    """A solid with its lowest pixel row just above `base_row`, on the plane below the camera."""

    camera: Camera
    solid: Solid
    base_row: int
    unknown: str
    by_object: bool = False

    @property
    def error(self) -> float:
        rows = max(self.base_row - self.camera.horizon, _LEAST_ROWS)
        return float(np.hypot(self.camera.height_error, self.camera.horizon_error / rows))

    def rows(self, height_cm: float) -> float:
        return self.solid.photo_height(self.camera, height_cm, self.distance_cm(height_cm))

    def height_cm(self, rows: float) -> float:
        return self.solid.height_in(self.camera, self.base_row, rows)

    def distance_cm(self, height_cm: float) -> float:
        return self.solid.distance(self.camera, height_cm, self.base_row)


@dataclass(frozen=True)
class AtDistance:
    """A flat object at a known distance: one that hangs on a wall, or stands where there can be no floor."""

    camera: Camera
    distance: float
    error: float
    unknown: str
    by_object: bool = False

    def rows(self, height_cm: float) -> float:
        return height_cm * self.camera.focal / self.distance

    def height_cm(self, rows: float) -> float:
        return rows * self.distance / self.camera.focal

    def distance_cm(self, height_cm: float) -> float:  # noqa: ARG002  the same for all heights
        return self.distance


def perspective_at(room: Pixels, solid: Solid, camera: Camera, surface: Surface, point: Point) -> Perspective:
    """Return the perspective of a solid with its base at a pixel, or hung on the wall there. `camera` stands above the
    floor and has the horizon of the pixel's column."""
    base_row = point[1] + 1
    if surface == "ceiling":
        distance = ceiling_distance(camera, point[1], wall_distance(room, camera)[0])
        return AtDistance(camera, distance, _CEILING_ERROR, "the height of the ceiling")
    if surface == "wall" or base_row <= camera.horizon:
        distance, error = wall_distance(room, camera)
        carried = _usual_over_table(camera, base_row) if surface == "tabletop" else camera
        return AtDistance(carried, distance, error, WALL_DISTANCE)
    if surface == "tabletop":
        over_table, by_object = _over_table(room, camera, point)
        return Standing(over_table, solid, base_row, "the camera's height above the table", by_object)
    unknown = CAMERA_HEIGHT if camera.found else "the horizon"
    return Standing(camera, solid, base_row, unknown)


def _over_table(room: Pixels, camera: Camera, point: Point) -> tuple[Camera, bool]:
    """Return the camera above a table top, and True if the table's front edge told its height.

    It combines the usual height for such photos with the height at which the table's front edge would have the usual
    length. The scale of the latter hardly depends on the horizon.
    """
    rows = max(point[1] + 1 - camera.horizon, _LEAST_ROWS)
    lowest_row = camera.horizon + _FRONT_ROWS * (rows + camera.horizon_error)
    usual, edge = _usual_over_table(camera, point[1] + 1), front_edge(room, point, lowest_row)
    if edge is None:
        return usual, False
    error = float(np.hypot(usual.height_error, camera.horizon_error / rows))
    weights = error**-2, TABLE_WIDTH_ERROR**-2
    by_edge = max(edge.row - camera.horizon, _LEAST_ROWS) * TABLE_WIDTH_CM / edge.length
    over_cm = np.log([usual.height_cm, max(by_edge, _LOWEST_CAMERA_CM)])
    together = camera.at_height(float(np.exp(np.average(over_cm, weights=weights))), sum(weights) ** -0.5)
    return replace(together, horizon_error=0.0), True  # the error of the height holds that of the horizon


def _usual_over_table(camera: Camera, base_row: int) -> Camera:
    over_usual = max(camera.height_cm - TABLE_CM, _LOWEST_CAMERA_CM)
    if camera.height_error <= _STANDING_ERROR:
        return camera.at_height(over_usual, max(camera.height_error, _TABLE_ERROR_OF_STANDING))
    below = max(base_row - camera.horizon, _LEAST_ROWS) / camera.focal
    close = float(np.sqrt(_LEVEL_OVER_TABLE_CM * _TABLE_DISTANCE_CM * below))
    return camera.at_height(max(min(close, camera.height_cm), _LOWEST_CAMERA_CM), _TABLE_ERROR)
