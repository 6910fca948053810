"""`python -m bench.clients`: calls a server and the local platform with every client, for the table in docs/http.md.

Each client is a small program in this folder, run with the versions pinned in `requirements.txt` and `package.json`. It
exits with code 0 if everything it tried worked.
"""

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from testing.pictures import plain_room, red_vase
from testing.processes import free_port

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TABLE = re.compile(r"(<!-- clients -->\n).*?(<!-- end -->)", re.DOTALL)
READY_SECONDS = 180.0
CLIENT_SECONDS = 300.0


@dataclass(frozen=True)
class Client:
    """One row of the table: a program, and what it calls."""

    name: str
    program: str
    tried: str


CLIENTS = (
    Client("original Python class (Qwen Edit & Generate API)", "original.py", "all methods, `POST /` of both"),
    Client("original JavaScript class", "original.mjs", "all methods, `POST /` of both"),
    Client("`openai` (Python)", "openai_python.py", "generate, edit of two pictures, URLs, stream"),
    Client("`openai` (npm)", "openai_npm.mjs", "generate, edit of two pictures, URLs"),
    Client("`litellm`", "litellm_client.py", "image_generation, image_edit"),
    Client("`langchain-community` DallEAPIWrapper", "langchain_client.py", "run: a URL"),
    Client("`ai` with `@ai-sdk/openai-compatible`", "ai_sdk.mjs", "generateImage"),
    Client("`ai` with `@runpod/ai-sdk-provider`", "ai_runpod.mjs", "generateImage from words, and from two pictures"),
    Client("`runpod` (Python)", "runpod_python.py", "run_sync, run, a failure"),
    Client("`runpod-sdk` (npm)", "runpod_npm.mjs", "runSync, run and status, a failure"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="calls the worker with every client")
    parser.add_argument(
        "--python",
        type=os.path.abspath,
        default=sys.executable,
        help="interpreter that has bench/clients/requirements.txt",
    )
    parser.add_argument("--write", action="store_true", help="write the table into docs/http.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _server() as server, _platform() as platform:
        programs = Path(folder) / "clients"
        shutil.copytree(HERE, programs, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=programs, check=True)  # noqa: S607
        plain_room(640, 480).save(programs / "room.png")
        red_vase().save(programs / "product.png")
        env = os.environ | {"SERVER": server, "PLATFORM": platform}
        rows = [_row(client, programs, asked.python, env) for client in CLIENTS]
    table = "\n".join(["| client | version | tried | result |", "|---|---|---|---|", *rows]) + "\n"
    if asked.write:
        page = ROOT / "docs/http.md"
        page.write_text(TABLE.sub(lambda match: match[1] + table + match[2], page.read_text()))


def _row(client: Client, programs: Path, python: str, env: dict[str, str]) -> str:
    command = [python if client.program.endswith(".py") else "node", client.program]
    done = subprocess.run(  # noqa: S603  our own programs
        command, cwd=programs, env=env, capture_output=True, text=True, timeout=CLIENT_SECONDS, check=False
    )
    version = done.stdout.strip().splitlines()[-1] if done.returncode == 0 and done.stdout.strip() else ""
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
    row = f"| {client.name} | {version} | {client.tried} | {'works' if done.returncode == 0 else 'fails'} |"
    print(row, flush=True)
    return row


@contextlib.contextmanager
def _server() -> Iterator[str]:
    port = free_port()
    env = {"HOST": "127.0.0.1", "PORT": str(port), "ENGINE": "preview"}
    with _running([sys.executable, "server.py"], env):
        yield _reached(f"http://127.0.0.1:{port}", "/ready", b"ready")


@contextlib.contextmanager
def _platform() -> Iterator[str]:
    port = free_port()
    with _running([sys.executable, "-m", "local_platform", "--port", str(port)], {"ENGINE": "preview"}):
        yield _reached(f"http://127.0.0.1:{port}", "/v2/local/health", b'"idle":1')


@contextlib.contextmanager
def _running(command: list[str], env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | env)  # noqa: S603  our own programs
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def _reached(url: str, path: str, text: bytes) -> str:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(url + path, timeout=10) as answer:  # noqa: S310
            if text in answer.read():
                return url
        time.sleep(0.2)
    raise TimeoutError(f"{url} did not get ready")


if __name__ == "__main__":
    main()
