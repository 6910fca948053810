"""Encodes prompts and pictures for the transformer: embeddings of the language model and latents of the VAE.

The language model's processor requires a video processor and therefore torchvision, so the few lines that insert the
image tokens are here.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from imaging.picture import Pixels, Size
from imaging.resize import resized
from models.checkpoints.components import Components

EDIT_TEMPLATE = (
    "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture, objects, "
    "background), then explain how the user's text instruction should alter or modify the image. Generate a new image "
    "that meets the user's requirements while maintaining consistency with the original input where appropriate."
    "<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
TEXT_TEMPLATE = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, spatial "
    "relationships of the objects and background:<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
"""The templates of the stock pipelines, with which the checkpoints were trained; a test compares them."""

SYSTEM_TOKENS = {EDIT_TEMPLATE: 64, TEXT_TEMPLATE: 34}
"""Tokens of the system prompt, which are dropped from the embeddings."""

PICTURE = "Picture {}: <|vision_start|>{}<|vision_end|>"
PAD = "<|image_pad|>"

SEEN_AREA = 384 * 384
"""Number of pixels at which the language model sees a picture."""

MAX_PROMPT_TOKENS = 1024
"""Limit of the checkpoints for a prompt without its pictures."""

TEXT_ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Attention kernels of the language model. cuDNN's is excluded: it builds a plan for each new number of tokens."""


def text_attention() -> list[SDPBackend]:
    """Return TEXT_ATTENTION, without flash attention if it was turned off."""
    return TEXT_ATTENTION if torch.backends.cuda.flash_sdp_enabled() else TEXT_ATTENTION[1:]  # type: ignore[no-untyped-call]


def truncated(parts: Components, words: str, limit: int = MAX_PROMPT_TOKENS) -> str:
    """Return `words`, cut after `limit` tokens."""
    tokens = parts.tokenizer(words)["input_ids"]
    return words if len(tokens) <= limit else parts.tokenizer.decode(tokens[: max(0, limit)]).rstrip("\ufffd")


def truncated_to_fit(parts: Components, words: str, prompt: Callable[[str], str]) -> str:
    """Return `words`, cut so that `prompt(words)` stays within the limit and keeps its other text."""
    around = len(parts.tokenizer(prompt(""))["input_ids"])
    return truncated(parts, words, MAX_PROMPT_TOKENS - around)


@torch.inference_mode()
def embed(parts: Components, prompt: str, pictures: Sequence[Pixels]) -> Tensor:
    """Return the embeddings of a prompt, (1, tokens, width). It refers to the pictures as Picture 1, Picture 2, ..."""
    template = EDIT_TEMPLATE if pictures else TEXT_TEMPLATE
    # The inner model: the language head would score every token of the prompt.
    encoded = inputs(parts, template, prompt, [_seen(picture) for picture in pictures])
    with sdpa_kernel(text_attention()):
        hidden = parts.text_encoder.model(**encoded).last_hidden_state
    return hidden[:, SYSTEM_TOKENS[template] :].to(parts.device)  # on the last GPU with DEVICE_MAP=balanced


def inputs(parts: Components, template: str, prompt: str, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
    """Return the keyword arguments of the language model: the pictures and the prompt, inserted into `template`."""
    seen = dict(parts.image_processor(list(pictures), return_tensors="pt")) if pictures else {}
    merged = parts.image_processor.merge_size**2
    pads = [PAD * (int(grid.prod()) // merged) for grid in seen.get("image_grid_thw", [])]
    labels = "".join(PICTURE.format(number, pad) for number, pad in enumerate(pads, 1))
    tokens = parts.tokenizer(template.format(labels + _plain(prompt)), return_tensors="pt")["input_ids"].to(
        parts.device
    )
    return {
        "input_ids": tokens,
        "attention_mask": torch.ones_like(tokens),
        # Without these, transformers 5 silently gives image tokens the positions of text.
        "mm_token_type_ids": (tokens == parts.text_encoder.config.image_token_id).int(),
        **{name: value.to(parts.device) for name, value in seen.items()},
    }


@torch.inference_mode()
def encode(parts: Components, picture: Pixels) -> Tensor:
    """Return the normalized latents of a picture whose sides are multiples of 16, (1, channels, 1, height / 8,
    width / 8)."""
    vae = parts.vae
    values = torch.from_numpy(np.array(picture)).to(parts.device, torch.float32).permute(2, 0, 1)
    values = (values / 127.5 - 1).to(vae.dtype)[None, :, None]
    mean, deviation = _statistics(parts)
    # The VAE's `encode` and `decode` would keep the inputs of each layer for the next frame of a video.
    mode = vae.quant_conv(vae.encoder(values)).chunk(2, dim=1)[0]
    return (mode - mean) / deviation


@torch.inference_mode()
def decode(parts: Components, latents: Tensor) -> Tensor:
    """Return the picture of normalized latents as float32 of shape (height, width, 3), 0 to 255. Its values are not
    finite if the model failed."""
    mean, deviation = _statistics(parts)
    vae = parts.vae
    values = vae.decoder(vae.post_quant_conv(latents.to(vae.dtype) * deviation + mean))[0, :, 0].clamp(-1, 1)
    return (values.float() * 127.5 + 127.5).permute(1, 2, 0)


def _statistics(parts: Components) -> tuple[Tensor, Tensor]:
    config = parts.vae.config
    mean, deviation = (
        torch.tensor(values, device=parts.device, dtype=parts.vae.dtype).view(1, -1, 1, 1, 1)
        for values in (config.latents_mean, config.latents_std)
    )
    return mean, deviation


def _seen(picture: Pixels) -> Image.Image:
    return Image.fromarray(resized(picture, size_near(picture.shape[1::-1], SEEN_AREA, 32)))


def size_near(size: Size, area: int, multiple: int) -> Size:
    """Return a size of about `area` pixels with the aspect ratio of `size` and sides that are multiples of `multiple`,
    rounded as the stock pipeline does."""
    width = math.sqrt(area * size[0] / size[1])
    return max(1, round(width / multiple)) * multiple, max(1, round(area / width / multiple)) * multiple


def _plain(words: str) -> str:
    """Return `words` without the special tokens of the template."""
    return words.replace("<|", "< |")
