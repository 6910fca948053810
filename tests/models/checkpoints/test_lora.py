"""LoRAs fit the transformer whole or are refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models import tiny
from models.checkpoints import lora
from schemas.settings import SettingsError


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
