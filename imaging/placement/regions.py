"""A picture's plain parts: what lies between its edges, measured and compared by color."""

from typing import NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.geometry.camera import Numbers
from imaging.picture import Mask

Lab = NDArray[np.float32]
"""(h, w, 3) CIELAB."""

Chosen = NDArray[np.bool_]
"""(regions): which of them."""

Tolerance = tuple[float, float]
"""How far apart in tint and in lightness, in CIELAB, two colors may be."""

_PLAIN = 1.0  # CIELAB per pixel: the steepest gradient inside a region
_SPECK = 16  # pixels: smaller parts belong to their neighbors
_MOST = 400
_BORDER = 4  # pixels over which the colors on both sides of a border are compared


class Regions(NamedTuple):
    """`labels` (h, w), and for each label its area in pixels, its color and its box (n, 4) as in `Box`.

    The color is CIELAB with the tint it would have at middle lightness, which light and shade leave alone. Label 0
    stands for no region: its area is 0.
    """

    labels: NDArray[np.int32]
    area: Numbers
    color: Numbers
    box: NDArray[np.int64]

    @property
    def width(self) -> Numbers:
        return (self.box[:, 2] - self.box[:, 0]).astype(np.float64)

    @property
    def height(self) -> Numbers:
        return (self.box[:, 3] - self.box[:, 1]).astype(np.float64)

    @property
    def fill(self) -> Numbers:
        """How much of its box each region takes."""
        return self.area / (self.width * self.height)

    def mask(self, chosen: Chosen) -> Mask:
        return chosen[self.labels]

    def share(self, mask: Mask) -> Numbers:
        """How much of each region is in `mask`, 0 to 1."""
        return np.bincount(self.labels.ravel(), mask.ravel(), len(self.area)) / np.fmax(self.area, 1)

    def only(self, number: int) -> Chosen:
        chosen = np.zeros(len(self.area), np.bool_)
        chosen[number] = True
        return chosen

    def like(self, chosen: Chosen, tolerance: Tolerance) -> Chosen:
        """The regions that look like one of `chosen`."""
        apart = self.color[:, None] - self.color[chosen]
        alike = (np.hypot(apart[..., 1], apart[..., 2]) < tolerance[0]) & (np.abs(apart[..., 0]) < tolerance[1])
        return cast(Chosen, alike.any(axis=1))


def split(lab: Lab) -> Regions:
    """The regions of at least a few pixels, the largest first; watershed gives them the pixels between."""
    steep = steepness(lab)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((steep < _PLAIN).astype(np.uint8), connectivity=4)
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:_MOST] + 1
    kept = order[stats[order, cv2.CC_STAT_AREA] >= _SPECK]
    number = np.zeros(count, np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    relief = cv2.merge([(16 * steep).clip(0, 255).astype(np.uint8)] * 3)
    flooded = cast(NDArray[np.int32], cv2.watershed(relief, number[labels]))
    return _measured(_without_lines(flooded), lab, len(kept) + 1)


def steepness(lab: Lab) -> NDArray[np.float32]:
    """(h, w): CIELAB per pixel."""
    across, down = cv2.Scharr(lab, -1, 1, 0, scale=1 / 32), cv2.Scharr(lab, -1, 0, 1, scale=1 / 32)
    return cast(NDArray[np.float32], np.sqrt((across**2 + down**2).sum(axis=2)))


def _without_lines(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """`labels` with the lines that watershed leaves between regions given to one of them."""
    for _ in range(2):
        grown = cv2.dilate(labels.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
        labels = np.where(labels > 0, labels, grown)
    return labels.clip(0)


def _measured(labels: NDArray[np.int32], lab: Lab, count: int) -> Regions:
    flat = labels.ravel()
    area = np.bincount(flat, minlength=count).astype(np.float64)
    sums = [np.bincount(flat, lab[..., channel].ravel(), count) for channel in range(3)]
    color = np.stack(sums, axis=1) / area.clip(1)[:, None]
    area[0] = 0
    return Regions(labels, area, evenly_lit(color), _boxes(labels, count))


def evenly_lit(colors: Numbers) -> Numbers:
    """CIELAB with the tint it would have at middle lightness: in the shade it is weaker."""
    return colors * [1, 0, 0] + colors * [0, 50, 50] / np.where(colors[..., :1] > 15, colors[..., :1], 15)


def _boxes(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    box = np.tile(np.array([*labels.shape[::-1], 0, 0], np.int64), (count, 1))
    rows, columns = np.indices(labels.shape)
    for edge, values in enumerate((columns, rows)):
        np.minimum.at(box[:, edge], labels.ravel(), values.ravel())
        np.maximum.at(box[:, edge + 2], labels.ravel(), values.ravel() + 1)
    return box


def contrasts(regions: Regions, lab: Lab) -> Numbers:
    """(n, n): the mean difference in CIELAB across the border of each two regions, infinite where they have none."""
    count = len(regions.area)
    sums, pairs = np.zeros(count * count), np.zeros(count * count)
    for near, far in ((np.s_[:-_BORDER], np.s_[_BORDER:]), (np.s_[:, :-_BORDER], np.s_[:, _BORDER:])):
        border = regions.labels[near] != regions.labels[far]
        pair = regions.labels[near][border] * np.int64(count) + regions.labels[far][border]
        sums += np.bincount(pair, np.linalg.norm(lab[near][border] - lab[far][border], axis=1), count * count)
        pairs += np.bincount(pair, minlength=count * count)
    both = [flat.reshape(count, count) + flat.reshape(count, count).T for flat in (sums, pairs)]
    return np.where(both[1] > 0, both[0] / both[1].clip(1), np.inf)


def grown(seeds: Chosen, candidates: Chosen, bonds: Mask) -> Chosen:
    """`seeds` and the candidates bound to them, also through one another; `bonds` (n, n)."""
    joined, new = seeds, seeds
    while new.any():
        new = candidates & ~joined & bonds[new].any(axis=0)
        joined = joined | new
    return joined
