"""OpenAI's images API in our verbs: its bodies to requests, what was made to its answers."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from handlers.deliver import Delivery, Parcel, Result, send
from handlers.edit import edit
from handlers.images import PictureReader
from handlers.paint import paint
from handlers.parse import check_length, in_words, shown
from handlers.requests import (
    NOT_DISTILLED,
    EditRequest,
    PaintRequest,
    check_area,
    drawn,
    edit_request,
    sampling_of,
    see_through,
)
from handlers.runtime.worker_state import WorkerState
from models.engine import Control, Sampling
from models.resident import Resident
from schemas.answers import PlacementInfo
from schemas.errors import ErrorCode, JobError
from schemas.jobs import EditJob, OutputFormat, PlacedJob, ResponseFormat
from schemas.openai import (
    OUR_QUALITIES,
    THEIR_QUALITIES,
    EditBody,
    GenerationBody,
    ImagesAnswer,
    Model,
    Models,
    PaintBody,
    PaintedImage,
    Usage,
    sides_of,
)
from schemas.version import SERVICE

MODELS = "/v1/models"
MODEL = MODELS + "/{name}"
"""Any: there is one."""

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"

BODIES: dict[str, type[GenerationBody | EditBody]] = {GENERATIONS: GenerationBody, EDITS: EditBody}

WITHOUT_EFFECT = {
    "guidance_scale": NOT_DISTILLED,
    "max_sequence_length": "prompts may be as long as the checkpoint can read",
    "input_fidelity": "pictures are always seen as they are",
    "style": "say it in the prompt",
    "moderation": "nothing is moderated here",
    "user": "callers are not told apart",
    "safety_identifier": "callers are not told apart",
}
"""Fields that are understood and change nothing, and why."""


def openai_route(asked: object) -> str:
    """One of ours, whatever stands before its /v1. Raises JobError."""
    text = str(asked)
    route = text[text.find("/v1/") :] if "/v1/" in text else text
    if route.startswith(MODELS + "/"):
        return MODEL
    if route not in (MODELS, *BODIES):
        message = f"Invalid openai_route: {shown(text)}. Supported routes: {', '.join((MODELS, *BODIES))}"
        raise JobError(ErrorCode.INVALID_INPUT, message, ("openai_route",))
    return route


def read_body(route: str, raw: object, *, is_form: bool = False) -> GenerationBody | EditBody:
    """A form's values are strings. Raises JobError INVALID_INPUT with every field at fault."""
    if not isinstance(raw, dict):
        raise JobError(ErrorCode.INVALID_INPUT, "Invalid body: it must be a JSON object", ("body",))
    check_length(raw, "body")
    try:
        body = BODIES[route].model_validate(raw, strict=False if is_form else None)
    except ValidationError as problem:
        raise in_words(problem) from None
    if body.background == "transparent":
        raise _not_supported("background", "this model paints no transparency")
    if isinstance(body, EditBody):
        _check_pictures(body)
    return body


def _check_pictures(body: EditBody) -> None:
    if not body.image and not body.images:
        raise JobError(ErrorCode.INVALID_INPUT, "Missing image", ("image",))
    if body.image and body.images:
        message = "Invalid images: send image (one edit that sees all pictures) or images (each on its own), not both"
        raise JobError(ErrorCode.INVALID_INPUT, message, ("images",))
    if body.output_type == "pt":
        raise _not_supported("output_type", "tensors do not travel as JSON: pil answers with pictures")
    if body.is_placed and len(body.image) != 2:
        field = next(name for name in PlacedJob.model_fields if name in body.model_fields_set)
        message = f"Invalid {field}: placing needs two pictures in image, the room and then the product"
        raise JobError(ErrorCode.INVALID_INPUT, message, (field,))


def _not_supported(field: str, reason: str) -> JobError:
    return JobError(ErrorCode.NOT_SUPPORTED, f"Invalid {field}: {reason}", (field,))


def models(resident: Resident) -> dict[str, Any]:
    name = resident.loaded.name if resident.loaded else resident.engine
    return Models(data=[Model(id=name, created=0, owned_by=SERVICE)]).as_json()


@dataclass(frozen=True)
class _Wanted:
    """How the pictures of a body are to be sent."""

    action: str
    output_format: OutputFormat
    output_quality: int
    response_format: ResponseFormat


@dataclass(frozen=True)
class ImagesApi:
    """`max_pixels` of the largest picture that is painted to an asked size."""

    worker: WorkerState
    reader: PictureReader
    delivery: Delivery
    max_pixels: int

    def answer(self, body: GenerationBody | EditBody, control: Control) -> dict[str, Any]:
        started = time.monotonic()
        if body.response_format == "url":
            self.delivery.require_bucket()
        control.progress("decode", 0, 1)
        batch = [[picture] for picture in body.images] if isinstance(body, EditBody) and body.images else [None]
        within = control.between(0.05, 0.95)
        seed = drawn(body.seed)
        made = _joined(
            [
                self._made(body, pictures, seed, within.between(i / len(batch), (i + 1) / len(batch)))
                for i, pictures in enumerate(batch)
            ]
        )
        control.progress("encode", 95, 100)
        parcel = send(made, _wanted(body), self.delivery, len(made.pictures))
        return _answer(body, made, parcel, time.monotonic() - started)

    def _made(self, body: GenerationBody | EditBody, batched: list[str] | None, seed: int, control: Control) -> Result:
        if isinstance(body, GenerationBody):
            return paint(self._generation(body, seed), self.worker.runner, control)
        pictures = batched or body.image
        if body.is_placed or (body.mask is not None and len(pictures) == 2):
            return edit(self._placement(body), self.worker, control)
        return paint(self._edit(body, pictures, seed), self.worker.runner, control)

    def _generation(self, body: GenerationBody, seed: int) -> PaintRequest:
        fields = tuple(side for side in ("width", "height") if getattr(body, side)) or ("size",)
        check_area(body.wanted_size, self.max_pixels, fields)
        return PaintRequest(body.prompt, (), None, body.wanted_size, _sampling(body, seed), body.n)

    def _edit(self, body: EditBody, texts: list[str], seed: int) -> PaintRequest:
        pictures = tuple(self.reader.picture(text, _field_of(body, text)) for text in texts)
        canvas = pictures[0]
        mask = None if body.mask is None else self.reader.mask(body.mask, "mask", canvas.size)
        asked = sides_of(body.size) if mask is None else None
        if asked:
            check_area(asked, self.max_pixels, ("size",))
        return PaintRequest(
            body.prompt,
            tuple(picture.on_white() for picture in pictures),
            mask,
            asked or canvas.size,
            _sampling(body, seed),
            body.n,
            see_through(canvas, _field_of(body, texts[0])),
        )

    def _placement(self, body: EditBody) -> EditRequest:
        room, product = body.image
        placing = {name: getattr(body, name) for name in PlacedJob.model_fields if name in body.model_fields_set}
        job = EditJob(
            room_image=room,
            product_image=product,
            mask=body.mask,
            instructions=body.prompt,
            negative_prompt=body.negative_prompt,
            num_inference_steps=body.num_inference_steps,
            true_cfg_scale=body.true_cfg_scale,
            quality=OUR_QUALITIES[body.quality],
            seed=body.seed,
            n=body.n,
            fallback=body.fallback,
            **placing,
        )
        return edit_request(job, self.reader, room_field="image[0]", product_field="image[1]")


def _field_of(body: EditBody, text: str) -> str:
    """The name of one of its pictures."""
    name, pictures = ("images", body.images) if body.images else ("image", body.image)
    return f"{name}[{pictures.index(text)}]" if len(pictures) > 1 else name


def _sampling(body: PaintBody, seed: int) -> Sampling:
    return sampling_of(body, OUR_QUALITIES[body.quality], seed)


def _wanted(body: PaintBody) -> _Wanted:
    return _Wanted(
        action="paint",
        output_format=body.output_format,
        output_quality=max(1, body.output_compression),
        response_format="url" if body.response_format == "url" else "b64",
    )


def _joined(batch: list[Result]) -> Result:
    """The pictures of all, in order; of what is said of them the first's."""
    return Result(
        pictures=[picture for made in batch for picture in made.pictures],
        seeds=[seed for made in batch for seed in made.seeds],
        info=batch[0].info,
        warnings=[warning for made in batch for warning in made.warnings],
    )


def _answer(body: GenerationBody | EditBody, made: Result, parcel: Parcel, seconds: float) -> dict[str, Any]:
    key = "url" if parcel.as_urls else "b64_json"
    data = [
        PaintedImage(**{key: sent.text}, seed=sent.seed, size=f"{width}x{height}", output_format=sent.file.extension)
        for sent, (width, height) in zip(parcel.pictures, (picture.size for picture in made.pictures), strict=True)
    ]
    return ImagesAnswer(
        created=int(time.time()),
        data=data,
        usage=Usage(
            processing_time_seconds=round(seconds, 3),
            input_images=len(body.image) + len(body.images) if isinstance(body, EditBody) else 0,
            generated_images=len(parcel.pictures),
        ),
        model=made.info.engine,
        steps=made.info.steps,
        true_cfg_scale=made.info.true_cfg_scale,
        output_format=data[0].output_format,
        quality=THEIR_QUALITIES[OUR_QUALITIES[body.quality]],
        size=data[0].size,
        placement_info=made.info if isinstance(made.info, PlacementInfo) else None,
        warnings=[*_ignored_field_warnings(body, made, parcel), *parcel.warnings] or None,
    ).as_json()


def _ignored_field_warnings(body: GenerationBody | EditBody, made: Result, parcel: Parcel) -> Iterator[str]:
    for field in (name for name in WITHOUT_EFFECT if name in body.model_fields_set):
        yield f"{field} has no effect: {WITHOUT_EFFECT[field]}"
    if "output_compression" in body.model_fields_set and parcel.pictures[0].file.lossless:
        yield "output_compression has no effect on PNG"
    if isinstance(body, EditBody) and sides_of(body.size) not in (None, made.pictures[0].size):
        yield "size has no effect: what is placed or masked keeps the size of the first picture"
    if body.partial_images and not body.stream:
        yield "partial_images has no effect without stream"
    if body.partial_images and body.stream and made.info.engine == "preview":
        yield "partial_images has no effect on the preview engine, which paints at once"
