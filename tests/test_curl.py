"""The curl commands of users who come from other systems, sent by curl itself.

B is the Qwen Image Series Service, C the Qwen Image Edit API.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from schemas.openai import ReadyError
from testing.fakes import never
from testing.live import Live, mean_color, painted, serving
from testing.pictures import plain_room, red_vase

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
IS_JSON = ("-H", "Content-Type: application/json", "-d")
THREE = ("-F", "images=@a.png", "-F", "images=@b.png", "-F", "images=@c.png")
WANTED = ("-F", "prompt=turn it", "-F", "n=2", "-F", "seed=1")


@dataclass(frozen=True)
class Told:
    status: int
    body: Any

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [painted(each["b64_json"]).size for each in self.body["data"]]

    @property
    def colors(self) -> list[tuple[int, ...]]:
        return [mean_color(each["b64_json"]) for each in self.body["data"]]


Curl = Callable[..., Told]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the commands are typed."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, shade in (("a", 0), ("b", 100), ("c", 200)):
        Image.new("RGB", (64, 48), (shade, 0, 0)).save(folder / f"{name}.png")
    plain_room().save(folder / "room.png")
    red_vase().save(folder / "product.png")
    return folder


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def locked() -> Iterator[Live]:
    with serving(api_key="s3cret") as server:
        yield server


@pytest.fixture
def curl(live: Live, folder: Path) -> Curl:
    return lambda route, *arguments: sent(live, folder, route, *arguments)


def sent(live: Live, folder: Path, route: str, *arguments: str) -> Told:
    line = ["curl", "-sS", "--max-time", "30", "-w", "\n%{http_code}", live.url + route, *arguments]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    return Told(int(status), json.loads(body))


class TestGenerations:
    @pytest.mark.parametrize(
        ("body", "size"),
        [
            ({"prompt": "1,2,3"}, (1664, 928)),
            ({"prompt": "1,2,3", "width": 640, "height": 384}, (640, 384)),
            (
                {
                    "prompt": "1,2,3", "width": 320, "height": 256, "negative_prompt": "",
                    "num_inference_steps": 50, "true_cfg_scale": 4.0, "seed": 42,
                },
                (320, 256),
            ),
        ],
        ids=["minimal", "width and height", "all parameters"],
    )  # fmt: skip
    def test_b_generates(self, curl: Curl, body: dict[str, object], size: tuple[int, int]) -> None:
        made = curl(GENERATIONS, "-X", "POST", *IS_JSON, json.dumps(body))
        assert made.status == 200, made.body
        assert made.body["created"]
        assert made.sizes == [size]
        assert made.colors == [(1, 2, body.get("seed", made.body["data"][0]["seed"] % 256))]


class TestEdits:
    def test_b_edits_with_all_its_fields(self, curl: Curl) -> None:
        fields = ("negative_prompt= ", "num_inference_steps=50", "true_cfg_scale=4.0", "seed=42")
        made = curl(EDITS, "-F", "image=@a.png", "-F", "prompt=turn it", *(f"-F{field}" for field in fields))
        assert made.status == 200, made.body
        assert made.sizes == [(64, 48)]
        assert made.colors == [(255, 255, 42)]

    def test_c_edits_with_a_prompt_and_a_picture(self, curl: Curl) -> None:
        made = curl(EDITS, "-X", "POST", "-F", "prompt=turn it", "-F", "images=@a.png")
        assert made.status == 200, made.body
        assert made.sizes == [(64, 48)]

    @pytest.mark.parametrize("name", ["images", "images[]"])
    def test_c_gets_six_answers_for_three_pictures_and_two_variants(self, curl: Curl, name: str) -> None:
        made = curl(EDITS, *WANTED, *(text.replace("images", name) for text in THREE))
        assert made.status == 200, made.body
        red_and_seed = [(red, seed) for red, _, seed in made.colors]
        assert red_and_seed == [(255, 1), (255, 2), (155, 1), (155, 2), (55, 1), (55, 2)]
        usage = made.body["usage"]
        assert (usage["input_images"], usage["generated_images"]) == (3, 6)
        assert usage["processing_time_seconds"] > 0

    def test_numbered_pictures_come_in_the_order_of_their_numbers(self, curl: Curl) -> None:
        numbered = ("-F", "images[1]=@b.png", "-F", "images[2]=@c.png", "-F", "images[0]=@a.png")
        made = curl(EDITS, "-F", "prompt=turn it", *numbered)
        assert [red for red, _, _ in made.colors] == [255, 155, 55]

    def test_c_sends_its_full_list(self, curl: Curl) -> None:
        fields = (
            "prompt=turn it", "negative_prompt=blurry", "size=512x384", "n=1", "num_inference_steps=30",
            "guidance_scale=1.0", "true_cfg_scale=4.0", "output_type=pil", "max_sequence_length=512",
        )  # fmt: skip
        made = curl(EDITS, "-F", "images=@a.png", *(f"-F{field}" for field in fields))
        assert made.status == 200, made.body
        assert made.sizes == [(512, 384)]
        assert [warning.split()[0] for warning in made.body["warnings"]] == ["guidance_scale", "max_sequence_length"]

    @pytest.mark.parametrize(
        "point",
        [
            ["-F", "placement_coordinates=[80, 100]"],
            ["-F", "placement_coordinates[0]=80", "-F", "placement_coordinates[1]=100"],
        ],
        ids=["JSON", "flattened"],
    )
    def test_a_product_is_put_where_the_form_says(self, curl: Curl, point: list[str]) -> None:
        made = curl(EDITS, "-F", "image=@room.png", "-F", "image=@product.png", "-F", "prompt=a vase", *point)
        assert made.status == 200, made.body
        assert made.body["placement_info"]["coordinates"] == [80, 100]


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "code", "reason"),
        [
            (["-F", "images=@a.png"], "INVALID_INPUT", "Missing prompt"),
            (["-F", "prompt=turn it"], "INVALID_INPUT", "Missing image"),
            (["-F", "prompt=p", "-F", "images=@a.png", "-F", "n=11"], "INVALID_INPUT", "less than or equal to 10"),
            (["-F", "prompt=p", "-F", "images=@a.png", "-F", "output_type=pt"], "NOT_SUPPORTED", "tensors cannot"),
            (["-F", "prompt=p", "-F", "images=@a.png", "-F", "image=@b.png"], "INVALID_INPUT", "not both"),
            (["-F", "prompt=p", "-F", "images=no picture"], "INVALID_INPUT", "images"),
            ([*IS_JSON, "{'prompt': 'p'}"], "INVALID_INPUT", "it is not JSON"),
        ],
    )  # fmt: skip
    def test_c_reads_code_and_reason_in_detail(self, curl: Curl, arguments: list[str], code: str, reason: str) -> None:
        refused = curl(EDITS, *arguments)
        assert refused.status == 400
        assert refused.body["detail"]["error"] == code
        assert reason in refused.body["detail"]["message"]
        assert refused.body["error"]["message"] == refused.body["detail"]["message"]


class TestKeys:
    @pytest.mark.parametrize(
        ("key", "status"),
        [
            (["-u", "any:s3cret"], 200),
            (["-u", ":s3cret"], 200),
            (["-H", "Authorization: Bearer s3cret"], 200),
            (["-u", "s3cret:any"], 401),
            (["-u", "any:wrong"], 401),
            (["-H", "Authorization: Bearer wrong"], 401),
            ([], 401),
        ],
        ids=lambda given: " ".join(given) if isinstance(given, list) else None,
    )
    def test_c_shows_its_key(self, locked: Live, folder: Path, key: list[str], status: int) -> None:
        told = sent(locked, folder, EDITS, *key, "-F", "prompt=turn it", "-F", "images=@a.png")
        assert told.status == status
        assert told.body.get("detail", {}).get("error") == (None if status == 200 else "UNAUTHORIZED")


class TestProbes:
    def test_c_asks_whether_it_lives_and_whether_it_paints(self, locked: Live, folder: Path) -> None:
        lives, paints = (sent(locked, folder, route) for route in ("/health", "/ready"))
        assert (lives.status, lives.body["status"]) == (200, "healthy")
        assert lives.body.keys() == {"status", "timestamp", "version"}
        assert (paints.status, paints.body["status"], paints.body["model_loaded"]) == (200, "ready", True)
        assert paints.body["timestamp"]

    def test_a_model_that_loads_is_not_ready(self, folder: Path) -> None:
        with serving(never, ready_wait_seconds=0.1) as loading:
            told = sent(loading, folder, "/ready")
        assert (told.status, told.body["model_loaded"]) == (503, False)
        assert ReadyError.model_validate(told.body).detail.error == "MODEL_NOT_READY"
