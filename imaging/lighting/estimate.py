"""The room's light as far as one photo tells: where it comes from, how bright and how warm it is."""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.geometry.camera import Camera, Numbers
from imaging.picture import Mask, Pixels, scaled_size, size_of

Linear = NDArray[np.float32]
"""(height, width, 3), linear light, 0 to 1."""

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Of linear sRGB (IEC 61966-2-1)."""

_WORKING_SIZE = 160
_DIMMEST_WHITE = 0.6
_EXPOSED = 0.2  # the brightest spots even of a room with dark walls
_BLACK = 0.001
_CEILING_CM, _WINDOW_SILL_CM = 250.0, 100.0
_SIDE_WALL_CM = 280.0  # to the left or right of the camera, where only a side wall's window shows it
_OVER_WALLS, _OF_BRIGHTEST, _WINDOW = 1.25, 0.8, 0.6  # how bright a window is: each at least
_SMALLEST_WINDOW = 0.004  # of the photo
_DAYLIGHT_SHARE, _LAMP_SHARE = 0.2, 0.6  # a window lights the walls as much as the floor, and they light the rest
_LAMPLIGHT = 0.3  # rooms less bright than that are lit by their lamps, others by windows, seen or not


@dataclass(frozen=True)
class Source:
    """A lamp or window: its middle in room coordinates (see Camera), radius, and its share of the floor's light; the
    rest comes evenly from all sides."""

    position: tuple[float, float, float]
    radius_cm: float
    share: float


@dataclass(frozen=True)
class Light:
    """`window` tells whether the source is one that is seen in the photo. `level` is the linear luminance of the
    room's light surfaces, `brightest` that of its brightest spots, `warmth` the square root of their red over blue.
    `exposure` is 1, or less where even those spots are dim: of such a photo all is darker than a camera makes it."""

    source: Source
    window: bool
    level: float
    brightest: float
    warmth: float
    exposure: float = 1.0

    @property
    def daylight(self) -> bool:
        return self.window or self.level >= _LAMPLIGHT


def linear(pixels: Pixels) -> Linear:
    """Linear light of sRGB pixels."""
    value = np.arange(256) / 255
    table = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return table[pixels]


def encoded(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """sRGB values, 0 to 255, of linear light."""
    bent = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.power(light.clip(0.0031308), 1 / 2.4) - 0.055)
    return np.array(bent.clip(0, 1) * 255, np.float32)


def find_light(pixels: Pixels, camera: Camera, wall_cm: float) -> Light:
    """The light of a room whose back wall is `wall_cm` away: a window or lamp where one is seen, else a lamp under the
    ceiling in the middle of the room."""
    small = _reduced(pixels)
    luminance = small @ LUMINANCE
    level, brightest = (float(each) for each in np.percentile(luminance, (75, 99.5)))
    view = camera.scaled(small.shape[1] / pixels.shape[1])
    window = _window(luminance > max(_OVER_WALLS * level, _OF_BRIGHTEST * brightest, _WINDOW), view, wall_cm)
    lamp = Source((0.0, _CEILING_CM, wall_cm / 2), 45.0, _LAMP_SHARE if level < _LAMPLIGHT else _DAYLIGHT_SHARE)
    exposure = min(1.0, max(brightest, _BLACK) / _EXPOSED)
    brightest = max(brightest, _DIMMEST_WHITE * exposure)
    return Light(window or lamp, window is not None, level, brightest, _warmth(small, luminance), exposure)


def _reduced(pixels: Pixels) -> Linear:
    shrink = min(1.0, _WORKING_SIZE / max(pixels.shape[:2]))
    size = scaled_size(size_of(pixels), shrink)
    return linear(cast(Pixels, cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)))


def _window(bright: Mask, camera: Camera, wall_cm: float) -> Source | None:
    """The largest area that is as bright as a window and rises over the horizon, as no sunlit floor does: on the back
    wall, or on a side wall where that is nearer."""
    areas = cv2.connectedComponentsWithStats(bright.astype(np.uint8))[2][1:]
    areas = areas[(areas[:, 4] > _SMALLEST_WINDOW * bright.size) & (areas[:, 1] < camera.horizon)]
    if not len(areas):
        return None
    left, top, width, height, _ = areas[areas[:, 4].argmax()].tolist()
    to_right, up = camera.slants(_middle(left, left + width, camera.size[0]), top + height / 2)
    distance = min(wall_cm, _SIDE_WALL_CM / max(abs(to_right), 1e-6))
    middle_cm = float(np.clip(camera.height_cm + up * distance, _WINDOW_SILL_CM, _CEILING_CM))
    return Source((to_right * distance, middle_cm, distance), 80.0, _DAYLIGHT_SHARE)


def _middle(left: float, right: float, width: int) -> float:
    """Of a window cut off by the photo's border the middle is taken to be at the border."""
    if left <= 1 < right < width - 1:
        return 0.0
    return float(width) if right >= width - 1 and left > 1 else (left + right) / 2


def _warmth(small: Linear, luminance: Numbers | NDArray[np.float32]) -> float:
    """From the lighter surfaces, on the line from warm to cool alone: a green wall is no green light."""
    low, high = np.percentile(luminance, (60, 97))
    red, _, blue = np.median(small[(luminance >= low) & (luminance <= high)], axis=0) + 1e-3
    return float(np.sqrt(red / blue))
