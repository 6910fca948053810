"""Linear layers in eight bits: weights scaled row by row, tokens one by one where the card multiplies eight bits."""

import torch
from torch import Tensor, nn

LARGEST = 448.0
"""Of float8_e4m3fn."""

SIDE = 16
"""Of the blocks that the cards multiply: both sides of a weight are multiples of it."""

FEW = 16
"""Rows under which a multiplication in eight bits gains nothing."""

COMPUTES_FROM = (8, 9)
"""CUDA's capability of the first cards (Ada) that multiply eight bits."""


class Fp8Linear(nn.Module):
    """In place of a linear layer. `computes`: the multiplication itself is in eight bits, half the time of sixteen."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear, *, computes: bool) -> None:
        super().__init__()
        self._computes = computes
        weight, scale = _scaled(layer.weight.detach())
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        rows = tokens.reshape(-1, tokens.shape[-1])
        if not self._computes or len(rows) < FEW:
            weight = (self.weight.to(torch.float32) * self.scale).to(tokens.dtype)
            return nn.functional.linear(tokens, weight, self.bias)
        values, scale = _scaled(rows)
        made = torch._scaled_mm(values, self.weight.t(), scale, self.scale.t(), out_dtype=torch.bfloat16)
        if self.bias is not None:
            made = made + self.bias
        return made.to(tokens.dtype).reshape(*tokens.shape[:-1], -1)


def quantize(block: nn.Module, *, computes: bool) -> None:
    """A transformer block's linear layers, in place; what is small stays as it is."""
    for name, layer in list(block.named_modules()):
        if isinstance(layer, nn.Linear) and not (layer.in_features % SIDE or layer.out_features % SIDE):
            block.set_submodule(name, Fp8Linear(layer, computes=computes))


def _scaled(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (n, width) in eight bits, and their scales (n, 1) in float32."""
    scale = (rows.abs().amax(dim=-1, keepdim=True).float() / LARGEST).clamp(min=1e-12)
    return (rows.float() / scale).clamp(-LARGEST, LARGEST).to(torch.float8_e4m3fn), scale
