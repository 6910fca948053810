"""Takes a product out of its photo, whatever kind of photo it is.

By its own alpha; off a plain background, also inside bars or on a white card; along the frame that fills the photo; as
a whole, if the picture is the product, as a scan of a painting is; or out of a scene. Without a learned prior it has no
notion of what things are: scenes are cut by color and not trusted. White that left no trace on white stays lost, a
mirrored reflection stays part of the product, and clear glass comes out half transparent.
"""

from dataclasses import replace

import numpy as np

from imaging.cutout.background import find_background, is_drawn, is_full_bleed, plain_share
from imaging.cutout.frame import card, framed, inside_bars
from imaging.cutout.own_alpha import by_alpha, is_outline
from imaging.cutout.plain import off_background
from imaging.cutout.product import TRUSTED, CutOut, NoProductError, cropped, reduced
from imaging.cutout.scene import Prior, by_color, by_outline, by_prior, whole
from imaging.picture import Picture, Pixels

FULL_BLEED_CONFIDENCE = 0.3
CONFIRMED_FULL_BLEED_CONFIDENCE = 0.6
"""Confidence for a picture without any plain border: it may be a scene, unless a prior finds no single object in it."""

FRAMED_CONFIDENCE = 0.8
"""Confidence for a framed picture on a wall."""

LEAST_STUDIO = 0.35
"""Share of the picture between bars that is plain background if it is a studio shot rather than the product."""

LEAST_ON_CARD = 0.05
"""Share of a white card that a product on it covers; smaller things, such as handles, are part of a white product."""


def cut_out(product: Picture, prior: Prior | None = None) -> CutOut:
    """Return the product of a picture. Raises NoProductError if it is wholly transparent or plain background.

    `prior` decides in scenes, and where it sees more than an outline off a plain background that is not trusted.
    """
    if product.alpha is not None and is_outline(product.alpha):
        box = card(product.pixels, product.alpha)
        on_card = _on_card(reduced(cropped(product.on_white().pixels, box))) if box else None
        return on_card or by_alpha(product.pixels, product.alpha)
    pixels = reduced(product.on_white().pixels)
    made = _by_pixels(pixels, prior)
    return made if made.confidence >= TRUSTED else replace(made, photo=pixels)


def _by_pixels(pixels: Pixels, prior: Prior | None) -> CutOut:
    """Return the product by the first evidence that can be trusted: a plain background, a frame, the prior."""
    pixels = _without_bars(pixels)
    background = find_background(pixels)
    made = None if background is None else off_background(pixels, background)
    if made is not None and made.confidence >= TRUSTED:
        return made
    frame = framed(pixels)
    if frame is not None:
        return by_outline(pixels, frame, FRAMED_CONFIDENCE)
    found = by_prior(pixels, prior(pixels)) if prior else None
    if found is None or made is None:
        return found or made or _undivided(pixels, confirmed=prior is not None)
    sees_more = found.confidence >= TRUSTED and found.alpha.sum() > made.alpha.sum()
    return found if sees_more else made


def _undivided(pixels: Pixels, *, confirmed: bool) -> CutOut:
    """Return the whole picture if it may be the product, else a part of it; `confirmed` if a prior found no object."""
    if is_full_bleed(pixels):
        return whole(pixels, CONFIRMED_FULL_BLEED_CONFIDENCE if confirmed else FULL_BLEED_CONFIDENCE)
    return by_color(pixels)


def _without_bars(pixels: Pixels) -> Pixels:
    """Return the studio shot between bars, or `pixels` if there are none or they enclose the product itself."""
    box = inside_bars(pixels)
    if box is None:
        return pixels
    inside = cropped(pixels, box)
    background = find_background(inside)
    if background is None or plain_share(inside, background) < LEAST_STUDIO or is_drawn(inside, background):
        return pixels
    return inside


def _on_card(pixels: Pixels) -> CutOut | None:
    """Return the product on a white card; None if the card is all there is, and therefore the product."""
    background = np.full_like(pixels, 255)
    try:
        made = off_background(pixels, background)
    except NoProductError:
        return None
    return made if made.alpha.size >= LEAST_ON_CARD * pixels[..., 0].size else None
