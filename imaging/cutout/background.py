"""Finds the plain background of a product photo: white, gray, colored, with a gradient or a vignette."""

from typing import cast

import cv2
import numpy as np
from cv2.typing import MatLike

from imaging.arrays import Field, Lab, connected, to_lab
from imaging.picture import Mask, Pixels, scaled_size, size_of, strongest

SIDE = 96
"""Pixels. The surface is fitted to the picture reduced to this many columns and rows."""

PLAIN = 0.6
"""Share of the border that lies on one surface if the background is plain; the rest is product."""

STRAY = 15
"""CIELAB distance from the surface up to which a border pixel is not clearly product."""

MOST_STRAYS = 0.1
"""Share of the border pixels that are not clearly product and do not lie on the surface either. On the real photos of
products this was at most 0.07 for paper, painted walls and sweeps, shadows included, and at least 0.12 for cloth."""

MOST_CORNERS = 1
"""Corners of the picture that the product may cover. A floor or a table top covers two."""

TOLERANCES = (25, 12, 8, 5)
"""CIELAB distances within which border pixels join each fit in turn, so that products at the border drop out."""

ON_SURFACE = 4
"""CIELAB distance within which a border pixel lies on the fitted surface."""

BAND = 4
"""Pixels of the reduced picture along its border."""

BUSY = 3.0
"""Median CIELAB distance between neighbors there: 5 in a painting, at most 2.4 in the real photos of scenes."""

LEAST_PHOTO_NOISE = 0.5
"""Levels. Mean deviation of a photographed background from its smooth surface, even after JPEG."""

MOSTLY = 0.5
"""Share of one side of the border."""

EVEN = 0.1
"""Mean square CIELAB distance below which the border has a single color."""

LEAST_SPREAD, SPREAD_FACTOR = 0.7, 2.5
"""CIELAB distance of pixels that join the fit inside the border: at least, and times the border's own deviation."""

SETTLED_SIDE, BLURRED_SIDE = 400, 100
"""Pixels of the longer side on which the residuals are taken, and to which they are averaged before the blur."""

SETTLED_LEVELS = 14
"""Levels within which a pixel counts as background for its own correction."""

SETTLED_REACH = 0.03
"""Standard deviation of the blur, as a share of the longer side: broader than products' soft edges, narrower than the
light's fall-off."""

LEAST_WEIGHT = 0.02
"""Share of known pixels in the neighborhood below which the correction fades out."""

GROWTH_STEPS = 5
"""Fits after which the surface no longer changes."""


def find_background(pixels: Pixels) -> Pixels | None:
    """Return the background as it would be without the product, or None if there is no plain one.

    It is a smooth surface in CIELAB, fitted to the picture's border and continued inwards.
    """
    height, width = pixels.shape[:2]
    lab = _small_lab(pixels)
    surface = _surface(lab, _border(lab))
    if surface is None:
        return None
    rgb = cv2.cvtColor(surface.astype(np.float32), cv2.COLOR_Lab2RGB).clip(0, 1)
    return cast(Pixels, cv2.resize(np.rint(255 * rgb).astype(np.uint8), (width, height)))


def is_full_bleed(pixels: Pixels) -> bool:
    """Return True if the picture is busy all along its border, as a scan of a painting or a pattern is."""
    lab = _small_lab(pixels)
    if min(lab.shape[:2]) < 2 * BAND:
        return False
    steps = np.concatenate([_steps(lab[:BAND]), _steps(lab[-BAND:]), _steps(lab[:, :BAND]), _steps(lab[:, -BAND:])])
    if np.median(steps) < BUSY:
        return False
    near = _distance(lab, _bent(lab, _border(lab))) < ON_SURFACE
    return max(side.mean() for side in (near[0], near[-1], near[:, 0], near[:, -1])) < MOSTLY


def is_drawn(pixels: Pixels, background: Pixels) -> bool:
    """Return True if the border is too even for a photo, as the margin of a poster is."""
    far = strongest(cv2.absdiff(pixels, background))
    border = np.concatenate([far[0], far[-1], far[:, 0], far[:, -1]])
    return float(border[border < SETTLED_LEVELS].mean()) < LEAST_PHOTO_NOISE


def _steps(lab: MatLike) -> Field:
    """Return the CIELAB distances between horizontal neighbors."""
    return _distance(lab[:, 1:], lab[:, :-1]).ravel()


def plain_share(pixels: Pixels, background: Pixels) -> float:
    """Return the share of the picture that shows `background`."""
    return float((_distance(_small_lab(pixels), _small_lab(background)) < ON_SURFACE).mean())


def _small_lab(pixels: Pixels) -> Lab:
    size = min(pixels.shape[1], SIDE), min(pixels.shape[0], SIDE)
    return to_lab(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _border(lab: MatLike) -> Mask:
    border = np.ones(lab.shape[:2], bool)
    border[1:-1, 1:-1] = False
    return border


def settled(pixels: Pixels, background: Pixels) -> Pixels:
    """Return `background` corrected by what is seen of it: a blur of the residuals of the pixels that resemble it."""
    side = SETTLED_SIDE / max(pixels.shape)
    size = scaled_size(size_of(pixels), min(1.0, side))
    seen = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    expected = cv2.resize(background, size)  # smooth: there is nothing to average
    residual = cv2.subtract(seen, expected, dtype=cv2.CV_32F)
    far = strongest(np.abs(residual))
    border = np.concatenate([far[0], far[-1], far[:, 0], far[:, -1]])
    noise = float(np.percentile(np.append(border[border < SETTLED_LEVELS], 0), 95))
    known = _open_to_border(far < min(SETTLED_LEVELS, 1 + 2 * noise)).astype(np.float32)
    stacked = cv2.merge([residual * known[..., None], known])
    small = scaled_size(size, min(1.0, BLURRED_SIDE / max(size)))
    blurred = cv2.GaussianBlur(
        cv2.resize(stacked, small, interpolation=cv2.INTER_AREA), (0, 0), SETTLED_REACH * max(small)
    )
    correction = cv2.resize(blurred[..., :3] / (blurred[..., 3:] + LEAST_WEIGHT), size_of(pixels))
    return cast(Pixels, cv2.add(background, correction, dtype=cv2.CV_8U))


def _open_to_border(mask: Mask) -> Mask:
    labels, area = connected(mask, 4)
    outer = np.zeros(area.size, bool)
    outer[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    outer[0] = False
    return cast(Mask, outer[labels])


def _surface(lab: MatLike, border: Mask) -> MatLike | None:
    """Return the surface: one color if the border has one, else bent; products at the border drop out step by step."""
    even, bent = _even(lab, border), _bent(lab, border)
    distance = _distance(lab, bent)
    plain = border & (distance < ON_SURFACE)
    if plain.sum() < PLAIN * border.sum() or _is_restless(distance, border):
        return None
    if np.square(_distance(lab, even)[plain]).mean() < EVEN:
        return even
    return _grown(lab, bent, float(np.square(_distance(lab, bent)[plain]).mean()))


def _even(lab: MatLike, border: Mask) -> MatLike:
    return np.broadcast_to(np.median(lab[border], axis=0), lab.shape)


def _bent(lab: MatLike, border: Mask) -> MatLike:
    """Return the quadratic surface through most of the border."""
    bent = _even(lab, border)
    for tolerance in TOLERANCES:
        bent = _fitted(lab, border & (_distance(lab, bent) < tolerance), degree=2)
    return bent


def _is_restless(distance: Field, border: Mask) -> bool:
    """Return True if the border is a scene's: it strays from the surface gradually, or covers several corners."""
    near = border & (distance < STRAY)
    strays = (near & (distance >= ON_SURFACE)).sum() > MOST_STRAYS * near.sum()
    return bool(strays or (distance[np.ix_((0, -1), (0, -1))] >= STRAY).sum() > MOST_CORNERS)


def _grown(lab: MatLike, surface: MatLike, variance: float) -> MatLike:
    """Return the surface refitted from the border inwards, as far as the background continues."""
    tolerance = max(LEAST_SPREAD, SPREAD_FACTOR * variance**0.5)
    for _ in range(GROWTH_STEPS):
        surface = _fitted(lab, _distance(lab, surface) < tolerance, degree=4)
    return surface


def _fitted(lab: MatLike, known: Mask, degree: int) -> MatLike:
    """Return the polynomial in x and y that fits the known pixels best, by least squares."""
    y, x = np.mgrid[-1 : 1 : lab.shape[0] * 1j, -1 : 1 : lab.shape[1] * 1j]
    terms = np.stack([x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)], axis=2)
    given = terms[known]
    return cast(MatLike, terms @ np.linalg.lstsq(given.T @ given, given.T @ lab[known], rcond=None)[0])


def _distance(lab: MatLike, other: MatLike) -> Field:
    return cast(Field, np.linalg.norm(lab - other, axis=2))
