"""Parameter counts of a checkpoint's parts, computed from the published configurations without weights."""

from dataclasses import dataclass
from functools import cache
from typing import Any

TEXT_ENCODER: dict[str, Any] = {
    "text_config": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
    },
    "vision_config": {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 3584,
    },
}
"""Configuration of Qwen2.5-VL-7B-Instruct where it differs from the class's defaults. The published transformer and VAE
use the defaults."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of parameters."""

    transformer: int
    modulation: int
    """Part of the transformer that the tables of `models.checkpoints.modulation` replace."""
    blocks: int
    """Blocks of the transformer without the modulation, which quantization changes."""
    ends: int
    """Layers of the transformer around the blocks, which stay in bf16."""
    text_encoder: int
    visual: int
    """Vision tower of the text encoder, which stays in bf16: four bits would blur what it sees."""
    words: int
    """Token embeddings and language head of the text encoder, which stay in bf16."""
    vae: int


@cache
def sizes() -> Sizes:
    """Return the counts, from modules built on the meta device."""
    import torch
    from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    with torch.device("meta"):
        transformer = QwenImageTransformer2DModel(zero_cond_t=True)
        text_encoder = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**TEXT_ENCODER))
        vae = AutoencoderKLQwenImage()
    modulation = sum(_count(block.img_mod) + _count(block.txt_mod) for block in transformer.transformer_blocks)
    return Sizes(
        transformer=_count(transformer),
        modulation=modulation,
        blocks=_count(transformer.transformer_blocks) - modulation,
        ends=_count(transformer) - _count(transformer.transformer_blocks),
        text_encoder=_count(text_encoder),
        visual=_count(text_encoder.model.visual),
        words=_count(text_encoder.get_input_embeddings()) + _count(text_encoder.get_output_embeddings()),
        vae=_count(vae),
    )


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
