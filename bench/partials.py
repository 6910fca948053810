"""What three partial pictures cost a streamed job of the tiny engine, in percent of the job without them.

usage: python bench/partials.py [--json] [--pairs 9]

The tiny engine's transformer is far cheaper beside its decoder than a real one's, and a look at its small picture is a
look at all of it: the percentage is far above that of a real engine, and worth comparing with itself. The two jobs of a
pair follow each other; the cost is the median of the pairs' ratios.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs as it lies

import httpx2  # noqa: E402

from handlers.router import build_router  # noqa: E402
from models import tiny  # noqa: E402
from models.resident import Resident  # noqa: E402
from schemas.settings import Settings  # noqa: E402
from server import GENERATIONS, create_app  # noqa: E402

LOOKS = 3
JOB = {"prompt": "a chair", "size": "1024x1024", "quality": "high", "seed": 1, "stream": True}


async def seconds(client: httpx2.AsyncClient, looks: int) -> float:
    started = time.perf_counter()
    answer = await client.post(GENERATIONS, json=JOB | {"partial_images": looks})
    taken = time.perf_counter() - started
    assert answer.text.count("event: image_generation.partial_image") == looks
    return taken


async def measure(pairs: int) -> list[tuple[float, float]]:
    """Seconds without and with partial pictures."""
    settings = Settings(_env_file=None)
    app = create_app(settings, build_router(settings, Resident("tiny", tiny.load, settings.ready_wait_seconds)))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://server", timeout=600) as client:
        for looks in (0, LOOKS):  # warm
            await seconds(client, looks)
        return [(await seconds(client, 0), await seconds(client, LOOKS)) for _ in range(pairs)]


def main() -> None:
    parser = argparse.ArgumentParser(description="times partial pictures")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    parser.add_argument("--pairs", type=int, default=9)
    asked = parser.parse_args()
    pairs = asyncio.run(measure(asked.pairs))
    cost = round(100 * (median(with_looks / without for without, with_looks in pairs) - 1), 1)
    if not asked.json:
        print(f"{'without':>12}{f'with {LOOKS}':>12}")
        for without, with_looks in pairs:
            print(f"{without:10.3f} s{with_looks:10.3f} s")
    print(json.dumps({"partials_cost": cost}))


if __name__ == "__main__":
    main()
