"""Cuts a product out of a photo without a plain background, as far as color tells them apart."""

from typing import cast

import cv2
import numpy as np

from imaging.arrays import connected, opened
from imaging.cutout.matte import spread
from imaging.cutout.product import CutOut, box_around, cropped, reduced
from imaging.picture import Mask, Pixels

GRABCUT_SIDE = 320
"""Pixels of the longer side on which GrabCut works: about 0.1 s."""

GRABCUT_STEPS = 3

LEAST_SHARE, MOST_SHARE = 0.03, 0.8
"""Share of the picture that the largest part has to cover for anything to have been told apart."""

SCENE_CONFIDENCE = 0.45
UNDIVIDED_CONFIDENCE = 0.05


def out_of_scene(pixels: Pixels) -> CutOut:
    """Return the largest part that differs in color from the picture's margin.

    Confidence is 0.45 times its share of all such parts, and 0.05 for the whole picture if nothing could be told apart.
    """
    labels, area = connected(opened(_grabbed(reduced(pixels, GRABCUT_SIDE)), 5), 8)
    if not LEAST_SHARE < area.max() / labels.size < MOST_SHARE:
        return CutOut(pixels, np.ones(pixels.shape[:2], np.float32), UNDIVIDED_CONFIDENCE)
    main = (labels == area.argmax()).astype(np.float32)
    soft = cv2.resize(main, pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    alpha = (2 * cv2.GaussianBlur(soft, (5, 5), 0) - 0.5).clip(0, 1).astype(np.float32)
    box = box_around(alpha > 0)
    color = spread(pixels, alpha > 0.9)
    return CutOut(cropped(color, box), cropped(alpha, box), SCENE_CONFIDENCE * float(area.max() / area.sum()))


def _grabbed(small: Pixels) -> Mask:
    """Return what GrabCut finds to differ from the colors of the picture's margin."""
    height, width = small.shape[:2]
    if min(height, width) < 8:
        return np.zeros((height, width), bool)
    marks = np.full((height, width), cv2.GC_BGD, np.uint8)
    marks[height // 20 + 1 : -1 - height // 40, width // 20 + 1 : -1 - width // 20] = cv2.GC_PR_FGD
    cv2.setRNGSeed(0)  # the same picture gives the same cut-out
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, marks, (0, 0, 0, 0), *models, GRABCUT_STEPS, cv2.GC_INIT_WITH_MASK)
    return cast(Mask, marks == cv2.GC_PR_FGD)
