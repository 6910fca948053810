"""The HTTP app as a Ray Serve deployment, one engine a replica: `serve run deploy.ray_serve:app`."""

from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from deploy.ray_options import Options
from handlers.router import build_router
from handlers.runtime.memory_watch import share_arenas
from models.build import build
from schemas.settings import read_settings
from server import create_app
from web.logs import set_up


@serve.ingress()
class Replica:
    """One engine, and the app in front of it."""

    def __init__(self) -> None:
        """Returns when the model is loaded: Ray sends no request before. Raises SettingsError where it cannot serve."""
        share_arenas()
        # Replicas share a machine, and its ports: Ray's proxies listen, and answer probes.
        self._settings = read_settings().model_copy(update={"port_health": None})
        set_up(self._settings)
        self._router = build_router(self._settings, build(self._settings))
        self._router.runner.resident.until_loaded()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_app(self._settings, self._router)

    def check_health(self) -> None:
        """Asked by Ray, which replaces what raises."""
        if self._router.status == "unhealthy" or self._router.is_worn_out:
            raise RuntimeError("The engine is broken, or memory grew: this replica is to be replaced")


def app(options: Options) -> Application:
    settings = read_settings()
    longest = settings.job_timeout_seconds + settings.stuck_seconds
    return serve.deployment(Replica, **options.deployment(longest)).bind()
