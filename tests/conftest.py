import os

# One process per core runs tests: threads in each would only wait for each other, using the processor
os.environ |= {"OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"} | os.environ

import contextlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import HealthCheck, settings

from testing.patience import TEST_SECONDS, WAIT_SECONDS
from testing.s3 import S3

SLOW = (
    "deploy",
    "examples",
    "handlers/test_edit.py",
    "handlers/test_generate.py",
    "imaging/placement/test_find_place.py",
    "imaging/restoration",
    "imaging/test_compose.py",
    "imaging/test_scenes.py",
    "models",
    "test_callers.py",
    "test_curl.py",
    "test_delivery.py",
    "test_docs.py",
    "test_edit.py",
    "test_fuzz.py",
    "test_gallery.py",
    "test_hostile_pictures.py",
    "test_npm_client.py",
    "test_openapi.py",
    "test_process.py",
    "test_reliability.py",
    "test_replay.py",
    "test_requirements.py",
    "test_rp_handler.py",
    "test_server.py",
    "test_server_process.py",
    "test_streams.py",
    "test_studio.py",
    "test_tiny.py",
    "transport/test_bucket.py",
    "web/limits",
    "web/test_app.py",
    "web/test_forms.py",
    "web/test_layout.py",
)
"""Tests that `--fast` skips: those that start processes, servers, a browser or npm, import torch, edit many pictures,
or try hundreds of inputs."""


LONGEST = (
    "test_openapi.py",
    "models/test_full_size.py",
    "deploy/test_ray_serve.py",
    "test_studio.py",
    "test_reliability.py",
    "test_process.py",
    "test_server_process.py",
    "examples/test_typescript_client.py",
    "examples/test_shopify.py",
)
"""Files that take minutes. They begin first, so that no process is left alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest = [Path(__file__).parent / name for name in LONGEST]
    items.sort(key=lambda item: longest.index(item.path) if item.path in longest else len(longest))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="leave out what is slow: " + ", ".join(SLOW))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    is_slow = any(collection_path == Path(__file__).parent / name for name in SLOW)
    return True if config.option.fast and is_slow else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.config.option.fast:
        terminalreporter.write_line("Left out by --fast: " + ", ".join(SLOW))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Replace the libraries' own deadlines, which a busy machine exceeds: for one test, for one example of hypothesis,
    and for the answer to an httpx call without a timeout."""
    if config.option.timeout is None:
        config.option.timeout = TEST_SECONDS
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")
    default = inspect.signature(httpx2.request).parameters["timeout"].default
    default.connect = default.read = default.write = default.pool = WAIT_SECONDS


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """Yield an S3 server with one bucket, `shop`."""
    server = S3(tmp_path_factory.mktemp("moto"))
    try:
        with contextlib.closing(server.client("s3")) as client:
            client.create_bucket(Bucket="shop")
        yield server
    finally:
        server.process.terminate()
        server.process.wait(WAIT_SECONDS)
