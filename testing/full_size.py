"""Rehearses a start and a picture at full size without a GPU, on the meta device.

The rehearsal covers published shapes, our own check, loading, LoRAs, tables, quantization, encoding, denoising and
decoding. `python -m testing.full_size` prints every plan next to what was counted. Blocks repeat, so a rehearsal runs
with one and with two of them and extrapolates. The text encoder is counted and its embedding is supplied: reading its
picture grid would need values.
"""

import contextlib
import gc
import json
import struct
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import safe_open
from torch import Tensor, nn
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from models import tiny
from models.checkpoints import loading, lora
from models.checkpoints.components import Checkpoint, Components
from models.checkpoints.plan import ADA, BYTES, CARDS, GB, Card, Plan, make_plan
from models.checkpoints.profiles import PROFILES, Profile
from models.checkpoints.sizes import TEXT_ENCODER
from models.checkpoints.vae import for_single_frames
from models.engine import Control, Sampling
from models.qwen import engine as engine_module
from models.qwen.engine import Canvas, Qwen
from models.qwen.grid import fit
from models.qwen.schedules import choose
from schemas.settings import Precision
from testing.meta_card import MetaCard

LAYERS = 60
WORDS = 500
"""Approximate number of tokens of a prompt with two pictures."""

LORA_RANK = 64
EDIT_SIZE, TEXT_SIZE = (1024, 1024), (1664, 928)
PRODUCT = (512, 512)


@dataclass(frozen=True)
class Hole:
    """A tensor in a file without data, of a safetensors type."""

    shape: tuple[int, ...]
    dtype: str = "BF16"

    @property
    def size(self) -> int:
        """Number of bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * {"BF16": 2, "F8_E4M3": 1, "F32": 4}[self.dtype]


@dataclass(frozen=True)
class Rehearsal:
    """Bytes and operations. `peak` includes the resident weights, `host` is the largest main memory while loading."""

    resident: float
    peak: float
    host: float
    flops: float
    syncs: float

    def extrapolated(self, two: "Rehearsal", layers: int = LAYERS) -> "Rehearsal":
        """Return the values for `layers` blocks, given those for one (self) and two."""
        values = {name: one + (layers - 1) * (getattr(two, name) - one) for name, one in vars(self).items()}
        return Rehearsal(**values)


def rehearse(profile: Profile, plan: Plan, card: Card) -> Rehearsal:
    """Return what a start and one edit take at full size."""
    one, two = (_with_blocks(profile, plan, card, blocks) for blocks in (1, 2))
    return one.extrapolated(two)


def _with_blocks(profile: Profile, plan: Plan, card: Card, blocks: int) -> Rehearsal:
    gc.collect()
    with tempfile.TemporaryDirectory() as folder, _meta_is_the_card(card):
        config = {"num_layers": blocks, "zero_cond_t": True}
        source = _published(Path(folder), profile, plan, config)
        with MetaCard() as counted:
            built = (
                _empty(config) if plan.transformer == "nf4" else loading._built(source, plan, torch.bfloat16, "meta")
            )
            filled = loading._filled(built, source, loading._place(plan, "meta"), torch.bfloat16)
            if plan.transformer == "nf4":
                _in_four_bits(filled.transformer_blocks)
            checkpoint = loading._checkpoint(source, filled, plan, "meta")
            del built, filled
            parts = _components(checkpoint)
            gc.collect()
            language = _text_encoder_bytes(plan.text_encoder)
            host, resident = counted.peak["cpu"], counted.live["meta"]
            counted.start_stage()
            _paint(parts, profile)
            peak = counted.peak["meta"]
            return Rehearsal(resident + language, peak + language, host, counted.flops, counted.syncs)


def _paint(parts: Components, profile: Profile) -> None:
    rng = np.random.default_rng(0)
    grid = fit(EDIT_SIZE if profile.references else TEXT_SIZE, profile.area, profile.multiple)
    sizes = [grid.working, PRODUCT] if profile.references else []
    pictures = [rng.integers(0, 255, (height, width, 3), np.uint8) for width, height in sizes]
    sampling = Sampling(seed=1, quality="fast")
    chosen = choose(parts.edit, sampling)
    if parts.edit.adapters:
        lora.use(parts.edit.transformer, parts.edit.scales(chosen.schedule, guided_by_picture=False), parts.edit.fused)
    with torch.inference_mode():
        Qwen(parts)._once(parts.edit, Canvas("a chair", pictures, grid), chosen.schedule, sampling, Control())


def _components(checkpoint: Checkpoint) -> Components:
    small = tiny.components()
    with torch.device("meta"):
        vae = AutoencoderKLQwenImage()
    vae = for_single_frames(vae.eval().requires_grad_(False)).to(torch.bfloat16)
    return replace(small, edit=checkpoint, vae=vae)


@cache
def _text_encoder_bytes(precision: str) -> float:
    """Return the bytes of the text encoder, with the linear layers of the language model's blocks in `precision`."""
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**TEXT_ENCODER))
    total = 2.0 * sum(parameter.numel() for parameter in model.parameters())
    for layer in model.model.language_model.layers.modules():
        if isinstance(layer, nn.Linear):
            total -= layer.weight.numel() * (2 - BYTES[precision])
    return total


class _FourBits(nn.Linear):
    """A linear layer in nf4: half a byte per weight, and a 32-bit scale for 64 of them. Its `weight` has no scale."""

    def __init__(self, layer: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        shape = (layer.out_features, layer.in_features)
        shared = torch.empty(1, dtype=torch.bfloat16, device="meta").expand(shape)
        self.weight = nn.Parameter(shared, requires_grad=False)
        packed = torch.empty(round(layer.weight.numel() * BYTES["nf4"]), dtype=torch.uint8, device="meta")
        self.register_buffer("packed", packed)
        self.bias = layer.bias

    def forward(self, tokens: Tensor) -> Tensor:
        weight = torch.empty(self.out_features, self.in_features, dtype=tokens.dtype, device="meta")
        return nn.functional.linear(tokens, weight, self.bias)


def _in_four_bits(blocks: nn.Module) -> None:
    for name, layer in list(blocks.named_modules()):
        if isinstance(layer, nn.Linear):
            blocks.set_submodule(name, _FourBits(layer))


def _empty(config: dict[str, Any]) -> QwenImageTransformer2DModel:
    with torch.device("meta"):
        return QwenImageTransformer2DModel(**config)


def _published(folder: Path, profile: Profile, plan: Plan, config: dict[str, Any]) -> loading.Source:
    """Write a transformer and its LoRAs as files of holes: names, shapes and types are real, but no disk space is
    used."""
    transformer = _empty(config)
    transformer.save_config(folder / "transformer")
    tiny._scheduler().save_pretrained(folder / "scheduler")
    tensors = {name: Hole(tuple(tensor.shape)) for name, tensor in transformer.state_dict().items()}
    if profile.transformer_file:
        merged = folder / profile.transformer_file.file
        write_holes(merged, _scaled(tensors))
        return loading.Source(profile, folder, {}, {}, merged=merged)
    write_holes(folder / "transformer" / "diffusion_pytorch_model.safetensors", tensors)
    files = {}
    for each in loading._loras(profile, plan):
        tensors = {}
        for number, block in enumerate(transformer.transformer_blocks):
            for target in tiny.LORA_TARGETS:
                layer, name = block.get_submodule(target), f"transformer_blocks.{number}.{target}"
                tensors[f"{name}.lora_down.weight"] = Hole((LORA_RANK, layer.in_features))
                tensors[f"{name}.lora_up.weight"] = Hole((layer.out_features, LORA_RANK))
                tensors[f"{name}.alpha"] = Hole(())
        files[each.name] = folder / f"{each.name}.safetensors"
        write_holes(files[each.name], tensors)
    return loading.Source(profile, folder, files, {})


def _scaled(tensors: dict[str, Hole]) -> dict[str, Hole]:
    """Return the tensors of a transformer as LightX2V publishes them: matrices of blocks in fp8, one scale per row."""
    scaled: dict[str, Hole] = {}
    for name, hole in tensors.items():
        is_matrix = name.startswith("transformer_blocks.") and len(hole.shape) == 2
        scaled[name] = Hole(hole.shape, "F8_E4M3") if is_matrix else hole
        if is_matrix:
            scaled[f"{name}_scale"] = Hole((hole.shape[0], 1), "F32")
    return scaled


def write_holes(file: Path, holes: dict[str, Hole]) -> None:
    """Write a safetensors file whose tensors are a hole in the file."""
    header, offset = {}, 0
    for name, hole in holes.items():
        end = offset + hole.size
        header[name] = {"dtype": hole.dtype, "shape": list(hole.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        opened.write(struct.pack("<Q", len(text)) + text)
        opened.truncate(8 + len(text) + offset)


def _read_shapes(file: Path, device: str = "cpu") -> dict[str, Tensor]:
    """Return empty tensors with a file's shapes. Scalars are read: they are the alpha of a published LoRA."""
    with safe_open(file, "np") as opened:
        shapes = {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
    return {
        name: torch.empty(shape, dtype=torch.bfloat16, device=device) if shape else torch.tensor(8.0)
        for name, shape in shapes.items()
    }


def _add_lora(transformer: QwenImageTransformer2DModel, file: Path, name: str, *, add: Any = lora.add) -> None:
    """Add a LoRA beside its base layers. peft leaves a second one in main memory where the first is on meta."""
    add(transformer, file, name)
    for layer in transformer.modules():
        if isinstance(layer, BaseTunerLayer):
            weight = layer.get_base_layer().weight
            layer.lora_A[name].to(weight.device, weight.dtype)
            layer.lora_B[name].to(weight.device, weight.dtype)


def _embedding(_parts: Components, _prompt: str, _pictures: Any) -> Tensor:
    return torch.empty(1, WORDS, 3584, dtype=torch.bfloat16, device="meta")


@contextlib.contextmanager
def _meta_is_the_card(card: Card) -> Iterator[None]:
    """Patch everything that would read values or ask a driver."""
    overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    patches: list[Any] = [
        mock.patch.object(loading, "load_file", _read_shapes),
        mock.patch.object(lora, "load_file", _read_shapes),
        mock.patch.object(lora, "add", _add_lora),
        mock.patch.object(loading, "multiplies_fp8", return_value=card.capability >= ADA),
        mock.patch.object(engine_module, "embed", _embedding),
    ]
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", "for .*: copying from a non-meta parameter")
            for patch in patches:
                stack.enter_context(patch)
            yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwrites)


PLANS: list[tuple[str, Card, Precision]] = [
    *(("qwen-image-edit-2511", card, "auto") for card in CARDS),
    *(("qwen-image-edit-2511", CARDS[0], precision) for precision in ("int8", "nf4")),
    ("qwen-image-edit-2511-fp8", CARDS[0], "auto"),
    *((name, card, "auto") for name in ("qwen-image-2512", "firered-image-edit-1.1") for card in (CARDS[0], CARDS[4])),
]
"""Profiles with other shapes, files or LoRAs; qwen-image-edit-2509 has the plans of 2511."""


def main() -> None:
    """Print the table."""
    columns = ("profile", "card", "plan", "resident GB (plan)", "peak (plan)", "host (plan)", "TFLOP", "syncs", "s")
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")  # noqa: T201
    plans = {make_plan(PROFILES[name], card, precision): card for name, card, precision in reversed(PLANS)}
    for plan, card in reversed(plans.items()):
        print("| " + " | ".join(_row(plan, card)) + " |", flush=True)  # noqa: T201


def _row(plan: Plan, card: Card) -> list[str]:
    started = time.monotonic()
    made = rehearse(PROFILES[plan.profile], plan, card)
    table = ", tabulated" if plan.tabulated else ""
    pairs = ((made.resident, plan.resident), (made.peak, plan.peak), (made.host, plan.host))
    return [
        plan.profile,
        card.name,
        f"{plan.transformer}/{plan.text_encoder}, LoRAs {plan.loras}{table}",
        *(f"{counted / GB:.2f} ({planned / GB:.2f})" for counted, planned in pairs),
        f"{made.flops / 1e12:.0f}",
        f"{made.syncs:.0f}",
        f"{time.monotonic() - started:.1f}",
    ]


if __name__ == "__main__":
    main()
