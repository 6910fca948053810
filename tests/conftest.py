import contextlib
import inspect
from collections.abc import Iterator

import httpx2
import pytest

from testing.patience import TEST_SECONDS, WAIT_SECONDS
from testing.s3 import S3


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.option.timeout is None:
        config.option.timeout = TEST_SECONDS
    _wait_for_answers()


def _wait_for_answers() -> None:
    """httpx gives up after five seconds unless a call says otherwise; a busy machine takes longer."""
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
