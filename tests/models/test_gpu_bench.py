"""The GPU benchmark at tiny size on the CPU: it must not fail on the day it gets a GPU."""

import json
import subprocess
import sys

from testing.processes import ROOT

LORAS = {"bf16": "reversible", "fp8": "fused", "nf4": "switchable"}


def test_each_plan_is_built_and_timed() -> None:
    command = [sys.executable, "-m", "bench.gpu", "--profile", "qwen-image-edit-2511", "--precision", *LORAS, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {row["transformer"]: row["loras"] for row in rows} == LORAS
    assert all(row["total_s"] > 0 for row in rows)
