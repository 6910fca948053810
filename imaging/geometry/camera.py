"""The camera of a room photo: a pinhole above a flat floor, and conversions between pixels and the room."""

from dataclasses import dataclass, replace

import numpy as np

from imaging.arrays import Numbers
from imaging.picture import Size, scaled_size

FOCAL_SHARE = 0.7
"""Focal length divided by the photo's long side: 25 mm on a 35 mm frame, the main camera of most phones."""

HORIZON_SHARE = 0.42
"""Row of the horizon as a share of the photo's height if no lines show it: people hold the camera slightly
downwards."""

_NEAREST_CM = 1.0


@dataclass(frozen=True)
class Camera:
    """A pinhole camera above a floor plane.

    `horizon` is the y of the horizon line in the middle column and `focal` the focal length, both in pixels of a
    picture of `size`; `height_cm` is the camera's height above the floor. `found` is False if the horizon is only the
    default. Positions in the room are in cm: x to the right of the camera, y up from the floor, z away from the camera.

    `roll` is the angle in radians by which the room's upright lines lean clockwise in the picture. The conversions
    between pixels and the room ignore it: `at_column` returns the camera without roll for which they are correct in one
    column. `horizon_error` (in pixel rows) and `height_error` (as a share) are one standard deviation.
    """

    size: Size
    horizon: float
    focal: float
    height_cm: float
    found: bool
    roll: float = 0.0
    horizon_error: float = 0.0
    height_error: float = 0.0

    def at_height(self, height_cm: float, error: float) -> "Camera":
        return replace(self, height_cm=height_cm, height_error=error)

    def at_column(self, column: float) -> "Camera":
        """Return a camera without roll that has this one's horizon in a pixel column."""
        horizon = self.horizon + (column - self.size[0] / 2) * float(np.tan(self.roll))
        return replace(self, horizon=horizon, roll=0.0)

    def scaled(self, factor: float) -> "Camera":
        """Return the camera of the same picture at another size."""
        size = scaled_size(self.size, factor)
        return replace(
            self,
            size=size,
            horizon=self.horizon * factor,
            focal=self.focal * factor,
            horizon_error=self.horizon_error * factor,
        )

    @property
    def slope(self) -> float:
        """Tangent of the camera's downward pitch."""
        return (self.size[1] / 2 - self.horizon) / self.focal

    def project(self, x: Numbers, y: Numbers, z: Numbers) -> tuple[Numbers, Numbers]:
        """Return the pixel coordinates of positions in the room, which must be in front of the camera."""
        cosine, sine = self._pitch()
        below = self.height_cm - y
        depth = np.maximum(z * cosine + below * sine, _NEAREST_CM)
        down = below * cosine - z * sine
        return self.size[0] / 2 + self.focal * x / depth, self.size[1] / 2 + self.focal * down / depth

    def ray(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        """Return the directions of pixels as the (x, y) gained per cm of z."""
        cosine, sine = self._pitch()
        right = (x - self.size[0] / 2) / self.focal
        down = (y - self.size[1] / 2) / self.focal
        forward = cosine - down * sine
        return right / forward, -(down * cosine + sine) / forward

    def on_floor(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        """Return x and z in cm of the floor at pixels, which must lie below the horizon."""
        to_right, up = self.ray(x, y)
        z = self.height_cm / np.maximum(-up, 1e-6)
        return to_right * z, z

    def slants(self, x: float, y: float) -> tuple[float, float]:
        """Return the `ray` of one pixel."""
        right, up = self.ray(np.array(x, np.float64), np.array(y, np.float64))
        return float(right), float(up)

    def distance(self, y: float) -> float:
        """Return z in cm of the floor at pixel row `y`; infinite at and above the horizon."""
        fall = -self.slants(0, y)[1]
        return self.height_cm / fall if y > self.horizon and fall > 0 else float("inf")

    def _pitch(self) -> tuple[float, float]:
        length = float(np.hypot(1, self.slope))
        return 1 / length, self.slope / length
