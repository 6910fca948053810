"""What makes a transformer's steps shorter and its results differ by rounding, on demand."""

from diffusers import QwenImageTransformer2DModel

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
