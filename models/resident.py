"""The engine of this process, loaded in the background at cold start while jobs wait for it."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Literal

from models.engine import Control, ImageModel
from schemas.errors import ErrorCode, JobError
from schemas.settings import SettingsError

log = logging.getLogger(__name__)

Status = Literal["loading", "ready", "failed"]

CANCEL_CHECK_SECONDS = 0.2
"""Interval at which a job that waits for the model checks its cancel flag."""


class Resident:
    """An engine that loads on its own thread. `wait_seconds` limits how long a job waits for it."""

    def __init__(self, engine: str, load: Callable[[], ImageModel], wait_seconds: float) -> None:
        self.engine = engine
        self._wait_seconds = wait_seconds
        self._model: Future[ImageModel] = Future()
        threading.Thread(target=self._load, args=(load,), name="load-model", daemon=True).start()

    def model(self, control: Control) -> ImageModel:
        """Wait for the engine and return it. Raises JobError MODEL_NOT_READY if loading failed or takes longer than
        `wait_seconds` from the job's arrival, and CANCELLED if the job was cancelled."""
        until = control.arrived + self._wait_seconds
        with control.waiting():
            while not self._model.done():
                control.check_cancelled()
                if time.monotonic() >= until:
                    raise JobError(ErrorCode.MODEL_NOT_READY, "The model is still loading, try again later")
                wait([self._model], min(CANCEL_CHECK_SECONDS, until - time.monotonic()))
        try:
            return self._model.result()
        except Exception as problem:
            raise JobError(ErrorCode.MODEL_NOT_READY, "The model could not be loaded") from problem

    def until_loaded(self) -> ImageModel:
        """Wait without a limit and return the engine. Raises SettingsError with one sentence if loading failed."""
        try:
            return self._model.result()
        except SettingsError:
            raise
        except Exception as problem:
            log.debug("Loading failed", exc_info=problem)
            reason = " ".join(str(problem).split()) or "no reason given"
            raise SettingsError(f"The model could not be loaded: {type(problem).__name__}: {reason}") from problem

    @property
    def status(self) -> Status:
        if not self._model.done():
            return "loading"
        return "failed" if self._model.exception() else "ready"

    @property
    def loaded(self) -> ImageModel | None:
        return self._model.result() if self.status == "ready" else None

    def _load(self, load: Callable[[], ImageModel]) -> None:
        try:
            self._model.set_result(load())
        except BaseException as problem:  # noqa: BLE001 the waiting threads raise it again
            self._model.set_exception(problem)
