"""One GPU and many callers."""

import asyncio
import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai
import pytest

from models.preview import Preview
from tests.fakes import Failing
from tests.live import Echo, Live, colour_of, serving
from tests.shop import small_edit

SMALL = {"width": 256, "height": 256, "seed": 1}
CALLERS = 20


def wait_for_line(live: Live, length: int) -> None:
    for _ in range(200):
        if f"queue_depth {length}.0" in httpx2.get(live.url + "/metrics").text:
            return
        time.sleep(0.02)
    raise AssertionError(f"never {length} in the line")


def test_everybody_gets_their_own_picture_and_health_answers_meanwhile() -> None:
    echo = Echo(steps=5, seconds=0.02)

    async def call(client: openai.AsyncOpenAI, number: int) -> tuple[int, ...]:
        await asyncio.sleep(number / 100)
        made = await client.images.generate(prompt=f"{number},{255 - number},0", extra_body=SMALL)
        return colour_of(made.data[0].b64_json)

    async def probe(live: Live, statuses: list[int]) -> None:
        async with httpx2.AsyncClient() as client:
            while True:
                statuses.append((await client.get(live.url + "/health")).status_code)
                await asyncio.sleep(0.01)

    async def all_at_once(live: Live) -> tuple[list[tuple[int, ...]], list[int]]:
        statuses: list[int] = []
        probing = asyncio.create_task(probe(live, statuses))
        async with openai.AsyncOpenAI(base_url=live.url + "/v1", api_key="none", max_retries=0) as client:
            colours = await asyncio.gather(*(call(client, number) for number in range(CALLERS)))
        probing.cancel()
        return list(colours), statuses

    with serving(lambda: echo) as live:
        colours, statuses = asyncio.run(all_at_once(live))
    assert colours == [(number, 255 - number, 1) for number in range(CALLERS)]
    assert [task.prompt for task in echo.tasks] == [f"{number},{255 - number},0" for number in range(CALLERS)]
    assert len(statuses) > 50
    assert set(statuses) == {200}


def test_a_full_line_is_429_with_a_time_to_come_back() -> None:
    echo = Echo(steps=100, seconds=0.05)
    with serving(lambda: echo, queue_limit=2) as live, live.client() as client, ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            pool.submit(client.images.generate, prompt="1,2,3", extra_body=SMALL)
        wait_for_line(live, 3)
        with pytest.raises(openai.RateLimitError) as refused:
            client.images.generate(prompt="1,2,3", extra_body=SMALL)
        assert refused.value.code == "TOO_MANY_REQUESTS"
        assert int(refused.value.response.headers["retry-after"]) >= 1
        job = httpx2.post(live.url + "/v1/edit", json=small_edit())
        assert (job.status_code, job.json()["error_code"]) == (429, "TOO_MANY_REQUESTS")
        echo.steps = 0
        echo.seconds = 0


def test_who_hangs_up_costs_nothing_more() -> None:
    echo = Echo(steps=200, seconds=0.02)
    with serving(lambda: echo) as live, live.client() as client:
        for expected in (1, 1):  # the second waits behind the first of the next loop, and never begins
            with pytest.raises(openai.APITimeoutError):
                client.images.generate(prompt="1,2,3", extra_body=SMALL, timeout=0.4)
            assert echo.inside.acquire(timeout=5)
            echo.inside.release()
            assert len(echo.tasks) >= expected
        assert echo.done_steps < 150
        echo.seconds = 0
        made = client.images.generate(prompt="9,8,7", extra_body=SMALL)
        assert colour_of(made.data[0].b64_json) == (9, 8, 1)


def test_one_who_hangs_up_in_the_line_never_reaches_the_engine() -> None:
    echo = Echo(steps=40, seconds=0.02)
    with serving(lambda: echo) as live, live.client() as client:
        first = threading.Thread(target=client.images.generate, kwargs={"prompt": "1,1,1", "extra_body": SMALL})
        first.start()
        assert echo.started.wait(5)
        with pytest.raises(openai.APITimeoutError):
            client.images.generate(prompt="2,2,2", extra_body=SMALL, timeout=0.2)
        first.join()
        client.images.generate(prompt="3,3,3", extra_body=SMALL)
    assert [task.prompt for task in echo.tasks] == ["1,1,1", "3,3,3"]


def test_a_request_is_one_line_without_words_pictures_or_keys(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(api_key="s3cret") as live, live.client("s3cret") as client:
        client.images.generate(
            prompt="1,2,3", user="marker", extra_headers={"X-Request-ID": "order-7"}, extra_body=SMALL
        )
        httpx2.post(live.url + "/v1/edit", json=small_edit(instructions="marker"), auth=("marker", "wrong"))
    lines = [record.getMessage() for record in caplog.records if record.name == "server"]
    assert len(lines) == 2
    assert lines[0].startswith("request=order-7 route=POST /v1/images/generations code=200 seconds=")
    assert lines[0].endswith(" seed=1")
    assert " route=POST /v1/edit code=401 " in lines[1]
    rooms = ("server", "handlers", "models", "web", "transport")
    ours = [record.getMessage() for record in caplog.records if record.name.split(".")[0] in rooms]
    assert not [line for line in ours if "s3cret" in line or "marker" in line or "1,2,3" in line]


def test_the_request_id_is_the_callers_where_it_is_decent() -> None:
    with serving() as live:
        decent = httpx2.get(live.url + "/health", headers={"X-Request-ID": "a.b-c_1"})
        odd = httpx2.get(live.url + "/health", headers={"X-Request-ID": "a b<script>"})
    assert decent.headers["x-request-id"] == "a.b-c_1"
    assert len(odd.headers["x-request-id"]) == 32


def test_the_log_can_be_json() -> None:
    from web.logs import JsonLines

    record = logging.LogRecord("server", logging.INFO, "", 0, "%s", ("code=200",), None)
    record.told = {"code": 200, "route": "GET /health"}
    line = json.loads(JsonLines().format(record))
    assert {"level": "INFO", "code": 200, "route": "GET /health"}.items() <= line.items()


def test_metrics_count_what_happened() -> None:
    with serving(Preview) as live:
        for _ in range(2):
            assert httpx2.post(live.url + "/v1/edit", json=small_edit()).status_code == 200
        httpx2.post(live.url + "/v1/images/generations", json={})
        for number in range(30):
            httpx2.get(f"{live.url}/wp-admin/{number}.php")
        lines = metrics(live)
    assert lines['requests_total{code="200",route="/v1/edit"}'] == 2
    assert lines['requests_total{code="400",route="/v1/images/generations"}'] == 1
    assert lines['requests_total{code="404",route="elsewhere"}'] == 30
    assert lines["cut_out_hits_total"] == 1
    assert lines["jobs_done_total"] == 2
    assert lines['stage_seconds_count{stage="queue"}'] == 2
    assert lines['stage_seconds_count{stage="layout"}'] == 2
    assert lines["queue_depth"] == 0
    assert lines["model_loaded"] == 1


def test_metrics_count_fallbacks() -> None:
    failing = Failing(lambda: RuntimeError("it broke"))
    with serving(lambda: failing) as live:
        httpx2.post(live.url + "/v1/edit", json=small_edit())
        assert metrics(live)["fallbacks_total"] == 1


def metrics(live: Live) -> dict[str, Any]:
    text = httpx2.get(live.url + "/metrics").text
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")}
