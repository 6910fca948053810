"""Runs every profile at full size with random weights on the GPU, following the plan for this GPU, and compares memory
with the plan and seconds by stage.

    python -m bench.gpu [--profile NAME] [--precision auto|bf16|fp8|int8|nf4 ...] [--qualities all|fast] [--json]

Without a GPU the same code runs tiny sizes on the CPU, with `auto` as int8. That shows that the code works, but nothing
about speed.
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from bitsandbytes.nn import modules as four_bits
from bitsandbytes.nn.modules import Linear4bit, Params4bit
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from safetensors.torch import save_file
from torch import nn
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from imaging.cutout import CutOut
from imaging.picture import Picture, Size
from models import tiny
from models.checkpoints import lora
from models.checkpoints.components import Checkpoint, Components
from models.checkpoints.loading import fuse_and_shrink
from models.checkpoints.plan import Card, Plan, make_plan
from models.checkpoints.profiles import PROFILES, Profile
from models.checkpoints.sizes import TEXT_ENCODER
from models.checkpoints.vae import for_single_frames
from models.engine import Control, GenerateTask, PaintTask, Sampling
from models.qwen.conditioning import decode, embed, encode
from models.qwen.engine import Qwen
from models.qwen.grid import fit
from schemas.settings import Precision, Qualities

RANK = 64
"""Rank of the published few-step LoRAs."""

FAINT = 0.3
"""Scale of the random LoRAs: they change the time, but the numbers stay finite."""

EDIT, GENERATE, WORDS = "edit 1024x1024, room and product", "generate 1280x720, product", "paint 1664x928 from words"
JOBS: dict[str, tuple[Size, list[Size]]] = {
    EDIT: ((1024, 1024), [(1024, 1024), (512, 512)]),
    GENERATE: ((1280, 720), [(512, 512)]),
    WORDS: ((1664, 928), []),
}
"""The size of the picture to paint, and the sizes of its references."""

TINY_PLANS: dict[Precision, Plan] = {
    "auto": Plan("tiny", "int8", "bf16", True, "fused", "cuda", 0, 0),
    "int8": Plan("tiny", "int8", "bf16", True, "fused", "cuda", 0, 0),
    "fp8": Plan("tiny", "fp8", "bf16", True, "fused", "cuda", 0, 0),
    "bf16": Plan("tiny", "bf16", "bf16", False, "reversible", "cuda", 0, 0),
    "nf4": Plan("tiny", "nf4", "nf4", False, "switchable", "cuda", 0, 0),
}
"""The plan without a GPU."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--profile", choices=PROFILES, help="one of them instead of all")
    arguments.add_argument("--precision", choices=get_args(Precision), nargs="+", default=["auto"])
    arguments.add_argument("--qualities", choices=get_args(Qualities), default="all")
    arguments.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    asked = arguments.parse_args()
    on_gpu = torch.cuda.is_available()
    profiles = [PROFILES[asked.profile]] if asked.profile else PROFILES.values()
    plans = itertools.product(profiles, asked.precision)
    rows = [row for profile, precision in plans for row in measured(profile, precision, asked.qualities, on_gpu)]
    if asked.json:
        print(json.dumps({"gpu": torch.cuda.get_device_name() if on_gpu else None, "rows": rows}))
        return
    print(torch.cuda.get_device_name() if on_gpu else "No GPU: tiny sizes on the CPU, which say nothing about speed")
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


def measured(profile: Profile, precision: Precision, qualities: Qualities, on_gpu: bool) -> list[dict[str, Any]]:
    row: dict[str, Any] = {"profile": profile.name}
    if on_gpu:
        plan = make_plan(profile, this_card(), precision, qualities=qualities)
        parts = full_size(profile, plan)
        torch.cuda.synchronize()
        row |= {
            "transformer": plan.transformer,
            "text_encoder": plan.text_encoder,
            "loras": plan.loras,
            "resident_gb": gigabytes(torch.cuda.memory_allocated()),
            "planned_gb": gigabytes(plan.resident),
            "planned_peak_gb": gigabytes(plan.peak),
        }
    else:
        parts = tiny_size(profile, TINY_PLANS[precision])
        row |= {"transformer": TINY_PLANS[precision].transformer, "loras": TINY_PLANS[precision].loras}
    for_single_frames(parts.vae)
    jobs = (EDIT, GENERATE) if profile.references else (WORDS,)
    return [row | one_job(parts, name, on_gpu) for name in jobs]


def one_job(parts: Components, name: str, on_gpu: bool) -> dict[str, Any]:
    """Run one job on fresh random pictures; the first run warms up, the second counts."""
    size, seen = JOBS[name] if on_gpu else ((256, 256), [(96, 96)] * len(JOBS[name][1]))
    rng = np.random.default_rng(0)
    pictures = [Picture(rng.integers(0, 255, (height, width, 3), np.uint8)) for width, height in seen]
    engine = Qwen(parts, cache_bytes=0)

    def paint(seed: int) -> None:
        if name == GENERATE:
            [product] = pictures
            alone = CutOut(product.pixels, np.ones(product.pixels.shape[:2], np.float32), 1.0)
            engine.generate(GenerateTask(alone, "studio", "", size, None, None, Sampling(seed)), Control())
        else:
            engine.paint(PaintTask("a chair by the window", tuple(pictures), size, Sampling(seed)), Control())

    paint(1)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    profile = parts.edit.profile
    areas = [profile.area, *[profile.product_area] * (len(pictures) - 1)] if name == EDIT else [profile.product_area]
    pixels = [
        fit(picture.size, area, profile.multiple).enter(picture.pixels)
        for picture, area in zip(pictures, areas, strict=False)
    ]
    width, height = fit(size, profile.area, profile.multiple).working
    latents = torch.randn(1, 16, 1, height // 8, width // 8, device=parts.device)
    stages: dict[str, Callable[[], Any]] = {
        "embed_s": lambda: embed(parts, "a chair by the window", pixels),
        "encode_s": lambda: [encode(parts, picture) for picture in pixels],
        "decode_s": lambda: decode(parts, latents),
    }

    def again(work: Callable[[], Any]) -> float:
        """Return the seconds of the second run on the engine's own thread: cuDNN makes its plans per thread and
        size."""
        engine._in_turn(work, Control())
        return timed(lambda: engine._in_turn(work, Control()))

    seconds = {stage: again(work) for stage, work in stages.items()} | {"total_s": timed(lambda: paint(2))}
    seconds["denoise_s"] = round(seconds["total_s"] - seconds["embed_s"] - seconds["encode_s"] - seconds["decode_s"], 3)
    peak = {"peak_gb": gigabytes(torch.cuda.max_memory_allocated())} if on_gpu else {}
    return {"job": name, **peak, **seconds}


def this_card() -> Card:
    card = torch.cuda.get_device_properties(0)
    return Card(card.name, card.total_memory, (card.major, card.minor))


def full_size(profile: Profile, plan: Plan) -> Components:
    """Return random weights on the device where the plan keeps them."""
    small = tiny.components()
    text = Qwen2_5_VLConfig(**TEXT_ENCODER, image_token_id=small.text_encoder.config.image_token_id)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cpu" if plan.is_waiting else "cuda"):
            transformer = QwenImageTransformer2DModel(zero_cond_t=True).eval()
        with torch.device("cuda" if plan.text_encoder == "bf16" else "cpu"):
            text_encoder = Qwen2_5_VLForConditionalGeneration(text).eval()
        with torch.device("cuda"):
            vae = AutoencoderKLQwenImage().eval()
    finally:
        torch.set_default_dtype(default)
    bare = Checkpoint(profile, transformer.requires_grad_(requires_grad=False), small.edit.scheduler_config)
    return planned(replace(small, edit=bare, text_encoder=text_encoder, vae=vae), plan, "cuda")


def tiny_size(profile: Profile, plan: Plan) -> Components:
    small = tiny.components()
    own = replace(tiny.PROFILE, schedules=profile.schedules, references=profile.references)
    return planned(replace(small, edit=replace(small.edit, profile=own)), plan, "cpu")


def planned(parts: Components, plan: Plan, device: str) -> Components:
    """Return components with random LoRAs, in the state in which `models.checkpoints.loading` leaves them."""
    bare, text_encoder = parts.edit, parts.text_encoder
    if plan.transformer == "nf4":
        in_four_bits(bare.transformer.transformer_blocks, device)
    if plan.text_encoder == "nf4":
        in_four_bits(text_encoder.model, device)
    names = [few.name for quality in plan.qualities if (few := bare.profile.schedules[quality].lora)]
    add_loras(bare.transformer, names)
    if plan.loras in ("switchable", "none"):
        edit = replace(bare, adapters=frozenset(names))
    elif plan.loras == "reversible":
        lora.fuse_reversibly(bare.transformer, names[0])
        edit = replace(bare, adapters=frozenset(names), fused=names[0])
    else:
        edit = fuse_and_shrink(replace(bare, fused=names[0]), plan, device)
    return replace(parts, edit=edit, text_encoder=text_encoder.to(device))


def add_loras(transformer: QwenImageTransformer2DModel, names: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lora.safetensors"
        for seed, name in enumerate(names):
            weights = tiny.random_lora(transformer, torch.Generator().manual_seed(seed), RANK)
            save_file({key: FAINT * value for key, value in weights.items()}, file)
            lora.add(transformer, file, name)


def in_four_bits(module: nn.Module, device: str) -> None:
    """Quantize a module as bitsandbytes does while loading."""
    if device == "cpu":  # its faster weight layout needs a kernel that is downloaded
        vars(four_bits)["has_avx512bf16"] = lambda: False
    for name, layer in list(module.requires_grad_(requires_grad=False).named_modules()):
        if isinstance(layer, nn.Linear) and not name.startswith("visual"):
            small = Linear4bit(  # type: ignore[no-untyped-call]
                layer.in_features, layer.out_features, layer.bias is not None, torch.bfloat16, quant_type="nf4"
            )
            small.weight = Params4bit(layer.weight.data, requires_grad=False, quant_type="nf4")
            small.bias = layer.bias
            module.set_submodule(name, small.to(device))


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
