"""The page at / for trying the worker in a browser: static files, nothing from other servers."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response

HERE = Path(__file__).resolve().parent / "page"
EXAMPLE = Path(__file__).resolve().parent.parent / "examples/photos/armchair_daylight"
EXAMPLES = {"product": "product_white.png", "room": "room.png"}

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def add_studio(app: FastAPI) -> None:
    """Add the page and its files. The page hides examples that are not installed."""

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(HERE / "index.html", headers=HEADERS)

    for name, path in _files().items():
        if path.is_file():
            app.add_api_route(f"/studio/{name}", _sender(path), methods=["GET"], include_in_schema=False)


def _files() -> dict[str, Path]:
    """Return the files below /studio by their names there."""
    examples = {f"example-{name}.png": EXAMPLE / file for name, file in EXAMPLES.items()}
    return {path.name: path for pattern in ("*.css", "*.js") for path in HERE.glob(pattern)} | examples


def _sender(path: Path) -> Callable[[], Awaitable[Response]]:
    async def send() -> Response:
        return FileResponse(path, headers=HEADERS)

    return send
