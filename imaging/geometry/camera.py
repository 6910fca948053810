"""The camera of a room photo: a pinhole over a flat floor, and the way between pixels and the room."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imaging.picture import Size, scaled_size

Numbers = NDArray[np.float64]

FOCAL_SHARE = 0.7
"""Focal length over the photo's long side: 25 mm on a 35 mm frame, the main camera of most phones."""

HORIZON_SHARE = 0.42
"""The horizon over the photo's height where no lines tell: people hold the camera a little downwards."""

_NEAREST_CM = 1.0


@dataclass(frozen=True)
class Camera:
    """A pinhole camera over a floor plane.

    `horizon` is the y of the horizon line in the middle column, `focal` the focal length, both in pixels of a picture
    of `size`; `height_cm` is the camera's height over the floor. `found` is False where the horizon is only the stated
    default. Positions in the room are in cm: x to the right of the camera, y up from the floor, z away from the camera.

    `roll` is how far the room's upright lines lean clockwise in the picture, in radians. The conversions between pixels
    and the room take no notice of it: `at_column` is the camera without roll that they are right for in one column.
    `horizon_error`, in pixel rows, and `height_error`, as a share, are one standard deviation.
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
        """The tangent of the camera's downward pitch."""
        return (self.size[1] / 2 - self.horizon) / self.focal

    def project(self, x: Numbers, y: Numbers, z: Numbers) -> tuple[Numbers, Numbers]:
        """Return the pixel coordinates of positions in the room, taken to be in front of the camera."""
        cosine, sine = self._pitch()
        below = self.height_cm - y
        depth = np.maximum(z * cosine + below * sine, _NEAREST_CM)
        down = below * cosine - z * sine
        return self.size[0] / 2 + self.focal * x / depth, self.size[1] / 2 + self.focal * down / depth

    def ray(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        """Return the directions of pixels as (x, y) gained for each cm of z."""
        cosine, sine = self._pitch()
        right = (x - self.size[0] / 2) / self.focal
        down = (y - self.size[1] / 2) / self.focal
        forward = cosine - down * sine
        return right / forward, -(down * cosine + sine) / forward

    def on_floor(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        """Return x and z in cm of the floor seen at pixels, which must lie below the horizon."""
        to_right, up = self.ray(x, y)
        z = self.height_cm / np.maximum(-up, 1e-6)
        return to_right * z, z

    def slants(self, x: float, y: float) -> tuple[float, float]:
        """Return the `ray` of one pixel."""
        right, up = self.ray(np.array(x, np.float64), np.array(y, np.float64))
        return float(right), float(up)

    def distance(self, y: float) -> float:
        """Return z in cm of the floor seen at pixel row `y`; infinite at and above the horizon."""
        fall = -self.slants(0, y)[1]
        return self.height_cm / fall if y > self.horizon and fall > 0 else float("inf")

    def _pitch(self) -> tuple[float, float]:
        length = float(np.hypot(1, self.slope))
        return 1 / length, self.slope / length
