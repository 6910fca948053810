"""Measures each optimization of an edit on the GPU, alone and with the others, next to stock diffusers in the same run.

    python -m bench.levers [--json] [--steps 4]

Full size, random weights, fresh random pictures, medians. `apart` is the root mean square difference, in levels from 0
to 255, from the picture of the bf16 engine without the optimization; 0 is exact. `floor` is the time of the
transformer's multiplications at the rate of this GPU's own large bf16 matrix multiplication, measured here. Without a
GPU the same code runs tiny sizes on the CPU. That shows that the code works, but nothing about speed.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_dispatch import attention_backend
from PIL import Image

from bench.gpu import add_loras, full_size, gigabytes, tiny_size
from imaging.picture import Picture, Pixels, Size
from models.checkpoints import lora
from models.checkpoints.components import Components
from models.checkpoints.modulation import Tables, fixed_timesteps
from models.checkpoints.plan import ADA, Plan
from models.checkpoints.profiles import PROFILES
from models.checkpoints.quantization import quantize
from models.checkpoints.vae import for_single_frames
from models.engine import Control, PaintTask, Sampling
from models.qwen.engine import Qwen
from models.qwen.tuning import tune
from testing.stock import stock_edit

PROFILE = PROFILES["qwen-image-edit-2511"]
RUNS = 3
WORDS = 500
"""Approximate number of tokens of the prompt and of the pictures in it."""

PROMPT = "Put the armchair from picture 2 beside the window of picture 1."


@dataclass(frozen=True)
class Scale:
    size: Size
    product: Size
    stock_product: Size
    default_steps: int


FULL = Scale((1024, 1024), (512, 512), (1024, 1024), 40)
TINY = Scale((128, 128), (64, 64), (128, 128), 8)


@dataclass(frozen=True)
class Bench:
    """Components and tasks, made anew for each row: some optimizations change the transformer permanently."""

    on_gpu: bool
    steps: int

    @property
    def scale(self) -> Scale:
        return FULL if self.on_gpu else TINY

    def parts(self, product: Size) -> Components:
        """Return components in bf16 without LoRAs, since fused ones leave no trace; the product's reference keeps its
        size."""
        torch.manual_seed(0)
        plan = Plan(PROFILE.name, "bf16", "bf16", False, "switchable", "cuda", 0, 0)
        bare = replace(PROFILE, schedules={name: replace(each, lora=None) for name, each in PROFILE.schedules.items()})
        parts = full_size(bare, plan) if self.on_gpu else tiny_size(bare, plan)
        few = replace(bare.schedules["fast"], steps=self.steps)
        profile = replace(
            parts.edit.profile,
            schedules=dict.fromkeys(bare.schedules, few),
            product_area=product[0] * product[1],
        )
        return replace(parts, edit=replace(parts.edit, profile=profile))

    def task(self, seed: int, product: Size) -> PaintTask:
        """Return a task with the same room every time, so that pictures can be compared, and a fresh product."""
        pictures = [_noise(self.scale.size, 0), _noise(product, 1)]
        return PaintTask(PROMPT, tuple(pictures), self.scale.size, Sampling(seed, steps=self.steps, true_cfg_scale=1.0))

    def ours(self, name: str, lever: Callable[[Components], None], *, cached: bool, product: Size) -> dict[str, Any]:
        parts = self.parts(product)
        with attention_backend():  # the transformer's choice also applies to the process
            lever(parts)
            if lever is not _video_vae:
                for_single_frames(parts.vae)
            engine = Qwen(parts) if cached else Qwen(parts, cache_bytes=0)
            engine.paint(self.task(1, product), Control())
            self._forget()

            def paint(seed: int) -> None:
                engine.paint(self.task(seed, product), Control())

            seconds = [self._timed(partial(paint, seed)) for seed in range(RUNS)]
            pixels = engine.paint(self.task(7, product), Control()).pixels
        return self._row(name, median(seconds), product) | {"pixels": pixels}

    def stock(self, name: str, *, steps: int, guidance: float) -> dict[str, Any]:
        pipeline = stock_edit(self.parts(self.scale.stock_product))
        width, height = self.scale.size
        pictures = [Image.fromarray(_noise(size, 0).pixels) for size in (self.scale.size, self.scale.stock_product)]

        def paint(seed: int) -> None:
            pipeline(
                image=pictures, prompt=PROMPT, negative_prompt=" ", width=width, height=height, true_cfg_scale=guidance,
                num_inference_steps=steps, generator=torch.Generator().manual_seed(seed),
            )  # fmt: skip

        paint(0)
        self._forget()
        seconds = median(self._timed(lambda: paint(1)) for _ in range(1 if steps > self.steps else RUNS))
        forwards = steps * (2 if guidance > 1 else 1)
        return self._row(name, seconds, self.scale.stock_product, forwards)

    def _row(self, name: str, seconds: float, product: Size, forwards: int | None = None) -> dict[str, Any]:
        painted = _tokens(self.scale.size)
        flops = (forwards or self.steps) * flops_of(painted, painted + _tokens(product))
        row: dict[str, Any] = {"lever": name, "seconds": round(seconds, 3)}
        if self.on_gpu:
            row |= {"tflops": round(flops / seconds / 1e12), "floor_s": round(flops / self.rate(), 3)}
            row |= {"floor_share": round(flops / self.rate() / seconds, 2)}
            row["peak_gb"] = gigabytes(torch.cuda.max_memory_allocated())
        return row

    def rate(self) -> float:
        """Return the FLOP/s of this GPU's bf16 multiplication of large matrices."""
        matrix = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
        matrix @ matrix
        seconds = min(self._timed(lambda: [matrix @ matrix for _ in range(10)]) for _ in range(3)) / 10
        return 2 * 8192**3 / seconds

    def _forget(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()

    def _timed(self, work: Callable[[], Any]) -> float:
        started = time.perf_counter()
        work()
        if self.on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter() - started


def flops_of(painted: int, references: int, words: int = WORDS, blocks: int = 60, width: int = 3072) -> float:
    """Return the operations of one forward pass: each block has 12 width^2 weights, used by each picture and prompt
    token for a multiplication and an addition, and attention over all tokens."""
    tokens = painted + references + words
    return float(blocks * (2 * 12 * width**2 * tokens + 4 * tokens**2 * width))


def _tokens(size: Size) -> int:
    return size[0] * size[1] // 256


def _noise(size: Size, seed: int) -> Picture:
    return Picture(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8))


def _nothing(_parts: Components) -> None:
    pass


def _switched(parts: Components) -> None:
    """Add two separate LoRAs, one of which is used at every step, as with QUALITIES=all."""
    add_loras(parts.edit.transformer, ("few", "more"))
    lora.use(parts.edit.transformer, {"few": 1.0})


def _tables(parts: Components) -> None:
    schedule = parts.edit.profile.schedules["fast"]
    tables = Tables(parts.edit.transformer, fixed_timesteps(parts.edit.scheduler_config, schedule))
    for block in parts.edit.transformer.transformer_blocks:
        tables.put(block)


def _eight_bits(parts: Components) -> None:
    on_gpu = parts.device.type == "cuda"
    computes = not on_gpu or torch.cuda.get_device_capability() >= ADA
    for block in parts.edit.transformer.transformer_blocks:
        quantize(block, "fp8", computes=computes)


def _eight_bits_widened(parts: Components) -> None:
    for block in parts.edit.transformer.transformer_blocks:
        quantize(block, "int8", computes=False)


def _attention(name: str) -> Callable[[Components], None]:
    return lambda parts: tune(parts.edit.transformer, name, compiled=False)


def _compiled(parts: Components) -> None:
    tune(parts.edit.transformer, None, compiled=True)


def _graphs(parts: Components) -> None:
    """Compile with CUDA graphs, which hold for one size; the bench has only one."""
    parts.edit.transformer.compile_repeated_blocks(fullgraph=True, dynamic=False, mode="reduce-overhead")


def _channels_last(parts: Components) -> None:
    for weight in for_single_frames(parts.vae).parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def _video_vae(_parts: Components) -> None:
    """Keep the VAE's convolutions in 3-D."""


def _compiled_vae(parts: Components) -> None:
    parts.vae.decoder.compile()


def rows_of(bench: Bench, *, with_default: bool = True) -> Iterator[dict[str, Any]]:
    """Yield a row for stock diffusers and one for each optimization. The stock defaults take longest."""
    scale = bench.scale
    if with_default:
        yield bench.stock("stock diffusers, its default steps and guidance", steps=scale.default_steps, guidance=4.0)
    yield bench.stock("stock diffusers, the same steps, no guidance", steps=bench.steps, guidance=1.0)
    yield bench.ours("ours, the product at its stock size", _nothing, cached=False, product=scale.stock_product)
    small = bench.ours("product at its own budget", _nothing, cached=False, product=scale.product)
    yield small
    kernels = ("_native_cudnn", "_native_flash") if bench.on_gpu else ("_native_math",)
    levers: dict[str, Callable[[Components], None]] = {
        "and LoRAs beside the weights": _switched,
        "and the modulation tabulated": _tables,
        **{f"and attention {name}": _attention(name) for name in kernels},
        "and fp8, multiplied where the card can": _eight_bits,
        "and int8, widened": _eight_bits_widened,
        "and blocks compiled": _compiled,
        "and blocks compiled, as CUDA graphs": _graphs,
        "and the VAE in 3-D": _video_vae,
        "and the VAE channels last": _channels_last,
        "and the VAE's decoder compiled": _compiled_vae,
    }
    yield _compared(bench.ours("and words and pictures cached", _nothing, cached=True, product=scale.product), small)
    for name, lever in levers.items():
        try:
            yield _compared(bench.ours(name, lever, cached=False, product=scale.product), small)
        except Exception as problem:  # noqa: BLE001  a lever may not work on a card; the others are still of interest
            yield {"lever": name, "failed": f"{type(problem).__name__}: {problem}".splitlines()[0]}

    def all_of_them(parts: Components) -> None:
        _tables(parts)
        _compiled(parts)

    yield _compared(bench.ours("all that is exact or rounds", all_of_them, cached=True, product=scale.product), small)


def _compared(row: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    return row | {"apart": round(_apart(row["pixels"], reference["pixels"]), 3)}


def _apart(one: Pixels, other: Pixels) -> float:
    return float(np.sqrt(np.mean((one.astype(np.float32) - other) ** 2)))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    arguments.add_argument("--json-lines", action="store_true", help="one JSON object a row, as soon as it is measured")
    arguments.add_argument("--no-default", action="store_true", help="leave out the stock steps and guidance")
    arguments.add_argument("--steps", type=int, default=4)
    asked = arguments.parse_args()
    on_gpu = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if on_gpu else None
    rows = []
    as_json = asked.json or asked.json_lines
    if not as_json:
        print(name or "No GPU: tiny sizes on the CPU, which say nothing about speed")
    for row in rows_of(Bench(on_gpu, asked.steps), with_default=not asked.no_default):
        shown = {key: value for key, value in row.items() if key != "pixels"}
        rows.append(shown)
        if on_gpu:
            torch.cuda.empty_cache()
        line = json.dumps(shown) if asked.json_lines else "  ".join(f"{key} {value}" for key, value in shown.items())
        if not asked.json:
            print(line, flush=True)
    if asked.json:
        print(json.dumps({"gpu": name, "rows": rows}))


if __name__ == "__main__":
    main()
