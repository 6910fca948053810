"""Server-sent events: OpenAI's, through its client, and those of the job's routes."""

import json
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

from models import tiny
from models.engine import Control, Painted, PaintTask
from models.preview import Preview
from tests.fakes import Failing
from tests.live import Echo, Live, colour_of, painted, serving
from tests.pictures import file_of, plain_room, red_vase
from tests.shop import small_edit, small_generate

RED = file_of(Image.new("RGB", (320, 256), (200, 10, 10)))
SMALL = {"width": 320, "height": 256, "seed": 5}


class FailingLate(Echo):
    def paint(self, task: PaintTask, control: Control) -> Painted:
        super().paint(task, control)
        raise RuntimeError("secret")


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(lambda: Echo(steps=8)) as server:
        yield server


@pytest.fixture(scope="module")
def client(live: Live) -> Iterator[openai.OpenAI]:
    with live.client() as client:
        yield client


@pytest.mark.parametrize("wanted", [0, 1, 2, 3])
def test_generations_show_as_many_unfinished_pictures_as_asked(client: openai.OpenAI, wanted: int) -> None:
    stream = client.images.generate(prompt="1,2,3", stream=True, partial_images=wanted, extra_body=SMALL)
    *partial, last = list(stream)
    assert all(isinstance(event, ImageGenPartialImageEvent) for event in partial)
    assert [event.partial_image_index for event in partial] == list(range(wanted))
    assert [painted(event.b64_json).size for event in partial] == [(320, 256)] * wanted
    assert isinstance(last, ImageGenCompletedEvent)
    assert last.type == "image_generation.completed"
    assert painted(last.b64_json).size == (320, 256)
    assert colour_of(last.b64_json) == (1, 2, 5)
    assert last.usage.total_tokens == 0
    assert last.size == "320x256"
    assert last.seed == 5


def test_edits_stream_too_and_every_variant_is_completed(client: openai.OpenAI) -> None:
    stream = client.images.edit(
        image=("red.png", RED), prompt="turn", n=2, stream=True, partial_images=1, extra_body={"seed": 9}
    )
    events = list(stream)
    assert [type(event) for event in events] == [ImageEditPartialImageEvent, *[ImageEditCompletedEvent] * 2]
    assert [event.seed for event in events[1:]] == [9, 10]


def test_unfinished_pictures_are_small(client: openai.OpenAI) -> None:
    first = next(iter(client.images.generate(prompt="1,2,3", stream=True, partial_images=1, size="2048x1024")))
    assert painted(first.b64_json).size == (512, 256)
    assert first.size == "512x256"


def test_a_placed_product_streams_with_its_checks(live: Live) -> None:
    room, product = file_of(plain_room()), file_of(red_vase())
    with live.client() as client:
        *_, last = client.images.edit(
            image=[("r.png", room), ("p.png", product)],
            prompt="a vase",
            stream=True,
            extra_body={"placement_coordinates": [80, 100]},
        )
    assert last.placement_info["checks"]["background_identical"] == 1


def test_a_job_that_never_begins_has_a_status_of_its_own(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="prompt"):
        client.images.generate(prompt="", stream=True)
    failing = Failing(lambda: RuntimeError("secret"))
    with serving(lambda: failing) as live, live.client() as other, pytest.raises(openai.APIError) as failed:
        list(other.images.generate(prompt="1,2,3", stream=True))
    assert failed.value.code == "GENERATION_ERROR"


def test_a_job_that_fails_on_the_way_is_the_clients_error() -> None:
    with serving(FailingLate) as live, live.client() as client:
        stream = iter(client.images.generate(prompt="1,2,3", stream=True, partial_images=1, extra_body=SMALL))
        assert next(stream).type == "image_generation.partial_image"
        with pytest.raises(openai.APIError) as failed:
            next(stream)
    assert failed.value.code == "GENERATION_ERROR"
    assert "secret" not in str(failed.value.body)


def test_hanging_up_stops_the_job() -> None:
    echo = Echo(steps=400, seconds=0.02)
    with serving(lambda: echo) as live, live.client() as client:
        with client.images.generate(prompt="1,2,3", stream=True, partial_images=3, extra_body=SMALL) as stream:
            assert echo.started.wait(5)
        del stream
        assert echo.inside.acquire(timeout=5)
        assert echo.done_steps < 200


def test_progress_travels_as_comments(live: Live) -> None:
    body = {"prompt": "1,2,3", "stream": True, **SMALL}
    answer = httpx2.post(live.url + "/v1/images/generations", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    comments = [json.loads(line[2:]) for line in answer.text.splitlines() if line.startswith(": {")]
    assert [told["step"] for told in comments if told["stage"] == "denoising"][-3:] == [5, 6, 7]
    assert [told["percent"] for told in comments] == sorted(told["percent"] for told in comments)


class TestJobs:
    @pytest.mark.parametrize(("route", "job"), [("edit", small_edit(seed=4)), ("generate", small_generate(seed=4))])
    def test_the_last_event_is_the_answer_without_events(self, route: str, job: dict[str, Any]) -> None:
        with serving(Preview) as live:
            url = f"{live.url}/v1/{route}"
            *progress, (name, answer) = events(httpx2.post(url, json=job, headers={"Accept": "text/event-stream"}))
            plain = httpx2.post(url, json=job).json()
        assert {event for event, _ in progress} == {"progress"}
        assert all(told.keys() == {"stage", "step", "of", "percent"} for _, told in progress)
        assert name == "answer"
        assert answer["processed_image"] == plain["processed_image"]
        assert answer.keys() == plain.keys()

    def test_an_error_before_the_beginning_is_the_jobs_own(self, live: Live) -> None:
        answer = httpx2.post(live.url + "/v1/edit", json={}, headers={"Accept": "text/event-stream"})
        assert answer.status_code == 400
        assert answer.json()["error_code"] == "INVALID_INPUT"

    def test_an_error_on_the_way_is_an_event(self) -> None:
        failing = Failing(lambda: RuntimeError("secret"))
        with serving(lambda: failing) as live:
            job = small_edit(fallback=False)
            answer = httpx2.post(live.url + "/v1/edit", json=job, headers={"Accept": "text/event-stream"})
        name, told = events(answer)[-1]
        assert name == "error"
        assert told["error"] == "Edit processing failed: The model failed to paint the picture [GENERATION_ERROR]"


def events(answer: httpx2.Response) -> list[tuple[str, dict[str, Any]]]:
    assert answer.status_code == 200, answer.text
    blocks = [block.split("\n", 1) for block in answer.text.strip().split("\n\n") if not block.startswith(":")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def test_looks_come_from_the_denoising_loop_and_change_nothing() -> None:
    with serving(tiny.load) as live, live.client() as client:
        body = SMALL | {"num_inference_steps": 4}
        *partial, last = client.images.generate(prompt="a room", stream=True, partial_images=3, extra_body=body)
        plain = client.images.generate(prompt="a room", extra_body=body)
        job = httpx2.post(
            live.url + "/v1/edit",
            json=small_edit(seed=4, num_inference_steps=4, fallback=False),
            headers={"Accept": "text/event-stream"},
        )
    assert len({event.b64_json for event in partial}) == 3
    assert last.b64_json == plain.data[0].b64_json
    shown = [told for name, told in events(job) if name == "partial_image"]
    assert len(shown) == 3
    width, height = painted(shown[0]["image"]).size
    assert width / height == pytest.approx(160 / 120, rel=0.05)
