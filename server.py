"""The HTTP server, `python server.py` or `uvicorn server:app`: OpenAI's images API, the job actions, probes and
metrics."""

import os
import signal

if __name__ == "__main__":
    # The imports below take seconds, and the first process of a container ignores signals that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import uvicorn
from fastapi import FastAPI

from handlers.router import build_router
from handlers.runtime.memory_watch import share_arenas
from models.build import build
from schemas.settings import Settings, SettingsError, misspelt, read_settings
from web.access import LOOPBACK
from web.app import config, create_app
from web.logs import set_up

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A server that finishes its running requests when asked to stop, even right after it was created."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals without raising them again at the end: a requested stop is not a failure."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        yield


@cache
def _app() -> FastAPI:
    settings = read_settings()
    set_up(settings)
    app = create_app(settings, build_router(settings, build(settings)), ends=True)
    _warn(settings)
    return app


def _warn(settings: Settings) -> None:
    """Warn about settings that make the server insecure or slow by mistake."""
    for sentence in misspelt():
        log.warning("%s", sentence)
    if settings.api_key is None and settings.host not in LOOPBACK:
        log.warning("API_KEY is not set: anyone who can reach %s port %d can send jobs", settings.host, settings.port)
    try:
        tempfile.gettempdir()
    except OSError:
        log.warning("No temporary folder is writable; set TMPDIR to one that is")


def __getattr__(name: str) -> FastAPI:
    """Return `app` for `uvicorn server:app`, built on first access."""
    if name == "app":
        return _app()
    raise AttributeError(name)


def main() -> None:
    """Serve until the process is asked to stop. Exits with one sentence and code 1 if it cannot serve."""
    share_arenas()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        settings = read_settings()
        if settings.reload:
            uvicorn.run("server:app", reload=True, host=settings.host, port=settings.port, log_config=None)
        else:
            _serve(settings)
    except SettingsError as problem:
        sys.exit(str(problem))


def _serve(settings: Settings) -> None:
    app = _app()
    Server(config(app, settings)).run()
    router = app.state.router
    if router.status == "unhealthy" or router.is_worn_out:
        sys.exit(1)


if __name__ == "__main__":
    main()
