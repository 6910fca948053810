"""`health_check`: how this worker is. Loads nothing and waits for nothing."""

from typing import Any, Literal

from handlers.runtime.job_stats import JobStats
from models.hardware import graphics
from models.resident import Resident
from schemas.answers import HealthAnswer, Jobs
from schemas.jobs import ACTIONS
from schemas.version import SERVICE, VERSION

Status = Literal["healthy", "loading", "unhealthy"]


def health(resident: Resident, stats: JobStats) -> dict[str, Any]:
    model, cards = resident.loaded, graphics()
    status = status_of(resident, stats)
    return HealthAnswer(
        status=status,
        service=SERVICE,
        version=VERSION,
        actions=list(ACTIONS),
        gpu_available=cards.count > 0,
        gpu_count=cards.count,
        ready=status == "healthy",
        engine=model.name if model else resident.engine,
        device=model.device if model else ("cuda" if cards.count else "cpu"),
        gpu=cards.first,
        uptime_seconds=round(stats.uptime_seconds, 1),
        jobs=Jobs(**stats.jobs()),
        qualities=list(model.qualities) if model else [],
        plan=model.plan if model else {},
    ).as_json()


def status_of(resident: Resident, stats: JobStats) -> Status:
    if stats.engine_is_broken or resident.status == "failed":
        return "unhealthy"
    return "loading" if resident.status == "loading" else "healthy"
