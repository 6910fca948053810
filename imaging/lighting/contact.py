"""Finds where a cut-out touches the ground, and darkens the ground around these places."""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Numbers
from imaging.geometry.camera import Camera
from imaging.picture import Box, Weights, scaled_size, size_of

_WORKING_SIZE = 384  # pixels along the longer side of the cut-out whose lower contour is followed
_COVERED = 0.4  # alpha from which a pixel counts as product
_JUMP = 0.03  # of the cut-out's height: a larger step of the contour separates a leg from what is between legs
_STEEPEST = 0.5  # slope of a contour that lies on the ground: box edges at 45 degrees seen from 30 degrees above
_SLOPE_SPAN = 0.02  # of the cut-out's width: the distance over which the slope is measured
_HIGHEST = (0.35, 0.5)  # of the cut-out's height and width: highest place that may still be ground farther back

# Softness of the contact shadow in shares of the product's diagonal, and how much light each scale takes away at the
# edge of a straight front: rounded edges, the gap under the product, and its own shade.
_SCALES = ((0.004, 0.35), (0.012, 0.30), (0.035, 0.20))
_DENSITY = 4.0  # how fast the shadow saturates with the covered share around a pixel, so that thin legs have one
_FLATTEST, _STEEPEST_VIEW = 0.15, 1.0  # vertical to horizontal scale of the floor as the camera sees it
_CELLS = 400  # pixels along the longer side of the area that is darkened


@dataclass(frozen=True, eq=False)
class Run:
    """Neighboring columns of a cut-out whose lowest pixels touch the ground: `x` and `y` (n,) in shares of its size."""

    x: Numbers
    y: Numbers

    @property
    def lowest(self) -> float:
        return float(self.y.max())


def touching_runs(alpha: Weights) -> list[Run]:
    """Return the parts of the lower contour that touch the ground: feet, legs, and the edges of what stands flat.

    The contour is divided into one part for each of its low points. What is between two legs hangs over the ground, and
    so does whatever rises steeper than an edge on the ground can look.
    """
    size = width, height = scaled_size(size_of(alpha), min(1.0, _WORKING_SIZE / max(alpha.shape)))
    solid = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) > _COVERED
    bottom = np.where(solid.any(axis=0), height - solid[::-1].argmax(axis=0), 0)
    highest = bottom.max() - min(_HIGHEST[0] * height, _HIGHEST[1] * width)
    free, runs = np.ones(width, np.bool_), []
    while (low := np.where(free, bottom, 0)).max() > max(highest, 0):
        lowest = int(low.argmax())
        start, stop = _hollow(bottom, free, lowest, max(2.0, _JUMP * height))
        columns = start + _on_ground(bottom[start:stop], lowest - start, max(2, round(_SLOPE_SPAN * width)))
        free[start:stop] = False
        runs.append(Run((columns + 0.5) / width, bottom[columns] / height))
    return sorted(runs, key=lambda run: float(run.x[0])) or [Run(np.array([0.5]), np.array([1.0]))]


def _hollow(bottom: NDArray[np.intp], free: NDArray[np.bool_], lowest: int, jump: float) -> tuple[int, int]:
    """Return the columns around a low point up to where the contour descends again by `jump`."""
    ends = []
    for step in (-1, 1):
        ahead = bottom[lowest::step]
        over = (ahead - np.minimum.accumulate(ahead) > jump) | ~free[lowest::step]
        ends.append(int(over.argmax()) if over.any() else len(over))
    return lowest - ends[0] + 1, lowest + ends[1]


def _on_ground(bottom: NDArray[np.intp], lowest: int, span: int) -> NDArray[np.intp]:
    """Return the indices around `lowest` up to where the contour rises too steeply."""
    padded = np.pad(bottom, (span, span), mode="edge")
    index, here, limit = np.arange(len(bottom)), padded[span:-span], _STEEPEST * span + 1
    right = index[(index >= lowest) & (here - padded[2 * span :] > limit)].min(initial=len(bottom) - 1)
    left = index[(index <= lowest) & (here - padded[: -2 * span] > limit)].max(initial=0)
    return index[left : right + 1]


def contact_light(areas: list[NDArray[np.float32]], camera: Camera, frame: Box, part: Box) -> Weights:
    """Return the share of its light that each pixel of `part` keeps beside `areas`, the outlines (n, 2) in pixels.

    The shadow is the areas blurred at several scales, flattened like the floor in this view.
    """
    width, height = part[2] - part[0], part[3] - part[1]
    scale = min(1.0, _CELLS / max(width, height))
    size = scaled_size((width, height), scale)
    drawn = np.zeros(size[::-1], np.uint8)
    for area in areas:
        corners = ((area - np.array(part[:2], np.float32)) * scale * 16).round().astype(np.int32)
        cv2.fillPoly(drawn, [corners], 255, cv2.LINE_AA, 4)
    diagonal = float(np.hypot(frame[2] - frame[0], frame[3] - frame[1])) * scale
    flat = _flattening(camera, frame)
    touched = drawn.astype(np.float32) / 255
    left = np.ones_like(touched)
    for softness, taken in _SCALES:
        sigma = max(0.6, softness * diagonal)
        soft = cv2.GaussianBlur(touched, (0, 0), sigma, sigmaY=max(0.5, sigma * flat))
        left *= 1 - np.float32(taken) * -np.expm1(-_DENSITY * soft)
    return cast(Weights, cv2.resize(left, (width, height), interpolation=cv2.INTER_LINEAR))


def _flattening(camera: Camera, frame: Box) -> float:
    """Return how many rows a distance away from the camera covers per column of the same distance sideways."""
    fall = -camera.slants((frame[0] + frame[2]) / 2, frame[3])[1]
    return float(np.clip(fall, _FLATTEST, _STEEPEST_VIEW))
