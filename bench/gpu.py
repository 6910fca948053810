"""Every profile at full size with random weights on the GPU: memory against the plan, seconds by stage.

    python -m bench.gpu [--json]

Without a GPU the same code runs the tiny sizes on the CPU: that shows that it works, and nothing about speed.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from imaging.picture import Picture, Size
from models import tiny
from models.components import Checkpoint, Components
from models.conditioning import decode, embed, encode
from models.engine import Control, PaintTask, Sampling
from models.plan import LORA_PARAMETERS, Card, make_plan
from models.profiles import PROFILES, Profile, Schedule
from models.qwen import Qwen
from models.sizes import TEXT_ENCODER

JOBS: dict[str, tuple[Size, list[Size]]] = {
    "edit 1024x1024, room and product": ((1024, 1024), [(1024, 1024), (512, 512)]),
    "generate 1280x720, product": ((1280, 720), [(512, 512)]),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    on_gpu = torch.cuda.is_available()
    rows = [row for profile in PROFILES.values() for row in measured(profile, on_gpu)]
    if arguments.parse_args().json:
        print(json.dumps({"gpu": torch.cuda.get_device_name() if on_gpu else None, "rows": rows}))
        return
    print(torch.cuda.get_device_name() if on_gpu else "No GPU: tiny sizes on the CPU, which say nothing about speed")
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


def measured(profile: Profile, on_gpu: bool) -> list[dict[str, Any]]:
    parts = full_size(profile) if on_gpu else tiny_size(profile)
    row: dict[str, Any] = {"profile": profile.name}
    if on_gpu:
        torch.cuda.synchronize()
        total = torch.cuda.get_device_properties(0).total_memory
        plan = make_plan(profile, Card("this card", total, torch.cuda.get_device_capability()), "bf16")
        loras = 2 * LORA_PARAMETERS * 2 if plan.loras == "switchable" else 0  # which random weights do not have
        row |= {
            "resident_gb": gigabytes(torch.cuda.memory_allocated()),
            "planned_gb": gigabytes(plan.resident - loras),
            "planned_peak_gb": gigabytes(plan.peak - loras),
        }
    jobs = JOBS.items() if profile.references else [("paint from words", ((1664, 928), []))]
    return [row | one_job(Qwen(parts, cache_bytes=0), parts, name, size, seen, on_gpu) for name, (size, seen) in jobs]


def one_job(engine: Qwen, parts: Components, name: str, size: Size, seen: list[Size], on_gpu: bool) -> dict[str, Any]:
    """Fresh random pictures; the first run warms up, the second counts."""
    if not on_gpu:
        size, seen = (192, 192), [(96, 96)] * len(seen)
    rng = np.random.default_rng(0)
    pictures = [Picture(rng.integers(0, 255, (height, width, 3), np.uint8)) for width, height in seen]
    task = PaintTask("a chair by the window", tuple(pictures), size, Sampling(seed=1, steps=4, true_cfg_scale=1.0))
    engine.paint(task, Control())
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    pixels = [picture.pixels for picture in pictures]
    latents = torch.randn(1, 16, 1, size[1] // 8, size[0] // 8, device=parts.device)
    seconds = {
        "embed_s": timed(lambda: embed(parts, task.prompt, pixels)),
        "encode_s": timed(lambda: [encode(parts, picture) for picture in pixels]),
        "decode_s": timed(lambda: decode(parts, latents)),
        "total_s": timed(lambda: engine.paint(replace(task, sampling=replace(task.sampling, seed=2)), Control())),
    }
    seconds["denoise_s"] = round(seconds["total_s"] - seconds["embed_s"] - seconds["encode_s"] - seconds["decode_s"], 3)
    peak = {"peak_gb": gigabytes(torch.cuda.max_memory_allocated())} if on_gpu else {}
    return {"job": name, **peak, **seconds}


def full_size(profile: Profile) -> Components:
    """Random weights, made on the card."""
    small = tiny.components()
    text = Qwen2_5_VLConfig(**TEXT_ENCODER, image_token_id=small.text_encoder.config.image_token_id)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda"):
            transformer = QwenImageTransformer2DModel(zero_cond_t=True).eval()
            text_encoder = Qwen2_5_VLForConditionalGeneration(text).eval()
            vae = AutoencoderKLQwenImage().eval()
    finally:
        torch.set_default_dtype(default)
    plain = replace(profile, schedules={quality: Schedule(4) for quality in profile.schedules})
    checkpoint = Checkpoint(plain, transformer.requires_grad_(False), small.edit.scheduler_config)
    return replace(small, edit=checkpoint, text_encoder=text_encoder, vae=vae)


def tiny_size(profile: Profile) -> Components:
    small = tiny.components()
    schedules = {quality: Schedule(4) for quality in profile.schedules}
    return replace(small, edit=replace(small.edit, profile=replace(tiny.PROFILE, schedules=schedules)))


def timed(work: Callable[[], Any]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return round(time.perf_counter() - started, 3)


def gigabytes(count: int) -> float:
    return round(count / 1e9, 2)


if __name__ == "__main__":
    main()
