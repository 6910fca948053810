"""Times what an edit of a 12-megapixel photo costs around the model: cut-out, layout, guide, and restoring and judging
the model's picture.

usage: python bench/stages.py [--json] [CASE_DIR ...]

A product is new the first time and found in the cut-out cache after that; each time is the median of five runs. The
stages before the model run while the GPU is busy with the previous job. The model's picture is the truth, zoomed and
shifted, at its working size.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs from its folder

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from bench.placement import picture  # noqa: E402
from handlers.requests import EditRequest, ProductRequest  # noqa: E402
from handlers.runtime.cutout_cache import CutOutCache  # noqa: E402
from handlers.runtime.engine_runner import EngineRunner  # noqa: E402
from handlers.runtime.job_stats import JobStats  # noqa: E402
from handlers.steps.placement import place  # noqa: E402
from handlers.steps.quality_checks import Thresholds  # noqa: E402
from handlers.steps.restoration import restore_and_check  # noqa: E402
from handlers.steps.scene import compose_scene  # noqa: E402
from imaging.picture import Picture  # noqa: E402
from models.checkpoints.profiles import PROFILES  # noqa: E402
from models.engine import Control, Painted  # noqa: E402
from models.preview import Preview  # noqa: E402
from models.qwen.grid import fit, window  # noqa: E402
from models.resident import Resident  # noqa: E402
from schemas.jobs import EditJob  # noqa: E402
from schemas.settings import Settings  # noqa: E402
from testing.drift import Model, Scene, enlarged, painted, read_scene  # noqa: E402

STAGES = ("cut-out", "layout", "guide", "restore and judge")
RUNS = 5
DRIFT = Model("", 1.02, (0.01, -0.01), 0.3, color_shift=True)
PROFILE = PROFILES["qwen-image-edit-2511"]


@dataclass
class Watch:
    """Seconds by stage, one value per run."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})

    def time(self, stage: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        made = work()
        self.seconds[stage].append(time.perf_counter() - started)
        return made


def edited(scene: Scene, product: Picture, raw: np.ndarray, cut_outs: CutOutCache, watch: Watch) -> None:
    told = json.loads((scene.folder / "case.json").read_text())
    scale = scene.room.shape[0] / told["size"][1]
    job = EditJob(product_image="-", room_image="-", product_height_cm=told["height_cm"])
    foot = (int(told["foot"][0] * scale), int(told["foot"][1] * scale))
    product_request = ProductRequest(job.items[0], product, foot, None)
    request = EditRequest(job, (product_request,), Picture(scene.room), None, seed=0)
    thresholds = Thresholds.of(Settings(_env_file=None))
    runner = EngineRunner(Resident("preview", Preview, 1), Preview(), JobStats(3))

    cutting = watch.time("cut-out", lambda: cut_outs.cut_out(product, "product_image"))
    placed = watch.time("layout", lambda: place(request, [cutting], runner, Control()))
    start = watch.time("guide", lambda: compose_scene(request, scene.room, placed))
    assert start.region is not None, "the background is preserved"
    part = window(request.room.size, start.region, PROFILE.area, PROFILE.multiple)
    left, top, right, bottom = part
    grid = fit((right - left, bottom - top), PROFILE.area, PROFILE.multiple)
    result = Painted(grid.leave(grid.enter(raw[top:bottom, left:right])), 4, 1.0, window=part)
    watch.time("restore and judge", lambda: restore_and_check([start], [result], thresholds))


def score(folder: Path, product_file: str) -> dict[str, Any]:
    scene = enlarged(read_scene(folder))
    product, raw = picture(folder / product_file), painted(DRIFT, scene)
    new, seen = Watch(), Watch()
    for _ in range(RUNS):
        cut_outs = CutOutCache()
        for watch in (new, seen):
            edited(scene, product, raw, cut_outs, watch)
    row: dict[str, Any] = {"case": folder.name, "product": product_file}
    for name, watch in (("new", new), ("seen", seen)):
        stages = {stage: median(seconds) for stage, seconds in watch.seconds.items()}
        row[name] = stages | {"all": sum(stages.values())}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description="times the stages around the model")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    parser.add_argument("cases", nargs="*", type=Path, help="folders as in examples/photos, which is the default")
    asked = parser.parse_args()
    cv2.setNumThreads(2)
    folders = asked.cases or sorted(file.parent for file in (ROOT / "examples/photos").glob("*/case.json"))
    rows = [score(folder, file) for folder in folders for file in ("product_white.png", "product_alpha.png")]
    worst = {f"{name}_s": max(row[name]["all"] for row in rows) for name in ("new", "seen")}
    if not asked.json:
        print(f"{'case':22}{'product':20}{'':6}" + "".join(f"{stage:>20}" for stage in (*STAGES, "all")))
        for row in rows:
            for name in ("new", "seen"):
                shown = "".join(f"{row[name][stage]:18.3f} s" for stage in (*STAGES, "all"))
                print(f"{row['case']:22}{row['product']:20}{name:6}{shown}")
    print(json.dumps(worst))


if __name__ == "__main__":
    main()
