"""The scene of an edit: the products composed into the photo, and the area that may change."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from handlers.requests import EditRequest, ProductRequest
from handlers.steps.placement import Placed
from imaging.compose import Composite, compose
from imaging.cutout import CutOut
from imaging.picture import Box, Mask, Picture, Pixels, bounds, differing
from imaging.placement.layout import Placement
from models.engine import EditTask, PlacedProduct, Sampling

CHANGE_BESIDE, CHANGE_ABOVE = 0.55, 0.32
"""Distances within which an engine may change the photo, as shares of a product's width and height. They cover the
contact shadows and reflections in examples/photos."""

REPLACED_BESIDE, REPLACED_ABOVE = 0.2, 0.1
"""The same distances for the box of a replaced object, whose shadow disappears with it."""

COVERED_SHARE = 0.97
"""Share of a replaced box that the product must cover so that nothing behind the box has to be painted."""

_SOLID = 0.5  # alpha from which a pixel counts as product


@dataclass(frozen=True, eq=False)
class SceneProduct:
    """One product in its place. `guide` holds the composited picture of all products and this product's visible
    alpha."""

    request: ProductRequest
    cut_out: CutOut
    placement: Placement
    guide: Composite


@dataclass(frozen=True, eq=False)
class Scene:
    """The input of an engine and the reference for judging its picture.

    `photo` is the room before `products` were added, `guide` the composited picture with all of them, and `allowed` is
    True where the photo may change. `by_words` means that only the instructions say where the product goes and the
    engine chooses the position.
    """

    request: EditRequest
    photo: Pixels
    products: tuple[SceneProduct, ...]
    guide: Composite
    allowed: Mask
    by_words: bool

    @property
    def box(self) -> Box:
        """Bounds of all products and of the objects they replace."""
        boxes = np.array([each.placement.box for each in self.products] + [box for box in [self.replaced] if box])
        left, top = boxes[:, :2].min(axis=0)
        right, bottom = boxes[:, 2:].max(axis=0)
        return int(left), int(top), int(right), int(bottom)

    @property
    def replaced(self) -> Box | None:
        return self.request.replaced

    @property
    def covers_replaced(self) -> bool:
        """True if nothing is replaced, or the product hides all of it."""
        if self.replaced is None:
            return True
        left, top, right, bottom = self.replaced
        solid = np.zeros(self.photo.shape[:2], np.bool_)
        part = self.guide.part
        solid[part[1] : part[3], part[0] : part[2]] = self.guide.alpha > _SOLID
        return float(solid[top:bottom, left:right].mean()) >= COVERED_SHARE

    @property
    def region(self) -> Box | None:
        """Bounds of `allowed`; None if most of the photo may change."""
        if self.by_words or not self.request.job.preserve_background:
            return None
        return bounds(self.allowed)

    def task(self, sampling: Sampling) -> EditTask:
        job, room = self.request.job, self.request.room
        return EditTask(
            room=room if self.photo is room.pixels else Picture(self.photo, icc=room.icc),
            products=tuple(
                PlacedProduct(
                    each.cut_out,
                    each.placement,
                    each.request.fields.words,
                    each.request.fields.product_name.strip(),
                    each.request.fields.product_height_cm,
                )
                for each in self.products
            ),
            guide=self.guide,
            harmonize=job.harmonize,
            sampling=sampling,
            region=self.region,
            by_words=self.by_words,
            replaces=job.replace if isinstance(job.replace, str) else "it" if self.replaced else "",
            must_paint_behind=not self.covers_replaced,
        )


def compose_scene(request: EditRequest, photo: Pixels, placed: Sequence[Placed]) -> Scene:
    """Compose the products, in the given order, into `photo`: the room, or the result of an earlier pass."""
    guides, pixels = [], photo
    for each in placed:
        guides.append(compose(pixels, each.cut_out, each.placement))
        pixels = guides[-1].pixels
    visible = _visible(guides, pixels)
    products = tuple(
        SceneProduct(each.request, each.cut_out, each.placement, guide)
        for each, guide in zip(placed, visible, strict=True)
    )
    guide = guides[0] if len(guides) == 1 else _joined(visible, photo, pixels)
    only = placed[0]
    by_words = len(placed) == 1 and bool(only.request.fields.words) and not only.placement.found
    allowed = _may_change(request, [each.placement.frame for each in placed], guide, by_words)
    return Scene(request, photo, products, guide, allowed, by_words)


def _visible(guides: list[Composite], pixels: Pixels) -> list[Composite]:
    """Return the guides with the final pixels and the alpha that nearer products leave visible."""
    hidden = np.zeros(pixels.shape[:2], np.float32)
    visible = []
    for guide in reversed(guides):
        left, top, right, bottom = guide.part
        above = hidden[top:bottom, left:right]
        visible.append(replace(guide, pixels=pixels, alpha=guide.alpha * (1 - above)))
        above[:] = np.maximum(above, guide.alpha)
    return visible[::-1] if len(guides) > 1 else guides


def _joined(visible: list[Composite], photo: Pixels, pixels: Pixels) -> Composite:
    boxes = np.array([guide.part for guide in visible])
    left, top = (int(edge) for edge in boxes[:, :2].min(axis=0))
    right, bottom = (int(edge) for edge in boxes[:, 2:].max(axis=0))
    alpha = np.zeros((bottom - top, right - left), np.float32)
    for guide in visible:
        here = alpha[guide.part[1] - top : guide.part[3] - top, guide.part[0] - left : guide.part[2] - left]
        here[:] = np.minimum(here + guide.alpha, 1)
    return Composite(pixels, differing(pixels, photo), (left, top, right, bottom), alpha)


def _may_change(request: EditRequest, frames: Sequence[Box], guide: Composite, by_words: bool) -> Mask:
    """Return where the photo may change. With a preserved background that is only as far as shadow and light reach."""
    allowed = np.ones(request.room.pixels.shape[:2], np.bool_)
    if request.job.preserve_background and not by_words:
        allowed[:] = False
        for frame in frames:
            _allow_around(allowed, frame, CHANGE_BESIDE, CHANGE_ABOVE)
        if request.replaced:
            _allow_around(allowed, request.replaced, REPLACED_BESIDE, REPLACED_ABOVE)
        allowed |= guide.changed
    return allowed if request.mask is None else allowed & request.mask


def _allow_around(allowed: Mask, box: Box, beside_share: float, above_share: float) -> None:
    left, top, right, bottom = box
    beside, above = round(beside_share * (right - left)), round(above_share * (bottom - top))
    allowed[max(0, top - above) : bottom + above, max(0, left - beside) : right + beside] = True
