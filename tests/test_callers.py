"""Many callers of one engine: their turns, those that hang up, and their headers, log lines and metrics."""

import asyncio
import base64
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from testing.fakes import Failing, Slow
from testing.live import Echo, Live, mean_color, serving
from testing.patience import WAIT_SECONDS, wait_until
from testing.pictures import file_of
from testing.shop import small_edit
from web.logs import JsonLines

SMALL = {"width": 256, "height": 256, "seed": 7}
PLACED = {"placement_coordinates": [80, 100], "product_scale": 0.4}
WORDS, KEY = "a-very-private-wish", "s3cret-key"


@asynccontextmanager
async def callers(live: Live) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=live.url) as client:
        yield client


def asked(client: httpx2.AsyncClient, red: int, **fields: Any) -> "asyncio.Task[httpx2.Response]":
    body = {"prompt": f"{red},0,0", **SMALL, **fields}
    return asyncio.create_task(client.post("/v1/images/generations", json=body))


def red_of(answer: httpx2.Response) -> int:
    return mean_color(answer.json()["data"][0]["b64_json"])[0]


def prompts(echo: Echo) -> list[str]:
    return [task.prompt for task in echo.tasks]


async def until(is_so: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, is_so)


class TestTurns:
    def test_twenty_callers_at_once_get_their_own_pictures_in_the_order_in_which_they_came(self) -> None:
        echo = Echo(go=threading.Semaphore(0))

        async def call(live: Live) -> list[int]:
            async with callers(live) as client:
                tasks = []
                for number in range(20):
                    tasks.append(asked(client, 10 * number))
                    await until(lambda: depth(live) == len(tasks))
                assert (await client.get("/health")).status_code == 200, "while all of them wait"
                echo.go = None
                return [red_of(await task) for task in tasks]

        with serving(lambda: echo) as live:
            reds = asyncio.run(call(live))
        assert reds == [10 * number for number in range(20)]
        assert prompts(echo) == [f"{10 * number},0,0" for number in range(20)]

    def test_one_more_than_may_wait_is_told_when_to_come_back(self) -> None:
        echo = Echo(go=threading.Semaphore(0))

        async def call(live: Live) -> openai.RateLimitError:
            async with callers(live) as client:
                tasks = [asked(client, 1)]
                await until(echo.started.is_set)
                tasks += [asked(client, 2), asked(client, 3)]
                await until(lambda: depth(live) == 3)
                with live.client() as theirs, pytest.raises(openai.RateLimitError) as refused:
                    await asyncio.to_thread(theirs.images.generate, prompt="4,0,0", extra_body=SMALL)
                for task in tasks:
                    task.cancel()
                return refused.value

        with serving(lambda: echo, queue_limit=2) as live:
            refused = asyncio.run(call(live))
        assert refused.code == "TOO_MANY_REQUESTS"
        assert 1 <= int(refused.response.headers["retry-after"]) <= 60


class TestHangingUp:
    @pytest.mark.parametrize("fields", [{}, {"stream": True}])
    def test_the_job_stops_and_the_next_one_is_right(self, fields: dict[str, Any]) -> None:
        echo = Echo(go=threading.Semaphore(0))

        async def call(live: Live) -> httpx2.Response:
            async with callers(live) as client:
                first = asked(client, 10, **fields)
                await until(echo.started.is_set)
                second = asked(client, 20)
                await until(lambda: depth(live) == 2)
                first.cancel()
                await until(lambda: depth(live) == 1)
                echo.go = None
                return await second

        with serving(lambda: echo) as live:
            answer = asyncio.run(call(live))
        assert red_of(answer) == 20
        assert prompts(echo) == ["10,0,0", "20,0,0"]

    @pytest.mark.parametrize("fields", [{}, {"stream": True}])
    def test_who_no_longer_waits_costs_no_step_and_no_place(self, fields: dict[str, Any]) -> None:
        echo = Echo(go=threading.Semaphore(0))

        async def call(live: Live) -> list[int]:
            async with callers(live) as client:
                first = asked(client, 10)
                await until(echo.started.is_set)
                gone = asked(client, 20, **fields)
                await until(lambda: depth(live) == 2)
                gone.cancel()
                await until(lambda: depth(live) == 1)
                assert not first.done()
                echo.go = None
                last = asked(client, 30)
                return [red_of(await first), red_of(await last)]

        with serving(lambda: echo, queue_limit=1) as live:
            assert asyncio.run(call(live)) == [10, 30]
        assert prompts(echo) == ["10,0,0", "30,0,0"]


class TestNames:
    def test_a_callers_id_comes_back(self) -> None:
        with serving() as live:
            answer = httpx2.get(live.url + "/health", headers={"X-Request-ID": "shop-42.a_b"})
        assert answer.headers["x-request-id"] == "shop-42.a_b"

    @pytest.mark.parametrize("odd", ["two words", "a\tb", "x" * 129, "ü", "<b>", ""])
    def test_an_odd_one_is_replaced(self, odd: str) -> None:
        with serving() as live:
            answer = httpx2.get(live.url + "/health", headers={"X-Request-ID": odd.encode()})
        assert len(answer.headers["x-request-id"]) == 32

    def test_refused_and_failed_requests_have_one_too(self) -> None:
        headers = {"X-Request-ID": "mine"}
        with serving(api_key=KEY) as live:
            answers = [httpx2.get(live.url + "/v1/models", headers=headers)]
            headers |= {"Authorization": f"Bearer {KEY}"}
            answers += [httpx2.post(live.url + "/v1/edit", json={}, headers=headers)]
            answers += [httpx2.get(live.url + "/nothing", headers=headers)]
        assert [answer.status_code for answer in answers] == [401, 400, 404]
        assert [answer.headers["x-request-id"] for answer in answers] == ["mine"] * 3


class TestLog:
    def test_one_line_a_request_and_nothing_private_in_it(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.handler.setFormatter(JsonLines())
        caplog.set_level(logging.WARNING, "httpx2")  # the callers' own
        caplog.set_level(logging.INFO)
        caplog.set_level(logging.DEBUG, "server")
        with serving(api_key=KEY, max_request_mb=1) as live:
            pictures = ask_everything(live)
        text = caplog.text
        for private in (WORDS, KEY, *pictures):
            assert private not in text
        lines = [json.loads(line) for line in text.splitlines()]
        requests = [line for line in lines if "request" in line]
        assert [(line["route"], line["code"]) for line in requests] == [
            ("POST /v1/edit", 200),
            ("POST /v1/images/edits", 200),
            ("POST /v1/images/generations", 400),
            ("POST /v1/edit", 400),
            ("POST /v1/edit", 401),
            ("GET elsewhere", 404),
            ("POST /v1/images/edits", 413),
            ("GET /health", 200),
        ]
        assert [line["request"] for line in requests[:2]] == ["request-0", "request-1"]
        assert all(line["seconds"] >= 0 for line in requests)
        assert [line.get("seed") for line in requests[:3]] == [5, 7, None]
        assert requests[-1]["level"] == "DEBUG"

    def test_a_failing_engine_does_not_tell_on_its_caller(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.handler.setFormatter(JsonLines())
        with serving(lambda: Failing(lambda: RuntimeError("kernel"))) as live:
            httpx2.post(live.url + "/v1/images/generations", json={"prompt": WORDS})
        assert WORDS not in caplog.text
        assert any("traceback" in json.loads(line) for line in caplog.text.splitlines())


def ask_everything(live: Live) -> list[str]:
    """Send requests of every kind and return what the log must not contain: the beginnings of the pictures that were
    sent, and of one that came back."""
    red = file_of(Image.new("RGB", (320, 256), (200, 10, 10)))
    job = small_edit(instructions=WORDS, seed=5, **PLACED)
    with httpx2.Client(base_url=live.url, headers={"Authorization": f"Bearer {KEY}"}) as client:
        made = client.post("/v1/edit", json=job, headers={"X-Request-ID": "request-0"})
        fields = {"prompt": WORDS, "seed": "7"}
        headers = {"X-Request-ID": "request-1"}
        client.post("/v1/images/edits", data=fields, files={"image": (WORDS, red)}, headers=headers)
        client.post("/v1/images/generations", json={"prompt": WORDS, "size": WORDS, WORDS: 1})
        client.post("/v1/edit", json=job | {"room_image": job["room_image"][:200]})
        client.post(f"/v1/edit?wish={WORDS}", json=job, headers={"Authorization": f"Bearer {KEY}!"})
        client.get(f"/{WORDS}?key={KEY}")
        client.post("/v1/images/edits", data=fields, files={"image": ("r.png", bytes(1_100_000))})
        client.get("/health")
    sent = [job["room_image"], job["product_image"], base64.b64encode(red).decode(), made.json()["processed_image"]]
    return [text.partition(",")[2][60:100] or text[60:100] for text in sent]


class TestMetrics:
    def test_who_breaks_off_or_leaves_is_no_failure_of_ours(self) -> None:
        engine = Slow(go=threading.Semaphore(0))
        with serving(lambda: engine) as live, ThreadPoolExecutor() as callers:
            head = b"POST /v1/edit HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
            with socket.create_connection(("127.0.0.1", live.port)) as line:
                line.sendall(head)
            call = callers.submit(httpx2.post, live.url + "/v1/edit", json=small_edit(**PLACED))
            assert engine.started.wait(WAIT_SECONDS)
            headers = {"Accept": "text/event-stream"}
            with pytest.raises(httpx2.ReadTimeout):
                httpx2.post(live.url + "/v1/edit", json=small_edit(**PLACED), headers=headers, timeout=0.5)
            engine.go = None
            assert call.result().status_code == 200
            codes = {labels[0] for name, labels in samples(live) if name == "qwen_edit_requests_total"}
        assert codes <= {"200", "499"}

    def test_requests_are_counted_by_route_and_code(self) -> None:
        with serving() as live:
            httpx2.post(live.url + "/v1/edit", json=small_edit(**PLACED))
            httpx2.post(live.url + "/v1/edit", json={})
            httpx2.post(live.url + "/v1/edit", json={})
            counted = samples(live)
        assert counted["qwen_edit_requests_total", ("200", "/v1/edit")] == 1
        assert counted["qwen_edit_requests_total", ("400", "/v1/edit")] == 2
        assert counted["qwen_edit_request_seconds_count", ("/v1/edit",)] == 3

    def test_stages_cut_outs_fallbacks_and_the_line_are_told(self) -> None:
        with serving(lambda: Failing(lambda: RuntimeError("kernel"))) as live:
            for _ in range(2):
                assert httpx2.post(live.url + "/v1/edit", json=small_edit(**PLACED)).status_code == 200
            told = samples(live)
        assert told["qwen_edit_fallbacks_total", ()] == 2
        assert told["qwen_edit_cutout_cache_hits_total", ()] == 1
        assert told["qwen_edit_jobs_total", ("done",)] == 2
        assert told["qwen_edit_queue_depth", ()] == 0
        assert told["qwen_edit_model_loaded", ()] == 1
        stages = {labels[0] for name, labels in told if name == "qwen_edit_stage_seconds_count"}
        assert {"queue", "decode", "cut-out", "layout", "encode"} <= stages
        assert told["qwen_edit_stage_seconds_count", ("queue",)] == 2

    def test_what_does_not_exist_makes_no_new_names(self) -> None:
        with serving(api_key=None) as live:
            for path in ("/one", "/v1/two", "/v1/edit/three", "/v1/models/four", "/v1/models/five/six"):
                for method in ("GET", "POST", "BREW"):
                    httpx2.request(method, live.url + path)
            httpx2.get(live.url + "/v1/edit")
            routes = {labels[1] for name, labels in samples(live) if name == "qwen_edit_requests_total"}
        assert routes <= {"elsewhere", "/v1/models/{name:path}", "/v1/edit"}


def depth(live: Live) -> int:
    """Return the number of running and waiting jobs."""
    return int(samples(live)["qwen_edit_queue_depth", ()])


def samples(live: Live) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return the samples by name and label values, with the labels sorted by name."""
    return {
        (sample.name, tuple(value for name, value in sorted(sample.labels.items()) if name != "le")): sample.value
        for family in text_string_to_metric_families(httpx2.get(live.url + "/metrics").text)
        for sample in family.samples
    }
