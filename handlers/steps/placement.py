"""Decides where the products go, from the request, the language model's suggestion and the photo."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from handlers.requests import EditRequest, ProductRequest
from imaging.cutout import CutOut
from imaging.geometry.camera import Camera
from imaging.geometry.find_camera import find_camera
from imaging.picture import Box, Pixels
from imaging.placement.layout import Placement, Wish, base_point_of, lay_out
from imaging.placement.mask_fit import reaches
from imaging.placement.suggestion import Suggestion, box_in, product_shown, room_shown, sensible
from imaging.placement.surface_words import kind_of, surface_by_shape, surface_by_words
from imaging.placement.text_placement import Surface
from imaging.restoration.metrics import pasted
from models.engine import Control, Question
from models.qwen.prompts import find_prompt, layout_prompt
from schemas.errors import ErrorCode, JobError
from schemas.jobs import AskedSurface, GenerateJob, Product
from schemas.reply import Found, Reply, read_reply

GUESSED_RUG = (
    "placement_surface was guessed from the product's shape: it lies on the floor as a rug. "
    "Set placement_surface or product_name to be sure"
)
SURFACES_DISAGREE = "product_name suggests the surface {}, but the instructions say {}: the instructions were followed"

FORESHORTENED = 0.8
"""A rug's box is at most this share as high, for its width, as the photo of the rug."""

PAINTING_ORDER: dict[Surface, int] = {"wall": 0, "rug": 1}
"""Flat products come first: products that stand or hang are in front of them."""


class LanguageModel(Protocol):
    def ask(self, question: Question, control: Control, *, needed: bool = False) -> str | None:
        """Return the answer, or None where there is none. Raises JobError if the model failed and it is `needed`."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A product with its cut-out and its placement, before it is composed."""

    request: ProductRequest
    cut_out: CutOut
    placement: Placement


def find_replaced(request: EditRequest, model: LanguageModel, control: Control) -> EditRequest:
    """Return the request with the box of the object to replace.

    Raises JobError NOT_SUPPORTED if the object was named in words and the engine has no language model, INVALID_INPUT
    if the model does not find it in the photo, and the model's own error if it fails.
    """
    if request.replaced or not request.job.replace:
        return request
    words = str(request.job.replace).strip()
    photo = room_shown(request.room)
    text = model.ask(Question(find_prompt(words, photo.size), (photo,)), control, needed=True)
    if text is None:
        message = "Invalid replace: this engine does not look for things in the photo; send the box to replace"
        raise JobError(ErrorCode.NOT_SUPPORTED, message, ("replace",))
    found = read_reply(Found, text)
    box = box_in(found.box, photo.size, request.room.size) if found and found.box else None
    if not box:
        raise JobError(ErrorCode.INVALID_INPUT, "Invalid replace: it was not found in the photo", ("replace",))
    return replace(request, replaced=box)


def place(
    request: EditRequest, cut_outs: Sequence[CutOut], model: LanguageModel, control: Control
) -> tuple[Placed, ...]:
    """Return the placed products, in request order.

    They share one camera, and products without a given position avoid those placed before them. Raises JobError if a
    position that the caller chose lies outside the mask.
    """
    camera = find_camera(request.room.pixels, request.job.camera_height_cm)
    pixels, placed = request.room.pixels, []
    for product, cut_out in zip(request.products, cut_outs, strict=True):
        placement = _place_one(request, product, cut_out, pixels, camera, model, control)
        placed.append(Placed(product, cut_out, placement))
        if len(cut_outs) > 1:
            pixels = pasted(pixels, cut_out, placement.box).pixels
    return tuple(placed)


def painting_order(placed: Sequence[Placed]) -> list[Placed]:
    """Return the products in the order in which they are composed: flat ones, then the others from far to near."""
    return sorted(
        placed,
        key=lambda each: (PAINTING_ORDER.get(each.placement.surface, 2), -each.placement.distance_cm),
    )


def _place_one(
    request: EditRequest,
    product: ProductRequest,
    cut_out: CutOut,
    pixels: Pixels,
    camera: Camera,
    model: LanguageModel,
    control: Control,
) -> Placement:
    surface, warnings = asked_surface(product.fields, product.prefix)
    wish = _wish(request, product, surface)
    suggestion = Suggestion()
    if _is_open(wish):
        suggestion, seen = _suggested(request, product, wish, cut_out, camera, model, control)
        if surface == "auto" and seen:
            wish = replace(wish, surface=seen)
    if wish.surface == "auto" and surface_by_shape(cut_out) == "rug" and _may_lie(wish, cut_out, camera):
        wish, warnings = replace(wish, surface="rug"), [*warnings, GUESSED_RUG]
    placement = lay_out(pixels, cut_out, camera, wish, suggestion)
    if request.mask is not None and not reaches(cut_out.alpha, placement.frame, request.mask):
        field = "placement_box" if wish.box else "placement_coordinates" if wish.coordinates else "mask"
        field = field if field == "mask" else product.prefix + field
        message = f"Invalid {field}: no part of the product would be inside the mask"
        raise JobError(ErrorCode.INVALID_INPUT, message, (field,))
    if product.fields.rotation_degrees and placement.surface != "rug":
        warnings.append(f"{product.prefix}rotation_degrees has no effect: only rugs are turned")
    return replace(placement, warnings=(*placement.warnings, *warnings))


def asked_surface(fields: Product | GenerateJob, prefix: str = "") -> tuple[AskedSurface, list[str]]:
    """Return the surface from the field or the caller's words, or `auto` if neither names one, with warnings."""
    if fields.placement_surface != "auto":
        return fields.placement_surface, []
    by_words, kind = surface_by_words(fields.words, fields.product_name), kind_of(fields.product_name)
    if kind and by_words and kind != by_words:
        return by_words, [prefix + SURFACES_DISAGREE.format(kind, by_words)]
    return by_words or "auto", []


def _wish(request: EditRequest, product: ProductRequest, surface: AskedSurface) -> Wish:
    fields, box = product.fields, product.box
    coordinates = product.coordinates
    if request.replaced and not (box or coordinates):
        coordinates, box = _where_the_old_one_was(request.replaced, product, surface)
    return Wish(
        instructions=fields.words,
        coordinates=coordinates,
        box=box,
        surface=surface,
        mask=request.mask,
        scale=fields.product_scale,
        product_height_cm=fields.product_height_cm,
        product_width_cm=fields.product_width_cm,
        rotation_degrees=fields.rotation_degrees or 0.0,
    )


def _where_the_old_one_was(
    replaced: Box, product: ProductRequest, surface: AskedSurface
) -> tuple[tuple[int, int] | None, Box | None]:
    """Return the replaced object's base point if the product's size is known, otherwise its box."""
    fields = product.fields
    if not (fields.product_height_cm or fields.product_width_cm or fields.product_scale):
        return None, replaced
    return base_point_of(replaced, surface), None


def _is_open(wish: Wish) -> bool:
    """Return True if the caller left the position or the size open."""
    if wish.box or wish.mask is not None:
        return False
    return not (wish.coordinates and (wish.has_size or wish.scale))


def _may_lie(wish: Wish, product: CutOut, camera: Camera) -> bool:
    """Return True if the position is on the floor; a box must also be flatter than the photo, as rugs are foreshortened
    there."""
    if wish.box:
        left, top, right, bottom = wish.box
        height, width = product.alpha.shape
        return bottom > camera.horizon and (bottom - top) / (right - left) < FORESHORTENED * height / width
    return wish.coordinates is None or wish.coordinates[1] > camera.horizon


def _suggested(
    request: EditRequest,
    product: ProductRequest,
    wish: Wish,
    cut_out: CutOut,
    camera: Camera,
    model: LanguageModel,
    control: Control,
) -> tuple[Suggestion, Surface | None]:
    """Return the plausible part of the language model's answer. Only numbers and the surface's name are read."""
    pictures = room_shown(request.room), product_shown(cut_out, request.room)
    seen = pictures[0].size
    question = layout_prompt(wish.instructions, seen, product.fields.product_name.strip())
    reply = read_reply(Reply, model.ask(Question(question, pictures), control) or "")
    if reply is None:
        return Suggestion(), None
    surface: Surface = reply.surface or "floor" if wish.surface == "auto" else wish.surface
    return sensible(reply, seen, camera, surface), reply.surface
