"""The preview engine: composites on the CPU without a model, and says so in every answer."""

from collections.abc import Iterator
from typing import Any

from imaging.compose import compose
from imaging.placement.layout import Wish, lay_out
from imaging.scenes import draw_scene
from models.engine import Control, EditTask, GenerateTask, Painted, PaintTask, Question, Sampling
from schemas.errors import ErrorCode, JobError
from schemas.jobs import Quality

CANNOT_REPLACE = (
    "Invalid replace: the preview engine cannot paint what is behind the old thing, and the product does not cover it"
)


class Preview:
    name = "preview"
    device = "cpu"
    qualities: tuple[Quality, ...] = ("fast",)
    products_per_pass = 6

    @property
    def plan(self) -> dict[str, Any]:
        return {"engine": self.name, "model": None}

    def edit(self, task: EditTask, control: Control) -> Painted:
        """Return the guide, which already is the picture."""
        control.progress("compose", 1, 1)
        if task.must_paint_behind:
            raise JobError(ErrorCode.NOT_SUPPORTED, CANNOT_REPLACE, ("replace",))
        return Painted(task.guide.pixels, 0, 1.0, tuple(_without_effect(task.sampling, task.harmonize)), is_guide=True)

    def generate(self, task: GenerateTask, control: Control) -> Painted:
        control.progress("draw", 0, 2)
        scene = draw_scene(task.environment, task.size, task.sampling.seed, _extent_cm(task))
        control.progress("compose", 1, 2)
        wish = Wish(coordinates=scene.foot, surface=scene.surface, product_height_cm=task.product_height_cm)
        placement = lay_out(scene.pixels, task.cut_out, scene.camera, wish)
        warnings = [*_without_effect(task.sampling, task.harmonize), *placement.warnings]
        if task.instructions:
            warnings.append("instructions have no effect on the rooms that the preview engine draws")
        return Painted(compose(scene.pixels, task.cut_out, placement).pixels, 0, 1.0, tuple(warnings))

    def ask(self, question: Question, control: Control) -> str | None:  # noqa: ARG002  the Protocol's parameters
        return None

    def paint(self, task: PaintTask, control: Control) -> Painted:
        if task.references:
            raise JobError(ErrorCode.NOT_SUPPORTED, "The preview engine cannot edit a picture by words alone")
        control.progress("draw", 0, 1)
        scene = draw_scene(task.prompt, task.size, task.sampling.seed)
        return Painted(scene.pixels, 0, 1.0, tuple(_without_effect(task.sampling)))


def _extent_cm(task: GenerateTask) -> tuple[float, float] | None:
    if task.product_height_cm is None:
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
