"""Results as they are sent to the platform, whose answer decides whether they are sent again."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from runpod.serverless.modules import rp_http

from rp_handler import SdkPlatform
from transport.job_loop import JobLoop, SendError

JOB = {"id": "job-1", "input": {}}


@dataclass
class Receiver:
    """Answers the results that it gets with one status, or hangs up if that is 0."""

    status: int
    url: str = ""
    bodies: list[Any] = field(default_factory=list)


@contextmanager
def receiving(status: int) -> Iterator[Receiver]:
    told = Receiver(status)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.bodies.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            if told.status:
                self.send_response(told.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()


def send(status: int, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    async def once() -> None:
        async with aiohttp.ClientSession() as session:
            await SdkPlatform(session, {"handler": None}).send(JOB, {"output": "ü"})

    with receiving(status) as platform:
        monkeypatch.setattr(rp_http, "JOB_DONE_URL", platform.url + "/job-done/$ID?gpu=none")
        asyncio.run(once())
    return platform


def test_a_result_is_posted_under_its_jobs_id(monkeypatch: pytest.MonkeyPatch) -> None:
    assert send(200, monkeypatch).bodies == [("/job-done/job-1?gpu=none&isStream=false", {"output": "ü"})]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_a_refused_result_is_not_worth_another_try(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SendError, match=f"status {status}") as refused:
        send(status, monkeypatch)
    assert refused.value.is_final


@pytest.mark.parametrize("status", [0, 408, 425, 429, 500, 502, 503, 504])
def test_one_that_did_not_arrive_is(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SendError) as failed:
        send(status, monkeypatch)
    assert not failed.value.is_final


class OneJob(SdkPlatform):
    """Hands out one job, whose result is its id, and then nothing."""

    jobs = 1

    async def take(self, count: int) -> object:
        self.jobs -= 1
        return [JOB] if self.jobs == 0 else None

    async def stops(self) -> list[str]:
        return []

    async def run(self, job: dict[str, Any]) -> dict[str, Any]:
        return {"output": job["id"]}


def test_a_refused_result_is_reported_in_the_log_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        async with aiohttp.ClientSession() as session:
            loop = JobLoop(OneJob(session, {"handler": None}), 1)
            running = asyncio.create_task(loop.run())
            while not caplog.messages:
                await asyncio.sleep(0)
            loop.end()
            await running

    with receiving(400) as platform:
        monkeypatch.setattr(rp_http, "JOB_DONE_URL", platform.url + "/$ID?gpu=none")
        asyncio.run(scene())
    assert caplog.messages == ["The result of job job-1 is lost: status 400"]
    assert len(platform.bodies) == 1
