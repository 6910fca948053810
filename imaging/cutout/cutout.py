"""Takes a product out of its photo: by its own alpha, off a plain background, or out of a scene.

It has no notion of what things are. White that left no trace on white stays lost, a mirrored reflection stays part of
the product, and a plain white label near the outline opens as a hole would.
"""

from imaging.cutout.background import find_background
from imaging.cutout.own_alpha import by_alpha, is_outline
from imaging.cutout.plain import off_background
from imaging.cutout.product import CutOut, reduced
from imaging.cutout.scene import out_of_scene
from imaging.picture import Picture


def cut_out(product: Picture) -> CutOut:
    """Return the product of a picture. Raises NoProductError if it is wholly transparent or plain background."""
    if product.alpha is not None and is_outline(product.alpha):
        return by_alpha(product.pixels, product.alpha)
    pixels = reduced(product.on_white().pixels)
    background = find_background(pixels)
    return out_of_scene(pixels) if background is None else off_background(pixels, background)
