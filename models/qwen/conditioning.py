"""Words and pictures to what the transformer attends to: embeddings of the language model, latents of the VAE.

The language model's own processor asks for a video processor and so for torchvision; this worker sees no videos, so
the few lines that place the picture tokens stand here.
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
"""What the checkpoints were trained with; a test holds them against the stock pipelines'."""

SYSTEM_TOKENS = {EDIT_TEMPLATE: 64, TEXT_TEMPLATE: 34}
"""How many tokens before the user's words are dropped from the embeddings."""

PICTURE = "Picture {}: <|vision_start|>{}<|vision_end|>"
PAD = "<|image_pad|>"

SEEN_AREA = 384 * 384
"""Pixels at which the language model looks at a picture."""

MOST_TOKENS = 1024
"""Of a prompt, pictures not counted: the checkpoints' limit."""

READING = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""The language model's attention. cuDNN's makes a plan for each new number of tokens, and each word it says is one."""


def reading() -> list[SDPBackend]:
    """READING, without the fast kernel where that is not trusted."""
    return READING if torch.backends.cuda.flash_sdp_enabled() else READING[1:]  # type: ignore[no-untyped-call]


def cut(parts: Components, words: str, most: int = MOST_TOKENS) -> str:
    """`words`, or the first so many tokens of them."""
    tokens = parts.tokenizer(words)["input_ids"]
    return words if len(tokens) <= most else parts.tokenizer.decode(tokens[: max(0, most)]).rstrip("\ufffd")


def fitted(parts: Components, words: str, prompt: Callable[[str], str]) -> str:
    """`words`, or as many of them as leave the rest of the `prompt` that they stand in whole."""
    around = len(parts.tokenizer(prompt(""))["input_ids"])
    return cut(parts, words, MOST_TOKENS - around)


@torch.inference_mode()
def embed(parts: Components, prompt: str, pictures: Sequence[Pixels]) -> Tensor:
    """(1, tokens, width). The pictures are what the prompt calls Picture 1, Picture 2, ..."""
    template = EDIT_TEMPLATE if pictures else TEXT_TEMPLATE
    # Not the whole model: its head would score every token of the prompt.
    asked = inputs(parts, template, prompt, [_seen(picture) for picture in pictures])
    with sdpa_kernel(reading()):
        hidden = parts.text_encoder.model(**asked).last_hidden_state
    return hidden[:, SYSTEM_TOKENS[template] :].to(parts.device)  # spread over several cards, it is on the last


def inputs(parts: Components, template: str, prompt: str, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
    """What the language model reads and sees: the pictures, then the prompt, in the place that the template has."""
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
        # Without these transformers 5 gives the tokens of pictures the positions of text, and says nothing.
        "mm_token_type_ids": (tokens == parts.text_encoder.config.image_token_id).int(),
        **{name: value.to(parts.device) for name, value in seen.items()},
    }


@torch.inference_mode()
def encode(parts: Components, picture: Pixels) -> Tensor:
    """The normalized latents of a picture on the grid: (1, channels, 1, height / 8, width / 8)."""
    vae = parts.vae
    values = torch.from_numpy(np.ascontiguousarray(picture)).to(parts.device, torch.float32).permute(2, 0, 1)
    values = (values / 127.5 - 1).to(vae.dtype)[None, :, None]
    mean, deviation = _statistics(parts)
    # Not the VAE's own `encode` and `decode`: they keep the layers' inputs for a film's next frame.
    mode = vae.quant_conv(vae.encoder(values)).chunk(2, dim=1)[0]
    return (mode - mean) / deviation


@torch.inference_mode()
def decode(parts: Components, latents: Tensor) -> Tensor:
    """The picture of normalized latents: (height, width, 3), float32, 0 to 255; not finite where the model failed."""
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
    return Image.fromarray(resized(picture, near(picture.shape[1::-1], SEEN_AREA, 32)))


def near(size: Size, area: int, multiple: int) -> Size:
    """About `area` pixels in the shape of `size`, both sides multiples of `multiple`, as the stock pipeline counts."""
    width = math.sqrt(area * size[0] / size[1])
    return max(1, round(width / multiple)) * multiple, max(1, round(area / width / multiple)) * multiple


def _plain(words: str) -> str:
    """A caller's words cannot speak in the tokens of the template."""
    return words.replace("<|", "< |")
