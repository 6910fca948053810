from collections.abc import Iterator

import pytest

from testing.rehearsal import Platform, platform, worker
from testing.s3 import KEY, S3, SECRET


@pytest.fixture(scope="session")
def shop(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Yield the platform with one worker, which has a bucket and takes two seconds for `slow 40`."""
    bucket = {
        "BUCKET_ENDPOINT_URL": s3.url,
        "BUCKET_NAME": "shop",
        "BUCKET_ACCESS_KEY_ID": KEY,
        "BUCKET_SECRET_ACCESS_KEY": SECRET,
    }
    folder = tmp_path_factory.mktemp("worker")
    with platform() as at, worker(at, folder, RESPONSE_LIMIT_MB="3", **bucket):
        assert at.answer({"action": "health_check"})["status"] == "healthy"
        yield at
