"""The product set into the photo: its own pixels in the room's light, and the shadow it throws."""

from dataclasses import dataclass, replace
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.backdrop import FARTHEST_WALL_CM, floor_end, wall_distance
from imaging.camera import Camera
from imaging.cutout import CutOut
from imaging.layout import Placement
from imaging.light import LUMINANCE, Light, Source, encoded, find_light, linear
from imaging.picture import Box, Mask, Pixels, Weights
from imaging.shadow import Plane, Stack, left_over, pole, stack_of
from imaging.solid import legs_of, solid_of
from imaging.sun import find_sun

Layer = NDArray[np.float32]
"""(height, width, 3), 0 to 255."""

_VIEW = 480  # pixels: light and walls are looked for in a reduced photo
_GAMMA = 2.4
_TOE = 0.055 * 255  # sRGB values v + _TOE are a pure power of the light, but for the darkest
_BESIDE, _ABOVE = 0.36, 0.22  # of the product's size: how far its shadow may reach
_ENDING = 0.85  # of that: where it fades
_REACH = 5.0  # times the product's height: floor farther behind has no shadow
_HANGING_SHADE, _HANGING_SHIFT, _HANGING_BLUR = 0.3, 0.025, 0.02  # the latter of the product's size
_HANGING_CELLS = 256
_BRIGHT_PRODUCT = 0.6  # linear luminance of the lightest parts of a well exposed product photo
_BRIGHT_ROOM = 0.58  # the same of a room's light surfaces
_BRIGHTNESS = (0.45, 1.5)
_WARMEST = 1.12


@dataclass(frozen=True, eq=False)
class Composite:
    """`pixels` equal the room's outside `changed`."""

    pixels: Pixels
    changed: Mask


@dataclass(frozen=True, eq=False)
class _View:
    """The room reduced to what its light can be judged on, with camera and frame to match, and the first row of floor
    before a wall behind the product."""

    pixels: Pixels
    camera: Camera
    frame: Box
    wall: int | None


def compose(room: Pixels, product: CutOut, placement: Placement) -> Composite:
    """Only the surroundings of the product are worked on, so a large photo costs little more than a small one."""
    part = _around(placement)
    left, top, right, bottom = part
    view = _view(room, placement)
    light = find_light(view.pixels, view.camera, _wall_cm(view))
    sun = _sun(view, light) if placement.surface == "floor" else None
    photo = room[top:bottom, left:right]
    sources = (light.source,) if sun is None else (light.source, sun)
    ground = _dimmed(photo.astype(np.float32), _shade(view, product, placement, sources, part))
    colour, alpha = _set_into(_in_light(product, light, sun), placement.frame, part)
    made = (ground * (1 - alpha[..., None]) + colour + 0.5).clip(0, 255).astype(np.uint8)
    pixels, changed = room.copy(), np.zeros(room.shape[:2], np.bool_)
    pixels[top:bottom, left:right] = made
    changed[top:bottom, left:right] = (made != photo).any(axis=2)
    return Composite(pixels, changed)


def _around(placement: Placement) -> Box:
    """The part of the photo that product and shadow stay in."""
    left, top, right, bottom = placement.frame
    beside, above = int(_BESIDE * (right - left)), int(_ABOVE * (bottom - top))
    width, height = placement.camera.size
    return max(0, left - beside), max(0, top - above), min(width, right + beside), min(height, bottom + above)


def _view(room: Pixels, placement: Placement) -> _View:
    factor = min(1.0, _VIEW / max(room.shape[:2]))
    camera = placement.camera.scaled(factor)
    frame = _rounded(placement.frame, factor)
    small = cast(Pixels, cv2.resize(room, camera.size, interpolation=cv2.INTER_AREA))
    return _View(small, camera, frame, floor_end(small, camera, (frame[0], frame[2]), frame[3]))


def _wall_cm(view: _View) -> float:
    """The distance of the back wall; what is close behind the product may be a sofa or a side wall."""
    near = 0.0 if view.wall is None else view.camera.distance(view.wall)
    return max(wall_distance(view.pixels, view.camera), min(near, FARTHEST_WALL_CM))


def _sun(view: _View, light: Light) -> Source | None:
    if not light.window:
        return None
    floor_top = view.wall or max(0, int(view.camera.horizon) + 1)
    return find_sun(view.pixels, view.camera, light.source, view.frame, floor_top)


# The shadow


def _shade(view: _View, product: CutOut, placement: Placement, sources: tuple[Source, ...], part: Box) -> Weights:
    """What is left of the light on each pixel of `part`."""
    if placement.surface == "wall":
        shade = _hanging(product, placement, sources[0], part)
    elif placement.foot[1] < placement.camera.horizon:
        shade = np.ones((part[3] - part[1], part[2] - part[0]), np.float32)
    else:
        shade = _standing(view, product, placement, sources, part)
    return 1 - (1 - shade) * _fading(placement.frame, part)


def _standing(view: _View, product: CutOut, placement: Placement, sources: tuple[Source, ...], part: Box) -> Weights:
    """On the floor, and on a wall close behind."""
    left, top, right, bottom = part
    camera = placement.camera
    wall = None if view.wall is None else round(view.wall * camera.size[1] / view.camera.size[1])
    floor_top = min(max(top, wall or 0, _farthest_row(placement)), bottom)
    body = _body(product, placement)
    shade = np.ones((bottom - top, right - left), np.float32)
    if floor_top < bottom:
        shade[floor_top - top :] = left_over(camera, body, sources, Plane("floor"), (left, floor_top, right, bottom))
    if wall == floor_top > top and placement.surface == "floor":
        plane = Plane("wall", camera.distance(wall))
        shade[: wall - top] = left_over(camera, body, sources, plane, (left, top, right, wall))
    return shade


def _farthest_row(placement: Placement) -> int:
    """The first row of floor that is near enough to be in the product's shadow."""
    zero, far = np.zeros(1), np.array([placement.distance_cm + _REACH * placement.height_cm])
    return int(np.ceil(placement.camera.project(zero, zero, far)[1][0]))


def _body(product: CutOut, placement: Placement) -> list[Stack]:
    """The product as it stands in the room: a body down to the floor, or on its legs."""
    camera, height_cm = placement.camera, placement.height_cm
    left, top, right, bottom = placement.frame
    to_right = camera.slants((left + right) / 2, bottom)[0]
    legs = legs_of(product.alpha)
    knee = max((leg.height for leg in legs), default=0.0)
    distance = placement.distance_cm
    body = [stack_of(solid_of(product.alpha), height_cm, to_right * distance, distance, knee)]
    for leg in legs:
        column, row = left + leg.x * (right - left), top + leg.y * (bottom - top)
        distance = camera.distance(row)
        radius_cm = leg.width * (right - left) * distance / camera.focal / 2
        body.append(pole(camera.slants(column, row)[0] * distance, distance, radius_cm, knee * height_cm))
    return body


def _hanging(product: CutOut, placement: Placement, source: Source, part: Box) -> Weights:
    """A soft shadow on the wall behind, away from the light and a little down."""
    left, top, right, bottom = placement.frame
    width, height = part[2] - part[0], part[3] - part[1]
    factor = min(1.0, _HANGING_CELLS / max(width, height))
    size = float(np.hypot(right - left, bottom - top))
    to_right = placement.camera.slants(*placement.foot)[0] * placement.distance_cm
    away = float(np.clip((to_right - source.position[0]) / 200, -1, 1))
    across, down = _HANGING_SHIFT * size * away - part[0], _HANGING_SHIFT * size - part[1]
    shifted = _rounded((left + across, top + down, right + across, bottom + down), factor)
    alpha = _placed(product.alpha, shifted, _rounded((0, 0, width, height), factor))
    soft = cv2.GaussianBlur(alpha, (0, 0), max(_HANGING_BLUR * size * factor, 0.5))
    return 1 - np.float32(_HANGING_SHADE) * cast(Weights, cv2.resize(soft, (width, height)))


def _rounded(box: tuple[float, float, float, float], factor: float) -> Box:
    left, top, right, bottom = (round(side * factor) for side in box)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _fading(frame: Box, part: Box) -> Weights:
    """1 near the product, falling smoothly to 0 where its shadow may reach no farther."""
    columns = _ramp(np.arange(part[0], part[2]), frame[0], frame[2], _BESIDE)
    rows = _ramp(np.arange(part[1], part[3]), frame[1], frame[3], _ABOVE)
    return cast(Weights, np.outer(rows, columns).astype(np.float32))


def _ramp(position: NDArray[np.int64], start: int, stop: int, share: float) -> NDArray[np.float64]:
    outside = np.maximum(start - position, position + 1 - stop).clip(0) / (share * (stop - start))
    rest = ((1 - outside) / _ENDING).clip(0, 1)
    return rest * rest * (3 - 2 * rest)


def _dimmed(layer: Layer, light_left: Weights) -> Layer:
    """sRGB pixels with only a share of their light left: exact but for the darkest, which sRGB codes linearly."""
    factor = np.power(light_left.clip(0, 1), 1 / _GAMMA)[..., None]
    return cast(Layer, ((layer + _TOE) * factor - _TOE).clip(0))


# The product


def _set_into(product: CutOut, frame: Box, part: Box) -> tuple[Layer, Weights]:
    """Colour times alpha, and alpha, of the product scaled to `frame`, on the pixels of `part`."""
    premultiplied = product.color * product.alpha[..., None]
    colour, alpha = _placed(premultiplied, frame, part), _placed(product.alpha, frame, part).clip(0, 1)
    return colour.clip(0, 255 * alpha[..., None]), alpha


def _placed(layer: Layer, frame: Box, part: Box) -> Layer:
    """`layer` scaled to `frame`, on the pixels of `part`; 0 elsewhere."""
    left, top = max(frame[0], part[0]), max(frame[1], part[1])
    right, bottom = min(frame[2], part[2]), min(frame[3], part[3])
    placed = np.zeros((part[3] - part[1], part[2] - part[0], *layer.shape[2:]), np.float32)
    if left < right and top < bottom:
        target = np.s_[top - part[1] : bottom - part[1], left - part[0] : right - part[0]]
        placed[target] = _scaled(layer, frame, (left, top, right, bottom))
    return placed


def _scaled(layer: Layer, frame: Box, seen: Box) -> Layer:
    """The part `seen` of a layer scaled to `frame`; a larger layer than that is never made."""
    width, height = frame[2] - frame[0], frame[3] - frame[1]
    left, top = seen[0] - frame[0], seen[1] - frame[1]
    size = (seen[2] - seen[0], seen[3] - seen[1])
    if height <= layer.shape[0]:
        small = cv2.resize(layer, (width, height), interpolation=cv2.INTER_AREA)
        return cast(Layer, small[top : top + size[1], left : left + size[0]])
    across, down = layer.shape[1] / width, layer.shape[0] / height
    source = np.array([[across, 0, (left + 0.5) * across - 0.5], [0, down, (top + 0.5) * down - 0.5]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cast(Layer, cv2.warpAffine(layer, source, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _gain(product: CutOut, light: Light, sun: Source | None) -> NDArray[np.float32]:
    """How much brighter (linear, per channel) the room's light shows the product than its photo did.

    Half-way only, and within bounds: the colour is what the shopper buys, and how light the product and the room's
    surfaces are in themselves is a guess.
    """
    step = max(1, max(product.alpha.shape) // 256)
    colours = product.color[::step, ::step][product.alpha[::step, ::step] > 0.9]
    lightest = float(np.percentile(linear(colours) @ LUMINANCE, 95)) if len(colours) else _BRIGHT_PRODUCT
    exposure = np.clip((_BRIGHT_PRODUCT / max(lightest, 1e-3)) ** 0.4, 0.85, 1.25)
    level = light.level / (1 - sun.share) if sun else light.level
    brightness = np.clip((level / _BRIGHT_ROOM) ** 0.5 * exposure, *_BRIGHTNESS)
    warmth = float(np.clip(light.warmth**0.4, 1 / _WARMEST, _WARMEST))
    return cast(NDArray[np.float32], (brightness * np.array([warmth, 1, 1 / warmth])).astype(np.float32))


def _in_light(product: CutOut, light: Light, sun: Source | None) -> CutOut:
    """`product` as the room's light shows it. Its brightest parts roll off below the room's, channel by channel, as in
    the camera: nothing but a lamp outshines the window."""
    seen = np.outer(linear(np.arange(256, dtype=np.uint8)), _gain(product, light, sun))
    knee = light.brightest / 2
    over = (seen - knee).clip(0)
    rolled = np.minimum(seen, knee) + (light.brightest - knee) * (1 - np.exp(-over / (light.brightest - knee)))
    table = encoded(rolled)
    return replace(product, color=cast(Pixels, cv2.LUT(product.color, table[None])))
