"""Reads a transformer from a published file in scaled fp8, with its few-step LoRA merged.

Two layouts are in use: each fp8 weight `X.weight` has its scale in `X.weight_scale` (LightX2V) or `X.scale_weight`
(ComfyUI, whose names may begin with `model.diffusion_model.`), one for the whole weight or one per row. Weights in fp8
without scales are refused: with few-step LoRAs they are reported to leave lines in the picture.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import QwenImageTransformer2DModel
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from models.checkpoints.quantization import DTYPES, EightBitLinear, is_quantizable
from schemas.settings import SettingsError

PREFIX = "model.diffusion_model."
SCALES = ("weight_scale", "scale_weight")
UNUSED = ("scaled_fp8", "scale_input", "input_scale")
"""A marker, and scales of activations, which are computed per token here."""


@dataclass(frozen=True)
class ScaledFile:
    """An open file. `names` maps the transformer's names to those of the file."""

    file: Path
    opened: Any
    names: dict[str, str]

    def tensor(self, name: str) -> Tensor:
        found: Tensor = self.opened.get_tensor(self.names[name])
        return found

    def scale(self, name: str) -> Tensor | None:
        """Return the scales of a weight as float32 of shape (rows, 1) or (1, 1), or None if it has none."""
        layer = name.removesuffix("weight")
        found = next((layer + kind for kind in SCALES if layer + kind in self.names), None)
        return None if found is None else self.tensor(found).float().reshape(-1, 1)

    def widened(self, name: str, dtype: torch.dtype, device: str) -> Tensor:
        """Return a tensor with its scale applied."""
        value, scale = self.tensor(name).to(device), self.scale(name)
        if value.dtype != DTYPES["fp8"]:
            return value.to(dtype)
        assert scale is not None
        return (value.float() * scale.to(device)).to(dtype)


def open_scaled(file: Path, transformer: QwenImageTransformer2DModel) -> ScaledFile:
    """Open a file and verify that it has exactly the transformer's tensors. Raises SettingsError."""
    try:
        opened: Any = safe_open(file, "pt")  # its methods are not typed
    except (SafetensorError, OSError) as problem:
        raise SettingsError(f"The file {file.name} is damaged or incomplete") from problem
    names = {key.removeprefix(PREFIX): key for key in opened.keys() if not key.endswith(UNUSED)}  # noqa: SIM118
    scaled = ScaledFile(file, opened, names)
    expected = {name: list(tensor.shape) for name, tensor in transformer.state_dict().items()}
    for name in names:
        if name not in expected and not name.endswith(SCALES):
            raise SettingsError(f"The file {file.name} has the tensor {name}, which does not fit")
    for name, shape in expected.items():
        if name not in names:
            raise SettingsError(f"The file {file.name} lacks the tensor {name}")
        part = opened.get_slice(names[name])
        if list(part.get_shape()) != shape:
            raise SettingsError(f"The file {file.name} has {name} with shape {part.get_shape()} instead of {shape}")
        if part.get_dtype() == "F8_E4M3" and scaled.scale(name) is None:
            raise SettingsError(
                f"The file {file.name} has {name} in fp8 without a scale, which would spoil the picture"
            )
    return scaled


@torch.no_grad()
def fill(part: nn.Module, scaled: ScaledFile, prefix: str, dtype: torch.dtype, device: str, *, computes: bool) -> None:
    """Fill a part of an empty transformer, whose names begin with `prefix`. The linear layers of its blocks stay fp8;
    everything else is widened."""
    for name, layer in list(part.named_modules()):
        if prefix.startswith("transformer_blocks") and is_quantizable(name, layer):
            part.set_submodule(name, _stored(scaled, f"{prefix}{name}.", dtype, device, computes=computes))
            continue
        for own, _ in list(layer.named_parameters(recurse=False)):
            full = f"{prefix}{name}.{own}" if name else f"{prefix}{own}"
            value = scaled.widened(full, dtype, device)
            setattr(layer, own, nn.Parameter(value, requires_grad=False))


def _stored(scaled: ScaledFile, layer: str, dtype: torch.dtype, device: str, *, computes: bool) -> EightBitLinear:
    weight, scale = scaled.tensor(f"{layer}weight").to(device), scaled.scale(f"{layer}weight")
    bias = scaled.widened(f"{layer}bias", dtype, device) if f"{layer}bias" in scaled.names else None
    if scale is None:  # a layer that stayed wide
        wide = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        wide.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
        if bias is not None:
            wide.bias = nn.Parameter(bias, requires_grad=False)
        return EightBitLinear(wide, "fp8", computes=computes)
    rows = scale.to(device).expand(weight.shape[0], 1).contiguous()
    return EightBitLinear.stored(weight, rows, bias, computes=computes)
