"""Adds LoRAs to a transformer. Loading fails unless every layer of the file is used."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import QwenImagePipeline, QwenImageTransformer2DModel
from diffusers.utils import recurse_remove_peft_layers
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from schemas.settings import SettingsError


def add(transformer: QwenImageTransformer2DModel, file: Path, name: str) -> None:
    """Add the LoRA of `file` as the adapter `name`, switched off. Raises SettingsError if it does not fit."""
    try:
        weights = QwenImagePipeline.lora_state_dict(load_file(file))
        with warnings.catch_warnings():
            # peft warns about a second adapter; several are intended here.
            warnings.filterwarnings("ignore", "Already found a `peft_config`")
            QwenImagePipeline.load_lora_into_transformer(weights, transformer, adapter_name=name)
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError) as problem:
        raise SettingsError(f"The LoRA {file.name} does not fit the transformer or is damaged") from problem
    asked = len({key.rpartition(".lora_")[0] for key in weights})
    placed = sum(isinstance(layer, BaseTunerLayer) and name in layer.lora_A for layer in transformer.modules())
    if placed != asked or not placed:
        raise SettingsError(f"The LoRA {file.name} has {asked} layers, of which the transformer took {placed}")
    transformer.disable_lora()


def merge(part: nn.Module) -> None:
    """Fuse the adapters of a part of a transformer into its weights permanently. Call the transformer's `unload_lora`
    afterwards."""
    for layer in part.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.merge(safe_merge=True, adapter_names=list(layer.lora_A))
    recurse_remove_peft_layers(part)


@torch.no_grad()
def fuse_reversibly(transformer: nn.Module, name: str) -> None:
    """Add an adapter to the weights and keep it, so that `use` can subtract it again. The rounding error that remains
    is of the size of the weights' own rounding."""
    for layer in transformer.modules():
        if isinstance(layer, BaseTunerLayer):
            weight = layer.get_base_layer().weight
            weight.copy_(weight.float() + layer.get_delta_weight(name).float())


def use(transformer: QwenImageTransformer2DModel, scales: Mapping[str, float], fused: str | None = None) -> None:
    """Switch to a sum of adapters with these scales, on weights that may already contain `fused`."""
    scales = dict(scales)
    if fused is not None and scales.pop(fused, None) is None:
        scales[fused] = -1.0
    if scales:
        transformer.enable_lora()
        transformer.set_adapters(list(scales), list(scales.values()))
    else:
        transformer.disable_lora()
