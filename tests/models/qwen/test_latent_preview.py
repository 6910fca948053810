import time

import pytest
import torch

from imaging.picture import Pixels
from models import tiny
from models.engine import Control, PaintTask, Sampling
from models.qwen.engine import Qwen
from models.qwen.latent_preview import LatentPreviewer


def previews_shown(max_preview_share: float, jobs: int) -> list[int]:
    engine, counts = tiny.build_tiny(max_preview_share), []
    assert isinstance(engine, Qwen)
    for _ in range(jobs):
        seen: list[Pixels] = []
        task = PaintTask("a room", (), (320, 256), Sampling(1, "fast", 4, None, ""))
        engine.paint(task, Control(show=seen.append, previews=3))
        counts.append(len(seen))
    return counts


def test_only_the_first_look_is_taken_where_none_can_be_afforded() -> None:
    assert previews_shown(1e-6, 3) == [1, 0, 0]


def test_all_are_taken_where_time_is_no_matter() -> None:
    assert previews_shown(1e6, 2) == [3, 3]


def test_what_looks_cost_stays_within_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    seen: list[Pixels] = []

    def show(pixels: Pixels) -> None:
        now[0] += 0.3  # a preview costs as much as ten steps may
        seen.append(pixels)

    look = LatentPreviewer(0.1).start(tiny.components(), show)
    for step in range(1, 20):
        now[0] += 0.5
        look(torch.zeros(1, 16, 1, 8, 8), step, 20)
    assert len(seen) == 3  # one of ten seconds, in previews of 0.3
