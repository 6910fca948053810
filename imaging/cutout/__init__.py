"""A product without its background."""

from imaging.cutout.cutout import CutOut, NoProductError, cut_out

__all__ = ["CutOut", "NoProductError", "cut_out"]
