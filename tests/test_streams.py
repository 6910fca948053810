"""Answers as server-sent events: OpenAI's through its official client, the jobs' own through plain HTTP."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from openai.types import (
    ImageEditCompletedEvent,
    ImageEditPartialImageEvent,
    ImageGenCompletedEvent,
    ImageGenPartialImageEvent,
)
from PIL import Image

from models.engine import Control, Painted, PaintTask
from schemas.errors import ErrorCode, JobError
from testing.fakes import Failing, never
from testing.live import EVENTS, Echo, Live, events_of, mean_color, painted, serving
from testing.patience import WAIT_SECONDS, wait_until
from testing.pictures import as_base64, file_of
from testing.shop import small_edit, small_generate

RED = file_of(Image.new("RGB", (320, 256), (200, 10, 10)))
SMALL = {"width": 320, "height": 256, "seed": 7}


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    with serving() as live, live.client() as client:
        yield client


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving() as server:
        yield server


class BreakingHalfway(Echo):
    def paint(self, task: PaintTask, control: Control) -> Painted:
        super().paint(task, control)
        raise JobError(ErrorCode.OUT_OF_MEMORY, "The GPU ran out of memory")


class TestOpenAI:
    @pytest.mark.parametrize("partial_images", [0, 1, 2, 3])
    def test_words_become_so_many_partial_pictures_and_then_the_picture(
        self, client: openai.OpenAI, partial_images: int
    ) -> None:
        began = int(time.time())
        with client.images.generate(
            prompt="10,20,30", stream=True, partial_images=partial_images, extra_body=SMALL
        ) as stream:
            *partial, completed = stream
        assert [type(event) for event in partial] == [ImageGenPartialImageEvent] * partial_images
        assert [event.type for event in partial] == ["image_generation.partial_image"] * partial_images
        assert [event.partial_image_index for event in partial] == list(range(partial_images))
        assert all(painted(event.b64_json).size == (320, 256) for event in partial)
        assert isinstance(completed, ImageGenCompletedEvent)
        assert completed.type == "image_generation.completed"
        assert painted(completed.b64_json).size == (320, 256)
        assert mean_color(completed.b64_json) == (10, 20, 7)
        assert (completed.size, completed.quality, completed.model, completed.seed) == ("320x256", "low", "echo", 7)
        assert completed.usage.total_tokens == 0
        assert completed.usage.generated_images == 1
        assert began <= completed.created_at <= time.time()

    @pytest.mark.parametrize("partial_images", [0, 1, 2, 3])
    def test_a_picture_and_words_too(self, client: openai.OpenAI, partial_images: int) -> None:
        with client.images.edit(
            image=("red.png", RED), prompt="turn", stream=True, partial_images=partial_images, extra_body={"seed": 7}
        ) as stream:
            *partial, completed = stream
        assert [type(event) for event in partial] == [ImageEditPartialImageEvent] * partial_images
        assert [event.partial_image_index for event in partial] == list(range(partial_images))
        assert isinstance(completed, ImageEditCompletedEvent)
        assert completed.type == "image_edit.completed"
        assert painted(completed.b64_json).size == (320, 256)
        assert mean_color(completed.b64_json) == (55, 245, 7)
        assert completed.usage.input_images == 1

    def test_every_variant_is_completed_by_an_event_of_its_own(self, client: openai.OpenAI) -> None:
        with client.images.generate(prompt="1,2,3", n=2, stream=True, partial_images=2, extra_body=SMALL) as stream:
            events = list(stream)
        completed = [event for event in events if event.type == "image_generation.completed"]
        assert events[-2:] == completed
        assert [event.seed for event in completed] == [7, 8]
        assert [mean_color(event.b64_json)[2] for event in completed] == [7, 8]
        assert [event.partial_image_index for event in events[:-2]] == [0, 1]

    def test_the_asked_format_holds_for_partial_pictures_too(self, client: openai.OpenAI) -> None:
        with client.images.generate(
            prompt="1,2,3", stream=True, partial_images=1, output_format="webp", extra_body=SMALL
        ) as stream:
            events = list(stream)
        assert [painted(event.b64_json).format for event in events] == ["WEBP"] * 2
        assert [event.output_format for event in events] == ["webp"] * 2

    def test_partial_pictures_come_while_the_job_runs(self) -> None:
        go = threading.Semaphore(2)
        with (
            serving(lambda: Echo(steps=4, go=go)) as live,
            live.client() as client,
            client.images.generate(prompt="1,2,3", stream=True, partial_images=1, extra_body=SMALL) as stream,
        ):
            events = iter(stream)
            assert next(events).type == "image_generation.partial_image"
            go.release(2)
            assert next(events).type == "image_generation.completed"

    def test_a_wrong_value_is_refused_before_the_stream(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            client.images.generate(prompt="1,2,3", stream=True, partial_images=4)
        assert refused.value.param == "partial_images"

    def test_what_is_no_picture_is_refused_before_the_stream(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError, match="Failed to decode image"):
            client.images.edit(image=("r.png", b"no picture"), prompt="turn", stream=True)

    def test_a_model_that_is_not_ready_answers_503_instead_of_a_stream(self) -> None:
        with (
            serving(never, ready_wait_seconds=0.1) as live,
            live.client() as client,
            pytest.raises(openai.InternalServerError) as failed,
        ):
            client.images.generate(prompt="1,2,3", stream=True)
        assert failed.value.status_code == 503

    def test_a_job_that_fails_on_its_way_ends_its_stream_with_the_clients_error(self) -> None:
        with (
            serving(BreakingHalfway) as live,
            live.client() as client,
            client.images.generate(prompt="1,2,3", stream=True, partial_images=1, extra_body=SMALL) as stream,
        ):
            events = iter(stream)
            assert next(events).partial_image_index == 0
            with pytest.raises(openai.APIError, match="ran out of memory") as failed:
                next(events)
        assert failed.value.code == "OUT_OF_MEMORY"

    def test_who_hangs_up_stops_the_job(self) -> None:
        echo = Echo(go=threading.Semaphore(0))
        with serving(lambda: echo) as live, live.client() as client:
            with client.images.generate(prompt="1,2,3", stream=True, partial_images=3, extra_body=SMALL):
                assert echo.started.wait(WAIT_SECONDS)
            wait_until(lambda: not echo.inside.locked())
            assert echo.done_steps == 0
            echo.go = None
            made = client.images.generate(prompt="9,8,7", extra_body=SMALL)
        assert mean_color(made.data[0].b64_json) == (9, 8, 7)


class TestJobs:
    @pytest.mark.parametrize(("route", "job"), [("edit", small_edit(seed=4)), ("generate", small_generate(seed=4))])
    def test_the_answer_is_the_plain_one(self, live: Live, route: str, job: dict[str, Any]) -> None:
        plain = httpx2.post(f"{live.url}/v1/{route}", json=job).json()
        *before, (name, answered) = events_of(live, route, job)
        assert name == "answer"
        assert timeless(answered) == timeless(plain)
        assert before[-1][0] == "progress"
        percents = [told["percent"] for name, told in before if name == "progress"]
        assert percents == sorted(percents)
        assert all(told.keys() == {"stage", "step", "of", "percent"} for name, told in before if name == "progress")

    @pytest.mark.parametrize("job", [{}, small_edit(room_image="!"), small_edit(room_image=as_base64(b"no picture"))])
    def test_a_job_that_cannot_begin_has_its_plain_answer(self, live: Live, job: dict[str, Any]) -> None:
        plain = httpx2.post(live.url + "/v1/edit", json=job)
        streamed = httpx2.post(live.url + "/v1/edit", json=job, headers=EVENTS)
        assert (streamed.status_code, streamed.json()) == (400, plain.json())

    def test_a_failure_on_the_way_is_the_plain_answers_error(self) -> None:
        job = small_edit(fallback=False)
        with serving(lambda: Failing(lambda: RuntimeError("secret"))) as live:
            plain = httpx2.post(live.url + "/v1/edit", json=job)
            *before, (name, told) = events_of(live, "edit", job)
        assert plain.status_code == 500
        assert (name, told) == ("error", plain.json())
        assert before


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer without the parts that may differ between two runs of the same job."""
    return {
        name: timeless(value) if isinstance(value, dict) else value
        for name, value in answer.items()
        if name != "processing_time"
    }
