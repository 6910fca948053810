"""Traces of jobs, as an OTLP/HTTP receiver gets them."""

import gzip
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from models.preview import Preview
from schemas.settings import SettingsError
from testing.live import serving
from testing.patience import wait_until
from testing.shop import answer, door, run, small_edit

ROOT = Path(__file__).resolve().parent.parent.parent.parent
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass
class Receiver:
    """An OTLP/HTTP receiver; `spans` by name, in the order of their ends."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    resource: dict[str, str] = field(default_factory=dict)
    spans: list[Any] = field(default_factory=list)

    def receive(self, body: bytes) -> None:
        self.bodies.append(body)
        for told in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource = {pair.key: pair.value.string_value for pair in told.resource.attributes}
            self.spans += [span for scope in told.scope_spans for span in scope.spans]

    def job(self, name: str) -> Any:
        wait_until(lambda: name in {span.name for span in self.spans})
        [span] = [span for span in self.spans if span.name == name]
        return span

    def stages_of(self, job: Any) -> list[str]:
        return [span.name for span in self.spans if span.parent_span_id == job.span_id]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    there = Receiver()

    class Traces(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            there.receive(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Traces)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    there.url = f"http://127.0.0.1:{server.server_port}"
    yield there
    server.shutdown()
    server.server_close()


def attributes(span: Any) -> dict[str, Any]:
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}


def test_a_job_of_the_queue_is_a_span_with_its_stages(receiver: Receiver) -> None:
    worker = door(otel_exporter_otlp_endpoint=receiver.url)
    assert answer(worker, small_edit(instructions="beside the SECRET"))["success"]
    job = receiver.job("edit")
    stages = receiver.stages_of(job)
    assert (stages[0], stages[-1]) == ("decode", "encode")
    assert len(set(stages)) == len(stages) >= 3
    assert attributes(job) == {"job.id": "job-1"}
    assert receiver.resource["service.name"] == "qwen-edit-generate-api"
    assert all(job.start_time_unix_nano <= span.start_time_unix_nano for span in receiver.spans)
    assert not [body for body in receiver.bodies if b"SECRET" in body or b"iVBOR" in body]


def test_the_names_that_opentelemetry_is_told_win(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    answer(door(otel_exporter_otlp_endpoint=receiver.url), small_edit())
    receiver.job("edit")
    assert receiver.resource["service.name"] == "shop"


def test_a_request_continues_its_callers_trace(receiver: Receiver) -> None:
    with serving(Preview, otel_exporter_otlp_endpoint=receiver.url) as live:
        httpx2.post(f"{live.url}/v1/edit", json=small_edit(), headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})
    job = receiver.job("edit")
    assert (job.trace_id.hex(), job.parent_span_id.hex()) == (TRACE, CALLER)


def test_a_failure_is_marked_by_its_code_alone(receiver: Receiver) -> None:
    worker = door(otel_exporter_otlp_endpoint=receiver.url)
    assert "INVALID_INPUT" in run(worker, small_edit(placement_coordinates=[9999, 0], instructions="SECRET"))["error"]
    job = receiver.job("edit")
    assert attributes(job)["error.type"] == job.status.message == "INVALID_INPUT"
    assert job.status.code == 2
    assert not [body for body in receiver.bodies if b"SECRET" in body]


def test_without_an_endpoint_nothing_of_it_is_imported() -> None:
    code = """
import sys
from testing.shop import answer, door, small_edit
assert answer(door(), small_edit())["success"]
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_missing_packages_are_named_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SettingsError, match="needs the package opentelemetry-exporter-otlp-proto-http"):
        door(otel_exporter_otlp_endpoint="http://localhost:4318")


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="otel_exporter_otlp_endpoint"):
        door(otel_exporter_otlp_endpoint="localhost:4318")
