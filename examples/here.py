"""The worker of this machine, with the methods of the client's Worker."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from examples.python.qwen_worker import Answer, Job, JobResult, OnProgress, Progress, WorkerError, read_answer
from handlers.parse import parse
from handlers.router import Call, build_router
from models.build import build
from models.engine import Control
from schemas.errors import JobError
from schemas.settings import read_settings


class Here:
    """Runs jobs on this machine. Raises JobError where the client's Worker raises WorkerError."""

    def __init__(self) -> None:
        """Load the engine. Raises SettingsError if it cannot run."""
        settings = read_settings()
        self._router = build_router(settings, build(settings))
        self._router.wait_until_loaded()

    def answer(self, job: Job, *, on_progress: OnProgress | None = None) -> Answer:
        control = Control(lambda told: on_progress(Progress(**asdict(told)))) if on_progress else Control()
        return read_answer(self._router.work(parse(job), Call("cli", control)))

    def map(self, jobs: Iterable[Job], **_: object) -> Iterator[JobResult]:
        """Yield the results of the jobs, run one after the other whatever the requested concurrency."""
        for index, job in enumerate(jobs):
            try:
                yield JobResult(index, job, self.answer(job))
            except JobError as problem:
                yield JobResult(index, job, error=WorkerError(problem.message, problem.code, problem.fields))

    def health_check(self) -> dict[str, Any]:
        return self._router.work(parse({"action": "health_check"}), Call("cli"))
