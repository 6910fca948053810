"""LoRAs either fit the transformer completely or are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models import tiny
from models.checkpoints import lora
from models.checkpoints.loading import load_components, source
from models.checkpoints.profiles import Lora, Schedule, TaskLora, parse_task_lora
from models.engine import Control, PaintTask, Sampling
from models.files.weights import CheckpointLocator
from models.qwen.engine import Qwen
from schemas.settings import SettingsError
from tests.models.checkpoints.loaded import PLAN, ROOM


def test_a_lora_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    other = {"transformer_blocks.9.attn.to_q.lora_down.weight": torch.zeros(4, 64)}
    other["transformer_blocks.9.attn.to_q.lora_up.weight"] = torch.zeros(64, 4)
    other["transformer_blocks.9.attn.to_q.alpha"] = torch.tensor(4.0)
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(SettingsError, match=r"other\.safetensors"):
        lora.add(tiny.components().edit.transformer, tmp_path / "other.safetensors", "other")


def test_a_lora_of_another_size_is_refused(models: Path, tmp_path: Path) -> None:
    few = tiny.LORAS[4]
    wide = {
        name: torch.cat([value, value], -1) if "down" in name else value
        for name, value in load_file(models / few.repo / few.file).items()
    }
    save_file(wide, tmp_path / "wide.safetensors")
    with pytest.raises(SettingsError, match=r"wide\.safetensors"):
        lora.add(tiny.components().edit.transformer, tmp_path / "wide.safetensors", "wide")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_fused_lora_is_subtracted_for_the_other_qualities(dtype: torch.dtype) -> None:
    """The bf16 picture is as far from the one in float32 as with separate LoRAs."""

    def painted(kind: torch.dtype, *, is_fused: bool) -> np.ndarray:
        parts, fast = tiny.components(), tiny.LORAS[4].name
        transformer = parts.edit.transformer.to(kind)
        tiny.add_loras(transformer)
        edit = replace(parts.edit, adapters=frozenset(few.name for few in tiny.LORAS.values()))
        if is_fused:
            lora.fuse_reversibly(transformer, fast)
            edit = replace(edit, fused=fast)
        parts.text_encoder.to(kind)
        parts.vae.to(kind)
        engine = Qwen(replace(parts, edit=edit))
        assert engine.qualities == ("fast", "balanced", "best")
        task = PaintTask("a chair", (ROOM,), (160, 96), Sampling(seed=3, quality="best", steps=2))
        return engine.paint(task, Control()).pixels.astype(np.float32)

    exact = painted(torch.float32, is_fused=False)
    beside, subtracted = (np.sqrt(np.mean((painted(dtype, is_fused=kind) - exact) ** 2)) for kind in (False, True))
    assert subtracted < 1.2 * beside + 0.05


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b", TaskLora(Lora("a/b", "pytorch_lora_weights.safetensors"))),
        ("a/b:c/d.safetensors", TaskLora(Lora("a/b", "c/d.safetensors"))),
        ("a/b:d.safetensors@0.8", TaskLora(Lora("a/b", "d.safetensors"), 0.8)),
    ],
)
def test_a_task_lora_is_named_in_one_setting(text: str, expected: TaskLora) -> None:
    assert parse_task_lora(text) == expected


@pytest.mark.parametrize("text", ["b", "a/b:c.bin", "a/b@much"])
def test_a_task_lora_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="TASK_LORA"):
        parse_task_lora(text)


def test_a_task_lora_is_added_to_edits_with_a_guide_only(models: Path) -> None:
    eight = tiny.LORAS[8]
    task = TaskLora(Lora(eight.repo, eight.file), 0.5)
    locator = CheckpointLocator(models, hub=False)
    profile = replace(tiny.PROFILE, schedules=dict.fromkeys(tiny.PROFILE.schedules, Schedule(2)))
    parts = load_components(
        source(profile, replace(PLAN, loras="none"), "tiny/edit", locator, task), replace(PLAN, loras="none"), "cpu",
        torch.float32,
    )  # fmt: skip
    schedule = profile.schedules["fast"]
    assert parts.edit.scales(schedule, guided_by_picture=True) == {task.lora.name: 0.5}
    assert parts.edit.scales(schedule, guided_by_picture=False) == {}
    with pytest.raises(SettingsError, match="TASK_LORA needs a plan with separate LoRAs"):
        source(tiny.PROFILE, replace(PLAN, loras="fused"), "tiny/edit", locator, task)
