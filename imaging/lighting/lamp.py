"""Lamps, which in lamplight are lit themselves."""

import cv2
import numpy as np

from imaging.cutout import CutOut
from imaging.geometry.product_volume import legs_of
from imaging.lighting.estimate import LUMINANCE, Linear, linear

_ROWS = 64
_THIN = 0.3  # a pole's width over its shade's
_SHORTEST_SHADE, _LONGEST_SHADE = 0.1, 0.5  # of the height
_LIGHT, _PALE = 0.45, 0.6  # a shade's linear luminance, and its weakest channel over its strongest


def shade_of(product: CutOut) -> float:
    """The share of the product's height, from the top down, that is a lampshade: light and pale, on a thin pole; 0 for
    everything else."""
    width = product.alpha.shape[1]
    filled = cv2.resize(product.alpha, (width, _ROWS), interpolation=cv2.INTER_AREA).sum(axis=1)
    thin = np.flatnonzero(filled < _THIN * filled.max())
    shade = int(thin[thin > _SHORTEST_SHADE * _ROWS].min(initial=_ROWS))  # the first thin row under the rim
    pole = filled[shade : round(0.9 * _ROWS)]
    if shade > _LONGEST_SHADE * _ROWS or pole.max(initial=0) > _THIN * filled[:shade].max() or legs_of(product.alpha):
        return 0.0
    return shade / _ROWS if _is_light(product, shade / _ROWS) else 0.0


def mean_color(product: CutOut, share: float) -> Linear:
    """The mean linear color (3) of the product's upper `share`; black where that is transparent."""
    rows = max(1, round(share * product.alpha.shape[0]))
    colors = linear(product.color[:rows][product.alpha[:rows] > 0.9])
    return np.array(colors.mean(axis=0)) if len(colors) else np.zeros(3, np.float32)


def _is_light(product: CutOut, share: float) -> bool:
    mean = mean_color(product, share)
    return bool(mean @ LUMINANCE > _LIGHT and mean.min() > _PALE * mean.max())
