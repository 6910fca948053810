"""Finding, proving and loading a checkpoint in the published layout, with tiny weights on disk."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bitsandbytes.nn.modules import Linear4bit
from diffusers.quantizers.bitsandbytes.bnb_quantizer import BnB4BitDiffusersQuantizer
from safetensors.torch import load_file, save_file

from imaging.picture import Picture
from models import tiny
from models.checkpoints import loading, lora, weights
from models.checkpoints.components import Components
from models.checkpoints.loading import load, source
from models.checkpoints.plan import Plan
from models.checkpoints.weights import CheckpointLocator
from models.engine import Control, PaintTask, Sampling
from models.qwen.engine import Qwen
from schemas.settings import SettingsError

ROOM = Picture(np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8))
PLAN = Plan("tiny", "bf16", "bf16", False, "switchable", "cuda", 0, 0)


@pytest.fixture
def checkpoint(models: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(models / "tiny" / "edit", tmp_path / "edit"))


def loaded(models: Path, plan: Plan = PLAN, dtype: torch.dtype = torch.float32) -> Components:
    shelf = CheckpointLocator(models, hub=False)
    return load(source(tiny.PROFILE, plan, "tiny/edit", shelf), plan, "cpu", dtype)


def painted(parts: Components, **sampling: Any) -> Any:
    task = PaintTask("a chair", (ROOM,), (160, 96), Sampling(**({"seed": 3, "steps": 1} | sampling)))
    return Qwen(parts).paint(task, Control()).pixels


class TestFinding:
    def test_a_path_wins(self, models: Path) -> None:
        assert CheckpointLocator(hub=False).folder(str(models / "tiny" / "edit")) == models / "tiny" / "edit"

    def test_a_folder_of_models_is_searched_by_id_and_by_name(self, models: Path) -> None:
        assert CheckpointLocator(models, hub=False).folder("tiny/edit") == models / "tiny" / "edit"
        assert CheckpointLocator(models / "tiny", hub=False).folder("somebody/edit") == models / "tiny" / "edit"

    def test_the_platforms_store_has_lower_cased_ids_and_its_main_snapshot_wins(self, tmp_path: Path) -> None:
        store = tmp_path / "models--qwen--qwen-image-edit-2511"
        for snapshot in ("aaa", "bbb"):
            (store / "snapshots" / snapshot).mkdir(parents=True)
            (store / "snapshots" / snapshot / "model_index.json").write_text("{}")
        shelf = CheckpointLocator(platform_cache=tmp_path, hub=False)
        assert shelf.folder("Qwen/Qwen-Image-Edit-2511").name == "aaa"
        (store / "refs").mkdir()
        (store / "refs" / "main").write_text("bbb")
        assert shelf.folder("Qwen/Qwen-Image-Edit-2511").name == "bbb"

    def test_the_hubs_cache_is_read_offline(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from huggingface_hub import constants

        snapshot = tmp_path / "models--Qwen--Qwen-Image-Edit-2511" / "snapshots" / ("0" * 40)
        snapshot.mkdir(parents=True)
        (snapshot / "model_index.json").write_text("{}")
        refs = snapshot.parent.parent / "refs"
        refs.mkdir()
        (refs / "main").write_text("0" * 40)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        assert CheckpointLocator(hub=False).folder("Qwen/Qwen-Image-Edit-2511") == snapshot

    @pytest.mark.parametrize("location", ["tiny/other", "/no/such/folder", "not an id at all"])
    def test_what_is_nowhere_ends_the_start_in_one_sentence(self, models: Path, location: str) -> None:
        with pytest.raises(SettingsError) as problem:
            CheckpointLocator(models, hub=False).folder(location)
        assert location in str(problem.value)

    def test_a_lora_is_found_like_a_checkpoint_and_never_missing_in_silence(self, models: Path) -> None:
        few = tiny.LORAS[4]
        assert CheckpointLocator(models, hub=False).file(few.repo, few.file).is_file()
        assert CheckpointLocator(models / few.repo, hub=False).file("other/repo", few.file).is_file()
        with pytest.raises(SettingsError, match=r"missing\.safetensors"):
            CheckpointLocator(models, hub=False).file(few.repo, "missing.safetensors")

    def test_loras_of_ones_own_go_with_a_model_of_the_platforms(self, models: Path, tmp_path: Path) -> None:
        snapshot = tmp_path / "cache" / "models--tiny--edit" / "snapshots" / "aaa"
        shutil.copytree(models / "tiny" / "edit", snapshot)
        for few in tiny.LORAS.values():
            shutil.copytree(models / few.repo, tmp_path / "own" / few.repo, dirs_exist_ok=True)
        found = source(
            tiny.PROFILE, PLAN, "Tiny/Edit", CheckpointLocator(tmp_path / "own", tmp_path / "cache", hub=False)
        )
        assert found.folder == snapshot
        assert all(file.is_relative_to(tmp_path / "own") for file in found.loras.values())
        assert found.loras.keys() == {few.name for few in tiny.LORAS.values()}


class TestProving:
    def test_a_whole_checkpoint_passes(self, checkpoint: Path) -> None:
        weights.check(checkpoint, "QwenImageEditPlusPipeline")

    def test_a_missing_shard_is_named(self, checkpoint: Path) -> None:
        names = {
            "a": "diffusion_pytorch_model-00001-of-00002.safetensors",
            "b": "diffusion_pytorch_model-00002-of-00002.safetensors",
        }
        whole = checkpoint / "transformer" / "diffusion_pytorch_model.safetensors"
        whole.rename(checkpoint / "transformer" / names["a"])
        index = checkpoint / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": names}))
        with pytest.raises(
            SettingsError, match=r"transformer/diffusion_pytorch_model-00002-of-00002\.safetensors is missing"
        ):
            weights.check(checkpoint, "QwenImageEditPlusPipeline")

    @pytest.mark.parametrize("keep", [0, 5, 1000, -10])
    def test_a_truncated_shard_is_named(self, checkpoint: Path, keep: int) -> None:
        shard = checkpoint / "text_encoder" / "model.safetensors"
        shard.write_bytes(shard.read_bytes()[:keep])
        with pytest.raises(SettingsError, match=r"text_encoder/model\.safetensors is damaged"):
            weights.check(checkpoint, "QwenImageEditPlusPipeline")

    @pytest.mark.parametrize(
        "file", ["model_index.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"]
    )
    def test_a_missing_or_damaged_configuration_is_named(self, checkpoint: Path, file: str) -> None:
        (checkpoint / file).write_text("{")
        with pytest.raises(SettingsError, match="damaged"):
            weights.check(checkpoint, "QwenImageEditPlusPipeline")
        (checkpoint / file).unlink()
        with pytest.raises(SettingsError, match=f"{Path(file).name} is missing"):
            weights.check(checkpoint, "QwenImageEditPlusPipeline")

    def test_a_checkpoint_of_another_pipeline_is_refused(self, checkpoint: Path) -> None:
        with pytest.raises(SettingsError, match=r"QwenImageEditPlusPipeline.*QwenImagePipeline"):
            weights.check(checkpoint, "QwenImagePipeline")


class TestLoading:
    def test_what_was_saved_paints_what_was_made(self, models: Path) -> None:
        assert (painted(loaded(models), quality="best") == painted(tiny.components(), quality="best")).all()

    def test_switched_and_fused_loras_paint_alike_and_switched_off_they_leave_nothing(self, models: Path) -> None:
        switchable = loaded(models)
        fused = loaded(models, replace(PLAN, loras="fused"))
        few = painted(switchable)
        assert abs(few.astype(int) - painted(fused)).mean() < 0.5
        assert (few != painted(switchable, quality="best")).any()
        assert (painted(switchable, quality="best") == painted(tiny.components(), quality="best")).all()

    def test_a_fused_and_tabulated_plan_serves_what_it_says(self, models: Path) -> None:
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
    def test_eight_bit_storage_paints_nearly_the_same(self, models: Path, eight: str, most: float) -> None:
        made = painted(loaded(models, replace(PLAN, loras="fused", transformer=eight, tabulated=True)), steps=4)
        plain = painted(loaded(models, replace(PLAN, loras="fused")), steps=4)
        assert 0 < abs(made.astype(int) - plain).mean() < most

    def test_of_two_that_are_made_smaller_one_at_a_time_is_in_main_memory(
        self, models: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan, order = replace(PLAN, loras="fused", tabulated=True), list[str]()
        for name in ("_filled", "settled"):
            real = getattr(loading, name)
            monkeypatch.setattr(loading, name, lambda *told, name=name, real=real: [order.append(name), real(*told)][1])
        edit, text = (source(tiny.PROFILE, plan, "tiny/edit", CheckpointLocator(models, hub=False)) for _ in range(2))
        load(edit, plan, "cpu", torch.float32, text=text)
        assert order == ["_filled", "settled"] * 2

    def test_a_text_to_image_checkpoint_beside_it_shares_everything_else(self, models: Path) -> None:
        shelf = CheckpointLocator(models, hub=False)
        edit, text = (source(tiny.PROFILE, PLAN, "tiny/edit", shelf) for _ in range(2))
        parts = load(edit, PLAN, "cpu", torch.float32, text=text)
        assert parts.text is not None
        assert parts.text.transformer is not parts.edit.transformer
        words = PaintTask("a chair", (), (160, 96), Sampling(seed=3, steps=2))
        assert (Qwen(parts).paint(words, Control()).pixels == Qwen(loaded(models)).paint(words, Control()).pixels).all()

    @pytest.mark.parametrize("transformer", ["bf16", "nf4"])
    def test_four_bits_paint_nearly_the_same(
        self, models: Path, monkeypatch: pytest.MonkeyPatch, transformer: str
    ) -> None:
        """bitsandbytes has code for CPUs too, which diffusers does not let it use, and which is wrong for layers this
        small where the CPU is new."""
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

    def test_a_lora_that_matches_nothing_is_refused(self, tmp_path: Path) -> None:
        other = {"transformer_blocks.9.attn.to_q.lora_down.weight": torch.zeros(4, 64)}
        other["transformer_blocks.9.attn.to_q.lora_up.weight"] = torch.zeros(64, 4)
        other["transformer_blocks.9.attn.to_q.alpha"] = torch.tensor(4.0)
        save_file(other, tmp_path / "other.safetensors")
        with pytest.raises(SettingsError, match=r"other\.safetensors"):
            lora.add(tiny.components().edit.transformer, tmp_path / "other.safetensors", "other")

    def test_a_lora_of_another_size_is_refused(self, models: Path, tmp_path: Path) -> None:
        few = tiny.LORAS[4]
        wide = {
            name: torch.cat([value, value], -1) if "down" in name else value
            for name, value in load_file(models / few.repo / few.file).items()
        }
        save_file(wide, tmp_path / "wide.safetensors")
        with pytest.raises(SettingsError, match=r"wide\.safetensors"):
            lora.add(tiny.components().edit.transformer, tmp_path / "wide.safetensors", "wide")
