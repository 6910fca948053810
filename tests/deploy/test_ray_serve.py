"""The HTTP app under Ray Serve: deploy/ray_serve.yaml as a person starts it, with two replicas, one of which is
killed."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from deploy.ray_options import Options
from testing.patience import WAIT_SECONDS, wait_until
from testing.pictures import as_base64, file_of, picture, plain_room, red_vase
from testing.processes import ROOT, environment, free_port, is_ready
from testing.ray_load import REPLICAS, Load, answers, job, replicas

pytest.importorskip("ray", reason="Ray is not installed: deploy/requirements-ray.txt")
yaml = pytest.importorskip("yaml")

PATIENT_SERVE = f"""
import ray.serve._private.api as api
api.HTTP_PROXY_TIMEOUT = {WAIT_SECONDS}
from ray.serve.scripts import cli
cli()
"""
"""The command `serve`, which otherwise waits for a minute until its HTTP proxy has started."""

RAYS_PATIENCE = {
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": str(int(WAIT_SECONDS)),
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": str(WAIT_SECONDS),
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": str(WAIT_SECONDS),
    "RAY_agent_register_timeout_ms": str(int(1000 * WAIT_SECONDS)),
    "RAY_gcs_server_port_wait_time_s": str(int(WAIT_SECONDS)),
    "RAY_gcs_server_request_timeout_seconds": str(int(WAIT_SECONDS)),
    "RAY_health_check_timeout_ms": str(int(1000 * WAIT_SECONDS)),
    "RAY_worker_register_timeout_seconds": str(int(WAIT_SECONDS)),
}
"""Ray's own deadlines for its processes, which a busy machine exceeds."""

QUEUED, HELD = 8, REPLICAS * Options().max_ongoing_requests


def configuration(folder: Path, port: int) -> Path:
    """Write the repository's configuration for two preview replicas, and a second application whose engine fails."""
    told = yaml.safe_load((ROOT / "deploy/ray_serve.yaml").read_text())
    told["http_options"] = {"host": "127.0.0.1", "port": port}
    [app] = told["applications"]
    app["args"] |= {"num_gpus": 0, "min_replicas": 2, "max_replicas": 2, "max_queued_requests": QUEUED}
    app["runtime_env"]["env_vars"]["ENGINE"] = "preview"
    app["deployments"] = [
        {"name": "Replica", "ray_actor_options": {"num_cpus": 0.1}, "health_check_timeout_s": WAIT_SECONDS}
    ]
    (folder / "recordings").mkdir()
    (folder / "recordings/damaged.png").write_bytes(b"no picture")
    broken = {"ENGINE": "replay", "REPLAY_DIR": str(folder / "recordings"), "FAILURES_BEFORE_REFRESH": "1"}
    args = app["args"] | {"min_replicas": 1, "max_replicas": 1}
    beside = {"name": "broken", "route_prefix": "/broken", "args": args, "runtime_env": {"env_vars": broken}}
    told["applications"].append(app | beside)
    file = folder / "serve.yaml"
    file.write_text(yaml.safe_dump(told))
    return file


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of the two replicas."""
    folder, port = tmp_path_factory.mktemp("ray"), free_port()
    serve = [sys.executable, "-c", PATIENT_SERVE]
    own_cluster = ("--address", "local")  # and not a cluster that already runs here
    command = [*serve, "run", *own_cluster, "--app-dir", ROOT, configuration(folder, port)]
    env = environment(
        folder,
        HOME=str(folder),  # where Ray leaves a token
        RAY_LOAD=str(os.getpid()),
        RAY_USAGE_STATS_ENABLED="0",
        **RAYS_PATIENCE,
        RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH="deploy.ray_front:middlewares",
    )
    with (folder / "log").open("w") as log:
        # Ray gives its agent 15 seconds to start, whatever is set. Linux divides the processor among sessions: in one
        # of its own Ray does not share with everything that runs beside the tests.
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: len(replicas()) == 2 and is_ready(url) and is_ready(url + "/broken"))
        yield url
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)
    wait_until(lambda: not replicas())


def long_job(variants: int) -> dict[str, Any]:
    """Return a job whose variants each take the preview about a third of a second."""
    return {"product_image": as_base64(file_of(red_vase())), "seed": 1, "n": variants, "output_format": "jpeg"}


def test_a_form_of_the_openai_client_gets_through(served: str) -> None:
    with openai.OpenAI(base_url=served + "/v1", api_key="none", max_retries=0) as client:
        files = [("room.png", file_of(plain_room())), ("vase.png", file_of(red_vase()))]
        placed = {"placement_coordinates": [80, 100]}
        made = client.images.edit(image=files, prompt="a vase", extra_body=placed)
    assert made.data is not None
    assert picture(made.data[0].b64_json or "").size == (160, 120)


def test_events_come_while_the_job_runs(served: str) -> None:
    headers = {"Accept": "text/event-stream"}
    with httpx2.stream("POST", served + "/v1/generate", json=long_job(4), headers=headers) as answer:
        first, *others = answer.iter_text()
    assert first.startswith("event: progress")
    assert "event: answer" not in first
    assert "\nevent: answer" in "".join(others)


def test_a_full_line_is_refused_as_the_app_refuses_it(served: str) -> None:
    """Some that could wait are refused too: requests that arrive at the same instant are counted before they are handed
    out."""
    body, calls = long_job(2), 2 * (HELD + QUEUED)
    with httpx2.Client() as client, ThreadPoolExecutor(calls) as callers:
        every = list(callers.map(lambda _: client.post(served + "/v1/generate", json=body), range(calls)))
    refused = [answer for answer in every if answer.status_code != 200]
    assert 0 < len(refused) <= calls - QUEUED
    for answer in refused:
        assert answer.status_code == 429
        assert answer.json()["error_code"] == "TOO_MANY_REQUESTS"
        assert int(answer.headers["retry-after"]) > 0


def test_a_caller_that_hangs_up_frees_its_place(served: str) -> None:
    """Otherwise the next caller would wait for the jobs of callers that are gone."""
    body, calls = long_job(10), HELD + QUEUED
    began = time.monotonic()
    assert httpx2.post(served + "/v1/generate", json=body).status_code == 200
    seconds = time.monotonic() - began
    for _ in range(calls):
        with suppress(httpx2.ReadTimeout):
            httpx2.post(served + "/v1/generate", json=body, timeout=httpx2.Timeout(WAIT_SECONDS, read=0.3))
    began = time.monotonic()
    wait_until(lambda: httpx2.post(served + "/v1/edit", json=job(1)).status_code == 200)
    assert time.monotonic() - began < calls / REPLICAS * seconds / 2


def test_a_replica_whose_engine_is_broken_is_replaced(served: str) -> None:
    title = b"ray::ServeReplica:broken:"
    before = replicas(title)
    failed = httpx2.post(served + "/broken/v1/edit", json=job(0) | {"fallback": False})
    assert failed.status_code == 500, failed.text
    wait_until(lambda: replicas(title) and not replicas(title) & before)
    wait_until(lambda: is_ready(served + "/broken"))


@pytest.fixture(scope="module")
def load(served: str) -> Load:
    return Load(served, answers(served), callers=4, seconds=4, kill_after=1, are_two=lambda: is_ready(served))


def test_of_a_killed_replica_only_what_it_held_is_lost(load: Load) -> None:
    told = asyncio.run(load.run(again=False)).told()
    assert told["lost"] <= Options().max_ongoing_requests, json.dumps(told)
    assert set(told["lost_statuses"]) <= {503}
    assert told["lost_not_under_way_at_the_kill"] == 0
    assert told["wrong"] == 0


def test_a_caller_that_sends_again_loses_nothing(load: Load) -> None:
    told = asyncio.run(load.run(again=True)).told()
    assert told["lost"] == 0, json.dumps(told)
    assert told["wrong"] == 0
