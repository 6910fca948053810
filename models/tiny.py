"""The diffusion engine with tiny random weights in the real classes, for tests and for checking an installation. Its
pictures are noise."""

import json
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLQwenImage, FlowMatchEulerDiscreteScheduler, QwenImageTransformer2DModel
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from models.checkpoints import lora
from models.checkpoints.components import Checkpoint, Components
from models.checkpoints.profiles import LIGHTNING, Lora, Profile, Schedule
from models.checkpoints.vae import for_single_frames
from models.engine import ImageModel
from models.qwen.engine import Qwen

SPECIAL_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip

LORAS = {steps: Lora("tiny/lightning", f"tiny-{steps}steps.safetensors") for steps in (4, 8)}

PROFILE = Profile(
    name="tiny",
    repo="tiny/edit",
    pipeline="QwenImageEditPlusPipeline",
    schedules={
        "fast": Schedule(4, lora=LORAS[4], scheduler=LIGHTNING),
        "balanced": Schedule(8, lora=LORAS[8], scheduler=LIGHTNING),
        "best": Schedule(12, true_cfg_scale=4.0),
    },
    area=192 * 192,
    product_area=96 * 96,
)

WIDTH = 64
"""Hidden width of the language model and of the transformer."""

CACHE_BYTES = 4_000_000
"""Small, so that tests fill the cache."""

LORA_RANK = 4
LORA_TARGETS = (
    "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj",
    "attn.to_add_out", "img_mlp.net.0.proj", "img_mlp.net.2", "txt_mlp.net.0.proj", "txt_mlp.net.2",
)  # fmt: skip
"""Layers that a Lightning LoRA adapts in each block."""


def build_tiny(max_preview_share: float = math.inf) -> ImageModel:
    """Return the tiny engine. Previews are not limited by default: with weights this small they take most of the
    time."""
    parts = components()
    add_loras(parts.edit.transformer)
    edit = replace(parts.edit, adapters=frozenset(few.name for few in LORAS.values()))
    parts = replace(parts, edit=edit, vae=for_single_frames(parts.vae), plan={"engine": "tiny", "weights": "random"})
    return Qwen(parts, name="tiny", cache_bytes=CACHE_BYTES, max_preview_share=max_preview_share)


def add_loras(transformer: QwenImageTransformer2DModel) -> None:
    """Add the few-step LoRAs of the profile, switched off."""
    with tempfile.TemporaryDirectory() as folder:
        for steps, few in LORAS.items():
            file = Path(folder) / few.file
            save_lora(file, seed=steps)
            lora.add(transformer, file, few.name)


def components(seed: int = 0) -> Components:
    """Return random components. Equal seeds give equal weights; the global random state is not changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = _tokenizer()
        return Components(
            edit=Checkpoint(PROFILE, _transformer().eval(), dict(_scheduler().config)),
            text_encoder=_text_encoder(tokenizer).eval(),
            vae=AutoencoderKLQwenImage(base_dim=8).eval(),
            tokenizer=tokenizer,
            image_processor=Qwen2VLImageProcessorPil(),
        )


def save(folder: Path, seed: int = 0) -> None:
    """Write the components in the layout of the published checkpoints."""
    parts = components(seed)
    parts.edit.transformer.save_pretrained(folder / "transformer")
    parts.text_encoder.save_pretrained(folder / "text_encoder")
    parts.vae.save_pretrained(folder / "vae")
    parts.tokenizer.save_pretrained(folder / "tokenizer")
    parts.tokenizer.save_pretrained(folder / "processor")
    parts.image_processor.save_pretrained(folder / "processor")
    _scheduler().save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(MODEL_INDEX, indent=1))


def save_lora(file: Path, seed: int = 1) -> None:
    """Write a few-step LoRA of the tiny transformer."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(random_lora(_transformer(), torch.Generator().manual_seed(seed), LORA_RANK), file)


MODEL_INDEX = {
    "_class_name": "QwenImageEditPlusPipeline",
    "processor": ["transformers", "Qwen2VLProcessor"],
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "Qwen2_5_VLForConditionalGeneration"],
    "tokenizer": ["transformers", "Qwen2Tokenizer"],
    "transformer": ["diffusers", "QwenImageTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKLQwenImage"],
}


def _tokenizer() -> Qwen2Tokenizer:
    """Return a tokenizer with one token per byte."""
    vocabulary = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    vocabulary |= {token: len(vocabulary) + number for number, token in enumerate(SPECIAL_TOKENS)}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL_TOKENS[1:])})
    return tokenizer


def _text_encoder(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLForConditionalGeneration:
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    text: dict[str, Any] = {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": len(tokenizer),
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 2, 2]},
    }
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "out_hidden_size": WIDTH,
        "fullatt_block_indexes": [1],
    }
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    return Qwen2_5_VLForConditionalGeneration(config)


def _transformer() -> QwenImageTransformer2DModel:
    return QwenImageTransformer2DModel(
        num_layers=2,
        num_attention_heads=2,
        attention_head_dim=WIDTH // 2,
        joint_attention_dim=WIDTH,
        axes_dims_rope=(8, 12, 12),
        zero_cond_t=True,
    )


def _scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Return the scheduler with the published settings."""
    return FlowMatchEulerDiscreteScheduler(
        base_shift=0.5, max_shift=0.9, max_image_seq_len=8192, shift_terminal=0.02, use_dynamic_shifting=True
    )


def random_lora(transformer: QwenImageTransformer2DModel, generator: torch.Generator, rank: int) -> dict[str, Tensor]:
    """Return random LoRA weights under the tensor names of the published files."""
    weights = {}
    for block, layers in enumerate(transformer.transformer_blocks):
        for target in LORA_TARGETS:
            layer = layers.get_submodule(target)
            name = f"transformer_blocks.{block}.{target}"
            weights[f"{name}.lora_down.weight"] = torch.randn(rank, layer.in_features, generator=generator) * 0.1
            weights[f"{name}.lora_up.weight"] = torch.randn(layer.out_features, rank, generator=generator) * 0.1
            weights[f"{name}.alpha"] = torch.tensor(float(rank) / 2)
    return weights
