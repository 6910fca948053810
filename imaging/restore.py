"""Brings a painted picture back into the photo it was painted for."""

import numpy as np

from imaging.picture import Mask, Pixels


def restore(photo: Pixels, painted: Pixels, may_change: Mask) -> Pixels:
    """`painted` where the photo may change, elsewhere the photo's own pixels, bit for bit."""
    return np.where(may_change[..., None], painted, photo)


def changed_fraction(photo: Pixels, answer: Pixels) -> float:
    """Share of the pixels that differ, 0 to 1."""
    return float((photo != answer).any(axis=2).mean())
