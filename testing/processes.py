"""The environment of a process under test, and how to wait until it is ready."""

import os
import socket
from contextlib import suppress
from pathlib import Path

import httpx2

ROOT = Path(__file__).resolve().parent.parent


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Return the variables of a preview worker that writes into `folder`, ignoring RunPod's variables on this
    machine."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_")}
    return inherited | {"OUTPUT_DIR": str(folder), "ENGINE": "preview"} | settings


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as line:
        return int(line.getsockname()[1])


def is_ready(url: str) -> bool:
    with suppress(httpx2.TransportError):
        return httpx2.get(url + "/ready").status_code == 200
    return False
