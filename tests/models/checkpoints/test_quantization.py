import pytest
import torch
from torch import nn

from models import tiny
from models.checkpoints import quantization
from models.checkpoints.quantization import EightBitLinear, Format, multiplies_fp8, quantize
from models.qwen.forward import Forward


def apart(made: torch.Tensor, exact: torch.Tensor) -> float:
    """Return the error as a share of the exact values."""
    return float((made.float() - exact.float()).norm() / exact.float().norm())


WAYS = [("int8", False), ("fp8", False), ("fp8", True)]


@pytest.mark.parametrize(
    ("kind", "computes", "most"), [("int8", False, 0.012), ("fp8", False, 0.03), ("fp8", True, 0.045)]
)
@torch.inference_mode()
def test_a_layer_is_a_few_percent_off(kind: Format, computes: bool, most: float) -> None:
    layer, tokens = nn.Linear(256, 128, dtype=torch.bfloat16), torch.randn(1, 40, 256, dtype=torch.bfloat16)
    layer.weight *= torch.logspace(-3, 3, 128)[:, None]  # rows of all sizes, each with its own scale
    tokens[:, ::2] *= 1000
    made, exact = EightBitLinear(layer, kind, computes=computes)(tokens), layer(tokens)
    assert (made.dtype, made.shape) == (exact.dtype, exact.shape)
    assert all(0 < apart(made[0, :, row], exact[0, :, row]) < 2 * most for row in range(0, 128, 16))
    assert apart(made, exact) < most


@torch.inference_mode()
def test_nothing_is_nothing() -> None:
    layer = nn.Linear(32, 32, bias=False, dtype=torch.bfloat16)
    assert not EightBitLinear(layer, "fp8", computes=True)(torch.zeros(20, 32, dtype=torch.bfloat16)).any()


@torch.inference_mode()
def test_the_largest_values_of_any_size_stay_finite() -> None:
    layer = nn.Linear(32, 32, dtype=torch.bfloat16)
    tokens = torch.randn(4096, 32).to(torch.bfloat16) * torch.logspace(-8, 8, 4096)[:, None].to(torch.bfloat16)
    assert EightBitLinear(layer, "fp8", computes=True)(tokens).isfinite().all()


@pytest.mark.parametrize(("kind", "computes"), WAYS)
@torch.inference_mode()
def test_a_transformer_takes_half_the_memory_and_predicts_nearly_the_same(kind: Format, computes: bool) -> None:
    transformer = tiny.components().edit.transformer.to(torch.bfloat16)
    shapes, words = [(1, 8, 8), (1, 4, 4)], torch.randn(1, 20, tiny.WIDTH, dtype=torch.bfloat16)
    tokens, time = torch.randn(1, 80, 64, dtype=torch.bfloat16), torch.tensor([0.5], dtype=torch.bfloat16)
    exact = Forward(transformer, shapes, words)(tokens, time)
    before = size_of(transformer.transformer_blocks)
    for block in transformer.transformer_blocks:
        quantize(block, kind, computes=computes)
    assert size_of(transformer.transformer_blocks) < 0.6 * before
    assert 0 < apart(Forward(transformer, shapes, words)(tokens, time), exact) < 0.1


def test_a_gpu_without_fp8_products_by_row_widens_the_weights(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(_device: torch.device) -> None:
        raise RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED")

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (12, 0))
    monkeypatch.setattr(quantization, "_multiply_small", refused)
    assert not multiplies_fp8(torch.device("cuda", 7))
    assert "CUBLAS_STATUS_NOT_SUPPORTED" in caplog.text


def test_a_cpu_does_not_multiply_fp8() -> None:
    assert not multiplies_fp8(torch.device("cpu"))


def size_of(blocks: nn.Module) -> int:
    """Return the bytes of the blocks without their modulation, which is never in eight bits."""
    tensors = [*blocks.named_parameters(), *blocks.named_buffers()]
    return sum(tensor.nbytes for name, tensor in tensors if "_mod." not in name)
