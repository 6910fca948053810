"""Judge a placement by its picture: is the product whole, on clear ground, and as bright as its surroundings?"""

from dataclasses import dataclass

import cv2
import numpy as np

from imaging.arrays import to_lab
from imaging.compose import Composite
from imaging.cutout import CutOut
from imaging.lighting.footprint import footprint
from imaging.picture import Pixels
from imaging.placement.layout import Placement

_VIEW = 160  # pixels along the longer side of the ground that is judged
_TINT, _SHADE = 12.0, 25.0  # CIELAB a, b and lightness: differences within one floor, its shadows included
_LIGHTEST = 90.0  # percentile of lightness: light surfaces of product and surroundings
_OPAQUE = 0.9  # alpha from which a pixel is the product's alone
_BESIDE = 0.5  # of the product's longer side: its surroundings


@dataclass(frozen=True)
class SceneChecks:
    """Measurements of the product in its scene."""

    visible: float
    """Share, 0 to 1, of the product that is inside the photo."""
    clear_ground: float | None
    """Share, 0 to 1, of the ground under the product that looks like one surface; None if it does not stand."""
    brightness: float | None
    """CIELAB lightness of the product's light parts over that of its surroundings; None if it is outside the photo."""


def scene_checks(photo: Pixels, answer: Pixels, guide: Composite, product: CutOut, placement: Placement) -> SceneChecks:
    """Return the measurements of `answer`, in which the product is where `guide` has it."""
    return SceneChecks(
        visible=_visible(photo, guide, product, placement),
        clear_ground=_clear_ground(photo, product, placement),
        brightness=_brightness(answer, guide),
    )


def _visible(photo: Pixels, guide: Composite, product: CutOut, placement: Placement) -> float:
    """Return the share inside the photo; of what lies in a plane that of its corners' quadrilateral."""
    if placement.corners is not None:
        height, width = photo.shape[:2]
        corners = np.asarray(placement.corners, np.float32).reshape(-1, 2)
        border = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        inside = cv2.intersectConvexConvex(cv2.convexHull(corners), border)[0]
        return min(1.0, inside / max(float(cv2.contourArea(cv2.convexHull(corners))), 1e-6))
    frame = placement.frame
    whole = float(product.alpha.mean()) * (frame[2] - frame[0]) * (frame[3] - frame[1])
    return min(1.0, float(guide.alpha.sum()) / max(whole, 1e-6))


def _clear_ground(photo: Pixels, product: CutOut, placement: Placement) -> float | None:
    """Return how much of the footprint has the color of its middle half, joints and shadows aside."""
    if placement.surface not in ("floor", "tabletop") or placement.frame[3] <= placement.camera.horizon:
        return None
    outline = np.rint(footprint(product, placement)).astype(np.int32)
    height, width = photo.shape[:2]
    left, top, across, down = cv2.boundingRect(outline)
    left, top, right, bottom = max(0, left), max(0, top), min(width, left + across), min(height, top + down)
    if right - left < 2 or bottom - top < 2:
        return None
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillConvexPoly(mask, outline - np.array([left, top], np.int32), 1)
    scale = min(1.0, _VIEW / max(mask.shape))
    size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
    ground = cv2.resize(photo[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0
    if not inside.any():
        return None
    lab = to_lab(ground)[inside]
    apart = np.abs(lab - np.median(lab, axis=0))
    return float(((np.hypot(apart[:, 1], apart[:, 2]) < _TINT) & (apart[:, 0] < _SHADE)).mean())


def _brightness(answer: Pixels, guide: Composite) -> float | None:
    solid = guide.alpha > _OPAQUE
    if not solid.any():
        return None
    left, top, right, bottom = guide.part
    beside = round(_BESIDE * max(right - left, bottom - top))
    x, y = max(0, left - beside), max(0, top - beside)
    around = answer[y : bottom + beside, x : right + beside]
    scale = min(1.0, 2 * _VIEW / max(around.shape[:2]))
    size = (max(1, round(around.shape[1] * scale)), max(1, round(around.shape[0] * scale)))
    lightness = to_lab(cv2.resize(around, size, interpolation=cv2.INTER_AREA))[..., 0]
    mask = np.zeros(around.shape[:2], np.uint8)
    mask[top - y : bottom - y, left - x : right - x] = solid
    inside = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0
    if not inside.any() or inside.all():
        return None
    return float(np.percentile(lightness[inside], _LIGHTEST) - np.percentile(lightness[~inside], _LIGHTEST))
