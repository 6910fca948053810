"""Everything that outlives a job, in one object."""

from dataclasses import dataclass, field
from typing import Literal

from handlers.runtime.cutout_cache import CutOutCache
from handlers.runtime.engine_runner import EngineRunner
from handlers.runtime.idempotency import IdempotencyCache
from handlers.runtime.job_stats import JobStats
from handlers.runtime.memory_watch import MemoryWatch
from handlers.steps.quality_checks import Thresholds
from imaging.byte_cache import ByteCache
from imaging.picture import Picture
from models.cutout_prior import load_prior
from models.preview import Preview
from models.resident import Resident
from schemas.settings import MEGA, Settings

Status = Literal["healthy", "loading", "unhealthy"]

MAX_PICTURE_BYTES = 160_000_000
"""Room for four photos of 12 megapixels, at 3 bytes per pixel."""


@dataclass(frozen=True)
class WorkerState:
    """The engine, the counters and the caches of this process. All parts are thread-safe."""

    resident: Resident
    runner: EngineRunner
    stats: JobStats
    thresholds: Thresholds
    idempotency: IdempotencyCache
    memory_watch: MemoryWatch
    cut_outs: CutOutCache = field(default_factory=CutOutCache)
    pictures: ByteCache[Picture] = field(default_factory=lambda: ByteCache(MAX_PICTURE_BYTES))
    """The pictures of layouts: a caller who moves a product sends the same ones again."""

    @classmethod
    def build(cls, settings: Settings, resident: Resident) -> "WorkerState":
        stats = JobStats(settings.failures_before_refresh)
        return cls(
            resident=resident,
            runner=EngineRunner(resident, Preview(), stats),
            stats=stats,
            thresholds=Thresholds.of(settings),
            idempotency=IdempotencyCache(settings.idempotency_seconds, int(settings.idempotency_mb * MEGA)),
            memory_watch=MemoryWatch(int(settings.max_memory_growth_mb * MEGA)),
            cut_outs=CutOutCache(prior=load_prior(settings.cutout_model)),
        )

    @property
    def status(self) -> Status:
        if self.stats.engine_is_broken or self.resident.status == "failed":
            return "unhealthy"
        return "loading" if self.resident.status == "loading" else "healthy"

    @property
    def is_loaded(self) -> bool:
        return self.resident.status == "ready"

    @property
    def is_worn_out(self) -> bool:
        """True if a fresh process should replace this one."""
        return self.memory_watch.is_beyond or self.stats.engine_is_broken
