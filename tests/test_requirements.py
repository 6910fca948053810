"""What is installed is what was looked at."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from schemas.version import VERSION

ROOT = Path(__file__).resolve().parent.parent


def pins(name: str) -> set[str]:
    """Names and versions, without extras."""
    lines = (ROOT / name).read_text().splitlines()
    return {re.sub(r"\[.*?\]", "", line).split(" ")[0] for line in lines if re.match(r"[a-z0-9]", line)}


@pytest.mark.parametrize("name", ["requirements-preview", "requirements"])
def test_the_lock_has_every_pin_and_a_hash_for_each(name: str) -> None:
    text = (ROOT / f"{name}.lock").read_text()
    assert pins(f"{name}.txt") | pins("requirements-preview.txt") <= pins(f"{name}.lock")
    entries = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert len(entries) > 50
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


@pytest.mark.parametrize("name", ["requirements-preview.txt", "requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned(name: str) -> None:
    assert all("==" in pin for pin in pins(name))


def test_the_project_installed_by_its_pyproject_asks_for_the_same(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "requirements-preview.txt", "schemas/version.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    build = "from setuptools import build_meta; print(build_meta.prepare_metadata_for_build_wheel('.'))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    built = Distribution.at(tmp_path / done.stdout.splitlines()[-1])
    assert built.version == VERSION
    assert set(built.requires or ()) == pins("requirements-preview.txt")
    assert not (built.read_text("top_level.txt") or "").strip(), "none of the modules are installed"
