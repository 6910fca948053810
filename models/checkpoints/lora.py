"""Few-step LoRAs on a transformer: every layer of the file must find its place, or loading fails."""

import warnings
from pathlib import Path

from diffusers import QwenImagePipeline, QwenImageTransformer2DModel
from diffusers.utils import recurse_remove_peft_layers
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from schemas.settings import SettingsError


def add(transformer: QwenImageTransformer2DModel, file: Path, name: str) -> None:
    """As the adapter `name`, which can be switched on and off. SettingsError where the file does not fit."""
    try:
        weights = QwenImagePipeline.lora_state_dict(load_file(file))
        with warnings.catch_warnings():
            # peft wonders at a second adapter; switching between several is what they are for here.
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
    """The one adapter of this part of a transformer into its weights: faster, and for good. The transformer's
    `unload_lora` then forgets that there was any."""
    for layer in part.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.merge(safe_merge=True, adapter_names=list(layer.lora_A))
    recurse_remove_peft_layers(part)


def use(transformer: QwenImageTransformer2DModel, name: str | None) -> None:
    """Switches to one of the added adapters, or with None to the transformer as it is."""
    if name is None:
        transformer.disable_lora()
    else:
        transformer.enable_lora()
        transformer.set_adapters([name], [1.0])
