"""`python server.py` as a process, as a container runs it."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.shop import small_edit
from tests.test_process import environment, free_port

ROOT = Path(__file__).parent.parent


@contextmanager
def served(*command: str, env: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ready(url: str) -> None:
    for _ in range(200):
        try:
            if httpx2.get(url + "/ready").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{url} did not come up")


def test_it_serves_at_its_port_and_pings_at_another(tmp_path: Path) -> None:
    port, pings = free_port(), free_port()
    env = environment(tmp_path, HOST="127.0.0.1", PORT=str(port), PORT_HEALTH=str(pings), API_KEY="s3cret")
    with served("server.py", env=env) as process:
        ready(f"http://127.0.0.1:{port}")
        assert httpx2.get(f"http://127.0.0.1:{pings}/ping").status_code == 200
        assert httpx2.get(f"http://127.0.0.1:{pings}/v1/models").status_code == 404
        done = httpx2.post(f"http://127.0.0.1:{port}/v1/edit", json=small_edit(), auth=("any", "s3cret"))
        assert done.json()["success"] is True
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, -signal.SIGTERM)
        assert "Traceback" not in (process.stderr.read() if process.stderr else "")


def test_uvicorn_serves_the_same(tmp_path: Path) -> None:
    port = free_port()
    with served("-m", "uvicorn", "server:app", "--port", str(port), env=environment(tmp_path)):
        ready(f"http://127.0.0.1:{port}")
        assert httpx2.get(f"http://127.0.0.1:{port}/v1/models").json()["data"][0]["id"] == "preview"


def test_a_job_on_its_way_is_finished_before_the_server_ends(tmp_path: Path) -> None:
    port = free_port()
    env = environment(tmp_path, HOST="127.0.0.1", PORT=str(port), ENGINE="tiny")
    with served("server.py", env=env) as process:
        url = f"http://127.0.0.1:{port}"
        ready(url)
        with httpx2.stream(
            "POST", url + "/v1/edit", json=small_edit(), headers={"Accept": "text/event-stream"}, timeout=60
        ) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: progress"
            process.send_signal(signal.SIGTERM)
            assert "event: answer" in list(lines)
        assert process.wait(10) in (0, -signal.SIGTERM)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PORT": "http"}, "PORT: "),
        ({"ENGINE": "replay"}, "REPLAY_DIR"),
        ({"ENGINE": "replay", "REPLAY_DIR": "/nowhere"}, "REPLAY_DIR"),
    ],
)
def test_what_cannot_serve_ends_with_one_sentence(tmp_path: Path, settings: dict[str, str], sentence: str) -> None:
    with served("server.py", env=environment(tmp_path, PORT=str(free_port())) | settings) as process:
        assert process.wait(20) == 1
        said = process.stderr.read() if process.stderr else ""
    assert sentence in said
    assert len(said.strip().splitlines()) == 1


def test_importing_it_does_nothing(tmp_path: Path) -> None:
    check = "import server, sys; print(sorted({'torch', 'diffusers', 'transformers', 'runpod'} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", check],
        cwd=ROOT,
        env=environment(tmp_path, PORT="no port"),
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]", done.stderr
