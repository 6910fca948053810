"""The product as the room's light shows it: brighter or darker, warmer or cooler, and nothing else."""

import numpy as np

from imaging.cutout import CutOut
from imaging.geometry.camera import Numbers
from imaging.lighting.estimate import LUMINANCE, Light, Linear, Source, linear

_BRIGHT_PRODUCT = 0.6  # linear luminance of the lightest parts of a well exposed product photo
_BRIGHT_ROOM = 0.58  # the same of a room's light surfaces
_EXPOSURE, _BRIGHTNESS, _WARMTH = (0.85, 1.25), (0.45, 1.5), (0.89, 1.12)  # how far each may go
_SAMPLES = 256  # along a side


def relit(colors: Linear, gain: Numbers, brightest: float) -> Linear:
    """Linear `colors` (n, 3) under `gain` times the light. What would outshine the room's `brightest` spots rolls off
    below them, as only a lamp outshines the window: half channel by channel, as film and cameras do, which turns blue
    to cyan, and half in all channels alike, which turns it to violet."""
    seen = colors * gain.astype(np.float32)
    peak = seen.max(axis=1, keepdims=True) + np.float32(1e-6)
    alike = seen * (_rolled_off(peak, brightest) / peak)
    return np.array((_rolled_off(seen, brightest) + alike) / 2)


def _rolled_off(light: Linear, brightest: float) -> Linear:
    """Unchanged up to half of `brightest`, then bending towards it."""
    knee = brightest / 2
    return np.array(np.minimum(light, knee) - knee * np.expm1(-(light - knee).clip(0) / knee))


def gain(product: CutOut, light: Light, sun: Source | None) -> Numbers:
    """How much brighter (linear, per channel) the room's light shows the product than its photo did.

    Half-way only, and within bounds: the color is what the shopper buys, and how light the product and the room's
    surfaces are in themselves is a guess. That a photo is underexposed is none.
    """
    exposure = _within(_EXPOSURE, (_BRIGHT_PRODUCT / _lightest(product)) ** 0.4)
    level = light.level / (1 - sun.share) if sun else light.level
    brightness = light.exposure * _within(_BRIGHTNESS, (level / light.exposure / _BRIGHT_ROOM) ** 0.5 * exposure)
    warmth = _within(_WARMTH, light.warmth**0.4)
    return np.array([warmth * brightness, brightness, brightness / warmth])


def _within(limits: tuple[float, float], value: float) -> float:
    return min(max(value, limits[0]), limits[1])


def _lightest(product: CutOut) -> float:
    """Linear luminance of the product's lightest parts."""
    step = max(1, max(product.alpha.shape) // _SAMPLES)
    colors = product.color[::step, ::step][product.alpha[::step, ::step] > 0.9]
    return max(float(np.percentile(linear(colors) @ LUMINANCE, 95)), 1e-3) if len(colors) else _BRIGHT_PRODUCT
