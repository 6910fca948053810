"""Estimates a room's light from one photo: its direction, brightness and color temperature."""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Numbers
from imaging.geometry.camera import Camera
from imaging.picture import Box, Mask, Pixels, scaled_size, size_of

Linear = NDArray[np.float32]
"""Linear light of shape (height, width, 3), 0 to 1."""

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Luminance weights of linear sRGB (IEC 61966-2-1)."""

_WORKING_SIZE = 160  # pixels along the longer side of the photo that the light is estimated on
_LEVEL, _BRIGHTEST = 75.0, 99.5  # percentiles of luminance: the room's light surfaces, its brightest spots
_LIGHTEST = 98.0  # percentile of luminance around the product, windows left out: a white surface in its light
_NEAR = 0.15  # of the photo's diagonal: the distance from the product at which its surroundings count 0.6
_DIMMEST_WHITE = 0.6  # linear luminance that white may reach in any well exposed photo
_EXPOSED = 0.3  # linear luminance of white around a product in a well exposed photo, even beside dark walls
_BLACK = 0.001
_CEILING_CM, _WINDOW_SILL_CM = 250.0, 100.0
_LAMP_RADIUS_CM, _WINDOW_RADIUS_CM = 45.0, 80.0
_SIDE_WALL_CM = 280.0  # usual distance of a side wall from the camera
_OVER_LEVEL, _OF_BRIGHTEST, _WINDOW = 1.25, 0.8, 0.6  # least luminance of a window: over level, brightest, absolute
_SMALLEST_WINDOW = 0.004  # of the photo's area
_DAYLIGHT_SHARE, _LAMP_SHARE = 0.2, 0.6  # of the floor's light; a window lights the walls, which light the rest
_LAMPLIGHT = 0.3  # linear luminance: rooms dimmer than that are lit by lamps, others by windows, in view or not


@dataclass(frozen=True)
class Source:
    """A lamp, a window or the sun: center in room coordinates (see Camera), radius, and its share of the floor's light.

    The rest of the light arrives evenly from all directions.
    """

    position: tuple[float, float, float]
    radius_cm: float
    share: float


@dataclass(frozen=True)
class Light:
    """The light of a room as its photo shows it.

    `window` is True if the source is a window in view. `level` is the linear luminance of the room's light surfaces,
    `near` that of those around the product, `lightest` that of white around the product, `brightest` that of the room's
    brightest spots, and `warmth` the square root of their red to blue ratio. `exposure` is 1, or less if even white
    around the product is darker than a camera should have made it.
    """

    source: Source
    window: bool
    level: float
    brightest: float
    warmth: float
    exposure: float = 1.0
    near: float = 1.0
    lightest: float = 1.0

    @property
    def daylight(self) -> bool:
        return self.window or self.level >= _LAMPLIGHT


def linear(pixels: Pixels) -> Linear:
    """Return the linear light of sRGB pixels."""
    value = np.arange(256) / 255
    table = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return table[pixels]


def encoded(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sRGB values, 0 to 255, of linear light."""
    bent = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.power(light.clip(0.0031308), 1 / 2.4) - 0.055)
    return np.array(bent.clip(0, 1) * 255, np.float32)


def find_light(pixels: Pixels, camera: Camera, wall_cm: float, frame: Box | None = None) -> Light:
    """Return the light of a room whose back wall is `wall_cm` away.

    The source is a window or lamp in view, or else a lamp under the ceiling in the middle of the room. Its brightness
    is judged around `frame`, by default over the whole photo, and not by the window itself.
    """
    small = _reduced(pixels)
    luminance = small @ LUMINANCE
    level, brightest = (float(each) for each in np.percentile(luminance, (_LEVEL, _BRIGHTEST)))
    view = camera.scaled(small.shape[1] / pixels.shape[1])
    window = _window(luminance > max(_OVER_LEVEL * level, _OF_BRIGHTEST * brightest, _WINDOW), view, wall_cm)
    share = _LAMP_SHARE if level < _LAMPLIGHT else _DAYLIGHT_SHARE
    lamp = Source((0.0, _CEILING_CM, wall_cm / 2), _LAMP_RADIUS_CM, share)
    near, lightest = _around(luminance, frame, small.shape[1] / pixels.shape[1])
    exposure = min(1.0, max(lightest, _BLACK) / _EXPOSED)
    brightest = max(brightest, _DIMMEST_WHITE * exposure)
    return Light(
        window or lamp, window is not None, level, brightest, _warmth(small, luminance), exposure, near, lightest
    )


def _around(luminance: NDArray[np.float32], frame: Box | None, scale: float) -> tuple[float, float]:
    """Return the luminance of light surfaces and of white around `frame`, what shines itself left out."""
    height, width = luminance.shape
    left, top, right, bottom = (round(edge * scale) for edge in frame or (0, 0, 1 << 20, 1 << 20))
    rows, columns = np.ogrid[:height, :width]
    aside = np.maximum(left - columns, columns - right).clip(0)
    over = np.maximum(top - rows, rows - bottom).clip(0)
    weights = np.exp(-((np.hypot(aside, over) / (_NEAR * np.hypot(width, height))) ** 2) / 2)
    weights = np.where(luminance > _WINDOW, 1e-3, weights).ravel()
    order = luminance.ravel().argsort()
    shares = weights[order].cumsum() / weights.sum()
    near, lightest = (
        float(luminance.ravel()[order][np.searchsorted(shares, share / 100)]) for share in (_LEVEL, _LIGHTEST)
    )
    return near, lightest


def _reduced(pixels: Pixels) -> Linear:
    shrink = min(1.0, _WORKING_SIZE / max(pixels.shape[:2]))
    size = scaled_size(size_of(pixels), shrink)
    return linear(cast(Pixels, cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)))


def _window(bright: Mask, camera: Camera, wall_cm: float) -> Source | None:
    """Return the largest window among the `bright` pixels, on the back wall or on a side wall if that is nearer.

    A window rises above the horizon, which a sunlit floor never does.
    """
    areas = cv2.connectedComponentsWithStats(bright.astype(np.uint8))[2][1:]
    areas = areas[(areas[:, 4] > _SMALLEST_WINDOW * bright.size) & (areas[:, 1] < camera.horizon)]
    if not len(areas):
        return None
    left, top, width, height, _ = areas[areas[:, 4].argmax()].tolist()
    to_right, up = camera.slants(_middle(left, left + width, camera.size[0]), top + height / 2)
    distance = min(wall_cm, _SIDE_WALL_CM / max(abs(to_right), 1e-6))
    middle_cm = float(np.clip(camera.height_cm + up * distance, _WINDOW_SILL_CM, _CEILING_CM))
    return Source((to_right * distance, middle_cm, distance), _WINDOW_RADIUS_CM, _DAYLIGHT_SHARE)


def _middle(left: float, right: float, width: int) -> float:
    """Return the column of a window's center; that of a window cut off by the photo's border is at the border."""
    if left <= 1 < right < width - 1:
        return 0.0
    return float(width) if right >= width - 1 and left > 1 else (left + right) / 2


def _warmth(small: Linear, luminance: Numbers | NDArray[np.float32]) -> float:
    """Return the warmth of the lighter surfaces, measured from warm to cool only: a green wall is not green light."""
    low, high = np.percentile(luminance, (60, 97))
    red, _, blue = np.median(small[(luminance >= low) & (luminance <= high)], axis=0) + 1e-3
    return float(np.sqrt(red / blue))
