"""`health_check`: report the state of this worker without loading or waiting for anything."""

from typing import Any

from handlers.runtime.worker_state import WorkerState
from models.hardware import graphics
from schemas.answers import HealthAnswer, Jobs
from schemas.jobs import ACTIONS
from schemas.version import SERVICE, VERSION


def health(worker: WorkerState) -> dict[str, Any]:
    model, cards = worker.resident.loaded, graphics()
    status = worker.status
    return HealthAnswer(
        status=status,
        service=SERVICE,
        version=VERSION,
        actions=list(ACTIONS),
        gpu_available=cards.count > 0,
        gpu_count=cards.count,
        ready=status == "healthy",
        engine=model.name if model else worker.resident.engine,
        device=model.device if model else ("cuda" if cards.count else "cpu"),
        gpu=cards.first,
        uptime_seconds=round(worker.stats.uptime_seconds, 1),
        jobs=Jobs(**worker.stats.jobs()),
        qualities=list(model.qualities) if model else [],
        plan=model.plan if model else {},
    ).as_json()
