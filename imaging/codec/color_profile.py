"""ICC profiles: which to keep, and how to carry pixels from one to another."""

from functools import lru_cache
from io import BytesIO
from typing import cast

import numpy as np
from PIL import Image, ImageCms

from imaging.picture import Picture, Pixels


def rgb_profile(icc: bytes | None, image: Image.Image) -> bytes | None:
    """`icc` where it is sound and describes the RGB pixels that `image` becomes, else None."""
    if not icc or image.mode not in ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "YCbCr"):
        return None
    profile = _profile(icc)
    if profile is None or profile.profile.xcolor_space.strip() != "RGB":
        return None
    return icc if _carries(profile) else None


def _carries(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether pixels can be carried into it and out of it: a file may be cut short behind a sound header."""
    srgb = ImageCms.createProfile("sRGB")
    try:
        for source, target in ((profile, srgb), (srgb, profile)):
            ImageCms.buildTransform(source, target, "RGB", "RGB")
    except ImageCms.PyCMSError:
        return False
    return True


def to_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """`image` (any mode that littlecms reads) in sRGB, or None where the profile does not fit it."""
    profile = _profile(icc)
    if profile is None:
        return None
    try:
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, ValueError):
        return None


def in_profile(picture: Picture, icc: bytes | None) -> Picture:
    """`picture` with its pixels carried into the color space of `icc` (None: sRGB)."""
    if picture.icc == icc:
        return picture
    return Picture(_carried(picture.pixels, picture.icc, icc), picture.alpha, icc)


def _carried(pixels: Pixels, source: bytes | None, target: bytes | None) -> Pixels:
    image = ImageCms.profileToProfile(Image.fromarray(pixels), _known(source), _known(target))
    return cast(Pixels, np.array(image))


def _known(icc: bytes | None) -> ImageCms.ImageCmsProfile:
    profile = _profile(icc) if icc else None
    return profile or ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=16)
def _profile(icc: bytes) -> ImageCms.ImageCmsProfile | None:
    try:
        return ImageCms.ImageCmsProfile(BytesIO(icc))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
