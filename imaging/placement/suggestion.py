"""A layout suggested by a language model, converted to the photo and accepted only where it is plausible."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from imaging.cutout import CutOut
from imaging.geometry.camera import Camera
from imaging.picture import Box, Picture, Pixels, Size
from imaging.placement.text_placement import Surface
from schemas.reply import Reply

_CELL = 28  # pixels: Qwen2.5-VL sees patches of 14, two by two, and answers in pixels of what it sees
_ROOM_AREA, _PRODUCT_AREA = 768 * 768, 336 * 336
_BEYOND = 0.02  # of a side: how far a box may reach out of the photo and be cut off
_SMALLEST, _LARGEST = 0.0005, 0.9  # of the photo's area
_HEIGHTS = (2.0, 400.0)  # cm


@dataclass(frozen=True)
class Suggestion:
    """`box` is in pixels of the photo, and None if the suggestion is not plausible."""

    box: Box | None = None
    height_cm: float | None = None


def room_shown(room: Picture) -> Picture:
    """Return the room as a language model sees it: small, in whole cells."""
    return Picture(_in_cells(room.pixels, _ROOM_AREA), icc=room.icc)


def product_shown(product: CutOut, room: Picture) -> Picture:
    """Return the product as a language model sees it, in the room's color profile."""
    return Picture(_in_cells(product.reference, _PRODUCT_AREA), icc=room.icc)


def sensible(reply: Reply, seen: Size, camera: Camera, surface: Surface) -> Suggestion:
    """Return the plausible part of a reply about a picture of size `seen`, in pixels of the camera's photo."""
    low, high = _HEIGHTS
    height_cm = reply.height_cm if low <= reply.height_cm <= high else None
    box = box_in(reply.box, seen, camera.size)
    if box and surface not in ("wall", "ceiling") and camera.found and box[3] <= camera.horizon:
        box = None
    return Suggestion(box, height_cm)


def box_in(numbers: tuple[float, float, float, float], seen: Size, size: Size) -> Box | None:
    """Return a box in a picture of size `seen` as one in the photo of `size`; None if it is not a box there."""
    left, top, right, bottom = (
        place / limit for place, limit in zip(numbers, (seen[0], seen[1], seen[0], seen[1]), strict=True)
    )
    if not (-_BEYOND <= left < right <= 1 + _BEYOND and -_BEYOND <= top < bottom <= 1 + _BEYOND):
        return None
    if not _SMALLEST <= (right - left) * (bottom - top) <= _LARGEST:
        return None
    width, height = size
    return (
        max(0, int(left * width)), max(0, int(top * height)),
        min(width, math.ceil(right * width)), min(height, math.ceil(bottom * height)),
    )  # fmt: skip


def _in_cells(pixels: Pixels, area: int) -> Pixels:
    height, width = pixels.shape[:2]
    scale = min(1.0, math.sqrt(area / (width * height))) / _CELL
    cells = max(2, round(width * scale)), max(2, round(height * scale))
    return np.asarray(cv2.resize(pixels, (cells[0] * _CELL, cells[1] * _CELL), interpolation=cv2.INTER_AREA), np.uint8)
