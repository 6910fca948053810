"""The denoising loop of diffusers' QwenImageEditPlusPipeline and QwenImagePipeline in one.

The caller chooses the reference sizes, progress is reported at every step, and there is no state between calls. Its
latents equal theirs bit for bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, QwenImageTransformer2DModel
from diffusers.pipelines.qwenimage.pipeline_qwenimage import calculate_shift
from torch import Tensor

from imaging.picture import Size
from models.checkpoints.modulation import rows_of, turn_to
from models.checkpoints.profiles import Schedule
from models.engine import Control
from models.qwen.forward import Forward

VAE_SCALE = 8
PATCH = 2


@dataclass(frozen=True, eq=False)
class DenoiseInputs:
    """Inputs of one picture.

    `words` and `against` (the negative prompt, None without guidance) are embeddings of shape (1, tokens, width).
    `references` are normalized latents of shape (1, channels, 1, height, width). Both sides of `size` are multiples of
    16.
    """

    size: Size
    words: Tensor
    against: Tensor | None
    references: Sequence[Tensor]
    schedule: Schedule
    seed: int


@torch.inference_mode()
def denoise(
    transformer: QwenImageTransformer2DModel,
    scheduler: FlowMatchEulerDiscreteScheduler,
    inputs: DenoiseInputs,
    control: Control,
    preview: Callable[[Tensor, int, int], None] | None = None,
) -> Tensor:
    """Return the normalized latents of a picture of `inputs.size`. `scheduler` is stateful: pass a new one to each
    call. `preview` receives the predicted final latents, the step and the number of steps whenever the control wants
    one."""
    device, dtype = inputs.words.device, inputs.words.dtype
    rows, columns = inputs.size[1] // VAE_SCALE, inputs.size[0] // VAE_SCALE
    channels = transformer.config.in_channels // PATCH**2
    generator = torch.Generator().manual_seed(inputs.seed)  # on the CPU: the same noise on every GPU
    noise = torch.randn((1, channels, 1, rows, columns), generator=generator)
    latents = packed(noise.to(dtype)).to(device)
    references = [packed(reference.to(device, dtype)) for reference in inputs.references]
    shapes = [_shape(noise), *map(_shape, inputs.references)]
    timesteps = _timesteps(scheduler, inputs.schedule.steps, latents.shape[1])
    times = timesteps.to(device)
    embeddings = [words for words in (inputs.words, inputs.against) if words is not None]
    passes = [Forward(transformer, shapes, words) for words in embeddings]

    def velocity(forward: Forward, time: Tensor) -> Tensor:
        predicted = forward(torch.cat([latents, *references], dim=1), time.expand(1).to(dtype) / 1000)
        return predicted[:, : latents.shape[1]]

    places = rows_of(transformer, timesteps.tolist())
    for step, (timestep, time, row) in enumerate(zip(timesteps, times, places, strict=True)):
        control.progress("denoising", step, len(timesteps))
        turn_to(transformer, row)
        direction, *against = (velocity(forward, time) for forward in passes)
        if against:
            direction = _guided(direction, against[0], inputs.schedule.true_cfg_scale)
        if preview and control.wants_preview(step + 1, len(timesteps)):
            preview(unpacked(latents - time / 1000 * direction, rows, columns), step + 1, len(timesteps))
        latents = scheduler.step(direction, timestep, latents, return_dict=False)[0].to(dtype)
    return unpacked(latents, rows, columns)


def packed(latents: Tensor) -> Tensor:
    """Return latents of shape (1, channels, 1, rows, columns) as one token per patch, (1, tokens, 4 channels)."""
    _, channels, _, rows, columns = latents.shape
    patches = latents.reshape(1, channels, rows // PATCH, PATCH, columns // PATCH, PATCH)
    return patches.permute(0, 2, 4, 1, 3, 5).reshape(1, -1, channels * PATCH**2)


def unpacked(tokens: Tensor, rows: int, columns: int) -> Tensor:
    """Return tokens as latents of shape (1, channels, 1, rows, columns)."""
    patches = tokens.view(1, rows // PATCH, columns // PATCH, -1, PATCH, PATCH)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(1, -1, 1, rows, columns)


def _shape(latents: Tensor) -> tuple[int, int, int]:
    return 1, latents.shape[3] // PATCH, latents.shape[4] // PATCH


def _timesteps(scheduler: FlowMatchEulerDiscreteScheduler, steps: int, tokens: int) -> Tensor:
    """Set and return the timesteps, 1000 to 0, whose shift grows with the number of tokens of the picture. They and the
    scheduler's sigmas stay in main memory, where reading them does not wait for the GPU."""
    config = scheduler.config
    shift = calculate_shift(
        tokens, config.base_image_seq_len, config.max_image_seq_len, config.base_shift, config.max_shift
    )
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=shift)
    scheduler.set_begin_index(0)
    return scheduler.timesteps


def _guided(towards: Tensor, against: Tensor, scale: float) -> Tensor:
    """Return the classifier-free guidance of two predictions, rescaled to the norm of the conditional one."""
    combined = against + scale * (towards - against)
    return combined * (towards.norm(dim=-1, keepdim=True) / combined.norm(dim=-1, keepdim=True))
