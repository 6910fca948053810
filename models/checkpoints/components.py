"""The loaded components of an engine."""

from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from models.checkpoints.profiles import Profile, Schedule, TaskLora


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A transformer and its sampling.

    `adapters` names the LoRAs that can be added to its weights or subtracted from them, `fused` the one that is part of
    the weights, and `task` the one that every edit with a guide adds.
    """

    profile: Profile
    transformer: QwenImageTransformer2DModel
    scheduler_config: dict[str, Any]
    adapters: frozenset[str] = frozenset()
    fused: str | None = None
    task: TaskLora | None = None
    steps: frozenset[int] = frozenset()
    """Numbers of steps that the modulation tables cover; empty without tables."""

    def scales(self, schedule: Schedule, *, guided_by_picture: bool) -> dict[str, float]:
        """Return the adapters of a schedule with their scales; `guided_by_picture` adds the task LoRA."""
        scales = {schedule.lora.name: 1.0} if schedule.lora else {}
        return scales | ({self.task.lora.name: self.task.scale} if self.task and guided_by_picture else {})

    def serves(self, schedule: Schedule) -> bool:
        """Return True if the weights of this schedule are loaded."""
        name = schedule.lora.name if schedule.lora else None
        return name in self.adapters or name == self.fused or (name is None and self.fused in self.adapters)


@dataclass(frozen=True, eq=False)
class Components:
    """The parts of the pipelines. `text` paints from a prompt without references; if it is None, the edit checkpoint
    does."""

    edit: Checkpoint
    text_encoder: Qwen2_5_VLForConditionalGeneration
    vae: AutoencoderKLQwenImage
    tokenizer: Qwen2Tokenizer
    image_processor: Qwen2VLImageProcessorPil
    text: Checkpoint | None = None
    plan: dict[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return self.vae.device
