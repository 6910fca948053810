"""The preview engine: composites on the CPU without a model, and says so in every answer."""

from collections.abc import Iterator
from typing import Any

from imaging.compose import compose
from imaging.placement.in_plane import is_oblique
from imaging.placement.layout import OBLIQUE_RUG, Wish, lay_out, usual_size_cm
from imaging.placement.text_placement import Surface
from imaging.scenes import DrawnScene, Exhibit, draw_scene
from models.engine import Control, EditTask, GenerateTask, Painted, PaintTask, Question, Sampling
from schemas.errors import ErrorCode, JobError
from schemas.jobs import Quality

CANNOT_REPLACE = (
    "Invalid replace: the preview engine cannot paint what is behind the old object, and the product does not cover it"
)

OUTDOORS = "Outdoors there is neither a wall nor a ceiling: the product hangs where one would be"


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
        exhibit = _exhibit(task)
        scene = draw_scene(task.environment, task.size, task.sampling.seed, exhibit)
        warnings = list(_without_effect(task.sampling, task.harmonize))
        if task.instructions:
            warnings.append("instructions have no effect on rooms drawn by the preview engine")
        if scene.is_outdoors and task.surface in ("wall", "ceiling"):
            warnings.append(OUTDOORS)
        if scene.is_complete:
            return Painted(scene.pixels, 0, 1.0, (*warnings, *([OBLIQUE_RUG] if is_oblique(task.cut_out) else [])))
        control.progress("compose", 1, 2)
        placement = lay_out(scene.pixels, task.cut_out, scene.camera, _wish(task, scene))
        made = compose(scene.pixels, task.cut_out, placement).pixels
        return Painted(made, 0, 1.0, (*warnings, *placement.warnings))

    def ask(self, question: Question, control: Control) -> str | None:  # noqa: ARG002  the Protocol's parameters
        return None

    def paint(self, task: PaintTask, control: Control) -> Painted:
        if task.references:
            raise JobError(ErrorCode.NOT_SUPPORTED, "The preview engine cannot edit a picture by words alone")
        control.progress("draw", 0, 1)
        scene = draw_scene(task.prompt, task.size, task.sampling.seed)
        return Painted(scene.pixels, 0, 1.0, tuple(_without_effect(task.sampling)))


def _exhibit(task: GenerateTask) -> Exhibit | None:
    """Return the product with its size; None if it stands on the floor and its size is not known."""
    surface: Surface = "floor" if task.surface == "auto" else task.surface
    height_cm = task.product_height_cm
    if height_cm is None:
        return None if surface == "floor" else Exhibit(task.cut_out, usual_size_cm(task.cut_out, surface), surface)
    rows, columns = task.cut_out.alpha.shape
    return Exhibit(task.cut_out, (height_cm * columns / rows, height_cm), surface)


def _wish(task: GenerateTask, scene: DrawnScene) -> Wish:
    """Return where the product goes in a drawn room: the place that is kept for it, or the surface's own search."""
    surface: Surface = "floor" if task.surface == "auto" else task.surface
    if scene.box:
        return Wish(box=scene.box, surface=surface)
    foot = scene.foot if surface == "floor" else None
    return Wish(coordinates=foot, surface=surface, product_height_cm=task.product_height_cm)


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
