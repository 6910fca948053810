"""The language model that reads the prompts for the diffusion model, asked a question of its own."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.attention import sdpa_kernel
from transformers import StoppingCriteriaList

from imaging.codec.color_profile import in_profile
from models.checkpoints.components import Components
from models.engine import Control, Question
from models.qwen.conditioning import inputs, reading

TEMPLATE = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n"
    "<|im_start|>assistant\n"
)
"""Qwen2.5-VL's own."""

END = "<|im_end|>"
MOST_TOKENS = 96
"""Of an answer: one short JSON object."""


@torch.inference_mode()
def ask(parts: Components, question: Question, control: Control) -> str:
    """The likeliest answer. Pictures are shown as they are where their sides are multiples of 28."""
    pictures = [Image.fromarray(in_profile(picture, None).pixels) for picture in question.pictures]
    asked = inputs(parts, TEMPLATE, question.words, pictures)

    def goes_on(tokens: Tensor, _scores: Tensor, **_: Any) -> Tensor:
        """Looks at the cancel flag at every token."""
        control.check()
        return torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)

    with sdpa_kernel(reading()):
        answer = parts.text_encoder.generate(
            **asked,
            max_new_tokens=MOST_TOKENS,
            do_sample=False,
            eos_token_id=parts.tokenizer.convert_tokens_to_ids(END),
            pad_token_id=parts.tokenizer.convert_tokens_to_ids(END),
            stopping_criteria=StoppingCriteriaList([goes_on]),
        )
    return str(parts.tokenizer.decode(answer[0, asked["input_ids"].shape[1] :], skip_special_tokens=True))
