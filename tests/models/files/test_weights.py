"""Locates and verifies a checkpoint in the published layout."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from models import tiny
from models.checkpoints.loading import source
from models.files import weights
from models.files.weights import CheckpointLocator
from schemas.settings import SettingsError
from tests.models.checkpoints.loaded import PLAN


@pytest.fixture
def checkpoint(models: Path, tmp_path: Path) -> Path:
    """Return a copy to be damaged."""
    return Path(shutil.copytree(models / "tiny" / "edit", tmp_path / "edit"))


STANDARD = "diffusion_pytorch_model.safetensors"


def with_index(checkpoint: Path, weight_map: dict[str, str]) -> None:
    index = checkpoint / "transformer" / f"{STANDARD}.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))


class TestFinding:
    def test_a_path_wins(self, models: Path) -> None:
        assert CheckpointLocator(hub=False).folder(str(models / "tiny" / "edit")) == models / "tiny" / "edit"

    def test_a_folder_of_models_is_searched_by_id_and_by_name(self, models: Path) -> None:
        assert CheckpointLocator(models, hub=False).folder("tiny/edit") == models / "tiny" / "edit"
        assert CheckpointLocator(models / "tiny", hub=False).folder("somebody/edit") == models / "tiny" / "edit"

    def test_the_platforms_store_has_lower_cased_ids_and_its_main_snapshot_wins(
        self, models: Path, tmp_path: Path
    ) -> None:
        store = tmp_path / "models--qwen--qwen-image-edit-2511"
        for snapshot in ("aaa", "bbb"):
            shutil.copytree(models / "tiny" / "edit", store / "snapshots" / snapshot)
        locator = CheckpointLocator(platform_cache=tmp_path, hub=False)
        assert locator.folder("Qwen/Qwen-Image-Edit-2511").name == "aaa"
        (store / "refs").mkdir()
        (store / "refs" / "main").write_text("bbb")
        assert locator.folder("Qwen/Qwen-Image-Edit-2511").name == "bbb"
        assert locator.folder("Qwen/Qwen-Image-Edit-2511@aaa").name == "aaa", "a pinned revision wins over main"
        with pytest.raises(SettingsError, match="@ccc is not on this machine"):
            locator.folder("Qwen/Qwen-Image-Edit-2511@ccc")

    def test_the_hubs_cache_is_read_offline(
        self, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from huggingface_hub import constants

        snapshot = tmp_path / "models--Qwen--Qwen-Image-Edit-2511" / "snapshots" / ("0" * 40)
        shutil.copytree(models / "tiny" / "edit", snapshot)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        assert CheckpointLocator(hub=False).folder("Qwen/Qwen-Image-Edit-2511") == snapshot
        assert weights.identity("Qwen/Qwen-Image-Edit-2511", snapshot)["revision"] == "0" * 40

    def test_a_snapshot_that_is_not_whole_is_no_checkpoint(self, models: Path, tmp_path: Path) -> None:
        snapshot = shutil.copytree(models / "tiny" / "edit", tmp_path / "models--tiny--edit" / "snapshots" / "aaa")
        (snapshot / "vae" / "diffusion_pytorch_model.safetensors").unlink()
        with pytest.raises(SettingsError, match=r"not complete .* vae/diffusion_pytorch_model\.safetensors is missing"):
            CheckpointLocator(platform_cache=tmp_path, hub=False).folder("tiny/edit")

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
        with_index(checkpoint, {"img_in.weight": "a.safetensors", "img_in.bias": "b.safetensors"})
        (checkpoint / "transformer" / STANDARD).rename(checkpoint / "transformer" / "a.safetensors")
        with pytest.raises(SettingsError, match=r"transformer/b\.safetensors is missing"):
            weights.check(checkpoint, "QwenImageEditPlusPipeline")

    def test_a_tensor_that_its_shard_lacks_is_named(self, checkpoint: Path) -> None:
        with_index(checkpoint, {"img_in.weight": "a.safetensors", "other.bias": "a.safetensors"})
        (checkpoint / "transformer" / STANDARD).rename(checkpoint / "transformer" / "a.safetensors")
        with pytest.raises(SettingsError, match=r"transformer/a\.safetensors lacks the tensor other\.bias"):
            weights.check(checkpoint, "QwenImageEditPlusPipeline")

    @pytest.mark.parametrize("index", [{}, [], {"weight_map": []}, {"weight_map": {"a": "../b.safetensors"}}])
    def test_a_malformed_index_is_named(self, checkpoint: Path, index: Any) -> None:
        (checkpoint / "transformer" / STANDARD).rename(checkpoint / "transformer" / "a.safetensors")
        (checkpoint / "transformer" / f"{STANDARD}.index.json").write_text(json.dumps(index))
        with pytest.raises(
            SettingsError, match=r"transformer/diffusion_pytorch_model\.safetensors\.index\.json is damaged"
        ):
            weights.check(checkpoint, "QwenImageEditPlusPipeline")

    def test_an_index_beside_a_single_file_is_refused(self, checkpoint: Path) -> None:
        with_index(checkpoint, {"img_in.weight": STANDARD})
        with pytest.raises(SettingsError, match="remove one of them"):
            weights.check(checkpoint, "QwenImageEditPlusPipeline")

    @pytest.mark.parametrize("keep", [0, 5, 1000, -10])
    def test_a_truncated_shard_is_named(self, checkpoint: Path, keep: int) -> None:
        shard = checkpoint / "text_encoder" / "model.safetensors"
        shard.write_bytes(shard.read_bytes()[:keep])
        with pytest.raises(SettingsError, match=r"text_encoder/model\.safetensors is damaged"):
            weights.check(checkpoint, "QwenImageEditPlusPipeline")

    @pytest.mark.parametrize(
        "file",
        [
            "model_index.json",
            "scheduler/scheduler_config.json",
            "tokenizer/tokenizer_config.json",
            "vae/config.json",
            "transformer/config.json",
            "text_encoder/config.json",
            "processor/preprocessor_config.json",
        ],
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
