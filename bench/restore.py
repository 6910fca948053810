"""How well a drifting model's picture is brought back onto the photo, on cases with ground truth.

usage: python bench/restore.py [--json] [CASE_DIR ...]

The raw result is the case's truth as an unkind model would hand it over: zoomed, shifted, turned, recoloured, noisy as
a JPEG, squeezed through a megapixel, the product repainted, the light uneven. At 12 megapixels room and truth are
enlarged, given one fine texture, and every raw result goes through the megapixel. Beside the answer stands the plain
way: the raw result resized to the photo.

Residual misregistration is that of the photo's pixels outside the product, against the drift that was really applied.
PSNR is over the product's surroundings, against the truth. Its loss is against the same raw result, noise and round
trip and repainting included, that did not drift in place or colour and was restored alike.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs as it lies

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402

from imaging.picture import Box, Mask, Pixels  # noqa: E402
from imaging.register import only_resized, size_of  # noqa: E402
from imaging.restore import Restored, restore  # noqa: E402

Matrix = NDArray[np.float64]

LARGE = 12e6
MODEL_AREA, MODEL_GRID = 2**20, 32
COLUMNS = ("outside", "median_px", "worst_px", "psnr", "plain_outside", "plain_median", "plain_worst", "plain_psnr",
           "undrifted", "loss_db", "seconds")  # fmt: skip


@dataclass(frozen=True)
class Model:
    """What an unkind model does. `shift` in shares of the picture, `tilt` the perspective's change of scale from the
    middle to the edge, `jpeg` a quality."""

    name: str
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    degrees: float = 0.0
    tilt: float = 0.0
    cast: bool = False
    jpeg: int | None = None
    megapixel: bool = False
    repaint: bool = False
    gradient: float = 0.0

    @property
    def without_drift(self) -> "Model":
        return replace(self, zoom=1.0, shift=(0.0, 0.0), degrees=0.0, tilt=0.0, cast=False)


MODELS = (
    Model("zoom 1.03", zoom=1.03),
    Model("zoom 0.97", zoom=0.97),
    Model("shift 2 %", shift=(0.02, -0.02)),
    Model("turn 0.5", degrees=0.5),
    Model("tilt", tilt=0.002),
    Model("cast", cast=True),
    Model("JPEG noise", jpeg=70),
    Model("megapixel", megapixel=True),
    Model("mixture", 1.02, (0.012, -0.015), -0.4, 0.001, True, 75, True),
    Model("its opposite", 0.97, (-0.02, 0.02), 0.5, -0.001, True, 75, True),
    Model("repainted", 0.98, (0.02, 0.01), 0.5, cast=True, jpeg=75, megapixel=True, repaint=True),
    Model("uneven light", 1.03, (-0.015, 0.01), -0.5, cast=True, jpeg=75, megapixel=True, gradient=0.15),
    Model("everything", 0.975, (0.018, -0.02), 0.45, -0.001, True, 70, True, True, -0.12),
)


@dataclass(frozen=True, eq=False)
class Scene:
    """`near` is where a product at `box`, its shadow and its light may change the photo."""

    name: str
    room: Pixels
    truth: Pixels
    product: Mask
    near: Mask
    box: Box


def brought_back(scene: Scene, raw: Pixels) -> Restored:
    """The way from a raw result to the answer."""
    return restore(scene.room, raw, scene.near, scene.box)


# The scenes


def read_scene(folder: Path) -> Scene:
    room, truth = (np.array(Image.open(folder / name).convert("RGB")) for name in ("room.png", "truth.png"))
    product = np.array(Image.open(folder / "mask.png").getchannel("A")) > 127
    left, top, right, bottom = json.loads((folder / "case.json").read_text())["box"]
    beside, above = round(0.6 * (right - left)), round(0.35 * (bottom - top))
    near = np.zeros_like(product)
    near[max(0, top - above) : bottom + above, max(0, left - beside) : right + beside] = True
    return Scene(folder.name, room, truth, product, near, (left, top, right, bottom))


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
    return Scene(scene.name, room, truth, product, near, box)


# The model


def motion(model: Model, scene: Scene) -> Matrix:
    """From a place in the photo to the same thing's place in a raw result of the photo's size."""
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
    raw = as_pixels(raw * np.array([1.05, 1.0, 0.93]) + np.array([3, -4, 5])) if model.cast else raw
    if model.megapixel:
        raw = as_pixels(cv2.resize(raw, model_size(scene), interpolation=cv2.INTER_AREA))
    if model.jpeg:
        coded = cv2.imencode(".jpg", raw, [cv2.IMWRITE_JPEG_QUALITY, model.jpeg])[1]
        raw = cast(Pixels, cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return as_pixels(cv2.resize(raw, size, interpolation=cv2.INTER_CUBIC)) if model.megapixel else raw


def model_size(scene: Scene) -> tuple[int, int]:
    """A megapixel on the model's grid, each side rounded on its own, as diffusers does."""
    height, width = scene.product.shape
    scale = np.sqrt(MODEL_AREA / (width * height)) / MODEL_GRID
    return round(width * scale) * MODEL_GRID, round(height * scale) * MODEL_GRID


def repainted(scene: Scene) -> Pixels:
    """The product in another colour, striped, and its outline drawn a little larger."""
    left, top, right, bottom = scene.box
    move = np.array([[1.05, 0, -0.05 * left - 0.01 * (right - left)], [0, 1.03, -0.03 * bottom]])
    outline = cv2.warpAffine(scene.product.astype(np.uint8), move, size_of(scene.truth)) > 0
    hsv = cv2.cvtColor(scene.truth, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 25) % 180
    rows, columns = np.indices(outline.shape) * 100.0 / (bottom - top)
    stripes = 12 * np.sin(columns / 7 + rows / 11)[..., None]
    another = as_pixels(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) + stripes)
    return np.where((scene.product | outline)[..., None], another, scene.truth)


def plane(scene: Scene) -> Matrix:
    """-1 in one corner to 1 in the other."""
    height, width = scene.product.shape
    return np.linspace(-0.6, 0.6, width)[None, :] + np.linspace(-0.4, 0.4, height)[:, None]


def as_pixels(values: NDArray[Any]) -> Pixels:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


# The measures


def residual(scene: Scene, found: Matrix, true: Matrix) -> tuple[float, float]:
    """Median and largest distance, in photo pixels, over a grid of places outside the product."""
    height, width = scene.product.shape
    x, y = np.meshgrid(np.linspace(0, width - 1, 161).round(), np.linspace(0, height - 1, 121).round())
    outside = ~scene.product[y.astype(int), x.astype(int)]
    places = np.stack([x[outside], y[outside]], axis=1)[None]
    apart = np.linalg.norm(cv2.perspectiveTransform(places, np.linalg.inv(true) @ found) - places, axis=2)
    return float(np.median(apart)), float(apart.max())


def identical(scene: Scene, pixels: Pixels) -> float:
    """The share of pixels outside the place asked for that are the photo's, bit for bit."""
    return float((pixels == scene.room).all(axis=2)[~scene.near].mean())


def psnr(scene: Scene, pixels: Pixels) -> float:
    error = (pixels[scene.near].astype(float) - scene.truth[scene.near]) ** 2
    return float(10 * np.log10(255**2 / max(error.mean(), 1e-9)))


def score(scene: Scene, model: Model) -> dict[str, Any]:
    raw, true = painted(model, scene), motion(model, scene)
    started = time.perf_counter()
    answer = brought_back(scene, raw)
    seconds = time.perf_counter() - started
    undrifted = psnr(scene, brought_back(scene, painted(model.without_drift, scene)).pixels)
    median, worst = residual(scene, answer.registration.matrix, true)
    plain_median, plain_worst = residual(scene, only_resized(size_of(raw), size_of(scene.room)).matrix, true)
    return {
        "case": scene.name,
        "megapixels": round(scene.product.size / 1e6, 1),
        "drift": model.name,
        "outside": identical(scene, answer.pixels),
        "median_px": median,
        "worst_px": worst,
        "psnr": psnr(scene, answer.pixels),
        "plain_outside": identical(scene, raw),
        "plain_median": plain_median,
        "plain_worst": plain_worst,
        "plain_psnr": psnr(scene, raw),
        "undrifted": undrifted,
        "loss_db": undrifted - psnr(scene, answer.pixels),
        "seconds": seconds,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The worst of each; medians are the largest of any row's."""
    large = [row for row in rows if row["megapixels"] > 6]
    given = [row for row in rows if row["megapixels"] <= 6]
    return {
        "outside_identical": min(row["outside"] for row in rows),
        "median_px": max(row["median_px"] for row in given),
        "worst_px": max(row["worst_px"] for row in given),
        "psnr_loss_db": max(row["loss_db"] for row in rows),
        "median_px_12mp": max(row["median_px"] for row in large),
        "worst_px_12mp": max(row["worst_px"] for row in large),
        "seconds": max(row["seconds"] for row in given),
        "seconds_12mp": max(row["seconds"] for row in large),
    }


def print_row(row: dict[str, Any]) -> None:
    shown = (f"{row[name]:12.4f}" if "outside" in name else f"{row[name]:12.3f}" for name in COLUMNS)
    print(f"{row['case']:20}{row['megapixels']:5.1f} {row['drift']:13}" + "".join(shown), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="measures how drifted pictures are brought back")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    parser.add_argument("cases", nargs="*", type=Path, help="folders as in examples/photos, which is the default")
    asked = parser.parse_args()
    folders = asked.cases or sorted(file.parent for file in (ROOT / "examples/photos").glob("*/case.json"))
    if not asked.json:
        print(f"{'case':20}{'MP':>5} {'drift':13}" + "".join(f"{name.replace('_', ' '):>12}" for name in COLUMNS))
    rows = []
    for folder in folders:
        given = read_scene(folder)
        for scene in (given, enlarged(given)):
            for model in MODELS:
                model = model if scene is given else replace(model, megapixel=True)
                rows.append(score(scene, model))
                if not asked.json:
                    print_row(rows[-1])
    print(json.dumps(summary(rows)))


if __name__ == "__main__":
    main()
