"""Joint attention as in diffusers' QwenDoubleStreamAttnProcessor2_0, with real-valued rotary embeddings for compiled
blocks: inductor does not fuse complex numbers. Equal to diffusers' attention up to rounding."""

from typing import Any

import torch
from diffusers import QwenImageTransformer2DModel
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import Tensor


class RealRotaryAttention:
    """Attention processor of a block.

    All attributes exist on every instance from the start: compiled code is guarded on them, and one that appeared later
    would compile every block again.
    """

    def __init__(self, backend: str | None = None) -> None:
        self._attention_backend = backend
        self._parallel_config = None

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        encoder_hidden_states_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the picture's and the prompt's states. Masks are not supported: a batch holds one picture."""
        assert image_rotary_emb is not None
        assert encoder_hidden_states_mask is None
        assert attention_mask is None
        picture_angles, word_angles = image_rotary_emb
        picture = _heads(attn, hidden_states, (attn.to_q, attn.to_k, attn.to_v))
        words = _heads(attn, encoder_hidden_states, (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj))
        query, key = (
            torch.cat([rotated(word_norm(word), word_angles), rotated(norm(each), picture_angles)], dim=1)
            for word, each, word_norm, norm in (
                (words[0], picture[0], attn.norm_added_q, attn.norm_q),
                (words[1], picture[1], attn.norm_added_k, attn.norm_k),
            )
        )
        value = torch.cat([words[2], picture[2]], dim=1)
        joint = dispatch_attention_fn(query, key, value, backend=self._attention_backend, parallel_config=None)
        joint = joint.flatten(2, 3).to(query.dtype)
        count = encoder_hidden_states.shape[1]
        picture_states = attn.to_out[1](attn.to_out[0](joint[:, count:].contiguous()))
        return picture_states, attn.to_add_out(joint[:, :count].contiguous())


def _heads(attn: Any, states: Tensor, projections: tuple[Any, Any, Any]) -> list[Tensor]:
    """Return query, key and value, each of shape (1, tokens, heads, width of a head)."""
    width = attn.inner_dim // attn.heads
    return [projection(states).unflatten(-1, (-1, width)) for projection in projections]


def rotated(states: Tensor, angles: Tensor) -> Tensor:
    """Rotate pairs of channels. `states` is (1, tokens, heads, width); `angles` is (tokens, width / 2), complex, or
    (tokens, width / 2, 2) with cosine and sine."""
    if angles.is_complex():
        angles = torch.view_as_real(angles)
    cosine, sine = angles[:, None, :, 0], angles[:, None, :, 1]
    even, odd = states.float().reshape(*states.shape[:-1], -1, 2).unbind(-1)
    turned = torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1)
    return turned.flatten(-2).to(states.dtype)


def use_real_rotary(transformer: QwenImageTransformer2DModel) -> None:
    """Replace the processors of all blocks, keeping the selected attention backend."""
    for block in transformer.transformer_blocks:
        block.attn.set_processor(RealRotaryAttention(block.attn.processor._attention_backend))


def has_real_rotary(transformer: QwenImageTransformer2DModel) -> bool:
    """Return True if the blocks take rotary angles as real numbers."""
    return isinstance(transformer.transformer_blocks[0].attn.processor, RealRotaryAttention)
