"""Colors and textures of surfaces. Colors are linear, so that light may be added and multiplied."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Field, smoothstep
from imaging.picture import Weights

Vector = tuple[float, float, float]
Rgb = tuple[float, float, float]

Vectors = NDArray[np.floating[Any]]
"""Positions in cm, directions or light, float32 of shape (3, height, width)."""

TILE = 256
"""Side of the periodic noise tile, in samples."""


@dataclass(frozen=True, eq=False)
class Print:
    """A picture on a body that lies flat, its top far away: linear `color` (h, w, 3) and `alpha` (h, w), 0 to 1."""

    color: NDArray[np.float32]
    alpha: Weights

    def at(self, inside: Vectors) -> tuple[Vectors, Field]:
        """Return color (3, ...) and alpha at shares (0 to 1) of the body's size."""
        height, width = self.alpha.shape
        columns, rows = inside[0] * width - np.float32(0.5), (1 - inside[2]) * height - np.float32(0.5)
        color, alpha = (
            cast(Field, cv2.remap(values, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
            for values in (self.color, self.alpha)
        )
        return np.moveaxis(color, 2, 0), alpha


@dataclass(frozen=True)
class Material:
    """A surface: `texture` mixes `color` with `other` and varies the brightness at a `scale` in centimeters.

    `glow` is emitted light, in units of white paper in daylight. A `printed` picture replaces color and texture.
    """

    color: Rgb
    other: Rgb = (0.0, 0.0, 0.0)
    texture: str = "plain"
    scale: float = 10.0
    glow: float = 0.0
    printed: Print | None = None

    def towards(self, share: float, other: Rgb = (0.9, 0.9, 0.88)) -> "Material":
        return replace(self, color=blend(self.color, other, share))

    def textured(self, texture: str, scale: float, other: Rgb = (0.0, 0.0, 0.0)) -> "Material":
        return replace(self, texture=texture, scale=scale, other=other)

    def dark(self, share: float) -> Rgb:
        return blend(self.color, (0.0, 0.0, 0.0), share)


def rgb(code: str) -> Rgb:
    """Return the linear light of a hexadecimal sRGB color, with a gamma of 2."""
    red, green, blue = ((int(code[i : i + 2], 16) / 255) ** 2 for i in (0, 2, 4))
    return red, green, blue


def blend(first: Rgb, second: Rgb, share: float) -> Rgb:
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def column(values: Vector) -> Vectors:
    """Return a position or a color as a field of one pixel, (3, 1, 1)."""
    return np.array(values, np.float32)[:, None, None]


@dataclass(frozen=True, eq=False)
class Sample:
    """The input of a texture: `points` on a body that begins at `low` and measures `size`."""

    points: Vectors
    low: Vectors
    size: Vectors
    tile: Field
    scale: float

    @property
    def along(self) -> Field:
        """Return the position along the longest side."""
        return cast(Field, self.points[int(self.size.argmax())])

    @property
    def across(self) -> Field:
        """Return the position perpendicular to `along`: the sum of the other two, of which one varies on a face."""
        return cast(Field, self.points.sum(0) - self.along)

    @property
    def level(self) -> Field:
        """Return the position along a wall, whichever way it faces."""
        return cast(Field, self.points[0] + self.points[2])

    @property
    def inside(self) -> Vectors:
        """Return the position as shares (0 to 1) of the body's size."""
        return cast(Vectors, (self.points - self.low) / self.size)

    def noise(self, u: Field, v: Field, scale_u: float, scale_v: float) -> Field:
        """Return cloudy noise of mean 0 and standard deviation 1 with features of the given sizes in cm."""
        to_u, to_v = np.mod(u * (16 / scale_u), TILE), np.mod(v * (16 / scale_v), TILE)
        return cast(Field, cv2.remap(self.tile, to_u, to_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))


Texture = Callable[[Sample], tuple[Field, Field]]
"""Function that returns the share of the other color and the gain in brightness."""


def noise_tile(rng: np.random.Generator) -> Field:
    """Return periodic noise (TILE, TILE) with a spectrum that falls like 1/frequency."""
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)) * TILE
    tile = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((TILE, TILE))) / np.maximum(frequency, 6))
    return cast(Field, ((tile - tile.mean()) / tile.std()).astype(np.float32))


def albedo(material: Material, points: Vectors, low: Vectors, size: Vectors, tile: Field) -> Vectors:
    """Return the colors of a surface at `points`; a single one, (3, 1, 1), if they are all equal."""
    if material.printed:
        return material.printed.at((points - low) / size)[0]
    color, other = column(material.color), column(material.other)
    if material.texture == "plain":
        return color
    mix, gain = TEXTURES[material.texture](Sample(points, low, size, tile, material.scale))
    return cast(Vectors, (color + mix * (other - color)) * gain)


def _planks(at: Sample) -> tuple[Field, Field]:
    row = np.floor(at.across / at.scale)
    along = at.along + _chance(row) * at.scale * 10
    board = np.floor(along / (at.scale * 10))
    gap = np.maximum(_joint(at.across, at.scale, 0.4), _joint(along, at.scale * 10, 0.4) * 0.7)
    grain = at.noise(at.along + board * 371, at.across + row * 83, 160, 9)
    return gap * 0.55, 1 + (_chance(row, board) - 0.5) * 0.22 + grain * 0.05


def _herringbone(at: Sample) -> tuple[Field, Field]:
    """Return blocks of one by four, laid at 45 degrees so that their ends meet their neighbors' sides."""
    u, v = ((at.points[0] + sign * at.points[2]) * (0.5**0.5 / at.scale) for sign in (1, -1))
    column, row = np.floor(u), np.floor(v)
    phase = np.mod(column + row, 8)
    along_u = phase < 4
    long, side = np.where(along_u, u - column + phase, v - row + phase - 4), np.where(along_u, v - row, u - column)
    block = np.where(along_u, (column - phase) * 31 + row, column * 31 + row - phase + 4)
    edge = np.minimum(np.minimum(side, 1 - side), np.minimum(long, 4 - long)) * at.scale
    pixel = _pixel(at.across)
    gap = np.clip((0.2 - edge) / pixel + 0.5, 0, np.minimum(1, 0.4 / pixel))
    grain = at.noise(long * at.scale + block * 7, side * at.scale + block * 13, 90, 7)
    return gap * 0.5, 1 + (_chance(block) - 0.5) * 0.2 + grain * 0.05


def _wood(at: Sample) -> tuple[Field, Field]:
    return np.zeros_like(at.along), 1 + at.noise(at.along, at.across, 120, 8) * 0.07


def _tiles(at: Sample) -> tuple[Field, Field]:
    grout = np.maximum(_joint(at.along, at.scale, 0.5), _joint(at.across, at.scale, 0.5))
    tint = _chance(np.floor(at.along / at.scale), np.floor(at.across / at.scale)) - 0.5
    return grout, 1 + tint * 0.07 + at.noise(at.along, at.across, 90, 90) * 0.02


def _bricks(at: Sample) -> tuple[Field, Field]:
    """Return bricks in half-bond courses, `scale` high and three times as long."""
    y = at.points[1]
    course = np.floor(y / at.scale)
    level = at.level + course * (at.scale * 1.5)
    joint = np.maximum(_joint(y, at.scale, 0.8), _joint(level, at.scale * 3, 0.8))
    tint = _chance(course, np.floor(level / (at.scale * 3))) - 0.5
    return joint, 1 + tint * 0.3 + at.noise(level, y, 20, 20) * 0.06


def _skirted(at: Sample) -> tuple[Field, Field]:
    """Return plain plaster above a skirting board of `scale` height with a fine line of shadow."""
    y = at.points[1]
    board = np.clip((at.scale - y) / _pixel(y) + 0.5, 0, 1)
    return board, 1 - 0.2 * np.clip(1 - np.abs(y - at.scale) / np.maximum(_pixel(y), 1), 0, 1)


def _cloudy(at: Sample) -> tuple[Field, Field]:
    cloud = at.noise(at.along, at.across, at.scale, at.scale)
    return np.clip(cloud * 0.12 + 0.3, 0, 1), np.ones_like(cloud)


def _leafy(at: Sample) -> tuple[Field, Field]:
    """Return foliage or grass: coarse clumps with fine blades on them."""
    clumps, blades = (at.noise(at.along, at.across, size, size) for size in (at.scale * 6, at.scale))
    return np.clip(0.4 + clumps * 0.2 + blades * 0.2, 0, 1), np.ones_like(clumps)


def _waves(at: Sample) -> tuple[Field, Field]:
    """Return water: deeper in color farther out, with foam where it begins."""
    out = at.points[2] - at.low[2]
    ripple = at.noise(at.points[0], out, at.scale * 5, at.scale) * np.minimum(1500 / (out + 500), 1)
    foam = np.clip(1 - np.abs(out - 25 - ripple * 12) / 25, 0, 1)
    return np.clip(out / 2500 + ripple * 0.06, 0, 1), 1 + foam * 0.8


def _weave(at: Sample) -> tuple[Field, Field]:
    """Return a rug: a fine weave with a band of the other color along its edge."""
    edge = (np.minimum(at.inside, 1 - at.inside) * at.size)[[0, 2]].min(0)
    band = 1 - np.clip(np.abs(edge - 12) / _pixel(edge) - 0.7, 0, 1)
    return band * 0.6, 1 + at.noise(at.along, at.across, 3, 3) * 0.05


def _folds(at: Sample) -> tuple[Field, Field]:
    wave = np.sin(at.level * (6.28 / at.scale)) + np.sin(at.level * (3.7 / at.scale))
    return np.zeros_like(wave), 1 + wave * 0.06


def _fronts(at: Sample) -> tuple[Field, Field]:
    """Return cabinet doors about `scale` wide, with shadow gaps between them."""
    length = float(at.size[[0, 2]].max())
    width = length / max(1, round(length / at.scale))
    gap = _joint(at.level - at.low[0] - at.low[2], width, 0.9)
    return gap * 0.7, 1 + at.noise(at.points[1], at.level, 120, 8) * 0.025


def _slats(at: Sample) -> tuple[Field, Field]:
    gap = _joint(at.level, at.scale, at.scale / 4)
    return gap * 0.8, 1 + (_chance(np.floor(at.level / at.scale)) - 0.5) * 0.12


def _books(at: Sample) -> tuple[Field, Field]:
    """Return spines of books of several widths between the two colors."""
    level = at.level + np.sin(at.level) * 0.6
    book = np.floor(level / at.scale)
    return _chance(book), (0.45 + _chance(book * 3) * 0.75) * (1 - _joint(level, at.scale, 0.5) * 0.7)


def _art(at: Sample) -> tuple[Field, Field]:
    """Return a painting of hills under a sun."""
    x, y, _ = at.inside
    soft = 1 / _pixel(y)
    far = np.clip((0.45 + np.sin(x * 4 + at.scale) * 0.08 - y) * soft, 0, 1)
    near = np.clip((0.28 + np.sin(x * 6 + at.scale) * 0.08 - y) * soft, 0, 1)
    sun = np.clip((0.15 - np.hypot(x - 0.62, (y - 0.68) * 1.3)) * soft, 0, 1)
    return np.maximum(np.maximum(far * 0.45, near * 0.8), sun * (1 - far)), np.ones_like(x)


def _fade(at: Sample) -> tuple[Field, Field]:
    """Return a gradient from the color at the top to the other at the bottom, for windows, screens and mirrors."""
    share = 1 - at.inside[1]
    return smoothstep(share), np.ones_like(share)


def _joint(position: Field, pitch: float, width: float) -> Field:
    """Return the coverage of pixels by lines at multiples of `pitch`; lines finer than a pixel fade to their mean."""
    pixel = _pixel(position)
    offset = pitch / 2 - np.abs(np.mod(position, pitch) - pitch / 2)
    return np.clip((width / 2 - offset) / pixel + 0.5, 0, np.minimum(1, width / pixel))


def _pixel(position: Field) -> Field:
    """Return the extent of one pixel along a position."""
    if min(position.shape) < 2:
        return np.ones_like(position)
    down, right = np.gradient(position)
    return cast(Field, np.abs(down) + np.abs(right) + 1e-4)


def _chance(*cells: Field) -> Field:
    """Return a number from 0 to 1 for each cell, the same in every scene."""
    index = sum(cell.astype(np.int32) * prime for cell, prime in zip(cells, (73856093, 19349663), strict=False))
    code = np.asarray(index).astype(np.uint32) * np.uint32(2654435761)
    return ((code ^ (code >> np.uint32(15))) & np.uint32(0xFFFF)).astype(np.float32) / 0xFFFF


TEXTURES: dict[str, Texture] = {
    "planks": _planks,
    "herringbone": _herringbone,
    "wood": _wood,
    "tiles": _tiles,
    "bricks": _bricks,
    "skirted": _skirted,
    "cloudy": _cloudy,
    "leafy": _leafy,
    "waves": _waves,
    "weave": _weave,
    "folds": _folds,
    "fronts": _fronts,
    "slats": _slats,
    "books": _books,
    "art": _art,
    "fade": _fade,
}
