"""Scenes with ground truth, and the raw results of a model that drifts: zoom, shift, rotation, color cast, noise."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imaging.cutout import CutOut
from imaging.picture import Box, Mask, Pixels, size_of
from imaging.restoration.metrics import pasted

Matrix = NDArray[np.float64]

LARGE = 12e6
MODEL_AREA, MODEL_GRID = 2**20, 32
GAINS, OFFSETS = np.array([1.05, 1.0, 0.93]), np.array([3.0, -4.0, 5.0])
"""The color shift by channel."""


@dataclass(frozen=True)
class Model:
    """The drift of a simulated model.

    `shift` is a share of the picture's sides, `tilt` the change of scale from the middle to the edge, `jpeg` a
    quality.
    """

    name: str
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    degrees: float = 0.0
    tilt: float = 0.0
    color_shift: bool = False
    jpeg: int | None = None
    megapixel: bool = False
    repaint: bool = False
    gradient: float = 0.0

    @property
    def without_drift(self) -> "Model":
        return replace(self, zoom=1.0, shift=(0.0, 0.0), degrees=0.0, tilt=0.0, color_shift=False)


MODELS = (
    Model("zoom 1.03", zoom=1.03),
    Model("zoom 0.97", zoom=0.97),
    Model("shift 2 %", shift=(0.02, -0.02)),
    Model("turn 0.5", degrees=0.5),
    Model("tilt", tilt=0.002),
    Model("color shift", color_shift=True),
    Model("JPEG noise", jpeg=70),
    Model("megapixel", megapixel=True),
    Model("mixture", 1.02, (0.012, -0.015), -0.4, 0.001, True, 75, True),
    Model("its opposite", 0.97, (-0.02, 0.02), 0.5, -0.001, True, 75, True),
    Model("repainted", 0.98, (0.02, 0.01), 0.5, color_shift=True, jpeg=75, megapixel=True, repaint=True),
    Model("uneven light", 1.03, (-0.015, 0.01), -0.5, color_shift=True, jpeg=75, megapixel=True, gradient=0.15),
    Model("everything", 0.975, (0.018, -0.02), 0.45, -0.001, True, 70, True, True, -0.12),
)


@dataclass(frozen=True, eq=False)
class Scene:
    """One scene. `near` is where a product at `box` and its shadow may change the photo. `folder` has its pictures."""

    name: str
    folder: Path
    room: Pixels
    truth: Pixels
    product: Mask
    near: Mask
    box: Box


# Scenes


def read_scene(folder: Path) -> Scene:
    room, truth = (np.array(Image.open(folder / name).convert("RGB")) for name in ("room.png", "truth.png"))
    product = np.array(Image.open(folder / "mask.png").getchannel("A")) > 127
    left, top, right, bottom = json.loads((folder / "case.json").read_text())["box"]
    beside, above = round(0.6 * (right - left)), round(0.35 * (bottom - top))
    near = np.zeros_like(product)
    near[max(0, top - above) : bottom + above, max(0, left - beside) : right + beside] = True
    return Scene(folder.name, folder, room, truth, product, near, (left, top, right, bottom))


def enlarged(scene: Scene) -> Scene:
    height, width = scene.product.shape
    scale = float(np.sqrt(LARGE / (width * height)))
    size = (round(width * scale), round(height * scale))
    fine = cv2.GaussianBlur(np.random.default_rng(12).normal(0, 1, size[::-1]).astype(np.float32), (0, 0), 0.8)
    texture = 1 + 0.03 * fine[..., None] / fine.std()
    room, truth = (
        as_pixels(cv2.resize(each, size, interpolation=cv2.INTER_CUBIC) * texture) for each in (scene.room, scene.truth)
    )
    product, near = (
        cv2.resize(each.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        for each in (scene.product, scene.near)
    )
    box = cast(Box, tuple(round(edge * scale) for edge in scene.box))
    return Scene(scene.name, scene.folder, room, truth, product, near, box)


def camouflaged(scene: Scene) -> tuple[Scene, CutOut]:
    """Return the scene and a plain upholstered pouf in the color of its background."""
    left, top, right, bottom = scene.box
    height = (bottom - top) // 2
    width = round(1.4 * height)
    box = ((left + right - width) // 2, bottom - height, (left + right - width) // 2 + width, bottom)
    behind = np.median(scene.room[box[1] : box[3], box[0] : box[2]].reshape(-1, 3), axis=0)
    pouf = _pouf(behind, (width, height))
    guide = pasted(scene.room, pouf, box)
    product, near = np.zeros_like(scene.product), np.zeros_like(scene.near)
    product[box[1] : box[3], box[0] : box[2]] = guide.alpha > 0.5
    beside, above = round(0.6 * width), round(0.35 * height)
    near[max(0, box[1] - above) : box[3] + above, max(0, box[0] - beside) : box[2] + beside] = True
    name = f"{scene.name}, camouflaged"
    return replace(scene, name=name, truth=guide.pixels, product=product, near=near, box=box), pouf


def _pouf(color: NDArray[Any], size: tuple[int, int]) -> CutOut:
    """Return a superellipse with a weave, a little lighter at its top than at its bottom."""
    x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
    edge = (1 - (np.abs(x) ** 6 + np.abs(y) ** 6)) * min(size) / 6
    weave = cv2.GaussianBlur(np.random.default_rng(3).normal(0, 1, size[::-1]), (0, 0), 1.5)
    color = color * (0.99 - 0.05 * y)[..., None] + (4 * weave / weave.std())[..., None]
    return CutOut(as_pixels(color), np.asarray(edge.clip(0, 1), np.float32), 1.0)


# Model


def motion(model: Model, scene: Scene) -> Matrix:
    """Return the matrix from a point in the photo to the same point in a raw result of the photo's size."""
    height, width = scene.product.shape
    turn = model.zoom * np.exp(1j * np.radians(model.degrees))
    to_middle = np.array([[1, 0, (1 - width) / 2], [0, 1, (1 - height) / 2], [0, 0, 1]])
    move = np.array(
        [
            [turn.real, -turn.imag, model.shift[0] * width],
            [turn.imag, turn.real, model.shift[1] * height],
            [2 * model.tilt / width, model.tilt / height, 1],
        ]
    )
    return cast(Matrix, np.linalg.inv(to_middle) @ move @ to_middle)


def painted(model: Model, scene: Scene) -> Pixels:
    size = size_of(scene.truth)
    raw = repainted(scene) if model.repaint else scene.truth
    raw = as_pixels(raw * (1 + model.gradient * plane(scene)[..., None])) if model.gradient else raw
    if not np.array_equal(motion(model, scene), np.eye(3)):
        flags, border = cv2.INTER_LANCZOS4, cv2.BORDER_REFLECT
        raw = as_pixels(cv2.warpPerspective(raw, motion(model, scene), size, flags=flags, borderMode=border))
    raw = as_pixels(raw * GAINS + OFFSETS) if model.color_shift else raw
    if model.megapixel:
        raw = as_pixels(cv2.resize(raw, model_size(scene), interpolation=cv2.INTER_AREA))
    if model.jpeg:
        coded = cv2.imencode(".jpg", raw, [cv2.IMWRITE_JPEG_QUALITY, model.jpeg])[1]
        raw = cast(Pixels, cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return as_pixels(cv2.resize(raw, size, interpolation=cv2.INTER_CUBIC)) if model.megapixel else raw


def model_size(scene: Scene) -> tuple[int, int]:
    """Return a size of about a megapixel on the model's grid, each side rounded separately, as diffusers does."""
    height, width = scene.product.shape
    scale = np.sqrt(MODEL_AREA / (width * height)) / MODEL_GRID
    return round(width * scale) * MODEL_GRID, round(height * scale) * MODEL_GRID


def repainted(scene: Scene) -> Pixels:
    """Return the scene with the product in another color, striped, and its outline drawn a little larger."""
    left, top, right, bottom = scene.box
    move = np.array([[1.05, 0, -0.05 * left - 0.01 * (right - left)], [0, 1.03, -0.03 * bottom]])
    outline = cv2.warpAffine(scene.product.astype(np.uint8), move, size_of(scene.truth)) > 0
    hsv = cv2.cvtColor(scene.truth, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 25) % 180
    rows, columns = np.indices(outline.shape) * 100.0 / (bottom - top)
    stripes = 12 * np.sin(columns / 7 + rows / 11)[..., None]
    another = as_pixels(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) + stripes)
    return np.where((scene.product | outline)[..., None], another, scene.truth)


def undone(model: Model, scene: Scene, raw: Pixels) -> Pixels:
    """Return `raw` with the model's true motion and color shift undone, which no restoration knows exactly."""
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    still = cv2.warpPerspective(raw, motion(model, scene), size_of(raw), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return as_pixels((still - OFFSETS) / GAINS) if model.color_shift else as_pixels(still)


def plane(scene: Scene) -> Matrix:
    """Return a plane from -1 in one corner to 1 in the opposite one."""
    height, width = scene.product.shape
    return np.linspace(-0.6, 0.6, width)[None, :] + np.linspace(-0.4, 0.4, height)[:, None]


def as_pixels(values: NDArray[Any]) -> Pixels:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


# Measures


def residual(scene: Scene, found: Matrix, true: Matrix) -> tuple[float, float]:
    """Return the median and the largest distance, in photo pixels, over a grid of points outside the product."""
    height, width = scene.product.shape
    x, y = np.meshgrid(np.linspace(0, width - 1, 161).round(), np.linspace(0, height - 1, 121).round())
    outside = ~scene.product[y.astype(int), x.astype(int)]
    places = np.stack([x[outside], y[outside]], axis=1)[None]
    apart = np.linalg.norm(cv2.perspectiveTransform(places, np.linalg.inv(true) @ found) - places, axis=2)
    return float(np.median(apart)), float(apart.max())


def psnr(scene: Scene, pixels: Pixels, where: Mask | None = None) -> float:
    """Return the PSNR in dB against the truth over `where`, by default the product's surroundings."""
    where = scene.near if where is None else where
    error = (pixels[where].astype(float) - scene.truth[where]) ** 2
    return float(10 * np.log10(255**2 / max(error.mean(), 1e-9)))
