from copy import deepcopy

import pytest
import torch
from diffusers import QwenImageTransformer2DModel
from torch import Tensor

from models import tiny
from models.checkpoints.modulation import NotTabulatedError, Tables, fixed_timesteps, rows_of, turn_to
from models.qwen.forward import Forward

CONFIG = tiny.components().edit.scheduler_config
SCHEDULES = tiny.PROFILE.schedules


@pytest.mark.parametrize("zero_cond_t", [True, False], ids=["2511", "2509"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@torch.inference_mode()
def test_the_tabulated_transformer_agrees_bit_for_bit_over_the_whole_schedule(
    dtype: torch.dtype, zero_cond_t: bool
) -> None:
    whole = _transformer(dtype, zero_cond_t)
    tabulated = deepcopy(whole)
    timesteps = fixed_timesteps(CONFIG, SCHEDULES["fast"])
    tabulate(tabulated, timesteps)
    for time in timesteps:
        assert torch.equal(_predicted(whole, time), _predicted(tabulated, time))


@torch.inference_mode()
def test_one_table_serves_two_schedules() -> None:
    whole = _transformer(torch.bfloat16)
    tabulated = deepcopy(whole)
    both = torch.cat([fixed_timesteps(CONFIG, SCHEDULES[quality]) for quality in ("fast", "balanced")])
    tabulate(tabulated, both)
    for time in both:
        assert torch.equal(_predicted(whole, time), _predicted(tabulated, time))


def test_the_weights_are_gone_and_the_table_has_the_size_reported() -> None:
    transformer = _transformer(torch.bfloat16)
    size = tabulate(transformer, fixed_timesteps(CONFIG, SCHEDULES["fast"]))
    names = [name for name, _ in transformer.named_parameters()]
    assert not [name for name in names if "img_mod" in name or "txt_mod" in name]
    assert size == sum(rows.nbytes for name, rows in transformer.named_buffers() if name.endswith("rows"))
    assert size == 4 * len(transformer.transformer_blocks) * (2 + 1) * 6 * tiny.WIDTH * 2


def test_a_timestep_outside_the_table_is_refused() -> None:
    transformer = _transformer(torch.bfloat16)
    tabulate(transformer, fixed_timesteps(CONFIG, SCHEDULES["fast"]))
    with pytest.raises(NotTabulatedError, match=r"0\.4.* is not among the 4 tabulated ones"):
        _predicted(transformer, torch.tensor(400.0))


def test_a_schedule_that_depends_on_the_size_of_the_picture_has_no_table() -> None:
    with pytest.raises(ValueError, match="depend on the size"):
        fixed_timesteps(CONFIG, SCHEDULES["best"])


def tabulate(transformer: QwenImageTransformer2DModel, timesteps: Tensor) -> int:
    tables = Tables(transformer, timesteps)
    return sum(tables.put(block) for block in transformer.transformer_blocks)


def _transformer(dtype: torch.dtype, zero_cond_t: bool = True) -> QwenImageTransformer2DModel:
    transformer = tiny.components().edit.transformer
    if not zero_cond_t:
        transformer = QwenImageTransformer2DModel.from_config(transformer.config, zero_cond_t=False).eval()
    return transformer.to(dtype)


def _predicted(transformer: QwenImageTransformer2DModel, time: Tensor) -> Tensor:
    """Return the prediction for a picture of 4 x 4 tokens with a reference of 2 x 2."""
    random = torch.Generator().manual_seed(0)
    dtype = transformer.dtype
    tokens = torch.randn(1, 20, 64, generator=random).to(dtype)
    words = torch.randn(1, 5, tiny.WIDTH, generator=random).to(dtype)
    turn_to(transformer, *rows_of(transformer, [time.item()]))
    return Forward(transformer, [(1, 4, 4), (1, 2, 2)], words)(tokens, time.expand(1).to(dtype) / 1000)
