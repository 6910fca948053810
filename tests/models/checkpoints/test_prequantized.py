"""A transformer in scaled fp8 with its LoRA merged, in the layouts of its publishers."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from models import tiny
from models.checkpoints import lora, prequantized
from models.checkpoints.loading import load_components, source
from models.checkpoints.profiles import Lora
from models.files.weights import CheckpointLocator
from models.qwen.engine import Qwen
from schemas.settings import SettingsError
from tests.models.checkpoints.loaded import PLAN, loaded, painted

FILE = Lora("tiny/fp8", "scaled.safetensors")
PROFILE = replace(tiny.PROFILE, transformer_file=FILE)
MERGED = replace(PLAN, transformer="fp8", loras="merged", tabulated=True)
LARGEST = 448.0

Layout = Callable[[str, Tensor], dict[str, Tensor]]


def by_row(name: str, weight: Tensor) -> dict[str, Tensor]:
    """LightX2V's layout: one scale per row."""
    scale = weight.abs().amax(dim=1, keepdim=True) / LARGEST
    return {name: (weight / scale).to(torch.float8_e4m3fn), f"{name}_scale": scale}


def by_weight(name: str, weight: Tensor) -> dict[str, Tensor]:
    """ComfyUI's layout: one scale per weight."""
    scale = weight.abs().max() / LARGEST
    layer = name.removesuffix("weight")
    full = prequantized.PREFIX
    return {f"{full}{name}": (weight / scale).to(torch.float8_e4m3fn), f"{full}{layer}scale_weight": scale,
            f"{full}{layer}scale_input": scale.clone()}  # fmt: skip


def naive(name: str, weight: Tensor) -> dict[str, Tensor]:
    return {name: weight.to(torch.float8_e4m3fn)}


def published(models: Path, folder: Path, layout: Layout) -> Path:
    """Copy the models and write the merged transformer next to them, without the original transformer."""
    root = Path(shutil.copytree(models, folder / "models"))
    shutil.rmtree(root / "tiny" / "edit" / "transformer")
    shutil.copytree(models / "tiny" / "edit" / "transformer", root / "tiny" / "edit" / "transformer",
                    ignore=shutil.ignore_patterns("*.safetensors"))  # fmt: skip
    transformer, fast = tiny.components().edit.transformer, tiny.LORAS[4]
    lora.add(transformer, models / fast.repo / fast.file, fast.name)
    lora.merge(transformer)
    transformer.unload_lora()
    prefix = prequantized.PREFIX if layout is by_weight else ""
    tensors: dict[str, Tensor] = {}
    for name, value in transformer.state_dict().items():
        is_matrix = name.startswith("transformer_blocks") and value.ndim == 2
        tensors |= layout(name, value) if is_matrix else {f"{prefix}{name}": value.to(torch.bfloat16)}
    (root / "tiny" / "fp8").mkdir()
    save_file(tensors, root / FILE.repo / FILE.file)
    return root


@pytest.mark.parametrize("layout", [by_row, by_weight])
def test_it_paints_nearly_what_the_plain_checkpoint_paints(models: Path, tmp_path: Path, layout: Layout) -> None:
    root = published(models, tmp_path, layout)
    found = source(PROFILE, MERGED, "tiny/edit", CheckpointLocator(root, hub=False))
    parts = load_components(found, MERGED, "cpu", torch.float32)
    plain = painted(loaded(models, replace(PLAN, loras="fused")), steps=4)
    assert 0 < abs(painted(parts, steps=4).astype(int) - plain).mean() < 12
    assert Qwen(parts).qualities == ("fast",)
    assert parts.edit.transformer.transformer_blocks[0].attn.to_q.weight.dtype == torch.float8_e4m3fn


def test_fp8_without_scales_is_refused(models: Path, tmp_path: Path) -> None:
    root = published(models, tmp_path, naive)
    found = source(PROFILE, MERGED, "tiny/edit", CheckpointLocator(root, hub=False))
    with pytest.raises(SettingsError, match=r"scaled\.safetensors has .*weight in fp8 without a scale"):
        load_components(found, MERGED, "cpu", torch.float32)
