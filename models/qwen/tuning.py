"""Optional attention backends and compilation of the transformer: faster steps, results equal up to rounding."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import QwenImageTransformer2DModel
from diffusers.models.attention_dispatch import AttentionBackendName
from torch.nn.attention import SDPBackend, sdpa_kernel

from models.qwen.attention import use_real_rotary
from schemas.settings import SettingsError

COMPILERS = ("cc", "gcc", "clang")
"""Programs with which inductor and Triton build what they call; one is enough."""


def tune(
    transformer: QwenImageTransformer2DModel,
    attention: str | None,
    *,
    compiled: bool,
    backend: str | Callable[..., Any] = "inductor",
) -> None:
    """Select one of diffusers' attention backends, such as `_native_cudnn`, and if `compiled` compile the blocks at
    their first use, once for pictures and prompts of every size. Raises SettingsError if the backend, or a C compiler,
    is not available."""
    if attention:
        try:
            transformer.set_attention_backend(attention)
        except (ValueError, RuntimeError, ImportError) as problem:
            reason = str(problem).splitlines()[0]
            raise SettingsError(f"ATTENTION: {attention} cannot be used here: {reason}") from problem
    if compiled:
        if backend == "inductor" and not any(map(shutil.which, COMPILERS)):
            raise SettingsError("COMPILE: there is no C compiler; build the image with --build-arg COMPILE=1")
        use_real_rotary(transformer)
        transformer.compile_repeated_blocks(fullgraph=True, dynamic=True, backend=backend)


HOPPER = (9, 0)
"""CUDA capability from which torch prefers cuDNN's attention to its own flash attention."""


def prefer_flash_attention(capability: tuple[int, int]) -> bool:
    """Turn cuDNN's attention off on GPUs where torch would choose it by itself, and return True if it was turned off.
    cuDNN builds a plan for every new number of tokens, which nearly every prompt has. `_native_cudnn` still selects
    it."""
    if capability < HOPPER:
        return False
    torch.backends.cuda.enable_cudnn_sdp(enabled=False)
    return True


PLAIN = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Kernels of the retry. The memory-efficient one comes first, because the math kernel takes gigabytes."""


@contextmanager
def plain_attention(transformer: QwenImageTransformer2DModel) -> Iterator[None]:
    """Use torch's attention with the kernels of PLAIN, whatever backend was selected."""
    processors = [block.attn.processor for block in transformer.transformer_blocks]
    chosen = [processor._attention_backend for processor in processors]
    for processor in processors:
        processor._attention_backend = AttentionBackendName.NATIVE
    try:
        # Not compiled: each version that is compiled for a retry counts towards the limit of recompilations.
        with sdpa_kernel(PLAIN), torch.compiler.set_stance("force_eager"):
            yield
    finally:
        for processor, backend in zip(processors, chosen, strict=True):
            processor._attention_backend = backend
