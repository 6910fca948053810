"""Loads a checkpoint as a plan prescribes: straight to the GPU, the two large parts in parallel."""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from accelerate import init_empty_weights
from diffusers import (
    AutoencoderKLQwenImage,
    BitsAndBytesConfig,
    FlowMatchEulerDiscreteScheduler,
    QwenImageTransformer2DModel,
)
from safetensors.torch import load_file
from transformers import BitsAndBytesConfig as TextBitsAndBytesConfig
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from models.checkpoints import lora
from models.checkpoints.components import Checkpoint, Components
from models.checkpoints.modulation import Tables, fixed_timesteps
from models.checkpoints.plan import EIGHT_BITS, Plan
from models.checkpoints.prequantized import fill, open_scaled
from models.checkpoints.profiles import Lora, Profile, TaskLora
from models.checkpoints.quantization import Format, multiplies_fp8, quantize
from models.checkpoints.vae import for_single_frames
from models.files import weights
from models.files.weights import CheckpointLocator
from schemas.settings import SettingsError

log = logging.getLogger(__name__)
Part = TypeVar("Part")


@dataclass(frozen=True, eq=False)
class Source:
    """A checkpoint's files on this machine. `identity` describes them: repository, revision, index."""

    profile: Profile
    folder: Path
    loras: dict[str, Path]
    identity: dict[str, str]
    task: TaskLora | None = None
    task_file: Path | None = None
    merged: Path | None = None


def source(
    profile: Profile, plan: Plan, location: str | None, locator: CheckpointLocator, task: TaskLora | None = None
) -> Source:
    """Locate and verify a checkpoint and the LoRAs of the plan. Raises SettingsError for the first defect."""
    location = location or profile.repo
    folder = locator.folder(location, profile.parts)
    weights.check(folder, profile.pipeline, profile.parts)
    loras = {each.name: locator.file(each.repo, each.file) for each in _loras(profile, plan)}
    identity = weights.identity(location, folder, profile.parts)
    merged = profile.transformer_file
    bare = Source(profile, folder, loras, identity, merged=locator.file(merged.repo, merged.file) if merged else None)
    if task is None:
        return bare
    if plan.loras in ("fused", "merged"):
        raise SettingsError(f"TASK_LORA needs a plan with separate LoRAs, but the plan for this GPU has none: {plan}")
    return replace(bare, task=task, task_file=locator.file(task.lora.repo, task.lora.file))


def load_components(
    edit: Source, plan: Plan, device: str, dtype: torch.dtype = torch.bfloat16, text: Source | None = None
) -> Components:
    """Return the components of a plan. Raises SettingsError that names the file and the tensor if the weights do not
    fit."""
    log.info("Loading %s: %.1f GB", edit.profile.name, weights.size(edit.folder, edit.profile.parts) / 1e9)
    # The libraries patch torch for the whole process while they build a model, so models are built one at a time. The
    # empty transformers are built first and filled from disk while the other models are built.
    place = _place(plan, device)
    built = {source: _built(source, plan, dtype, device) for source in (edit, text) if source is not None}
    fillings = {
        source: partial(_timed, "transformer", partial(_filled, empty, source, place, dtype))
        for source, empty in built.items()
    }
    with ThreadPoolExecutor(2) as pool:
        begun = {
            source: pool.submit(fill) for source, fill in fillings.items() if source is edit or not plan.is_waiting
        }
        text_encoder = _timed("text encoder", lambda: _text_encoder(edit.folder, plan, device, dtype))
        vae = _vae(edit.folder, dtype, device)
        ready = {}
        for source, fill in fillings.items():  # one at a time if they wait in main memory
            filled = begun[source].result() if source in begun else fill()
            ready[source] = _checkpoint(source, filled, plan, device, dtype)
    tokenizer, image_processor = _tokenizer_and_processor(edit.folder)
    return Components(
        edit=ready[edit],
        text=None if text is None else ready[text],
        text_encoder=text_encoder,
        vae=vae.eval(),
        tokenizer=tokenizer,
        image_processor=image_processor,
        plan=plan.as_json() | {"weights": [source.identity for source in fillings]},
    )


def _tokenizer_and_processor(folder: Path) -> tuple[Qwen2Tokenizer, Qwen2VLImageProcessorPil]:
    processor = folder / "processor"
    with _named("tokenizer or processor"):
        return (
            Qwen2Tokenizer.from_pretrained(folder / "tokenizer"),
            Qwen2VLImageProcessorPil.from_pretrained(processor) if processor.is_dir() else Qwen2VLImageProcessorPil(),
        )


def _checkpoint(
    source: Source,
    transformer: QwenImageTransformer2DModel,
    plan: Plan,
    device: str,
    dtype: torch.dtype = torch.bfloat16,
) -> Checkpoint:
    """Return a filled transformer with its LoRAs in the form that the plan requires."""
    scheduler = FlowMatchEulerDiscreteScheduler.load_config(source.folder, subfolder="scheduler")
    for name, file in source.loras.items():
        lora.add(transformer, file, name)
    if source.task and source.task_file:
        lora.add(transformer, source.task_file, source.task.lora.name)
    bare = Checkpoint(source.profile, transformer, dict(scheduler), frozenset(source.loras), task=source.task)
    if plan.loras == "none" and plan.transformer in EIGHT_BITS:
        return fuse_and_shrink(bare, plan, device)
    if plan.loras in ("switchable", "none"):
        return bare
    fast = source.profile.schedules["fast"].lora
    assert fast is not None, "plans with a LoRA in the weights are made only for profiles that have one"
    if source.merged:
        return _prequantized(replace(bare, fused=fast.name), source.merged, plan, device, dtype)
    if plan.loras == "reversible":
        lora.fuse_reversibly(transformer, fast.name)
        return replace(bare, fused=fast.name)
    [fused] = source.loras
    return fuse_and_shrink(replace(bare, adapters=frozenset(), fused=fused), plan, device)


def _prequantized(checkpoint: Checkpoint, file: Path, plan: Plan, device: str, dtype: torch.dtype) -> Checkpoint:
    """Return a checkpoint whose transformer is read from an fp8 file, with its modulation tabulated block by block."""
    transformer = checkpoint.transformer
    scaled, computes = open_scaled(file, transformer), multiplies_fp8(torch.device(device))
    for name, part in transformer.named_children():
        if name != "transformer_blocks":
            fill(part, scaled, f"{name}.", dtype, device, computes=computes)
    tables, steps = _tables(checkpoint, plan)
    for number, block in enumerate(transformer.transformer_blocks):
        fill(block, scaled, f"transformer_blocks.{number}.", dtype, device, computes=computes)
        tables.put(block)
    return replace(checkpoint, steps=steps)


def _loras(profile: Profile, plan: Plan) -> list[Lora]:
    """Return the LoRAs that the plan's qualities need."""
    if plan.loras == "merged":
        return []
    schedules = (profile.schedules[quality] for quality in plan.qualities)
    return [schedule.lora for schedule in schedules if schedule.lora is not None]


def _timed(name: str, load: Callable[[], Part]) -> Part:
    started = time.monotonic()
    part = load()
    log.info("Loaded the %s in %.1f s", name, time.monotonic() - started)
    return part


def _mapped(plan: Plan, device: str) -> dict[str, Any]:
    """Return the arguments that load weights straight to the GPU, without a copy in main memory."""
    return {"device_map": "balanced" if plan.device_map == "balanced" else device}


def _built(source: Source, plan: Plan, dtype: torch.dtype, device: str) -> QwenImageTransformer2DModel:
    """Return the transformer without weights, on the meta device.

    If bitsandbytes quantizes its weights or they are spread over several GPUs while being read, it has its weights
    already.
    """
    folder = source.folder
    config = QwenImageTransformer2DModel.load_config(folder, subfolder="transformer")
    with init_empty_weights():
        empty = QwenImageTransformer2DModel.from_config(config)
    if source.merged:
        return empty
    weights.check_tensors(folder / "transformer", _shapes(empty))
    quantized: dict[str, Any] = {}
    if plan.transformer == "nf4":
        quantized = {"quantization_config": BitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=ENDS, **_NF4)}
    elif plan.device_map == "cuda":
        return empty
    placed = _mapped(plan, device)
    return QwenImageTransformer2DModel.from_pretrained(
        folder, subfolder="transformer", torch_dtype=dtype, **placed, **quantized
    )


def _filled(
    transformer: QwenImageTransformer2DModel, source: Source, device: str, dtype: torch.dtype
) -> QwenImageTransformer2DModel:
    """Fill an empty transformer, shard by shard straight to its device. An fp8 file is read later, block by block."""
    if source.merged:
        return transformer.eval().requires_grad_(False)
    shards = weights.shards(source.folder / "transformer")
    total, read = sum(shard.stat().st_size for shard in shards), 0
    if any(parameter.is_meta for parameter in transformer.parameters()):
        for shard in shards:
            state = {name: value.to(dtype) for name, value in load_file(shard, device=device).items()}
            transformer.load_state_dict(state, strict=False, assign=True)
            read += shard.stat().st_size
            log.info("Transformer: %.1f of %.1f GB", read / 1e9, total / 1e9)
    return transformer.eval().requires_grad_(False)


def _text_encoder(folder: Path, plan: Plan, device: str, dtype: torch.dtype) -> Qwen2_5_VLForConditionalGeneration:
    """Return the text encoder. transformers renames tensors of older files, so its own report is checked."""
    quantized: dict[str, Any] = {}
    if plan.text_encoder == "nf4":
        skipped = ["visual", "lm_head"]
        quantized = {
            "quantization_config": TextBitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=skipped, **_NF4)
        }
    with _named("text encoder"):
        loaded, report = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            folder / "text_encoder", dtype=dtype, output_loading_info=True, **_mapped(plan, device), **quantized
        )
    for kind, fault in {"missing_keys": "lack the tensor", "unexpected_keys": "have the unexpected tensor"}.items():
        if names := sorted(report[kind]):
            raise SettingsError(f"The checkpoint's files in text_encoder/ {fault} {names[0]}")
    return loaded.eval()


def _vae(folder: Path, dtype: torch.dtype, device: str) -> AutoencoderKLQwenImage:
    with torch.device("meta"):  # affects this thread only, unlike init_empty_weights: a transformer is being filled
        empty = AutoencoderKLQwenImage.from_config(AutoencoderKLQwenImage.load_config(folder, subfolder="vae"))
    weights.check_tensors(folder / "vae", _shapes(empty))
    with _named("VAE"):
        vae = AutoencoderKLQwenImage.from_pretrained(folder, subfolder="vae", torch_dtype=dtype)
    return for_single_frames(vae).to(device)


def _shapes(model: torch.nn.Module) -> dict[str, weights.Shape]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@contextmanager
def _named(part: str) -> Iterator[None]:
    """Translate the errors that the libraries raise for unreadable files. Running out of memory is not translated."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as problem:
        reason = str(problem).strip().partition("\n")[0]
        raise SettingsError(f"The checkpoint's {part} cannot be loaded: {reason}") from problem


ENDS = ["img_in", "txt_in", "time_text_embed", "norm_out", "proj_out"]
"""Linear layers of the transformer around its blocks, which bitsandbytes leaves in bf16."""

_NF4 = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": torch.bfloat16}


def fuse_and_shrink(checkpoint: Checkpoint, plan: Plan, device: str) -> Checkpoint:
    """Return a checkpoint with its LoRA fused, its modulation tabulated and its blocks quantized as planned.

    Tables are computed from fused weights before quantization, which keeps them exact. Work proceeds block by block, so
    that only one block at a time is on the GPU at full size.
    """
    transformer, tables, steps = checkpoint.transformer, None, frozenset[int]()

    def settle(part: torch.nn.Module) -> None:
        if plan.is_waiting:
            part.to(device)
        lora.merge(part)

    for name, part in transformer.named_children():
        if name != "transformer_blocks":
            settle(part)
    if plan.tabulated:
        tables, steps = _tables(checkpoint, plan)
    for block in transformer.transformer_blocks:
        settle(block)
        if tables:
            tables.put(block)
        if plan.transformer in EIGHT_BITS:
            quantize(block, cast(Format, plan.transformer), computes=multiplies_fp8(torch.device(device)))
    transformer.unload_lora()
    return replace(checkpoint, steps=steps)


def _tables(checkpoint: Checkpoint, plan: Plan) -> tuple[Tables, frozenset[int]]:
    """Return the modulation tables of the plan's qualities and their numbers of steps."""
    schedules = [checkpoint.profile.schedules[quality] for quality in plan.qualities]
    timesteps = torch.cat([fixed_timesteps(checkpoint.scheduler_config, schedule) for schedule in schedules])
    return Tables(checkpoint.transformer, timesteps), frozenset(schedule.steps for schedule in schedules)


def _place(plan: Plan, device: str) -> str:
    return "cpu" if plan.is_waiting else device
