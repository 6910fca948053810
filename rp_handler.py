"""The RunPod door: `python rp_handler.py` serves the platform's queue, with `--rp_serve_api` a local stand-in of it,
and elsewhere runs one job, `test_input.json` or `--test_input`, and leaves its picture in `outputs/`."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from handlers.deliver import NO_LIMIT
from handlers.router import Call, Router, action_label, build_router
from handlers.runtime.memory_watch import share_arenas
from handlers.runtime.shutdown import exit_soon
from models.build import build
from models.engine import Control, Progress, Report
from schemas.answers import ErrorAnswer
from schemas.errors import ErrorCode, JobError
from schemas.settings import MEGA, Settings, SettingsError, read_settings
from transport.folder import Folder
from transport.progress import ProgressSender

log = logging.getLogger(__name__)

Job = Mapping[str, Any]

SYNC_JOB = "sync-"
"""How the ids of /runsync jobs begin; their answers may be larger."""

TAKE_PAUSE_SECONDS = 1.0
"""After the platform could not be asked for jobs."""

BAR_WIDTH = 24


@dataclass(frozen=True)
class Run:
    """A job at work on a thread, and what stops it."""

    work: "asyncio.Task[dict[str, Any]]"
    control: Control


@dataclass(frozen=True)
class Door:
    """One job in, one JSON object out. No exception of ours reaches the SDK: it would show the caller a traceback."""

    settings: Settings
    router: Router
    running: dict[str, Run] = field(default_factory=dict)
    """By job id: the platform may deliver a job twice."""

    async def queued(self, job: Job) -> dict[str, Any]:
        """A job of the platform's queue: pictures inline, inside the platform's limit."""
        if not self.settings.platform_queue:
            return await self._answer(job, self._call(job, Control().report, self._limit(job)))
        async with _platform_progress(job) as report:
            return await self._answer(job, self._call(job, report, self._limit(job)))

    async def local(self, job: Job) -> dict[str, Any]:
        """A job of a person at a terminal: pictures as files."""
        answer = await self._answer(job, self._call(job, _bar, NO_LIMIT, Folder(self.settings.output_dir)))
        if "error" not in answer:  # which the SDK prints itself
            print(_summary(answer))  # noqa: T201 a person reads it
        return answer

    def _call(self, job: Job, report: Report, limit: int, folder: Folder | None = None) -> Call:
        deadline = time.monotonic() + self.settings.job_timeout_seconds
        return Call(str(job.get("id", "")), Control(report, deadline), limit, job.get("s3Config"), folder)

    def _limit(self, job: Job) -> int:
        is_sync = str(job.get("id", "")).startswith(SYNC_JOB)
        megabytes = self.settings.response_limit_sync_mb if is_sync else self.settings.response_limit_mb
        return int(megabytes * MEGA)

    async def _answer(self, job: Job, call: Call) -> dict[str, Any]:
        """Blocking work stays off the event loop. A cancelled job is over only when its thread is: until then the GPU
        is not free for the next one."""
        run = self._run(job, call)
        try:
            async with asyncio.timeout(run.control.deadline - time.monotonic() + self.settings.stuck_seconds):
                return dict(await asyncio.shield(run.work))
        except TimeoutError:
            exit_soon(call.job_id)
            problem = JobError(ErrorCode.TIMEOUT, "The job does not stop, and this worker is being replaced")
            return ErrorAnswer.of(action_label(job.get("input")), problem, refresh=True).as_json()
        except asyncio.CancelledError:
            run.control.cancelled.set()
            await asyncio.wait([run.work], timeout=self.settings.stuck_seconds)
            if not run.work.done():
                exit_soon(call.job_id)
            raise
        except Exception:
            log.exception("%s failed for a reason nobody foresaw", call.job_id)
            problem = JobError(ErrorCode.INTERNAL_ERROR, "Something went wrong inside the worker")
            return ErrorAnswer.of(action_label(job.get("input")), problem).as_json()

    def _run(self, job: Job, call: Call) -> Run:
        """That of the same job where it is running already."""
        if call.job_id not in self.running:
            work = asyncio.create_task(asyncio.to_thread(self.router.answer, job.get("input"), call))
            self.running[call.job_id] = Run(work, call.control)
            work.add_done_callback(lambda _: self.running.pop(call.job_id))
        return self.running[call.job_id]


@asynccontextmanager
async def _platform_progress(job: Job) -> AsyncIterator[Report]:
    """The SDK's own progress_update starts a thread a message, and messages overtake each other and the result."""
    from runpod.http_client import AsyncClientSession
    from runpod.serverless.modules.rp_http import send_result

    async with AsyncClientSession() as session:

        async def send(progress: dict[str, Any]) -> None:
            await send_result(session, {"status": "IN_PROGRESS", "output": progress}, job)

        sender = ProgressSender(send)
        try:
            yield lambda progress: sender.report(asdict(progress))
        finally:
            await sender.close()


def _bar(progress: Progress) -> None:
    if sys.stderr.isatty():
        done = BAR_WIDTH * progress.percent // 100
        bar = "█" * done + "░" * (BAR_WIDTH - done)
        step = f"{progress.stage} {progress.step}/{progress.of}"
        sys.stderr.write(f"\r{bar} {progress.percent:3d} %  {step:<24}")
        sys.stderr.flush()


def _summary(answer: dict[str, Any]) -> str:
    """What a person wants to know of an answer, without a line of base64."""
    if "processed_image" not in answer:
        return "\n".join(f"{key:>16}: {value}" for key, value in answer.items())
    info = answer.get("placement_info") or answer["generation_info"]
    shown = {key: value for key, value in info.items() if value not in ("", {})}
    rows = {"action": answer["action"], **shown, "warnings": answer.get("warnings", "none")}
    pictures = [variant["image"] for variant in answer.get("images", [])] or [answer["processed_image"]]
    lines = [f"{key:>18}  {value}" for key, value in rows.items()]
    return "\n".join(["", *lines, *(f"{'picture':>18}  {picture}" for picture in pictures)])


_settings = cache(read_settings)


@cache
def _door() -> Door:
    settings = _settings()
    logging.basicConfig(format="%(levelname)-7s| %(message)s")
    logging.getLogger().setLevel(settings.log_level)  # whoever configured logging first
    door = Door(settings, build_router(settings, build(settings)))
    _quiet_sdk(settings, "INFO")
    return door


def _quiet_sdk(settings: Settings, level: str) -> None:
    """The SDK's own default level prints every job's pictures and prompts."""
    from runpod.serverless.modules.rp_logger import RunPodLogger

    RunPodLogger().level = settings.runpod_log_level or level


def _unhurried(take: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The SDK asks for jobs again at once where asking failed: a platform that is down would cost a core, and fill the
    log."""

    async def take_unhurried(*asked: Any) -> Any:
        try:
            return await take(*asked)
        except Exception:
            await asyncio.sleep(TAKE_PAUSE_SECONDS)
            raise

    return take_unhurried


async def handler(job: Job) -> dict[str, Any]:
    return await _door().queued(job)


async def local_handler(job: Job) -> dict[str, Any]:
    return await _door().local(job)


def main() -> None:
    """Ends the process with one sentence where it cannot serve, so that the platform replaces the worker."""
    share_arenas()
    try:
        if _settings().platform_queue:
            # A container's first process has no default of its own, and the SDK's begins with its loop.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
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
        from runpod.serverless.modules import rp_scale

        rp_scale.get_job = _unhurried(rp_scale.get_job)
        at_once = door.settings.worker_concurrency
        runpod.serverless.start({"handler": handler, "concurrency_modifier": lambda _now: at_once})


if __name__ == "__main__":
    main()
