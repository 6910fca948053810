"""The faults listed in docs/reliability.md, each with the real SDK loop in a separate process."""

import http.server
import json
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image

from testing.gate import gate
from testing.patience import PATIENCE, WAIT_SECONDS, wait_until
from testing.pictures import as_base64, file_of, picture
from testing.processes import children_of, has_ended
from testing.rehearsal import ROOT, Platform, end, inherited, platform, worker
from testing.s3 import KEY, S3, SECRET
from testing.shop import small_edit


def edit(instructions: str = "", **fields: Any) -> dict[str, Any]:
    return small_edit(instructions=instructions, placement_coordinates=[80, 100], **fields)


def works(at: Platform) -> None:
    """Check that the next job succeeds."""
    assert picture(at.answer(edit())["processed_image"]).size == (160, 120)


def progressed(told: dict[str, Any]) -> bool:
    return bool(told.get("output"))


def taken(told: dict[str, Any]) -> bool:
    return bool(told["status"] != "IN_QUEUE")


def at_stage(stage: str) -> Callable[[dict[str, Any]], bool]:
    return lambda told: (told.get("output") or {}).get("stage") == stage


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Yield a platform for faults that a worker survives."""
    folder = tmp_path_factory.mktemp("worker")
    with platform() as at, worker(at, folder, FAILURES_BEFORE_REFRESH="1000"):
        works(at)
        yield at


class TestDeath:
    def test_kill_9_mid_job_the_job_is_done_by_another_worker(self, tmp_path: Path) -> None:
        with platform(lost_seconds=5 * PATIENCE) as at, worker(at, tmp_path, name="first") as first:
            job = at.run(edit("slow 100"))
            at.wait(job, progressed)
            end(first)
            with worker(at, tmp_path, name="second"):
                told = at.wait(job)
                assert (told["status"], told["workerId"]) == ("COMPLETED", "second")
                works(at)

    def test_sigterm_mid_job_finishes_it_and_ends(self, tmp_path: Path) -> None:
        with platform() as at, worker(at, tmp_path) as process:
            jobs = [at.run(edit("slow 40")) for _ in range(2)]
            at.wait(jobs[0], progressed)
            at.wait(jobs[1], taken)
            process.send_signal(signal.SIGTERM)
            assert [at.wait(job)["status"] for job in jobs] == ["COMPLETED"] * 2
            assert process.wait(WAIT_SECONDS) == 0

    def test_sigterm_while_idle_ends_it(self, tmp_path: Path) -> None:
        with platform() as at, worker(at, tmp_path) as process:
            works(at)
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT_SECONDS) == 0

    def test_sigterm_while_the_model_loads_ends_it(self, tmp_path: Path) -> None:
        loading = tmp_path / "loading"
        with platform() as at, worker(at, tmp_path, LOADING=str(loading)) as process:
            wait_until(loading.exists)
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT_SECONDS) == 0

    @pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes as Linux shows them")
    def test_kill_9_ends_the_processes_that_a_worker_started_too(self, tmp_path: Path) -> None:
        with platform() as at, worker(at, tmp_path) as process:
            works(at)
            started = children_of(process.pid)
            assert len(started) >= 2, "one sends pings, one decodes"
            process.kill()
            wait_until(lambda: all(map(has_ended, started)))

    def test_a_hanging_engine_is_told_and_ends_the_worker(self, tmp_path: Path) -> None:
        settings = {"JOB_TIMEOUT_SECONDS": str(20 * PATIENCE), "STUCK_SECONDS": "1"}  # the job must hang before that
        with platform() as at, worker(at, tmp_path, **settings) as process:
            told = at.wait(at.run(edit("hang")))
            assert told["status"] == "FAILED"
            assert told["error"].endswith("this worker is being replaced [TIMEOUT]")
            assert at.endpoint.workers["worker"].stopped
            assert process.wait(WAIT_SECONDS) == 1
            with worker(at, tmp_path, name="next"):
                works(at)

    def test_a_hanging_job_that_is_cancelled_ends_the_worker_too(self, tmp_path: Path) -> None:
        with platform() as at, worker(at, tmp_path, STUCK_SECONDS="1") as process:
            job = at.run(edit("hang"))
            at.wait(job, at_stage("denoising"))
            at.cancel(job)
            assert process.wait(WAIT_SECONDS) == 1


class TestCancelling:
    @pytest.mark.parametrize("stage", ["decode", "cut-out", "layout", "denoising", "encode"])
    def test_at_every_stage_the_next_job_works(self, tmp_path: Path, stage: str) -> None:
        gate = tmp_path / "stage"
        gate.write_text(stage)
        with platform() as at, worker(at, tmp_path, PAUSE_AT=str(gate)):
            job = at.run(edit("slow 2"))
            at.wait(job, at_stage(stage))
            at.cancel(job)
            wait_until(lambda: f"{job} failed after" in (tmp_path / "worker.log").read_text())
            gate.unlink()
            works(at)
            told = at.status(job)
        assert told["status"] == "CANCELLED"
        assert at.endpoint.jobs[job].results == 0

    def test_of_a_job_delivered_twice(self, tmp_path: Path) -> None:
        with platform(twice=True) as at, worker(at, tmp_path, STUCK_SECONDS="20") as process:
            job = at.run(edit("slow 2000"))
            at.wait(job, at_stage("denoising"))
            wait_until(lambda: at.endpoint.jobs[job].deliveries == 2)
            at.answer({"action": "health_check"})  # taken after the second delivery
            at.cancel(job)
            works(at)
            assert process.poll() is None
            assert at.status(job)["status"] == "CANCELLED"
        assert "does not stop" not in (tmp_path / "worker.log").read_text()

    def test_a_storm_of_them(self, shared: Platform) -> None:
        jobs = [shared.run(edit("slow 20")) for _ in range(12)]
        kept = shared.run(edit("slow 2"))
        for number, job in enumerate(jobs):
            if number % 3 == 0:
                shared.wait(job, taken)
            shared.cancel(job)
        assert shared.wait(kept)["status"] == "COMPLETED"
        assert {shared.wait(job)["status"] for job in jobs} <= {"CANCELLED", "COMPLETED"}
        works(shared)

    def test_a_job_over_the_platforms_time(self, shared: Platform) -> None:
        told = shared.wait(shared.run(edit("slow 400"), policy={"executionTimeout": 1000}))
        assert told["status"] == "TIMED_OUT"
        works(shared)


class TestResults:
    def test_one_over_the_limit_is_said_and_never_sent(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3), np.uint8)
        room = as_base64(file_of(Image.fromarray(noise)))
        with platform() as at, worker(at, tmp_path, RESPONSE_LIMIT_MB="1"):
            told = at.wait(at.run(edit(output_format="png") | {"room_image": room}))
            assert told["error"].endswith("[RESPONSE_TOO_LARGE]")
            answer = at.answer(edit() | {"room_image": room})
            assert (answer["lossless"], picture(answer["processed_image"]).size) == (False, (800, 600))

    def test_what_is_no_json_is_an_error_that_arrives(self, shared: Platform) -> None:
        told = shared.wait(shared.run(edit("nan")))
        assert told["error"].endswith("[INTERNAL_ERROR]")
        works(shared)

    def test_progress_never_comes_after_the_result(self, shared: Platform) -> None:
        jobs = [shared.run(edit("slow 3")) for _ in range(6)]
        for job in jobs:
            shared.wait(job)
        works(shared)
        assert {shared.status(job)["status"] for job in jobs} == {"COMPLETED"}

    def test_a_platform_that_does_not_take_it_at_first(self, tmp_path: Path) -> None:
        with platform(deaf_for=2) as at, worker(at, tmp_path):
            works(at)

    def test_a_platform_that_is_down_is_asked_without_haste(self, tmp_path: Path) -> None:
        with platform() as at, gate(at.url) as way, worker(replace(at, url=way.url), tmp_path):
            works(at)
            began, way.manners[:] = time.monotonic(), ["502"] * 100_000
            wait_until(lambda: (tmp_path / "worker.log").read_text().count("could not be asked for jobs") >= 3)
            assert time.monotonic() - began > 1.9, "a second between two"
            way.manners.clear()
            works(at)

    def test_a_job_delivered_twice_is_answered_once(self, tmp_path: Path) -> None:
        with platform(twice=True) as at, worker(at, tmp_path):
            job = at.run(edit("slow 40", seed=1))
            assert at.wait(job)["status"] == "COMPLETED"
            wait_until(lambda: at.endpoint.jobs[job].deliveries == 2)
            works(at)  # with a job that was taken after the second delivery
        log = (tmp_path / "worker.log").read_text()
        assert log.count(f"{job} edit done") == 1


class TestFailures:
    @pytest.mark.parametrize(
        ("instructions", "sentence"),
        [
            ("bug", "Something went wrong inside the worker [INTERNAL_ERROR]"),
            ("oom", "The GPU ran out of memory, even at half the size [OUT_OF_MEMORY]"),
            ("broken", "The model failed to paint the picture [GENERATION_ERROR]"),
        ],
    )
    def test_are_sentences_without_secrets(self, shared: Platform, instructions: str, sentence: str) -> None:
        told = shared.wait(shared.run(edit(instructions, fallback=False)))
        assert told["error"] == f"Edit processing failed: {sentence}"
        assert "secret" not in json.dumps(told)
        works(shared)

    def test_a_failing_engine_falls_back_and_says_so(self, shared: Platform) -> None:
        assert shared.answer(edit("oom"))["placement_info"]["fallback_used"] is True

    def test_a_broken_gpu_asks_for_another_worker(self, tmp_path: Path) -> None:
        with platform() as at, worker(at, tmp_path):
            told = at.wait(at.run(edit("sticky", fallback=False)))
            assert told["error"].endswith("The GPU failed [GENERATION_ERROR]")
            assert at.endpoint.workers["worker"].stopped

    def test_a_leaking_worker_asks_for_another(self, tmp_path: Path) -> None:
        with platform() as at, worker(at, tmp_path, MAX_MEMORY_GROWTH_MB="300"):
            for _ in range(9):
                works(at)
            assert not at.endpoint.workers["worker"].stopped
            at.answer(edit("leak"))
            at.answer(edit("leak"))
            assert at.endpoint.workers["worker"].stopped

    def test_a_clock_that_jumps_changes_nothing(self, tmp_path: Path) -> None:
        with platform() as at, worker(at, tmp_path, CLOCK="jumping"):
            first = at.answer(edit("slow 5", idempotency_key="order", seed=1))
            assert at.answer(edit("slow 5", idempotency_key="order", seed=1)) == first
            works(at)


class TestOthers:
    @pytest.mark.parametrize(
        ("keys", "reason"),
        [
            ((KEY, "wrong"), "its credentials were refused (InvalidAccessKeyId)"),
            ((KEY, SECRET), "it cannot be reached"),
        ],
        ids=["wrong", "down"],
    )
    def test_a_bucket_that_fails(self, tmp_path: Path, s3: S3, keys: tuple[str, str], reason: str) -> None:
        url = s3.url if reason.startswith("its") else "http://127.0.0.1:9"
        bucket = {
            "BUCKET_ENDPOINT_URL": f"{url}/shop", "BUCKET_ACCESS_KEY_ID": keys[0], "BUCKET_SECRET_ACCESS_KEY": keys[1],
        }  # fmt: skip
        s3.count_strangers("0")
        try:
            with platform() as at, worker(at, tmp_path, **bucket):
                told = at.wait(at.run(edit(response_format="url")))
                assert told["error"].endswith(f"{reason} [UPLOAD_FAILED]")
                assert KEY not in json.dumps(told)
                works(at)
        finally:
            s3.count_strangers("inf")

    def test_a_picture_that_never_comes(self, tmp_path: Path) -> None:
        with platform() as at, worker(at, tmp_path, ALLOW_PRIVATE_IMAGE_HOSTS="1", FETCH_SECONDS="1"):
            told = at.wait(at.run(edit() | {"room_image": f"{silent()}/room.jpg"}))
            assert told["error"].endswith("[IMAGE_FETCH_FAILED]")
            works(at)

    @pytest.mark.parametrize(
        ("route", "beside"),
        [
            ("run", {"webhook": 5}),
            ("run", {"policy": "x"}),
            ("run", {"policy": {"ttl": "long"}}),
            ("runsync?wait=abc", {}),
        ],
    )
    def test_what_is_no_job_does_not_harm_the_platform(
        self, shared: Platform, route: str, beside: dict[str, Any]
    ) -> None:
        refused = httpx2.post(f"{shared.base}/{route}", json={"input": edit(), **beside})
        assert refused.status_code == 400
        works(shared)

    def test_what_is_null_is_absent(self, shared: Platform) -> None:
        assert shared.answer(edit(), webhook=None, policy=None)["success"] is True

    def test_a_webhook_that_is_down_and_comes_back(self, tmp_path: Path) -> None:
        called: list[dict[str, Any]] = []
        with platform(webhook_retry_seconds=0.3) as at, worker(at, tmp_path):
            hook = webhook(called, failures=1)
            job = at.run(edit(), webhook=hook)
            assert at.wait(job)["status"] == "COMPLETED"
            wait_until(lambda: len(called) == 2)
        assert [told["status"] for told in called] == ["COMPLETED"] * 2
        assert called[1]["id"] == job

    def test_a_full_disk_is_said_at_a_local_run(self, tmp_path: Path) -> None:
        def small_files() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        env = inherited() | {"OUTPUT_DIR": str(tmp_path), "ENGINE": "preview"}
        done = subprocess.run(
            [sys.executable, "rp_handler.py"],
            cwd=ROOT, env=env, capture_output=True, text=True, preexec_fn=small_files, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert "could not be written" in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert list(tmp_path.iterdir()) == []


def silent() -> str:
    """Yield the address of a server that accepts connections and never answers."""
    import socket

    line = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: [line.accept() for _ in range(9)], daemon=True).start()
    return f"http://127.0.0.1:{line.getsockname()[1]}"


def webhook(called: list[dict[str, Any]], failures: int) -> str:
    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            called.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if len(called) <= failures else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/done"
