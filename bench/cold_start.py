"""Times the worker's start by phase, against a script that imports everything first, and simulates loading real
checkpoints from disks of three speeds.

usage: python bench/cold_start.py [--json] [--runs 3]

The simulation assumes weights in bf16, the times for imports and empty models measured here, at most ONE_STREAM for
reading a file in one stream, and COPY per stream for copying to the GPU. Serial: imports first, then each part is read
and copied. Ours: two lanes share the disk from the start, and each part is copied as it arrives once the imports are
done.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs from its folder

from models.checkpoints.sizes import Sizes  # noqa: E402

GB = 1e9
DISKS = (1.5, 5.0, 10.0)
ONE_STREAM, COPY = 2.5, 6.0
"""GB/s of one thread that maps a file and takes page after page, and of a copy from unpinned memory over PCIe."""

MARK = """
import json, os, sys, time
def mark(name):
    spent = os.times()
    print(json.dumps([name, time.time(), spent.user + spent.system]), flush=True)
mark("interpreter")
"""
SDK = MARK + "import runpod\nmark('SDK import')\n"
OURS = (
    MARK
    + """
import rp_handler
rp_handler._name_processor()
mark("imports of ours")
import runpod
mark("SDK import")
door = rp_handler._door()
mark("building")
door.router.wait_until_loaded()
mark("engine ready")
mark("torch imported" if "torch" in sys.modules else "no torch")
"""
)
PLAIN = (
    SDK
    + """
import torch
from diffusers import QwenImageEditPlusPipeline
from transformers import Qwen2_5_VLForConditionalGeneration
mark("torch, diffusers, transformers")
import rp_handler, models.qwen.engine
mark("imports of ours")
"""
)
WAYS = {
    "SDK alone": ("preview", SDK),
    "preview": ("preview", OURS),
    "tiny": ("tiny", OURS),
    "plain": ("preview", PLAIN),
}

Phases = dict[str, tuple[float, float]]
"""Wall and CPU seconds by phase."""


def started(engine: str, code: str) -> Phases:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_")}
    wall, cpu = time.time(), 0.0
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code],
        cwd=ROOT, env=inherited | {"ENGINE": engine}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    phases: Phases = {}
    for line in done.stdout.splitlines():
        if line.startswith("["):
            name, then, spent = json.loads(line)
            phases[name] = (then - wall, spent - cpu)
            wall, cpu = then, spent
    return phases


def medians(runs: list[Phases]) -> Phases:
    return {name: (median(run[name][0] for run in runs), median(run[name][1] for run in runs)) for name in runs[0]}


def total(phases: Phases) -> tuple[float, float]:
    return sum(wall for wall, _ in phases.values()), sum(cpu for _, cpu in phases.values())


def serial(parts: list[float], disk: float, before: float) -> float:
    return before + sum(part / min(disk, ONE_STREAM) + part / COPY for part in parts)


def overlapped(parts: list[float], disk: float, before: float) -> float:
    """Return the seconds until the last lane is on the GPU. Both lanes share the disk while they read; when the shorter
    one ends, the other gets its share."""
    short, long = sorted(parts)
    shared, alone = min(disk / 2, ONE_STREAM), min(disk, ONE_STREAM)
    both = short / shared
    reads = {short: both, long: both + (long - both * shared) / alone}
    return max(max(read, before + part / COPY) for part, read in reads.items())


def simulated(count: Sizes, before: float) -> list[dict[str, float]]:
    transformer, rest = (2 * parameters / GB for parameters in (count.transformer, count.text_encoder + count.vae))
    return [
        {"disk_gb_s": disk, "serial_s": serial([transformer, rest], disk, before),
         "ours_s": overlapped([transformer, rest], disk, before)}
        for disk in DISKS
    ]  # fmt: skip


def empty_models() -> tuple[Sizes, float]:
    """Return the model sizes and the seconds for building empty models, with the libraries already imported."""
    import models.qwen.engine  # noqa: F401  the libraries first
    from models.checkpoints.sizes import sizes

    began = time.perf_counter()
    return sizes(), time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="times the start of the worker, by phase")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the tables")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    runs: list[dict[str, Phases]] = [
        {way: started(*command) for way, command in WAYS.items()} for _ in range(asked.runs)
    ]
    ways = {way: medians([run[way] for run in runs]) for way in WAYS}
    torch_s = ways["plain"]["torch, diffusers, transformers"][0]
    count, building = empty_models()
    disks = simulated(count, torch_s + building)
    payload: dict[str, Any] = {
        "added_cpu_s": total(ways["preview"])[1] - total(ways["SDK alone"])[1],
        "preview_imports_torch": "torch imported" in ways["preview"],
        **{f"{way.replace(' ', '_').lower()}_wall_s": total(phases)[0] for way, phases in ways.items()},
        **{f"{way.replace(' ', '_').lower()}_cpu_s": total(phases)[1] for way, phases in ways.items()},
        "before_weights_s": torch_s + building,
        "simulated": disks,
    }
    if not asked.json:
        for way, phases in ways.items():
            for name, (wall, cpu) in phases.items():
                print(f"{way:12}{name:34}{wall:8.3f} s wall{cpu:8.3f} s CPU")
        for row in disks:
            print("{disk_gb_s:5.1f} GB/s   serial {serial_s:6.1f} s   ours {ours_s:6.1f} s".format(**row))
    print(json.dumps(payload))


if __name__ == "__main__":
    main()
