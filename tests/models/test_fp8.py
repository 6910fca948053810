import pytest
import torch
from torch import nn

from models import tiny
from models.forward import Forward
from models.fp8 import Fp8Linear, quantize


def apart(made: torch.Tensor, exact: torch.Tensor) -> float:
    """As a share of the exact."""
    return float((made.float() - exact.float()).norm() / exact.float().norm())


@pytest.mark.parametrize(("computes", "most"), [(False, 0.03), (True, 0.045)])
@torch.inference_mode()
def test_a_layer_is_a_few_percent_off(computes: bool, most: float) -> None:
    layer, tokens = nn.Linear(256, 128, dtype=torch.bfloat16), torch.randn(1, 40, 256, dtype=torch.bfloat16)
    layer.weight *= torch.logspace(-3, 3, 128)[:, None]  # rows of all sizes, of each its own scale
    tokens[:, ::2] *= 1000
    made, exact = Fp8Linear(layer, computes=computes)(tokens), layer(tokens)
    assert (made.dtype, made.shape) == (exact.dtype, exact.shape)
    assert all(0 < apart(made[0, :, row], exact[0, :, row]) < 2 * most for row in range(0, 128, 16))
    assert apart(made, exact) < most


@torch.inference_mode()
def test_nothing_is_nothing() -> None:
    layer = nn.Linear(32, 32, bias=False, dtype=torch.bfloat16)
    assert not Fp8Linear(layer, computes=True)(torch.zeros(20, 32, dtype=torch.bfloat16)).any()


@pytest.mark.parametrize("computes", [False, True])
@torch.inference_mode()
def test_a_transformer_takes_half_the_memory_and_predicts_nearly_the_same(computes: bool) -> None:
    transformer = tiny.components().edit.transformer.to(torch.bfloat16)
    shapes, words = [(1, 8, 8), (1, 4, 4)], torch.randn(1, 20, tiny.WIDTH, dtype=torch.bfloat16)
    tokens, time = torch.randn(1, 80, 64, dtype=torch.bfloat16), torch.tensor([0.5], dtype=torch.bfloat16)
    exact = Forward(transformer, shapes, words)(tokens, time)
    before = size_of(transformer.transformer_blocks)
    for block in transformer.transformer_blocks:
        quantize(block, computes=computes)
    assert size_of(transformer.transformer_blocks) < 0.6 * before
    assert 0 < apart(Forward(transformer, shapes, words)(tokens, time), exact) < 0.1


def size_of(module: nn.Module) -> int:
    return sum(each.nbytes for each in [*module.parameters(), *module.buffers()])
