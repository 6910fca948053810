"""`paint`: words and reference pictures to pictures."""

from handlers.requests import PaintRequest, counted_up
from handlers.runtime.engine_runner import EngineRunner, Made, PaintingInfo, paint_each
from imaging.codec.color_profile import in_profile
from imaging.picture import Picture, Pixels
from imaging.restoration.restoration import restore
from models.engine import Control, PaintTask


def paint(request: PaintRequest, runner: EngineRunner, control: Control) -> Made:
    """Never falls back: a compositor cannot follow words."""
    tasks = [
        PaintTask(request.prompt, request.references, request.size, sampling)
        for sampling in counted_up(request.first, request.n)
    ]
    outcome = runner.paint(lambda model: paint_each(model.paint, tasks, control), control, fallback=False)
    pictures = [_within_mask(request, painted.pixels) for painted in outcome.variants]
    first = outcome.variants[0]
    info = PaintingInfo(outcome.engine, first.steps, first.true_cfg_scale, len(request.references))
    return Made(pictures, [task.sampling.seed for task in tasks], info, [*request.warnings, *outcome.warnings])


def _within_mask(request: PaintRequest, painted: Pixels) -> Picture:
    """Engines paint in sRGB; a masked picture stays in the colors of its canvas, and is that canvas outside."""
    if request.mask is None:
        return Picture(painted)
    canvas = request.references[0]
    own = in_profile(Picture(painted), canvas.icc).pixels
    return Picture(restore(canvas.pixels, own, request.mask).pixels, icc=canvas.icc)
