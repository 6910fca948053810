"""The benchmark that waits for a GPU, at tiny size on the CPU: it must not fail on the day it gets one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROFILE = "qwen-image-edit-2511"


@pytest.mark.parametrize(("precision", "loras"), [("bf16", "reversible"), ("fp8", "fused"), ("nf4", "switchable")])
def test_each_plan_is_built_and_timed(precision: str, loras: str) -> None:
    command = [sys.executable, "-m", "bench.gpu", "--profile", PROFILE, "--precision", precision, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {(row["transformer"], row["loras"]) for row in rows} == {(precision, loras)}
    assert all(row["total_s"] > 0 for row in rows)
