"""Resampling of pictures, layers and boxes.

A layer is resampled so that it covers its frame exactly, to the pixel.
"""

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.per_photo import once_per_photo, read_only
from imaging.picture import Box, Pixels, Size, scaled_size, size_of

Layer = NDArray[np.float32]
"""(height, width) or (height, width, channels)."""

WORKING_SIDE = 1024
"""Pixels of the longer side of the photo in which lines are looked for."""


def placed(layer: Layer, frame: Box, part: Box) -> Layer:
    """Return `layer` scaled to `frame`, sampled on the pixels of `part`; pixels outside `frame` are 0."""
    left, top = max(frame[0], part[0]), max(frame[1], part[1])
    right, bottom = min(frame[2], part[2]), min(frame[3], part[3])
    result = np.zeros((part[3] - part[1], part[2] - part[0], *layer.shape[2:]), np.float32)
    if left < right and top < bottom:
        target = np.s_[top - part[1] : bottom - part[1], left - part[0] : right - part[0]]
        result[target] = _scaled(layer, frame, (left, top, right, bottom))
    return result


def _scaled(layer: Layer, frame: Box, seen: Box) -> Layer:
    """Return the part `seen` of a layer scaled to `frame`.

    No intermediate array is larger than the layer or that part.
    """
    width, height = frame[2] - frame[0], frame[3] - frame[1]
    left, top = seen[0] - frame[0], seen[1] - frame[1]
    size = (seen[2] - seen[0], seen[3] - seen[1])
    if height <= layer.shape[0] and width <= layer.shape[1]:
        small = cv2.resize(layer, (width, height), interpolation=cv2.INTER_AREA)
        return cast(Layer, small[top : top + size[1], left : left + size[0]])
    across, down = layer.shape[1] / width, layer.shape[0] / height
    source = np.array([[across, 0, (left + 0.5) * across - 0.5], [0, down, (top + 0.5) * down - 0.5]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cast(Layer, cv2.warpAffine(layer, source, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))


def resized(pixels: Pixels, size: Size) -> Pixels:
    """Return `pixels` at `size`: averaged over areas when the width shrinks, bicubic otherwise."""
    if size_of(pixels) == size:
        return pixels
    how = cv2.INTER_AREA if size[0] < pixels.shape[1] else cv2.INTER_CUBIC
    return cast(Pixels, cv2.resize(pixels, size, interpolation=how))


def reduced(photo: Pixels, longest: int) -> tuple[Pixels, float]:
    """Return the photo with its longer side reduced to `longest` pixels at most, and the factor of the reduction.

    Sides below the working size are reduced from the photo at that size, which is shared by all who look at it.
    """
    shrink = min(1.0, longest / max(photo.shape[:2]))
    if shrink == 1:
        return photo, 1.0
    if longest >= WORKING_SIDE or max(photo.shape[:2]) <= WORKING_SIDE:
        return _averaged(photo, scaled_size(size_of(photo), shrink)), shrink
    return _averaged(reduced(photo, WORKING_SIDE)[0], scaled_size(size_of(photo), shrink)), shrink


@once_per_photo
def _averaged(photo: Pixels, size: Size) -> Pixels:
    return read_only(cast(Pixels, cv2.resize(photo, size, interpolation=cv2.INTER_AREA)))


def averaged(plane: NDArray[Any], size: Size) -> NDArray[Any]:
    """Return `plane` at `size`, each pixel the mean of the area it covers."""
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA)


def scaled_box(box: tuple[float, float, float, float], factor: float) -> Box:
    """Return `box` in a picture that is `factor` times as large, at least one pixel on each side."""
    left, top, right, bottom = (round(side * factor) for side in box)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def in_place(pixels: Pixels, part: Box, photo: Pixels) -> Pixels:
    """Return the photo scaled so that its `part` has the size of `pixels`, with `pixels` in that place."""
    scale = pixels.shape[1] / (part[2] - part[0])
    small = cast(Pixels, cv2.resize(photo, scaled_size(size_of(photo), scale), interpolation=cv2.INTER_AREA))
    left, top, right, bottom = scaled_box(part, scale)
    target = small[top:bottom, left:right]
    target[:] = cv2.resize(pixels, target.shape[1::-1], interpolation=cv2.INTER_AREA)
    return small
