"""The checkpoints that this worker supports, one row each."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

from schemas.jobs import Quality
from schemas.settings import Settings, SettingsError


@dataclass(frozen=True)
class Lora:
    """A LoRA file in a repository, which may pin a revision: `owner/name@commit`."""

    repo: str
    file: str

    @property
    def name(self) -> str:
        """Adapter name, without the dots that peft rejects."""
        return self.file.removesuffix(".safetensors").replace(".", "_")


@dataclass(frozen=True)
class TaskLora:
    """A LoRA trained for one task, which edits with a guide add to the weights."""

    lora: Lora
    scale: float = 1.0


TASK_LORA = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(:(?P<file>[^@:]+\.safetensors))?(@(?P<scale>\d*\.?\d+))?")


def parse_task_lora(text: str) -> TaskLora:
    """Return the LoRA of `owner/name[:file][@scale]`; the default file is diffusers' standard one. Raises
    SettingsError."""
    found = TASK_LORA.fullmatch(text)
    if not found:
        raise SettingsError(f"TASK_LORA: {text} is not owner/name[:file.safetensors][@scale]")
    file = found["file"] or "pytorch_lora_weights.safetensors"
    return TaskLora(Lora(found["repo"], file), float(found["scale"] or 1.0))


@dataclass(frozen=True)
class Schedule:
    """A sampling schedule. `lora` is None for the plain checkpoint; `scheduler` overrides settings of its scheduler."""

    steps: int
    true_cfg_scale: float = 1.0
    lora: Lora | None = None
    scheduler: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """A checkpoint. `area` is the size in pixels at which it paints best; `product_area` is the size of a product's
    reference, for which stock pipelines use a megapixel."""

    name: str
    repo: str
    pipeline: str
    schedules: dict[Quality, Schedule]
    area: int = 1024 * 1024
    product_area: int = 512 * 512
    multiple: int = 16
    references: int = 3
    negative_prompt: str = " "
    transformer_file: Lora | None = None
    """File with the transformer in scaled fp8 and its few-step LoRA merged, used instead of the repository's
    transformer."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts whose weights are read from the repository."""
        return ("text_encoder", "vae") if self.transformer_file else ("transformer", "text_encoder", "vae")


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
    """Return the schedules of a Lightning repository; `file` has a placeholder for the number of steps."""
    few, more = (Lora(f"lightx2v/{repo}", file.format(steps)) for steps in (4, 8))
    return {
        "fast": Schedule(4, lora=few, scheduler=LIGHTNING),
        "balanced": Schedule(8, lora=more, scheduler=LIGHTNING),
        "best": Schedule(40, true_cfg_scale=4.0),
    }


_LIGHTNING_2511 = _lightning(
    "Qwen-Image-Edit-2511-Lightning", "Qwen-Image-Edit-2511-Lightning-{}steps-V1.0-bf16.safetensors"
)

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="qwen-image-edit-2511",
            repo="Qwen/Qwen-Image-Edit-2511",
            pipeline="QwenImageEditPlusPipeline",
            schedules=_LIGHTNING_2511,
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
        Profile(
            name="qwen-image-edit-2511-fp8",
            repo="Qwen/Qwen-Image-Edit-2511",
            pipeline="QwenImageEditPlusPipeline",
            schedules=_LIGHTNING_2511,
            transformer_file=Lora(
                "lightx2v/Qwen-Image-Edit-2511-Lightning",
                "qwen_image_edit_2511_fp8_e4m3fn_scaled_lightning_4steps_v1.0.safetensors",
            ),
        ),
        # For comparison. No few-step LoRA by the same authors was verified, so every quality uses guidance.
        Profile(
            name="firered-image-edit-1.1",
            repo="FireRedTeam/FireRed-Image-Edit-1.1",
            pipeline="QwenImageEditPlusPipeline",
            schedules={
                "fast": Schedule(20, true_cfg_scale=4.0),
                "balanced": Schedule(30, true_cfg_scale=4.0),
                "best": Schedule(40, true_cfg_scale=4.0),
            },
        ),
    )
}


TEXT_TO_IMAGE = "qwen-image-2512"
"""Profile of the checkpoint that QWEN_IMAGE_LOCATION names."""


def find_profile(name: str) -> Profile:
    """Return a profile by name. Raises SettingsError for an unknown one."""
    try:
        return PROFILES[name]
    except KeyError:
        raise SettingsError(f"MODEL_PROFILE: {name} is not one of {', '.join(PROFILES)}") from None


def profile_of(settings: Settings) -> Profile:
    """Return the profile that MODEL_PROFILE names or, if it is not set, the one of the repository in
    QWEN_IMAGE_EDIT_LOCATION. Raises SettingsError for an unknown name."""
    profile = find_profile(settings.model_profile)
    if "model_profile" in settings.model_fields_set:
        return profile
    repo = (settings.qwen_image_edit_location or "").partition("@")[0].lower()
    return next((each for each in PROFILES.values() if each.repo.lower() == repo), profile)
