from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention_dispatch import attention_backend
from torch.nn.attention import SDPBackend

from imaging.picture import Picture
from models import tiny
from models.checkpoints.modulation import Tables, fixed_timesteps, rows_of, turn_to
from models.engine import Control, PaintTask, Sampling
from models.qwen.conditioning import text_attention
from models.qwen.engine import Qwen
from models.qwen.forward import Forward
from models.qwen.tuning import plain_attention, prefer_flash_attention, tune
from schemas.settings import SettingsError

ROOM = Picture(np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8))
FAST = Sampling(seed=3, steps=4, true_cfg_scale=1.0)
TASKS = [
    PaintTask("a chair", (), (96, 96), FAST),
    PaintTask("a chair by the window", (ROOM,), (160, 96), FAST),
    PaintTask("a table", (ROOM, ROOM), (128, 160), FAST),
]


@pytest.fixture(autouse=True)
def own_compiler() -> Iterator[None]:
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    with attention_backend():  # the transformer's choice also applies to the process
        yield
    torch.compiler.reset()


def test_compiling_without_a_compiler_is_refused_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SettingsError, match="COMPILE: there is no C compiler"):
        tune(tiny.components().edit.transformer, None, compiled=True)


def test_one_compilation_serves_pictures_and_words_of_every_size() -> None:
    """Traced completely, but without the code generation, which takes half a minute."""
    parts, plain = tiny.components(), Qwen(tiny.components())
    expected = [plain.paint(task, Control()).pixels for task in TASKS]
    tune(parts.edit.transformer, None, compiled=True, backend="eager")
    made = [Qwen(parts).paint(task, Control()).pixels for task in TASKS]
    for one, other in zip(made, expected, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 2


def test_pictures_painted_again_on_plain_kernels_compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new version would count towards the compiler's limit, after which every job fails."""
    parts = tiny.components()
    tune(parts.edit.transformer, None, compiled=True, backend="eager")
    engine, blank = Qwen(parts, cache_bytes=0), list[bool]()
    once = engine._once

    def sometimes_blank(*arguments: Any) -> torch.Tensor:
        picture = once(*arguments)
        return picture * float("nan") if blank and blank.pop() else picture

    monkeypatch.setattr(engine, "_once", sometimes_blank)
    for task in TASKS:
        engine.paint(task, Control())
    compiled = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    for task in TASKS:
        blank.append(True)
        engine.paint(task, Control())
        engine.paint(task, Control())
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == compiled


@pytest.mark.parametrize(("capability", "is_changed"), [((8, 9), False), ((9, 0), True), ((12, 0), True)])
def test_flash_attention_is_the_default_where_torch_prefers_cudnn(
    capability: tuple[int, int], *, is_changed: bool
) -> None:
    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        assert prefer_flash_attention(capability) == is_changed
        assert torch.backends.cuda.cudnn_sdp_enabled() == (before and not is_changed)
        assert torch.backends.cuda.flash_sdp_enabled()
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


def test_plain_attention_is_plain_whatever_was_chosen() -> None:
    transformer = tiny.components().edit.transformer
    tune(transformer, "_native_math", compiled=False)

    def chosen() -> set[str]:
        return {block.attn.processor._attention_backend for block in transformer.transformer_blocks}

    before = chosen()
    with plain_attention(transformer):
        assert chosen() == {"native"}
        assert not torch.backends.cuda.flash_sdp_enabled()
        assert not torch.backends.cuda.cudnn_sdp_enabled()
        assert SDPBackend.FLASH_ATTENTION not in text_attention(), "nor does the language model use it"
    assert chosen() == before == {"_native_math"}


@torch.inference_mode()
def test_and_every_row_of_the_tables() -> None:
    transformer = tiny.components().edit.transformer
    timesteps = fixed_timesteps(tiny.components().edit.scheduler_config, tiny.PROFILE.schedules["fast"])
    tables = Tables(transformer, timesteps)
    for block in transformer.transformer_blocks:
        tables.put(block)
    tokens, words = torch.randn(1, 20, 64), torch.randn(1, 5, tiny.WIDTH)

    def predicted() -> list[torch.Tensor]:
        made = []
        for row, time in zip(rows_of(transformer, timesteps.tolist()), timesteps, strict=True):
            turn_to(transformer, row)
            made.append(Forward(transformer, [(1, 4, 4), (1, 2, 2)], words)(tokens, time.expand(1) / 1000))
        return made

    plain = predicted()
    tune(transformer, None, compiled=True, backend="eager")
    for one, other in zip(predicted(), plain, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 2


def test_another_attention_differs_by_rounding_alone() -> None:
    parts = tiny.components()
    tune(parts.edit.transformer, "_native_math", compiled=False)
    made, plain = (Qwen(each).paint(TASKS[1], Control()).pixels for each in (parts, tiny.components()))
    assert np.abs(made.astype(int) - plain).max() <= 2


@pytest.mark.parametrize("name", ["magic", "flash"])
def test_an_attention_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"ATTENTION: {name} cannot be used here"):
        tune(tiny.components().edit.transformer, name, compiled=False)


def test_the_warm_up_paints_with_and_without_references() -> None:
    Qwen(tiny.components()).warm_up()
