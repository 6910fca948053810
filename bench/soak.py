"""Sends thousands of mixed jobs, eight at a time, through the real SDK loop in a separate process: is every one
answered once, with its own answer, and does the worker stay as it was?

usage: python bench/soak.py [--jobs 2000] [--engine preview|tiny] [--json]

The jobs include edits and generations (each identified by its seed, its size and its room's color), invalid ones, some
cancelled while running, answers over the platform's limit, pictures from a slow server, and jobs sent twice under one
idempotency key. `lost` jobs never ended, `duplicated` ones ended more than once, and `wrong` ones ended with another
job's answer. Memory, threads and files are those of the worker after a tenth of the jobs, and at the end.
"""

import argparse
import asyncio
import base64
import contextlib
import http.server
import io
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs from its folder

import httpx2  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from testing.rehearsal import FINAL, Platform, platform, worker  # noqa: E402

AT_ONCE = 8
IN_FLIGHT = 12
"""Jobs in flight: more than the worker holds, so that some wait in the queue."""

POLL_SECONDS = 0.1
LOST_SECONDS = 120
SETTLE_SECONDS = 3
SLOW_SECONDS = 0.3
SIZE = (160, 120)
FEW_STEPS = {"num_inference_steps": 1}

Told = dict[str, Any]


def as_text(image: Image.Image, file_format: str = "PNG") -> str:
    buffer = io.BytesIO()
    image.save(buffer, file_format)
    return base64.b64encode(buffer.getvalue()).decode()


def mean_color(number: int) -> tuple[int, int, int]:
    return 90 + number % 120, 90 + number // 120 % 120, 200


def product() -> str:
    vase = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    vase.paste((180, 40, 30, 255), (10, 4, 30, 40))
    return as_text(vase)


PRODUCT = product()


@dataclass
class Soak:
    at: Platform
    client: httpx2.AsyncClient
    engine: str
    slow_url: str
    huge: str
    random: random.Random
    count: Counter[str] = field(default_factory=Counter)

    async def all_of(self, numbers: range) -> None:
        shared = iter(numbers)

        async def caller() -> None:
            for number in shared:
                await self.one(number)

        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))

    async def one(self, number: int) -> None:
        kinds: list[tuple[Callable[[int], Awaitable[bool]], int]] = [
            (self.edit, 50), (self.generate, 8), (self.invalid, 12), (self.cancelled, 10), (self.oversized, 4),
            (self.slow_picture, 6), (self.sent_twice, 5), (self.health, 5),
        ]  # fmt: skip
        [kind] = self.random.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])
        try:
            right = await kind(number)
        except TimeoutError:
            self.count["lost"] += 1
            return
        self.count["done"] += 1
        self.count["wrong"] += not right
        if not right:
            print(f"job {number}, {kind.__name__}, was wrong", file=sys.stderr)

    async def edit(self, number: int) -> bool:
        return self._is_own_edit(await self._ended(await self._run(self._edit(number))), number)

    async def generate(self, number: int) -> bool:
        size = [256 + number % 40, 256]
        job = {"action": "generate", "product_image": PRODUCT, "output_size": size, "seed": number, **FEW_STEPS}
        told = await self._ended(await self._run(job))
        output = told.get("output") or {}
        info = output.get("generation_info") or {}
        return info.get("seed") == number and decoded(output["processed_image"]).size == tuple(size)

    async def invalid(self, number: int) -> bool:
        told = await self._ended(await self._run(self._edit(number) | {f"field_{number}": 1}))
        return told["status"] == "FAILED" and f"Unknown field field_{number}" in told["error"]

    async def cancelled(self, number: int) -> bool:
        job = await self._run(self._edit(number))
        await asyncio.sleep(self.random.random())
        await self.client.post(f"{self.at.base}/cancel/{job}")
        told = await self._ended(job)
        return told["status"] == "CANCELLED" or self._is_own_edit(told, number)

    async def oversized(self, number: int) -> bool:
        job = self._edit(number) | {"room_image": self.huge, "output_format": "png"}
        told = await self._ended(await self._run(job))
        return str(told.get("error")).endswith("[RESPONSE_TOO_LARGE]")

    async def slow_picture(self, number: int) -> bool:
        fast_enough = number % 2
        job = self._edit(number) | {"product_image": f"{self.slow_url}/{'slow' if fast_enough else 'never'}.png"}
        told = await self._ended(await self._run(job))
        if fast_enough:
            return self._is_own_edit(told, number)
        return str(told.get("error")).endswith("[IMAGE_FETCH_FAILED]")

    async def sent_twice(self, number: int) -> bool:
        job = self._edit(number) | {"idempotency_key": f"order-{number}"}
        both = [await self._run(job) for _ in range(2)]
        first, second = [await self._ended(each) for each in both]
        return self._is_own_edit(first, number) and first.get("output") == second.get("output")

    async def health(self, _number: int) -> bool:
        told = await self._ended(await self._run({"action": "health_check"}))
        return bool(told["output"]["status"] == "healthy")

    def _edit(self, number: int) -> Told:
        room = Image.new("RGB", (SIZE[0] + number % 7, SIZE[1]), mean_color(number))
        room.paste((120, 90, 70), (0, 70, room.width, SIZE[1]))
        place = {"placement_coordinates": [80, 110], "product_scale": 0.25}
        return {"product_image": PRODUCT, "room_image": as_text(room), "seed": number, **place, **FEW_STEPS}

    def _is_own_edit(self, told: Told, number: int) -> bool:
        output = told.get("output") or {}
        if told["status"] != "COMPLETED" or output["placement_info"]["seed"] != number:
            return False
        if output["placement_info"]["engine"] != self.engine:
            return False
        made = decoded(output["processed_image"])
        return made.size == (SIZE[0] + number % 7, SIZE[1]) and made.getpixel((1, 1)) == mean_color(number)

    async def _run(self, job: Told) -> str:
        answer = await self.client.post(f"{self.at.base}/run", json={"input": job})
        return str(answer.json()["id"])

    async def _ended(self, job: str) -> Told:
        """Wait for the job's end. Raises TimeoutError."""
        async with asyncio.timeout(LOST_SECONDS):
            while True:
                told: Told = (await self.client.get(f"{self.at.base}/status/{job}")).json()
                if told["status"] in FINAL:
                    self.count["duplicated"] += self.at.endpoint.jobs[job].results > 1
                    return told
                await asyncio.sleep(POLL_SECONDS)


def decoded(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


@dataclass(frozen=True)
class State:
    """Memory, threads and files of the worker's process."""

    memory_mb: float
    threads: int
    files: int
    temp_files: int

    @classmethod
    def of(cls, pid: int, folder: Path) -> "State":
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        told = dict(line.split(":", 1) for line in lines)
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(told["VmRSS"].split()[0]) / 1024, int(told["Threads"]), files, len(list(folder.rglob("*"))))


def slow_server() -> str:
    picture = base64.b64decode(PRODUCT)

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(SLOW_SECONDS if "slow" in self.path else 10 * SLOW_SECONDS)
            self.send_response(200)
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            with contextlib.suppress(OSError):  # whoever gave up
                self.wfile.write(picture)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


async def soaked(at: Platform, engine: str, jobs: int, look: Callable[[], State]) -> tuple[Soak, State]:
    """Run the jobs and return their outcomes and the worker's state after the first tenth."""
    noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3), np.uint8)
    async with httpx2.AsyncClient(timeout=60) as client:
        soak = Soak(at, client, engine, slow_server(), as_text(Image.fromarray(noise), "JPEG"), random.Random(0))  # noqa: S311
        await soak.health(0)  # it is up
        warm_up = max(1, jobs // 10)
        await soak.all_of(range(1, warm_up + 1))
        await asyncio.sleep(SETTLE_SECONDS)
        warm = look()
        await soak.all_of(range(warm_up + 1, jobs + 1))
        return soak, warm


def soak(jobs: int, engine: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        temp = Path(folder) / "temp"
        temp.mkdir()
        settings = {
            "ENGINE": engine, "WORKER_CONCURRENCY": str(AT_ONCE), "RESPONSE_LIMIT_MB": "0.6", "TMPDIR": str(temp),
            "ALLOW_PRIVATE_IMAGE_HOSTS": "1", "FETCH_SECONDS": str(5 * SLOW_SECONDS), "LOG_LEVEL": "WARNING",
        }  # fmt: skip
        started = time.monotonic()
        with platform() as at, worker(at, Path(folder), ROOT / "rp_handler.py", **settings) as process:
            done, warm = asyncio.run(soaked(at, engine, jobs, lambda: State.of(process.pid, temp)))
            time.sleep(SETTLE_SECONDS)
            last = State.of(process.pid, temp)
            alive = process.poll() is None
    return {
        "engine": engine,
        "jobs": jobs,
        "lost": done.count["lost"],
        "duplicated": done.count["duplicated"],
        "wrong": done.count["wrong"],
        "memory_growth_mb": round(last.memory_mb - warm.memory_mb, 1),
        "memory_mb": round(last.memory_mb, 1),
        "threads_left": last.threads - warm.threads,
        "files_left": last.files - warm.files,
        "temp_files_left": last.temp_files - warm.temp_files,
        "worker_alive": alive,
        "seconds": round(time.monotonic() - started, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="many mixed jobs through the real loop")
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--engine", choices=("preview", "tiny"), action="append", help="both where none is named")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    asked = parser.parse_args()
    engines = asked.engine or ["preview", "tiny"]
    told = [soak(asked.jobs // len(engines), engine) for engine in engines]
    if not asked.json:
        for row in told:
            print("  ".join(f"{name} {value}" for name, value in row.items()))
    worst = {name: max(row[name] for row in told) for name in ("memory_growth_mb", "threads_left", "temp_files_left")}
    print(
        json.dumps({name: sum(row[name] for row in told) for name in ("jobs", "lost", "duplicated", "wrong")} | worst)
    )


if __name__ == "__main__":
    main()
