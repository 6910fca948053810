"""Times a job without the model and the placement, from the text of the job to the text of its answer, against the
defaults of Pillow and Python in the same run.

usage: python bench/overhead.py [--json]

The room is a phone's JPEG with an EXIF rotation, and the answer shows it unchanged, through the whole worker. Each time
is the median of three alternating runs. A ratio is the time of the default PNG divided by ours.
"""

import argparse
import asyncio
import base64
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs from its folder

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from PIL import ExifTags, Image, ImageOps  # noqa: E402

from handlers import router  # noqa: E402
from handlers.deliver import Result  # noqa: E402
from handlers.requests import EditRequest  # noqa: E402
from handlers.runtime.worker_state import WorkerState  # noqa: E402
from imaging.picture import Picture, Pixels  # noqa: E402
from models.engine import Control  # noqa: E402
from models.preview import Preview  # noqa: E402
from models.resident import Resident  # noqa: E402
from rp_handler import Door  # noqa: E402
from schemas.answers import PlacementInfo, Scale  # noqa: E402
from schemas.settings import Settings  # noqa: E402
from testing.drift import enlarged, read_scene  # noqa: E402

ROOM = ROOT / "examples/photos/armchair_daylight"
MEGAPIXELS = (1, 2, 12)
FORMATS = ("png", "auto", "jpeg")
RUNS = 3
TURNED_LEFT = 6


def unchanged(request: EditRequest, worker: WorkerState, control: Control) -> Result:  # noqa: ARG001 as edit
    """Return the room unchanged in place of an edit, so that only the work around it is timed."""
    info = PlacementInfo(
        instructions="",
        engine="none",
        seed=request.seed,
        steps=1,
        true_cfg_scale=1.0,
        cutout_confidence=1.0,
        processing_time=0.0,
        coordinates=(0, 0),
        box=(0, 0, 1, 1),
        surface="floor",
        scale=Scale(source="asked", error_percent=0.0),
        original_size=request.room.size,
        changed_fraction=0.0,
        checks={},
    )
    return Result([Picture(request.room.pixels, icc=request.room.icc)], [request.seed], info, [])


@dataclass(frozen=True)
class Row:
    megapixels: int
    output_format: str
    seconds: float
    plain_seconds: float
    size: int
    plain_size: int
    kind: str
    exact: bool

    @property
    def ratio(self) -> float:
        return self.plain_seconds / self.seconds


def phone_photo(megapixels: int) -> bytes:
    upright = Image.fromarray(enlarged(read_scene(ROOM)).room)
    share = (megapixels * 1e6 / (upright.width * upright.height)) ** 0.5
    if share < 1:
        upright = upright.resize((round(upright.width * share), round(upright.height * share)))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = TURNED_LEFT
    file = BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(file, "JPEG", quality=92, exif=exif)
    return file.getvalue()


def job_text(room: bytes, output_format: str) -> str:
    product = (ROOM / "product_white.png").read_bytes()
    job_input = {
        "action": "edit",
        "product_image": base64.b64encode(product).decode(),
        "room_image": base64.b64encode(room).decode(),
        "output_format": output_format,
        "seed": 1,
    }
    return json.dumps({"id": "sync-bench", "input": job_input})


def worker() -> Callable[[str], str]:
    settings = Settings(_env_file=None)
    router.edit = unchanged  # type: ignore[attr-defined]  # the verb that costs placement and painting
    door = Door(settings, router.build_router(settings, Resident("preview", Preview, 1)))

    def answer(text: str) -> str:
        output = asyncio.run(door.queued(json.loads(text)))
        return json.dumps({"output": output}, ensure_ascii=False)  # as the SDK does

    return answer


def plain(text: str) -> str:
    job = json.loads(text)["input"]
    _, room = (_plainly_read(job[name]) for name in ("product_image", "room_image"))
    file = BytesIO()
    room.save(file, "PNG")
    image = base64.b64encode(file.getvalue()).decode("utf-8")
    return json.dumps({"output": {"processed_image": image}})


def _plainly_read(text: str) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(BytesIO(base64.b64decode(text)))).convert("RGB")


def file_in(answer: str) -> bytes:
    return base64.b64decode(json.loads(answer)["output"]["processed_image"])


def pixels_of(file: bytes) -> Pixels:
    return np.array(Image.open(BytesIO(file)).convert("RGB"))


def timed(work: Callable[[str], str], text: str) -> tuple[float, str]:
    started = time.perf_counter()
    answer = work(text)
    return time.perf_counter() - started, answer


def rows_of(megapixels: int, ours: Callable[[str], str]) -> list[Row]:
    photo = phone_photo(megapixels)
    texts = {name: job_text(photo, name) for name in FORMATS}
    seconds: dict[str, list[float]] = {name: [] for name in ("plain", *FORMATS)}
    answers = {}
    for _ in range(RUNS):
        for name in seconds:
            spent, answers[name] = timed(*((plain, texts["png"]) if name == "plain" else (ours, texts[name])))
            seconds[name].append(spent)
    files = {name: file_in(answer) for name, answer in answers.items()}
    return [
        Row(
            megapixels=megapixels,
            output_format=name,
            seconds=median(seconds[name]),
            plain_seconds=median(seconds["plain"]),
            size=len(files[name]),
            plain_size=len(files["plain"]),
            kind="png" if files[name].startswith(b"\x89PNG") else "jpeg",
            exact=np.array_equal(pixels_of(files[name]), pixels_of(files["plain"])),
        )
        for name in FORMATS
    ]


def summary(rows: list[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {f"ratio_{row.output_format}_{row.megapixels}mp": round(row.ratio, 2) for row in rows}
    largest = next(row for row in rows if row.output_format == "png" and row.megapixels == max(MEGAPIXELS))
    found["png_size_12mp"] = round(largest.size / largest.plain_size, 3)
    found["png_exact"] = all(row.exact for row in rows if row.kind == "png")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="times a job beside the model and the placement")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    asked = parser.parse_args()
    cv2.setNumThreads(2)
    ours = worker()
    rows = [row for megapixels in MEGAPIXELS for row in rows_of(megapixels, ours)]
    if not asked.json:
        heads = f"{'room':>6} {'asked':>6} {'sent':>6}{'worker':>12}{'plain PNG':>12}{'faster':>9}"
        print(heads + f"{'MB':>8}{'plain MB':>10}  pixels")
        for row in rows:
            print(
                f"{row.megapixels:3d} MP {row.output_format:>6} {row.kind:>6}{row.seconds * 1e3:9.0f} ms"
                f"{row.plain_seconds * 1e3:9.0f} ms{row.ratio:8.1f}x{row.size / 1e6:8.2f}{row.plain_size / 1e6:10.2f}"
                f"  {'the same' if row.exact else 'lossy'}"
            )
    print(json.dumps(summary(rows)))


if __name__ == "__main__":
    main()
