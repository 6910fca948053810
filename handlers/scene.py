"""The scene of an edit: the product composed into the photo, and the part of the photo that may change."""

from dataclasses import dataclass

import numpy as np

from handlers.requests import EditRequest
from imaging.compose import Composite, compose
from imaging.cutout import CutOut
from imaging.picture import Box, Mask, Pixels, bounds
from imaging.placement.layout import Placement
from models.engine import EditTask, Sampling

CHANGE_BESIDE, CHANGE_ABOVE = 0.55, 0.32
"""Shares of the product's width and height: how far around its frame an engine may change the photo. Chosen so that
contact shadows and reflections of the photos in examples/photos fit."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What the engine starts from and what its picture is judged by.

    `guide` is the compositor's picture and `allowed` is True where the photo may change. `by_words` means that only the
    instructions say where the product goes, and the engine finds the place.
    """

    request: EditRequest
    product: CutOut
    placement: Placement
    guide: Composite
    allowed: Mask
    by_words: bool

    @property
    def photo(self) -> Pixels:
        return self.request.room.pixels

    @property
    def region(self) -> Box | None:
        """The bounds of `allowed`; None if most of the photo may change."""
        if self.by_words or not self.request.job.preserve_background:
            return None
        return bounds(self.allowed)

    def task(self, sampling: Sampling) -> EditTask:
        job = self.request.job
        return EditTask(
            room=self.request.room,
            cut_out=self.product,
            placement=self.placement,
            guide=self.guide,
            instructions=job.words,
            product_height_cm=job.product_height_cm,
            harmonize=job.harmonize,
            sampling=sampling,
            region=self.region,
            by_words=self.by_words,
        )


def compose_scene(request: EditRequest, product: CutOut, placement: Placement) -> Scene:
    guide = compose(request.room.pixels, product, placement)
    by_words = bool(request.job.words) and not placement.found
    return Scene(request, product, placement, guide, _may_change(request, placement.frame, guide, by_words), by_words)


def _may_change(request: EditRequest, frame: Box, guide: Composite, by_words: bool) -> Mask:
    """Return where the photo may change: with the background preserved, only as far as shadow and light reach."""
    allowed = np.ones(request.room.pixels.shape[:2], np.bool_)
    if request.job.preserve_background and not by_words:
        left, top, right, bottom = frame
        beside, above = round(CHANGE_BESIDE * (right - left)), round(CHANGE_ABOVE * (bottom - top))
        allowed[:] = False
        allowed[max(0, top - above) : bottom + above, max(0, left - beside) : right + beside] = True
        allowed |= guide.changed
    return allowed if request.mask is None else allowed & request.mask
