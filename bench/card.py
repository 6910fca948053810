"""Steps of `bench/on_a_card.sh`: describe the machine, compare its pictures with a CPU's, and print tables of the
results.

    python -m bench.card environment | equality | table FILE
"""

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from imaging.picture import Picture, Pixels
from models import tiny
from models.checkpoints import lora
from models.checkpoints.components import Components
from models.checkpoints.vae import for_single_frames
from models.engine import Control, PaintTask, Sampling
from models.qwen.engine import Qwen
from schemas.jobs import Quality

PACKAGES = ("torch", "diffusers", "transformers", "peft", "bitsandbytes", "accelerate", "safetensors")

BOUNDS = {torch.float32: 2.0, torch.bfloat16: 8.0}
"""Root mean square, in levels from 0 to 255, by which a GPU's picture may differ from the CPU's."""

ROOM = Picture(np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8))


def environment() -> list[dict[str, Any]]:
    """Return the versions of the libraries and the GPU."""
    row: dict[str, Any] = {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        row |= {"gpu": card.name, "memory_gb": round(card.total_memory / 1e9, 1), "sm": f"{card.major}{card.minor}"}
    return [row]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def equality() -> Iterator[dict[str, Any]]:
    """Yield the distance between tiny pictures on the GPU (the CPU without one) and those in float32 on the CPU."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for quality in get_args(Quality):
        expected = _painted("cpu", torch.float32, quality).astype(np.float32)
        for dtype, bound in BOUNDS.items():
            apart = float(np.sqrt(np.mean((_painted(device, dtype, quality) - expected) ** 2)))
            yield {"quality": quality, "device": device, "dtype": str(dtype), "apart": round(apart, 3), "bound": bound,
                   "ok": apart <= bound}  # fmt: skip


def _painted(device: str, dtype: torch.dtype, quality: Quality) -> Pixels:
    engine = Qwen(_parts(device, dtype), cache_bytes=0)
    return engine.paint(PaintTask("a chair", (ROOM,), (160, 96), Sampling(3, quality, 4)), Control()).pixels


def _parts(device: str, dtype: torch.dtype) -> Components:
    """Return tiny components with the LoRA of `fast` fused reversibly, as in the plan for large GPUs."""
    parts, fast = tiny.components(), tiny.LORAS[4].name
    tiny.add_loras(parts.edit.transformer)
    for module in (parts.edit.transformer, parts.text_encoder, parts.vae):
        module.to(device, dtype)
    for_single_frames(parts.vae)
    lora.fuse_reversibly(parts.edit.transformer, fast)
    edit = replace(parts.edit, adapters=frozenset(few.name for few in tiny.LORAS.values()), fused=fast)
    return replace(parts, edit=edit)


def table(file: Path) -> str:
    """Return the contents of a JSON file, which may hold one object per line, as lines of names and values."""
    documents = [json.loads(line) for line in file.read_text().splitlines() if line.startswith(("{", "["))]
    rows: list[dict[str, Any]] = []
    for document in documents:
        rows += document if isinstance(document, list) else document.get("rows", [document])
    return "\n".join("  ".join(f"{name} {value}" for name, value in row.items()) for row in rows)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("part", choices=["environment", "equality", "table"])
    arguments.add_argument("file", nargs="?", type=Path)
    asked = arguments.parse_args()
    if asked.part == "table":
        print(table(asked.file))
        return 0
    rows = environment() if asked.part == "environment" else list(equality())
    print(json.dumps(rows))
    return 0 if all(row.get("ok", True) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
