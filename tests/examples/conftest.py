from collections.abc import Iterator

import pytest

from tests.rehearsal import Platform, platform, worker


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform with one worker, which does `slow 40` in two seconds."""
    with platform() as at, worker(at, tmp_path_factory.mktemp("worker")):
        assert at.answer({"action": "health_check"})["status"] == "healthy"
        yield at
