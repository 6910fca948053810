"""The HTTP app as a Ray Serve deployment with one engine per replica: `serve run deploy.ray_serve:app`."""

from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from deploy.ray_options import Options
from handlers.router import build_router
from handlers.runtime.memory_watch import share_arenas
from models.build import build
from schemas.settings import read_settings
from web.app import create_app
from web.logs import set_up


@serve.ingress()
class Replica:
    """One engine and the app in front of it."""

    def __init__(self) -> None:
        """Load the model; Ray sends no requests before this returns. Raises SettingsError if the worker cannot
        serve."""
        share_arenas()
        # Replicas share a machine and its ports: Ray's proxies listen and answer probes.
        self._settings = read_settings().model_copy(update={"port_health": None})
        set_up(self._settings)
        self._router = build_router(self._settings, build(self._settings))
        self._router.wait_until_loaded()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_app(self._settings, self._router)

    def check_health(self) -> None:
        """Raise if this replica should be replaced; Ray calls this every few seconds."""
        if self._router.status == "unhealthy" or self._router.is_worn_out:
            raise RuntimeError("The engine is broken or memory has grown: replace this replica")


def app(options: Options) -> Application:
    settings = read_settings()
    longest = settings.job_timeout_seconds + settings.stuck_seconds
    return serve.deployment(Replica, **options.deployment(longest)).bind()
