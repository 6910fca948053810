"""What an engine is made of, once it is loaded."""

from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from models.checkpoints.profiles import Profile, Schedule


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A transformer and how it is to be sampled. `adapters` names the LoRAs that can be switched on, `fused` the one
    that cannot be switched off."""

    profile: Profile
    transformer: QwenImageTransformer2DModel
    scheduler_config: dict[str, Any]
    adapters: frozenset[str] = frozenset()
    fused: str | None = None
    steps: frozenset[int] = frozenset()
    """The only numbers of steps that its tables know; empty where it has none."""

    def serves(self, schedule: Schedule) -> bool:
        if self.fused is not None or schedule.lora is None:
            return self.fused == (schedule.lora.name if schedule.lora else None)
        return schedule.lora.name in self.adapters


@dataclass(frozen=True, eq=False)
class Components:
    """`text` paints from words alone; where there is none, the edit checkpoint does."""

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
