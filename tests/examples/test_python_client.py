"""The Python client that users copy, against the local platform with a real worker and against the HTTP server."""

import ast
import asyncio
import base64
import functools
import http.server
import io
import json
import pickle
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import httpx
import numpy as np
import pytest
from PIL import Image

from examples.python import qwen_worker
from examples.python.qwen_worker import (
    AsyncWorker,
    EditFields,
    Endpoint,
    GenerateFields,
    JobResult,
    JobStatus,
    OutcomeUnknownError,
    PaintFields,
    Patience,
    Picture,
    Policy,
    Progress,
    Server,
    Worker,
    WorkerError,
    as_text,
    edit_job,
    generate_job,
    read_answer,
    read_status,
    read_webhook,
)
from local_platform.worker import ENDPOINT
from schemas.jobs import EditJob, GenerateJob, Job
from schemas.openai import GenerationBody
from testing.fakes import Slow
from testing.gate import Gate, gate
from testing.live import Echo, Live, serving
from testing.patience import PATIENCE, WAIT_SECONDS, wait_until
from testing.pictures import file_of, plain_room, red_vase
from testing.processes import free_port
from testing.rehearsal import Platform, platform, worker
from testing.unkind_worker import Unkind

CLIENT = Path(__file__).parent.parent.parent / "examples/python/qwen_worker.py"
README = CLIENT.with_name("README.md").read_text()
ROOM, VASE = file_of(plain_room()), file_of(red_vase())
SHORT = 2 * PATIENCE
"""Seconds of patience with a platform that does not reply, in tests that wait for it to run out; elsewhere it is
ample."""

HURRY = Patience(reply=WAIT_SECONDS, tries=4, pause=0.01, poll=0.05, longest_poll=0.1)
HERE: dict[str, Any] = {"placement_coordinates": (80, 100), "product_scale": 0.4}
KEY = "s3cret-key"
OPEN = ExitStack()


@pytest.fixture(autouse=True)
def _workers_are_closed() -> Iterator[None]:
    yield
    OPEN.close()


def place(url: str) -> Endpoint:
    return Endpoint(ENDPOINT, "key", base_url=f"{url}/v2")


def client(url: str, **patience: float) -> Worker:
    return OPEN.enter_context(Worker(place(url), patience=Patience(**{**vars(HURRY), **patience})))


def size_of(picture: Picture) -> tuple[int, int]:
    return Image.open(io.BytesIO(picture.data)).size


@contextmanager
def watched(at: Platform, *manners: str) -> Iterator[tuple[Gate, set[str]]]:
    """Put a gate before the platform and yield it with the ids of the jobs that pass it."""
    before, new = set(at.endpoint.jobs), set()
    with gate(at.url, *manners) as between:
        yield between, new
    new |= set(at.endpoint.jobs) - before


class TestAnswers:
    def test_a_product_comes_into_the_room(self, shop: Platform, tmp_path: Path) -> None:
        (tmp_path / "vase.png").write_bytes(VASE)
        answer = client(shop.url).edit_product(tmp_path / "vase.png", ROOM, seed=7, **HERE)
        assert size_of(answer.pictures[0]) == (160, 120)
        assert (answer.seed, answer.pictures[0].mime_type) == (7, "image/png")
        assert answer.info["coordinates"] == [80, 100]
        assert answer.warnings == ()
        assert answer.job_id in shop.endpoint.jobs

    def test_several_products_come_into_the_room(self, shop: Platform) -> None:
        products = [
            {"product_image": VASE, "placement_coordinates": (x, 100), "product_scale": 0.3, "product_name": "Vase"}
            for x in (40, 120)
        ]
        answer = client(shop.url).edit_product(None, ROOM, products=products)
        assert [placed["coordinates"] for placed in answer.placements] == [[40, 100], [120, 100]]

    def test_a_rug_lies_and_a_thing_is_replaced(self, shop: Platform) -> None:
        rug = {"placement_surface": "rug", "product_width_cm": 100, "rotation_degrees": 10, "seed": 1}
        assert client(shop.url).edit_product(VASE, ROOM, **rug).info["surface"] == "rug"
        replaced = client(shop.url).edit_product(VASE, ROOM, replace=(70, 60, 90, 100), product_scale=0.6)
        assert size_of(replaced.pictures[0]) == (160, 120)

    def test_a_room_comes_around_the_product(self, shop: Platform) -> None:
        answer = client(shop.url).generate_environment(VASE, environment_type="bedroom", output_size=(320, 256))
        assert size_of(answer.pictures[0]) == (320, 256)
        assert answer.info["environment_type"] == "bedroom"

    def test_words_become_a_picture_by_openais_route(self, shop: Platform) -> None:
        answer = client(shop.url, job=20).paint("a bright room", size="256x320", seed=3, output_format="webp")
        assert size_of(answer.pictures[0]) == (256, 320)
        assert (answer.seed, answer.pictures[0].mime_type) == (3, "image/webp")
        assert answer.info["model"]

    def test_several_are_saved_under_numbers_with_the_extension_of_what_they_are(
        self, shop: Platform, tmp_path: Path
    ) -> None:
        answer = client(shop.url).edit_product(VASE, ROOM, n=2, seed=5, output_format="jpeg", **HERE)
        files = answer.save(tmp_path / "out.png")
        assert [file.name for file in files] == ["out-1.jpg", "out-2.jpg"]
        assert all(file.read_bytes().startswith(b"\xff\xd8") for file in files)
        assert [picture.seed for picture in answer.pictures] == [5, 6]

    def test_a_dot_in_a_name_is_no_extension(self, shop: Platform, tmp_path: Path) -> None:
        [file] = client(shop.url).edit_product(VASE, ROOM, **HERE).save(tmp_path / "room no.3")
        assert file.name == "room no.3.png"

    def test_progress_is_told_while_a_long_job_runs(self, shop: Platform) -> None:
        told: list[Progress] = []
        client(shop.url).edit_product(VASE, ROOM, instructions="slow 40", on_progress=told.append, **HERE)
        percents = [progress.percent for progress in told]
        assert len(told) >= 2
        assert percents == sorted(percents)
        assert len(set(told)) == len(told)
        assert {progress.stage for progress in told} >= {"denoising"}

    def test_a_sync_job_that_takes_longer_is_looked_after(self, shop: Platform) -> None:
        told: list[Progress] = []
        endpoint = replace(place(shop.url), route="runsync")
        with Worker(endpoint, patience=HURRY) as caller:
            answer = caller.edit_product(VASE, ROOM, instructions="slow 40", on_progress=told.append, **HERE)
        assert told
        assert (answer.job_id or "").startswith("sync-")

    def test_awaiting_is_the_same(self, shop: Platform) -> None:
        told: list[Progress] = []

        async def call() -> list[tuple[int, int]]:
            async with AsyncWorker(place(shop.url), patience=HURRY) as worker:
                slow = worker.edit_product(VASE, ROOM, instructions="slow 40", on_progress=told.append, **HERE)
                answers = await asyncio.gather(slow, worker.generate_environment(VASE, output_size=(256, 256)))
                return [size_of(answer.pictures[0]) for answer in answers]

        assert asyncio.run(call()) == [(160, 120), (256, 256)]
        assert told

    def test_health_is_the_endpoints_and_health_check_a_workers(self, shop: Platform) -> None:
        assert client(shop.url).health()["workers"] == {"idle": 1, "running": 0}
        assert client(shop.url).health_check()["status"] == "healthy"


class TestErrors:
    def test_the_worker_s_own_sentence_code_and_fields(self, shop: Platform) -> None:
        with pytest.raises(WorkerError) as refused:
            client(shop.url).edit_product(VASE, ROOM, placement_coordinates=(999, 1), product_scale=0.4)
        message = (
            "Edit processing failed: Invalid placement_coordinates: it lies outside the room photo of 160x120 pixels"
        )
        assert str(refused.value) == message
        assert (refused.value.code, refused.value.fields) == ("INVALID_INPUT", ("placement_coordinates",))
        assert refused.value.job_id in shop.endpoint.jobs

    def test_of_openais_route(self, shop: Platform) -> None:
        with pytest.raises(WorkerError) as refused:
            client(shop.url).paint("", size="256x256")
        assert refused.value.code == "INVALID_INPUT"
        assert "prompt" in str(refused.value)

    def test_the_code_is_read_from_the_sentence_where_the_platform_drops_the_output(self) -> None:
        told = {
            "id": "job-1",
            "status": "FAILED",
            "error": "Edit processing failed: Missing room_image [INVALID_INPUT]",
        }
        with pytest.raises(WorkerError, match=r"^Edit processing failed: Missing room_image$") as failed:
            read_status(told).answer()
        assert (failed.value.code, failed.value.job_id) == ("INVALID_INPUT", "job-1")

    @pytest.mark.parametrize(
        ("told", "code"),
        [
            ({"status": "TIMED_OUT", "error": "job timed out"}, "TIMEOUT"),
            ({"status": "CANCELLED"}, "CANCELLED"),
            ({"status": "FAILED", "error": '{"error_type": "KeyError"}'}, "JOB_FAILED"),
            ({"status": "FAILED"}, "JOB_FAILED"),
            ({"status": "COMPLETED"}, "ANSWER_MISSING"),
            (
                {"status": "IN_PROGRESS", "output": {"stage": "decode", "step": 0, "of": 1, "percent": 0}},
                "STILL_RUNNING",
            ),
        ],
    )
    def test_every_end_without_a_picture_has_a_code(self, told: dict[str, Any], code: str) -> None:
        with pytest.raises(WorkerError) as failed:
            read_status({"id": "job-1", **told}).answer()
        assert failed.value.code == code

    def test_it_travels_between_processes(self) -> None:
        lost = OutcomeUnknownError("Lost", "OUTCOME_UNKNOWN", ("n",), "job-1", "key-1")
        copy = pickle.loads(pickle.dumps(lost))
        assert (str(copy), vars(copy), type(copy)) == ("Lost", vars(lost), OutcomeUnknownError)

    def test_an_unknown_job_is_not_found(self, shop: Platform) -> None:
        with pytest.raises(WorkerError) as failed:
            client(shop.url).wait("nobody")
        assert failed.value.code == "NOT_FOUND"

    @pytest.mark.parametrize("url", ["http://[", "http://127.0.0.1:1"])
    def test_an_address_that_cannot_be_reached_is_told(self, url: str) -> None:
        with pytest.raises(WorkerError, match="cannot be reached") as failed:
            at_server(url).health()
        assert failed.value.code == "UNREACHABLE"

    @pytest.mark.parametrize("url", ["localhost:8000", "", "ftp://shop.example", "http://a..b", "http://a\nb"])
    def test_what_is_no_address_is_told_at_once(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("time.sleep", lambda _: pytest.fail("it waits"))
        with pytest.raises(WorkerError, match="cannot be reached") as failed:
            at_server(url).health()
        assert failed.value.code == "UNREACHABLE"

    @pytest.mark.parametrize(("status", "code"), [("501", "REFUSED"), ("405", "REFUSED"), ("404", "NOT_FOUND")])
    def test_who_knows_no_such_request_has_begun_nothing(self, status: str, code: str) -> None:
        with gate("http://127.0.0.1:1", status) as between, pytest.raises(WorkerError, match=status) as failed:
            at_server(between.url).edit_product(VASE, ROOM)
        assert failed.value.code == code

    @pytest.mark.parametrize(
        ("status", "sentence", "code"),
        [("200", "answered 200 but is not a worker", "MALFORMED"), ("404", "answered 404", "NOT_FOUND")],
    )
    def test_another_server_s_page_is_no_health(self, status: str, sentence: str, code: str) -> None:
        with gate("http://127.0.0.1:1", status) as between, pytest.raises(WorkerError, match=sentence) as failed:
            at_server(between.url, None).health_check()
        assert (failed.value.code, str(failed.value).count("\n")) == (code, 0)

    @pytest.mark.parametrize("kind", [functools.partial(Endpoint, "id"), functools.partial(Server, "http://localhost")])
    @pytest.mark.parametrize("key", ["bad\nkey", "bad\tkey", "bad key ", "bad\x00", "bad\udcff"])
    def test_a_key_that_no_header_holds_is_refused_without_showing_it(self, kind: Any, key: str) -> None:
        with pytest.raises(WorkerError) as refused:
            kind(key)
        assert refused.value.code == "UNAUTHORIZED"
        assert "bad" not in repr(refused.value)


class TestLeaving:
    def test_a_submitted_job_is_waited_for_later(self, shop: Platform) -> None:
        told: list[Progress] = []
        caller = client(shop.url)
        job_id = caller.submit(edit_job(VASE, ROOM, instructions="slow 20", seed=9, **HERE))
        assert caller.wait(job_id, on_progress=told.append).seed == 9
        assert told

    def test_a_webhook_brings_the_answer(self, shop: Platform) -> None:
        with listener() as (url, bodies):
            job_id = client(shop.url).submit(edit_job(VASE, ROOM, **HERE), webhook=url)
            status = read_webhook(bodies.get(timeout=WAIT_SECONDS))
        assert status.job_id == job_id
        assert size_of(status.answer().pictures[0]) == (160, 120)

    @pytest.mark.parametrize(
        ("policy", "code"), [(Policy(executionTimeout=300), "TIMEOUT"), (Policy(ttl=300), "NOT_FOUND")]
    )
    def test_a_policy_limits_it(self, shop: Platform, policy: Policy, code: str) -> None:
        caller = client(shop.url)
        job_id = caller.submit(edit_job(VASE, ROOM, instructions="slow 400", **HERE), policy=policy)
        with pytest.raises(WorkerError) as failed:
            caller.wait(job_id)
        assert (failed.value.code, failed.value.job_id) == (code, job_id)

    def test_a_webhook_brings_the_error(self, shop: Platform) -> None:
        with listener() as (url, bodies):
            client(shop.url).submit(generate_job(VASE, output_size=(1, 1)), webhook=url)
            status = read_webhook(bodies.get(timeout=WAIT_SECONDS))
        with pytest.raises(WorkerError) as failed:
            status.answer()
        assert (failed.value.code, failed.value.fields) == ("INVALID_INPUT", ("output_size",))

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b'{"id": "1"}', b'{"id": "../x", "status": "FAILED"}', b"<html>", b"\xff", b"[" * 100_000],
    )
    def test_what_is_no_webhook_is_an_error(self, body: bytes) -> None:
        with pytest.raises(WorkerError) as refused:
            read_webhook(body)
        assert refused.value.code == "MALFORMED"

    @pytest.mark.parametrize(
        "changed",
        [
            {"mime_type": None},
            {"mime_type": "text/html"},
            {"mime_type": []},
            {"placement_info": None},
            {"placement_info": {}},
            {"placement_info": {"seed": "7"}},
            {"processed_image": "x"},
            {"processed_image": ""},
            {"processed_image": "\u0416"},
            {"processed_image": "!!!!"},
            {"processed_image": 5},
            {"images": []},
            {"images": 5},
            {"images": [None]},
            {"images": [{"image": "QUFB"}]},
            {"processed_image": None, "data": [{}], "model": "m", "output_format": "png"},
        ],
    )
    def test_what_is_no_answer_in_a_webhook_is_one_too(self, changed: dict[str, Any]) -> None:
        right = {"processed_image": "QUFB", "mime_type": "image/png", "placement_info": {"seed": 7}}
        assert webhook(right).answer().pictures[0].data == b"AAA"
        with pytest.raises(WorkerError) as refused:
            webhook(right | changed).answer()
        assert (refused.value.code, refused.value.job_id) == ("MALFORMED", "job-1")

    @pytest.mark.parametrize("output", [{"warnings": 5}, {"warnings": [5]}])
    def test_a_strange_warning_is_none(self, output: dict[str, Any]) -> None:
        right = {"processed_image": "QUFB", "mime_type": "image/png", "placement_info": {"seed": 7}}
        assert webhook(right | output).answer().warnings == ()

    @pytest.mark.parametrize(
        "output",
        [
            {"error": {"message": 5}},
            {"error": "no", "error_code": 5},
            {"error": "no", "fields": 5},
            {"error": "no", "fields": [[]]},
            {"error": json.loads("[" * 900 + "]" * 900)},
            {"error": " " * 100_000},
            {"error": "[A" * 50_000},
        ],
    )
    @pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
    def test_a_strange_error_in_a_webhook_is_an_error_too(self, output: dict[str, Any], status: str) -> None:
        with pytest.raises(WorkerError) as failed:
            webhook(output, status).answer()
        assert (failed.value.code, failed.value.fields) == ("JOB_FAILED", ())

    def test_a_cancelled_job_is_an_error_for_who_waits(self, shop: Platform) -> None:
        caller = client(shop.url)
        job_id = caller.submit(edit_job(VASE, ROOM, instructions="slow 200", **HERE))
        shop.wait(job_id, lambda told: bool(told.get("output")))
        assert caller.cancel(job_id).state == "CANCELLED"
        with pytest.raises(WorkerError) as failed:
            caller.wait(job_id)
        assert failed.value.code == "CANCELLED"

    def test_who_stops_waiting_cancels_the_job(self, shop: Platform) -> None:
        async def call() -> None:
            async with AsyncWorker(place(shop.url), patience=HURRY) as worker:
                seen = asyncio.Event()
                edit = worker.edit_product(
                    VASE, ROOM, instructions="slow 400", on_progress=lambda _: seen.set(), **HERE
                )
                waiting = asyncio.create_task(edit)
                await seen.wait()
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting

        with watched(shop) as (_, jobs):
            asyncio.run(call())
        assert [shop.status(job)["status"] for job in jobs] == ["CANCELLED"]

    def test_also_before_its_id_is_known(self, shop: Platform) -> None:
        async def call(url: str) -> None:
            endpoint = replace(place(url), route="runsync")
            async with AsyncWorker(endpoint, patience=HURRY) as worker:
                edit = asyncio.create_task(worker.edit_product(VASE, ROOM, instructions="slow 400", **HERE))
                await asyncio.to_thread(wait_until, lambda: between.asked("/runsync"))
                edit.cancel()
                await edit

        with watched(shop) as (between, jobs), pytest.raises(asyncio.CancelledError):
            asyncio.run(call(between.url))
        assert [shop.status(job)["status"] for job in jobs] == ["CANCELLED"]
        assert [between.asked("/runsync"), between.asked("/cancel")] == [1, 1]

    def test_so_does_ctrl_c_before_its_id_is_known(self, shop: Platform) -> None:
        with (
            watched(shop) as (between, jobs),
            Worker(replace(place(between.url), route="runsync"), patience=HURRY) as worker,
            pytest.raises(KeyboardInterrupt),
            interrupted(lambda: between.asked("/runsync")),
        ):
            worker.edit_product(VASE, ROOM, instructions="slow 400", **HERE)
        assert [shop.status(job)["status"] for job in jobs] == ["CANCELLED"]

    @pytest.mark.parametrize("problem", [ZeroDivisionError(), WorkerError("Mine", "MINE"), SystemExit()])
    def test_so_does_a_listener_that_raises(self, shop: Platform, problem: BaseException) -> None:
        edit = functools.partial(client(shop.url).edit_product, VASE, ROOM, instructions="slow 400", **HERE)
        with watched(shop) as (_, jobs), pytest.raises(type(problem)) as raised:
            edit(on_progress=raising(problem))
        assert raised.value is problem
        assert [shop.status(job)["status"] for job in jobs] == ["CANCELLED"]

    def test_a_job_that_could_not_be_cancelled_is_noted(self, shop: Platform) -> None:
        problem = ZeroDivisionError()

        def listen(_: Progress) -> None:
            between.manners[:] = ["500"] * 9
            raise problem

        with watched(shop) as (between, jobs), pytest.raises(ZeroDivisionError):
            client(between.url).edit_product(VASE, ROOM, instructions="slow 20", on_progress=listen, **HERE)
        assert between.asked("/cancel")
        [note] = problem.__notes__
        assert note.startswith(f"Job {jobs.pop()} may continue because it could not be cancelled: ")

    def test_patience_ends_and_the_job_goes_on(self, shop: Platform) -> None:
        job = edit_job(VASE, ROOM, instructions="slow 400", **HERE)
        with pytest.raises(WorkerError) as failed:
            client(shop.url, job=SHORT).answer(job, on_progress=print)
        assert failed.value.code == "STILL_RUNNING"
        assert failed.value.job_id
        assert client(shop.url).status(failed.value.job_id).state == "IN_PROGRESS"
        client(shop.url).cancel(failed.value.job_id)


class TestPaidOnce:
    @pytest.mark.parametrize("refusal", ["429", "503"])
    def test_a_refused_job_is_sent_again(self, shop: Platform, refusal: str) -> None:
        with watched(shop, refusal, refusal) as (between, jobs):
            assert client(between.url).edit_product(VASE, ROOM, **HERE).pictures
        assert between.asked("/run") == 3
        assert len(jobs) == 1

    def test_a_job_that_never_left_is_sent_again(self, shop: Platform) -> None:
        port = free_port()
        caller = client(f"http://127.0.0.1:{port}", tries=10_000, pause=0.1, longest_pause=0.1)
        with watched(shop) as (_, jobs), opened_late(shop.url, port):
            caller.submit(edit_job(VASE, ROOM, **HERE))
        assert len(jobs) == 1

    def test_nobody_there_is_said_after_some_tries(self) -> None:
        with pytest.raises(WorkerError) as failed:
            client(f"http://127.0.0.1:{free_port()}").submit(edit_job(VASE, ROOM))
        assert failed.value.code == "UNREACHABLE"

    @pytest.mark.parametrize("manner", ["cut", "hold"])
    def test_a_job_whose_answer_was_lost_is_not_sent_again(self, shop: Platform, manner: str) -> None:
        job = edit_job(VASE, ROOM, **HERE)
        with (
            watched(shop, manner) as (between, jobs),
            pytest.raises(OutcomeUnknownError, match="may be running") as lost,
        ):
            client(between.url, reply=SHORT).submit(job)
        assert between.asked("/run") == 1
        assert len(jobs) == 1
        assert (lost.value.code, lost.value.idempotency_key) == ("OUTCOME_UNKNOWN", job["idempotency_key"])

    @pytest.mark.parametrize("status", ["500", "502"])
    def test_a_gateways_failure_may_have_begun_the_job(self, shop: Platform, status: str) -> None:
        with watched(shop, status) as (between, _), pytest.raises(OutcomeUnknownError):
            client(between.url).edit_product(VASE, ROOM)
        assert between.asked("/run") == 1

    def test_awaiting_does_not_send_it_again_either(self, shop: Platform) -> None:
        async def call(url: str) -> None:
            async with AsyncWorker(place(url), patience=HURRY) as worker:
                await worker.edit_product(VASE, ROOM, **HERE)

        with watched(shop, "cut") as (between, jobs), pytest.raises(OutcomeUnknownError):
            asyncio.run(call(between.url))
        assert len(jobs) == 1

    def test_resent_on_demand_it_is_worked_on_once_by_the_same_worker(self, shop: Platform) -> None:
        with watched(shop, "cut") as (between, jobs):
            answer = client(between.url).edit_product(VASE, ROOM, resend=True, **HERE)
        outputs = [shop.wait(job)["output"] for job in jobs]
        assert len(outputs) == 2
        assert outputs[0] == outputs[1]
        assert answer.seed == outputs[0]["placement_info"]["seed"]  # drawn once

    def test_resending_ends_after_once(self, shop: Platform) -> None:
        with watched(shop, "cut", "cut") as (between, jobs), pytest.raises(OutcomeUnknownError):
            client(between.url).submit(edit_job(VASE, ROOM, **HERE), resend=True)
        assert len(jobs) == 2

    def test_resent_by_hand_under_the_lost_key_too(self, shop: Platform) -> None:
        with watched(shop, "cut") as (between, jobs):
            with pytest.raises(OutcomeUnknownError) as lost:
                client(between.url).edit_product(VASE, ROOM, **HERE)
            key = lost.value.idempotency_key or ""
            answer = client(between.url).edit_product(VASE, ROOM, idempotency_key=key, **HERE)
        assert {shop.wait(job)["output"]["placement_info"]["seed"] for job in jobs} == {answer.seed}

    def test_words_without_a_key_are_not_painted_again(self, shop: Platform) -> None:
        with watched(shop, "cut") as (between, jobs), pytest.raises(OutcomeUnknownError):
            client(between.url).paint("a room", size="256x256")
        assert len(jobs) == 1

    def test_every_job_has_a_key_of_its_own_unless_one_is_given(self) -> None:
        keys = {generate_job(VASE)["idempotency_key"] for _ in range(3)}
        assert len(keys) == 3
        assert generate_job(VASE, idempotency_key="mine")["idempotency_key"] == "mine"

    def test_a_look_that_is_never_answered_does_not_make_a_job_uncertain(self) -> None:
        with gate("http://127.0.0.1:1", *["502"] * 4) as between, pytest.raises(WorkerError) as failed:
            client(between.url).status("job-1")
        assert (failed.value.code, failed.value.job_id) == ("UNREACHABLE", "job-1")

    def test_looking_after_a_job_survives_what_happens_on_the_way(self, tmp_path: Path) -> None:
        """No worker takes the job before that."""
        with (
            platform() as at,
            gate(at.url, "cut", "502", "429", "pass", "503", "hold") as between,
            ThreadPoolExecutor() as callers,
        ):
            job_id = client(at.url).submit(edit_job(VASE, ROOM, **HERE))
            waiting = callers.submit(client(between.url, reply=SHORT).wait, job_id)
            wait_until(lambda: not between.manners)
            with worker(at, tmp_path):
                assert waiting.result().pictures


class TestLimits:
    @pytest.mark.parametrize(
        ("size", "others"), [(9_000_000, "/runsync accepts up to 20 MB"), (16_000_000, "https://")]
    )
    def test_a_job_that_run_would_drop_is_not_sent(self, size: int, others: str) -> None:
        with gate("http://127.0.0.1:1") as between:
            with pytest.raises(WorkerError, match="accepts 10 MB here: send the pictures as https://") as refused:
                client(between.url).submit(edit_job(VASE, bytes(size)))
            assert between.seen == []
        assert refused.value.code == "REQUEST_TOO_LARGE"
        assert others in str(refused.value)

    def test_nor_one_that_runsync_would(self) -> None:
        with gate("http://127.0.0.1:1") as between:
            with pytest.raises(WorkerError, match=r"is 21\.3 MB, but RunPod accepts 20 MB here") as refused:
                client(between.url).edit_product(VASE, bytes(16_000_000))
            assert between.seen == []
        assert refused.value.code == "REQUEST_TOO_LARGE"

    def test_between_both_limits_runsync_is_asked(self, shop: Platform) -> None:
        with gate(shop.url) as between:
            assert client(between.url).edit_product(VASE + bytes(8_000_000), ROOM, **HERE).pictures
        assert between.seen[0] == f"/v2/{ENDPOINT}/runsync?wait=1000"


class TestPictures:
    @pytest.mark.parametrize("url", ["https://shop.example/chair.png", "data:image/png;base64,AAAA", "http://shop/x"])
    def test_urls_travel_as_they_are(self, url: str) -> None:
        assert as_text(url) == url

    def test_a_path_may_be_text(self, tmp_path: Path) -> None:
        (tmp_path / "vase.png").write_bytes(b"abc")
        assert as_text(str(tmp_path / "vase.png")) == as_text(b"abc") == "YWJj"

    def test_a_mask_is_a_picture_too(self) -> None:
        assert edit_job(VASE, ROOM, mask=b"abc")["mask"] == "YWJj"

    def test_one_whose_url_was_asked_for_is_fetched_on_demand(self, shop: Platform, tmp_path: Path) -> None:
        caller = client(shop.url)
        answer = caller.edit_product(VASE, ROOM, response_format="url", **HERE)
        assert (answer.pictures[0].url or "").startswith("http")
        with pytest.raises(ValueError, match="download"):
            answer.save(tmp_path / "out")
        assert size_of(caller.download(answer).pictures[0]) == (160, 120)

    def test_one_that_was_too_large_for_the_answer_is_fetched(self, shop: Platform) -> None:
        noise = np.random.default_rng(1).integers(0, 255, (1000, 1200, 3), np.uint8)
        room = file_of(Image.fromarray(noise))
        answer = client(shop.url).edit_product(
            VASE, room, placement_coordinates=(600, 900), product_scale=0.2, output_format="png"
        )
        assert size_of(answer.pictures[0]) == (1200, 1000)
        assert any("bucket" in warning for warning in answer.warnings)

    def test_the_bucket_is_not_told_the_key(self, tmp_path: Path) -> None:
        (tmp_path / "vase.png").write_bytes(VASE)
        with files(tmp_path) as url:
            output = {"processed_image": f"{url}/vase.png", "mime_type": "image/png", "placement_info": {"seed": 1}}
            assert client(url).download(read_answer(output)).pictures[0].data == VASE

    def test_a_url_that_no_longer_works_is_told(self, tmp_path: Path) -> None:
        with files(tmp_path) as url, pytest.raises(WorkerError, match="404"):
            client(url).download(read_answer({
                "processed_image": f"{url}/gone.png", "mime_type": "image/png", "placement_info": {"seed": 1},
            }))  # fmt: skip


class TestServer:
    def test_edits_generations_and_words(self) -> None:
        with serving(api_key=KEY) as live:
            caller = at_server(live.url)
            assert size_of(caller.edit_product(VASE, ROOM, **HERE).pictures[0]) == (160, 120)
            assert size_of(caller.generate_environment(VASE, output_size=(320, 256)).pictures[0]) == (320, 256)
            assert size_of(caller.paint("9,9,9", size="256x256").pictures[0]) == (256, 256)

    def test_progress_comes_as_events(self) -> None:
        told: list[Progress] = []
        with serving(api_key=KEY) as live:
            answer = at_server(live.url).edit_product(VASE, ROOM, on_progress=told.append, **HERE)
        assert size_of(answer.pictures[0]) == (160, 120)
        assert [progress.stage for progress in told] == ["cut-out", "layout", "compose", "encode"]

    def test_also_while_awaiting(self) -> None:
        told: list[Progress] = []

        async def call(url: str) -> tuple[int, int]:
            async with AsyncWorker(Server(url), patience=HURRY) as worker:
                answer = await worker.edit_product(VASE, ROOM, on_progress=told.append, **HERE)
                return size_of(answer.pictures[0])

        with serving() as live:
            assert asyncio.run(call(live.url)) == (160, 120)
        assert [progress.stage for progress in told] == ["cut-out", "layout", "compose", "encode"]

    @pytest.mark.parametrize("problem", [ZeroDivisionError(), httpx.ConnectError("Mine"), httpx.ReadError("Mine")])
    def test_what_the_listener_to_progress_raises_is_its_own(self, problem: Exception) -> None:
        with serving(api_key=KEY) as live, pytest.raises(type(problem)) as raised:
            at_server(live.url).edit_product(VASE, ROOM, on_progress=raising(problem), **HERE)
        assert raised.value is problem

    @pytest.mark.parametrize("on_progress", [None, print])
    def test_errors_are_the_workers(self, on_progress: Any) -> None:
        with serving(api_key=KEY) as live, pytest.raises(WorkerError) as refused:
            at_server(live.url).edit_product(VASE, ROOM, placement_coordinates=(999, 1), on_progress=on_progress)
        assert (refused.value.code, refused.value.fields) == ("INVALID_INPUT", ("placement_coordinates",))
        assert not str(refused.value).endswith("]")

    def test_a_failure_that_cost_the_gpus_time_is_not_tried_again(self) -> None:
        engine = Echo(go=threading.Semaphore(0))
        with serving(lambda: engine, job_timeout_seconds=0.3) as live, gate(live.url) as between:
            with pytest.raises(WorkerError) as failed:
                at_server(between.url).paint("9,9,9", size="256x256")
            assert between.asked("/v1/images") == 1
        assert failed.value.code == "TIMEOUT"

    def test_a_wrong_key_is_told(self) -> None:
        with serving(api_key=KEY) as live, pytest.raises(WorkerError) as refused:
            at_server(live.url, "wrong").paint("a room")
        assert refused.value.code == "UNAUTHORIZED"

    def test_health_needs_the_key_too(self) -> None:
        with serving(api_key=KEY) as live, pytest.raises(WorkerError) as refused:
            at_server(live.url, "wrong").health_check()
        assert refused.value.code == "UNAUTHORIZED"

    def test_a_key_may_have_letters_of_any_alphabet(self) -> None:
        with serving(api_key="sécret-ключ") as live:
            assert at_server(live.url, "sécret-ключ").paint("9,9,9", size="256x256").pictures

    def test_refusals_are_tried_again_and_what_was_lost_is_not(self) -> None:
        with serving() as live:
            with gate(live.url, "429", "503") as between:
                assert at_server(between.url).edit_product(VASE, ROOM, **HERE).pictures
            with gate(live.url, "cut") as between, pytest.raises(OutcomeUnknownError):
                at_server(between.url).edit_product(VASE, ROOM, **HERE)
            assert between.asked("/v1/edit") == 1

    def test_patience_is_one_for_all_that_a_job_tells(self) -> None:
        told: list[Progress] = []
        slow = edit_job(VASE, ROOM, instructions="slow 100000", **HERE)
        with serving(Unkind, api_key=KEY) as live, pytest.raises(OutcomeUnknownError, match="too long"):
            at_server(live.url, job=SHORT).answer(slow, on_progress=told.append)
        assert {progress.stage for progress in told} >= {"denoising"}

    @pytest.mark.parametrize("on_progress", [None, print])
    @pytest.mark.parametrize(("second", "code"), [("503", "UNREACHABLE"), ("hold", "OUTCOME_UNKNOWN")])
    def test_patience_is_one_for_all_tries(self, second: str, code: str, on_progress: Any) -> None:
        """The call ends within the second try or the pause after it."""
        with serving() as live, gate(live.url, "503", second, "503", "503") as between:
            caller = at_server(between.url, job=1.5 * PATIENCE, pause=PATIENCE)
            with pytest.raises(WorkerError) as failed:
                caller.edit_product(VASE, ROOM, on_progress=on_progress, **HERE)
        assert failed.value.code == code
        assert between.asked("/v1/edit") == 2

    def test_it_has_no_queue(self) -> None:
        with pytest.raises(WorkerError) as refused:
            at_server("http://localhost:1/").submit(generate_job(VASE))
        assert refused.value.code == "NOT_SUPPORTED"

    def test_health(self) -> None:
        with serving() as live:
            assert at_server(live.url).health()["status"] == "healthy"
            until_ready(live)
            assert at_server(live.url).health_check()["status"] == "healthy"

    def test_one_that_loads_says_so_at_once(self) -> None:
        loaded = threading.Event()

        def load() -> Echo:
            assert loaded.wait(WAIT_SECONDS)
            return Echo()

        with serving(load) as live:
            assert at_server(live.url).health_check()["status"] == "loading"
            loaded.set()


def job(seed: int, **fields: Any) -> dict[str, Any]:
    return edit_job(VASE, ROOM, seed=seed, **{**HERE, **fields})


class TestMany:
    def test_results_come_in_the_order_of_the_jobs_with_errors_in_their_place(self, shop: Platform) -> None:
        jobs = [job(0), job(1, placement_coordinates=(999, 1)), job(2)]
        first, second, third = client(shop.url).map(jobs, concurrency=3)
        assert [first.answer and first.answer.seed, third.answer and third.answer.seed] == [0, 2]
        assert (second.index, second.job, second.answer) == (1, jobs[1], None)
        assert second.error
        assert (second.error.code, second.error.fields) == ("INVALID_INPUT", ("placement_coordinates",))

    def test_awaiting_is_the_same(self, shop: Platform) -> None:
        async def call() -> list[JobResult]:
            async with AsyncWorker(place(shop.url), patience=HURRY) as worker:
                jobs = [job(0, instructions="slow 10"), job(1, placement_coordinates=(999, 1)), job(2)]
                return [result async for result in worker.map(jobs, concurrency=3)]

        results = asyncio.run(call())
        assert [result.index for result in results] == [0, 1, 2]
        assert [result.error and result.error.code for result in results] == [None, "INVALID_INPUT", None]

    def test_no_more_jobs_run_at_once_than_asked(self) -> None:
        running, most, lock, three = [0], [0], threading.Lock(), threading.Barrier(3)

        def answer(_: httpx.Request) -> httpx.Response:
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            three.wait(WAIT_SECONDS)
            with lock:
                running[0] -= 1
            return an_answer()

        assert len(list(faked(answer).map(map(job, range(12)), concurrency=3))) == 12
        assert most == [3]

    def test_without_order_each_comes_as_soon_as_it_is_there(self) -> None:
        seen = threading.Event()

        def answer(request: httpx.Request) -> httpx.Response:
            if json.loads(request.content)["seed"] == 0:
                assert seen.wait(WAIT_SECONDS)
            return an_answer()

        order = []
        for result in faked(answer).map([job(0), job(1)], concurrency=2, in_order=False):
            order.append(result.index)
            seen.set()
        assert order == [1, 0]

    def test_jobs_are_made_when_they_are_sent(self) -> None:
        made = []

        def jobs() -> Iterator[dict[str, Any]]:
            for seed in range(100):
                made.append(seed)
                yield job(seed)

        next(faked(lambda _: an_answer()).map(jobs(), concurrency=2, in_order=False))
        assert made == [0, 1]

    def test_who_stops_early_cancels_what_runs(self, shop: Platform) -> None:
        before = set(shop.endpoint.jobs)
        refused = job(0, placement_coordinates=(999, 1))  # needs no GPU, so it is not behind the slow ones
        slow = [job(1, instructions="slow 4000"), job(2, instructions="slow 4000")]
        for result in client(shop.url).map([refused, *slow], concurrency=3):
            assert result.index == 0
            break
        states = [shop.status(name)["status"] for name in set(shop.endpoint.jobs) - before]
        assert sorted(states) == ["CANCELLED", "CANCELLED", "FAILED"]

    def test_who_stops_awaiting_does_too(self, shop: Platform) -> None:
        before = set(shop.endpoint.jobs)

        async def call() -> None:
            async with AsyncWorker(place(shop.url), patience=HURRY) as worker:
                refused = job(0, placement_coordinates=(999, 1))
                results = worker.map([refused, job(1, instructions="slow 4000")], concurrency=2)
                assert (await anext(results)).index == 0
                await results.aclose()

        asyncio.run(call())
        states = [shop.status(name)["status"] for name in set(shop.endpoint.jobs) - before]
        assert sorted(states) == ["CANCELLED", "FAILED"]

    def test_a_job_at_a_server_ends_at_its_next_event(self) -> None:
        engine = Slow(steps=10**6, seconds=0.02)
        with serving(lambda: engine, queue_limit=4) as live:
            results = at_server(live.url).map([job(0, placement_coordinates=(999, 1)), job(1)], concurrency=2)
            assert next(results).error
            assert engine.started.wait(WAIT_SECONDS)
            results.close()
            wait_until(lambda: not engine.inside.locked())
        assert engine.done_steps < 10**6


def faked(answer: Callable[[httpx.Request], httpx.Response]) -> Worker:
    """A client of a server that answers so."""
    http = httpx.Client(transport=httpx.MockTransport(answer))
    return OPEN.enter_context(Worker(Server("http://server"), patience=HURRY, http=http))


def an_answer() -> httpx.Response:
    told = {"processed_image": "QUFB", "mime_type": "image/png", "placement_info": {"seed": 7}}
    return httpx.Response(200, json=told)


def codes(folder: str) -> set[str]:
    """Return the codes in the README's table."""
    text = (CLIENT.parent.parent / folder / "README.md").read_text()
    table = text.partition("| code | what happened |")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE))


def test_both_clients_call_what_happens_by_the_same_codes() -> None:
    assert codes("python") - codes("typescript") == {"STILL_RUNNING"}  # the other cancels such a job
    assert codes("typescript") <= codes("python")
    assert codes("python") <= set(re.findall(r'"([A-Z_]+)"', CLIENT.read_text()))
    errors = (CLIENT.parent.parent / "typescript/src/errors.ts").read_text()
    assert set(re.findall(r'\| "([A-Z_]+)"', errors)) <= codes("typescript")


class TestReadme:
    """The blocks of the README, with an endpoint that exists."""

    @pytest.fixture(autouse=True)
    def _pictures(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setitem(sys.modules, "qwen_worker", qwen_worker)
        Path("chair.png").write_bytes(VASE)
        for name in ("room.jpg", "hall.jpg"):
            plain_room(640, 480).save(name)

    def test_one_waits(self, shop: Platform, capsys: pytest.CaptureFixture[str]) -> None:
        run(block(0, shop))
        assert "out.png" in capsys.readouterr().out
        assert Path("out.png").is_file()

    def test_one_awaits(self, shop: Platform) -> None:
        run(block(1, shop))
        assert Path("office.png").is_file()
        assert Path("bedroom.png").is_file()

    def test_one_does_many(self, shop: Platform) -> None:
        run(block(2, shop))
        assert Path("many-0.png").is_file()
        assert Path("many-1.png").is_file()

    def test_one_is_called_back(self, shop: Platform) -> None:
        async def call(app: Any, bodies: "queue.Queue[bytes]") -> str:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as customer:
                job_id = str((await customer.post("/orders")).json())
                body = await asyncio.to_thread(bodies.get, timeout=WAIT_SECONDS)
                assert (await customer.post("/done/A-LONG-SECRET", content=body)).status_code == 200
            return job_id

        with listener() as (url, bodies):
            names = run(block(3, shop).replace("https://shop.example/done/A-LONG-SECRET", url))
            job_id = asyncio.run(call(names["app"], bodies))
        assert Path(f"{job_id}.png").is_file()

    def test_one_serves_a_woocommerce_shop(self, shop: Platform) -> None:
        asked: list[tuple[str, str]] = []

        class WooCommerce(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((self.path, self.headers["authorization"]))
                photo = "data:image/png;base64," + base64.b64encode(VASE).decode()
                product = {"name": "Vase", "dimensions": {"height": "40"}, "images": [{"src": photo}]}
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(product).encode())

            def log_message(self, *_: object) -> None:
                pass

        async def call(app: Any) -> httpx.Response:
            room = {"room": ("room.jpg", Path("room.jpg").read_bytes())}
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as customer:
                return await customer.post("/see-it/7", files=room, timeout=WAIT_SECONDS)

        with listening(WooCommerce) as url:
            answer = asyncio.run(call(run(block(4, shop).replace("https://shop.example", url))["app"]))
        assert Image.open(io.BytesIO(answer.content)).size == (640, 480)
        [(path, key)] = asked
        assert path == "/wp-json/wc/v3/products/7"
        assert base64.b64decode(key.removeprefix("Basic ")) == b"ck_KEY:cs_SECRET"


def block(index: int, shop: Platform) -> str:
    text = re.findall(r"^```python\n(.+?)^```", README, re.MULTILINE | re.DOTALL)[index]
    there = f'Endpoint("{ENDPOINT}", "key", base_url="{shop.url}/v2")'
    assert 'Endpoint("ENDPOINT_ID", "RUNPOD_API_KEY")' in text
    return str(text).replace('Endpoint("ENDPOINT_ID", "RUNPOD_API_KEY")', there)


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(text, "README.md", "exec", dont_inherit=True), names)
    return names


class TestFile:
    def test_it_needs_httpx_and_nothing_else(self) -> None:
        nodes = list(ast.walk(ast.parse(CLIENT.read_text())))
        names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        names |= {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
        assert {name.split(".")[0] for name in names if name} - sys.stdlib_module_names == {"httpx"}

    def test_a_copy_works_where_nothing_else_of_ours_is(self, tmp_path: Path) -> None:
        shutil.copy(CLIENT, tmp_path)
        code = "from qwen_worker import *; print(Endpoint('id', 'key'))"
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "key" not in done.stdout.replace("api_key", "")

    @pytest.mark.parametrize(
        ("typed", "schema", "positional"),
        [
            (EditFields, EditJob, {"action", "product_image", "room_image"}),
            (GenerateFields, GenerateJob, {"action", "product_image"}),
        ],
    )
    def test_its_fields_are_the_schemas(self, typed: type, schema: type[Job], positional: set[str]) -> None:
        hints = get_type_hints(typed)
        assert hints.keys() == schema.model_fields.keys() - positional
        for name, hint in hints.items():
            if all(isinstance(choice, str) for choice in get_args(hint)):
                assert get_args(hint) == tuple(get_args(schema.model_fields[name].annotation)) or not get_args(hint)

    def test_those_of_openais_route_too(self) -> None:
        assert PaintFields.__annotations__.keys() <= GenerationBody.model_fields.keys()


def webhook(output: dict[str, Any], status: str = "COMPLETED") -> JobStatus:
    told = {"id": "job-1", "status": status, "output": output}
    return read_webhook(json.dumps(told | ({"error": output.get("error")} if status == "FAILED" else {})))


def at_server(url: str, key: str | None = KEY, **patience: float) -> Worker:
    return OPEN.enter_context(Worker(Server(url, key), patience=Patience(**{**vars(HURRY), **patience})))


def until_ready(live: Live) -> None:
    wait_until(lambda: at_server(live.url).health_check()["status"] != "loading")


def raising(problem: BaseException) -> Callable[[Progress], None]:
    def listen(_: Progress) -> None:
        raise problem

    return listen


@contextmanager
def interrupted(is_time: Callable[[], object]) -> Iterator[None]:
    """Interrupt with Ctrl-C once `is_time`, even if tests run in the background and ignore it."""
    main = threading.get_ident()

    def press() -> None:
        wait_until(is_time)
        signal.pthread_kill(main, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=press, daemon=True).start()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def opened_late(target: str, port: int) -> Iterator[None]:
    closed = threading.Event()

    def serve() -> None:
        time.sleep(0.3)  # meanwhile a caller finds nobody
        with gate(target, port=port):
            closed.wait(WAIT_SECONDS)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        closed.set()
        thread.join()


@contextmanager
def listening(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def listener() -> Iterator[tuple[str, "queue.Queue[bytes]"]]:
    """Yield the address of an app for webhooks, and their bodies."""
    bodies: queue.Queue[bytes] = queue.Queue()

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.put(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with listening(Listener) as url:
        yield url, bodies


@contextmanager
def files(folder: Path) -> Iterator[str]:
    """Yield the URL of a file server that, like a bucket, refuses a presigned URL together with an API key."""

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *others: Any) -> None:
            super().__init__(*others, directory=str(folder))

        def do_GET(self) -> None:
            if self.headers["authorization"]:
                self.send_error(400)
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with listening(Files) as url:
        yield url
