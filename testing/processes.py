"""The environment of a process under test, and how to wait until it is ready."""

import os
import secrets
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
    """Return a port on which nothing listens, below those that systems hand out: these may be anybody's a moment
    later."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def is_ready(url: str) -> bool:
    with suppress(httpx2.TransportError):
        return httpx2.get(url + "/ready").status_code == 200
    return False


def children_of(process: int) -> list[int]:
    """Return the ids of the processes that `process` started, on Linux."""
    everyone = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal()]
    return [each for each in everyone if _state_and_parent(each)[1] == process]


def has_ended(process: int) -> bool:
    """Return True if the process is gone, or only its exit code is left, on Linux."""
    return _state_and_parent(process)[0] in "ZX"


def _state_and_parent(process: int) -> tuple[str, int]:
    with suppress(OSError):
        state, parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:2]
        return state, int(parent)
    return "X", 0
