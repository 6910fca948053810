"""Restores the photo around a painted product: every pixel without a reason to change is the photo's own."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import smoothstep
from imaging.picture import Box, Mask, Pixels, Size, Weights, bounds, differing, size_of, strongest, with_changes
from imaging.resize import averaged
from imaging.restoration.registration import (
    ColorShift,
    Gray,
    Levels,
    Registration,
    aligned,
    color_shift,
    covered,
    only_resized,
    register,
    robust_deviation,
    touched,
    working_size,
)

# Lengths are in pixels of the working size, which is at most a megapixel. Levels are of 255.
_LIGHT = 3.0  # sigma: where only the light changed, detail finer than that stays the photo's
_DARK = np.float32(8)  # levels added before brightnesses are divided
_PAINT_FEATHER, _LIGHT_FEATHER = 3.0, 40.0  # widths of the transitions to the photo
_TINTED, _UNEVEN = 0.15, 0.05  # log brightness: largest difference between channels and neighbors in a hard shadow
_MOSTLY_SHADOW = 0.25  # of the repainted area: an object covers more than that
_MARGIN = 32  # surroundings of what may change that are compared with it
_ANOTHER_SCENE = 4.0  # levels of color misfit; measured 10 and more for another scene
_PLACED = 0.02  # alpha from which the placed product takes part in a pixel
_VISIBLE = 8.0  # levels by which a composited product differs from the photo
_SMALLEST = 24  # pixels: shorter sides have too little to compare
_SPECK, _NOISE = 0.03, 2000  # least sum of changed levels of a part: share of the largest part's, and absolute
_STRUCTURE, _HUE, _SHADE = 3.0, 0.08, 1.5  # levels, log brightness, levels: least change beyond noise
_STRONG, _STRONG_OUTSIDE = 25.0, 60.0  # levels: more than light changes the product's place, and the rest


@dataclass(frozen=True)
class Drift:
    """Geometric and color drift of the painted picture, measured before restoration."""

    pixels: float
    percent: float
    degrees: float
    color: float
    """Mean CIELAB 1976 distance over the picture."""
    agreement: float
    """Correlation of the structure outside the product, at most 1."""
    found: bool
    """True if it shows the photo's scene; a picture that does not is used as it is."""
    homography: tuple[float, ...]
    """Row-major homography from pixels of the photo to those of the painted picture."""

    def moved(self, across: int, down: int) -> "Drift":
        """Return the drift in the coordinates of a larger picture in which this one begins at (across, down)."""
        there = np.array([[1, 0, across], [0, 1, down], [0, 0, 1]])
        matrix = there @ np.reshape(self.homography, (3, 3)) @ np.linalg.inv(there)
        return replace(self, homography=tuple((matrix / matrix[2, 2]).ravel().tolist()))

    def worst_percent(self, side: int) -> float:
        """Return the larger of the shift in percent of the photo's `side` and the zoom."""
        return max(100 * self.pixels / side, abs(self.percent))


@dataclass(frozen=True, eq=False)
class Restored:
    """The restored photo.

    `pixels` equal the photo, bit for bit, where nothing changed. `repainted_box` bounds what was repainted and not only
    relit.
    """

    pixels: Pixels
    repainted_box: Box | None
    drift: Drift


@dataclass(frozen=True, eq=False)
class _View:
    """The photo and the registered picture at the working size.

    The photo may change within `limit`, and the product is expected where it is `asked`; the picture has no pixels
    outside `shown`.
    """

    photo: Pixels
    picture: Pixels
    limit: Mask
    asked: Mask
    shown: Mask

    @property
    def usual(self) -> Mask:
        """Pixels that should not have changed."""
        return self.shown & ~self.asked

    @property
    def is_comparable(self) -> bool:
        return min(self.limit.shape) >= _SMALLEST and bool(self.usual.any())


@dataclass(frozen=True, eq=False)
class _Changes:
    """Changes at the working size: weights of `paint`, factors of `light`, and the mask of a new `thing`."""

    paint: Weights
    light: Levels
    thing: Mask

    @property
    def any(self) -> Mask:
        return np.asarray((self.paint > 0) | (strongest(np.abs(self.light - 1)) > 0))

    def with_share(self, share: Weights) -> "_Changes":
        """Return the changes with only this share, at any size, of the new thing."""
        thing = _feathered(self.thing, 3 * _PAINT_FEATHER, np.ones_like(self.thing), 1)
        return replace(self, paint=self.paint * (1 - thing * (1 - averaged(share, size_of(thing)))))


def restore(
    photo: Pixels,
    painted: Pixels,
    allowed: Mask | None = None,
    product_box: Box | None = None,
    repaint: Weights | None = None,
    product: Weights | None = None,
) -> Restored:
    """Return the photo with the real changes of `painted`, of any size, within `allowed` and near `product_box`.

    Changes are light and repainted objects. `product`, of the photo's size, is the placed product's alpha: everything
    painted there is used, since a product may look like what is behind it. `repaint`, of the photo's size, is the share
    of repainted objects that is used; None uses all.
    """
    size = size_of(photo)
    if allowed is None:
        allowed = np.ones(photo.shape[:2], np.bool_)
    if _kept_the_photo(painted, photo, allowed):
        pixels = with_changes(photo, painted, allowed)
        return _finished(pixels, only_resized(size, size), repainted_box=_composited(photo, pixels))

    view, registration = _registered(photo, painted, allowed, product_box)
    shift = color_shift(view.photo, view.picture, view.usual)
    if not registration.found and (shift.misfit > _ANOTHER_SCENE or not view.is_comparable):
        plain = aligned(painted, registration, size)
        return _finished(with_changes(photo, plain, allowed), registration, found=False)

    changes = _changes(view, shift, None if product is None else averaged(product, size_of(view.limit)) > _PLACED)
    part = _bounds_at(changes.any, size, 3)
    if part is None:
        return _finished(photo.copy(), registration, shift.distance)
    box = _bounds_at(changes.thing, size)
    if repaint is not None:
        changes = changes.with_share(repaint)
    repainted = shift.removed_from(aligned(painted, registration, size, part), size, part)
    return _finished(_composed(photo, repainted, changes, part, allowed), registration, shift.distance, box)


def _registered(photo: Pixels, painted: Pixels, allowed: Mask, product_box: Box | None) -> tuple[_View, Registration]:
    """Return the two pictures on top of each other, and the registration at full size."""
    size = size_of(photo)
    working = working_size(size)
    own, limit = averaged(photo, working), ~touched(~allowed, working)
    asked = _asked(limit, product_box, working[0] / size[0])
    small = averaged(painted, working) if painted.shape[1] > working[0] else painted
    registration = register(small, own, asked).between(size, size_of(painted))
    view = _View(own, aligned(small, registration, working), limit, asked, covered(registration, working))
    return view, registration


def _composited(photo: Pixels, pixels: Pixels) -> Box | None:
    """Return the box of the object in a picture that was painted on the photo itself."""
    working = working_size(size_of(photo))
    before, after = (averaged(each, working).astype(np.float32) for each in (photo, pixels))
    return _bounds_at(_thing(before, after, np.abs(after - before).max(axis=2) > _VISIBLE), size_of(photo))


def _finished(
    pixels: Pixels,
    registration: Registration,
    color: float = 0.0,
    repainted_box: Box | None = None,
    *,
    found: bool = True,
) -> Restored:
    homography = tuple(registration.matrix.ravel().tolist())
    drift = Drift(*registration.drift, color, registration.agreement, found, homography)
    return Restored(pixels, repainted_box, drift)


def _kept_the_photo(painted: Pixels, photo: Pixels, allowed: Mask) -> bool:
    """Return True if most edges outside equal the photo bit for bit, as no model leaves them.

    Every eighth row is compared.
    """
    if painted.shape != photo.shape or photo.shape[1] < 2:
        return False
    rows, outside = photo[::8], ~allowed[::8, 1:]
    edges = strongest(cv2.absdiff(rows[:, 1:], rows[:, :-1])) > 8
    edges &= outside | (not outside.any())
    return bool(edges.any()) and float(differing(rows, painted[::8])[:, 1:][edges].mean()) < 0.5


def _asked(limit: Mask, product_box: Box | None, scale: float) -> Mask:
    """Return where the product is expected: around its box, or else `limit` unless that is most of the photo."""
    if product_box is None:
        return limit & bool(limit.mean() < 0.5)
    left, top, right, bottom = (round(edge * scale) for edge in product_box)
    margin = round(0.15 * max(right - left, bottom - top))
    asked = np.zeros_like(limit)
    asked[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin] = True
    return asked


def _changes(view: _View, shift: ColorShift, placed: Mask | None) -> _Changes:
    """Return the changes within the limit and where the picture is shown; light extends beyond the latter.

    Within the `placed` product everything is repainted.
    """
    shape = view.limit.shape
    changes = _Changes(np.zeros(shape, np.float32), np.ones((*shape, 3), np.float32), np.zeros(shape, np.bool_))
    part = _around(view.limit, _MARGIN)
    here = _inside(part)
    limit, shown, asked = view.limit[here], view.shown[here], view.asked[here]
    before, seen = view.photo[here].astype(np.float32), view.picture[here]
    after = _beyond_clipping(seen, shift.removed_from(seen, size_of(view.photo), part), before)
    after[~shown] = before[~shown]

    product = asked if asked.any() else np.ones_like(asked)
    paint, region = _paint_and_region(before, after, limit & shown, view.usual[here], product, shift.misfit)
    away = cv2.distanceTransform((~product).astype(np.uint8), cv2.DIST_L2, 3)
    changes.thing[here] = _thing(before, after, paint)
    if placed is not None:
        paint |= placed[here] & limit & shown
    changes.paint[here] = _feathered(paint, _PAINT_FEATHER, limit & shown, _PAINT_FEATHER + away)
    beside = shown * (1 - _feathered(paint, 2 * _PAINT_FEATHER, np.ones_like(limit), 1))
    lit = _feathered(region, _LIGHT_FEATHER, limit, _LIGHT_FEATHER)
    changes.light[here] += lit[..., None] * (_light(before, after, beside) - 1)
    return changes


def _thing(before: Levels, after: Levels, paint: Mask) -> Mask:
    """Return repainted pixels excluding hard shadows, which darken all channels and neighbors equally."""
    ratio = np.log((np.maximum(after, 0) + _DARK) / (before + _DARK))
    dimmed = np.asarray(ratio.mean(axis=2), np.float32)
    even = np.ptp(ratio, axis=2) < _TINTED
    smooth = np.abs(dimmed - cv2.GaussianBlur(dimmed, (0, 0), 3.0)) < _UNEVEN
    rest = paint & ~((dimmed < 0) & even & smooth)
    solid = cv2.morphologyEx(rest.astype(np.uint8), cv2.MORPH_OPEN, _disc(5)).astype(np.bool_)
    if np.count_nonzero(solid) < _MOSTLY_SHADOW * np.count_nonzero(paint):
        return paint  # a dark object rather than a shadow
    return _great_parts(solid, np.abs(after - before).max(axis=2), solid)


def _paint_and_region(
    before: Levels, after: Levels, limit: Mask, usual: Mask, product: Mask, misfit: float
) -> tuple[Mask, Mask]:
    """Return the repainted pixels, and these together with the relit ones.

    Paint is what light cannot explain: other structure, another hue, or much brighter or darker than light makes the
    place of the product. The `usual` pixels tell how much each measure varies anyway.
    """
    light = _light(before, after, np.ones(limit.shape, np.float32))
    relit = (before + _DARK) * light - _DARK
    unlike, unlike_relit = _beyond(before, after), _beyond(relit, after)
    tint, lighter = strongest(light) + strongest(-light), strongest(cv2.absdiff(relit, before))
    noise = float(np.percentile(unlike_relit[usual][::8], 95)) if usual.any() else 0.0

    structure = unlike_relit > _STRUCTURE + 2 * noise
    hue = tint > _HUE + 3 * robust_deviation(tint[usual])
    strong = unlike > np.where(product, _STRONG, _STRONG_OUTSIDE) + 3 * noise
    shade = lighter > _SHADE + 3 * misfit
    region = _great_parts(limit & (structure | hue | strong | shade), unlike + lighter, product)
    paint = _filled(region & limit & (structure | hue | strong)) & limit
    return paint, region | paint


def _beyond_clipping(seen: Pixels, mended: Levels, before: Levels) -> Levels:
    """Return `mended` with clipped black and white replaced by the photo's level where that is darker or brighter."""
    mended = np.where(seen < 6, np.minimum(mended, before), mended)
    return np.where(seen > 249, np.maximum(mended, before), mended)


def _light(before: Levels, after: Levels, share: Weights) -> Levels:
    """Return the factors by which the light changed; each pixel counts by its `share`."""
    half = (max(1, share.shape[1] // 2), max(1, share.shape[0] // 2))
    shares = cv2.merge([share] * 3)
    dim, bright = (_soft(averaged((levels + _DARK) * shares, half)) for levels in (before, after))
    return np.asarray(cv2.resize(bright / dim, share.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _soft(half: Levels) -> Levels:
    """Return a half-size picture without detail finer than light; empty areas are filled from their surroundings."""
    quarter = (max(1, half.shape[1] // 8), max(1, half.shape[0] // 8))
    wide = cv2.GaussianBlur(averaged(half, quarter), (0, 0), _LIGHT)
    near = cv2.GaussianBlur(half, (0, 0), _LIGHT / 2)
    return np.asarray(near + 1e-3 * cv2.resize(wide, half.shape[1::-1]) + 1e-6, np.float32)


def _beyond(before: Levels, after: Levels) -> Gray:
    """Return the levels by which pixels leave the range of their former neighbors; blur and small shifts give 0."""
    around = np.ones((3, 3), np.uint8)
    excess = cv2.max(after - cv2.dilate(before, around), cv2.erode(before, around) - after)
    return np.asarray(cv2.GaussianBlur(np.maximum(strongest(np.asarray(excess)), 0), (0, 0), 1.0), np.float32)


def _great_parts(region: Mask, change: Gray, near: Mask) -> Mask:
    """Return the parts of the region that touch `near`, without specks."""
    joined = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_CLOSE, _disc(5))
    count, labels = cv2.connectedComponents(joined)
    sums = np.bincount(labels.ravel(), weights=(change * joined).ravel(), minlength=count)
    sums[np.bincount(labels[near], minlength=count) == 0] = 0
    great = sums > max(_SPECK * sums.max(), _NOISE)
    great[0] = False
    return np.asarray(great[labels])


def _filled(paint: Mask) -> Mask:
    """Return the mask without holes: a product may have the color of what is behind it."""
    filled = cv2.morphologyEx(paint.astype(np.uint8), cv2.MORPH_CLOSE, _disc(9))
    outlines, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(filled, outlines, -1, 1, -1).astype(np.bool_)


def _feathered(core: Mask, width: float, limit: Mask, fade: Gray | float) -> Weights:
    """Return 1 in the core, falling to 0 over `width` around it and over `fade` towards the border of the limit."""
    weights = 1 - cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 3) / width
    if not limit.all():
        depth = cv2.distanceTransform(limit.astype(np.uint8), cv2.DIST_L2, 3)
        weights = np.minimum(weights, depth / np.clip(fade, 1, min(_LIGHT_FEATHER, 1 + 0.3 * depth.max())))
    return np.asarray(smoothstep(np.clip(weights, 0, 1)), np.float32)


def _bounds_at(mask: Mask, size: Size, margin: int = 0) -> Box | None:
    """Return the bounds of the mask in pixels of `size`; None if it is empty."""
    if not mask.any():
        return None
    left, top, right, bottom = _around(mask, margin)
    across, down = size[0] / mask.shape[1], size[1] / mask.shape[0]
    return int(left * across), int(top * down), min(size[0], round(right * across)), min(size[1], round(bottom * down))


def _composed(photo: Pixels, repainted: Levels, changes: _Changes, part: Box, allowed: Mask) -> Pixels:
    size, here = size_of(photo), _inside(part)
    enlarged = only_resized(size_of(changes.paint), size)
    paint = np.clip(aligned(changes.paint, enlarged, size, part), 0, 1)[..., None]
    relit = (photo[here] + _DARK) * aligned(changes.light, enlarged, size, part) - _DARK
    mixed = np.clip(np.rint(relit + paint * (repainted - relit)), 0, 255).astype(np.uint8)
    pixels = photo.copy()
    pixels[here] = np.where(allowed[here][..., None], mixed, photo[here])
    return pixels


def _around(mask: Mask, margin: int) -> Box:
    left, top, right, bottom = bounds(mask)
    width, height = size_of(mask)
    return max(0, left - margin), max(0, top - margin), min(width, right + margin), min(height, bottom + margin)


def _inside(part: Box) -> tuple[slice, slice]:
    left, top, right, bottom = part
    return slice(top, bottom), slice(left, right)


def _disc(width: int) -> NDArray[Any]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
