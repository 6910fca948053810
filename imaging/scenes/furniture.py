"""Furniture as bodies, in cm. A piece stands at (x, z), the middle of its base, or along the wall at `back`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imaging.scenes.bodies import Body, Leaf, ball, box, disc, post
from imaging.scenes.materials import Material, Print, Rgb, Vector, blend, rgb
from imaging.scenes.style import Style

Piece = Sequence[Body | Leaf]

SIDES = (-1, 1)
WHITE, LINEN, STONE, DARK = (Material(rgb(code)) for code in ("f2f0ec", "ede8df", "e9e6e0", "33322f"))
SOIL, LEAF, DEEP_LEAF = (Material(rgb(code)) for code in ("4a3a2c", "6f8f5a", "47683f"))


def sofa(s: Style, x: float, z: float) -> Piece:
    soft = s.fabric.towards(0.1)
    return [
        box(x, 12, z, (202, 28, 84), s.fabric, 5),
        box(x, 20, z + 34, (204, 60, 20), s.fabric, 8),
        *(box(x + k * 96, 12, z - 1, (18, 48, 86), s.fabric, 8) for k in SIDES),
        *(box(x + k * 42.5, 37, z - 7, (84, 15, 70), soft, 6) for k in SIDES),
        *(box(x + k * 42.5, 50, z + 20, (82, 34, 17), soft, 8) for k in SIDES),
        *legs(x, z, (180, 12, 66), s.wood),
        box(x - 63, 51, z + 2, (44, 40, 15), s.spice, 7.5),
        box(x + 61, 51, z + 3, (46, 38, 15), s.rug, 7.5),
    ]


def legs(x: float, z: float, size: Vector, material: Material, thick: float = 4.0) -> Piece:
    width, height, depth = ((size[0] - thick) / 2, size[1], (size[2] - thick) / 2)
    corners = [(x + i * width, z + k * depth) for i in SIDES for k in SIDES]
    return [post(i, 0, k, (thick, height), material, (0.7, 1)) for i, k in corners]


def table(s: Style, x: float, z: float, size: Vector, foot: Material) -> Piece:
    width, height, depth = size
    return [
        box(x, height - 4, z, (width, 4, depth), s.timber),
        *legs(x, z, (width - 8, height - 4, depth - 8), foot, 5),
    ]


def round_table(s: Style, x: float, z: float) -> Piece:
    """Return a coffee table with a vase and two books."""
    return [
        post(x, 34, z, (80, 4), s.timber),
        post(x, 2, z, (40, 32), s.wood, (1, 0.8), 2),
        post(x, 38, z + 4, (13, 18), s.spice, (0.8, 0.5), 3),
        box(x - 16, 38, z - 6, (24, 3, 17), s.rug),
        box(x - 16, 41, z - 5, (20, 2.5, 14), s.fabric),
    ]


def chair(s: Style, x: float, z: float, side: int, depth: int) -> Piece:
    """Return a dining chair with its back to the left (-1) or right (1) `side`, or near (-1) or far (1) in `depth`."""
    return [
        *legs(x, z, (42, 44, 42), s.wood, 3.5),
        box(x, 43, z, (46, 6, 46), s.fabric, 3),
        box(x + side * 20, 52, z + depth * 20, (42, 34, 4) if depth else (4, 34, 42), s.wood, 2),
    ]


def floor_lamp(s: Style, x: float, z: float) -> Piece:
    stand = [post(x, 0, z, (28, 2), s.metal), post(x, 2, z, (2.2, 130), s.metal)]
    return [*stand, post(x, 128, z, (42, 30), s.shade, (1, 0.75))]


def table_lamp(s: Style, x: float, y: float, z: float) -> Piece:
    return [post(x, y, z, (15, 20), s.spice, (0.7, 1), 7), post(x, y + 21, z, (28, 20), s.shade, (1, 0.7))]


def pendant(s: Style, x: float, y: float, z: float, ceiling: float, width: float) -> Piece:
    shade = post(x, y, z, (width, width * 0.55), s.shade if s.evening else s.spice, (1, 0.25), 1)
    return [post(x, y, z, (1.2, ceiling - y), s.metal), replace(shade, casts=False)]


def picture(s: Style, x: float, y: float, back: float, size: tuple[float, float], paint: int) -> Piece:
    """Return a picture hung with its middle at (x, y); `paint` 0 to 2 chooses colors and frame."""
    width, height = size
    color = (s.spice, s.feature.towards(0.3, s.wood.color), s.metal)[paint].dark(0.15)
    frame = box(x, y - height / 2, back - 1.5, (width, height, 3), s.wood if paint == 1 else s.metal, 0.5)
    art = LINEN.textured("art", paint * 2.1, color)
    return [frame, box(x, y - height / 2 + 3, back - 2, (width - 6, height - 6, 3), art, 0.1)]


def plant(x: float, z: float, height: float, pot: Material, rng: np.random.Generator) -> Piece:
    wide = 12 + height / 6
    soil = post(x, wide * 0.9, z, (wide * 0.9, wide * 0.06), SOIL)
    leaves = foliage((x, wide * 0.9, z), height - wide, wide / 36, rng)
    return [post(x, 0, z, (wide, wide * 0.95), pot, (0.75, 1), 1.5), soil, *leaves]


def foliage(base: Vector, height: float, size: float, rng: np.random.Generator, count: int = 20) -> list[Leaf]:
    """Return leaves on a golden spiral, the lower ones hanging farther out."""
    leaves: list[Leaf] = []
    for share, angle in zip(np.linspace(0, 1, count), np.arange(count) * 2.4, strict=True):
        turn, lift = angle + rng.uniform(-0.3, 0.3), 0.1 + share + rng.uniform(-0.15, 0.15)
        way = np.array((np.cos(turn) * np.cos(lift), np.sin(lift), np.sin(turn) * np.cos(lift)))
        start = np.array(base) + way * (8 * size, 0, 8 * size) + (0, height * (0.1 + share * 0.55), 0)
        color = blend(LEAF.color, DEEP_LEAF.color, rng.random())
        leaves += _leaf(start, way, height * rng.uniform(0.28, 0.4), color)
    return leaves


def _leaf(start: NDArray[np.float64], way: NDArray[np.float64], length: float, color: Rgb) -> list[Leaf]:
    """Return a leaf as two halves, folded along the middle and drooping towards the tip."""
    aside = np.cross(way, (0, 1, 0))
    aside *= 0.19 * length / (np.linalg.norm(aside) + 1e-6)
    shape = np.array(((0, 0), (0.15, 0.6), (0.4, 1), (0.65, 0.9), (0.85, 0.5), (1, 0)))
    along, out = shape[:, :1], shape[:, 1:]
    spine = start + way * length * along + (along**2 * -0.2 + out * 0.03) * (0, length, 0)
    shades = Material(color), Material(color).towards(0.05)
    return [Leaf((spine + aside * out * k).astype(np.float32), shade) for k, shade in zip(SIDES, shades, strict=True)]


def rug(s: Style, x: float, z: float, size: tuple[float, float]) -> Piece:
    woven = s.rug.textured("weave", 1, s.fabric.color)
    return [replace(box(x, 0, z, (size[0], 1.5, size[1]), woven, 0.3), broad=True, casts=False)]


def laid(x: float, z: float, size: tuple[float, float], rug: Print) -> Piece:
    """Return a rug that looks like a picture from above."""
    woven = Material((1.0, 1.0, 1.0), printed=rug)
    return [replace(box(x, 0, z, (size[0], 1.5, size[1]), woven, 0), broad=True, casts=False)]


def cabinet(x: float, y: float, z: float, size: Vector, front: Material, door: float = 60.0) -> Body:
    return box(x, y, z, size, front.textured("fronts", door, front.dark(0.8)), 0.6)


def shelf(s: Style, x: float, z: float) -> Piece:
    """Return a bookcase with books and vases on alternating sides."""
    piece = [box(x, 0, z + 15, (104, 196, 2), s.wood.towards(0.25))]
    piece += [box(x + k * 52, 0, z, (3, 196, 32), s.timber) for k in SIDES]
    piece += [box(x, 6 + level * 37, z, (104, 3, 32), s.timber) for level in range(6)]
    books = s.fabric.textured("books", 4.3, s.spice.color)
    for level, width in enumerate((57.0, 83.0, 42.0, 68.0, 52.0)):
        y, side = 9 + level * 37, SIDES[level % 2]
        piece.append(box(x + side * (width / 2 - 49), y, z, (width, 25, 20), books, 0.5))
        piece.append(post(x + side * 36, y, z, (15, 19), s.rug if level % 2 else s.spice, (0.7, 0.5), 4))
    return piece


def bed(s: Style, x: float, back: float) -> Piece:
    z = back - 112
    return [
        box(x, 8, z, (173, 22, 212), s.wood, 2),
        box(x, 10, back - 7, (189, 105, 12), s.feature.towards(0.2, s.fabric.color), 6),
        *legs(x, z, (155, 8, 190), s.wood, 6),
        box(x, 28, z, (165, 24, 204), LINEN, 9),
        box(x, 33, z - 27, (172, 24, 156), s.fabric.towards(0.35), 9),
        box(x, 36, z - 62, (174, 23.5, 62), s.spice.towards(0.1), 8),
        *(box(x + k * 41, 52, back - 42, (70, 40, 17), LINEN, 8.5) for k in SIDES),
        *(box(x + k * 33, 52, back - 58, (46, 34, 15), s.fabric, 7.5) for k in SIDES),
    ]


def nightstand(s: Style, x: float, back: float) -> Piece:
    drawers = cabinet(x, 14, back - 24, (46, 36, 38), s.wood, 46)
    book = box(x - 8, 50, back - 36, (16, 3, 12), s.spice)
    return [*legs(x, back - 24, (40, 14, 34), s.wood), drawers, *table_lamp(s, x, 50, back - 21), book]


def sideboard(s: Style, x: float, back: float) -> Piece:
    return [
        *legs(x, back - 25, (144, 16, 32), s.metal, 3),
        cabinet(x, 16, back - 25, (160, 58, 42), s.wood, 48),
        *table_lamp(s, x + 56, 74, back - 25),
        post(x - 56, 74, back - 25, (17, 30), s.rug, (0.8, 0.35), 4),
        post(x - 34, 74, back - 29, (20, 8), s.spice, (0.5, 1), 2),
    ]


def stool(s: Style, x: float, z: float, height: float) -> Piece:
    return [*legs(x, z, (32, height, 32), s.wood, 3), post(x, height, z, (36, 6), s.fabric, bevel=3)]


def counter(s: Style, left: float, right: float, back: float, cabinets: Sequence[int]) -> Piece:
    """Return kitchen units: base, worktop, splashback, a hood with `cabinets` left (-1) and right (1) of it, a hob, a
    tap and small things."""
    x, width, upper = (left + right) / 2, right - left, (right - left) * 0.3
    front, hob, tap, board = s.feature.towards(0.15), x + width * 0.08, left + upper * 0.55, right - upper * 0.5
    return [
        box(x, 0, back - 27, (width, 10, 50), DARK, 0.5),
        cabinet(x, 10, back - 30, (width, 78, 58), front),
        box(x, 88, back - 31, (width, 4, 62), STONE, 0.8),
        box(x, 92, back - 1, (width, 56, 1), WHITE.textured("tiles", 12, rgb("cfcac2")), 0.2),
        *(cabinet(x + k * (width - upper) / 2, 148, back - 18, (upper, 70, 35), front) for k in cabinets),
        box(hob, 152, back - 20, (width * 0.22, 10, 40), s.metal),
        box(hob, 162, back - 14, (28, 58, 26), s.metal),
        box(hob, 92, back - 31, (58, 0.8, 50), DARK, 0.3),
        post(hob - 13, 93, back - 26, (24, 14), s.spice, bevel=2),
        post(tap, 92, back - 14, (3, 30), s.metal),
        box(tap, 119, back - 23, (3, 3, 20), s.metal, 1.4),
        box(board, 92, back - 8, (26, 36, 2.5), s.timber),
        post(board + 28, 92, back - 20, (11, 24), s.rug, (1, 0.6), 3),
        post(board + 42, 92, back - 22, (9, 16), s.spice, (1, 0.8), 2),
    ]


def bowl(s: Style, x: float, y: float, z: float) -> Piece:
    fruit = [ball(x + k * 8, y + 5.5, z + abs(k) * 5, 9, s.spice) for k in (-1, 0, 1)]
    return [post(x, y, z, (32, 9), s.wood.towards(0.3), (0.45, 1), 2), *fruit]


def island(s: Style, x: float, z: float) -> Piece:
    body = cabinet(x, 0, z, (144, 88, 66), s.wood, 50)
    return [body, box(x, 88, z, (150, 5, 78), STONE, 0.8), *bowl(s, x + 30, 93, z)]


def tub(s: Style, x: float, z: float) -> Piece:
    return [
        box(x, 0, z, (168, 58, 78), WHITE, 26),
        box(x, 50, z, (160, 8.6, 70), WHITE, 4),
        box(x, 58.2, z, (148, 0.6, 58), Material(rgb("b9d3d6")), 0.2),
        post(x + 96, 0, z + 10, (3.5, 92), s.metal),
        box(x + 85, 89, z + 10, (26, 3.5, 3.5), s.metal, 1.6),
        box(x - 40, 56, z - 36, (40, 5, 9), s.spice, 2.4),
        box(x - 40, 26, z - 40, (40, 32, 3), s.spice, 1.4),
    ]


def vanity(s: Style, x: float, back: float) -> Piece:
    """Return a basin on a wall-hung cabinet, under a round mirror between two lights."""
    return [
        cabinet(x, 30, back - 25, (100, 48, 48), s.wood, 50),
        box(x, 78, back - 26, (104, 4, 52), WHITE),
        post(x, 82, back - 26, (42, 13), WHITE, (0.75, 1), 2),
        post(x, 82, back - 5, (3, 28), s.metal),
        box(x, 108, back - 11, (3, 3, 15), s.metal, 1.4),
        post(x + 36, 82, back - 14, (8, 17), s.spice, bevel=2),
        disc(x, 118, back - 2, (84, 3), s.metal),
        disc(x, 120.5, back - 3, (79, 3), Material(rgb("c6d2d4"), rgb("e6ecea"), "fade", glow=0.62)),
        *(ball(x + k * 58, 156, back - 12, 17, Material(rgb("fff6e4"), glow=1.2)) for k in SIDES),
    ]


def desk(s: Style, x: float, back: float) -> Piece:
    """Return a desk with drawers, a screen, a keyboard, a lamp and small things."""
    z, screen = back - 42, x - 8
    return [
        *table(s, x, z, (165, 74, 70), s.metal),
        cabinet(x + 52, 14, z + 2, (42, 54, 54), s.feature.towards(0.3), 60),
        box(screen, 74, z + 16, (24, 1.5, 18), s.metal, 0.7),
        box(screen, 75, z + 18, (5, 20, 3), s.metal),
        box(screen, 90, z + 15, (66, 39, 3), DARK),
        box(screen, 91.5, z + 13.6, (63, 36, 0.4), Material(rgb("6f8ea6"), rgb("dfe7ea"), "fade", glow=0.9), 0.1),
        box(screen, 74, z - 14, (44, 2, 14), LINEN, 0.9),
        *table_lamp(s, x + 60, 74, z + 12),
        post(x - 64, 74, z + 8, (9, 11), s.spice, bevel=1),
        box(x - 50, 74, z - 8, (22, 4, 30), s.spice),
    ]


def office_chair(s: Style, x: float, z: float) -> Piece:
    """Return an office chair seen from behind."""
    return [
        box(x, 3, z, (56, 4, 5), s.metal, 2),
        box(x, 3, z, (5, 4, 56), s.metal, 2),
        post(x, 5, z, (6, 38), s.metal),
        box(x, 43, z, (52, 9, 50), s.fabric, 4.5),
        box(x, 58, z - 22, (48, 52, 8), s.fabric, 4),
        box(x, 46, z - 26, (8, 22, 4), s.metal),
    ]


def lounge(s: Style, x: float, z: float) -> Piece:
    """Return a garden sofa: a wooden frame with loose cushions."""
    return [
        box(x, 18, z, (200, 8, 80), s.timber),
        *legs(x, z, (200, 18, 80), s.wood, 7),
        *(box(x + k * 96, 26, z, (8, 30, 80), s.timber) for k in SIDES),
        box(x, 26, z + 36, (184, 42, 6), s.timber),
        *(box(x + k * 45.5, 26, z - 4, (90, 15, 68), s.rug, 5) for k in SIDES),
        *(box(x + k * 45.5, 40, z + 22, (88, 40, 16), s.rug, 7) for k in SIDES),
        box(x - 66, 42, z + 3, (42, 38, 14), s.spice, 7),
        box(x + 66, 42, z + 3, (42, 38, 14), s.fabric, 7),
    ]


def parasol(s: Style, x: float, z: float) -> Piece:
    return [
        post(x, 0, z, (48, 8), DARK, bevel=2),
        post(x, 8, z, (5, 235), s.wood),
        post(x, 205, z, (270, 42), s.rug.towards(0.3), (1, 0.04), 0.6),
        ball(x, 247, z, 7, s.wood),
    ]


def lantern(s: Style, x: float, z: float, height: float) -> Piece:
    flame = Material(rgb("ffe2b0"), glow=1.3 if s.evening else 0.95)
    return [
        *(box(x, y, z, (18, 3, 18), DARK) for y in (0, height - 3)),
        box(x, 3, z, (14, height - 6, 14), flame, 0.5),
        *(box(x + i * 8, 2, z + k * 8, (2, height - 4, 2), DARK, 0.5) for i in SIDES for k in SIDES),
    ]


def planter(x: float, z: float, material: Material, rng: np.random.Generator) -> Piece:
    plants = [leaf for k in range(-2, 3) for leaf in foliage((x + k * 24, 42, z), rng.uniform(48, 70), 0.5, rng, 12)]
    return [box(x, 0, z, (130, 42, 38), material), box(x, 40, z, (125, 3, 33), SOIL), *plants]


def tree(x: float, z: float, height: float, rng: np.random.Generator) -> Piece:
    crown = DEEP_LEAF.textured("leafy", 9, rgb("9cb276"))
    balls = (rng.uniform(-1, 1, (6, 3)) * (height * 0.2, height * 0.14, 20)).tolist()
    trunk = post(x, 0, z, (height * 0.06, height * 0.6), Material(rgb("6b5744")), (1, 0.6))
    parts = [trunk, *(ball(x + i, height * 0.54 + j, z + k, height * 0.36, crown) for i, j, k in balls)]
    return [replace(part, casts=False) for part in parts]


def softbox(x: float, z: float, side: int) -> Piece:
    """Return a studio light on a stand that shines inwards from the left (-1) or right (1)."""
    return [
        post(x, 0, z, (3, 150), DARK),
        box(x, 2, z, (60, 3, 3), DARK, 1.4),
        box(x, 2, z, (3, 3, 60), DARK, 1.4),
        box(x + side * 9, 140, z, (18, 105, 78), DARK, 3),
        box(x - side, 144, z, (3, 97, 70), Material(rgb("ffffff"), glow=1.6), 0.5),
    ]
