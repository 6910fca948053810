"""Weights are downloaded and verified before a GPU waits for them."""

import os
import subprocess
import sys
from pathlib import Path

from models import tiny
from models.checkpoints.profiles import PROFILES

ROOT = Path(__file__).parents[3]
PROFILE = PROFILES["qwen-image-edit-2511"]
LORAS = {schedule.lora for schedule in PROFILE.schedules.values() if schedule.lora}


def download(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"QWEN_MODEL_DIR": str(folder), "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "models.files.download"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_what_is_there_is_named_and_nothing_is_fetched(tmp_path: Path) -> None:
    tiny.save(tmp_path / PROFILE.repo)
    for lora in LORAS:
        tiny.save_lora(tmp_path / lora.repo / lora.file, seed=1)
    done = download(tmp_path)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / PROFILE.repo) in done.stdout
    assert all(lora.file in done.stdout for lora in LORAS)


def test_what_cannot_be_had_ends_it_with_one_sentence(tmp_path: Path) -> None:
    done = download(tmp_path)
    assert done.returncode == 1
    assert PROFILE.repo in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
