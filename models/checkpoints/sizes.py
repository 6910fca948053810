"""How large the parts of a checkpoint are, counted from the published configurations without a byte of weights."""

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
"""Qwen2.5-VL-7B-Instruct's, as far as it is not the class's default. The transformer's and the VAE's are."""


@dataclass(frozen=True)
class Sizes:
    """In parameters."""

    transformer: int
    modulation: int
    """Of the transformer: what the tables of `models.checkpoints.modulation` replace."""
    blocks: int
    """Of the transformer without the modulation: what quantization reaches."""
    text_encoder: int
    words: int
    """Of the text encoder: its tokens in and out, which quantization leaves alone."""
    vae: int


@cache
def sizes() -> Sizes:
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
        text_encoder=_count(text_encoder),
        words=_count(text_encoder.get_input_embeddings()) + _count(text_encoder.get_output_embeddings()),
        vae=_count(vae),
    )


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
