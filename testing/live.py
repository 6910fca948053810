"""A server on loopback, and its callers."""

import base64
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np
import openai
import uvicorn
from numpy.typing import NDArray
from PIL import Image

from handlers.router import build_router
from models.engine import Control, GenerateTask, ImageModel, Painted, PaintTask
from models.resident import Resident
from schemas.settings import Settings
from testing.fakes import Paced
from testing.patience import WAIT_SECONDS, wait_until
from web.app import config, create_app

EVENTS = {"Accept": "text/event-stream"}


class Echo(Paced):
    """Paints each picture in one color: the prompt's "r,g,b", or a darker first reference."""

    name = "echo"

    def __init__(self, steps: int = 4, seconds: float = 0.0, go: threading.Semaphore | None = None) -> None:
        super().__init__(steps, seconds, go)
        self.tasks: list[PaintTask] = []

    def paint(self, task: PaintTask, control: Control) -> Painted:
        with self.alone():
            self.tasks.append(task)
            pixels = self._painted(task)
            self.take_steps(control, pixels)
            return Painted(pixels, self.steps, task.sampling.true_cfg_scale or 1.0)

    def _painted(self, task: PaintTask) -> NDArray[np.uint8]:
        width, height = task.size
        if task.references:
            color = 255 - task.references[0].pixels.reshape(-1, 3).mean(axis=0)
        else:
            color = np.array([int(value) for value in task.prompt.split(",")])
        color = color.astype(np.uint8)
        color[2] = task.sampling.seed % 256
        return np.full((height, width, 3), color, np.uint8)


class Gray(Echo):
    """Paints gray, whatever the prompt and the product."""

    def generate(self, task: GenerateTask, control: Control) -> Painted:
        width, height = task.size
        return Painted(np.full((height, width, 3), 128, np.uint8), 0, 1.0)

    def _painted(self, task: PaintTask) -> NDArray[np.uint8]:
        width, height = task.size
        return np.full((height, width, 3), 128, np.uint8)


@dataclass
class Live:
    port: int
    server: uvicorn.Server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, key: str = "none", **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url + "/v1", api_key=key, **{"max_retries": 0, **options})


@contextmanager
def serving(load: Callable[[], ImageModel] = Echo, **settings: Any) -> Iterator[Live]:
    chosen = Settings(_env_file=None, **settings)
    app = create_app(chosen, build_router(chosen, Resident("test", load, chosen.ready_wait_seconds)))
    line = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config(app, chosen))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [line]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield Live(line.getsockname()[1], server)
    finally:
        server.should_exit = True
        thread.join(WAIT_SECONDS)
        line.close()


def painted(text: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    image.load()
    return image


def mean_color(text: str) -> tuple[int, ...]:
    return tuple(int(value) for value in np.asarray(painted(text).convert("RGB"))[0, 0])


def events_of(live: Live, route: str, job: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the name and the data of every event of a job, without comments."""
    with httpx2.stream("POST", f"{live.url}/v1/{route}", json=job, headers=EVENTS) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        blocks = "".join(answer.iter_text()).strip().split("\n\n")
    lines = [block.split("\n") for block in blocks if not block.startswith(":")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in lines]
