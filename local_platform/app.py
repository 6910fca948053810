"""The endpoint over HTTP: the routes of api.runpod.ai below /v2/{endpoint}, and those that workers poll."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from fastapi import APIRouter, FastAPI, HTTPException, Request
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response

from local_platform.endpoint import RUN_LIMIT, SYNC_LIMIT, Endpoint, Manners, QueuedJob

SYNC_WAIT_MS, MOST_SYNC_WAIT_MS = 90_000, 300_000
TICK_SECONDS = 0.1
WEBHOOK_TRIES = 3
POLICIES = ("executionTimeout", "ttl")
LOCAL_ORIGIN = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
"""Origins of pages under development on this machine, which may call."""


Keep = Callable[[Endpoint], Coroutine[Any, Any, None]]
"""A task that runs as long as the endpoint does."""


def create_app(manners: Manners, *keep: Keep) -> FastAPI:
    """Return the application. `app.state.endpoint` is created on the event loop."""
    app = FastAPI(title="A local imitation of RunPod's job API", lifespan=lambda app: _life(app, manners, keep))
    app.include_router(clients, prefix="/v2/{endpoint_id}")
    app.add_api_route("/", bare, methods=["POST"])
    app.add_middleware(CORSMiddleware, allow_origin_regex=LOCAL_ORIGIN, allow_methods=["*"], allow_headers=["*"])
    app.include_router(workers, prefix="/v2/{endpoint_id}")
    return app


@asynccontextmanager
async def _life(app: FastAPI, manners: Manners, keep: tuple[Keep, ...]) -> AsyncIterator[None]:
    endpoint = app.state.endpoint = Endpoint(manners)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each(endpoint)) for each in (_tick, *keep)]
        running.append(tasks.create_task(_call_back(endpoint, tasks)))
        yield
        for task in running:
            task.cancel()


async def _tick(endpoint: Endpoint) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        endpoint.tick()


async def _call_back(endpoint: Endpoint, tasks: asyncio.TaskGroup) -> None:
    while True:
        job = await endpoint.finished.get()
        if job.payload.get("webhook"):
            tasks.create_task(_webhook(job, endpoint.manners.webhook_retry_seconds))


async def _webhook(job: QueuedJob, retry_seconds: float) -> None:
    """Call a job's webhook with its result and input, up to three times until it answers 200."""
    url = job.payload["webhook"]
    body = job.as_status() | {"input": job.payload["input"], "webhook": url}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as session:
        for attempt in range(WEBHOOK_TRIES):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
                async with session.post(url, json=body) as answer:
                    if answer.status == 200:
                        return
            if attempt + 1 < WEBHOOK_TRIES:
                await asyncio.sleep(retry_seconds)


def _endpoint(request: Request) -> Endpoint:
    endpoint: Endpoint = request.app.state.endpoint
    return endpoint


def _job(request: Request) -> QueuedJob:
    job = _endpoint(request).jobs.get(request.path_params["job_id"])
    if job is None:
        raise HTTPException(404, "job not found")
    return job


clients = APIRouter()


@clients.post("/run")
async def run(request: Request) -> Any:
    return {"id": (await _submitted(request, RUN_LIMIT, sync=False)).id, "status": "IN_QUEUE"}


@clients.post("/runsync")
async def runsync(request: Request) -> Any:
    wait = request.query_params.get("wait", str(SYNC_WAIT_MS))
    if not wait.isdecimal():
        raise HTTPException(400, "wait must be milliseconds")
    job = await _submitted(request, SYNC_LIMIT, sync=True)
    return await _awaited(job, min(int(wait), MOST_SYNC_WAIT_MS) / 1000)


async def bare(request: Request) -> Any:
    """Return only the job's answer, as the Qwen Edit & Generate API does at its single URL."""
    job = await _submitted(request, SYNC_LIMIT, sync=True)
    await _awaited(job, MOST_SYNC_WAIT_MS / 1000)
    answer = job.output if isinstance(job.output, dict) else {"success": False}
    return answer if job.error is None else {"error": job.error} | answer


async def _submitted(request: Request, limit: int, *, sync: bool) -> QueuedJob:
    body = await request.body()
    if len(body) > limit:
        raise HTTPException(413, f"exceeded max body size of {limit // 1_000_000}MiB")
    try:
        payload = json.loads(body)
    except ValueError:
        raise HTTPException(400, "body is not JSON") from None
    if not isinstance(payload, dict) or not isinstance(payload.get("input"), dict):
        raise HTTPException(400, "input must be an object")
    if not isinstance(payload.get("webhook") or "", str):
        raise HTTPException(400, "webhook must be a URL")
    policy = payload.get("policy") or {}
    if not isinstance(policy, dict) or not all(type(policy.get(name, 0)) in (int, float) for name in POLICIES):
        raise HTTPException(400, f"policy must be an object with milliseconds in {' and '.join(POLICIES)}")
    return _endpoint(request).submit(payload, sync=sync)


async def _awaited(job: QueuedJob, seconds: float) -> dict[str, Any]:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await job.news.wait()
    return job.as_status()


@clients.api_route("/status/{job_id}", methods=["GET", "POST"])
async def status(request: Request) -> Any:
    return _job(request).as_status()


@clients.get("/stream/{job_id}")
async def stream(request: Request) -> Any:
    job = _job(request)
    came, job.stream = job.stream, []
    return {"status": job.status, "stream": came}


@clients.post("/cancel/{job_id}")
async def cancel(request: Request) -> Any:
    job = _job(request)
    _endpoint(request).cancel(job)
    return job.as_status()


@clients.post("/retry/{job_id}")
async def retry(request: Request) -> Any:
    job = _job(request)
    if not _endpoint(request).retry(job):
        raise HTTPException(400, "job cannot be retried")
    return job.as_status()


@clients.post("/purge-queue")
async def purge_queue(request: Request) -> Any:
    return {"removed": _endpoint(request).purge(), "status": "completed"}


@clients.get("/health")
async def health(request: Request) -> Any:
    return _endpoint(request).health()


@clients.api_route("/openai/{path:path}", methods=["GET", "POST"])
async def openai(request: Request, path: str) -> Any:
    """Return the worker's answer with status 200, even for errors, as the platform does."""
    call: dict[str, Any] = {"openai_route": f"/{path}"}
    if request.method == "POST":
        try:
            call["openai_input"] = await request.json()
        except ValueError:
            raise HTTPException(400, "body is not JSON") from None
    job = _endpoint(request).submit({"input": call}, sync=True)
    done = await _awaited(job, MOST_SYNC_WAIT_MS / 1000)
    return JSONResponse(done["output"] if job.status == "COMPLETED" and "output" in done else {"error": job.error})


workers = APIRouter()


@workers.get("/job-take/{worker_id}")
async def job_take(request: Request, worker_id: str) -> Response:
    taken = await _endpoint(request).take(worker_id, 1, request.is_disconnected)
    return JSONResponse(taken[0]) if taken else Response(status_code=204)


@workers.get("/job-take-batch/{worker_id}")
async def job_take_batch(request: Request, worker_id: str, batch_size: int) -> Response:
    taken = await _endpoint(request).take(worker_id, batch_size, request.is_disconnected)
    return JSONResponse(taken) if taken else Response(status_code=204)


@workers.get("/job-stop/{worker_id}")
async def job_stop(request: Request, worker_id: str) -> Response:
    stops = await _endpoint(request).stop_signals(worker_id)
    return JSONResponse({"jobsToStop": stops}) if stops else Response(status_code=204)


@workers.post("/job-done/{worker_id}/{job_id}")
async def job_done(request: Request, worker_id: str, job_id: str) -> Response:
    return Response(status_code=_endpoint(request).result(worker_id, job_id, await request.body()))


@workers.post("/job-stream/{worker_id}/{job_id}")
async def job_stream(request: Request, worker_id: str, job_id: str) -> Response:
    return Response(status_code=_endpoint(request).streamed(worker_id, job_id, await request.body()))


@workers.get("/ping/{worker_id}")
async def ping(request: Request, worker_id: str) -> Any:
    _endpoint(request).see(worker_id)
    return {}
