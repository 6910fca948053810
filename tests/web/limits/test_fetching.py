"""Pictures by URL delay only their own callers."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import httpx2
import pytest

from models.preview import Preview
from schemas.errors import ErrorCode, JobError
from testing.live import serving
from testing.patience import WAIT_SECONDS
from testing.shop import small_edit
from transport.fetch import Fetcher
from web.limits.fetching import Fetches

PLACED = {"placement_coordinates": [80, 100], "product_scale": 0.4}


@pytest.fixture
def silent() -> Iterator[str]:
    """Yield the URL of a host that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/a.png"


def test_callers_with_a_silent_host_do_not_delay_others_and_are_told(silent: str) -> None:
    async def scene(url: str) -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=WAIT_SECONDS) as client:
            job = small_edit(**PLACED)
            slow = [asyncio.create_task(client.post("/v1/edit", json=job | {"room_image": silent})) for _ in range(4)]
            done, _ = await asyncio.wait(slow, timeout=0)
            answer = await client.post("/v1/edit", json=job)
            assert answer.status_code == 200
            assert not done
            assert not any(task.done() for task in slow)
            told = {(await task).json()["error_code"] for task in slow}
            assert told == {"IMAGE_FETCH_FAILED"}

    with serving(Preview, queue_limit=1, fetches_at_once=4, fetch_seconds=8, allow_private_image_hosts=True) as live:
        asyncio.run(scene(live.url))


def test_a_caller_that_hangs_up_gives_its_place_up(silent: str) -> None:
    async def scene() -> None:
        fetches = Fetches(Fetcher(1000, allow_private=True, total_seconds=60), at_once=1, most_waiting=1)
        cancelled = threading.Event()
        first = asyncio.create_task(fetches.fetched({silent: "room_image"}, cancelled))
        second = asyncio.create_task(fetches.fetched({silent: "room_image"}, cancelled))
        await asyncio.sleep(0)
        with pytest.raises(JobError) as full:
            await fetches.fetched({silent: "room_image"}, cancelled)
        cancelled.set()
        for caller in (first, second):
            with pytest.raises(JobError) as caught:
                await caller
            assert caught.value.code is ErrorCode.CANCELLED
        assert full.value.code is ErrorCode.TOO_MANY_REQUESTS
        assert await fetches.fetched({}, threading.Event()) == {}
        fetches.close()

    asyncio.run(scene())
