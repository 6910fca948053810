"""Floor plans of the eight kinds of scene. Each is laid out with its window on the left."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from imaging.geometry.camera import Camera
from imaging.scenes import furniture as f
from imaging.scenes.bodies import Body, Leaf, box, disc, post
from imaging.scenes.furniture import LINEN, SIDES, Piece
from imaging.scenes.light import Lamp, Lighting, Pane, Sun
from imaging.scenes.materials import Material, Print, Rgb, Vector, rgb
from imaging.scenes.render import Scenery
from imaging.scenes.style import Style
from schemas.jobs import AskedSurface

DEPTHS = 282.0, 330.0
"""Least and most floor behind the product, in cm: room for the furniture and a way between."""

GAP = 6.0
"""Least distance in cm of a rug from walls and from the picture's border."""

THICK = 20.0
"""Thickness of walls and floors, in cm."""

BLUE_SKY = rgb("a9cdea"), rgb("eef5f7")
DUSK = rgb("46597f"), rgb("f0b98f")


@dataclass(frozen=True, eq=False)
class LaidRug:
    """A product that lies under the room's furniture, and its width and depth in cm."""

    picture: Print
    size: tuple[float, float]


@dataclass(frozen=True, eq=False)
class RoomPlan:
    """An empty room: walls at x = `left`, x = `right` and z = `back`, of which x up to `seen` is in the picture.

    The product will stand at `spot`; nothing else stands up to 60 cm behind it. A product that is `laid` replaces the
    room's own rug, and if it `hangs` on the wall or from the ceiling, no picture and no pendant does.
    """

    left: float
    right: float
    back: float
    height: float
    seen: float
    spot: tuple[float, float]
    style: Style
    rng: np.random.Generator
    laid: LaidRug | None = None
    hangs: AskedSurface | None = None

    @property
    def edge(self) -> float:
        """Return the x at which the back wall ends in the picture."""
        return min(self.right, self.seen)

    @property
    def middle(self) -> float:
        return (self.left + self.edge) / 2

    @property
    def wide(self) -> bool:
        return self.edge - self.left > 620

    @classmethod
    def before(cls, camera: Camera, foot: tuple[float, float], style: Style, rng: np.random.Generator) -> "RoomPlan":
        """Return a random plan for a product at the pixel `foot` of a level camera."""
        width, height = camera.size
        away = camera.distance(foot[1])
        back = away + rng.uniform(*DEPTHS)
        seen = width / 2 * back / camera.focal
        left = -rng.uniform(*((0.55, 0.64) if width > height else (0.68, 0.76))) * seen
        # The ceiling stays near the top of the picture: tall pictures show tall rooms.
        ceiling = camera.height_cm + (camera.horizon - 0.1 * height) * back / camera.focal
        spot = (foot[0] - width / 2) * away / camera.focal, away
        return cls(left, max(-left, left + 500), back, min(max(ceiling, 260), 600), seen, spot, style, rng)

    def either(self) -> bool:
        return bool(self.rng.random() < 0.5)

    def rug(self, x: float, z: float, size: tuple[float, float] | None, nearer: float = 0.0) -> Piece:
        """Return the product if it is a rug, else the room's own rug of `size`, if it has one. The product is moved
        into the picture, and `nearer` from under furniture that would hide it."""
        if self.laid is None:
            return f.rug(self.style, x, z, size) if size else []
        (width, depth), z = self.laid.size, z - nearer
        reach = self.seen * (z - depth / 2) / self.back
        low, high = max(self.left, -reach) + width / 2 + GAP, min(self.right, reach) - width / 2 - GAP
        return f.laid(min(max(x, low), high) if low < high else x, z, self.laid.size, self.laid.picture)

    def picture(self, x: float, y: float, size: tuple[float, float], paint: int) -> Piece:
        """Return a picture on the back wall, unless the product hangs."""
        return [] if self.hangs else f.picture(self.style, x, y, self.back, size, paint)

    def pendant(self, x: float, y: float, z: float, width: float) -> Piece:
        """Return a pendant lamp, unless the product hangs."""
        return [] if self.hangs else f.pendant(self.style, x, y, z, self.height, width)


def living_room(plan: RoomPlan) -> Scenery:
    s, x, back = plan.style, plan.middle + 25, plan.back
    round_one = [*f.round_table(s, x + 40, back - 140)]
    long_one = [*f.table(s, x + 30, back - 138, (110, 38, 58), s.metal), *f.bowl(s, x + 40, 38, back - 138)]
    pair = [part for k in SIDES for part in plan.picture(x + k * 45, 155, (70, 90), (k + 1) // 2)]
    extra = [*f.shelf(s, x + 215, back - 20), *f.sideboard(s, plan.left + 130, back)]
    piece = [
        *walls(plan, wooden(plan), feature_wall(plan) if plan.either() else plain_wall(plan)),
        *curtains(plan),
        *plan.rug(x + 10, back - 130, (250, 150)),
        *f.sofa(s, x, back - 50),
        *f.floor_lamp(s, x - 132, back - 40),
        *f.plant(plan.edge - 40, back - 45, 150, s.rug, plan.rng),
        *(round_one if plan.either() else long_one),
        *(pair if plan.either() else plan.picture(x, 150, (130, 85), 1)),
        *(extra if plan.wide else ()),
    ]
    return staged(plan, piece, tall_pane(plan), [(x - 132, 135, back - 40)])


def bedroom(plan: RoomPlan) -> Scenery:
    s, x, back = plan.style, plan.middle + 35, plan.back
    wardrobe = f.cabinet(plan.edge - 75, 0, back - 31, (140, 215, 60), s.wall.towards(0.4), 47)
    piece = [
        *walls(plan, wooden(plan), feature_wall(plan)),
        *curtains(plan),
        *plan.rug(x - 15, back - 130, (290, 170), nearer=80),
        *f.bed(s, x, back),
        *(part for k in SIDES for part in f.nightstand(s, x + k * 120, back)),
        *plan.picture(x, 165, (100, 62), int(plan.rng.integers(3))),
        *f.plant(plan.left + 45, back - 40, 140, s.rug, plan.rng),
        *((wardrobe, *plan.picture(plan.left + 120, 150, (60, 80), 0)) if plan.wide else ()),
    ]
    return staged(plan, piece, tall_pane(plan), [(x + k * 120, 85, back - 30) for k in SIDES])


def kitchen(plan: RoomPlan) -> Scenery:
    s, x, back = plan.style, plan.edge - 95, plan.back
    floor = LINEN.textured("tiles", 45, rgb("c9c3b8")) if plan.either() else wooden(plan)
    piece = [
        *walls(plan, floor, plain_wall(plan)),
        *f.counter(s, plan.left + 2, plan.edge - 68, back, SIDES[1:] if plan.hangs == "wall" else SIDES),
        f.cabinet(plan.edge - 34, 0, back - 31, (66, 218, 60), s.feature.towards(0.15), 66),
        *plan.rug(x, back - 140, None, nearer=75),
        *f.island(s, x, back - 140),
        *(part for k in SIDES for part in f.stool(s, x + k * 34, back - 196, 66)),
        *(part for k in SIDES for part in plan.pendant(x + k * 40, 172, back - 140, 30)),
        *f.plant(plan.left + 32, back - 90, 95, s.rug, plan.rng),
    ]
    return staged(plan, piece, (95, back - 220, 225, back - 80), [(x + k * 40, 160, back - 140) for k in SIDES])


def dining_room(plan: RoomPlan) -> Scenery:
    s, back = plan.style, plan.back
    x, z = plan.spot if plan.hangs == "ceiling" else (plan.middle + 40, back - 135)
    piece = [
        *walls(plan, wooden(plan), feature_wall(plan) if plan.either() else plain_wall(plan)),
        *curtains(plan),
        *plan.rug(x, z, None),
        *f.table(s, x, z, (190, 75, 88), s.wood),
        *(part for i in SIDES for k in SIDES for part in f.chair(s, x + i * 45, z + k * 58, 0, k)),
        *(part for k in SIDES for part in f.chair(s, x + k * 118, z, k, 0)),
        post(x - 30, 75, z, (13, 26), s.spice, (0.8, 0.5), 3),
        *f.bowl(s, x + 20, 75, z),
        *(part for k in SIDES for part in plan.pendant(x + k * 48, 150, z, 46)),
        *f.sideboard(s, plan.middle + 40, back),
        *plan.picture(x, 150, (110, 75), int(plan.rng.integers(3))),
        *f.plant(plan.left + 40, back - 40, 150, s.rug, plan.rng),
    ]
    return staged(plan, piece, tall_pane(plan), [(x + k * 48, 145, z) for k in SIDES])


def bathroom(plan: RoomPlan) -> Scenery:
    s, left, right, back = plan.style, plan.left, plan.right, plan.back
    floor = s.rug.textured("tiles", 60, s.rug.dark(0.25))
    tiles = s.feature.towards(0.3).textured("tiles", 15, s.feature.towards(0.75).color)
    basin, tub = left + 85, plan.edge - 118
    piece = [
        *walls(plan, floor, s.wall),
        Body((left, 0, back - 2), (right, 125, back), tiles, 0.3, broad=True, casts=False),
        Body((left, 0, 10), (left + 2, 125, back), tiles, 0.3, broad=True, casts=False),
        Body((right - 2, 0, 10), (right, 125, back), tiles, 0.3, broad=True, casts=False),
        Body((left, 125, back - 4), (right, 128, back), s.wood, 0.5, casts=False),
        *f.tub(s, tub, back - 55),
        *f.vanity(s, basin, back),
        *plan.rug(tub - 10, back - 135, (100, 58)),
        *f.stool(s, tub - 135, back - 45, 42),
        *(box(tub - 135, 48 + 8 * k, back - 45, (30, 8, 24), (LINEN, s.spice)[k], 3.5) for k in (0, 1)),
        *f.plant(plan.edge - 25, back - 125, 110, s.rug, plan.rng),
    ]
    return staged(plan, piece, (138, back - 200, 228, back - 70), [(basin + k * 58, 165, back - 30) for k in SIDES])


def office(plan: RoomPlan) -> Scenery:
    s, x, back = plan.style, plan.middle + 30, plan.back
    concrete = Material(rgb("b9b5ae"), rgb("a29e97"), "cloudy", 160)
    piece = [
        *walls(plan, concrete if plan.either() else wooden(plan), plain_wall(plan)),
        *plan.rug(x, back - 110, (230, 150)),
        *f.desk(s, x, back),
        *f.office_chair(s, x + 12, back - 118),
        *f.shelf(s, plan.edge - 62, back - 18),
        *(part for k in range(3) for part in plan.picture(x - 52 + k * 46, 160, (38, 50), k)),
        *f.plant(plan.left + 45, back - 42, 160, s.rug, plan.rng),
        *(f.sideboard(s, plan.left + 170, back) if plan.wide else ()),
    ]
    return staged(plan, piece, (80, back - 220, 230, back - 60), [(x + 60, 105, back - 40)])


def outdoor(plan: RoomPlan) -> Scenery:
    s, x, back = plan.style, plan.middle + 50, plan.back
    boards = s.floor.textured("planks", 14, s.floor.dark(0.9))
    piece = [
        *(seaside(plan) if s.name == "coastal" else garden(plan)),
        Body((plan.left * 6, -THICK, 10), (plan.seen * 6, 0, back + 20), boards, 0, broad=True),
        *f.lounge(s, x, back - 60),
        *plan.rug(x + 10, back - 150, None),
        *f.table(s, x + 10, back - 150, (100, 36, 60), s.wood),
        post(x, 36, back - 150, (12, 20), s.spice, (0.8, 0.5), 3),
        *f.parasol(s, x + 115, back - 20),
        *f.planter(plan.left + 40, back - 10, s.feature.towards(0.1), plan.rng),
        *f.plant(plan.left - 45, back - 90, 150, s.spice, plan.rng),
        *(part for k in (0, 1) for part in f.lantern(s, x - 145 - k * 26, back - 60 - k * 22, 34 - 12 * k)),
    ]
    if s.evening:
        glow = Lamp((plan.spot[0] + 40, 260, plan.spot[1] - 60), rgb("ffd6a0"), 40_000)
        return gathered(piece, Lighting(rgb("aca19d"), rgb("7d6c66"), (glow,)), DUSK)
    sun = Sun((0.55, -0.75, 0.25), (0.7, 0.63, 0.5))
    return gathered(piece, Lighting((0.72, 0.75, 0.8), (0.42, 0.42, 0.38), (), sun), BLUE_SKY)


def garden(plan: RoomPlan) -> Piece:
    """Return what is behind the terrace: a lawn up to a hedge, and trees."""
    rng, near, far, left, right = plan.rng, plan.back + 20, plan.back + 500, plan.left * 6, plan.seen * 6
    grass = Material(rgb("7d9a55"), rgb("a4b873"), "leafy", 16)
    hedge = Material(rgb("4f7042"), rgb("7d9a5e"), "leafy", 10)
    places = [
        (k * 330 + rng.uniform(-90, 90), far + rng.uniform(150, 270), rng.uniform(330, 470)) for k in range(-3, 4)
    ]
    return [
        Body((left, -16, near), (right, -12, far), grass, 0, broad=True, casts=False),
        Body((left, -14, far), (right, 176, far + 80), hedge, 4, broad=True, casts=False),
        *(part for x, z, height in places for part in f.tree(x, z, height, rng)),
    ]


def seaside(plan: RoomPlan) -> Piece:
    """Return what is behind the terrace: sand, and the sea up to the horizon."""
    near, shore, left, right = plan.back + 20, plan.back + 450, plan.left * 250, plan.seen * 250
    sand = Material(rgb("dccba8"), rgb("cdb78f"), "cloudy", 120)
    sea = Material(rgb("7fb2c0"), rgb("4f8fa8"), "waves", 60)
    return [
        Body((left, -40, near), (right, -30, shore), sand, 0, broad=True, casts=False),
        Body((left, -42, shore), (right, -31, 60_000), sea, 0, broad=True, casts=False),
    ]


def studio(plan: RoomPlan) -> Scenery:
    """Return a rounded paper backdrop between two lights, and a still life of simple shapes."""
    s, x, back = plan.style, plan.middle + 95, plan.back + 60
    paper = s.feature.towards(0.55)
    left, right, cove = plan.left * 5, plan.seen * 5, (0.0, back, 190.0)
    piece = [
        Body((left, -THICK, 10), (right, 0, back), paper, 0, broad=True, casts=False, cove=cove),
        Body((left, 0, back), (right, 900, back + THICK), paper, 0, broad=True, casts=False, cove=cove),
        *f.softbox(plan.left - 20, back - 170, -1),
        *f.softbox(plan.edge + 25, back - 120, 1),
        *plan.rug(x, back - 170, None),
        disc(x + 20, 0, back - 100, (170, 6), s.feature.towards(0.25, s.spice.color)),
        post(x - 55, 0, back - 120, (64, 42), s.feature.towards(0.5), bevel=1),
        post(x + 78, 0, back - 150, (52, 24), s.spice.towards(0.3), bevel=1),
    ]
    key = Lamp((plan.left - 20, 240, back - 260), (2.3, 2.25, 2.2), 40_000, (0.8, -0.6, 0))
    fill = Lamp((plan.edge + 20, 220, back - 260), (1.2, 1.2, 1.25), 30_000)
    return gathered(piece, Lighting((0.62, 0.62, 0.62), (0.5, 0.5, 0.5), (key, fill)), (paper.color, paper.color))


def walls(plan: RoomPlan, floor: Material, back: Material) -> Piece:
    """Return walls, floor and ceiling that extend behind their neighbors, so that nothing shows through the joints."""
    depth, height, side = plan.back, plan.height, plain_wall(plan)
    left, right, end = plan.left - THICK, plan.right + THICK, depth + THICK
    return [
        Body((left, -THICK, depth), (right, height + THICK, end), back, 0, broad=True),
        Body((left, -THICK, 10), (right, 0, end), floor, 0, broad=True),
        Body((left, height, 10), (right, height + THICK, end), plan.style.wall.towards(0.5), 0, broad=True),
        Body((left, 0, 10), (plan.left, height, end), side, 0, broad=True),
        Body((plan.right, 0, 10), (right, height, end), side, 0, broad=True),
    ]


def plain_wall(plan: RoomPlan) -> Material:
    wall = plan.style.wall
    return wall.textured("skirted", 8, wall.towards(0.6).color)


def feature_wall(plan: RoomPlan) -> Material:
    """Return bricks in a loft, wooden slats in a Japanese room, else paint."""
    s = plan.style
    if s.name == "industrial":
        return s.feature.textured("bricks", 7.5, rgb("c9bfb4"))
    if s.name == "japandi":
        return s.wood.towards(0.45, s.feature.color).textured("slats", 6, rgb("3a2a1e"))
    return s.feature.textured("skirted", 8, s.wall.towards(0.6).color)


def wooden(plan: RoomPlan) -> Material:
    wood = plan.style.floor
    return wood.textured("herringbone" if plan.rng.random() < 0.35 else "planks", 13, wood.dark(0.75))


def tall_pane(plan: RoomPlan) -> Pane:
    return 12, plan.back - 210, min(plan.height * 0.88, 330), plan.back - 60


def curtains(plan: RoomPlan) -> Piece:
    _, start, top, stop = tall_pane(plan)
    folds = plan.style.rug.textured("folds", 9)
    return [box(plan.left + 9, 3, z, (7, top + 14, 34), folds, 2) for z in (start - 22, stop + 24)]


def window(plan: RoomPlan, pane: Pane) -> Piece:
    """Return a window in the left wall, with a frame and one bar."""
    low, near, high, far = pane
    x, middle, frame = plan.left, (near + far) / 2, plan.style.wall.towards(0.7)
    outside = (rgb("33425f"), rgb("6f7590"), 0.9) if plan.style.evening else (rgb("f2f8fc"), rgb("cfe0d4"), 1.9)
    glass = Material(outside[0], outside[1], "fade", glow=outside[2])
    uprights = [(low, z, high, z + 5) for z in (near - 5, middle - 2.5, far)]
    rails = [(y, near - 5, y + 5, far + 5) for y in (low - 5, high)]
    return [
        Body((x, low, near), (x + 0.5, high, far), glass, 0, casts=False),
        *(Body((x, a, b), (x + 4, c, d), frame, 0.5, casts=False) for a, b, c, d in uprights + rails),
    ]


def staged(plan: RoomPlan, piece: Piece, pane: Pane, lamps: list[Vector]) -> Scenery:
    """Return a room lit by a window in the left wall by day and by `lamps` in the evening."""
    low, near, high, far = pane
    middle, area, wall = (near + far) / 2, (high - low) * (far - near), plan.style.wall.color
    place = plan.left, (low + high) / 2, middle
    overhead = plan.spot[0] + 40, plan.height - 10, plan.spot[1] - 60
    if plan.style.evening:
        ceiling, dusk = Lamp(overhead, (1.25, 1.0, 0.74), 34_000), Lamp(place, (0.2, 0.28, 0.5), area, (1, 0, 0))
        glows = (Lamp(lamp, (1.7, 1.2, 0.7), 6_000) for lamp in lamps)
        light = Lighting((0.27, 0.23, 0.2), (0.22, 0.185, 0.155), (ceiling, dusk, *glows))
    else:
        sky, fill = Lamp(place, (2.3, 2.4, 2.5), area * 1.5, (1, 0, 0)), Lamp(overhead, (0.55, 0.53, 0.5), 60_000)
        panes = (low, near, high, middle - 2.5), (low, middle + 2.5, high, far)
        sun = Sun((0.72, -0.62, -0.32), (1.0, 0.86, 0.65), plan.left, panes)
        light = Lighting((0.62, 0.62, 0.62), (0.5, 0.47, 0.43), (sky, fill), sun)
    return gathered([*piece, *window(plan, pane)], light, (wall, wall))


def gathered(piece: Piece, lighting: Lighting, sky: tuple[Rgb, Rgb]) -> Scenery:
    bodies = tuple(part for part in piece if isinstance(part, Body))
    leaves = tuple(part for part in piece if isinstance(part, Leaf))
    return Scenery(bodies, leaves, lighting, sky)


ROOMS: dict[str, Callable[[RoomPlan], Scenery]] = {
    "living_room": living_room,
    "bedroom": bedroom,
    "kitchen": kitchen,
    "dining_room": dining_room,
    "bathroom": bathroom,
    "office": office,
    "outdoor": outdoor,
    "studio": studio,
}

HOOKS: dict[str, Callable[[RoomPlan], tuple[float, float]]] = {
    "living_room": lambda plan: (plan.middle + 25, 155),
    "bedroom": lambda plan: (plan.middle + 35, 165),
    "dining_room": lambda plan: (plan.middle + 40, 160),
    "kitchen": lambda plan: (plan.left + 2 + 0.15 * (plan.edge - plan.left - 70), 180),
    "bathroom": lambda plan: (plan.edge - 118, 170),
    "office": lambda plan: (plan.middle + 25, 165),
    "studio": lambda plan: (plan.middle, 150),
}
"""The x and y on the back wall of the middle of a product that hangs there: over the sofa, the bed, the sideboard, the
worktop, the tub and the desk. A terrace has no wall."""

TABLE = 140.0, 75.0, 80.0
"""Width, height and depth in cm of the table that stands at the spot for products that need one."""

UNDER_PENDANTS = frozenset({"living_room", "kitchen", "studio"})
"""Rooms where that table stands under a pendant, too. A dining room has its own there, others have none."""

OVER_TABLE = 70.0
"""From a table top to a pendant, in cm."""


def table_at_spot(plan: RoomPlan) -> list[Body]:
    return [part for part in f.table(plan.style, *plan.spot, TABLE, plan.style.wood) if isinstance(part, Body)]


def cord(plan: RoomPlan, low: float) -> list[Body]:
    """Return the cord of a pendant over the spot, from its top at `low` to the ceiling."""
    x, z = plan.spot
    return [post(x, low, z, (1.0, plan.height - low), plan.style.metal)] if low < plan.height else []
