"""The transformer's forward pass for one picture, without host synchronization.

Rotary positions, the reference mask and the projected prompt are computed once per picture. Equal to diffusers' forward
pass bit for bit.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, cast

import torch
from diffusers import QwenImageTransformer2DModel
from torch import Tensor

from models.qwen.attention import has_real_rotary

Shape = tuple[int, int, int]
"""Frames, rows and columns of tokens."""


class Forward:
    """The forward pass of a picture to paint and its references, whose `shapes` are given in this order, with the
    prompt embeddings `words` of shape (1, tokens, width)."""

    def __init__(self, transformer: QwenImageTransformer2DModel, shapes: Sequence[Shape], words: Tensor) -> None:
        self._transformer = transformer
        self._shapes = [list(shapes)]
        self._words = words
        # With DEVICE_MAP=balanced the hook of the whole transformer moves tensors from one GPU to the next.
        self._is_spread = len(set((getattr(transformer, "hf_device_map", None) or {}).values())) > 1
        if not self._is_spread:
            self._words = transformer.txt_in(transformer.txt_norm(words))
            positions = _rotary_angles(transformer.pos_embed, shapes, words.shape[1], words.device)
            is_real = has_real_rotary(transformer)
            self._positions = tuple(torch.view_as_real(each) for each in positions) if is_real else positions
            self._is_reference = None
            if transformer.config.zero_cond_t:
                self._is_reference = _is_reference(shapes, words.device)

    def __call__(self, tokens: Tensor, time: Tensor) -> Tensor:
        """Return the predictions of all tokens, (1, tokens, channels). `time`, of shape (1,), runs from 1 to 0."""
        if self._is_spread:
            return self._stock(tokens, time)
        transformer = self._transformer
        tokens, words = transformer.img_in(tokens), self._words
        time = time.to(tokens.dtype)
        if self._is_reference is not None:
            time = torch.cat([time, time * 0])  # references have no noise
        embedding = transformer.time_text_embed(time, tokens)
        for block in transformer.transformer_blocks:
            words, tokens = block(
                hidden_states=tokens,
                encoder_hidden_states=words,
                encoder_hidden_states_mask=None,
                temb=embedding,
                image_rotary_emb=self._positions,
                modulate_index=self._is_reference,
            )
        return cast(Tensor, transformer.proj_out(transformer.norm_out(tokens, embedding[:1])))

    def _stock(self, tokens: Tensor, time: Tensor) -> Tensor:
        return cast(
            Tensor,
            self._transformer(
                hidden_states=tokens,
                timestep=time,
                encoder_hidden_states=self._words,
                img_shapes=self._shapes,
                return_dict=False,
            )[0],
        )


def _rotary_angles(embedding: Any, shapes: Sequence[Shape], words: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the angles of the pictures and of the prompt as diffusers' embedding does, but without its cache, which
    keeps those of 128 shapes on the device: up to 268 MB, which no plan has room for."""
    compute = type(embedding)._compute_video_freqs.__wrapped__
    pictures = torch.cat([compute(embedding, *shape, index, device) for index, shape in enumerate(shapes)])
    first = max(max(rows // 2, columns // 2) for _, rows, columns in shapes)
    table, _ = embedding._get_device_freqs(device)
    return pictures, table[first : first + words]


def _is_reference(shapes: Sequence[Shape], device: torch.device) -> Tensor:
    """Return a mask of shape (1, tokens): 1 for tokens of references, 0 for the picture to paint."""
    first, *others = (prod(shape) for shape in shapes)
    mask = torch.zeros(1, first + sum(others), dtype=torch.int, device=device)
    mask[:, first:] = 1
    return mask
