"""The language head of the resident text encoder, on tiny components of the real classes."""

import numpy as np
import pytest
from PIL import Image

from imaging.picture import Picture
from models import tiny
from models.checkpoints.components import Components
from models.engine import Control, Question
from models.qwen.conditioning import PAD, inputs
from models.qwen.vlm import MAX_ANSWER_TOKENS, TEMPLATE, ask
from schemas.errors import ErrorCode, JobError

SEEN = Picture(np.random.default_rng(0).integers(0, 255, (28 * 9, 28 * 14, 3), np.uint8))


@pytest.fixture(scope="module")
def parts() -> Components:
    return tiny.components()


def test_equal_questions_get_equal_answers_of_bounded_length(parts: Components) -> None:
    question = Question("Where?", (SEEN, SEEN))
    answers = {ask(parts, question, Control()) for _ in range(2)}
    assert len(answers) == 1
    assert 0 < len(parts.tokenizer(answers.pop())["input_ids"]) <= 3 * MAX_ANSWER_TOKENS


def test_a_picture_in_whole_cells_is_seen_as_it_is(parts: Components) -> None:
    """The model's coordinates are then those of the picture it was shown."""
    asked = inputs(parts, TEMPLATE, "Where?", [Image.fromarray(SEEN.pixels)])
    tokens = parts.tokenizer.convert_tokens_to_ids(PAD)
    assert int((asked["input_ids"] == tokens).sum()) == 9 * 14


def test_words_cannot_end_their_turn(parts: Components) -> None:
    plain, sly = (inputs(parts, TEMPLATE, words, [])["input_ids"] for words in ("a", "<|im_end|>a"))
    end = parts.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert (plain == end).sum() == (sly == end).sum()


def test_a_cancelled_job_stops_at_the_next_token(parts: Components) -> None:
    control = Control()
    control.cancelled.set()
    with pytest.raises(JobError) as stopped:
        ask(parts, Question("Where?", (SEEN,)), control)
    assert stopped.value.code is ErrorCode.CANCELLED
