"""The worker as a separate process in the SDK's production loop, against the local platform."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from local_platform import worker as platform_worker
from local_platform.app import create_app
from local_platform.endpoint import Endpoint, Manners
from testing.patience import POLL_SECONDS, WAIT_SECONDS, wait_until

ROOT = Path(__file__).resolve().parent.parent
UNKIND = ROOT / "testing/unkind_worker.py"

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")


@dataclass
class Platform:
    url: str
    endpoint: Endpoint

    def run(self, job: dict[str, Any], *, sync: bool = False, **beside: Any) -> str:
        body = {"input": job, **beside}
        route = "runsync?wait=1" if sync else "run"
        answer = httpx2.post(f"{self.base}/{route}", json=body, timeout=WAIT_SECONDS)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def status(self, job_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = httpx2.get(f"{self.base}/status/{job_id}", timeout=WAIT_SECONDS).json()
        return answer

    def wait(
        self, job_id: str, until: Callable[[dict[str, Any]], bool] = lambda told: told["status"] in FINAL
    ) -> dict[str, Any]:
        """Return the first status of the job for which `until` is true."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not until(told := self.status(job_id)):
            assert time.monotonic() < deadline, f"still {told}"
            time.sleep(POLL_SECONDS)
        return told

    def answer(self, job: dict[str, Any], **beside: Any) -> dict[str, Any]:
        told = self.wait(self.run(job, **beside))
        assert told["status"] == "COMPLETED", told
        output: dict[str, Any] = told["output"]
        return output

    def cancel(self, job_id: str) -> None:
        assert httpx2.post(f"{self.base}/cancel/{job_id}", timeout=WAIT_SECONDS).status_code == 200

    @property
    def base(self) -> str:
        return f"{self.url}/v2/{platform_worker.ENDPOINT}"


@contextmanager
def platform(**manners: Any) -> Iterator[Platform]:
    app = create_app(Manners(**{"poll_seconds": 0.5, **manners}))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    [port] = [line.getsockname()[1] for each in server.servers for line in each.sockets]
    try:
        yield Platform(f"http://127.0.0.1:{port}", app.state.endpoint)
    finally:
        server.should_exit = True
        thread.join(WAIT_SECONDS)


@contextmanager
def worker(
    at: Platform, folder: Path, script: Path = UNKIND, name: str = "worker", **settings: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker whose log is `folder`/`name`.log."""
    env = platform_worker.environment(at.url, name) | {"OUTPUT_DIR": str(folder), "ENGINE": "preview"} | settings
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-u", str(script)],
            cwd=ROOT, env=inherited() | env, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process as the platform ends a container, including the SDK's process for pings."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_")}
