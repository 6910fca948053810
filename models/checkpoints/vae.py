"""Adapts the VAE to single pictures.

Its causal 3-D convolutions pad the time axis with zeros in the past, so for one frame only the last slice of a kernel
matters: each convolution is replaced by the 2-D convolution of that slice.
"""

import torch
from diffusers import AutoencoderKLQwenImage
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import QwenImageCausalConv3d
from torch import Tensor, nn


class SingleFrameConvolution(nn.Module):
    """A causal 3-D convolution of one frame, (batch, channels, 1, height, width), computed in 2-D."""

    def __init__(self, layer: QwenImageCausalConv3d) -> None:
        super().__init__()
        left, _, top, _, _, _ = layer._padding
        self._padding, self._stride = (top, left), layer.stride[1:]
        self.weight = nn.Parameter(layer.weight.detach()[:, :, -1].clone(), requires_grad=False)
        self.bias = layer.bias

    def forward(self, frame: Tensor, cache: None = None) -> Tensor:  # noqa: ARG002  the signature of what it replaces
        made = nn.functional.conv2d(frame[:, :, 0], self.weight, self.bias, self._stride, self._padding)
        return made[:, :, None]


@torch.no_grad()
def for_single_frames(vae: AutoencoderKLQwenImage) -> AutoencoderKLQwenImage:
    """Replace the 3-D convolutions of a VAE in place and return it. It can no longer process videos; the convolutions
    between frames, which a single frame does not reach, are removed."""
    for name, layer in list(vae.named_modules()):
        if isinstance(layer, QwenImageCausalConv3d):
            replacement = nn.Identity() if name.endswith("time_conv") else SingleFrameConvolution(layer)
            vae.set_submodule(name, replacement)
    return vae
