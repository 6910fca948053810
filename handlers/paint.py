"""`paint`: make pictures from a prompt and reference pictures."""

from handlers.deliver import PaintingInfo, Result
from handlers.requests import PaintRequest, counted_up
from handlers.runtime.engine_runner import EngineRunner
from imaging.codec.color_profile import in_profile
from imaging.picture import Picture, Pixels
from imaging.restoration.restoration import restore
from models.engine import Control, PaintTask


def paint(request: PaintRequest, runner: EngineRunner, control: Control) -> Result:
    """Paint the request's variants. There is no fallback to the preview: a compositor cannot follow a prompt."""
    tasks = [
        PaintTask(request.prompt, request.references, request.size, sampling)
        for sampling in counted_up(request.first, request.n)
    ]
    outcome = runner.paint(tasks, control, fallback=False)
    pictures = [_within_mask(request, painted.pixels) for painted in outcome.variants]
    first = outcome.variants[0]
    info = PaintingInfo(outcome.engine, first.steps, first.true_cfg_scale, len(request.references))
    return Result(pictures, [task.sampling.seed for task in tasks], info, [*request.warnings, *outcome.warnings])


def _within_mask(request: PaintRequest, painted: Pixels) -> Picture:
    """Restore the canvas outside the mask and return the picture in the canvas's color profile; engines paint in
    sRGB."""
    if request.mask is None:
        return Picture(painted)
    canvas = request.references[0]
    own = in_profile(Picture(painted), canvas.icc).pixels
    return Picture(restore(canvas.pixels, own, request.mask).pixels, icc=canvas.icc)
