"""Adapts a product's brightness and warmth to the room's light; nothing else about it changes."""

import numpy as np

from imaging.arrays import Numbers, to_lab
from imaging.cutout import CutOut
from imaging.lighting.estimate import LUMINANCE, Light, Linear, Source, linear
from imaging.picture import Pixels

_BRIGHT_PRODUCT = 0.6  # linear luminance of the lightest parts of a well exposed product photo
_BRIGHT_ROOM = 0.58  # linear luminance of the light surfaces of a well exposed room
_EXPOSURE, _BRIGHTNESS, _WARMTH = (0.85, 1.25), (0.15, 1.4), (0.89, 1.12)  # bounds of each factor
_LIGHTER = 1.8  # times white in the room's light: the lightest that a product's lightest parts may be
_KEPT_CHROMA = 3.0  # CIELAB: how far the product's mean chroma may fall with its brightness
_MOST_SATURATION = 1.6
# Exponents of each factor: half the difference is taken to be light and half to be the colors of room and product.
_OF_EXPOSURE, _OF_LEVEL, _OF_WARMTH = 0.4, 0.5, 0.4
_SAMPLES = 256  # along a side
_OPAQUE = 0.9  # alpha from which a pixel's color is the product's own


def relit(colors: Linear, gain: Numbers, brightest: float, saturation: float = 1.0) -> Linear:
    """Return linear `colors` (n, 3) times `gain` (3,) and `saturation`, rolled off below the room's `brightest` spots.

    The roll-off is the mean of two: per channel as film and cameras do, which turns blue to cyan, and equal in all
    channels, which turns it to violet.
    """
    seen = colors * gain.astype(np.float32)
    if saturation > 1:
        luminance = (seen @ LUMINANCE)[:, None]
        seen = (luminance + np.float32(saturation) * (seen - luminance)).clip(0)
    peak = seen.max(axis=1, keepdims=True) + np.float32(1e-6)
    alike = seen * (_rolled_off(peak, brightest) / peak)
    return np.array((_rolled_off(seen, brightest) + alike) / 2)


def _rolled_off(light: Linear, brightest: float) -> Linear:
    """Return `light` unchanged up to half of `brightest` and approaching `brightest` above that."""
    knee = brightest / 2
    return np.array(np.minimum(light, knee) - knee * np.expm1(-(light - knee).clip(0) / knee))


def gain(product: CutOut, light: Light, sun: Source | None) -> Numbers:
    """Return the factors (3,) of linear light by which the room shows the product brighter than its photo did.

    They go about half-way and stay within bounds, since the shopper buys the color and the reflectances of product and
    room are guesses. Underexposure of the room photo is measured and applied in full.
    """
    exposure = _bounded(_EXPOSURE, (_BRIGHT_PRODUCT / _lightest(product)) ** _OF_EXPOSURE)
    level = min(light.level, light.near)
    level = level / (1 - sun.share) if sun else level
    brightness = light.exposure * _bounded(_BRIGHTNESS, (level / light.exposure / _BRIGHT_ROOM) ** _OF_LEVEL * exposure)
    brightness = min(brightness, max(_LIGHTER * light.lightest / _lightest(product), _BRIGHTNESS[0] * light.exposure))
    warmth = _bounded(_WARMTH, light.warmth**_OF_WARMTH)
    return np.array([warmth * brightness, brightness, brightness / warmth])


def saturation(product: CutOut, gain: Numbers) -> float:
    """Return the factor of saturation that keeps the product's mean chroma when `gain` darkens it.

    CIELAB chroma falls with the cube root of the light.
    """
    dimmed = float(gain[1]) ** (1 / 3)
    colors = _opaque(product)
    chroma = float(np.hypot(*to_lab(colors[None])[0, :, 1:].T).mean()) if dimmed < 1 and len(colors) else 0.0
    if chroma * (1 - dimmed) <= _KEPT_CHROMA:
        return 1.0
    return min((chroma - _KEPT_CHROMA) / (chroma * dimmed), _MOST_SATURATION)


def _bounded(limits: tuple[float, float], value: float) -> float:
    return min(max(value, limits[0]), limits[1])


def _lightest(product: CutOut) -> float:
    """Return the linear luminance of the product's lightest parts."""
    colors = _opaque(product)
    return max(float(np.percentile(linear(colors) @ LUMINANCE, 95)), 1e-3) if len(colors) else _BRIGHT_PRODUCT


def _opaque(product: CutOut) -> Pixels:
    """Return a sample (n, 3) of the product's opaque pixels."""
    step = max(1, max(product.alpha.shape) // _SAMPLES)
    return product.color[::step, ::step][product.alpha[::step, ::step] > _OPAQUE]
