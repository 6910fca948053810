"""A Python class with the methods that the Qwen Edit & Generate API documents, posting to one URL."""

import base64
import io
import os
import sys
from typing import Any

import requests
from PIL import Image


class QwenEditClient:
    def __init__(self, url: str) -> None:
        self.url = url

    def _post(self, job: dict[str, Any]) -> dict[str, Any]:
        answer = requests.post(self.url, json={"input": job}, timeout=120)
        answer.raise_for_status()
        return dict(answer.json())

    def health_check(self) -> dict[str, Any]:
        return self._post({"action": "health_check"})

    def edit_product(self, product: str, room: str, instructions: str, coordinates: list[int]) -> dict[str, Any]:
        job = {"action": "edit", "product_image": _text(product), "room_image": _text(room)}
        return self._post(job | {"instructions": instructions, "placement_coordinates": coordinates})

    def generate_environment(self, product: str, kind: str, size: list[int]) -> dict[str, Any]:
        job = {"action": "generate", "product_image": _text(product), "environment_type": kind, "output_size": size}
        return self._post(job)

    @staticmethod
    def base64_to_image(text: str) -> Image.Image:
        return Image.open(io.BytesIO(base64.b64decode(text)))


def _text(file: str) -> str:
    with open(file, "rb") as opened:  # noqa: PTH123  as such clients are written
        return base64.b64encode(opened.read()).decode()


for url in (os.environ["SERVER"], os.environ["PLATFORM"]):
    client = QwenEditClient(url)
    assert client.health_check()["status"] == "healthy"
    edited = client.edit_product("product.png", "room.png", "next to the window", [320, 400])
    assert edited["success"] is True
    assert edited["placement_info"]["coordinates"] == [320, 400]
    assert client.base64_to_image(edited["processed_image"]).size == (640, 480)
    made = client.generate_environment("product.png", "bedroom", [640, 512])
    assert client.base64_to_image(made["processed_image"]).size == (640, 512)
    failed = client._post({"action": "edit", "room_image": _text("room.png")})
    assert failed["success"] is False
    assert "Missing product_image" in failed["error"]
sys.stdout.write("as documented\n")
