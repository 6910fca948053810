"""The npm client of OpenAI, unmodified: tests/js against live servers."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.live import Echo, serving
from tests.pictures import plain_room, red_vase

LEAST_NODE = 20
"""The first with a global File, which the client's forms are made of."""


NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENETUNREACH", "ETIMEDOUT")


def _slow() -> Echo:
    return Echo(seconds=0.2)


def _node() -> int:
    """Its major version, 0 where there is none."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return 0
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=20).stdout
    return int(told.removeprefix("v").partition(".")[0])


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A copy of tests/js with the client in it, and pictures beside."""
    if _node() < LEAST_NODE:
        pytest.skip(f"there is no node {LEAST_NODE} with npm on this machine")
    folder = tmp_path / "js"
    shutil.copytree(Path(__file__).parent / "js", folder, ignore=shutil.ignore_patterns("node_modules"))
    _install(folder)
    plain_room().save(folder / "room.png")
    red_vase().save(folder / "product.png")
    mask = Image.new("RGBA", (160, 120), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (40, 50, 90, 110))
    mask.save(folder / "mask.png")
    return folder


def test_the_npm_client_works_unmodified(scripts: Path) -> None:
    with serving() as live, serving(api_key="s3cret") as locked, serving(_slow, queue_limit=1) as short:
        urls = {"BASE_URL": live.url, "LOCKED_URL": locked.url, "SHORT_URL": short.url}
        told = {name: url + "/v1" for name, url in urls.items()}
        _run(scripts, "node", "--test", **told, PICTURES=str(scripts))


def _install(folder: Path) -> None:
    try:
        _run(folder, "npm", "ci", "--prefer-offline", "--fetch-retries=0", "--no-audit", "--ignore-scripts")
    except AssertionError as problem:
        if any(code in str(problem) for code in NO_NETWORK):
            pytest.skip("npm does not reach its registry")
        raise


def _run(folder: Path, *command: str, **told: str) -> None:
    done = subprocess.run(command, cwd=folder, env=os.environ | told, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
