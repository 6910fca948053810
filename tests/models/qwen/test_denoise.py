"""The denoising loop against diffusers' own pipelines, on tiny components of the real classes."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, QwenImagePipeline
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus
from PIL import Image

from imaging.picture import Picture
from models import tiny
from models.checkpoints.components import Components
from models.checkpoints.profiles import Schedule
from models.engine import Control
from models.qwen import conditioning
from models.qwen.conditioning import embed
from models.qwen.denoise import DenoiseInputs, denoise
from testing.stock import stock_edit

SIZE = (160, 96)
ROOM = Picture(np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8))
TALL = Picture(np.random.default_rng(1).integers(0, 255, (128, 64, 3), np.uint8))


@pytest.fixture(scope="module")
def parts() -> Components:
    return tiny.components()


def with_positions(text_encoder: Any) -> Any:
    """Return the forward that the stock pipeline calls, given the positions of picture tokens."""
    forward = text_encoder.forward

    def told(*, input_ids: Any, **inputs: Any) -> Any:
        kinds = (input_ids == text_encoder.config.image_token_id).int()
        return forward(input_ids=input_ids, mm_token_type_ids=kinds, **inputs)

    return told


def as_stock(picture: Any) -> torch.Tensor:
    """Return a picture in the form in which the stock pipeline passes it to the VAE."""
    return torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)[None, :, None] * 2 - 1


def test_words_alone_are_painted_bit_for_bit_as_the_stock_pipeline_does(parts: Components) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(parts.edit.scheduler_config)
    stock = QwenImagePipeline(scheduler, parts.vae, parts.text_encoder, parts.tokenizer, parts.edit.transformer)
    stock.set_progress_bar_config(disable=True)
    theirs = stock(
        "a chair", negative_prompt=" ", true_cfg_scale=4.0, width=160, height=96, num_inference_steps=3,
        generator=torch.Generator().manual_seed(5), output_type="latent",
    ).images  # fmt: skip
    inputs = DenoiseInputs(SIZE, embed(parts, "a chair", []), embed(parts, " ", []), [], Schedule(3, 4.0), seed=5)
    ours = denoise(parts.edit.transformer, scheduler, inputs, Control())
    assert torch.equal(stock._unpack_latents(theirs, 96, 160, 8), ours)


def test_the_templates_are_those_of_the_stock_pipelines(parts: Components) -> None:
    stock = stock_edit(parts)
    assert stock.prompt_template_encode == conditioning.EDIT_TEMPLATE
    assert stock.prompt_template_encode_start_idx == conditioning.SYSTEM_TOKENS[conditioning.EDIT_TEMPLATE]


def test_embeddings_are_the_stock_ones_but_for_the_positions_of_pictures(parts: Components) -> None:
    seen = [conditioning._seen(ROOM.pixels)]
    theirs, _ = stock_edit(parts)._get_qwen_prompt_embeds("a chair", seen)
    ours = embed(parts, "a chair", [ROOM.pixels])
    assert theirs.shape == ours.shape
    assert not torch.allclose(theirs, ours, atol=1e-4), "transformers 5 has learnt the positions: drop our care"


def test_with_positions_put_right_an_edit_is_painted_bit_for_bit_as_the_stock_pipeline_does(
    parts: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock, shown = stock_edit(parts), [Image.fromarray(ROOM.pixels), Image.fromarray(TALL.pixels)]
    monkeypatch.setattr(parts.text_encoder, "forward", with_positions(parts.text_encoder))
    monkeypatch.setattr(pipeline_qwenimage_edit_plus, "VAE_IMAGE_SIZE", 160 * 96)
    monkeypatch.setattr(pipeline_qwenimage_edit_plus, "CONDITION_IMAGE_SIZE", 160 * 96)
    monkeypatch.setattr(conditioning, "SEEN_AREA", 160 * 96)
    theirs = stock(
        shown, "a chair", negative_prompt=" ", true_cfg_scale=4.0, width=160, height=96, num_inference_steps=3,
        generator=torch.Generator().manual_seed(5), output_type="latent",
    ).images  # fmt: skip
    pictures = [ROOM.pixels, np.asarray(shown[1].resize((96, 160), Image.Resampling.LANCZOS))]
    words, against = (embed(parts, prompt, pictures) for prompt in ("a chair", " "))
    references = [stock._encode_vae_image(as_stock(picture), None) for picture in pictures]
    inputs = DenoiseInputs(SIZE, words, against, references, Schedule(3, 4.0), seed=5)
    ours = denoise(parts.edit.transformer, stock.scheduler, inputs, Control())
    assert torch.equal(stock._unpack_latents(theirs, 96, 160, 8), ours)
