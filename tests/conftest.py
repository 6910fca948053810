import contextlib
from collections.abc import Iterator

import pytest

from testing.s3 import S3


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
        server.process.wait(10)
