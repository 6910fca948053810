"""Estimates the camera's height above the floor from the usual height of rooms.

If a wall is visible from its foot to the ceiling, the horizon divides it as the camera's height divides the room's.
Single strips of a photo are often wrong: furniture stands in front of the wall, and cornices and beams in front of the
ceiling. All strips together shift the height that is usual for such photos.
"""

import numpy as np

from imaging.arrays import Numbers
from imaging.geometry.camera import Camera
from imaging.geometry.walls import ROOM_CM, wall_ends
from imaging.picture import Pixels

_LEAST_RISE = 0.02  # cm for each cm of distance: nearer to the horizon rows tell nothing
_LOWEST_CM, _HIGHEST_CM = 60.0, 230.0
_STEPS = 60
_SPREAD = 0.12  # one standard deviation of a right strip, as a share
_OUTLIERS = 0.05  # of the mean density: how often strips may be wrong
_FULL_COUNT = 128  # readings that count as one independent measurement: there are four a strip


def refined_height(pixels: Pixels, camera: Camera) -> tuple[float, float]:
    """Return the camera's height in cm and its standard deviation as a share, given the usual ones in `camera`."""
    readings = _readings(pixels, camera)
    steps = np.linspace(np.log(_LOWEST_CM), np.log(_HIGHEST_CM), _STEPS)
    weight = np.exp(-0.5 * ((steps - np.log(camera.height_cm)) / camera.height_error) ** 2)
    if len(readings):
        density = np.exp(-0.5 * ((np.log(readings)[:, None] - steps) / _SPREAD) ** 2).mean(axis=0)
        weight *= (density / density.mean() + _OUTLIERS) ** min(1.0, len(readings) / _FULL_COUNT)
    middle = float(np.average(steps, weights=weight))
    spread = float(np.sqrt(np.average((steps - middle) ** 2, weights=weight)))
    return float(np.exp(middle)), spread


def _readings(pixels: Pixels, camera: Camera) -> Numbers:
    """Return the camera heights in cm that the strips of the photo imply."""
    level, floors, ceilings = wall_ends(pixels, camera)
    down = -level.ray(np.zeros_like(floors), floors)[1][:, :, None]
    up = level.ray(np.zeros_like(ceilings), ceilings)[1][:, None, :]
    seen = (down > _LEAST_RISE) & (up > _LEAST_RISE)  # False where a strip tells nothing
    heights = ROOM_CM * (down / np.where(seen, down + up, np.inf))[seen]
    return np.asarray(heights[(heights > _LOWEST_CM) & (heights < _HIGHEST_CM)])
