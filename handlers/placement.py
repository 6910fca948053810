"""Where the product goes: what the caller said, what the engine's language model suggests, what the photo shows."""

from handlers.requests import EditRequest
from handlers.runtime.engine_runner import EngineRunner
from imaging.cutout import CutOut
from imaging.geometry.camera import Camera
from imaging.geometry.find_camera import find_camera
from imaging.placement.layout import Placement, Wish, lay_out, surface_of
from imaging.placement.mask_fit import reaches
from imaging.placement.suggestion import Suggestion, sensible, shown
from models.engine import Control, Question
from models.qwen.prompts import layout_prompt
from schemas.errors import ErrorCode, JobError
from schemas.reply import read_reply


def place(request: EditRequest, product: CutOut, runner: EngineRunner, control: Control) -> Placement:
    """Raises JobError where the place that the caller chose lies outside the mask."""
    job = request.job
    camera = find_camera(request.room.pixels, job.camera_height_cm)
    wish = Wish(
        instructions=job.words,
        coordinates=request.coordinates,
        box=request.box,
        surface=job.placement_surface,
        mask=request.mask,
        scale=job.product_scale,
        product_height_cm=job.product_height_cm,
    )
    suggestion = _suggested(request, wish, product, camera, runner, control) if _is_open(wish) else Suggestion()
    placement = lay_out(request.room.pixels, product, camera, wish, suggestion)
    if request.mask is not None and not reaches(product.alpha, placement.frame, request.mask):
        field = "placement_box" if wish.box else "placement_coordinates" if wish.coordinates else "mask"
        message = f"Invalid {field}: nothing of the product would stand inside the mask"
        raise JobError(ErrorCode.INVALID_INPUT, message, (field,))
    return placement


def _is_open(wish: Wish) -> bool:
    """Whether place or size are left to us."""
    if wish.box or wish.mask is not None:
        return False
    return not (wish.coordinates and (wish.product_height_cm or wish.scale))


def _suggested(
    request: EditRequest, wish: Wish, product: CutOut, camera: Camera, runner: EngineRunner, control: Control
) -> Suggestion:
    """Of what the language model says only numbers are taken, and of those only what can be true."""
    pictures = shown(request.room, product)
    seen = pictures[0].size
    text = runner.ask(Question(layout_prompt(wish.instructions, seen), pictures), control)
    reply = read_reply(text or "")
    return sensible(reply, seen, camera, surface_of(wish) or "floor") if reply else Suggestion()
