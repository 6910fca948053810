"""The diffusion engine's own code, on tiny random weights, through the SDK's runner."""

import numpy as np
import pytest

from models import tiny
from rp_handler import Door
from testing.pictures import picture, pixels, plain_room
from testing.shop import answer, door, small_edit, small_generate


@pytest.fixture(scope="module")
def worker() -> Door:
    return door(tiny.load)


@pytest.mark.parametrize(("quality", "steps", "guidance"), [("fast", 4, 1.0), ("balanced", 8, 1.0), ("best", 12, 4.0)])
def test_every_quality_is_its_own_schedule(worker: Door, quality: str, steps: int, guidance: float) -> None:
    out = answer(worker, small_edit(quality=quality, seed=1, fallback=False))
    info = out["placement_info"]
    assert (info["engine"], info["steps"], info["true_cfg_scale"]) == ("tiny", steps, guidance)
    assert picture(out["processed_image"]).size == (160, 120)
    assert info["checks"]["background_identical"] == 1.0
    assert "drift" in info["checks"]


def test_three_variants_are_three_pictures(worker: Door) -> None:
    out = answer(worker, small_generate(n=3, seed=5, num_inference_steps=1, fallback=False))
    assert out["generation_info"]["engine"] == "tiny"
    assert [variant["seed"] for variant in out["images"]] == [5, 6, 7]
    assert len({variant["image"] for variant in out["images"]}) == 3
    assert all(picture(variant["image"]).size == (320, 256) for variant in out["images"])


def test_the_same_seed_gives_the_same_pixels(worker: Door) -> None:
    first, second = (answer(worker, small_edit(seed=9, num_inference_steps=1)) for _ in range(2))
    assert first["processed_image"] == second["processed_image"]


def test_with_the_background_free_only_the_size_is_kept(worker: Door) -> None:
    job = small_edit(seed=9, num_inference_steps=1, preserve_background=False, fallback=False)
    made = pixels(answer(worker, job)["processed_image"])
    assert made.shape[:2] == (120, 160)
    assert (made != np.asarray(plain_room())).any(axis=2).mean() > 0.9


def test_health_says_what_it_serves(worker: Door) -> None:
    health = answer(worker, {"action": "health_check"})
    assert health["engine"] == "tiny"
    assert health["qualities"] == ["fast", "balanced", "best"]
    assert health["plan"]["weights"] == "random"
