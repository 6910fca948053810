"""Linear layers in eight bits: weights scaled row by row, tokens one by one where the card multiplies eight bits. Each
of its passes over the memory is one that sixteen bits do not need, so there are few."""

from typing import Literal

import torch
from torch import Tensor, nn

Format = Literal["fp8", "int8"]

DTYPES: dict[Format, torch.dtype] = {"fp8": torch.float8_e4m3fn, "int8": torch.int8}
LARGEST: dict[Format, float] = {"fp8": 448.0, "int8": 127.0}

SIDE = 16
"""Of the blocks that the cards multiply: both sides of a weight are multiples of it."""

FEW = 16
"""Rows under which a multiplication in eight bits gains nothing."""


class EightBitLinear(nn.Module):
    """In place of a linear layer. `computes`, for fp8: the multiplication itself is in eight bits, half the time of
    sixteen. Else the weights are widened for it: int8 is then the nearer one, and every card can."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear, kind: Format, *, computes: bool) -> None:
        super().__init__()
        self._computes = computes
        weight = layer.weight.detach().float()
        scale = (_largest(weight) / LARGEST[kind]).clamp(min=1e-12)
        values = weight / scale
        values = values.round() if kind == "int8" else values.clamp(-LARGEST[kind], LARGEST[kind])
        self.register_buffer("weight", values.to(DTYPES[kind]), persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        rows = tokens.reshape(-1, tokens.shape[-1])
        if not self._computes or len(rows) < FEW:
            weight = self.weight.to(tokens.dtype).mul_(self.scale.to(tokens.dtype))
            return nn.functional.linear(tokens, weight, self.bias)
        values, scale = _in_fp8(rows.to(torch.bfloat16))
        bias = None if self.bias is None else self.bias.to(torch.bfloat16)
        made = torch._scaled_mm(
            values, self.weight.t(), scale, self.scale.t(), bias, out_dtype=torch.bfloat16, use_fast_accum=True
        )
        return made.to(tokens.dtype).reshape(*tokens.shape[:-1], -1)


def quantize(block: nn.Module, kind: Format, *, computes: bool) -> None:
    """A transformer block's linear layers, in place; what is small stays as it is."""
    for name, layer in list(block.named_modules()):
        if isinstance(layer, nn.Linear) and not (layer.in_features % SIDE or layer.out_features % SIDE):
            block.set_submodule(name, EightBitLinear(layer, kind, computes=computes and kind == "fp8"))


def _largest(rows: Tensor) -> Tensor:
    """Of each row (n, width) the largest magnitude, (n, 1) in float32."""
    return torch.linalg.vector_norm(rows, float("inf"), dim=-1, keepdim=True, dtype=torch.float32)


def _in_fp8(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (n, width) of bfloat16 in fp8, and their scales (n, 1). The factor is one that bfloat16 has, so that the
    scale is its very inverse; what it puts over the largest value by rounding still rounds down to that."""
    factor = (LARGEST["fp8"] / _largest(rows).clamp(min=1e-6)).to(torch.bfloat16)
    return (rows * factor).to(torch.float8_e4m3fn), factor.float().reciprocal()
