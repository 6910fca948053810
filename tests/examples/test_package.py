"""The package that `pip install .` installs, in an environment of its own and far from the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from schemas.version import VERSION
from testing.patience import WAIT_SECONDS, wait_until
from testing.pictures import plain_room, red_vase
from testing.processes import free_port, is_ready
from testing.rehearsal import ROOT

NOT_SOURCES = shutil.ignore_patterns(".*", "__pycache__", "node_modules", "outputs", "build", "dist", "*.egg-info")
BUILD = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("package") / "source"
    shutil.copytree(ROOT, source, ignore=NOT_SOURCES)
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return source / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment with the wheel and, by their path, the packages that it requires."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin/python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--no-index", "--no-deps", str(wheel)], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "required.pth").write_text(sysconfig.get_paths()["purelib"])
    return folder / "bin"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENGINE", "preview")
    for name in ("PYTHONPATH", "RUNPOD_ENDPOINT_ID", "RUNPOD_API_KEY", "API_KEY"):
        monkeypatch.delenv(name, raising=False)
    plain_room().save("room.png")
    red_vase().save("vase.png")


def test_it_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names} - {f"qwen_edit_generate_api-{VERSION}.dist-info"}
    assert tops == {
        *("examples", "handlers", "imaging", "models", "schemas", "transport", "web", "server.py"),
    }
    page = {f"web/page/{file.name}" for file in (ROOT / "web/page").iterdir()}
    modules = {
        str(file.relative_to(ROOT)) for top in tops - {"examples", "server.py"} for file in (ROOT / top).rglob("*.py")
    }
    assert page | modules <= set(names)


def test_the_command_makes_a_picture(scripts: Path) -> None:
    done = subprocess.run(
        [scripts / "qwen-edit", "edit", "vase.png", "room.png", "--at", "80,100", "-o", "placed.png"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "placed.png\n"), done.stderr
    with Image.open("placed.png") as placed:
        assert placed.size == (160, 120)


@pytest.mark.parametrize("script", ["qwen-edit", "qwen-edit-serve"])
def test_both_commands_know_their_version(scripts: Path, script: str) -> None:
    done = subprocess.run([scripts / script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{script}, version {VERSION}\n"


def test_bash_completes_options_and_their_values(scripts: Path) -> None:
    def completed(words: str) -> list[str]:
        asked = {"_QWEN_EDIT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        env = os.environ | asked
        return subprocess.run([scripts / "qwen-edit"], env=env, capture_output=True, text=True).stdout.split()

    assert "plain,--product-height-cm" in completed("qwen-edit edit --product-h")
    assert completed("qwen-edit edit --quality b") == ["plain,balanced", "plain,best"]


@pytest.fixture
def server(scripts: Path) -> Iterator[str]:
    port = free_port()
    env = os.environ | {"HOST": "127.0.0.1", "PORT": str(port)}
    with subprocess.Popen([scripts / "qwen-edit-serve"], env=env, stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: process.poll() is not None or is_ready(url))
            yield url
        finally:
            process.terminate()
            assert process.wait(WAIT_SECONDS) == 0


def test_the_server_serves_the_page_its_example_and_a_job(scripts: Path, server: str) -> None:
    for path in ("/", "/studio/studio.js", "/studio/example-room.png"):
        assert httpx.get(server + path, timeout=WAIT_SECONDS).status_code == 200
    done = subprocess.run(
        [scripts / "qwen-edit", "edit", "vase.png", "room.png", "--url", server], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "edit.png\n"), done.stderr
