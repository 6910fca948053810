"""The preview engine: composites on the CPU without a model, and says so in every answer."""

from collections.abc import Iterator
from typing import Any

from imaging.compose import compose
from imaging.placement.layout import Wish, lay_out
from imaging.scenes import DrawnScene, draw_scene
from models.engine import Control, EditTask, GenerateTask, Painted, PaintTask, Question, Sampling
from schemas.errors import ErrorCode, JobError
from schemas.jobs import Quality

CANNOT_REPLACE = (
    "Invalid replace: the preview engine cannot paint what is behind the old object, and the product does not cover it"
)


NO_TABLE = "Rooms drawn by the preview engine have no free table: the product stands on the floor"


class Preview:
    name = "preview"
    device = "cpu"
    qualities: tuple[Quality, ...] = ("fast",)
    products_per_pass = 6

    @property
    def plan(self) -> dict[str, Any]:
        return {"engine": self.name, "model": None}

    def edit(self, task: EditTask, control: Control) -> Painted:
        """Return the guide, which already is the finished picture."""
        control.progress("compose", 1, 1)
        if task.must_paint_behind:
            raise JobError(ErrorCode.NOT_SUPPORTED, CANNOT_REPLACE, ("replace",))
        return Painted(task.guide.pixels, 0, 1.0, tuple(_without_effect(task.sampling, task.harmonize)), is_guide=True)

    def generate(self, task: GenerateTask, control: Control) -> Painted:
        control.progress("draw", 0, 2)
        scene = draw_scene(task.environment, task.size, task.sampling.seed, _extent_cm(task))
        control.progress("compose", 1, 2)
        placement = lay_out(scene.pixels, task.cut_out, scene.camera, _wish(task, scene))
        warnings = [*_without_effect(task.sampling, task.harmonize), *placement.warnings]
        if task.surface == "tabletop":
            warnings.append(NO_TABLE)
        if task.instructions:
            warnings.append("instructions have no effect on rooms drawn by the preview engine")
        return Painted(compose(scene.pixels, task.cut_out, placement).pixels, 0, 1.0, tuple(warnings))

    def ask(self, question: Question, control: Control) -> str | None:  # noqa: ARG002  the Protocol's parameters
        return None

    def paint(self, task: PaintTask, control: Control) -> Painted:
        if task.references:
            raise JobError(ErrorCode.NOT_SUPPORTED, "The preview engine cannot edit a picture by words alone")
        control.progress("draw", 0, 1)
        scene = draw_scene(task.prompt, task.size, task.sampling.seed)
        return Painted(scene.pixels, 0, 1.0, tuple(_without_effect(task.sampling)))


def _wish(task: GenerateTask, scene: DrawnScene) -> Wish:
    """Return where the product goes in a drawn room: at the free position, on the ceiling above it, or where the
    surface's own search finds one."""
    points = {"floor": scene.foot, "rug": scene.foot, "ceiling": (scene.foot[0], 0)}
    surface = scene.surface if task.surface in ("auto", "tabletop") else task.surface
    return Wish(coordinates=points.get(surface), surface=surface, product_height_cm=task.product_height_cm)


def _extent_cm(task: GenerateTask) -> tuple[float, float] | None:
    if task.product_height_cm is None or task.surface not in ("auto", "floor", "tabletop"):
        return None
    rows, columns = task.cut_out.alpha.shape
    return task.product_height_cm * columns / rows, task.product_height_cm


def _without_effect(sampling: Sampling, harmonize: float | None = None) -> Iterator[str]:
    asked = {
        "quality": sampling.quality != "fast",
        "num_inference_steps": sampling.steps is not None,
        "true_cfg_scale": sampling.true_cfg_scale is not None,
        "negative_prompt": bool(sampling.negative_prompt),
        "harmonize": bool(harmonize),  # 0 is what a compositor does
    }
    for field, is_asked in asked.items():
        if is_asked:
            yield f"{field} has no effect on the preview engine"
