"""One to 64 callers at a server process with the preview engine: throughput, waiting, refusals and memory.

Each caller sends edits one after the other for a while, and comes back after `Retry-After` where it is refused.
usage: python -m bench.load [--seconds 20] [--callers 1 4 16 64]
"""

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import httpx2

from handlers.images import as_base64
from testing.patience import wait_until
from testing.processes import ROOT, environment, free_port, is_ready

CALLERS = (1, 4, 16, 64)
PHOTOS = ROOT / "examples" / "photos" / "armchair_daylight"
COLUMNS = ("callers", "answers a second", "p50 s", "p99 s", "429, all with Retry-After", "memory MB")


@dataclass
class Load:
    """Outcomes of all callers' requests."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    without_pause: int = 0
    """Number of refusals without Retry-After."""


@contextmanager
def server(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    env = environment(folder, HOST="127.0.0.1", PORT=str(port), LOG_LEVEL="ERROR")
    process = subprocess.Popen([sys.executable, "server.py"], cwd=ROOT, env=env)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: is_ready(url))
        yield process, url
    finally:
        process.terminate()
        process.wait()


async def call(client: httpx2.AsyncClient, job: dict[str, object], load: Load, deadline: float) -> None:
    """Send edits until the deadline."""
    while (started := time.perf_counter()) < deadline:
        answer = await client.post("/v1/edit", json=job)
        if answer.status_code == 429:
            load.refused += 1
            load.without_pause += "Retry-After" not in answer.headers
            await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
            continue
        answer.raise_for_status()
        load.seconds.append(time.perf_counter() - started)


async def all_at_once(url: str, callers: int, seconds: float) -> Load:
    load, deadline = Load(), time.perf_counter() + seconds
    limits = httpx2.Limits(max_connections=callers)
    async with httpx2.AsyncClient(base_url=url, timeout=600, limits=limits) as client:
        jobs = itertools.islice(edits(), callers)
        await asyncio.gather(*(call(client, job, load, deadline) for job in jobs))
    return load


def edits() -> Iterator[dict[str, object]]:
    """Yield the same edit with a different seed for each caller."""
    room, product = (as_base64((PHOTOS / name).read_bytes()) for name in ("room.png", "product_white.png"))
    for seed in itertools.count():
        place = {"placement_coordinates": [400, 600], "product_height_cm": 90}
        yield {"action": "edit", "room_image": room, "product_image": product, "seed": seed, **place}


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="edits by one to 64 callers at a server with the preview engine")
    parser.add_argument("--seconds", type=float, default=20, help="for each number of callers")
    parser.add_argument("--callers", type=int, nargs="+", default=CALLERS)
    asked = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (process, url):
        for callers in asked.callers:
            started = time.perf_counter()
            load = asyncio.run(all_at_once(url, callers, asked.seconds))
            rate = len(load.seconds) / (time.perf_counter() - started)
            cuts = quantiles(load.seconds, n=100, method="inclusive") if len(load.seconds) > 1 else load.seconds * 99
            refused = f"{load.refused}, " + ("yes" if not load.without_pause else f"{load.without_pause} without")
            row = (f"{callers}", f"{rate:.1f}", f"{cuts[49]:.2f}", f"{cuts[98]:.2f}", refused)
            print("| " + " | ".join([*row, f"{resident_mb(process.pid):.0f}"]) + " |", flush=True)


if __name__ == "__main__":
    main()
