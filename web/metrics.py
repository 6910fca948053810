"""Prometheus metrics of the server. Every name begins with `qwen_edit_` and ends with its unit."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from handlers.runtime.worker_state import WorkerState
from models.engine import Progress
from models.hardware import graphics
from web.limits.job_queue import JobQueue

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Metrics:
    def __init__(self, worker: WorkerState, queue: JobQueue) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("qwen_edit_requests", "Answered requests", ("route", "code"), registry=self._registry)
        self._seconds = Histogram(
            "qwen_edit_request_seconds",
            "Seconds from a request to its answer",
            ("route",),
            registry=self._registry,
            buckets=SECONDS,
        )
        self._stages = Histogram(
            "qwen_edit_stage_seconds",
            "Seconds that a job spent in each stage",
            ("stage",),
            registry=self._registry,
            buckets=SECONDS,
        )
        self._registry.register(_State(worker, queue))

    def count(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def clock(self) -> "StageClock":
        return StageClock(self._stages)

    def text(self) -> bytes:
        return generate_latest(self._registry)


class StageClock:
    """Measures a job's stages from its progress; the first one is the wait for its turn."""

    def __init__(self, stages: Histogram) -> None:
        self._stages = stages
        self._stage = "queue"
        self._since = time.monotonic()

    def see(self, progress: Progress) -> None:
        if progress.stage != self._stage:
            self.stop()
            self._stage = progress.stage

    def stop(self) -> None:
        """End the current stage."""
        now = time.monotonic()
        self._stages.labels(self._stage).observe(now - self._since)
        self._since = now


class _State(Collector):
    """Collects values that other objects count, whenever Prometheus asks."""

    def __init__(self, worker: WorkerState, queue: JobQueue) -> None:
        self._worker = worker
        self._queue = queue

    def collect(self) -> Iterator[Metric]:
        jobs, cards = self._worker.stats.jobs(), graphics()
        yield GaugeMetricFamily("qwen_edit_queue_depth", "Running and waiting jobs", value=self._queue.length)
        ended = CounterMetricFamily("qwen_edit_jobs", "Jobs that ended, by outcome", labels=["outcome"])
        for outcome in ("done", "failed"):
            ended.add_metric([outcome], jobs[outcome])
        yield ended
        yield CounterMetricFamily(
            "qwen_edit_fallbacks",
            "Jobs that the preview engine answered after the model failed",
            value=jobs["fallbacks"],
        )
        yield CounterMetricFamily(
            "qwen_edit_cutout_cache_hits", "Jobs whose cut-out was in the cache", value=self._worker.cut_outs.hits
        )
        ready = self._worker.is_loaded
        yield GaugeMetricFamily("qwen_edit_model_loaded", "1 once the model is loaded, else 0", value=int(ready))
        first = cards.first
        if first.memory_total is not None and first.memory_free is not None:
            yield GaugeMetricFamily("qwen_edit_gpu_memory_bytes", "Memory of the first GPU", value=first.memory_total)
            yield GaugeMetricFamily(
                "qwen_edit_gpu_memory_free_bytes", "Free memory of the first GPU", value=first.memory_free
            )
