"""The HTTP server as a process: how it starts, serves, and ends."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from testing.patience import PATIENCE, WAIT_SECONDS, wait_until
from testing.pictures import as_base64, file_of, picture, plain_room
from testing.processes import ROOT, environment, free_port, is_ready
from testing.shop import small_edit

SERVER = (sys.executable, "server.py")
PLACED = {"placement_coordinates": [80, 100], "product_scale": 0.4, "seed": 3}


@dataclass
class Served:
    process: "subprocess.Popen[str]"
    url: str
    health_url: str
    log: Path

    def end(self) -> int:
        """Ask the process to end and return its code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_SECONDS)

    def has_jobs(self, count: int) -> bool:
        return f"qwen_edit_queue_depth {count}.0" in httpx2.get(self.url + "/metrics").text


@contextmanager
def served(folder: Path, *command: str, **settings: str) -> Iterator[Served]:
    port, port_health, log = free_port(), free_port(), folder / "log"
    env = environment(folder, HOST="127.0.0.1", PORT=str(port), PORT_HEALTH=str(port_health), **settings)
    given = [word.replace("$PORT", str(port)) for word in command or SERVER]
    with log.open("w") as lines:
        process = subprocess.Popen(given, cwd=ROOT, env=env, stdout=lines, stderr=lines, text=True)
    try:
        url, health_url = (f"http://127.0.0.1:{each}" for each in (port, port_health))
        wait_until(lambda: is_ready(url))
        yield Served(process, url, health_url, log)
    finally:
        process.kill()
        process.wait()


def ended(folder: Path, *command: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    env = environment(folder, **settings)
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def long_edit() -> dict[str, Any]:
    """Return a job that takes the preview several seconds."""
    return small_edit(room_image=as_base64(file_of(plain_room(2400, 1800))), n=6, **PLACED)


def test_it_gets_ready_answers_an_edit_and_ends_when_told_to(tmp_path: Path) -> None:
    with served(tmp_path, LOG_FORMAT="json") as server:
        answer = httpx2.post(server.url + "/v1/edit", json=small_edit(**PLACED))
        assert picture(answer.json()["processed_image"]).size == (160, 120)
        assert httpx2.get(server.health_url + "/ping").status_code == 200
        assert [httpx2.get(server.health_url + route).status_code for route in ("/v1/models", "/metrics")] == [404] * 2
        code = server.end()
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert code == 0
    [told] = [line for line in lines if line.get("route") == "POST /v1/edit"]
    assert (told["code"], told["seed"]) == (200, 3)


def test_an_idle_one_ends_at_once(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        code = server.end()
        assert "Traceback" not in server.log.read_text()
    assert code == 0


def test_a_connection_that_is_kept_does_not_keep_it(tmp_path: Path) -> None:
    with served(tmp_path) as server, httpx2.Client() as client:
        client.get(server.url + "/health")
        code = server.end()
    assert code == 0


@pytest.mark.parametrize("headers", [{}, {"Accept": "text/event-stream"}])
def test_a_running_job_is_answered_before_it_ends(tmp_path: Path, headers: dict[str, str]) -> None:
    with served(tmp_path) as server, ThreadPoolExecutor() as callers:
        call = callers.submit(httpx2.post, server.url + "/v1/edit", json=long_edit(), headers=headers)
        wait_until(lambda: server.has_jobs(1))
        code = server.end()
        answer = call.result()
        assert "Traceback" not in server.log.read_text()
    assert code == 0
    assert answer.status_code == 200
    made = json.loads(answer.text.rpartition("event: answer\ndata: ")[2])
    assert made["success"] is True
    assert len(made["images"]) == 6


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("ENGINE", "magic", "ENGINE: "),
        ("ENGINE", "replay", "REPLAY_DIR: "),
        ("PORT", "http", "PORT: "),
        ("QUEUE_LIMIT", "0", "QUEUE_LIMIT: "),
        ("BUCKET_ENDPOINT_URL", "http://localhost:9", "BUCKET_ACCESS_KEY_ID"),
    ],
)
def test_a_wrong_setting_ends_it_with_one_sentence(tmp_path: Path, setting: str, value: str, sentence: str) -> None:
    done = ended(tmp_path, *SERVER, **{setting: value})
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


UNKIND = """
import server
from testing import unkind_worker
server.build = unkind_worker.build
server.main()
"""


def refuses(url: str) -> bool:
    """Return True if jobs and probes are answered with 503, or not at all because the process has ended."""
    with suppress(httpx2.TransportError):
        answers = [httpx2.post(url + "/v1/edit", json=small_edit(**PLACED))]
        answers += [httpx2.get(url + probe) for probe in ("/ready", "/ping")]
        return {answer.status_code for answer in answers} == {503}
    return True


def test_an_engine_that_hangs_is_told_and_ends_the_server(tmp_path: Path) -> None:
    limits = {"JOB_TIMEOUT_SECONDS": str(20 * PATIENCE), "STUCK_SECONDS": "1"}  # the job must hang before that
    with served(tmp_path, sys.executable, "-c", UNKIND, **limits) as server, ThreadPoolExecutor() as callers:
        jobs = [small_edit(instructions="hang", **PLACED), small_edit(**PLACED), small_edit(**PLACED)]
        headers = [{}, {}, {"Accept": "text/event-stream"}]
        calls = []
        for job, head in zip(jobs, headers, strict=True):
            calls.append(callers.submit(httpx2.post, server.url + "/v1/edit", json=job, headers=head))
            wait_until(lambda: server.has_jobs(len(calls)))
        hung, waiting, streamed = [call.result() for call in calls]
        assert refuses(server.url)
        assert server.process.wait(WAIT_SECONDS) == 1
    assert (hung.status_code, hung.json()["error_code"]) == (500, "TIMEOUT")
    assert waiting.status_code == 503
    assert waiting.headers["Retry-After"]
    assert "MODEL_NOT_READY" in streamed.text


def test_uvicorn_serves_it_by_name(tmp_path: Path) -> None:
    uvicorn = (sys.executable, "-m", "uvicorn", "server:app", "--host", "127.0.0.1", "--port", "$PORT")
    with served(tmp_path, *uvicorn) as server:
        answer = httpx2.post(server.url + "/v1/edit", json=small_edit(**PLACED))
        assert answer.json()["success"] is True
        assert httpx2.get(server.health_url + "/ping").status_code == 200


def test_importing_it_does_no_work(tmp_path: Path) -> None:
    program = """
import sys, threading, logging
before = threading.active_count(), list(logging.root.handlers)
import server
assert (threading.active_count(), logging.root.handlers) == before
assert not {"torch", "diffusers", "transformers", "runpod"} & sys.modules.keys()
assert server._app.cache_info().currsize == 0
"""
    done = ended(tmp_path, sys.executable, "-c", program, ENGINE="magic")
    assert done.returncode == 0, done.stderr


def test_an_engine_that_hangs_when_its_caller_has_gone_ends_the_server_sooner(tmp_path: Path) -> None:
    with served(tmp_path, sys.executable, "-c", UNKIND, STUCK_SECONDS="1") as server:
        job, headers = small_edit(instructions="hang", **PLACED), {"Accept": "text/event-stream"}
        with httpx2.stream("POST", server.url + "/v1/edit", json=job, headers=headers) as answer:
            assert any("denoising" in line for line in answer.iter_lines())
        assert server.process.wait(WAIT_SECONDS) == 1


def test_an_engine_that_fails_again_and_again_ends_the_server(tmp_path: Path) -> None:
    with served(tmp_path, sys.executable, "-c", UNKIND, STUCK_SECONDS="1") as server:
        for _ in range(3):
            answer = httpx2.post(server.url + "/v1/edit", json=small_edit(instructions="broken", **PLACED))
            assert answer.json()["placement_info"]["fallback_used"] is True
            assert "refresh_worker" not in answer.json()
        assert server.process.wait(WAIT_SECONDS) == 1
    assert "CRITICAL| The model failed repeatedly" in server.log.read_text()


def test_a_server_that_grows_beyond_its_bound_ends(tmp_path: Path) -> None:
    with served(tmp_path, sys.executable, "-c", UNKIND, MAX_MEMORY_GROWTH_MB="300") as server:
        for instructions in [""] * 8 + ["leak"] * 2:
            job = small_edit(instructions=instructions, **PLACED)
            assert httpx2.post(server.url + "/v1/edit", json=job).status_code == 200
        assert server.process.wait(WAIT_SECONDS) == 1


def test_a_model_that_cannot_be_loaded_is_told_also_where_uvicorn_was_started(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    uvicorn = (sys.executable, "-m", "uvicorn", "server:app", "--port", str(free_port()))
    done = ended(tmp_path, *uvicorn, ENGINE="replay", REPLAY_DIR=str(tmp_path / "empty"))
    assert done.returncode != 0
    assert "CRITICAL| REPLAY_DIR: " in done.stderr


def test_a_model_that_cannot_be_loaded_ends_the_server(tmp_path: Path) -> None:
    check = (
        "import server; from models.resident import Resident; "
        "server.build = lambda settings: Resident('qwen', lambda: 1 / 0, 1); server.main()"
    )
    env = environment(tmp_path, HOST="127.0.0.1", PORT=str(free_port()))
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "CRITICAL| The model could not be loaded: ZeroDivisionError: division by zero\n" in done.stderr
    assert "Traceback" not in done.stderr
