"""ICC profiles: validation, and conversion of pixels between them."""

from functools import lru_cache
from io import BytesIO
from typing import cast

import numpy as np
from PIL import Image, ImageCms

from imaging.codec.mend import png_chunks
from imaging.picture import Picture, Pixels

SRGB_CODES = (1, 13)
"""Primaries and transfer function of sRGB in ITU-T H.273."""

SRGB_GAMMA, GAMMA_TOLERANCE = 1 / 2.2, 0.05
"""PNG's gamma of an sRGB file, and how far others differ before it shows."""


def rgb_profile(icc: bytes | None, image: Image.Image) -> bytes | None:
    """Return `icc` if it is usable and describes the RGB pixels that `image` decodes to, else None."""
    if not icc or image.mode not in ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "YCbCr"):
        return None
    profile = _profile(icc)
    if profile is None or profile.profile.xcolor_space.strip() != "RGB":
        return None
    return icc if _is_usable(profile) else None


def _is_usable(profile: ImageCms.ImageCmsProfile) -> bool:
    """Return True if pixels convert both ways. A truncated profile can still have a valid header."""
    srgb = ImageCms.createProfile("sRGB")
    try:
        for source, target in ((profile, srgb), (srgb, profile)):
            ImageCms.buildTransform(source, target, "RGB", "RGB")
    except ImageCms.PyCMSError:
        return False
    return True


def color_notes(image: Image.Image, png: bytes) -> tuple[str, ...]:
    """Say which color space a PNG names in a way that is not applied: its pixels are read as sRGB."""
    named = next((chunk[8:-4] for kind, chunk in png_chunks(png) if kind == b"cICP"), None)
    if named is not None:
        return (
            () if tuple(named[:2]) == SRGB_CODES else (f"its color space (cICP {named[0]}, {named[1]}) is not applied",)
        )
    gamma = image.info.get("gamma")
    if gamma is None or "srgb" in image.info or image.info.get("icc_profile"):
        return ()
    return () if abs(gamma / SRGB_GAMMA - 1) < GAMMA_TOLERANCE else (f"its gamma of {gamma:g} (gAMA) is not applied",)


def to_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """Return `image`, in any mode that littlecms reads, as sRGB; None if the profile does not fit its mode."""
    profile = _profile(icc)
    if profile is None:
        return None
    try:
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, ValueError):
        return None


def in_profile(picture: Picture, icc: bytes | None) -> Picture:
    """Return `picture` converted to the color space of `icc`; None means sRGB."""
    if picture.icc == icc:
        return picture
    return Picture(_converted(picture.pixels, picture.icc, icc), picture.alpha, icc)


def _converted(pixels: Pixels, source: bytes | None, target: bytes | None) -> Pixels:
    image = ImageCms.profileToProfile(Image.fromarray(pixels), _profile_or_srgb(source), _profile_or_srgb(target))
    return cast(Pixels, np.array(image))


def _profile_or_srgb(icc: bytes | None) -> ImageCms.ImageCmsProfile:
    profile = _profile(icc) if icc else None
    return profile or ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=16)
def _profile(icc: bytes) -> ImageCms.ImageCmsProfile | None:
    try:
        return ImageCms.ImageCmsProfile(BytesIO(icc))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
