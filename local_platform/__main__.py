"""`python -m local_platform`: run the platform and its workers on this machine."""

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys

import uvicorn
from dotenv import dotenv_values

from local_platform.app import create_app
from local_platform.endpoint import Endpoint, Manners
from local_platform.worker import ENDPOINT, ROOT, start


def main() -> None:
    parser = argparse.ArgumentParser(description="a local imitation of RunPod's job API")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--workers", type=int, default=1, help="worker processes to start; 0: start them yourself")
    parser.add_argument("--engine", default=_engine(), help="the workers' engine; default: ENGINE, or preview")
    parser.add_argument("--twice", action="store_true", help="deliver every job twice")
    asked = parser.parse_args()
    listener = _bound(asked.port)  # first, so that no worker joins another platform on this port
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(Manners(twice=asked.twice), lambda endpoint: _keep(endpoint, url, asked.workers, asked.engine))
    print(f"The endpoint is {url}/v2/{ENDPOINT}")  # noqa: T201  terminal output
    print(f"Set RUNPOD_ENDPOINT_BASE_URL={url}/v2 to point the runpod client at it")  # noqa: T201
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning")).run(sockets=[listener])


def _bound(port: int) -> socket.socket:
    """Return a listening socket. Exits with an error message if the port is taken."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as problem:
        sys.exit(f"Port {port} is not available: {os.strerror(problem.errno or 0)}")


def _engine() -> str:
    """Return ENGINE from the environment or `.env`; `preview` for `auto`, which refuses to start without a GPU on a
    platform."""
    engine = os.environ.get("ENGINE") or dotenv_values(ROOT / ".env").get("ENGINE") or "auto"
    return "preview" if engine == "auto" else engine


async def _keep(endpoint: Endpoint, url: str, count: int, engine: str) -> None:
    """Keep `count` workers running, replacing each one that exits or asks to be replaced."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    started = 0
    try:
        while True:
            for worker_id, process in list(processes.items()):
                worker = endpoint.workers.get(worker_id)
                if worker and worker.stopped:
                    process.terminate()
                if process.poll() is not None:
                    endpoint.lose(worker_id)
                    del processes[worker_id]
            while len(processes) < count:
                started += 1
                name = f"worker-{os.getpid()}-{started}"
                processes[name] = start(url, name, {"ENGINE": engine})
            await asyncio.sleep(1)
    finally:
        for process in processes.values():
            process.terminate()


if __name__ == "__main__":
    main()
