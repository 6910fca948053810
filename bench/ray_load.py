"""Kills one of two working replicas under Ray Serve and measures what is lost, whether every answer belongs to its
caller, how long until there are two replicas again, and how long callers wait before, meanwhile and after.

usage: python bench/ray_load.py [--json] [--engine tiny] [--callers 6] [--seconds 60] [--kill-after 20]
"""

import argparse
import asyncio
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs from its folder

from testing.ray_load import APP, OPTIONS, REPLICAS, Load, answers  # noqa: E402


@contextmanager
def cluster(engine: str) -> Iterator[str]:
    """Start two replicas in a separate Ray cluster, without dashboard or usage statistics, and yield their address."""
    os.environ |= {
        "ENGINE": engine,
        "LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
        "RAY_LOAD": str(os.getpid()),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "deploy.ray_front:middlewares",
    }
    import ray
    from ray import serve

    from deploy.ray_serve import app

    with socket.create_server(("127.0.0.1", 0)) as line:
        port = line.getsockname()[1]
    ray.init(
        address="local", num_cpus=REPLICAS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
    )
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(app(OPTIONS), name=APP)
        yield f"http://127.0.0.1:{port}"
    finally:
        serve.shutdown()
        ray.shutdown()


def table(told: dict[str, Any]) -> str:
    names = [name for name in told["plain"] if name != "waits"]
    lines = [f"{'':>32}  {'plain':>10}  {'again':>10}"]
    lines += [
        f"{name.replace('_', ' '):>32}  {told['plain'][name]!s:>10}  {told['again'][name]!s:>10}" for name in names
    ]
    for part in ("before", "during", "after"):
        for name in ("answers", "p50", "p95"):
            values = (f"{told[kind]['waits'][part][name]!s:>10}" for kind in ("plain", "again"))
            lines.append(f"{f'{part}: {name}':>32}  {'  '.join(values)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="kills one of two Ray Serve replicas under load")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    parser.add_argument("--engine", choices=("preview", "tiny"), default="tiny")
    parser.add_argument("--callers", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kill-after", type=float, default=20)
    asked = parser.parse_args()
    started = time.monotonic()
    told: dict[str, Any] = {"engine": asked.engine, "callers": asked.callers}
    with cluster(asked.engine) as url:
        told["seconds_to_start"] = round(time.monotonic() - started, 2)
        load = Load(url, answers(url), asked.callers, asked.seconds, asked.kill_after)
        for kind in ("plain", "again"):
            told[kind] = asyncio.run(load.run(again=kind == "again")).told()
    if not asked.json:
        print(table(told))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
