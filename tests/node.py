"""node and npm for tests; a test that cannot have them is skipped with the reason."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

LEAST_NODE = 20
"""The first version with a global File, which the clients' forms need."""

NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENETUNREACH", "ETIMEDOUT")


def needs_node() -> None:
    if _major() < LEAST_NODE:
        pytest.skip(f"there is no node {LEAST_NODE} with npm on this machine")


def install(folder: Path) -> None:
    """Install the packages in the folder's package-lock.json without running their scripts."""
    try:
        run(folder, "npm", "ci", "--prefer-offline", "--fetch-retries=0", "--no-audit", "--ignore-scripts")
    except AssertionError as problem:
        if any(code in str(problem) for code in NO_NETWORK):
            pytest.skip("npm does not reach its registry")
        raise


def run(folder: Path, *command: str, **env: str) -> None:
    done = subprocess.run(command, cwd=folder, env=os.environ | env, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


def _major() -> int:
    """Return node's major version, or 0 if node or npm is missing."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return 0
    told = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    return int(told.removeprefix("v").partition(".")[0])
