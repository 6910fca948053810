from pathlib import Path

import pytest
import torch

from models import tiny


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Seed torch, so that a test with random weights fails always or never."""
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of models: the tiny checkpoint and its LoRAs under their full ids."""
    folder = tmp_path_factory.mktemp("models")
    tiny.save(folder / "tiny" / "edit")
    for steps, few in tiny.LORAS.items():
        tiny.save_lora(folder / few.repo / few.file, seed=steps)
    return folder
