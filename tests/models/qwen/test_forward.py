from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, QwenImageTransformer2DModel
from torch.utils._python_dispatch import TorchDispatchMode

from models import tiny
from models.checkpoints.modulation import Tables, fixed_timesteps
from models.checkpoints.profiles import Schedule
from models.engine import Control, Progress
from models.qwen.denoise import DenoiseInputs, denoise
from models.qwen.forward import Forward

SHAPES = [(1, 4, 6), (1, 2, 2), (1, 3, 2)]
WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "lift_fresh", "masked_select", "unique")
"""Operations that wait for the device, or copy a new host value to it."""


@pytest.mark.parametrize("zero_cond_t", [True, False], ids=["2511", "2509"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@torch.inference_mode()
def test_it_agrees_with_the_stock_forward_pass_bit_for_bit(dtype: torch.dtype, zero_cond_t: bool) -> None:
    stock = tiny.components().edit.transformer
    if not zero_cond_t:
        stock = QwenImageTransformer2DModel.from_config(stock.config, zero_cond_t=False).eval()
    stock = stock.to(dtype)
    tokens, words = torch.randn(1, 34, 64).to(dtype), torch.randn(1, 7, tiny.WIDTH).to(dtype)
    for time in (1.0, 0.44, 0.02):
        told = torch.tensor([time]).to(dtype)
        expected = stock(tokens, words, timestep=told, img_shapes=[SHAPES], return_dict=False)[0]
        assert torch.equal(Forward(stock, SHAPES, words)(tokens, told), expected)


@torch.inference_mode()
def test_a_map_of_a_single_card_is_no_spread() -> None:
    """accelerate also leaves a map where a library quantizes on the way to the GPU."""
    transformer = tiny.components().edit.transformer
    transformer.hf_device_map = {"": "cpu"}
    assert not Forward(transformer, SHAPES, torch.randn(1, 7, tiny.WIDTH))._is_spread
    transformer.hf_device_map = {"transformer_blocks.0": 0, "transformer_blocks.1": 1}
    assert Forward(transformer, SHAPES, torch.randn(1, 7, tiny.WIDTH))._is_spread


class Waits(TorchDispatchMode):
    """Records operations that wait for the device while it is enabled."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []
        self.notes = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().removeprefix("aten::")
        if self.notes and name.split(".")[0] in WAITING:
            self.noted.append(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def watched() -> Iterator[Waits]:
    with Waits() as waits:
        yield waits


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("tabulated", [False, True])
def test_nothing_in_the_loop_waits_for_the_host(tabulated: bool, guided: bool) -> None:
    parts = tiny.components()
    schedule = Schedule(4, true_cfg_scale=3.0 if guided else 1.0)
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(parts.edit.scheduler_config, **schedule.scheduler)
    if tabulated:
        times = fixed_timesteps(parts.edit.scheduler_config, tiny.PROFILE.schedules["fast"])
        tables = Tables(parts.edit.transformer, times)
        for block in parts.edit.transformer.transformer_blocks:
            tables.put(block)
        scheduler = FlowMatchEulerDiscreteScheduler.from_config(
            parts.edit.scheduler_config, **tiny.PROFILE.schedules["fast"].scheduler
        )
    words = torch.randn(1, 5, tiny.WIDTH)
    against = torch.randn(1, 3, tiny.WIDTH) if guided else None
    inputs = DenoiseInputs((64, 64), words, against, [torch.randn(1, 16, 1, 4, 4)], schedule, seed=1)
    with watched() as waits:

        def report(progress: Progress) -> None:
            waits.notes = progress.step > 0  # from the second step on

        denoise(parts.edit.transformer, scheduler, inputs, Control(report))
    assert waits.notes
    assert waits.noted == []
