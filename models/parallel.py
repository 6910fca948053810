"""One picture painted by several cards: each holds the whole transformer and works on its share of the tokens, and in
attention on its share of the heads (Ulysses, as diffusers' context parallelism has it). This process has the first card
and takes the jobs; each other card has a helper, a process that repeats the forward passes of this one."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from os import _exit
from typing import Any

import torch
from diffusers import ContextParallelConfig, ParallelConfig, QwenImageTransformer2DModel
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry
from torch import Tensor, distributed
from torch._C._distributed_c10d import Store, TCPStore
from torch.distributed.device_mesh import init_device_mesh

from models.checkpoints import lora
from models.checkpoints.components import Components
from models.qwen.forward import Forward, Shape, Share
from models.qwen.tuning import plain_attention
from schemas.errors import ErrorCode, JobError
from schemas.settings import SettingsError

log = logging.getLogger(__name__)

PATIENCE = timedelta(seconds=60)
"""With the other cards in the middle of a forward pass, which takes seconds."""

Load = Callable[[torch.device], Sequence[QwenImageTransformer2DModel]]
Pass = Callable[[Tensor, Tensor], Tensor]
Like = tuple[tuple[int, ...], torch.dtype]


@dataclass(frozen=True)
class Use:
    """From now on this LoRA, or with None none."""

    transformer: int
    adapter: str | None


@dataclass(frozen=True)
class Begin:
    """A picture; embeddings like `words` follow, one for each forward pass of a step."""

    transformer: int
    shapes: Sequence[Shape]
    words: Sequence[Like]


@dataclass(frozen=True)
class Step:
    """A forward pass of that number; tokens, time and the row of the tables follow. `plain`: with plain attention."""

    number: int
    inputs: Sequence[Like]
    plain: bool


def share(parts: Components, cards: int, load: Load) -> Components:
    """The same, painting on so many cards; `load` gives a helper the same transformers. SettingsError where a helper
    does not come up."""
    transformers = [checkpoint.transformer for checkpoint in (parts.edit, parts.text) if checkpoint]
    Crew(transformers, cards, parts.device, load)
    return replace(parts, plan=parts.plan | {"context_parallel": cards})


class Crew:
    """The helpers, as this process sees them. They wait for commands at a pipe, for as long as it takes, and get the
    tensors by broadcast."""

    def __init__(
        self, transformers: Sequence[QwenImageTransformer2DModel], cards: int, device: torch.device, load: Load
    ) -> None:
        for transformer in transformers:
            _check_attention(transformer)
        self._transformers = transformers
        store = TCPStore("127.0.0.1", 0, cards, is_master=True, wait_for_workers=False)
        context, self._pipes, self.helpers = get_context("spawn"), [], []
        for rank in range(1, cards):
            ours, theirs = context.Pipe()
            told = rank, cards, device.type, store.port, load, theirs
            helper = context.Process(target=_help, args=told, name=f"card-{rank}", daemon=True)
            helper.start()
            theirs.close()  # so that the pipe ends with the helper
            self._pipes.append(ours)
            self.helpers.append(helper)
        try:
            for pipe in self._pipes:
                pipe.recv()
            _join(transformers, 0, cards, device, store)
        except (EOFError, OSError, RuntimeError) as problem:
            self.close()
            raise SettingsError(
                "CONTEXT_PARALLEL: a card could not be made ready to paint with the others"
            ) from problem
        for transformer in transformers:
            transformer.crew = self

    def use(self, transformer: QwenImageTransformer2DModel, adapter: str | None) -> None:
        with self._together():
            self._tell(Use(self._transformers.index(transformer), adapter))

    def forwards(
        self, transformer: QwenImageTransformer2DModel, shapes: Sequence[Shape], words: Sequence[Tensor]
    ) -> list[Pass]:
        """In place of those of the picture before."""
        with self._together():
            self._tell(Begin(self._transformers.index(transformer), shapes, [_like(each) for each in words]), *words)
            own = [Forward(transformer, shapes, each) for each in words]
        return [partial(self._step, transformer, number, forward) for number, forward in enumerate(own)]

    def close(self) -> None:
        for helper in self.helpers:
            helper.kill()
            helper.join(PATIENCE.total_seconds())
        for pipe in self._pipes:
            pipe.close()

    def _step(
        self, transformer: QwenImageTransformer2DModel, number: int, forward: Forward, tokens: Tensor, time: Tensor
    ) -> Tensor:
        tables = getattr(transformer, "timestep_tables", None)
        inputs = [tokens, time] if tables is None else [tokens, time, tables.row]
        plain = not torch.backends.cuda.flash_sdp_enabled()  # type: ignore[no-untyped-call]
        with self._together():
            self._tell(Step(number, [_like(each) for each in inputs], plain), *inputs)
            made = forward(tokens, time)
            for pipe in self._pipes:  # a card may be lost with its part of the result
                if not pipe.poll(PATIENCE.total_seconds()):
                    raise TimeoutError
                pipe.recv()
        return made

    def _tell(self, command: Use | Begin | Step, *tensors: Tensor) -> None:
        for pipe in self._pipes:
            pipe.send(command)
        for tensor in tensors:
            distributed.broadcast(tensor.contiguous(), src=0)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """What fails in here, out of memory for one, leaves the others waiting in the middle of it."""
        try:
            yield
        except Exception as problem:
            self.close()
            message = "A card that paints with others failed and this worker is being replaced"
            raise JobError(ErrorCode.GENERATION_ERROR, message, refresh_worker=True) from problem


def forwards(
    transformer: QwenImageTransformer2DModel, shapes: Sequence[Shape], words: Sequence[Tensor]
) -> Sequence[Pass]:
    """The forward passes of a step, one for each of the words, on as many cards as the transformer is shared by."""
    crew: Crew | None = getattr(transformer, "crew", None)
    return crew.forwards(transformer, shapes, words) if crew else [Forward(transformer, shapes, each) for each in words]


def _help(rank: int, cards: int, kind: str, port: int, load: Load, pipe: Connection) -> None:
    """A helper's life. It ends with the process that takes the jobs, and with the first failure of its own, at once:
    whoever waits for it in a collective or at the pipe is told so by the system."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        device = torch.device(kind, rank) if kind == "cuda" else torch.device(kind)
        if kind == "cuda":
            torch.cuda.set_device(device)
        transformers = load(device)
        pipe.send("ready")
        _join(transformers, rank, cards, device, TCPStore("127.0.0.1", port, cards, is_master=False))
        with torch.inference_mode():
            _obey(transformers, device, pipe)
    except EOFError:  # no more commands
        _exit(0)
    except BaseException:
        log.exception("Card %d failed", rank)
        _exit(1)


def _obey(transformers: Sequence[QwenImageTransformer2DModel], device: torch.device, pipe: Connection) -> None:
    transformer, passes = transformers[0], list[Forward]()
    while True:
        match pipe.recv():
            case Use(number, adapter):
                lora.use(transformers[number], adapter)
            case Begin(number, shapes, words):
                transformer = transformers[number]
                passes = [Forward(transformer, shapes, each) for each in _received(words, device)]
            case Step(number, inputs, plain):
                tokens, time, *row = _received(inputs, device)
                if row:
                    transformer.timestep_tables.row = row[0]
                with plain_attention(transformer) if plain else nullcontext():
                    passes[number](tokens, time)
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                pipe.send("done")


def _end_with_parent() -> None:
    """Also from the middle of a collective, and where the parent was killed."""
    parent: Any = parent_process()
    connection.wait([parent.sentinel])
    _exit(1)


def _join(
    transformers: Sequence[QwenImageTransformer2DModel],
    rank: int,
    cards: int,
    device: torch.device,
    store: Store,
) -> None:
    """Sizes of shares go over gloo: over NCCL each would wait for the card."""
    if distributed.is_initialized():
        distributed.destroy_process_group()  # of a crew that was closed
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "cpu:gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=cards, timeout=PATIENCE)
    mesh = init_device_mesh(device.type, (1, cards), mesh_dim_names=("ring", "ulysses"))
    # Sizes that cards cannot share equally need `ulysses_anything`. Not `enable_parallelism`: it counts accelerators,
    # and a CPU has none; and where tokens are split and brought together again, Forward does it once a picture.
    config = ParallelConfig(context_parallel_config=ContextParallelConfig(ulysses_degree=cards, ulysses_anything=True))
    config.setup(rank, cards, device, mesh=mesh)
    for transformer in transformers:
        transformer.share = Share(rank, cards)
        for block in transformer.transformer_blocks:
            block.attn.processor._parallel_config = config


def _check_attention(transformer: QwenImageTransformer2DModel) -> None:
    chosen = transformer.transformer_blocks[0].attn.processor._attention_backend
    backend = AttentionBackendName(chosen) if chosen else _AttentionBackendRegistry.get_active_backend()[0]
    if not _AttentionBackendRegistry._is_context_parallel_available(backend):
        able = ", ".join(sorted(_AttentionBackendRegistry._supports_context_parallel))
        raise SettingsError(f"CONTEXT_PARALLEL: ATTENTION {backend.value} works on one card alone; on several: {able}")


def _like(tensor: Tensor) -> Like:
    return tuple(tensor.shape), tensor.dtype


def _received(likes: Sequence[Like], device: torch.device) -> list[Tensor]:
    tensors = [torch.empty(shape, dtype=dtype, device=device) for shape, dtype in likes]
    for tensor in tensors:
        distributed.broadcast(tensor, src=0)
    return tensors
