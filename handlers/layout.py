"""`layout`: compute where an edit would put its products and how large they would be, without painting."""

import time
from collections.abc import Iterator

import cv2
import numpy as np

from handlers.images import as_data_url
from handlers.requests import EditRequest, shape_warnings
from handlers.runtime.cutout_cache import CutOutCache
from handlers.steps.messages import cutout_warnings
from handlers.steps.placement import Placed, find_replaced, place
from imaging.codec.color_profile import in_profile
from imaging.codec.encode import encode_cut_out
from imaging.cutout import CutOut
from imaging.per_photo import once_per_photo
from imaging.picture import scaled_size, size_of
from imaging.placement.layout import Placement
from models.engine import Control
from schemas.answers import Corners, LaidOutProduct, LayoutAnswer

LONGEST_SIDE = 512
"""Longest side of a cut-out in the answer, in pixels: as large as a product usually appears on a screen."""


class NoLanguageModel:
    """An engine without a language model, so that a layout does not wait for the real one, which may be painting."""

    def ask(self, *_question: object, **_options: object) -> None:
        return None


def layout(request: EditRequest, cache: CutOutCache, control: Control) -> LayoutAnswer:
    """Return the layout of an edit. Raises JobError as `edit` does, and NOT_SUPPORTED if `replace` names an object in
    words."""
    started = time.monotonic()
    icc, blind = request.room.icc, NoLanguageModel()
    cut_outs = [cache.cut_out(in_profile(each.picture, icc), each.image_field) for each in request.products]
    placed = place(find_replaced(request, blind, control), cut_outs, blind, control)
    return LayoutAnswer(
        original_size=request.room.size,
        placements=[_answer(each) for each in placed],
        warnings=list(request.warnings) or None,
        processing_time=round(time.monotonic() - started, 3),
    )


def _answer(placed: Placed) -> LaidOutProduct:
    placement, cut_out = placed.placement, placed.cut_out
    return LaidOutProduct(
        coordinates=placement.base_point,
        box=placement.box,
        surface=placement.surface,
        scale=placement.scale,
        cutout_confidence=round(cut_out.confidence, 3),
        corners=_corners(placement),
        cut_out=_small(cut_out),
        warnings=list(_warnings(placed)) or None,
    )


def _corners(placement: Placement) -> Corners:
    left, top, right, bottom = placement.frame
    corners = placement.corners or ((left, top), (right, top), (right, bottom), (left, bottom))
    a, b, c, d = ((round(x, 1), round(y, 1)) for x, y in corners)
    return a, b, c, d


@once_per_photo
def _small(cut_out: CutOut) -> str:
    """Return the cut-out with its alpha as the data URL of a small WebP."""
    alpha = np.rint(255 * cut_out.alpha).astype(np.uint8)
    size = size_of(alpha)
    small = cv2.resize(
        np.dstack((cut_out.color, alpha)),
        scaled_size(size, min(1.0, LONGEST_SIDE / max(size))),
        interpolation=cv2.INTER_AREA,
    )
    return as_data_url(encode_cut_out(np.asarray(small, np.uint8)))


def _warnings(placed: Placed) -> Iterator[str]:
    yield from cutout_warnings(placed.cut_out)
    yield from shape_warnings(placed.request.fields, size_of(placed.cut_out.alpha), placed.request.prefix)
    yield from placed.placement.warnings
