"""Measures the share of time that a simulated GPU is busy, between its first and its last hold.

usage: python bench/throughput.py [--json] [--hold 1.5] [--jobs 8] [IN_FLIGHT ...]

Jobs have 12-megapixel photos and run in the SDK's own loop against the local platform; callers send their next job when
the last one is answered.
"""

import argparse
import base64
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs from its folder

import cv2  # noqa: E402

from schemas.settings import Settings  # noqa: E402
from testing.drift import enlarged, read_scene  # noqa: E402
from testing.rehearsal import platform, worker  # noqa: E402

CASE = ROOT / "examples/photos/armchair_daylight"


def job() -> dict[str, object]:
    room = enlarged(read_scene(CASE)).room
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(room, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    product = (CASE / "product_white.png").read_bytes()
    return {
        "action": "edit",
        "room_image": base64.b64encode(jpeg.tobytes()).decode(),
        "product_image": base64.b64encode(product).decode(),
        "output_format": "jpeg",
    }


def busy_share(in_flight: int, hold: float, jobs: int, told: dict[str, object]) -> float:
    with tempfile.TemporaryDirectory() as name, platform() as at:
        folder, holds = Path(name), Path(name) / "holds"
        seeds = iter(range(jobs))

        def call() -> None:
            for seed in seeds:
                answer = at.wait(at.run(told | {"seed": seed}))
                assert answer["status"] == "COMPLETED", answer.get("error")

        settings = {"HOLD_SECONDS": str(hold), "HOLDS": str(holds)}
        if in_flight >= Settings.model_fields["worker_concurrency"].default:
            settings["WORKER_CONCURRENCY"] = str(in_flight + 1)
        with (
            worker(at, folder, ROOT / "bench/holding_worker.py", **settings),
            ThreadPoolExecutor(in_flight) as callers,
        ):
            for caller in [callers.submit(call) for _ in range(in_flight)]:
                caller.result()
        times = sorted(tuple(map(float, line.split())) for line in holds.read_text().splitlines())
    return sum(end - began for began, end in times) / (max(end for _, end in times) - times[0][0])


def main() -> None:
    parser = argparse.ArgumentParser(description="how busy jobs in flight keep the GPU")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    parser.add_argument("--hold", type=float, default=1.5)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("in_flight", nargs="*", type=int, default=[1, 2, 3, 4])
    asked = parser.parse_args()
    told = job()
    shares = {count: busy_share(count, asked.hold, asked.jobs, told) for count in asked.in_flight}
    if not asked.json:
        for count, share in shares.items():
            print(f"{count} in flight  {share:6.3f}")
    print(json.dumps({"busy_share": shares.get(2), "shares": shares}))


if __name__ == "__main__":
    main()
