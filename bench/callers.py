"""Times a live server with twenty callers whose engine takes three seconds per job.

Measures how fast /health answers meanwhile, whether everybody gets their own picture, and what three unfinished
pictures cost a job of the tiny engine.

usage: python bench/callers.py [--json] [--seconds 3]
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs from its folder

import openai  # noqa: E402

from models import tiny  # noqa: E402
from models.qwen.engine import MAX_PREVIEW_SHARE  # noqa: E402
from testing.live import Echo, Live, mean_color, serving  # noqa: E402

CALLERS, STEPS, RUNS = 20, 30, 7
PROBE_SECONDS = 0.02
LOOKED_AT = {"size": "1024x576", "seed": 1, "num_inference_steps": 12}


async def call(client: openai.AsyncOpenAI, number: int) -> bool:
    made = await client.images.generate(prompt=f"{number},{255 - number},9", size="1024x1024", extra_body={"seed": 3})
    [only] = made.data or []
    return mean_color(only.b64_json or "") == (number, 255 - number, 3)


async def probe(port: int, seconds: list[float]) -> None:
    """Request /health on a new connection, as probes do, over a raw socket so that no client library is timed."""
    while True:
        started = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        seconds.append(time.perf_counter() - started)
        await asyncio.sleep(PROBE_SECONDS)


def probed(port: int, stop: asyncio.Event) -> list[float]:
    """Probe from a separate thread and event loop, which the callers' work cannot delay."""

    async def run() -> list[float]:
        seconds: list[float] = []
        probing = asyncio.create_task(probe(port, seconds))
        while not stop.is_set():
            await asyncio.sleep(PROBE_SECONDS)
        probing.cancel()
        return seconds

    return asyncio.run(run())


async def all_at_once(live: Live) -> tuple[list[bool], list[float]]:
    stop = asyncio.Event()
    probing = asyncio.create_task(asyncio.to_thread(probed, live.port, stop))
    async with openai.AsyncOpenAI(base_url=live.url + "/v1", api_key="none", timeout=600) as client:
        right = await asyncio.gather(*(call(client, number) for number in range(CALLERS)))
    stop.set()
    return list(right), await probing


def partials_cost() -> float:
    """Return what three partial pictures add to the time of a tiny engine's job, as a share, over pairs of jobs."""
    with serving(lambda: tiny.build_tiny(MAX_PREVIEW_SHARE)) as live, live.client() as client:

        def seconds(looks: int) -> float:
            started = time.perf_counter()
            list(client.images.generate(prompt="a room", stream=True, partial_images=looks, extra_body=LOOKED_AT))
            return time.perf_counter() - started

        seconds(3)
        return median(seconds(3) / seconds(0) for _ in range(RUNS)) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description="times /health, and unfinished pictures, with many callers at work")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    parser.add_argument("--seconds", type=float, default=3, help="seconds that a job takes on the engine")
    asked = parser.parse_args()
    with serving(lambda: Echo(STEPS, asked.seconds / STEPS)) as live:
        started = time.perf_counter()
        right, seconds = asyncio.run(all_at_once(live))
        in_all = time.perf_counter() - started
    told = {
        "health_p50_ms": 1000 * median(seconds),
        "health_p99_ms": 1000 * quantiles(seconds, n=100)[98],
        "health_max_ms": 1000 * max(seconds),
        "answers_right": sum(right),
        "callers": CALLERS,
        "seconds": in_all,
        "partials_cost": partials_cost(),
    }
    if not asked.json:
        for name, value in told.items():
            print(f"{name.replace('_', ' '):>16}  {value:10.3f}")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
