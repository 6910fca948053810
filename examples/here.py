"""The worker of this machine, with the verbs of the client's Worker."""

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
    """Raises JobError where the client's Worker raises WorkerError."""

    def __init__(self) -> None:
        """Load the engine. Raises SettingsError."""
        settings = read_settings()
        self._router = build_router(settings, build(settings))
        self._router.wait_until_loaded()

    def answer(self, job: Job, *, on_progress: OnProgress | None = None) -> Answer:
        control = Control(lambda told: on_progress(Progress(**asdict(told)))) if on_progress else Control()
        return read_answer(self._router.work(parse(job), Call("cli", control)))

    def map(self, jobs: Iterable[Job], **_: object) -> Iterator[JobResult]:
        """One after the other, whatever concurrency is asked for."""
        for index, job in enumerate(jobs):
            try:
                yield JobResult(index, job, self.answer(job))
            except JobError as problem:
                yield JobResult(index, job, error=WorkerError(problem.message, problem.code, problem.fields))

    def health_check(self) -> dict[str, Any]:
        return self._router.work(parse({"action": "health_check"}), Call("cli"))
