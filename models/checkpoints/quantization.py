"""Linear layers in eight bits: weights with one scale per row and, if the GPU multiplies fp8, tokens with one scale
each.

Quantizing the tokens is memory traffic that sixteen bits do not need, so it takes few passes.
"""

import logging
from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn

from models.checkpoints.plan import ADA

log = logging.getLogger(__name__)

Format = Literal["fp8", "int8"]

DTYPES: dict[Format, torch.dtype] = {"fp8": torch.float8_e4m3fn, "int8": torch.int8}
LARGEST: dict[Format, float] = {"fp8": 448.0, "int8": 127.0}

SIDE = 16
"""Both sides of a weight must be multiples of it for the fp8 product of the GPU."""

MIN_ROWS = 16
"""Number of tokens below which an eight-bit product gains nothing."""


class EightBitLinear(nn.Module):
    """Replaces a linear layer.

    With `computes` the product itself is in fp8, in half the time of bf16. Otherwise the weights are widened for the
    product, for which int8 is more exact and works on every GPU.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear, kind: Format, *, computes: bool) -> None:
        super().__init__()
        weight = layer.weight.detach().float()
        scale = (_largest(weight) / LARGEST[kind]).clamp(min=1e-12)
        values = weight / scale
        values = values.round() if kind == "int8" else values.clamp(-LARGEST[kind], LARGEST[kind])
        self._hold(values.to(DTYPES[kind]), scale, None if layer.bias is None else layer.bias.detach(), computes)

    @classmethod
    def stored(cls, weight: Tensor, scale: Tensor, bias: Tensor | None, *, computes: bool) -> "EightBitLinear":
        """Return a layer with the given fp8 weights, with scales of shape (rows, 1)."""
        layer = cls.__new__(cls)
        nn.Module.__init__(layer)
        layer._hold(weight, scale, bias, computes)
        return layer

    def _hold(self, weight: Tensor, scale: Tensor, bias: Tensor | None, computes: bool) -> None:
        self._computes = computes
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        rows = tokens.reshape(-1, tokens.shape[-1])
        if not self._computes or len(rows) < MIN_ROWS:
            weight = self.weight.to(tokens.dtype).mul_(self.scale.to(tokens.dtype))
            return nn.functional.linear(tokens, weight, self.bias)
        values, scale = _in_fp8(rows.to(torch.bfloat16))
        bias = None if self.bias is None else self.bias.to(torch.bfloat16)
        made = torch._scaled_mm(
            values, self.weight.t(), scale, self.scale.t(), bias, out_dtype=torch.bfloat16, use_fast_accum=True
        )
        return made.to(tokens.dtype).reshape(*tokens.shape[:-1], -1)


def quantize(block: nn.Module, kind: Format, *, computes: bool) -> None:
    """Quantize the linear layers of a transformer block in place, except small ones and the modulation, whose single
    row would be widened at every step."""
    for name, layer in list(block.named_modules()):
        if is_quantizable(name, layer):
            block.set_submodule(name, EightBitLinear(layer, kind, computes=computes and kind == "fp8"))


def is_quantizable(name: str, layer: nn.Module) -> bool:
    """Return True for the linear layers of a block that eight bits replace."""
    if not isinstance(layer, nn.Linear) or name.startswith(("img_mod", "txt_mod")):
        return False
    return layer.in_features % SIDE == 0 and layer.out_features % SIDE == 0


@cache
def multiplies_fp8(device: torch.device) -> bool:
    """Return True if the GPU and its libraries multiply fp8 with one scale per row.

    It is tried once on a small product, because cuBLAS does not support it on every architecture with fp8.
    """
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < ADA:
        return False
    try:
        _multiply_small(device)
    except torch.AcceleratorError:
        raise
    except RuntimeError as problem:
        reason = str(problem).partition("\n")[0]
        log.warning("fp8 products with one scale per row do not work here; weights are widened instead: %s", reason)
        return False
    return True


def _multiply_small(device: torch.device) -> None:
    layer = EightBitLinear(nn.Linear(SIDE, SIDE, device=device, dtype=torch.bfloat16), "fp8", computes=True)
    layer(torch.ones(MIN_ROWS, SIDE, device=device, dtype=torch.bfloat16))
    torch.cuda.synchronize(device)


def _largest(rows: Tensor) -> Tensor:
    """Return the largest magnitude of each row as float32 of shape (n, 1)."""
    return torch.linalg.vector_norm(rows, float("inf"), dim=-1, keepdim=True, dtype=torch.float32)


def _in_fp8(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows (n, width) of bfloat16 as fp8 with their scales (n, 1). The factor is rounded to bfloat16 so that the
    scale is its exact inverse; values that this puts above the fp8 range still round down to its largest value."""
    factor = (LARGEST["fp8"] / _largest(rows).clamp(min=1e-6)).to(torch.bfloat16)
    return (rows * factor).to(torch.float8_e4m3fn), factor.float().reciprocal()
