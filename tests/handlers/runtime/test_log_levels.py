import logging
from collections.abc import Iterator

import pytest

from handlers.runtime.log_levels import OWN, set_levels
from testing.s3 import KEY, S3, SECRET
from transport.bucket import Bucket


@pytest.fixture
def debug() -> Iterator[None]:
    """Set the levels as `LOG_LEVEL=DEBUG` does, and restore them."""
    loggers = [logging.getLogger(), *map(logging.getLogger, OWN)]
    levels = [logger.level for logger in loggers]
    set_levels("DEBUG")
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.usefixtures("debug")
def test_debug_shows_no_access_key_and_no_signature(s3: S3, caplog: pytest.LogCaptureFixture) -> None:
    url = Bucket(s3.url, KEY, SECRET, "shop").put(b"picture", "image/png", "a.png")
    assert "Signature" in url
    for secret in (KEY, SECRET, "Signature", url.partition("X-Amz-Signature=")[2]):
        assert secret not in caplog.text


@pytest.mark.usefixtures("debug")
def test_debug_shows_what_this_project_logs(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("web.front").debug("a detail")
    assert "a detail" in caplog.text
