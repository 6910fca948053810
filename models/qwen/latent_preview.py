"""Previews of an unfinished picture, decoded at a small size and limited to a share of the job's time."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from imaging.picture import Pixels
from models.checkpoints.components import Components
from models.qwen.conditioning import decode

SIDE = 48
"""Latents along the longer side of a preview, eight pixels each."""

Show = Callable[[Pixels], None]


class LatentPreviewer:
    """Measures the cost of each preview and skips those that would exceed `max_share` of the job's time. The first
    preview of a process is always made."""

    def __init__(self, max_share: float) -> None:
        self._max_share = max_share
        self._seconds_a_latent = 0.0

    def start(self, parts: Components, show: Show) -> "JobPreview":
        return JobPreview(self, parts, show)

    def affords(self, latents: int, spent: float, total: float) -> bool:
        """Return True if a preview of `latents` latents fits, after `spent` seconds on previews out of `total` on the
        job."""
        return spent + self._seconds_a_latent * latents <= self._max_share * total

    def record(self, latents: int, seconds: float) -> None:
        self._seconds_a_latent = seconds / latents


class JobPreview:
    """Shows previews of one picture, whose denoising starts now."""

    def __init__(self, previewer: LatentPreviewer, parts: Components, show: Show) -> None:
        self._previewer, self._parts, self._show = previewer, parts, show
        self._started = time.monotonic()
        self._spent = 0.0

    def __call__(self, predicted: Tensor, step: int, of: int) -> None:
        """Show `predicted`, the final latents as estimated after `step` of `of` steps, if the time budget allows it."""
        small = _downscaled(predicted)
        if predicted.is_cuda:
            torch.cuda.synchronize(predicted.device)
        started = time.monotonic()
        total = (started - self._started - self._spent) * of / step
        if not self._previewer.affords(small.numel(), self._spent, total):
            return
        self._show(decode(self._parts, small).clamp(0, 255).byte().cpu().numpy())
        seconds = time.monotonic() - started
        self._spent += seconds
        self._previewer.record(small.numel(), seconds)


def _downscaled(latents: Tensor) -> Tensor:
    shrink = max(1, round(max(latents.shape[-2:]) / SIDE))
    return torch.nn.functional.avg_pool3d(latents, (1, shrink, shrink))
