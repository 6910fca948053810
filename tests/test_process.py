"""The worker as a process: a person's terminal, the SDK's local API, and the platform's queue."""

import contextlib
import json
import platform
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from testing.patience import WAIT_SECONDS, wait_until
from testing.pictures import picture
from testing.processes import ROOT, environment, free_port
from testing.shop import small_edit


def worker(*arguments: str, env: dict[str, str], cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "rp_handler.py"), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def written_pictures(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def size_of(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def test_a_local_run_leaves_the_picture_and_a_readable_summary(tmp_path: Path) -> None:
    done = worker(env=environment(tmp_path))
    assert done.returncode == 0, done.stderr
    [file] = written_pictures(tmp_path)
    assert size_of(file) == (1000, 667)
    assert str(file) in done.stdout
    assert "preview" in done.stdout
    assert max(map(len, (done.stdout + done.stderr).splitlines())) < 200


def test_the_sdk_is_told_the_processors_name_and_runs_no_process_to_learn_it() -> None:
    code = "import rp_handler; rp_handler._name_processor(); from runpod.serverless.utils import rp_debugger as sdk"
    done = subprocess.run(
        [sys.executable, "-c", code + "; print(sdk.PROCESSOR)"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == (platform.processor() or platform.machine()), done.stderr


def test_the_generate_example_runs(tmp_path: Path) -> None:
    job = (ROOT / "examples" / "generate.json").read_text()
    done = worker("--test_input", job, env=environment(tmp_path))
    assert done.returncode == 0, done.stderr
    [file] = written_pictures(tmp_path)
    assert size_of(file) == (1280, 720)


def test_a_local_run_writes_every_variant(tmp_path: Path) -> None:
    job = {"input": small_edit(n=2, seed=4, output_format="webp")}
    assert worker("--test_input", json.dumps(job), env=environment(tmp_path)).returncode == 0
    assert [file.name for file in written_pictures(tmp_path)] == ["edit-4.webp", "edit-5.webp"]


def test_a_local_job_that_fails_ends_the_process_with_its_sentence(tmp_path: Path) -> None:
    done = worker("--test_input", json.dumps({"input": {"action": "edit"}}), env=environment(tmp_path))
    assert done.returncode == 1
    assert "Missing product_image" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"ENGINE": "magic"}, "ENGINE: "),
        ({"ENGINE": "auto", "RUNPOD_POD_ID": "pod", "CUDA_VISIBLE_DEVICES": ""}, "no usable GPU"),
        ({"ENGINE": "replay"}, "REPLAY_DIR"),
        ({"ENGINE": "replay", "REPLAY_DIR": "tests"}, "REPLAY_DIR: there is no PNG"),
        ({"RUNPOD_LOG_LEVEL": "info"}, "RUNPOD_LOG_LEVEL: 'info': Input should be 'NOTSET', 'TRACE'"),
        ({"RESPONSE_LIMIT_MB": "inf"}, "RESPONSE_LIMIT_MB: 'inf': Input should be a finite number"),
        ({"MODEL_PROFILE": "sd"}, "MODEL_PROFILE: sd is not one of"),
        (
            {"BUCKET_ENDPOINT_URL": "here", "BUCKET_ACCESS_KEY_ID": "a", "BUCKET_SECRET_ACCESS_KEY": "b"},
            "BUCKET_ENDPOINT_URL, BUCKET_NAME: the endpoint is not a plain http(s) URL",
        ),
        ({"BUCKET_NAME": "shop"}, "BUCKET_NAME and the bucket's keys also need BUCKET_ENDPOINT_URL"),
    ],
)
def test_a_worker_that_cannot_serve_ends_with_one_sentence(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    done = worker(env=environment(tmp_path, **settings))
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@contextmanager
def started(*arguments: str, env: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "rp_handler.py", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    return dict(httpx2.post(url, json=body).json())


def is_open(port: int) -> bool:
    with contextlib.suppress(ConnectionError), socket.create_connection(("localhost", port)):
        return True
    return False


def test_the_local_api_serves_jobs(tmp_path: Path) -> None:
    port = free_port()
    with started("--rp_serve_api", "--rp_api_port", str(port), env=environment(tmp_path)):
        wait_until(lambda: is_open(port))
        done = post(f"http://localhost:{port}/runsync", {"input": small_edit()})
        assert done["status"] == "COMPLETED"
        assert picture(done["output"]["processed_image"]).size == (160, 120)
        failed = post(f"http://localhost:{port}/runsync", {"input": {"action": "edit"}})
        assert failed["status"] == "FAILED"
        assert failed["error"].endswith("[INVALID_INPUT]")


class Platform(ThreadingHTTPServer):
    """The parts of the platform's job API that the SDK's loop needs for a list of jobs."""

    def __init__(self, jobs: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), PlatformRequest)
        self.jobs = jobs
        self.posted: list[tuple[float, str, dict[str, Any]]] = []
        self.finished = threading.Semaphore(0)


class PlatformRequest(BaseHTTPRequestHandler):
    server: Platform

    def do_GET(self) -> None:
        if "/job-take" in self.path and self.server.jobs:
            return self._answer(200, self.server.jobs.pop(0))
        time.sleep(0.2)  # like the platform, which holds the request open
        return self._answer(204, None)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        job_id = self.path.split("?")[0].rsplit("/", 1)[-1]
        self.server.posted.append((time.monotonic(), job_id, body))
        self._answer(200, {})
        if body.get("status") != "IN_PROGRESS":
            self.server.finished.release()

    def _answer(self, status: int, body: Any) -> None:
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


def test_on_the_platform_progress_comes_before_the_result_and_never_after(tmp_path: Path) -> None:
    jobs = [
        {"id": "job-1", "input": small_edit(n=10)},
        {"id": "job-2", "input": {"action": "health_check"}},
        {"id": "sync-3", "input": small_edit(seed=True)},
    ]
    platform = Platform(jobs)
    threading.Thread(target=platform.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{platform.server_address[1]}/v2/endpoint"
    env = environment(
        tmp_path,
        RUNPOD_WEBHOOK_GET_JOB=f"{url}/job-take/$ID?gpu=x",
        RUNPOD_WEBHOOK_POST_OUTPUT=f"{url}/job-done/$RUNPOD_POD_ID/$ID?gpu=x",
        RUNPOD_POD_ID="pod",
        RUNPOD_AI_API_KEY="key",
        RUNPOD_SKIP_AUTO_SYSTEM_CHECKS="true",
        RUNPOD_SKIP_GPU_CHECK="true",
    )
    with started(env=env):
        for _ in range(3):
            assert platform.finished.acquire(timeout=WAIT_SECONDS)
    platform.shutdown()
    platform.server_close()
    bodies: dict[str, list[Any]] = {}
    for _, job_id, body in platform.posted:
        bodies.setdefault(job_id, []).append(body)
    *progress, result = bodies["job-1"]
    assert result["output"]["success"] is True
    assert progress, "no progress was sent"
    for message in progress:
        assert message["status"] == "IN_PROGRESS"
        assert message["output"].keys() == {"stage", "step", "of", "percent"}
    assert bodies["job-2"][-1]["output"]["status"] == "healthy"
    assert bodies["sync-3"][-1]["error"].endswith("[INVALID_INPUT]")
    assert sum(body.get("status") != "IN_PROGRESS" for _, _, body in platform.posted) == 3


HELD_IMPORT = """
import os, pathlib, threading
pathlib.Path(os.environ["IMPORTING"]).touch()
threading.Event().wait()
"""


@pytest.mark.parametrize("door", ["rp_handler.py", "server.py"])
def test_sigterm_during_the_imports_ends_it_at_once(tmp_path: Path, door: str) -> None:
    """A container's first process ignores signals that it does not handle, and here it would end with -SIGTERM."""
    importing = tmp_path / "importing"
    (tmp_path / "numpy.py").write_text(HELD_IMPORT)
    env = environment(tmp_path, PYTHONPATH=str(tmp_path), IMPORTING=str(importing))
    process = subprocess.Popen([sys.executable, door], cwd=ROOT, env=env)
    try:
        wait_until(importing.exists)
        process.terminate()
        assert process.wait(WAIT_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
