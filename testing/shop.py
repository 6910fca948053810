"""Runs jobs through the SDK's own runner and reads the results."""

import asyncio
from collections.abc import Callable
from typing import Any

from runpod.serverless.modules.rp_job import run_job

from handlers.router import build_router
from models.engine import ImageModel
from models.preview import Preview
from models.resident import Resident
from rp_handler import Door
from schemas.settings import Settings
from testing.pictures import as_base64, file_of, plain_room, red_vase


def small_edit(**fields: Any) -> dict[str, Any]:
    """Return a valid edit job with small pictures; a field given as None is left out."""
    job = {"product_image": as_base64(file_of(red_vase())), "room_image": as_base64(file_of(plain_room()))} | fields
    return {name: value for name, value in job.items() if value is not None}


def small_generate(**fields: Any) -> dict[str, Any]:
    product = as_base64(file_of(red_vase()))
    return {"action": "generate", "product_image": product, "output_size": [320, 256]} | fields


def door(load: Callable[[], ImageModel] = Preview, **settings: Any) -> Door:
    """Return a door as on a laptop, ignoring this machine's environment."""
    chosen = Settings(_env_file=None, **settings)
    return Door(chosen, build_router(chosen, Resident("test", load, chosen.ready_wait_seconds)))


def run(worker: Door, job_input: Any, job_id: str = "job-1", **job: Any) -> dict[str, Any]:
    """Return what the platform would receive: `output`, `error`, `stopPod`."""
    return asyncio.run(run_job(worker.queued, {"id": job_id, "input": job_input, **job}))


def answer(worker: Door, job_input: Any, **job: Any) -> dict[str, Any]:
    result = run(worker, job_input, **job)
    assert "error" not in result, result["error"]
    return result["output"]


def failure(worker: Door, job_input: Any, **job: Any) -> dict[str, Any]:
    """Return the error answer as the platform shows it: the string and the keys next to it."""
    result = run(worker, job_input, **job)
    assert isinstance(result["error"], str)
    assert result["error"]
    return {"error": result["error"], **result["output"]}
