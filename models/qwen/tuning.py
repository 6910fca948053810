"""What makes a transformer's steps shorter and its results differ by rounding, on demand."""

from collections.abc import Iterator
from contextlib import contextmanager

from diffusers import QwenImageTransformer2DModel
from diffusers.models.attention_dispatch import AttentionBackendName
from torch.nn.attention import SDPBackend, sdpa_kernel

from schemas.settings import SettingsError


def tune(
    transformer: QwenImageTransformer2DModel, attention: str | None, *, compiled: bool, backend: str = "inductor"
) -> None:
    """`attention` is one of diffusers' backends, like `_native_cudnn`; SettingsError where there is none such here.
    Blocks are compiled once for pictures and words of every size, at their first use."""
    if attention:
        try:
            transformer.set_attention_backend(attention)
        except (ValueError, RuntimeError, ImportError) as problem:
            reason = str(problem).splitlines()[0]
            raise SettingsError(f"ATTENTION: {attention} cannot be used here: {reason}") from problem
    if compiled:
        transformer.compile_repeated_blocks(fullgraph=True, dynamic=True, backend=backend)


PLAIN = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Without the fast kernels, and without the gigabytes that the plainest takes where the other is there."""


@contextmanager
def plain_attention(transformer: QwenImageTransformer2DModel) -> Iterator[None]:
    """torch's own attention with its plain kernels, whatever was chosen."""
    processors = [block.attn.processor for block in transformer.transformer_blocks]
    chosen = [processor._attention_backend for processor in processors]
    for processor in processors:
        processor._attention_backend = AttentionBackendName.NATIVE
    try:
        with sdpa_kernel(PLAIN):
            yield
    finally:
        for processor, backend in zip(processors, chosen, strict=True):
            processor._attention_backend = backend
