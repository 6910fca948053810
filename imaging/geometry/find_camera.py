"""Finds the camera that took a room photo, as far as one picture allows: single-view geometry above a flat floor."""

import numpy as np

from imaging.geometry.camera import FOCAL_SHARE, HORIZON_SHARE, Camera
from imaging.geometry.camera_height import refined_height
from imaging.geometry.vanishing import Uprights, VanishingPoint, find_horizontals, find_segments, find_uprights, turned
from imaging.per_photo import once_per_photo
from imaging.picture import Pixels, size_of
from imaging.resize import WORKING_SIDE, reduced

_WIDEST, _NARROWEST = 0.5, 1.6  # lenses, by their focal length over the long side

# Standard deviation of the horizon as a share of the photo's height, measured on real rooms (docs/placement.md)
_ERROR_OF_POINTS = 0.02  # by horizontal edges
_ERROR_OF_UPRIGHTS, _ERROR_OF_PITCH = 0.05, 0.35  # by upright ones: crops and shifted lenses, and share of the pitch
_ERROR_OF_GUESS = 0.12

# Height in cm at which people hold a camera: standing and looking down, and level on a tripod, as agencies photograph
# interiors. Measured on real rooms: 140 to 205, and 80 to 150 with a geometric mean of 110.
_STANDING_CM, _LEVEL_CM = 145.0, 110.0
_ERROR_OF_STANDING, _ERROR_OF_PORTRAIT, _ERROR_OF_LEVEL = 0.12, 0.2, 0.28  # one standard deviation, as a share
_LOOKS_DOWN, _LOOKS_LEVEL = 0.1, 0.03  # the horizon's height over the center, over the photo's height
_ERROR_OF_ASKED = 0.03


@once_per_photo
def find_camera(pixels: Pixels, height_cm: float | None = None) -> Camera:
    """Return the camera of `pixels`. Without `height_cm` its height is the usual one for photos of this kind, corrected
    by the visible height of the room."""
    small, shrink = reduced(pixels, WORKING_SIDE)
    camera = _seen_by(small, shrink, size_of(pixels))
    if height_cm:
        return camera.at_height(height_cm, _ERROR_OF_ASKED)
    usual = camera.at_height(*_usual_height(camera))
    return usual.at_height(*refined_height(small, usual.scaled(shrink)))


def _seen_by(small: Pixels, shrink: float, size: tuple[int, int]) -> Camera:
    """Return the camera of a photo of `size`, from the reduced photo; its height is not set yet."""
    long_side, rows = max(size) * shrink, size[1] * shrink
    segments = find_segments(small)
    uprights = find_uprights(segments, long_side)
    roll = uprights.roll if uprights else 0.0
    points = find_horizontals(turned(segments, -roll) if roll else segments, long_side, rows)
    if points:
        level, error = _level(points), _ERROR_OF_POINTS * rows
    elif uprights:
        level, error = _level_of(uprights, long_side, rows)
    else:
        level, error = (HORIZON_SHARE - 0.5) * rows, _ERROR_OF_GUESS * rows
    return Camera(
        size,
        size[1] / 2 + level / shrink,
        _focal(points, long_side) / shrink,
        1.0,
        found=bool(points or uprights),
        roll=roll,
        horizon_error=error / shrink,
    )


def _level_of(uprights: Uprights, long_side: float, rows: float) -> tuple[float, float]:
    """Return the horizon's row from the center and its error.

    The horizon and the point where upright edges meet lie on opposite sides of the center, and the product of their
    distances is the focal length squared (Caprile and Torre).
    """
    level = -((FOCAL_SHARE * long_side) ** 2) * uprights.inverse_row
    level = float(np.clip(level, -0.5 * rows, 0.25 * rows))
    return level, float(np.hypot(_ERROR_OF_UPRIGHTS * rows, _ERROR_OF_PITCH * level))


def _level(points: list[VanishingPoint]) -> float:
    """Return the row of the horizon through the points, weighted by their certainty."""
    weights = [1 / point.variance for point in points]
    return float(np.average([point.point[1] for point in points], weights=weights))


def _focal(points: list[VanishingPoint], long_side: float) -> float:
    """Return the focal length at which two vanishing points form a right angle (Caprile and Torre, IJCV 1990)."""
    if len(points) == 2:
        square = -float(points[0].point @ points[1].point)
        if (_WIDEST * long_side) ** 2 < square < (_NARROWEST * long_side) ** 2:
            return float(np.sqrt(square))
    return FOCAL_SHARE * long_side


def _usual_height(camera: Camera) -> tuple[float, float]:
    """Return the height in cm at which such photos are taken, and its error.

    A portrait, or a photo that looks down, is taken by someone standing. If the horizon is not visible, the photo does
    not show which kind it is.
    """
    width, height = camera.size
    if not camera.found and height <= width:
        return float(np.sqrt(_STANDING_CM * _LEVEL_CM)), _ERROR_OF_LEVEL
    if height > width:
        return _STANDING_CM, _ERROR_OF_PORTRAIT
    down = 0.5 - camera.horizon / height
    standing = float(np.clip((down - _LOOKS_LEVEL) / (_LOOKS_DOWN - _LOOKS_LEVEL), 0, 1))
    return (
        _LEVEL_CM + standing * (_STANDING_CM - _LEVEL_CM),
        _ERROR_OF_LEVEL + standing * (_ERROR_OF_STANDING - _ERROR_OF_LEVEL),
    )
