"""The end of a process that cannot go on."""

import logging
import os
import threading

log = logging.getLogger(__name__)

LAST_WORDS_SECONDS = 2.0


def exit_soon(job: str) -> None:
    """A thread that hangs holds the GPU, and cannot be stopped: the process ends once its answer is on its way."""
    log.critical("%s does not stop: this process ends", job)
    last = threading.Timer(LAST_WORDS_SECONDS, os._exit, [1])
    last.daemon = True
    last.start()
