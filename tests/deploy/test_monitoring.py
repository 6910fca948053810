"""deploy/grafana.json and deploy/prometheus.yaml use only metrics that a running server has."""

import json
import re
from typing import Any

import httpx2
import pytest
import yaml

from testing.live import serving
from testing.shop import small_edit
from tests.deploy.dockerfile import ROOT

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana.json").read_text())
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "prometheus.yaml").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
ONLY_WITH_A_GPU = {"qwen_edit_gpu_memory_bytes", "qwen_edit_gpu_memory_free_bytes"}


@pytest.fixture(scope="module")
def counted() -> set[str]:
    """Return the names of a server's samples after one job."""
    with serving() as live:
        httpx2.post(live.url + "/v1/edit", json=small_edit())
        text = httpx2.get(live.url + "/metrics").text
    return {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}


@pytest.mark.parametrize("query", QUERIES)
def test_what_the_dashboard_asks_for_is_counted(query: str, counted: set[str]) -> None:
    asked = set(re.findall(r"qwen_edit_\w+", query))
    assert asked
    assert asked - ONLY_WITH_A_GPU <= counted


def test_every_panel_shows_the_chosen_source_and_has_a_place_of_its_own() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {"${datasource}"}


def test_prometheus_scrapes_a_route_that_exists() -> None:
    [job] = PROMETHEUS["scrape_configs"]
    with serving() as live:
        assert httpx2.get(live.url + job["metrics_path"]).status_code == 200
