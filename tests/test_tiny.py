"""The diffusion engine's own code with tiny random weights, through the front doors."""

import json

import numpy as np
import pytest

from models import tiny
from models.engine import ImageModel
from rp_handler import Door
from testing.live import events_of, painted, serving
from testing.pictures import as_base64, file_of, picture, pixels, plain_room
from testing.shop import answer, door, small_edit, small_generate


@pytest.fixture(scope="module")
def engine() -> ImageModel:
    return tiny.build_tiny()


@pytest.fixture(scope="module")
def worker(engine: ImageModel) -> Door:
    return door(lambda: engine)


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


@pytest.mark.parametrize("size", [(1021, 769), (1201, 401), (400, 1201)])
def test_the_answer_has_the_photos_size(worker: Door, size: tuple[int, int]) -> None:
    out = answer(worker, small_edit(room_image=as_base64(file_of(plain_room(*size))), fallback=False, seed=1))
    assert pixels(out["processed_image"]).shape == (size[1], size[0], 3)
    assert out["placement_info"]["checks"]["background_identical"] == 1.0


def test_it_is_shown_the_room_as_it_is_where_only_the_model_finds_the_place(worker: Door) -> None:
    job = small_edit(instructions="above the door", product_height_cm=40, product_scale=0.5, seed=1, fallback=False)
    said = " ".join(answer(worker, job | {"harmonize": 0})["warnings"])
    assert all(words in said for words in ("the model chose it", "product_scale has no effect", "harmonize has no"))


def test_the_resident_text_encoder_answers(worker: Door) -> None:
    """Random weights answer nonsense, so the photo's own layout decides."""
    job = small_edit(instructions="on the floor at the left", fallback=False, seed=3)
    info = answer(worker, job)["placement_info"]
    assert info["engine"] == "tiny"
    assert json.dumps(info["box"]) == json.dumps(answer(door(), job)["placement_info"]["box"])


def test_an_unfinished_job_shows_pictures(engine: ImageModel) -> None:
    with serving(lambda: engine) as live:
        job = small_edit(seed=4, placement_coordinates=[80, 100], product_scale=0.4, fallback=False)
        events = events_of(live, "edit", job)
    shown = [told for name, told in events if name == "partial_image"]
    assert len(shown) == 3
    assert {told["mime_type"] for told in shown} == {"image/jpeg"}
    pictures = [painted(told["image"]) for told in shown]
    assert all(abs(each.width / each.height - 160 / 120) < 0.02 for each in pictures)
    assert all(b"/compositeWithTrainedAlgorithmicMedia<" in each.info["xmp"] for each in pictures)


def test_partial_pictures_are_real_and_cost_the_picture_nothing(engine: ImageModel) -> None:
    asked = {"prompt": "a chair", "extra_body": {"width": 256, "height": 256, "seed": 7, "num_inference_steps": 4}}
    with serving(lambda: engine) as live, live.client() as client:
        plain = client.images.generate(**asked).data[0].b64_json
        with client.images.generate(**asked, stream=True, partial_images=3) as stream:
            *partial, completed = stream
    assert completed.b64_json == plain
    final = pixels(plain).astype(float)
    away = [np.abs(sized(event.b64_json, (256, 256)) - final).mean() for event in partial]
    assert len(away) == 3
    assert len({event.b64_json for event in partial}) == 3
    assert away[2] < away[0]


def sized(text: str, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(painted(text).convert("RGB").resize(size)).astype(float)
