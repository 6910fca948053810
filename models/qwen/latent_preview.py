"""Looks at an unfinished picture: decoded small, and none that would cost its job more than a share of its time."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from imaging.picture import Pixels
from models.checkpoints.components import Components
from models.qwen.conditioning import decode

SIDE = 48
"""Latents along the longer side of a look, at eight pixels each."""

Show = Callable[[Pixels], None]


class LatentPreviewer:
    """Remembers what the last look cost, so that only the very first is taken untried."""

    def __init__(self, most_share: float) -> None:
        self._most_share = most_share
        self._seconds_a_latent = 0.0

    def at(self, parts: Components, show: Show) -> "Look":
        return Look(self, parts, show)

    def affords(self, latents: int, spent: float, whole: float) -> bool:
        return spent + self._seconds_a_latent * latents <= self._most_share * whole

    def cost(self, latents: int, seconds: float) -> None:
        self._seconds_a_latent = seconds / latents


class Look:
    """Of one picture, which begins to be painted now."""

    def __init__(self, looks: LatentPreviewer, parts: Components, show: Show) -> None:
        self._looks, self._parts, self._show = looks, parts, show
        self._started = time.monotonic()
        self._spent = 0.0

    def __call__(self, foreseen: Tensor, step: int, of: int) -> None:
        """`foreseen` are the latents that the end is expected to have after `step` of so many steps."""
        small = _smaller(foreseen)
        if foreseen.is_cuda:
            torch.cuda.synchronize(foreseen.device)
        started = time.monotonic()
        whole = (started - self._started - self._spent) * of / step
        if not self._looks.affords(small.numel(), self._spent, whole):
            return
        self._show(decode(self._parts, small).clamp(0, 255).byte().cpu().numpy())
        seconds = time.monotonic() - started
        self._spent += seconds
        self._looks.cost(small.numel(), seconds)


def _smaller(latents: Tensor) -> Tensor:
    shrink = max(1, round(max(latents.shape[-2:]) / SIDE))
    return torch.nn.functional.avg_pool3d(latents, (1, shrink, shrink))
