import os

# One process a core runs tests: threads in each would only wait for each other, and busily
os.environ |= {"OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"} | os.environ

import contextlib
import inspect
from collections.abc import Iterator

import httpx2
import pytest
from hypothesis import HealthCheck, settings

from testing.patience import TEST_SECONDS, WAIT_SECONDS
from testing.s3 import S3


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Replace the libraries' own deadlines, which a busy machine exceeds: for one test, for one example of hypothesis,
    and for the answer to a call of httpx that names no timeout."""
    if config.option.timeout is None:
        config.option.timeout = TEST_SECONDS
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")
    default = inspect.signature(httpx2.request).parameters["timeout"].default
    default.connect = default.read = default.write = default.pool = WAIT_SECONDS


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """With one bucket, `shop`."""
    server = S3(tmp_path_factory.mktemp("moto"))
    try:
        with contextlib.closing(server.client("s3")) as client:
            client.create_bucket(Bucket="shop")
        yield server
    finally:
        server.process.terminate()
        server.process.wait(WAIT_SECONDS)
