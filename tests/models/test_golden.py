"""Pictures that the tiny engine painted when they were last inspected, so that no optimization changes them unnoticed.

Renew them on purpose with `python -m tests.models.test_golden`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imaging.picture import Picture, Pixels
from models import tiny
from models.engine import Control, PaintTask, Sampling
from models.qwen.engine import Qwen

FOLDER = Path(__file__).parent / "golden"
OTHER_CARD = 2
"""Levels that another processor's rounding may change."""

ROOM = Picture(np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8))
TASKS = {
    "words": PaintTask("a chair", (), (96, 96), Sampling(seed=3, quality="fast")),
    "room": PaintTask("a chair by the window", (ROOM,), (160, 96), Sampling(seed=3, quality="fast")),
    "guided": PaintTask("a table", (ROOM,), (96, 128), Sampling(seed=4, quality="best", negative_prompt="blur")),
}


def painted(name: str) -> Pixels:
    return tiny.build_tiny().paint(TASKS[name], Control()).pixels


@pytest.mark.parametrize("name", TASKS)
def test_it_paints_what_it_painted(name: str) -> None:
    golden = np.asarray(Image.open(FOLDER / f"{name}.png")).astype(int)
    assert np.abs(painted(name) - golden).max() <= OTHER_CARD


def test_caches_change_no_bit() -> None:
    """test_modulation.py and test_forward.py cover tables and the forward pass."""
    engine, forgetful = tiny.build_tiny(), Qwen(tiny.components(), cache_bytes=0)
    first, again = (engine.paint(TASKS["room"], Control()).pixels for _ in range(2))
    assert (first == again).all()
    task = replace(TASKS["room"], sampling=Sampling(seed=3, steps=2, true_cfg_scale=1.0))
    assert (Qwen(tiny.components()).paint(task, Control()).pixels == forgetful.paint(task, Control()).pixels).all()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in TASKS:
        Image.fromarray(painted(name)).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
