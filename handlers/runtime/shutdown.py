"""Ends a process whose job cannot be stopped."""

import logging
import os
import threading

log = logging.getLogger(__name__)

LAST_ANSWER_SECONDS = 2.0
"""Seconds for the last answer to be sent before the process ends."""


def exit_soon(job: str) -> None:
    """End the process with code 1 after `LAST_ANSWER_SECONDS`: a hanging thread holds the GPU and cannot be killed."""
    log.critical("Job %s does not stop; ending this process", job)
    last = threading.Timer(LAST_ANSWER_SECONDS, os._exit, [1])
    last.daemon = True
    last.start()
