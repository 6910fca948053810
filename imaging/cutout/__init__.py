"""A product without its background."""

from imaging.cutout.cutout import cut_out
from imaging.cutout.product import CutOut, NoProductError

__all__ = ["CutOut", "NoProductError", "cut_out"]
