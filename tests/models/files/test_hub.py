"""Downloads from a fake hub on loopback, in a separate process because the hub's library reads the environment on
import."""

import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from models.files.hub import progress_line

ROOT = Path(__file__).parents[3]
COMMIT = "a" * 40

STARTS = """
import json, os, sys
from pathlib import Path
from urllib.request import urlopen
from models.files import weights
from models.files.weights import CheckpointLocator
from schemas.settings import SettingsError
cache, outcomes = Path(os.environ["HF_HOME"]) / "hub", {}
def start(name):
    try:
        folder = CheckpointLocator(platform_cache=cache).folder("tiny/edit")
        weights.check(folder, "QwenImageEditPlusPipeline")
        outcomes[name] = "whole"
    except SettingsError as problem:
        outcomes[name] = str(problem)
def hub(state):
    urlopen(f"{os.environ['HF_ENDPOINT']}/-/{state}").read()
start("first")
hub("off")
start("whole, no hub")
[snapshot] = (cache / "models--tiny--edit" / "snapshots").iterdir()
shard = snapshot / "transformer" / "diffusion_pytorch_model.safetensors"
blob = shard.resolve()
shard.unlink()
blob.rename(f"{blob}.incomplete")
start("interrupted, no hub")
hub("on")
start("interrupted")
(snapshot / "model_index.json").unlink()
start("interrupted early")
print(json.dumps(outcomes))
"""


class Hub:
    """A fake hub with one repository. GET /-/off makes it hang up on every request until /-/on."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.answers = files, True
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path.startswith("/-/"):
                    hub.answers = path == "/-/on"
                    self.reply(200, b"", {})
                elif hub.answers:
                    self.reply(*hub.answer(path))
                else:
                    self.close_connection = True

            def do_HEAD(self) -> None:
                self.do_GET()

            def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Return status, body and headers as huggingface_hub reads them."""
        if "/tree/" in path:
            listed = [
                {"type": "file", "path": name, "size": len(data), "oid": etag(data)}
                for name, data in self.files.items()
            ]
            return 200, json.dumps(listed).encode(), {"Content-Type": "application/json"}
        if path.startswith("/api/models/"):
            siblings = [{"rfilename": name} for name in self.files]
            about = {"id": "tiny/edit", "modelId": "tiny/edit", "sha": COMMIT, "siblings": siblings, "private": False}
            body = json.dumps(about | {"tags": [], "downloads": 0, "likes": 0}).encode()
            return 200, body, {"Content-Type": "application/json"}
        found = re.fullmatch(r"/tiny/edit/resolve/[^/]+/(.+)", path)
        if found and (data := self.files.get(found[1])) is not None:
            return 200, data, {"X-Repo-Commit": COMMIT, "ETag": f'"{etag(data)}"'}
        return 404, b"", {"X-Error-Code": "EntryNotFound"}


def etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    hub = Hub(files)
    yield f"http://127.0.0.1:{hub.server.server_address[1]}"
    hub.server.shutdown()
    hub.server.server_close()


def test_an_interrupted_download_is_resumed_and_what_is_whole_needs_no_hub(models: Path, tmp_path: Path) -> None:
    with serving(models / "tiny" / "edit") as url:
        settings = {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1", "HF_HUB_ETAG_TIMEOUT": "5"}
        done = subprocess.run(
            [sys.executable, "-c", STARTS],
            cwd=ROOT,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=True,
        )
    outcomes = json.loads(done.stdout.splitlines()[-1])
    refused = outcomes.pop("interrupted, no hub")
    assert outcomes == dict.fromkeys(("first", "whole, no hub", "interrupted", "interrupted early"), "whole")
    assert "could not be downloaded" in refused
    assert "transformer/diffusion_pytorch_model.safetensors is missing" in refused


@pytest.mark.parametrize(
    ("received", "total", "line"),
    [
        (12_300_000_000, 56_700_000_000, "Downloading a/b: 12.3 of 56.7 GB, 1.23 GB/s, 36 s left"),
        (12_300_000_000, 0, "Downloading a/b: 12.3 GB, 1.23 GB/s"),
        (0, 56_700_000_000, "Downloading a/b: 0.0 of 56.7 GB, 0.00 GB/s, stalled"),
    ],
)
def test_a_line_of_progress_names_size_rate_and_time_left(received: int, total: int, line: str) -> None:
    assert progress_line("a/b", received, total, seconds=10.0) == line
