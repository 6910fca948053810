"""docs/cli.md: every command of its transcripts is run in one folder, and says what the page shows."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from local_platform.worker import ENDPOINT
from models.preview import Preview
from testing.live import Live, serving
from testing.pictures import CHAIR
from testing.rehearsal import ROOT, Platform

PAGE = (ROOT / "docs/cli.md").read_text()
BLOCKS = re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
NEXT = "--- next"


@dataclass(frozen=True)
class Command:
    line: str
    shown: str

    @property
    def pattern(self) -> str:
        """A regular expression: seeds and `...` lines stand for anything."""
        lines = [r"(?:.*\n)*" if line == "..." else re.escape(line) + r"\n" for line in self.shown.splitlines()]
        return re.sub(r"(?<=seed\\ )\d{3,}", r"\\d+", "".join(lines))


def commands_of(block: str) -> list[Command]:
    return [Command(*part.split("\n", 1)) for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]


COMMANDS = [command for block in BLOCKS for command in commands_of(block)]


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with serving(Preview, api_key="secret") as live:
        yield live


@pytest.fixture
def told(tmp_path: Path, shop: Platform, server: Live) -> list[str]:
    """Return the output of each command, in a terminal that merges both streams."""
    shutil.copy(CHAIR / "product_white.png", tmp_path / "chair.png")
    Image.open(CHAIR / "room.png").save(tmp_path / "room.jpg")
    for name, text in re.findall(r"^\$ cat (\S+\.\S+)\n(.*?)(?=^\$ )", PAGE, re.DOTALL | re.MULTILINE):
        (tmp_path / name).write_text(text)
    script = tmp_path / "bin/qwen-edit"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m examples.cli "$@"\n')
    script.chmod(0o755)
    lines = [f"code=$?; echo '{NEXT}'; (exit $code); {command.line}" for command in COMMANDS]
    text = "\n".join(lines).replace("http://localhost:8000", server.url).replace("abc123", ENDPOINT)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RUNPOD_", "API_KEY"))}
    env |= {"PATH": f"{script.parent}:{env['PATH']}", "PYTHONPATH": str(ROOT), "ENGINE": "preview"}
    env |= {"RUNPOD_ENDPOINT_BASE_URL": f"{shop.url}/v2"}
    done = subprocess.run(
        ["bash", "-c", text], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    as_preview = done.stdout.replace("unkind, seed", "preview, seed")  # the platform's worker, which tests command
    return as_preview.split(f"{NEXT}\n")[1:]


def test_every_command_says_what_the_page_shows(told: list[str], tmp_path: Path) -> None:
    assert len(told) == len(COMMANDS)
    for command, said in zip(COMMANDS, told, strict=True):
        assert re.fullmatch(command.pattern, said), f"{command.line}\n{said}"
    files = re.findall(r"(?:-o|>) (\w+\.\w+)", PAGE)
    assert len(files) >= 7
    for name in files:
        with Image.open(tmp_path / name) as picture:
            picture.load()


def test_the_page_shows_ten_tasks() -> None:
    assert PAGE.partition("## Ten tasks")[2].partition("\n## ")[0].count("```console") == 10
