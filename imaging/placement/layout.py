"""Decides where the product goes and how large it is: first by the caller's request, then true to scale by the camera's
geometry."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imaging.cutout import CutOut
from imaging.geometry.camera import Camera
from imaging.geometry.planes import Corners
from imaging.geometry.product_volume import solid_of
from imaging.geometry.raised import is_raised
from imaging.picture import Box, Mask, Pixels, Point, Size, bounds
from imaging.placement.find_place import find_place
from imaging.placement.in_plane import (
    RUG_WIDTH_CM,
    bounds_of,
    corners_in_box,
    flat_size,
    hang,
    is_oblique,
    lay_rug,
    point_between,
)
from imaging.placement.mask_fit import FITS, Held, largest_part, moved_inside, share_inside
from imaging.placement.perspective import CAMERA_HEIGHT, WALL_DISTANCE, WALL_ERROR, Perspective, perspective_at
from imaging.placement.suggestion import Suggestion
from imaging.placement.text_placement import Surface, Words, read
from schemas.answers import Scale
from schemas.jobs import AskedSurface

_COVERED = 0.5  # the alpha from which a pixel counts as product
_SMALLEST_SHARE, _LARGEST_SHARE = 0.1, 0.7  # of the photo's height, where the size is ours to choose
_SMALLEST_LIKELY = 0.03  # where at least its likely height is known
_LARGEST_ROWS = 1 << 20
_USUAL_HEIGHT_ERROR = 0.25  # products of one shape differ so much in height
NOTHING_SUGGESTED = Suggestion()

_PLACED: dict[Surface, str] = {
    "floor": "the product stands on a free part of the floor",
    "wall": "the product hangs on a free part of the wall",
    "tabletop": "the product stands where tables usually are",
    "rug": "the rug lies on a free part of the floor",
    "ceiling": "the product hangs from the photo's upper border",
}
_SEARCHED: dict[Surface, Surface] = {"rug": "floor", "ceiling": "wall"}
"""Surface that is searched for a position on another surface."""

_NOT_LOOKED_FOR = "This engine does not look for furniture or windows: {}"
_NOT_SEEN = "The position was not found in the photo: {}"
NOT_FOUND = tuple(said.format(where) for said in (_NOT_LOOKED_FOR, _NOT_SEEN) for where in _PLACED.values())
"""Warnings about a position that was not found in the photo."""
_ON_WALL = "{} above the horizon, where there is no floor: the product hangs on the wall there"
_UNSURE = "The product's size may be off by {:.0f} %: the photo does not show {}"
_UNSURE_PERCENT = (
    35.0  # of one standard deviation: then it is nearly as likely as not that 30 % are off, which looks wrong
)
_ON_TABLE = "placement_coordinates seem to be on a table, so the product stands on it (set placement_surface to choose)"
OBLIQUE_RUG = (
    "The rug seems to be photographed at an angle: it will look distorted, because it is laid into the floor like a "
    "photo from straight above"
)
_CUT_BY_MASK = "The product does not fit inside the mask and is cut off at its edge"

_USUAL_HEIGHTS: dict[Surface, tuple[tuple[float, float], ...]] = {
    # (width over height, cm): floor lamps and plants, chairs, armchairs, sofas, benches
    "floor": ((0.2, 170), (0.45, 110), (0.8, 88), (1.2, 78), (2.2, 82), (4.0, 50)),
    "wall": ((0.3, 110), (0.75, 70), (1.3, 55), (2.5, 45), (4.0, 30)),
    "tabletop": ((0.2, 45), (0.6, 32), (1.0, 25), (2.0, 16), (4.0, 8)),
    "ceiling": ((0.2, 120), (0.6, 70), (1.0, 45), (2.0, 35), (4.0, 25)),
    "rug": ((0.3, 250), (0.7, 230), (1.0, 200), (1.5, 160), (3.0, 80)),
}


@dataclass(frozen=True, eq=False)
class Wish:
    """The placement that the caller asked for.

    Fields are None or empty if nothing was requested. `mask` is True where the photo may change, and `scale` is the
    product's height as a share of the photo's.
    """

    instructions: str = ""
    coordinates: Point | None = None
    box: Box | None = None
    surface: AskedSurface = "auto"
    mask: Mask | None = None
    scale: float | None = None
    product_height_cm: float | None = None
    product_width_cm: float | None = None
    rotation_degrees: float = 0.0

    @property
    def has_size(self) -> bool:
        return self.product_height_cm is not None or self.product_width_cm is not None


@dataclass(frozen=True)
class Placement:
    """The placement of a product in the photo.

    `frame` holds the whole product and may reach beyond the photo; `box` is its visible part. `base_point` is its
    bottom center, or on a wall its center. `camera` stands above the surface that carries the product, which is
    `height_cm` tall and `distance_cm` away. `found` is False if the position is only a likely one, neither given by the
    caller nor found in the photo.
    """

    frame: Box
    box: Box
    base_point: Point
    surface: Surface
    camera: Camera
    height_cm: float
    distance_cm: float
    scale: Scale
    warnings: tuple[str, ...] = ()
    found: bool = True
    corners: Corners | None = None
    """Corners of a flat product in the plane of the floor or of a wall; `frame` then ends at the photo's borders."""


@dataclass(frozen=True)
class _Spot:
    """The point to stand on or hang at.

    If the caller drew a frame, `within` is the box to stay inside and `drawn` the part of a mask drawn by hand.
    `chosen` is True for a position that the caller left open.
    """

    point: Point
    surface: Surface
    within: Box | None = None
    drawn: Held | None = None
    chosen: bool = False
    found: bool = True
    warning: str = ""


def lay_out(
    room: Pixels, product: CutOut, camera: Camera, wish: Wish, suggestion: Suggestion = NOTHING_SUGGESTED
) -> Placement:
    """Return the placement for `wish`; what it leaves open comes from the suggestion, or else is a free piece of floor
    and a usual size."""
    spot = _spot(room, camera, wish, suggestion.box)
    if spot.surface in ("rug", "wall") and (corners := _corners(room, product, camera, spot, wish, suggestion)):
        return _flat(corners, spot, camera.at_column(spot.point[0]), wish, product)
    wish = replace(wish, product_height_cm=_height_cm(product, wish))
    perspective, frame = _stood(room, product, camera, spot, wish, suggestion.height_cm)
    if inside := _inside_drawn(frame, product, spot, wish):
        spot = replace(spot, point=_bottom(inside), within=inside)
        perspective, frame = _stood(room, product, camera, spot, wish, suggestion.height_cm)
    if spot.chosen:
        frame = _inside(frame, camera.size)
    height_cm = perspective.height_cm(frame[3] - frame[1])
    scale = _scale(perspective, wish, spot)
    return Placement(
        frame,
        _seen(product, frame, camera.size),
        base_point_of(frame, spot.surface),
        spot.surface,
        perspective.camera,
        height_cm,
        perspective.distance_cm(height_cm),
        scale,
        _warnings(wish, spot, camera, frame, product, perspective.unknown, scale),
        spot.found,
    )


def _scale(perspective: Perspective, wish: Wish, spot: _Spot) -> Scale:
    if wish.box or (spot.within and not wish.product_height_cm) or (wish.scale and not wish.product_height_cm):
        return Scale(source="asked", error_percent=0.0)
    if wish.product_height_cm:
        return Scale(
            source="object" if perspective.by_object else "camera", error_percent=round(100 * perspective.error, 1)
        )
    return _usual_height(perspective.error)


def _height_cm(product: CutOut, wish: Wish) -> float | None:
    """Return the caller's height, or the one that follows from the width and the photo's shape."""
    if wish.product_height_cm or not wish.product_width_cm:
        return wish.product_height_cm
    return wish.product_width_cm * product.alpha.shape[0] / product.alpha.shape[1]


def _corners(
    room: Pixels, product: CutOut, camera: Camera, spot: _Spot, wish: Wish, suggestion: Suggestion
) -> Corners | None:
    """Return the corners of a rug on the floor or of a picture on a wall; None if that plane is not visible."""
    height_cm = wish.product_height_cm or (None if wish.has_size else suggestion.height_cm)
    usual_cm = RUG_WIDTH_CM if spot.surface == "rug" else _usual_cm(product, spot.surface) * _shape(product)
    size_cm = flat_size(product, wish.product_width_cm, height_cm, usual_cm)
    if spot.surface == "wall":
        corners = hang(room, camera, spot.point, size_cm)
    else:
        is_center = spot.chosen and not suggestion.box
        corners = lay_rug(room, camera, spot.point, size_cm, wish.rotation_degrees, is_center)
    if corners and spot.within:
        return corners_in_box(corners, spot.within, at_bottom=spot.surface == "rug")
    if corners and not wish.has_size:
        return _scaled(corners, spot, camera.size, wish.scale)
    return corners


def _scaled(corners: Corners, spot: _Spot, size: Size, scale: float | None) -> Corners:
    """Return corners around the spot, as high as requested or else limited to what looks natural in the photo."""
    left, top, right, bottom = bounds_of(corners)
    if scale:
        factor = scale * size[1] / (bottom - top)
    else:
        factor = min(1.0, _LARGEST_SHARE * min(size[1] / (bottom - top), size[0] / (right - left)))
    x, y = spot.point
    a, b, c, d = ((x + (column - x) * factor, y + (row - y) * factor) for column, row in corners)
    return a, b, c, d


def _flat(corners: Corners, spot: _Spot, camera: Camera, wish: Wish, product: CutOut) -> Placement:
    width, height = camera.size
    height_cm = _height_cm(product, wish) or _usual_cm(product, spot.surface)
    left, top, right, bottom = whole = bounds_of(corners)
    frame = max(0, left), max(0, top), min(width, right), min(height, bottom)
    scale = _flat_scale(camera, wish, spot)
    is_rug = spot.surface == "rug"
    x, y = point_between(corners, (0.5, 1.0 if is_rug else 0.5))
    point = min(max(int(x), 0), width - 1), min(max(int(y), 0), height - 1)
    return Placement(
        frame,
        frame,
        point,
        spot.surface,
        camera,
        height_cm,
        camera.distance(point[1]) if is_rug else _distance_cm(corners, camera, height_cm),
        scale,
        _warnings(wish, spot, camera, whole, product, CAMERA_HEIGHT if is_rug else WALL_DISTANCE, scale),
        spot.found,
        corners,
    )


def _usual_height(error: float) -> Scale:
    """Return the scale of a product of unknown size in a perspective with this relative error."""
    return Scale(source="usual_height", error_percent=round(100 * float(np.hypot(error, _USUAL_HEIGHT_ERROR)), 1))


def _flat_scale(camera: Camera, wish: Wish, spot: _Spot) -> Scale:
    """Return the size estimate of a rug or of a product on a wall: as accurate as the camera's height and horizon."""
    if wish.box or spot.within or (wish.scale and not wish.has_size):
        return Scale(source="asked", error_percent=0.0)
    below = max(spot.point[1] - camera.horizon, 1.0)
    error = float(np.hypot(camera.height_error, camera.horizon_error / below)) if spot.surface == "rug" else WALL_ERROR
    if wish.has_size:
        return Scale(source="camera", error_percent=round(100 * error, 1))
    return _usual_height(error)


def _distance_cm(corners: Corners, camera: Camera, height_cm: float) -> float:
    """Return the distance of a wall on which `height_cm` fill the upright sides of a rectangle."""
    points = np.array(corners)
    rows = np.linalg.norm(points[[0, 1]] - points[[3, 2]], axis=1).mean()
    return float(height_cm * camera.focal / max(rows, 1.0))


def surface_of(wish: Wish) -> Surface | None:
    """Return the surface that the caller names in a field or in words, or None."""
    return read(wish.instructions).surface if wish.surface == "auto" else wish.surface


def _spot(room: Pixels, camera: Camera, wish: Wish, suggested: Box | None) -> _Spot:
    surface = surface_of(wish)
    if wish.box:
        at = _at(_bottom(wish.box), surface, camera, "placement_box lies")
        return replace(at, point=base_point_of(wish.box, at.surface), within=wish.box)
    if wish.coordinates:
        spot = _at(wish.coordinates, surface, camera, "placement_coordinates lie")
        if surface is None and spot.surface == "floor" and is_raised(room, wish.coordinates):
            return _Spot(wish.coordinates, "tabletop", warning=_ON_TABLE)
        return spot
    if wish.mask is not None and wish.mask.any():
        drawn = largest_part(wish.mask)
        return replace(_at(_bottom(drawn.box), surface, camera, "mask lies"), within=drawn.box, drawn=drawn)
    if suggested:
        return _Spot(base_point_of(suggested, surface or "floor"), surface or "floor", chosen=True)
    return _found(room, camera, replace(read(wish.instructions), surface=surface), surface)


def _found(room: Pixels, camera: Camera, words: Words, surface: Surface | None) -> _Spot:
    searched = _SEARCHED.get(surface, surface) if surface else None
    place = find_place(room, camera, replace(words, surface=searched))
    surface = surface or place.surface
    said = _NOT_LOOKED_FOR if words.depends_on_thing else "" if place.seen and surface != "ceiling" else _NOT_SEEN
    point = (place.point[0], 0) if surface == "ceiling" else place.point
    return _Spot(point, surface, chosen=True, found=not said, warning=said.format(_PLACED[surface]))


def _at(point: Point, surface: Surface | None, camera: Camera, said: str) -> _Spot:
    """Return the spot at a point: on the floor if no `surface` is requested, or on the wall where there can be no
    floor."""
    if surface is None and point[1] < camera.at_column(point[0]).horizon - camera.horizon_error:
        return _Spot(point, "wall", warning=_ON_WALL.format(said))
    return _Spot(point, surface or "floor")


def _bottom(box: Box) -> Point:
    return (box[0] + box[2]) // 2, box[3] - 1


def _stood(
    room: Pixels, product: CutOut, camera: Camera, spot: _Spot, wish: Wish, likely_cm: float | None
) -> tuple[Perspective, Box]:
    """Return the perspective of the spot, and the product's frame there."""
    solid, over_floor = solid_of(product.alpha), camera.at_column(spot.point[0])
    perspective = perspective_at(room, solid, over_floor, spot.surface, spot.point)
    return perspective, _frame(product, spot, _rows(perspective, product, camera.size, spot, wish, likely_cm))


def _rows(
    perspective: Perspective, product: CutOut, size: Size, spot: _Spot, wish: Wish, likely_cm: float | None
) -> int:
    """Return the product's height in pixel rows; a box decides alone, and so does a mask if no height is given."""
    largest = _largest(product, spot.within) if spot.within else _LARGEST_ROWS
    if spot.within and (wish.box or not (wish.product_height_cm or wish.scale)):
        return largest
    if wish.product_height_cm:
        rows = perspective.rows(wish.product_height_cm)
    elif wish.scale:
        rows = wish.scale * size[1]
    else:
        rows = _usual_rows(perspective, product, size, spot.surface, likely_cm)
    return max(1, min(round(rows), largest))


def _largest(product: CutOut, box: Box) -> int:
    height, width = product.alpha.shape
    return max(1, min(box[3] - box[1], int((box[2] - box[0]) * height / width)))


def _usual_rows(
    perspective: Perspective, product: CutOut, size: Size, surface: Surface, likely_cm: float | None
) -> float:
    """Return its likely height in pixel rows, or the usual one of products of this shape, limited to what looks natural
    in the photo."""
    height, width = product.alpha.shape
    usual_cm = likely_cm or _usual_cm(product, surface)
    smallest = (_SMALLEST_LIKELY if likely_cm else _SMALLEST_SHARE) * size[1]
    largest = _LARGEST_SHARE * min(size[1], size[0] * height / width)
    return float(np.clip(perspective.rows(usual_cm), min(smallest, largest), largest))


def usual_size_cm(product: CutOut, surface: Surface) -> tuple[float, float]:
    """Return the usual width and height of products of this shape."""
    if surface == "rug":
        return flat_size(product, None, None, RUG_WIDTH_CM)
    height_cm = _usual_cm(product, surface)
    return height_cm * _shape(product), height_cm


def _usual_cm(product: CutOut, surface: Surface) -> float:
    """Return the usual height of products of this shape."""
    shapes, heights = zip(*_USUAL_HEIGHTS[surface], strict=True)
    return float(np.interp(np.log(_shape(product)), np.log(shapes), heights))


def _shape(product: CutOut) -> float:
    return product.alpha.shape[1] / product.alpha.shape[0]


def _frame(product: CutOut, spot: _Spot, rows: int) -> Box:
    height, width = product.alpha.shape
    columns = max(1, round(rows * width / height))
    x, y = spot.point
    bottom = y + 1
    if spot.surface == "wall":
        middle = (spot.within[1] + spot.within[3]) // 2 if spot.within else y
        bottom = middle - rows // 2 + rows
    elif spot.surface == "ceiling":
        bottom = (spot.within[1] if spot.within else y) + rows
    left = x - columns // 2
    return left, bottom - rows, left + columns, bottom


def _inside(frame: Box, size: Size) -> Box:
    """Return `frame` moved sideways into the photo, or to its middle if it is wider."""
    width = frame[2] - frame[0]
    left = max(0, min(frame[0], size[0] - width)) if width <= size[0] else (size[0] - width) // 2
    return left, frame[1], left + width, frame[3]


def _inside_drawn(frame: Box, product: CutOut, spot: _Spot, wish: Wish) -> Box | None:
    """Return a frame in the mask that holds the product if `frame` does not, or None if there is none."""
    if spot.drawn is None or wish.mask is None or share_inside(product.alpha, frame, wish.mask) >= FITS:
        return None
    return moved_inside(product.alpha, frame, spot.drawn)


def _seen(product: CutOut, frame: Box, size: Size) -> Box:
    """Return the box of the photo that the product covers, which can be smaller than the part of the frame inside the
    photo."""
    left, top, right, bottom = frame
    if left >= 0 and top >= 0 and right <= size[0] and bottom <= size[1]:
        return frame
    columns = _covered(product.alpha.shape[1], left, right, size[0])
    rows = _covered(product.alpha.shape[0], top, bottom, size[1])
    covered = product.alpha[np.ix_(rows, columns)] > _COVERED
    if not covered.any():
        return max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
    box = bounds(covered)
    return max(left, 0) + box[0], max(top, 0) + box[1], max(left, 0) + box[2], max(top, 0) + box[3]


def _covered(count: int, start: int, stop: int, limit: int) -> NDArray[np.intp]:
    """Return which of `count` source pixels lies under each picture pixel of start..stop that is inside 0..limit."""
    inside = np.arange(max(start, 0), min(stop, limit))
    return ((inside - start + 0.5) * count / (stop - start)).astype(np.intp)


def base_point_of(frame: Box, surface: AskedSurface) -> Point:
    """Return the center on a wall, the top center at a ceiling, otherwise the bottom center."""
    left, top, right, bottom = frame
    rows = {"wall": (top + bottom) // 2, "ceiling": top}
    return (left + right) // 2, rows.get(surface, bottom - 1)


def _warnings(
    wish: Wish, spot: _Spot, camera: Camera, frame: Box, product: CutOut, unknown: str, scale: Scale
) -> tuple[str, ...]:
    """Return warnings about parts of the request that were ignored or contradict the photo."""
    said = []
    if wish.box and (wish.product_height_cm or wish.scale):
        said.append("product_height_cm and product_scale have no effect: placement_box decides the size")
    elif wish.product_height_cm and wish.scale:
        said.append("product_scale has no effect: product_height_cm decides the size")
    if wish.box and wish.coordinates:
        said.append("placement_coordinates have no effect: placement_box decides the position")
    if spot.warning:
        said.append(spot.warning)
    if spot.surface not in ("wall", "ceiling") and spot.point[1] + 1 <= camera.horizon:
        said.append("The product's base is above the horizon, where there is no floor: its size is only a guess")
    elif scale.source in ("camera", "object") and scale.error_percent >= _UNSURE_PERCENT:
        said.append(_UNSURE.format(scale.error_percent, unknown))
    if spot.surface == "rug" and is_oblique(product):
        said.append(OBLIQUE_RUG)
    if frame[0] < 0 or frame[1] < 0 or frame[2] > camera.size[0] or frame[3] > camera.size[1]:
        said.append("The product reaches beyond the photo and is cut off at its border")
    if wish.mask is not None and share_inside(product.alpha, frame, wish.mask) < FITS:
        said.append(_CUT_BY_MASK)
    return tuple(said)
