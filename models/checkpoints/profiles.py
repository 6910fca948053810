"""The checkpoints this worker knows: one row each. Everything that is particular to one of them stands here."""

import math
from dataclasses import dataclass, field
from typing import Any

from schemas.jobs import Quality
from schemas.settings import SettingsError


@dataclass(frozen=True)
class Lora:
    repo: str
    file: str

    @property
    def name(self) -> str:
        """A name that peft accepts."""
        return self.file.removesuffix(".safetensors").replace(".", "_")


@dataclass(frozen=True)
class Schedule:
    """`lora` None is the checkpoint as it is; `scheduler` overrides its scheduler's settings."""

    steps: int
    true_cfg_scale: float = 1.0
    lora: Lora | None = None
    scheduler: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """`area` in pixels is what the checkpoint paints best, `product_area` what a product's reference is given of the
    transformer's attention: stock pipelines spend a megapixel on every reference."""

    name: str
    repo: str
    pipeline: str
    schedules: dict[Quality, Schedule]
    area: int = 1024 * 1024
    product_area: int = 512 * 512
    multiple: int = 16
    references: int = 3
    negative_prompt: str = " "


# https://github.com/ModelTC/Qwen-Image-Lightning, generate_with_diffusers.py: a shift of 3 at every size.
LIGHTNING = {
    "base_image_seq_len": 256,
    "base_shift": math.log(3),
    "max_image_seq_len": 8192,
    "max_shift": math.log(3),
    "shift": 1.0,
    "shift_terminal": None,
    "time_shift_type": "exponential",
    "use_dynamic_shifting": True,
}


def _lightning(repo: str, file: str) -> dict[Quality, Schedule]:
    """`file` with a place for the number of steps."""
    few, more = (Lora(f"lightx2v/{repo}", file.format(steps)) for steps in (4, 8))
    return {
        "fast": Schedule(4, lora=few, scheduler=LIGHTNING),
        "balanced": Schedule(8, lora=more, scheduler=LIGHTNING),
        "best": Schedule(40, true_cfg_scale=4.0),
    }


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="qwen-image-edit-2511",
            repo="Qwen/Qwen-Image-Edit-2511",
            pipeline="QwenImageEditPlusPipeline",
            schedules=_lightning(
                "Qwen-Image-Edit-2511-Lightning", "Qwen-Image-Edit-2511-Lightning-{}steps-V1.0-bf16.safetensors"
            ),
        ),
        Profile(
            name="qwen-image-edit-2509",
            repo="Qwen/Qwen-Image-Edit-2509",
            pipeline="QwenImageEditPlusPipeline",
            schedules=_lightning(
                "Qwen-Image-Lightning",
                "Qwen-Image-Edit-2509/Qwen-Image-Edit-2509-Lightning-{}steps-V1.0-bf16.safetensors",
            ),
        ),
        Profile(
            name="qwen-image-2512",
            repo="Qwen/Qwen-Image-2512",
            pipeline="QwenImagePipeline",
            schedules=_lightning(
                "Qwen-Image-2512-Lightning", "Qwen-Image-2512-Lightning-{}steps-V1.0-bf16.safetensors"
            ),
            area=1664 * 928,
            references=0,
        ),
    )
}


TEXT_TO_IMAGE = "qwen-image-2512"
"""The profile of `QWEN_IMAGE_LOCATION`."""


def find_profile(name: str) -> Profile:
    try:
        return PROFILES[name]
    except KeyError:
        raise SettingsError(f"MODEL_PROFILE: {name} is not one of {', '.join(PROFILES)}") from None
