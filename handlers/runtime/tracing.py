"""Traces of jobs, by OpenTelemetry. Its packages are imported only if OTEL_EXPORTER_OTLP_ENDPOINT is set."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from models.engine import Control, Progress
from schemas.errors import JobError
from schemas.settings import Settings, SettingsError
from schemas.version import SERVICE, VERSION

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

PACKAGE = "opentelemetry-exporter-otlp-proto-http"


class Tracing:
    """A span for each job and for each of its stages, or none without a tracer. They hold no prompt and no picture."""

    def __init__(self, tracer: "Tracer | None" = None) -> None:
        self._tracer = tracer

    @contextmanager
    def job(self, action: str, job_id: str, control: Control, parent: str = "") -> Iterator[Control]:
        """Yield the control whose progress makes the spans of the stages. `parent` is a W3C traceparent header."""
        if self._tracer is None:
            yield control
            return
        from opentelemetry.trace import set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        caller = TraceContextTextMapPropagator().extract({"traceparent": parent})
        span = self._tracer.start_span(action, caller, attributes={"job.id": job_id})
        stages = _Stages(self._tracer, set_span_in_context(span), control)
        try:
            yield replace(control, report=stages.see)
        except BaseException as problem:
            _fail(span, problem)
            raise
        finally:
            stages.end()
            span.end()


class _Stages:
    """The spans of a job's stages, made of its progress."""

    def __init__(self, tracer: "Tracer", job: "Context", control: Control) -> None:
        self._tracer = tracer
        self._job = job
        self._control = control
        self._stage = ""
        self._span: Span | None = None

    def see(self, progress: Progress) -> None:
        if progress.stage != self._stage:
            self.end()
            self._stage = progress.stage
            self._span = self._tracer.start_span(progress.stage, self._job, attributes={"steps": progress.of})
        self._control.report(progress)

    def end(self) -> None:
        if self._span:
            self._span.end()


def _fail(span: "Span", problem: BaseException) -> None:
    """Mark a span as failed, with the error's code or type: its sentence may quote the request."""
    from opentelemetry.trace import StatusCode

    kind = problem.code.value if isinstance(problem, JobError) else type(problem).__name__
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR, kind)


def open_tracing(settings: Settings) -> Tracing:
    """Return the tracing of the settings. Raises SettingsError if OpenTelemetry's packages are missing."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return Tracing()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as problem:
        raise SettingsError(f"OTEL_EXPORTER_OTLP_ENDPOINT needs the package {PACKAGE}: {problem}") from problem
    own = Resource({"service.name": SERVICE, "service.version": VERSION})
    provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    return Tracing(provider.get_tracer(SERVICE, VERSION))
