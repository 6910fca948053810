"""Asks the text encoder's language model a question about pictures."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.attention import sdpa_kernel
from transformers import StoppingCriteriaList

from imaging.codec.color_profile import in_profile
from models.checkpoints.components import Components
from models.engine import Control, Question
from models.qwen.conditioning import inputs, text_attention

TEMPLATE = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n"
    "<|im_start|>assistant\n"
)
"""The chat template of Qwen2.5-VL."""

END = "<|im_end|>"
MAX_ANSWER_TOKENS = 96
"""Enough for one short JSON object."""


@torch.inference_mode()
def ask(parts: Components, question: Question, control: Control) -> str:
    """Return the greedy answer. Pictures whose sides are multiples of 28 are not resized."""
    pictures = [Image.fromarray(in_profile(picture, None).pixels) for picture in question.pictures]
    encoded = inputs(parts, TEMPLATE, question.words, pictures)

    def check_control(tokens: Tensor, _scores: Tensor, **_: Any) -> Tensor:
        """Check the cancel flag at every token."""
        control.check()
        return torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)

    with sdpa_kernel(text_attention()):
        answer = parts.text_encoder.generate(
            **encoded,
            max_new_tokens=MAX_ANSWER_TOKENS,
            do_sample=False,
            eos_token_id=parts.tokenizer.convert_tokens_to_ids(END),
            pad_token_id=parts.tokenizer.convert_tokens_to_ids(END),
            stopping_criteria=StoppingCriteriaList([check_control]),
        )
    return str(parts.tokenizer.decode(answer[0, encoded["input_ids"].shape[1] :], skip_special_tokens=True))
