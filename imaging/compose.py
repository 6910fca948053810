"""The product set into the photo: its own pixels in the room's light, and the shadow it throws."""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from imaging.backdrop import FARTHEST_WALL_CM, floor_end, wall_distance
from imaging.camera import Camera, Numbers
from imaging.cutout import CutOut
from imaging.lamp import shade_of
from imaging.layout import Placement
from imaging.light import Light, Source, encoded, find_light, linear
from imaging.picture import Box, Mask, Pixels, Weights, differing
from imaging.relight import gain, relit
from imaging.resize import Layer, placed, scaled_box
from imaging.shade import ABOVE, BESIDE, shade
from imaging.sun import find_sun

_VIEW = 480  # pixels along the longer side of the reduced photo
_GAMMA = 2.4
_TOE = 0.055 * 255  # sRGB values v + _TOE are a pure power of the light, but for the darkest


@dataclass(frozen=True, eq=False)
class Composite:
    """`pixels` equal the room's outside `changed`. `alpha` is the product's within `part`, 0 to 1, and 0 outside."""

    pixels: Pixels
    changed: Mask
    part: Box
    alpha: Weights


@dataclass(frozen=True, eq=False)
class _View:
    """The room reduced to what its light can be judged on, with camera and frame to match, and the first row of floor
    before a wall (or a sofa) behind the product."""

    pixels: Pixels
    camera: Camera
    frame: Box
    wall_row: int | None


def compose(room: Pixels, product: CutOut, placement: Placement) -> Composite:
    """Only the surroundings of the product are worked on: a large photo costs little more than a small one."""
    # 1. The room's light.
    view = _view(room, placement)
    light = find_light(view.pixels, view.camera, _wall_cm(view))
    sun = _sun(view, light) if placement.surface == "floor" else None
    sources = (light.source,) if sun is None else (light.source, sun)

    # 2. The ground in the product's shadow.
    left, top, right, bottom = part = _around(placement)
    photo = room[top:bottom, left:right]
    wall_row = None if view.wall_row is None else round(view.wall_row * room.shape[0] / view.pixels.shape[0])
    ground = _dimmed(photo, shade(product, placement, sources, wall_row, part))

    # 3. The product over it.
    colour, alpha = _set_into(product, placement.frame, part)
    covered = alpha > 0
    covered[: max(0, _lit_rows(product, placement, light) - top)] = False
    colour[covered] = _relit(colour[covered], alpha[covered, None], gain(product, light, sun), light.brightest)
    made = (ground * (1 - alpha[..., None]) + colour + 0.5).clip(0, 255).astype(np.uint8)
    pixels, changed = room.copy(), np.zeros(room.shape[:2], np.bool_)
    pixels[top:bottom, left:right] = made
    changed[top:bottom, left:right] = differing(made, photo)
    return Composite(pixels, changed, part, alpha)


def _view(room: Pixels, placement: Placement) -> _View:
    factor = min(1.0, _VIEW / max(room.shape[:2]))
    camera = placement.camera.scaled(factor)
    frame = scaled_box(placement.frame, factor)
    small = cast(Pixels, cv2.resize(room, camera.size, interpolation=cv2.INTER_AREA))
    return _View(small, camera, frame, floor_end(small, camera, (frame[0], frame[2]), frame[3]))


def _wall_cm(view: _View) -> float:
    """The distance of the back wall; what is close behind the product may be a sofa or a side wall."""
    near = 0.0 if view.wall_row is None else view.camera.distance(view.wall_row)
    return max(wall_distance(view.pixels, view.camera), min(near, FARTHEST_WALL_CM))


def _sun(view: _View, light: Light) -> Source | None:
    if not light.window:
        return None
    floor_row = view.wall_row or max(0, int(view.camera.horizon) + 1)
    return find_sun(view.pixels, view.camera, light.source, view.frame, floor_row)


def _around(placement: Placement) -> Box:
    """The part of the photo that product and shadow stay in."""
    left, top, right, bottom = placement.frame
    beside, above = int(BESIDE * (right - left)), int(ABOVE * (bottom - top))
    width, height = placement.camera.size
    return max(0, left - beside), max(0, top - above), min(width, right + beside), min(height, bottom + above)


def _dimmed(photo: Pixels, kept: Weights) -> Layer:
    """sRGB pixels with only a share of their light kept: exact but for the darkest, which sRGB codes linearly."""
    factor = np.power(kept, np.float32(1 / _GAMMA))[..., None]
    return cast(Layer, np.maximum((photo + np.float32(_TOE)) * factor - np.float32(_TOE), 0))


def _set_into(product: CutOut, frame: Box, part: Box) -> tuple[Layer, Weights]:
    """Colour times alpha, and alpha, of the product scaled to `frame`, on the pixels of `part`."""
    alpha = placed(product.alpha, frame, part).clip(0, 1)
    colour = placed(product.color * product.alpha[..., None], frame, part)
    return colour.clip(0, 255 * alpha[..., None]), alpha


def _lit_rows(product: CutOut, placement: Placement, light: Light) -> int:
    """The photo's row down to which the product is a lampshade with its own light in it; 0 for none."""
    _, top, _, bottom = placement.frame
    return 0 if light.daylight else round(top + shade_of(product) * (bottom - top))


def _relit(colours: Layer, alpha: Layer, gain: Numbers, brightest: float) -> Layer:
    """Colours (n, 3), which come and go multiplied by alpha (n, 1), in another light."""
    straight = (colours / alpha + np.float32(0.5)).clip(0, 255).astype(np.uint8)
    return encoded(relit(linear(straight), gain, brightest)) * alpha
