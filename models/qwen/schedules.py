"""Maps the requested sampling to a schedule that the loaded checkpoint can serve, with warnings about differences."""

from dataclasses import dataclass, replace
from typing import get_args

from models.checkpoints.components import Checkpoint
from models.checkpoints.profiles import Schedule
from models.engine import Sampling
from schemas.jobs import Quality

QUALITIES: tuple[Quality, ...] = get_args(Quality)


@dataclass(frozen=True)
class Chosen:
    """A schedule and the warnings about requested values that were replaced."""

    schedule: Schedule
    warnings: tuple[str, ...] = ()


def qualities(checkpoint: Checkpoint) -> tuple[Quality, ...]:
    """Return the qualities that the loaded checkpoint can serve."""
    return tuple(quality for quality in QUALITIES if checkpoint.serves(checkpoint.profile.schedules[quality]))


def choose(checkpoint: Checkpoint, sampling: Sampling) -> Chosen:
    """Return the schedule for `sampling`.

    Requested steps and guidance override those of the quality. Guidance is never combined with a few-step LoRA. A
    quality that the plan cannot serve is replaced by the nearest one that it can.
    """
    schedules, served = checkpoint.profile.schedules, qualities(checkpoint)
    quality, warnings = sampling.quality, []
    wants_guidance = (sampling.true_cfg_scale or 1) > 1
    if wants_guidance and schedules[quality].lora is not None and "best" in served:
        quality = "best"
        warnings.append(
            f"true_cfg_scale needs the schedule of quality best, which was used instead of {sampling.quality}"
        )
    if quality not in served:
        nearest = min(served, key=lambda other: abs(QUALITIES.index(other) - QUALITIES.index(quality)))
        warnings.append(f"The loaded plan cannot serve quality {quality}; {nearest} was used instead")
        quality = nearest
    schedule = schedules[quality]
    guidance = sampling.true_cfg_scale or schedule.true_cfg_scale
    if schedule.lora is not None and guidance > 1:
        warnings.append("true_cfg_scale has no effect: guidance is never combined with a few-step LoRA")
        guidance = 1.0
    steps = sampling.steps or schedule.steps
    if checkpoint.steps and steps not in checkpoint.steps:
        steps = min(checkpoint.steps, key=lambda known: abs(known - steps))
        warnings.append(f"The loaded plan has a fixed schedule: {steps} steps were used")
    if sampling.negative_prompt and guidance <= 1:
        warnings.append("negative_prompt has no effect without guidance (true_cfg_scale above 1, or quality best)")
    return Chosen(replace(schedule, steps=steps, true_cfg_scale=guidance), tuple(warnings))
