"""OpenAI's images API: turns its bodies into requests for this worker's verbs, and results into its answers."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from handlers.deliver import Delivery, Parcel, Result, Wanted, send
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
from schemas.jobs import EditJob, PlacedJob, Product
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
"""Accepts any name: there is only one model."""

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"

BODIES: dict[str, type[GenerationBody | EditBody]] = {GENERATIONS: GenerationBody, EDITS: EditBody}

WITHOUT_EFFECT = {
    "guidance_scale": NOT_DISTILLED,
    "max_sequence_length": "prompts may be as long as the checkpoint can read",
    "input_fidelity": "this server has a single fidelity",
    "style": "describe the style in the prompt",
    "moderation": "this server does not moderate",
    "user": "this server does not distinguish callers",
    "safety_identifier": "this server does not distinguish callers",
}
"""Fields that are accepted but change nothing, and the reason."""

SHOWN_UNKNOWN = 10

JOB_FIELDS = frozenset({"action", "openai_route", "product_image", "room_image", "products"})
"""A job has at least one of these fields; an input without any is one for RunPod's public image endpoints."""

MOST_PLACED = 7
"""Largest number of pictures in a placement: the room and its products."""

MOST_INSTRUCTIONS = 4_000
"""Characters of the prompt that a placement reads as its instructions."""


def openai_route(asked: object) -> str:
    """Return the route in a path, ignoring everything before /v1. Raises JobError for an unknown route."""
    text = str(asked)
    route = text[text.find("/v1/") :] if "/v1/" in text else text
    if route.startswith(MODELS + "/"):
        return MODEL
    if route not in (MODELS, *BODIES):
        message = f"Invalid openai_route: {shown(text)}. Supported routes: {', '.join((MODELS, *BODIES))}"
        raise JobError(ErrorCode.INVALID_INPUT, message, ("openai_route",))
    return route


def read_body(route: str, raw: object, *, is_form: bool = False) -> GenerationBody | EditBody:
    """Validate a body; values in forms are strings. Raises JobError INVALID_INPUT that names every invalid field."""
    if not isinstance(raw, dict):
        raise JobError(ErrorCode.INVALID_INPUT, "Invalid body: it must be a JSON object", ("body",))
    check_length(raw, "body")
    try:
        body = BODIES[route].model_validate(raw, strict=False if is_form else None)
    except ValidationError as problem:
        raise in_words(problem) from None
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
        raise _not_supported("output_type", "tensors cannot be sent as JSON; use pil")
    if body.is_placed:
        _check_placement(body)


def _check_placement(body: EditBody) -> None:
    """Raise JobError unless the pictures are a room and one product, or several that nothing is said of singly."""
    given = [name for name in PlacedJob.model_fields if name in body.model_fields_set]
    if not 2 <= len(body.image) <= MOST_PLACED:
        message = (
            f"a placement needs two pictures in image, the room and the product, or up to {MOST_PLACED - 1} products"
        )
        raise JobError(ErrorCode.INVALID_INPUT, f"Invalid {given[0]}: {message}", (given[0],))
    single = next((name for name in given if name in Product.model_fields), None)
    if single and len(body.image) > 2:
        message = f"it describes one product, but there are {len(body.image) - 1}: send products to /v1/edit"
        raise JobError(ErrorCode.INVALID_INPUT, f"Invalid {single}: {message}", (single,))


def _not_supported(field: str, reason: str) -> JobError:
    return JobError(ErrorCode.NOT_SUPPORTED, f"Invalid {field}: {reason}", (field,))


def is_image_input(raw: object) -> bool:
    """Return True for an input in the form of RunPod's public image endpoints, which the AI SDK's provider sends."""
    return isinstance(raw, Mapping) and "prompt" in raw and not raw.keys() & JOB_FIELDS


def read_image_input(raw: Mapping[str, Any]) -> GenerationBody | EditBody:
    """Validate such an input: `images` or `image` are one edit, and `size` may be `W*H`. Raises JobError."""
    fields = {name: value for name, value in raw.items() if name not in ("images", "image")}
    given = [raw[name] for name in ("images", "image") if raw.get(name)]
    pictures = [picture for entry in given for picture in (entry if isinstance(entry, list) else [entry])]
    if isinstance(fields.get("size"), str):
        fields["size"] = fields["size"].replace("*", "x")
    if pictures:
        # Size applies to text-to-image only: an edit keeps the size of its first picture.
        return read_body(EDITS, fields | {"image": pictures, "size": "auto"})
    return read_body(GENERATIONS, fields)


def as_image_output(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer in the form that the AI SDK's provider reads: `image_url` is the first picture's URL or data
    URL."""
    urls = [each.get("url") or _data_url(each) for each in answer["data"]]
    output: dict[str, Any] = {"success": True, "image_url": urls[0]}
    output |= {name: answer[name] for name in ("model", "usage", "warnings") if name in answer}
    return output | {"images": urls} if len(urls) > 1 else output


def _data_url(picture: Mapping[str, Any]) -> str:
    return f"data:image/{picture['output_format']};base64,{picture['b64_json']}"


def models(resident: Resident) -> dict[str, Any]:
    name = resident.loaded.name if resident.loaded else resident.engine
    return Models(data=[Model(id=name, created=0, owned_by=SERVICE)]).as_json()


@dataclass(frozen=True)
class ImagesApi:
    """Answers requests of OpenAI's images API. `max_pixels` limits the size that a request may ask for."""

    worker: WorkerState
    reader: PictureReader
    delivery: Delivery
    max_pixels: int

    def answer(self, body: GenerationBody | EditBody, control: Control) -> dict[str, Any]:
        started = time.monotonic()
        if body.response_format == "url":
            self.delivery.require_bucket()
        as_urls = body.wants_url and self.delivery.bucket is not None
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
        parcel = send(made, _wanted(body, as_urls), self.delivery, len(made.pictures))
        return _answer(body, made, parcel, time.monotonic() - started)

    def _made(self, body: GenerationBody | EditBody, batched: list[str] | None, seed: int, control: Control) -> Result:
        if isinstance(body, GenerationBody):
            return paint(self._generation(body, seed), self.worker.runner, control)
        pictures = batched or body.image
        if body.is_placed or (body.mask is not None and len(pictures) == 2):
            return edit(self._placement(body), self.worker, control)
        try:
            return paint(self._edit(body, pictures, seed), self.worker.runner, control)
        except JobError as problem:
            if problem.code is not ErrorCode.NOT_SUPPORTED or batched or len(pictures) < 2:
                raise
            if len(pictures) > MOST_PLACED:
                message = f"{problem.message}; it places up to {MOST_PLACED - 1} products into the first picture"
                raise JobError(ErrorCode.NOT_SUPPORTED, message, ("image",)) from problem
            placed = edit(self._placement(body), self.worker, control)
            which = "image[1] was" if len(pictures) == 2 else f"image[1] to image[{len(pictures) - 1}] were"
            warning = f"This engine cannot edit by prompt alone, so {which} placed into image[0]"
            return replace(placed, warnings=[*placed.warnings, warning])

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
            (*see_through(canvas, _field_of(body, texts[0])), *self.reader.warnings),
        )

    def _placement(self, body: EditBody) -> EditRequest:
        room, *products = body.image
        placing = {name: getattr(body, name) for name in PlacedJob.model_fields if name in body.model_fields_set}
        words = body.prompt[:MOST_INSTRUCTIONS]
        if len(products) == 1:
            placing |= {"product_image": products[0], "instructions": words}
        else:
            placing["products"] = [{"product_image": product, "instructions": words} for product in products]
        job = EditJob(
            room_image=room,
            mask=body.mask,
            negative_prompt=body.negative_prompt,
            num_inference_steps=body.num_inference_steps,
            true_cfg_scale=body.true_cfg_scale,
            quality=OUR_QUALITIES[body.quality],
            seed=body.seed,
            n=body.n,
            fallback=body.fallback,
            **placing,
        )
        return edit_request(job, self.reader, [f"image[{number}]" for number in range(len(body.image))])


def _field_of(body: EditBody, text: str) -> str:
    """Return the field name of one of the body's pictures."""
    name, pictures = ("images", body.images) if body.images else ("image", body.image)
    return f"{name}[{pictures.index(text)}]" if len(pictures) > 1 else name


def _sampling(body: PaintBody, seed: int) -> Sampling:
    return sampling_of(body, OUR_QUALITIES[body.quality], seed)


def _wanted(body: PaintBody, as_urls: bool) -> Wanted:
    return Wanted(
        action="paint",
        output_format=body.output_format,
        output_quality=max(1, body.output_compression),
        response_format="url" if as_urls else "b64",
    )


def _joined(batch: list[Result]) -> Result:
    """Return the pictures of all results in order, with the details of the first result."""
    return Result(
        pictures=[picture for made in batch for picture in made.pictures],
        seeds=[seed for made in batch for seed in made.seeds],
        info=batch[0].info,
        warnings=[warning for made in batch for warning in made.warnings],
        placements=batch[0].placements,
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
        placements=made.placements,
        warnings=[*_ignored_field_warnings(body, made, parcel), *parcel.warnings] or None,
    ).as_json()


def _ignored_field_warnings(body: GenerationBody | EditBody, made: Result, parcel: Parcel) -> Iterator[str]:
    for name in body.unknown[:SHOWN_UNKNOWN]:
        yield f"{shown(name)} is not a field of this route and was ignored"
    if len(body.unknown) > SHOWN_UNKNOWN:
        yield f"{len(body.unknown) - SHOWN_UNKNOWN} more unknown fields were ignored"
    if body.background == "transparent":
        yield "background transparent has no effect: pictures are always opaque"
    if isinstance(made.info, PlacementInfo) and len(body.prompt) > MOST_INSTRUCTIONS:
        yield f"Only the first {MOST_INSTRUCTIONS:,} characters of prompt were used, the most that a placement reads"
    for field in (name for name in WITHOUT_EFFECT if name in body.model_fields_set):
        yield f"{field} has no effect: {WITHOUT_EFFECT[field]}"
    if "output_compression" in body.model_fields_set and parcel.pictures[0].file.lossless:
        yield "output_compression has no effect on PNG"
    if isinstance(body, EditBody) and sides_of(body.size) not in (None, made.pictures[0].size):
        yield "size has no effect: an answer with a placement or a mask has the size of the first picture"
    if body.partial_images and not body.stream:
        yield "partial_images has no effect without stream"
    if body.partial_images and body.stream and made.info.engine == "preview":
        yield "partial_images has no effect on the preview engine, which paints in a single step"
