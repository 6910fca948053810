"""Pictures for tests: the real photos, and small drawn ones."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pillow_heif import register_heif_opener

PHOTOS = Path(__file__).parent.parent / "examples" / "photos"
CHAIR = PHOTOS / "armchair_daylight"


def case(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "case.json").read_text())


def as_base64(data: bytes | Path) -> str:
    return base64.b64encode(data.read_bytes() if isinstance(data, Path) else data).decode()


def file_of(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    register_heif_opener()
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def plain_room(width: int = 160, height: int = 120) -> Image.Image:
    """Return a gray wall above a brown floor with a hint of texture, small enough that jobs are fast."""
    rows = np.linspace(0, 1, height)[:, None, None]
    wall, floor = np.array([200, 200, 205]), np.array([150, 110, 80])
    pixels = np.where(rows < 0.55, wall, floor) + 6 * np.sin(np.arange(width) / 3)[None, :, None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def red_vase(size: int = 60) -> Image.Image:
    """Return a cut-out of an upright ellipse."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    inside = (x / 0.6) ** 2 + (y / 0.95) ** 2 < 1
    pixels = np.zeros((size, size, 4), np.uint8)
    pixels[inside] = (190, 40, 40, 255)
    return Image.fromarray(pixels)


def picture(text: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(text.split(",")[-1])))
    image.load()
    return image


def pixels(text: str) -> NDArray[np.uint8]:
    return np.asarray(picture(text))
