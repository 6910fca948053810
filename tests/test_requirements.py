"""What is installed is what was looked at."""

import re
from pathlib import Path

import pytest

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
