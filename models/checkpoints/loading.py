"""From a checkpoint's folder and a plan to components on the GPU: the two large parts at the same time."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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

from models.checkpoints import lora, weights
from models.checkpoints.components import Checkpoint, Components
from models.checkpoints.modulation import Tables, fixed_timesteps
from models.checkpoints.plan import ADA, EIGHT_BITS, Plan
from models.checkpoints.profiles import Lora, Profile
from models.checkpoints.quantization import Format, quantize
from models.checkpoints.weights import CheckpointLocator
from schemas.settings import SettingsError

log = logging.getLogger(__name__)
Part = TypeVar("Part")


@dataclass(frozen=True, eq=False)
class Source:
    """A checkpoint's files on this machine."""

    profile: Profile
    folder: Path
    loras: dict[str, Path]


def source(profile: Profile, plan: Plan, location: str | None, shelf: CheckpointLocator) -> Source:
    """SettingsError where anything is missing or damaged."""
    folder = shelf.folder(location or profile.repo)
    weights.check(folder, profile.pipeline)
    return Source(profile, folder, {each.name: shelf.file(each.repo, each.file) for each in _loras(profile, plan)})


def load(
    edit: Source, plan: Plan, device: str, dtype: torch.dtype = torch.bfloat16, text: Source | None = None
) -> Components:
    """SettingsError where what is there does not fit together."""
    log.info("Loading %s: %.1f GB", edit.profile.name, weights.size(edit.folder) / 1e9)
    # The libraries patch torch for the whole process while they build a model: only one may build at a time. What is
    # read from the disk meanwhile is the transformers that were built, empty, before.
    place = _place(plan, device)
    built = {source: _built(source.folder, plan, dtype, device) for source in (edit, text) if source is not None}
    fillings = {
        source: partial(_timed, "transformer", partial(_filled, empty, source.folder, place, dtype))
        for source, empty in built.items()
    }
    with ThreadPoolExecutor(2) as pool:
        begun = {
            source: pool.submit(fill) for source, fill in fillings.items() if source is edit or not plan.is_waiting
        }
        text_encoder = _timed("text encoder", lambda: _text_encoder(edit.folder, plan, device, dtype))
        vae = AutoencoderKLQwenImage.from_pretrained(edit.folder, subfolder="vae", torch_dtype=dtype).to(device)
        ready = {}
        for source, fill in fillings.items():  # main memory holds one that waits, not two
            filled = begun[source].result() if source in begun else fill()
            ready[source] = _checkpoint(source, filled, plan, device)
    processor = edit.folder / "processor"
    return Components(
        edit=ready[edit],
        text=None if text is None else ready[text],
        text_encoder=text_encoder,
        vae=vae.eval(),
        tokenizer=Qwen2Tokenizer.from_pretrained(edit.folder / "tokenizer"),
        image_processor=(
            Qwen2VLImageProcessorPil.from_pretrained(processor) if processor.is_dir() else Qwen2VLImageProcessorPil()
        ),
        plan=plan.as_json(),
    )


def _checkpoint(source: Source, transformer: QwenImageTransformer2DModel, plan: Plan, device: str) -> Checkpoint:
    scheduler = FlowMatchEulerDiscreteScheduler.load_config(source.folder, subfolder="scheduler")
    for name, file in source.loras.items():
        lora.add(transformer, file, name)
    bare = Checkpoint(source.profile, transformer, dict(scheduler))
    if plan.loras == "switchable":
        return replace(bare, adapters=frozenset(source.loras))
    [fused] = source.loras
    return settled(replace(bare, fused=fused), plan, device)


def _loras(profile: Profile, plan: Plan) -> list[Lora]:
    """Those that the plan's qualities need."""
    schedules = (profile.schedules[quality] for quality in plan.qualities)
    return [schedule.lora for schedule in schedules if schedule.lora is not None]


def _timed(name: str, load: Callable[[], Part]) -> Part:
    started = time.monotonic()
    part = load()
    log.info("Loaded the %s in %.1f s", name, time.monotonic() - started)
    return part


def _mapped(plan: Plan, device: str) -> dict[str, Any]:
    """Straight to the card, without a copy in main memory."""
    return {"device_map": "balanced" if plan.device_map == "balanced" else device}


def _built(folder: Path, plan: Plan, dtype: torch.dtype, device: str) -> QwenImageTransformer2DModel:
    """Empty where it can be filled later; whole where it is quantized or spread over cards on its way."""
    quantized: dict[str, Any] = {}
    if plan.transformer == "nf4":
        quantized = {"quantization_config": BitsAndBytesConfig(load_in_4bit=True, **_NF4)}
    elif plan.device_map == "cuda":
        config = QwenImageTransformer2DModel.load_config(folder, subfolder="transformer")
        with init_empty_weights():
            return QwenImageTransformer2DModel.from_config(config)
    placed = _mapped(plan, device)
    return QwenImageTransformer2DModel.from_pretrained(
        folder, subfolder="transformer", torch_dtype=dtype, **placed, **quantized
    )


def _filled(
    transformer: QwenImageTransformer2DModel, folder: Path, device: str, dtype: torch.dtype
) -> QwenImageTransformer2DModel:
    """Shard by shard straight to its place."""
    shards = list(weights.shards(folder / "transformer"))
    total, read = sum(shard.stat().st_size for shard in shards), 0
    if any(parameter.is_meta for parameter in transformer.parameters()):
        for shard in shards:
            state = {name: value.to(dtype) for name, value in load_file(shard, device=device).items()}
            unexpected = transformer.load_state_dict(state, strict=False, assign=True).unexpected_keys
            if unexpected:
                raise SettingsError(f"The checkpoint's transformer has weights that do not fit, like {unexpected[0]}")
            read += shard.stat().st_size
            log.info("Transformer: %.1f of %.1f GB", read / 1e9, total / 1e9)
    missing = [name for name, parameter in transformer.named_parameters() if parameter.is_meta]
    if missing:
        raise SettingsError(f"The checkpoint's transformer has no weights for {missing[0]}")
    return transformer.eval().requires_grad_(False)


def _text_encoder(folder: Path, plan: Plan, device: str, dtype: torch.dtype) -> Qwen2_5_VLForConditionalGeneration:
    quantized: dict[str, Any] = {}
    if plan.text_encoder == "nf4":
        quantized = {"quantization_config": TextBitsAndBytesConfig(load_in_4bit=True, **_NF4)}
    loaded = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        folder / "text_encoder", dtype=dtype, **_mapped(plan, device), **quantized
    )
    return loaded.eval()


_NF4 = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": torch.bfloat16}


def settled(checkpoint: Checkpoint, plan: Plan, device: str) -> Checkpoint:
    """The LoRA fused, and what makes room, in the order that keeps it exact: after the LoRA, tables before eight bits;
    block by block, so that no more than one of them is whole on the card."""
    transformer, tables, steps = checkpoint.transformer, None, frozenset[int]()

    def settle(part: torch.nn.Module) -> None:
        if plan.is_waiting:
            part.to(device)
        lora.merge(part)

    for name, part in transformer.named_children():
        if name != "transformer_blocks":
            settle(part)
    if plan.tabulated:
        schedules = [checkpoint.profile.schedules[quality] for quality in plan.qualities]
        table = torch.cat([fixed_timesteps(checkpoint.scheduler_config, schedule) for schedule in schedules])
        tables = Tables(transformer, table)
        steps = frozenset(schedule.steps for schedule in schedules)
    for block in transformer.transformer_blocks:
        settle(block)
        if tables:
            tables.put(block)
        if plan.transformer in EIGHT_BITS:
            quantize(block, cast(Format, plan.transformer), computes=_computes(device))
    transformer.unload_lora()
    return replace(checkpoint, steps=steps)


def _place(plan: Plan, device: str) -> str:
    return "cpu" if plan.is_waiting else device


def _computes(device: str) -> bool:
    return torch.device(device).type == "cuda" and torch.cuda.get_device_capability(device) >= ADA
