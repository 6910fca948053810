"""docs/deploy.md agrees with the plans, the Dockerfile and the hub's files."""

import json
import re

import pytest

from models.checkpoints.plan import GB, LORA_PARAMETERS, Card, make_plan
from models.checkpoints.sizes import sizes
from tests.deploy.dockerfile import ROOT, arguments
from tests.deploy.pools import OTHERS, POOLS
from tests.deploy.test_hub import CONFIG, EDIT, FREE_SHARE

PAGE = (ROOT / "docs" / "deploy.md").read_text()
WORDS = " ".join(PAGE.split())
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE[PAGE.index("## Which GPU") : PAGE.index("## RunPod's hub")].splitlines()
    if line.startswith("|")
][2:]


def card_of(row: list[str]) -> Card:
    first = row[0].partition(",")[0]
    return OTHERS.get(first) or min(
        (POOLS[pool] for pool in re.findall(r"`(\w+)`", row[1])), key=lambda card: card.memory
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_of_gpus_is_what_is_planned_for_its_smallest(row: list[str]) -> None:
    plan = make_plan(EDIT, card_of(row))
    transformer = plan.transformer + (", tabulated" if plan.tabulated else "")
    assert row[2:] == [transformer, plan.text_encoder, ", ".join(plan.qualities), f"{plan.peak / GB:.1f} GB"]


def test_every_pool_has_a_row() -> None:
    assert {pool for row in ROWS for pool in re.findall(r"`(\w+)`", row[1])} == POOLS.keys()


def test_sizes_are_counted() -> None:
    parts = sizes()
    model = 2 * (parts.transformer + parts.text_encoder + parts.vae)
    lora = 2 * LORA_PARAMETERS
    assert f"The model is {model / GB:.1f} GB." in WORDS
    assert f"two files of {lora / GB:.2f} GB each" in WORDS
    assert f"up to {2 * parts.transformer / GB:.0f} GB of 16-bit weights" in WORDS
    assert f"A baked image is {(model + 2 * lora) / GB + 8:.0f} GB" in WORDS
    assert f"(image + downloads) / {1 - FREE_SHARE}" in WORDS
    assert f"downloads to its container disk | {CONFIG['containerDiskInGb']} GB |" in WORDS


def test_every_argument_of_the_build_is_explained_with_its_default() -> None:
    for name, default in arguments().items():
        assert f"| `{name}` | `{default}` |" in PAGE


def test_the_example_of_costs_adds_up() -> None:
    price = float(re.findall(r"costs ([\d.]+) dollars a second", WORDS)[0])
    [work] = re.findall(r"(\d+) s with text, decoding", WORDS)
    [start, idle] = map(float, re.findall(r"A start \((\d+) s assumed\) and the (\d+) s", WORDS)[0])
    assert f"a thousand pictures cost {1000 * float(work) * price:.2f} dollars" in WORDS
    assert f"cost {(start + idle) * price:.2f} dollars together" in WORDS
    assert f"as much as {(start + idle) // float(work):.0f} pictures" in WORDS


def test_the_hubs_jobs_are_counted() -> None:
    assert len(json.loads((ROOT / ".runpod" / "tests.json").read_text())["tests"]) == 3
    assert "the three jobs of `tests.json`" in WORDS
