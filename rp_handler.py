"""The RunPod worker.

On the platform `python rp_handler.py` serves the queue; with `--rp_serve_api` it serves the SDK's local imitation of
it. Elsewhere it runs one job, `test_input.json` or `--test_input`, and writes the picture to `outputs/`.
"""

import os
import signal

if __name__ == "__main__":
    # The imports below take seconds, and the first process of a container ignores signals that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

import asyncio
import ctypes
import json
import logging
import platform
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from typing import Any

from handlers.deliver import NO_LIMIT
from handlers.router import Call, Router, action_label, build_router
from handlers.runtime.log_levels import set_levels
from handlers.runtime.memory_watch import share_arenas
from handlers.runtime.shutdown import exit_soon
from models.build import build
from models.engine import Control, Progress, Report
from schemas.answers import ErrorAnswer
from schemas.errors import ErrorCode, JobError
from schemas.settings import MEGA, Settings, SettingsError, read_settings
from transport.folder import Folder
from transport.job_loop import AskError, JobLoop, SendError
from transport.progress import ProgressSender

log = logging.getLogger(__name__)

Job = Mapping[str, Any]

SYNC_JOB = "sync-"
"""Prefix of the ids of /runsync jobs, whose answers may be larger."""

WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
"""HTTP statuses below 500 after which a result is sent again."""

PDEATHSIG = 1
"""PR_SET_PDEATHSIG as defined in Linux's prctl.h."""

BAR_WIDTH = 24


@dataclass(frozen=True)
class Run:
    """A job running on a thread, and its control."""

    work: "asyncio.Task[dict[str, Any]]"
    control: Control


@dataclass(frozen=True)
class Door:
    """Answers jobs with JSON objects. It never raises: the SDK would show the caller a traceback."""

    settings: Settings
    router: Router
    running: dict[str, Run] = field(default_factory=dict)
    """Running jobs by id: the platform may deliver a job twice."""

    async def queued(self, job: Job) -> dict[str, Any]:
        """Answer a job from the platform's queue, with pictures inline and within the platform's limit."""
        platform = _platform()
        if platform is None:
            return await self._answer(job, self._call(job, Control().report, self._limit(job)))
        async with platform.progress(job) as report:
            return await self._answer(job, self._call(job, report, self._limit(job)))

    async def local(self, job: Job) -> dict[str, Any]:
        """Answer a job run from a terminal, with pictures as files."""
        answer = await self._answer(job, self._call(job, _bar, NO_LIMIT, Folder(self.settings.output_dir)))
        if "error" not in answer:  # the SDK prints errors itself
            print(_summary(answer))  # noqa: T201  terminal output
        return answer

    def _call(self, job: Job, report: Report, limit: int, folder: Folder | None = None) -> Call:
        deadline = time.monotonic() + self.settings.job_timeout_seconds
        return Call(str(job.get("id", "")), Control(report, deadline), limit, job.get("s3Config"), folder)

    def _limit(self, job: Job) -> int:
        is_sync = str(job.get("id", "")).startswith(SYNC_JOB)
        megabytes = self.settings.response_limit_sync_mb if is_sync else self.settings.response_limit_mb
        return int(megabytes * MEGA)

    async def _answer(self, job: Job, call: Call) -> dict[str, Any]:
        """Run the job on a thread. A cancelled job ends only with its thread, which holds the GPU until then."""
        run = self._run(job, call)
        try:
            async with asyncio.timeout(run.control.deadline - time.monotonic() + self.settings.stuck_seconds):
                return dict(await asyncio.shield(run.work))
        except TimeoutError:
            exit_soon(call.job_id)
            problem = JobError(ErrorCode.TIMEOUT, "The job did not stop, so this worker is being replaced")
            return ErrorAnswer.of(action_label(job.get("input")), problem, refresh=True).as_json()
        except asyncio.CancelledError:
            run.control.cancelled.set()
            await asyncio.wait([run.work], timeout=self.settings.stuck_seconds)
            if not run.work.done():
                exit_soon(call.job_id)
            raise
        except Exception:
            log.exception("Job %s failed unexpectedly", call.job_id)
            problem = JobError(ErrorCode.INTERNAL_ERROR, "Something went wrong inside the worker")
            return ErrorAnswer.of(action_label(job.get("input")), problem).as_json()

    def _run(self, job: Job, call: Call) -> Run:
        """Start the job, or return the run of an earlier delivery."""
        if call.job_id not in self.running:
            work = asyncio.create_task(asyncio.to_thread(self.router.answer, job.get("input"), call))
            self.running[call.job_id] = Run(work, call.control)
            work.add_done_callback(lambda _: self.running.pop(call.job_id))
        return self.running[call.job_id]


class SdkPlatform:
    """The platform's API at the addresses that the SDK knows, for jobs run by the SDK's `run_job`."""

    def __init__(self, session: Any, config: Mapping[str, Any]) -> None:
        self._session = session
        self._handler = config["handler"]

    async def take(self, count: int) -> object:
        from aiohttp import ClientError
        from runpod.serverless.modules.rp_job import _job_get_url

        try:
            async with self._session.get(_job_get_url(count)) as answer:
                if answer.status in (204, 400):  # FlashBoot answers 400 when there is nothing to do
                    return None
                answer.raise_for_status()
                return await answer.json()  # raises for another content type
        except (ClientError, OSError, ValueError) as problem:
            raise AskError(f"{type(problem).__name__}: {getattr(problem, 'message', problem)}") from problem

    async def stops(self) -> list[str]:
        from aiohttp import ClientError
        from runpod.serverless.modules.rp_job import get_stop_signals

        try:
            return list(await get_stop_signals(self._session))
        except (ClientError, OSError, ValueError) as problem:
            raise AskError(type(problem).__name__) from problem

    @contextmanager
    def holding(self, job: Job) -> Iterator[None]:
        """List the job in the worker's pings."""
        from runpod.serverless.modules.worker_state import JobsProgress

        JobsProgress().add(job["id"])
        try:
            yield
        finally:
            JobsProgress().remove(job["id"])

    async def run(self, job: dict[str, Any]) -> dict[str, Any]:
        from runpod.serverless.modules.rp_job import run_job

        return dict(await run_job(self._handler, job))

    async def send(self, job: Job, result: dict[str, Any]) -> None:
        """Post a result or a progress message once."""
        from aiohttp import ClientError
        from runpod.serverless.modules.rp_http import JOB_DONE_URL

        url = JOB_DONE_URL.replace("$ID", job["id"]) + "&isStream=false"
        headers = {
            "charset": "utf-8",
            "Content-Type": "application/x-www-form-urlencoded",  # the encoding that the SDK uses
            "X-Request-ID": job["id"],
        }
        data = json.dumps(result, ensure_ascii=False).encode("utf-8", "replace")
        try:
            async with self._session.post(url, data=data, headers=headers) as answer:
                status = answer.status
        except (ClientError, OSError) as problem:
            raise SendError(type(problem).__name__) from problem
        if status >= 300:
            raise SendError(f"status {status}", is_final=status < 500 and status not in WORTH_ANOTHER_TRY)

    @asynccontextmanager
    async def progress(self, job: Job) -> AsyncIterator[Report]:
        """Send progress while the job runs.

        The SDK's progress_update starts a thread for each message, so messages can overtake each other and the
        result.
        """

        async def send(progress: dict[str, Any]) -> None:
            with suppress(SendError):
                await self.send(job, {"status": "IN_PROGRESS", "output": progress})

        sender = ProgressSender(send)
        try:
            yield lambda progress: sender.report(asdict(progress))
        finally:
            await sender.close()


class Scaler:
    """Replaces the SDK's JobScaler.

    The SDK's version never starts jobs that arrive after SIGTERM, sends a result only once after a connection reset,
    asks a failing platform again without a pause, and forgets the cancellation of a job that has not started.
    """

    current: SdkPlatform | None = None

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def start(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        from runpod.http_client import AsyncClientSession

        async with AsyncClientSession() as session:
            platform = Scaler.current = SdkPlatform(session, self._config)
            jobs = JobLoop(platform, _settings().worker_concurrency)
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, jobs.end)
            await jobs.run()


def _platform() -> SdkPlatform | None:
    return Scaler.current


def _bar(progress: Progress) -> None:
    if sys.stderr.isatty():
        done = BAR_WIDTH * progress.percent // 100
        bar = "█" * done + "░" * (BAR_WIDTH - done)
        step = f"{progress.stage} {progress.step}/{progress.of}"
        sys.stderr.write(f"\r{bar} {progress.percent:3d} %  {step:<24}")
        sys.stderr.flush()


def _summary(answer: dict[str, Any]) -> str:
    """Return the answer as lines for a terminal, without base64."""
    if "processed_image" not in answer:
        return "\n".join(f"{key:>16}: {value}" for key, value in answer.items())
    info = answer.get("placement_info") or answer["generation_info"]
    shown = {key: value for key, value in info.items() if value not in ("", {})}
    if "checks" in shown:
        shown["checks"] = shown["checks"].get("failed") or "passed"
    rows = {"action": answer["action"], **shown, "warnings": answer.get("warnings", "none")}
    pictures = [variant["image"] for variant in answer.get("images", [])] or [answer["processed_image"]]
    lines = [f"{key:>18}  {value}" for key, value in rows.items()]
    return "\n".join(["", *lines, *(f"{'picture':>18}  {picture}" for picture in pictures)])


_settings = cache(read_settings)


@cache
def _door() -> Door:
    settings = _settings()
    logging.basicConfig(format="%(levelname)-7s| %(message)s")
    set_levels(settings.log_level)
    door = Door(settings, build_router(settings, build(settings)))
    _quiet_sdk(settings, "INFO")
    return door


def _quiet_sdk(settings: Settings, level: str) -> None:
    """Set the SDK's log level: by default it prints every job's pictures and prompts."""
    from runpod.serverless.modules.rp_logger import RunPodLogger

    RunPodLogger().level = settings.runpod_log_level or level


def _name_processor() -> None:
    """Tell the SDK the processor's name, which only its debugger shows. It would run a process for a second to ask."""
    with suppress(ImportError):
        import cpuinfo

        cpuinfo.get_cpu_info = lambda: {"brand_raw": platform.processor() or platform.machine()}


def _ping_beside_parent(ping: Callable[..., None], parent: int, *args: Any) -> None:
    """Send pings until the parent process ends, however it ends."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(OSError, AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)
    if os.getppid() == parent:
        ping(*args)


async def handler(job: Job) -> dict[str, Any]:
    return await _door().queued(job)


async def local_handler(job: Job) -> dict[str, Any]:
    return await _door().local(job)


def main() -> None:
    """Serve until the process is asked to stop. Exits with one sentence if it cannot serve, so that the platform
    replaces the worker."""
    share_arenas()
    _name_processor()
    try:
        # On the platform, until the loop handles the signal itself.
        signal.signal(signal.SIGTERM, (lambda *_: os._exit(0)) if _settings().platform_queue else signal.SIG_DFL)
        door = _door()
        import runpod  # while the model loads

        door.router.wait_until_loaded()
    except SettingsError as problem:
        sys.exit(str(problem))

    one_job = not door.settings.platform_queue or any(word.startswith("--test_input") for word in sys.argv)
    if one_job and "--rp_serve_api" not in sys.argv:
        _quiet_sdk(door.settings, "WARN")
        runpod.serverless.start({"handler": local_handler})
    else:
        from runpod.serverless.modules import rp_ping, rp_scale

        rp_scale.JobScaler = Scaler
        rp_ping.Heartbeat.process_loop = partial(_ping_beside_parent, rp_ping.Heartbeat.process_loop, os.getpid())
        runpod.serverless.start({"handler": handler})


if __name__ == "__main__":
    main()
