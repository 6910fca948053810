"""A worker process: `rp_handler.py`, started as the platform does it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ENDPOINT = "local"


def environment(url: str, worker_id: str) -> dict[str, str]:
    """Return the environment variables that the platform at `url` sets for a worker."""
    base = f"{url}/v2/{ENDPOINT}"
    return {
        "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=none",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=none",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none",
        "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID",
        "RUNPOD_PING_INTERVAL": "1000",
        "RUNPOD_POD_ID": worker_id,
        "RUNPOD_ENDPOINT_ID": ENDPOINT,
        "RUNPOD_AI_API_KEY": "local",
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }


def start(url: str, worker_id: str, settings: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_")}
    env = inherited | environment(url, worker_id) | dict(settings)
    return subprocess.Popen([sys.executable, "-u", str(ROOT / "rp_handler.py")], cwd=ROOT, env=env)  # noqa: S603
