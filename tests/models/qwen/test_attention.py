from typing import Any

import pytest
import torch

from models import tiny
from models.qwen.attention import rotated, use_real_rotary
from models.qwen.forward import Forward
from models.qwen.tuning import tune

SHAPES = [(1, 4, 6), (1, 2, 2), (1, 3, 2)]


def predicted(transformer: Any, dtype: torch.dtype) -> torch.Tensor:
    torch.manual_seed(0)
    tokens, words = torch.randn(1, 34, 64).to(dtype), torch.randn(1, 7, tiny.WIDTH).to(dtype)
    with torch.inference_mode():
        return Forward(transformer, SHAPES, words)(tokens, torch.tensor([0.5]).to(dtype)).float()


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.bfloat16, 2e-2), (torch.float32, 1e-5)], ids=str)
def test_real_rotary_embeddings_predict_the_same_up_to_rounding(dtype: torch.dtype, rounding: float) -> None:
    transformer = tiny.components().edit.transformer.to(dtype)
    stock = predicted(transformer, dtype)
    use_real_rotary(transformer)
    assert torch.allclose(predicted(transformer, dtype), stock, rtol=rounding, atol=rounding)


def test_complex_and_real_angles_turn_alike() -> None:
    states, angles = torch.randn(1, 5, 2, 8), torch.polar(torch.ones(5, 4), torch.randn(5, 4))
    assert torch.equal(rotated(states, angles), rotated(states, torch.view_as_real(angles)))


def test_compiled_blocks_hold_no_complex_number() -> None:
    """inductor does not fuse complex numbers."""
    kinds = set[torch.dtype]()

    def seen(graph: torch.fx.GraphModule, _inputs: Any) -> Any:
        values = (node.meta.get("example_value") for node in graph.graph.nodes)
        kinds.update(value.dtype for value in values if isinstance(value, torch.Tensor))
        return graph.forward

    torch.compiler.reset()
    transformer = tiny.components().edit.transformer
    tune(transformer, None, compiled=True, backend=seen)
    predicted(transformer, torch.float32)
    torch.compiler.reset()
    assert torch.float32 in kinds
    assert not any(kind.is_complex for kind in kinds)
