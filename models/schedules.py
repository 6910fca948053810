"""From what a caller asks of the sampling to what a loaded checkpoint can do, and the words for the difference."""

from dataclasses import dataclass, replace

from models.components import Checkpoint
from models.engine import Sampling
from models.profiles import Schedule
from schemas.jobs import Quality

QUALITIES: tuple[Quality, ...] = ("fast", "balanced", "best")


@dataclass(frozen=True)
class Chosen:
    schedule: Schedule
    warnings: tuple[str, ...] = ()


def qualities(checkpoint: Checkpoint) -> tuple[Quality, ...]:
    return tuple(quality for quality in QUALITIES if checkpoint.serves(checkpoint.profile.schedules[quality]))


def choose(checkpoint: Checkpoint, sampling: Sampling) -> Chosen:
    """The caller's steps and guidance win over the quality; guidance never meets a few-step LoRA."""
    schedules = checkpoint.profile.schedules
    served = qualities(checkpoint)
    quality, warnings = sampling.quality, []
    if (sampling.true_cfg_scale or 1) > 1 and schedules[quality].lora is not None:
        quality = "best"
    if quality not in served:
        nearest = min(served, key=lambda other: abs(QUALITIES.index(other) - QUALITIES.index(quality)))
        warnings.append(f"The loaded plan cannot serve the schedule of quality {quality}: {nearest} took its place")
        quality = nearest
    schedule = schedules[quality]
    steps = sampling.steps or schedule.steps
    guidance = sampling.true_cfg_scale or schedule.true_cfg_scale
    if schedule.lora is not None and guidance > 1:
        warnings.append("true_cfg_scale has no effect: guidance is never combined with a few-step LoRA")
        guidance = 1.0
    if sampling.negative_prompt and guidance <= 1:
        warnings.append("negative_prompt has no effect without guidance (true_cfg_scale over 1, or quality best)")
    return Chosen(replace(schedule, steps=steps, true_cfg_scale=guidance), tuple(warnings))
