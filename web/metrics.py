"""What this server counts, for Prometheus."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from handlers.runtime.engine_runner import EngineRunner
from models.engine import Progress
from models.hardware import graphics
from web.job_queue import JobQueue

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Metrics:
    def __init__(self, runner: EngineRunner, line: JobQueue) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("requests", "Answered requests", ("route", "code"), registry=self._registry)
        self._seconds = Histogram(
            "request_seconds", "Seconds to the answer", ("route",), registry=self._registry, buckets=SECONDS
        )
        self._stages = Histogram(
            "stage_seconds", "Seconds of a job's stages", ("stage",), registry=self._registry, buckets=SECONDS
        )
        self._registry.register(_State(runner, line))

    def count(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def clock(self) -> "StageClock":
        return StageClock(self._stages)

    def text(self) -> bytes:
        return generate_latest(self._registry)


class StageClock:
    """Tells a job's stages from its progress; the first is the wait for its turn."""

    def __init__(self, stages: Histogram) -> None:
        self._stages = stages
        self._stage = "queue"
        self._since = time.monotonic()

    def see(self, progress: Progress) -> None:
        if progress.stage != self._stage:
            self.stop()
            self._stage = progress.stage

    def stop(self) -> None:
        """The stage is over."""
        now = time.monotonic()
        self._stages.labels(self._stage).observe(now - self._since)
        self._since = now


class _State(Collector):
    """What others count, read when asked."""

    def __init__(self, runner: EngineRunner, line: JobQueue) -> None:
        self._painter = runner
        self._line = line

    def collect(self) -> Iterator[Metric]:
        jobs, cards = self._painter.stats.jobs(), graphics()
        yield GaugeMetricFamily("queue_depth", "Jobs that run or wait", value=self._line.length)
        yield CounterMetricFamily("jobs_done", "Jobs that ended well", value=jobs["done"])
        yield CounterMetricFamily("jobs_failed", "Jobs that failed", value=jobs["failed"])
        yield CounterMetricFamily("fallbacks", "Jobs that the preview engine took over", value=jobs["fallbacks"])
        yield CounterMetricFamily("cut_out_hits", "Products known from before", value=self._painter.cut_outs.hits)
        ready = self._painter.resident.status == "ready"
        yield GaugeMetricFamily("model_loaded", "1 when the model is loaded", value=int(ready))
        if cards.first.memory_total is not None and cards.first.memory_free is not None:
            yield GaugeMetricFamily("gpu_memory_bytes", "Of the first card", value=cards.first.memory_total)
            yield GaugeMetricFamily("gpu_memory_free_bytes", "Of the first card", value=cards.first.memory_free)
