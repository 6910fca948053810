"""Loads the tiny checkpoint from its files and paints with it: shared by the tests of this folder."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from imaging.picture import Picture
from models import tiny
from models.checkpoints.components import Components
from models.checkpoints.loading import load_components, source
from models.checkpoints.plan import Plan
from models.engine import Control, PaintTask, Sampling
from models.files.weights import CheckpointLocator
from models.qwen.engine import Qwen

ROOM = Picture(np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8))
PLAN = Plan("tiny", "bf16", "bf16", False, "switchable", "cuda", 0, 0)


def loaded(models: Path, plan: Plan = PLAN, dtype: torch.dtype = torch.float32) -> Components:
    """Return the components of the checkpoint in a folder of models, on the CPU."""
    locator = CheckpointLocator(models, hub=False)
    return load_components(source(tiny.PROFILE, plan, "tiny/edit", locator), plan, "cpu", dtype)


def painted(parts: Components, **sampling: Any) -> Any:
    """Return the pixels of a small edit."""
    task = PaintTask("a chair", (ROOM,), (160, 96), Sampling(**({"seed": 3, "steps": 1} | sampling)))
    return Qwen(parts).paint(task, Control()).pixels
