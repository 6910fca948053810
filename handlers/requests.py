"""Turns validated jobs into requests with decoded pictures. From here on every value is present and typed."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

from handlers.images import PictureReader
from imaging.per_photo import read_only
from imaging.picture import Box, Mask, Picture, Point, Size
from models.engine import Sampling
from schemas.errors import ErrorCode, JobError
from schemas.jobs import (
    MAX_SEED,
    RANDOM_SEED,
    BoxNumbers,
    EditJob,
    GenerateJob,
    PictureJob,
    Product,
    ProductFields,
    Quality,
    SampledJob,
)

NOT_DISTILLED = "this checkpoint is not guidance-distilled; use true_cfg_scale"

PHOTO_SHAPE_TOLERANCE = 0.15
"""Relative difference between the photo's shape and the given width and height up to which there is no warning."""


@dataclass(frozen=True, eq=False)
class ProductRequest:
    """One product of an edit, with its picture. `prefix` precedes the names of its fields in messages."""

    fields: Product
    picture: Picture
    coordinates: Point | None
    box: Box | None
    image_field: str = "product_image"
    prefix: str = ""


@dataclass(frozen=True, eq=False)
class EditRequest:
    """A validated edit with its pictures. `replaced` is the box of the photo that the caller wants replaced."""

    job: EditJob
    products: tuple[ProductRequest, ...]
    room: Picture
    mask: Mask | None
    seed: int
    replaced: Box | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class GenerateRequest:
    job: GenerateJob
    product: Picture
    seed: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PaintRequest:
    """A prompt and reference pictures, to be painted at `size`.

    A mask has the size of the first reference; outside it that picture stays unchanged. `first` is the sampling of the
    first of `n` variants.
    """

    prompt: str
    references: tuple[Picture, ...]
    mask: Mask | None
    size: Size
    first: Sampling
    n: int
    warnings: tuple[str, ...] = ()


def edit_request(job: EditJob, reader: PictureReader, names: Sequence[str] = ()) -> EditRequest:
    """Return the request of a validated job. Raises JobError that names the field of an unreadable picture or of a
    position outside the photo.

    `names` are the fields of the room and of the products if the caller sent them under other names than the job's.
    """
    room_field, *product_fields = names or ("room_image",)
    photo = reader.picture(job.room_image, room_field)
    room = photo.on_white()
    read_only(room.pixels)  # so that what is found in them is remembered
    return EditRequest(
        job=job,
        products=tuple(_products(job, reader, room.size, product_fields)),
        room=room,
        mask=None if job.mask is None else reader.mask(job.mask, "mask", room.size),
        seed=drawn(job.seed),
        replaced=None if isinstance(job.replace, str) else _box_inside(job.replace, room.size, "replace"),
        warnings=(*_ignored_field_warnings(job), *see_through(photo, room_field), *reader.warnings),
    )


def _products(job: EditJob, reader: PictureReader, size: Size, names: Sequence[str]) -> Iterator[ProductRequest]:
    for number, fields in enumerate(job.items):
        prefix = f"{names[number] if names else f'products[{number}]'}." if job.products else ""
        field = names[number] if names else f"{prefix}product_image"
        yield ProductRequest(
            fields=fields,
            picture=reader.picture(fields.product_image, field),
            coordinates=_inside(fields.placement_coordinates, size, f"{prefix}placement_coordinates"),
            box=_box_inside(fields.placement_box, size, f"{prefix}placement_box"),
            image_field=field,
            prefix=prefix,
        )


def shape_warnings(fields: ProductFields, product: Size, prefix: str = "") -> list[str]:
    """Warn if the cut-out's shape, given by `product` in pixels, contradicts the width and height in the request."""
    if fields.product_width_cm is None or fields.product_height_cm is None:
        return []
    asked, seen = fields.product_width_cm / fields.product_height_cm, product[0] / product[1]
    if abs(seen / asked - 1) <= PHOTO_SHAPE_TOLERANCE:
        return []
    return [
        f"{prefix}product_width_cm and product_height_cm give a width-to-height ratio of {asked:.2f}, "
        f"but the product photo shows {seen:.2f}"
    ]


def generate_request(job: GenerateJob, reader: PictureReader, max_pixels: int) -> GenerateRequest:
    check_area(job.output_size, max_pixels, ("output_size",))
    product = reader.picture(job.product_image, "product_image")
    return GenerateRequest(job, product, drawn(job.seed), (*_ignored_field_warnings(job), *reader.warnings))


def samplings(job: PictureJob, seed: int) -> list[Sampling]:
    """Return one sampling per variant."""
    return counted_up(sampling_of(job, job.quality, seed), job.n)


def sampling_of(job: SampledJob, quality: Quality, seed: int) -> Sampling:
    """Return the sampling of the first variant. A blank negative prompt, as users of stock pipelines send it, is
    none."""
    return Sampling(
        seed=seed,
        quality=quality,
        steps=job.num_inference_steps,
        true_cfg_scale=job.true_cfg_scale,
        negative_prompt=job.negative_prompt.strip(),
    )


def counted_up(first: Sampling, n: int) -> list[Sampling]:
    """Return the samplings of `n` variants with the seeds seed, seed+1, ..., wrapping around at MAX_SEED."""
    return [replace(first, seed=(first.seed + variant) % (MAX_SEED + 1)) for variant in range(n)]


def drawn(seed: int | None) -> int:
    return secrets.randbelow(MAX_SEED + 1) if seed is None or seed == RANDOM_SEED else seed


def check_area(size: Size, max_pixels: int, fields: tuple[str, ...]) -> None:
    """Raise JobError that names `fields` if a picture of `size` has more than `max_pixels`."""
    if size[0] * size[1] > max_pixels:
        over = f"{size[0]}x{size[1]} exceeds the limit of {max_pixels / 1e6:g} megapixels"
        raise JobError(ErrorCode.INVALID_INPUT, f"Invalid {' and '.join(fields)}: {over}", fields)


def see_through(photo: Picture, field: str) -> tuple[str, ...]:
    """Warn that the photo's transparent parts became white."""
    if photo.alpha is None or photo.alpha.min() == 255:
        return ()
    return (f"Transparent parts of {field} were filled with white",)


def _ignored_field_warnings(job: EditJob | GenerateJob) -> Iterator[str]:
    if job.guidance_scale is not None:
        yield f"guidance_scale has no effect: {NOT_DISTILLED}"
    if isinstance(job, GenerateJob) and job.sets("camera_height_cm"):
        yield "camera_height_cm has no effect on generate"


def _inside(point: tuple[float, float] | None, size: Size, field: str) -> Point | None:
    if point is None:
        return None
    x, y = point
    if not (0 <= x < size[0] and 0 <= y < size[1]):
        raise _outside(field, size)
    return int(x), int(y)


def _box_inside(box: BoxNumbers | None, size: Size, field: str) -> Box | None:
    if box is None:
        return None
    left, top, right, bottom = box
    if not (left >= 0 and right <= size[0] and top >= 0 and bottom <= size[1]):
        raise _outside(field, size)
    return floor(left), floor(top), ceil(right), ceil(bottom)


def _outside(field: str, size: Size) -> JobError:
    message = f"Invalid {field}: it lies outside the room photo of {size[0]}x{size[1]} pixels"
    return JobError(ErrorCode.INVALID_INPUT, message, (field,))
