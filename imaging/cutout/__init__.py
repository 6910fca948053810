"""Cuts a product out of its background."""

from imaging.cutout.cutout import cut_out
from imaging.cutout.product import TRUSTED, CutOut, NoProductError
from imaging.cutout.scene import Prior

__all__ = ["TRUSTED", "CutOut", "NoProductError", "Prior", "cut_out"]
