"""Time limits of tests.

A deadline ends a test that hangs; no test asserts it. Deadlines are therefore generous, and one setting scales them
all: `TEST_PATIENCE=5 make test` on a machine that is five times slower still.
"""

import os
import time
from collections.abc import Callable

PATIENCE = float(os.environ.get("TEST_PATIENCE", "1"))

WAIT_SECONDS = 600 * PATIENCE
"""Limit for anything that takes seconds on an idle machine."""

TEST_SECONDS = 2 * WAIT_SECONDS
"""Limit for one test; pytest then shows where every thread stands."""

POLL_SECONDS = 0.02


def wait_until(is_so: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """Return once `is_so()` is true, polling every POLL_SECONDS. For other processes and sockets, which give no
    events."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"still not so after {seconds:.0f} s")
        time.sleep(POLL_SECONDS)
