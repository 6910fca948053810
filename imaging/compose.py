"""Composites a product into a photo: its own pixels in the room's light, and the shadow it casts."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from imaging.cutout import CutOut
from imaging.geometry.camera import Camera
from imaging.geometry.walls import FARTHEST_WALL_CM, floor_end, wall_distance
from imaging.lighting.cast_shadow import SHADOW_ABOVE, SHADOW_BESIDE, cast_shadow
from imaging.lighting.estimate import LUMINANCE, Light, Source, encoded, find_light, linear
from imaging.lighting.lamp_light import lamp_light, lampshade_share, lit_box
from imaging.lighting.occlusion import ALBEDO
from imaging.lighting.relight import gain, relit, saturation
from imaging.lighting.sun import find_sun
from imaging.picture import Box, Mask, Pixels, Weights, differing
from imaging.placement.in_plane import in_plane, under_furniture
from imaging.placement.layout import Placement
from imaging.resize import Layer, placed, reduced, scaled_box

_VIEW = 480  # pixels along the longer side of the photo that the light is judged on
_BLACK = 0.001  # linear luminance
_DARKEST_FLOOR = 0.08  # reflectance: what is darker reflects no less
_GAMMA, _TOE = 2.4, 0.055 * 255  # sRGB: (value + _TOE) is a power of the light, except for the darkest (IEC 61966-2-1)


@dataclass(frozen=True, eq=False)
class Composite:
    """The product in the photo.

    `pixels` equal the photo outside `changed`. `alpha`, 0 to 1, is the product's within `part` and 0 outside it.
    """

    pixels: Pixels
    changed: Mask
    part: Box
    alpha: Weights


@dataclass(frozen=True, eq=False)
class _View:
    """The reduced photo with camera and frame to match.

    `wall_row` is the first row of floor in front of a wall (or a sofa) behind the product, None if not found.
    """

    pixels: Pixels
    camera: Camera
    frame: Box
    wall_row: int | None


@dataclass(frozen=True, eq=False)
class _Lighting:
    """The light on the product: the room's, the sun's if it shines in, and its own if it is a lit lamp.

    `wall_cm` is the distance of the back wall. `lampshade` is the share of the product's height that glows.
    """

    view: _View
    light: Light
    sun: Source | None
    wall_cm: float
    lampshade: float
    is_lamp: bool


def compose(room: Pixels, product: CutOut, placement: Placement) -> Composite:
    """Return `product` composited into `room`.

    Only the product's surroundings are computed, so a large photo costs little more than a small one.
    """
    product = set_in_plane(product, placement, room)
    lighting = _lighting(room, product, placement)
    left, top, right, bottom = part = _around(placement, lighting.is_lamp)
    photo = room[top:bottom, left:right]
    ground = _in_light(photo, _share_of_light(room, product, placement, lighting, part))

    frame = _clipped(placement.frame, part)
    color, alpha = _in_room_light(product, placement, lighting, frame)
    behind = ground[frame[1] - top : frame[3] - top, frame[0] - left : frame[2] - left]
    behind[:] = behind * (1 - alpha[..., None]) + color
    made = (ground + np.float32(0.5)).clip(0, 255).astype(np.uint8)
    pixels, changed = room.copy(), np.zeros(room.shape[:2], np.bool_)
    pixels[top:bottom, left:right] = made
    changed[top:bottom, left:right] = differing(made, photo)
    return Composite(pixels, changed, frame, alpha)


def _lighting(room: Pixels, product: CutOut, placement: Placement) -> _Lighting:
    view = _view(room, placement)
    wall_cm = _wall_cm(view)
    light = find_light(view.pixels, view.camera, wall_cm, view.frame)
    sun = _sun(view, light) if placement.surface == "floor" else None
    lampshade = 0.0 if light.daylight else lampshade_share(product, hangs=placement.surface == "ceiling")
    is_lamp = lampshade > 0 and placement.surface in ("floor", "ceiling")
    return _Lighting(view, light, sun, wall_cm, lampshade, is_lamp)


def _share_of_light(room: Pixels, product: CutOut, placement: Placement, lighting: _Lighting, part: Box) -> Layer:
    """Return the factors of light in `part`: the product's shadow darkens it, a lit lamp brightens it."""
    view, light, sun = lighting.view, lighting.light, lighting.sun
    sources = (light.source,) if sun is None else (light.source, sun)
    wall_row = None if view.wall_row is None else round(view.wall_row * room.shape[0] / view.pixels.shape[0])
    share = cast_shadow(product, placement, sources, wall_row, part, _albedo(view, light))[..., None]
    if not lighting.is_lamp:
        return share
    behind_cm = lighting.wall_cm if view.wall_row is None else view.camera.distance(view.wall_row)
    return share + lamp_light(product, placement, lighting.lampshade, light, behind_cm, part)


def _in_room_light(product: CutOut, placement: Placement, lighting: _Lighting, frame: Box) -> tuple[Layer, Weights]:
    """Return premultiplied color and alpha of the product on the pixels of `frame`; a glowing shade is not relit."""
    color, alpha = set_into(product, placement.frame, frame)
    covered = alpha > 0
    covered[_lit_rows(placement, lighting.lampshade, frame[1])] = False
    factors = gain(product, lighting.light, lighting.sun)
    straight = (color[covered] / alpha[covered, None] + np.float32(0.5)).clip(0, 255).astype(np.uint8)
    in_light = relit(linear(straight), factors, lighting.light.brightest, saturation(product, factors))
    color[covered] = encoded(in_light) * alpha[covered, None]
    return color, alpha


def _view(room: Pixels, placement: Placement) -> _View:
    small, factor = reduced(room, _VIEW)
    camera = placement.camera.scaled(factor)
    frame = scaled_box(placement.frame, factor)
    return _View(small, camera, frame, floor_end(small, camera, (frame[0], frame[2]), frame[3]))


def _wall_cm(view: _View) -> float:
    """Return the distance of the back wall in cm; an edge close behind the product may be a sofa or a side wall."""
    near = 0.0 if view.wall_row is None else view.camera.distance(view.wall_row)
    return max(wall_distance(view.pixels, view.camera)[0], min(near, FARTHEST_WALL_CM))


def _sun(view: _View, light: Light) -> Source | None:
    if not light.window:
        return None
    floor_row = view.wall_row or max(0, int(view.camera.horizon) + 1)
    return find_sun(view.pixels, view.camera, light.source, view.frame, floor_row)


def _albedo(view: _View, light: Light) -> float:
    """Return the reflectance of the ground next to the product, from its luminance among the room's light surfaces."""
    left, _, right, bottom = view.frame
    beside = (right - left) // 4 + 1
    ground = view.pixels[max(0, bottom - beside) : bottom + beside, max(0, left - beside) : right + beside]
    luminance = float(np.median(linear(ground) @ LUMINANCE)) if ground.size else light.level
    return float(np.clip(ALBEDO * luminance / max(light.level, _BLACK), _DARKEST_FLOOR, ALBEDO))


def _around(placement: Placement, is_lit: bool) -> Box:
    """Return the part of the photo that contains the product, its shadow and a lamp's light."""
    left, top, right, bottom = placement.frame
    beside, above = int(SHADOW_BESIDE * (right - left)), int(SHADOW_ABOVE * (bottom - top))
    part = left - beside, top - above, right + beside, bottom + above
    if is_lit:
        lit = lit_box(placement)
        part = min(part[0], lit[0]), min(part[1], lit[1]), max(part[2], lit[2]), max(part[3], lit[3])
    return _clipped(part, (0, 0, *placement.camera.size))


def _clipped(box: Box, part: Box) -> Box:
    left, top = (min(max(box[i], part[i]), part[i + 2]) for i in (0, 1))
    return left, top, max(left, min(box[2], part[2])), max(top, min(box[3], part[3]))


def _in_light(photo: Pixels, share: Layer) -> Layer:
    """Return sRGB pixels with their light multiplied by `share`.

    Exact except for the darkest pixels, which sRGB codes linearly.
    """
    factor = np.power(share, np.float32(1 / _GAMMA))
    return cast(Layer, np.clip((photo + np.float32(_TOE)) * factor - np.float32(_TOE), 0, 255))


def set_in_plane(product: CutOut, placement: Placement, room: Pixels) -> CutOut:
    """Return the product as it appears in the photo: a flat one warped into its plane, and a rug without the parts
    hidden by furniture."""
    if placement.corners is None:
        return product
    flat = in_plane(product, placement.corners, placement.frame)
    return under_furniture(room, placement.camera, flat, placement.frame) if placement.surface == "rug" else flat


def set_into(product: CutOut, frame: Box, part: Box) -> tuple[Layer, Weights]:
    """Return premultiplied color and alpha of the product scaled to `frame`, on the pixels of `part`."""
    alpha = placed(product.alpha, frame, part).clip(0, 1)
    color = placed(product.color * product.alpha[..., None], frame, part)
    return color.clip(0, 255 * alpha[..., None]), alpha


def _lit_rows(placement: Placement, lampshade: float, start: int) -> slice:
    """Return the photo's rows, counted from `start`, in which the product is a lit lampshade."""
    _, top, _, bottom = placement.frame
    rows = lampshade * (bottom - top)
    first, last = (round(bottom - rows), bottom) if placement.surface == "ceiling" else (top, round(top + rows))
    return slice(max(0, first - start), max(0, last - start)) if lampshade else slice(0, 0)
