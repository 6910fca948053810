"""A product without its background."""

from imaging.cutout.cutout import cut_out
from imaging.cutout.product import CutOut, NoProductError
from imaging.cutout.scene import Prior

__all__ = ["CutOut", "NoProductError", "Prior", "cut_out"]
