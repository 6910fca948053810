"""Makes a gallery on this machine: real products in real rooms, with the seconds of each picture.

`make gallery`, or `python docs/gallery.py FOLDER [--qualities fast best] [--jobs N]`. `ENGINE` chooses what paints.
"""

import argparse
import asyncio
import base64
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pictures import REAL, beside, in_square
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rp_handler import handler  # noqa: E402
from schemas.jobs import Quality  # noqa: E402

SEED = 1
COLUMNS = ("picture", "quality", "steps", "seconds", "with reading and writing", "changed", "failed checks")


class GalleryError(Exception):
    """A job of the gallery failed; the message is the answer's."""


@dataclass(frozen=True)
class Painted:
    """A picture of the gallery and the answer that brought it."""

    name: str
    quality: str
    answer: dict[str, Any]

    @property
    def file(self) -> str:
        """Name of the answer's own file, at full size."""
        return f"{self.name}-{self.quality}.{self.answer['mime_type'].partition('/')[2]}"

    @property
    def shown(self) -> str:
        """Name of the small picture with product, room and answer side by side."""
        return f"{self.name}-{self.quality}-shown.jpg"

    @property
    def data(self) -> bytes:
        return base64.b64decode(self.answer["processed_image"])

    def row(self) -> str:
        info = self.answer["placement_info"]
        cells = (
            f"[{self.name}]({self.file})",
            self.quality,
            info["steps"],
            f"{info['processing_time']:.2f}",
            f"{self.answer['processing_time']:.2f}",
            f"{info['changed_fraction']:.1%}",
            ", ".join(info["checks"].get("failed", [])) or "none",
        )
        return f"| {' | '.join(map(str, cells))} |"


def answered(job_id: str, **job: Any) -> dict[str, Any]:
    answer = asyncio.run(handler({"id": job_id, "input": job}))
    if "error" in answer:
        raise GalleryError(answer["error"])
    return answer


def painted(folder: Path, qualities: list[str], jobs: list[dict[str, Any]]) -> Iterator[Painted]:
    """Yield every job in every quality, after writing its picture and what is shown of it into `folder`."""
    for job in jobs:
        room, product = REAL / job.pop("room"), REAL / job.pop("product")
        texts = {
            name: base64.b64encode(file.read_bytes()).decode()
            for name, file in (("room_image", room), ("product_image", product))
        }
        for quality in qualities:
            made = Painted(
                room.stem, quality, answered(f"{room.stem}-{quality}", **texts, **job, quality=quality, seed=SEED)
            )
            (folder / made.file).write_bytes(made.data)
            images = [in_square(Image.open(product)), Image.open(room), Image.open(io.BytesIO(made.data))]
            beside(images).save(folder / made.shown, quality=90)
            yield made


def page(health: dict[str, Any], pictures: list[Painted]) -> str:
    """Return the gallery as Markdown: what painted, a row of figures per picture, and the pictures."""
    gpu, plan = health["gpu"], health["plan"]
    weights = (
        f", {plan['transformer']} transformer, {plan['text_encoder']} text encoder" if "transformer" in plan else ""
    )
    shown = [f"## {made.name}, {made.quality}\n![{made.name}]({made.shown})" for made in pictures]
    return "\n\n".join([
        "# Gallery",
        f"Version {health['version']}, engine {pictures[0].answer['placement_info']['engine']}, "
        f"{gpu.get('name', 'no GPU')}{weights}. Each row: the shop's photo, the room, the answer. Seed {SEED}.",
        "\n".join([f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", *(made.row() for made in pictures)]),
        *shown,
        "",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for the pictures and README.md")
    parser.add_argument("--qualities", nargs="+", choices=get_args(Quality), default=["fast"])
    parser.add_argument("--jobs", type=int, help="only the first so many of examples/real_rooms/jobs.json")
    given = parser.parse_args()
    jobs = json.loads((REAL / "jobs.json").read_text())[: given.jobs]
    given.folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for made in painted(given.folder, given.qualities, jobs):
        print(made.row(), flush=True)  # noqa: T201
        pictures.append(made)
    health = asyncio.run(handler({"id": "health", "input": {"action": "health_check"}}))
    (given.folder / "README.md").write_text(page(health, pictures))


if __name__ == "__main__":
    main()
