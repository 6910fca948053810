"""The files that RunPod reads: .runpod/hub.json and .runpod/tests.json, and the settings behind its load balancer."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from models.checkpoints.plan import GB, LORA_PARAMETERS, Card, make_plan
from models.checkpoints.profiles import PROFILES, profile_of
from models.checkpoints.sizes import sizes
from schemas.jobs import ACTIONS
from schemas.settings import Settings
from testing.rehearsal import ROOT, platform, worker
from tests.deploy.names import KNOWN, SETTINGS
from tests.deploy.pools import OTHERS, POOLS

HUB: dict[str, Any] = json.loads((ROOT / ".runpod" / "hub.json").read_text())
TESTS: dict[str, Any] = json.loads((ROOT / ".runpod" / "tests.json").read_text())
CONFIG = HUB["config"]
INPUTS = {entry["key"]: entry["input"] for entry in CONFIG["env"] if "input" in entry}
DEFAULTS = {entry["key"]: entry.get("value", entry.get("input", {}).get("default")) for entry in CONFIG["env"]}
EDIT = PROFILES["qwen-image-edit-2511"]

SYSTEM_BYTES = 6.2 * GB
"""The base image, a compiler, and requirements.lock, which took 5.5 GB when installed."""

SECONDS_OF_A_JOB = 10
"""More than four steps take on a 24 GB GPU, by count: 815 TFLOP at 121 TFLOP/s, the L4's bf16 rate, and the rest."""

FREE_SHARE = 0.15
"""Share of the disk that stays free: the SDK ends a worker whose disk is 90 % full."""


def settings_with(**values: Any) -> Settings:
    return Settings(_env_file=None, **{name.lower(): value for name, value in values.items()})


def test_the_hub_finds_all_files_it_asks_for() -> None:
    for name in ("handler.py", "Dockerfile", "README.md"):
        assert (ROOT / name).is_file()
    assert (HUB["type"], HUB["category"], CONFIG["runsOn"]) == ("serverless", "image", "GPU")


def test_every_variable_exists() -> None:
    for entry in [*CONFIG["env"], *TESTS["config"]["env"]]:
        assert entry["key"] in KNOWN


def test_only_the_hubs_own_keys_are_used() -> None:
    """https://docs.runpod.io/hub/publishing-guide"""
    assert HUB.keys() <= {"title", "description", "type", "category", "iconUrl", "config"}
    assert CONFIG.keys() <= {
        "runsOn",
        "containerDiskInGb",
        "gpuCount",
        "gpuIds",
        "allowedCudaVersions",
        "env",
        "presets",
    }
    for asked in INPUTS.values():
        assert asked["type"] in {"string", "number", "boolean", "huggingface"}
        assert asked.keys() <= {
            *("name", "type", "description", "default", "required", "advanced", "options", "min", "max"),
        }
    assert urlsplit(HUB["iconUrl"]).scheme == "https"


@pytest.mark.parametrize("key", INPUTS)
def test_an_input_says_what_the_setting_says_and_takes_what_it_takes(key: str) -> None:
    asked, field = INPUTS[key], Settings.model_fields[key.lower()]
    assert asked["description"] == field.description
    if asked["type"] == "huggingface":
        return
    assert asked["default"] == ("" if field.default in (None, ()) else field.default)
    values = [option["value"] for option in asked.get("options", [])]
    assert asked["default"] in values or not values
    for value in [*values, *(asked[end] for end in ("min", "max") if end in asked)]:
        assert getattr(settings_with(**{key: value}), key.lower()) == value


def test_the_model_is_the_default_one_and_another_selects_its_profile() -> None:
    [key] = [key for key, asked in INPUTS.items() if asked["type"] == "huggingface"]
    assert INPUTS[key]["default"] == EDIT.repo
    assert profile_of(settings_with(**DEFAULTS)) == EDIT
    assert profile_of(settings_with(**{key: "qwen/qwen-image-edit-2509"})).name == "qwen-image-edit-2509"


def cards_of(preset: dict[str, Any]) -> set[Card]:
    """Return the cards that a preset names, with the memory it tells."""
    least, names = re.findall(r"^(\d+) GB.*\((.*)\)", preset["name"])[0]
    cards = {card for card in (*POOLS.values(), *OTHERS.values()) if card.name in names.split(", ")}
    assert {card.name for card in cards} == set(names.split(", "))
    assert all(card.memory >= 0.94 * int(least) * 10**9 for card in cards)
    return cards


@pytest.mark.parametrize("preset", CONFIG["presets"], ids=lambda preset: preset["name"])
def test_a_preset_fits_every_card_that_it_names(preset: dict[str, Any]) -> None:
    assert preset["defaults"].keys() <= SETTINGS & INPUTS.keys()
    settings = settings_with(**preset["defaults"])
    told = preset["name"].rpartition("): ")[2]
    for card in cards_of(preset):
        plan = make_plan(EDIT, card, settings.precision, qualities=settings.qualities)
        assert ("best" in plan.qualities) == ("every quality" in told)
        assert plan.transformer == next((word for word in ("fp8", "int8") if word in told), "bf16")
        assert (plan.transformer == "bf16") == ("exact" in told)


def test_every_documented_pool_that_fits_has_a_preset() -> None:
    named = {card.name for preset in CONFIG["presets"] for card in cards_of(preset)}
    assert {card.name for pool, card in POOLS.items() if not pool.startswith("BLACKWELL")} <= named


def test_no_two_presets_for_a_card_are_the_same() -> None:
    presets = [(card, json.dumps(preset["defaults"])) for preset in CONFIG["presets"] for card in cards_of(preset)]
    assert len({*presets}) == len(presets)


def test_what_is_deployed_without_a_choice_fits_every_pool_it_may_get() -> None:
    pools = CONFIG["gpuIds"].split(",")
    precision = settings_with(**DEFAULTS).precision
    assert all("best" in make_plan(EDIT, POOLS[pool], precision).qualities for pool in pools)


def test_the_disk_holds_the_image_and_a_model_that_no_endpoint_cached() -> None:
    parts = sizes()
    checkpoint = 2 * (parts.transformer + parts.text_encoder + parts.vae)
    loras = 2 * 2 * LORA_PARAMETERS
    taken = SYSTEM_BYTES + loras + checkpoint + loras  # another profile's LoRAs are not in the image
    assert CONFIG["containerDiskInGb"] * GB >= taken / (1 - FREE_SHARE)


def test_only_hosts_whose_driver_knows_torchs_cuda_are_allowed() -> None:
    [cuda] = re.findall(
        r"^cuda-toolkit(?:\[.*\])?==(\d+)\.(\d+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    for versions in (CONFIG["allowedCudaVersions"], TESTS["config"]["allowedCudaVersions"]):
        allowed = [tuple(map(int, version.split("."))) for version in versions]
        assert min(allowed) == tuple(map(int, cuda))
        assert {major for major, _ in allowed} == {int(cuda[0])}


def test_load_balanced_requests_stay_inside_the_platforms_limits() -> None:
    """https://docs.runpod.io/serverless/load-balancing/overview: 5.5 minutes a request, 30 MB each way."""
    told = json.loads((ROOT / "deploy" / "load_balancer.json").read_text())
    assert told.keys() <= KNOWN
    settings = settings_with(**told)
    waiting = settings.queue_limit * SECONDS_OF_A_JOB
    assert waiting + settings.job_timeout_seconds < 5.5 * 60
    assert max(settings.max_request_mb, settings.max_response_mb or 0) <= 30
    assert f"--ports {settings.port}/http" in (ROOT / "docs" / "runpod.md").read_text()


class TestJobs:
    def test_the_cheapest_comes_first_and_every_action_is_tried(self) -> None:
        assert [test["input"]["action"] for test in TESTS["tests"]] == ["health_check", "edit", "generate"]

    @pytest.mark.parametrize("test", TESTS["tests"], ids=lambda test: test["name"])
    def test_each_is_a_valid_job_with_time_for_a_cold_start(self, test: dict[str, Any]) -> None:
        job = test["input"]
        ACTIONS[job["action"]].model_validate(job)
        assert test["timeout"] >= 1000 * int(DEFAULTS["RUNPOD_INIT_TIMEOUT"])

    def test_the_worker_that_the_hub_starts_answers_them_all(self, tmp_path: Path) -> None:
        env = {key: str(value) for key, value in DEFAULTS.items()}
        with platform() as hub, worker(hub, tmp_path, ROOT / "handler.py", **env):
            for test in TESTS["tests"]:
                answer = hub.answer(test["input"])
                assert answer.get("success", answer.get("status") == "healthy")
                assert not answer.get("fallback_used")
