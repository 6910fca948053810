"""What 20 callers at once do to a server whose engine takes three seconds a picture: how fast /health is meanwhile, and
whether everybody gets the right picture.

usage: python bench/callers.py [--json] [--callers 20] [--seconds 3]

The server is a process of its own. Every caller sends noise of its own to OpenAI's edits, 1664x928 as PNG, and the
engine answers its negative, so that an answer is right when it is that, bit for bit.
"""

import argparse
import asyncio
import base64
import io
import json
import multiprocessing
import socket
import sys
import time
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs as it lies

import httpx2  # noqa: E402
import numpy as np  # noqa: E402
import uvicorn  # noqa: E402
from openai import AsyncOpenAI  # noqa: E402
from PIL import Image  # noqa: E402

from handlers.router import build_router  # noqa: E402
from imaging.picture import Pixels  # noqa: E402
from models.engine import Control, Painted, PaintTask  # noqa: E402
from models.preview import Preview  # noqa: E402
from models.resident import Resident  # noqa: E402
from schemas.settings import Settings  # noqa: E402
from server import create_app  # noqa: E402

SIZE = (1664, 928)
STEPS = 20
PAUSE = 0.02
"""Seconds between two looks at /health."""


@dataclass(frozen=True)
class Negative(Preview):
    """As long as a GPU's picture takes."""

    seconds: float

    def paint(self, task: PaintTask, control: Control) -> Painted:
        for step in range(STEPS):
            control.progress("denoising", step, STEPS)
            time.sleep(self.seconds / STEPS)
        return Painted(255 - task.references[0].pixels, STEPS, 1.0)


def serve(port: int, seconds: float) -> None:
    settings = Settings(_env_file=None)
    app = create_app(settings, build_router(settings, Resident("negative", lambda: Negative(seconds), 1)))
    uvicorn.run(app, host="127.0.0.1", port=port, log_config=None, access_log=False)


def watch(url: str, ready: Event, over: Event, told: "Queue[list[float]]") -> None:
    """Seconds that /health took; a process of its own, so that it waits for nobody but the server."""
    seconds: list[float] = []
    with httpx2.Client(base_url=url, timeout=30) as probe:
        wait(probe)
        ready.set()
        while not over.is_set():
            started = time.perf_counter()
            probe.get("/health").raise_for_status()
            seconds.append(time.perf_counter() - started)
            time.sleep(PAUSE)
    told.put(seconds)


def wait(probe: httpx2.Client) -> None:
    while True:
        try:
            probe.get("/ready").raise_for_status()
        except (httpx2.TransportError, httpx2.HTTPStatusError):
            time.sleep(0.1)
        else:
            return


async def is_right(client: AsyncOpenAI, number: int) -> bool:
    noise = np.random.default_rng(number).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    picture = await asyncio.to_thread(as_png, noise)
    answer = await client.images.edit(image=("noise.png", picture), prompt=f"caller {number}")
    return await asyncio.to_thread(shows, (answer.data or [])[0].b64_json or "", 255 - noise)


def as_png(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def shows(text: str, pixels: Pixels) -> bool:
    return np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))), pixels)


async def call(url: str, callers: int) -> bool:
    client = AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=600)
    async with client:
        return all(await asyncio.gather(*(is_right(client, number) for number in range(callers))))


def measure(port: int, callers: int, engine_seconds: float) -> dict[str, Any]:
    url, context = f"http://127.0.0.1:{port}", multiprocessing.get_context("spawn")
    ready, over, told = context.Event(), context.Event(), context.Queue()
    server = context.Process(target=serve, args=(port, engine_seconds), daemon=True)
    probe = context.Process(target=watch, args=(url, ready, over, told), daemon=True)
    for process in (server, probe):
        process.start()
    ready.wait()
    started = time.perf_counter()
    right = asyncio.run(call(url, callers))
    seconds = time.perf_counter() - started
    over.set()
    healths = told.get()
    server.terminate()
    for process in (server, probe):
        process.join()
    return {
        "health_p50_ms": round(1000 * median(healths), 2),
        "health_p99_ms": round(1000 * quantiles(healths, n=100)[-1], 2),
        "health_max_ms": round(1000 * max(healths), 2),
        "answers_right": right,
        "seconds": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="many callers at one server")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    parser.add_argument("--callers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3, help="that the engine takes")
    asked = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    measured = measure(port, asked.callers, asked.seconds)
    if not asked.json:
        for name, value in measured.items():
            print(f"{name:16}{value:>10}")
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
