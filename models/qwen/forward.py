"""The transformer's forward pass for one picture of a job, and nothing in it waits for the host: positions, which
tokens are references, and what becomes of the words are worked out once a job. Equal to diffusers' own to the bit."""

from collections.abc import Sequence
from math import prod
from typing import cast

import torch
from diffusers import QwenImageTransformer2DModel
from torch import Tensor

Shape = tuple[int, int, int]
"""Frames, rows and columns of tokens."""


class Forward:
    """Of the picture to paint and its references, `shapes` in this order, seen with `words` (1, tokens, width)."""

    def __init__(self, transformer: QwenImageTransformer2DModel, shapes: Sequence[Shape], words: Tensor) -> None:
        self._transformer = transformer
        self._shapes = [list(shapes)]
        self._words = words
        # Spread over several cards, the parts are led from card to card by the hook of the whole.
        self._is_spread = len(set((getattr(transformer, "hf_device_map", None) or {}).values())) > 1
        if not self._is_spread:
            self._words = transformer.txt_in(transformer.txt_norm(words))
            self._positions = transformer.pos_embed(self._shapes, max_txt_seq_len=words.shape[1], device=words.device)
            self._is_reference = None
            if transformer.config.zero_cond_t:
                self._is_reference = _is_reference(shapes, words.device)

    def __call__(self, tokens: Tensor, time: Tensor) -> Tensor:
        """`time` (1) is 1 to 0; of all tokens (1, tokens, channels) the predictions."""
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


def _is_reference(shapes: Sequence[Shape], device: torch.device) -> Tensor:
    """(1, tokens), 1 for those of references."""
    first, *others = (prod(shape) for shape in shapes)
    mask = torch.zeros(1, first + sum(others), dtype=torch.int, device=device)
    mask[:, first:] = 1
    return mask
