"""Loads a checkpoint in the published layout, with tiny weights on disk."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from bitsandbytes.nn.modules import Linear4bit
from diffusers.quantizers.bitsandbytes.bnb_quantizer import BnB4BitDiffusersQuantizer
from safetensors.torch import load_file, save_file

from models import tiny
from models.checkpoints import loading
from models.checkpoints.loading import load_components, source
from models.engine import Control, PaintTask, Sampling
from models.files.weights import CheckpointLocator
from models.qwen.engine import Qwen
from schemas.settings import SettingsError
from tests.models.checkpoints.loaded import PLAN, ROOM, loaded, painted

ROUNDING = 1
"""Levels by which a picture may differ when equal weights are aligned differently in memory."""


def test_what_was_saved_paints_what_was_made(models: Path) -> None:
    read, made = loaded(models), tiny.components()
    for part in ("text_encoder", "vae"):
        written = getattr(made, part).state_dict()
        for name, tensor in getattr(read, part).state_dict().items():
            kept = written[name] if tensor.ndim == written[name].ndim else written[name][:, :, -1]  # one frame, in 2-D
            assert torch.equal(tensor, kept), name
    apart = painted(read, quality="best").astype(int) - painted(made, quality="best")
    assert abs(apart).max() <= ROUNDING


def test_switched_and_fused_loras_paint_alike_and_switched_off_they_leave_nothing(models: Path) -> None:
    switchable = loaded(models)
    fused = loaded(models, replace(PLAN, loras="fused"))
    few = painted(switchable)
    assert abs(few.astype(int) - painted(fused)).mean() < 0.5
    assert (few != painted(switchable, quality="best")).any()
    assert (
        abs(painted(switchable, quality="best").astype(int) - painted(tiny.components(), quality="best")).max()
        <= ROUNDING
    )


def test_a_fused_and_tabulated_plan_serves_what_it_says(models: Path) -> None:
    parts = loaded(models, replace(PLAN, loras="fused", tabulated=True))
    engine = Qwen(parts)
    assert engine.qualities == ("fast",)
    task = PaintTask("a chair", (ROOM,), (160, 96), Sampling(seed=3, quality="best", steps=9))
    answer = engine.paint(task, Control())
    assert (answer.steps, answer.true_cfg_scale) == (4, 1.0)
    assert any("best" in warning for warning in answer.warnings)
    assert any("4 steps" in warning for warning in answer.warnings)
    plain = Qwen(loaded(models, replace(PLAN, loras="fused"))).paint(
        replace(task, sampling=Sampling(seed=3, steps=4)), Control()
    )
    assert (answer.pixels == plain.pixels).all()


@pytest.mark.parametrize(("eight", "most"), [("fp8", 12), ("int8", 4)])
def test_eight_bit_storage_paints_nearly_the_same(models: Path, eight: str, most: float) -> None:
    made = painted(loaded(models, replace(PLAN, loras="fused", transformer=eight, tabulated=True)), steps=4)
    plain = painted(loaded(models, replace(PLAN, loras="fused")), steps=4)
    assert 0 < abs(made.astype(int) - plain).mean() < most


def test_of_two_that_are_made_smaller_one_at_a_time_is_in_main_memory(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, order = replace(PLAN, loras="fused", tabulated=True), list[str]()
    for name in ("_filled", "fuse_and_shrink"):
        real = getattr(loading, name)
        monkeypatch.setattr(loading, name, lambda *told, name=name, real=real: [order.append(name), real(*told)][1])
    edit, text = (source(tiny.PROFILE, plan, "tiny/edit", CheckpointLocator(models, hub=False)) for _ in range(2))
    load_components(edit, plan, "cpu", torch.float32, text=text)
    assert order == ["_filled", "fuse_and_shrink"] * 2


def test_a_text_to_image_checkpoint_beside_it_shares_everything_else(models: Path) -> None:
    locator = CheckpointLocator(models, hub=False)
    edit, text = (source(tiny.PROFILE, PLAN, "tiny/edit", locator) for _ in range(2))
    parts = load_components(edit, PLAN, "cpu", torch.float32, text=text)
    assert parts.text is not None
    assert parts.text.transformer is not parts.edit.transformer
    words = PaintTask("a chair", (), (160, 96), Sampling(seed=3, steps=2))
    assert (Qwen(parts).paint(words, Control()).pixels == Qwen(loaded(models)).paint(words, Control()).pixels).all()


@pytest.mark.parametrize("transformer", ["bf16", "nf4"])
def test_four_bits_paint_nearly_the_same(models: Path, monkeypatch: pytest.MonkeyPatch, transformer: str) -> None:
    """bitsandbytes also has CPU code, but diffusers does not allow it, and on new CPUs it is wrong for layers this
    small."""
    monkeypatch.setattr(BnB4BitDiffusersQuantizer, "validate_environment", lambda *_, **__: None)
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: False)
    parts = loaded(models, replace(PLAN, transformer=transformer, text_encoder="nf4"), torch.bfloat16)
    assert isinstance(parts.text_encoder.model.language_model.layers[0].mlp.up_proj, Linear4bit)
    assert isinstance(parts.edit.transformer.transformer_blocks[0].img_mlp.net[2].base_layer, Linear4bit) == (
        transformer == "nf4"
    )
    plain = loaded(models, dtype=torch.bfloat16)
    for quality in ("fast", "best"):
        apart = abs(painted(parts, quality=quality, steps=2).astype(int) - painted(plain, quality=quality, steps=2))
        assert 0 < apart.mean() < 20


WEIGHTS = "diffusion_pytorch_model.safetensors"
Spoil = Callable[[Path], None]


def half(folder: Path, name: str) -> None:
    """Write a variant of the transformer's weights next to them."""
    save_file({key: value * 0.5 for key, value in load_file(folder / WEIGHTS).items()}, folder / name)


def apple_double(folder: Path) -> None:
    """Write the resource fork that macOS leaves next to a copied file."""
    (folder / f"._{WEIGHTS}").write_bytes(bytes.fromhex("0005160700020000") + bytes(200))


def cut(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["img_in.weight"] = tensors["img_in.weight"][:-1].clone()
    save_file(tensors, folder / WEIGHTS)


def without(file: str, word: str) -> Spoil:
    """Return a fault in which the first matrix whose name contains `word` is missing."""

    def spoil(folder: Path) -> None:
        tensors = load_file(folder / file)
        lost = next(name for name, value in tensors.items() if word in name and value.ndim > 1)
        save_file({name: value for name, value in tensors.items() if name != lost}, folder / file, {"format": "pt"})

    return spoil


def renamed(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    names = {f"text_model.{name}": value for name, value in tensors.items()}
    save_file(names, folder / "model.safetensors", {"format": "pt"})


@pytest.fixture
def spoiled(models: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder of models, to be damaged."""
    return Path(shutil.copytree(models, tmp_path / "models"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: half(folder, "old_backup.safetensors"),
        lambda folder: half(folder, "diffusion_pytorch_model.fp16.safetensors"),
        apple_double,
    ],
    ids=["a backup", "a variant", "a file of macOS"],
)
def test_only_the_files_with_the_standard_names_are_read(models: Path, spoiled: Path, spoil: Spoil) -> None:
    spoil(spoiled / "tiny" / "edit" / "transformer")
    expected = loaded(models).edit.transformer.state_dict()
    made = loaded(spoiled).edit.transformer.state_dict()
    assert all(torch.equal(made[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize(
    ("part", "spoil", "sentence"),
    [
        ("transformer", cut, r"transformer/diffusion_pytorch_model\.safetensors has img_in\.weight with shape"),
        ("transformer", without(WEIGHTS, "to_q"), r"transformer/ lack the tensor .*to_q\.weight"),
        ("text_encoder", without("model.safetensors", "layers.1"), r"text_encoder/ lack the tensor .*layers\.1\."),
        ("text_encoder", renamed, r"text_encoder/ lack the tensor"),
        ("vae", without(WEIGHTS, "decoder"), r"vae/ lack the tensor decoder\."),
    ],
    ids=["another shape", "a lost tensor", "a text encoder's lost tensor", "other names", "a VAE's lost tensor"],
)
def test_weights_that_do_not_fit_end_the_start_in_a_sentence_with_their_tensor(
    spoiled: Path, part: str, spoil: Spoil, sentence: str
) -> None:
    spoil(spoiled / "tiny" / "edit" / part)
    with pytest.raises(SettingsError, match=sentence):
        loaded(spoiled)


def test_health_says_which_files_were_loaded(models: Path) -> None:
    [identity] = loaded(models).plan["weights"]
    assert (identity["repository"], identity["revision"]) == ("tiny/edit", "local")
    assert len(identity["index"]) == 16
