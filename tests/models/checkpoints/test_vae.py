import pytest
import torch

from models import tiny
from models.checkpoints.vae import for_single_frames

ROUNDING = {torch.bfloat16: 0.03, torch.float32: 1e-5}


@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
@torch.inference_mode()
def test_single_frames_are_encoded_and_decoded_as_by_the_three_dimensional_convolutions(dtype: torch.dtype) -> None:
    vae, rounding = tiny.components().vae.to(dtype), ROUNDING[dtype]
    picture, latents = torch.randn(1, 3, 1, 32, 48).to(dtype), torch.randn(1, 16, 1, 4, 6).to(dtype)
    stock = vae.encoder(picture), vae.decoder(latents)
    for_single_frames(vae)
    for made, expected in zip((vae.encoder(picture), vae.decoder(latents)), stock, strict=True):
        assert torch.allclose(made, expected, rtol=rounding, atol=rounding)
    assert not any(isinstance(layer, torch.nn.Conv3d) for layer in vae.modules())
