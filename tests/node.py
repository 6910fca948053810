"""node and npm for tests; a test that cannot have them is skipped with the reason."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

LEAST_NODE = 20
"""The first version with a global File, which the clients' forms need."""

NEWER_NODE = "22.23.3"
"""The version from npm's `node` package for what needs Node 22, if the machine's own is older."""

NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENETUNREACH", "ETIMEDOUT")


def needs_node() -> None:
    if _major() < LEAST_NODE:
        pytest.skip(f"there is no node {LEAST_NODE} with npm on this machine")


def install(folder: Path, **env: str) -> None:
    """Install the packages in the folder's package-lock.json without running their scripts."""
    try:
        run(folder, "npm", "ci", "--prefer-offline", "--fetch-retries=0", "--no-audit", "--ignore-scripts", **env)
    except AssertionError as problem:
        if any(code in str(problem) for code in NO_NETWORK):
            pytest.skip("npm does not reach its registry")
        raise


def run(folder: Path, *command: str, **env: str) -> None:
    done = subprocess.run(command, cwd=folder, env=os.environ | env, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


def path_with_node_22() -> str:
    """Return a PATH on which `node` is version 22 or newer; skip the test if there is none to be had."""
    needs_node()
    return os.environ["PATH"] if _major() >= 22 else f"{_newer_node()}{os.pathsep}{os.environ['PATH']}"


@functools.cache
def _newer_node() -> Path:
    command = ["npm", "exec", "--yes", f"--package=node@{NEWER_NODE}", "--", "node", "--print", "process.execPath"]
    done = subprocess.run(command, capture_output=True, text=True)
    if any(code in done.stderr for code in NO_NETWORK):
        pytest.skip("npm does not reach its registry")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip()).parent


def _major() -> int:
    """Return node's major version, or 0 if node or npm is missing."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return 0
    told = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    return int(told.removeprefix("v").partition(".")[0])
