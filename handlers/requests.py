"""A validated job with its pictures in hand: what travels through the house."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, floor

from handlers.images import PictureReader
from imaging.picture import Box, Mask, Picture, Point, Size
from models.engine import Sampling
from schemas.errors import ErrorCode, JobError
from schemas.jobs import MAX_SEED, RANDOM_SEED, EditJob, GenerateJob, PictureJob, Quality, SampledJob

NOT_DISTILLED = "this checkpoint is not guidance-distilled: true_cfg_scale guides it"


@dataclass(frozen=True, eq=False)
class EditRequest:
    job: EditJob
    product: Picture
    room: Picture
    mask: Mask | None
    coordinates: Point | None
    box: Box | None
    seed: int
    product_field: str = "product_image"
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class GenerateRequest:
    job: GenerateJob
    product: Picture
    seed: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PaintRequest:
    """Words and pictures to pictures of `size`. With a mask, of the first reference's size, nothing but what it lets
    change differs from that. `first` is the sampling of the first of `n` variants."""

    prompt: str
    references: tuple[Picture, ...]
    mask: Mask | None
    size: Size
    first: Sampling
    n: int
    warnings: tuple[str, ...] = ()


def edit_request(
    job: EditJob, reader: PictureReader, room_field: str = "room_image", product_field: str = "product_image"
) -> EditRequest:
    """Raises JobError for a picture that is none, by the name of its field, and for a place outside the photo."""
    photo = reader.picture(job.room_image, room_field)
    room = photo.on_white()
    return EditRequest(
        job=job,
        room=room,
        product=reader.picture(job.product_image, product_field),
        mask=None if job.mask is None else reader.mask(job.mask, "mask", room.size),
        coordinates=_inside(job.placement_coordinates, room.size),
        box=_box_inside(job.placement_box, room.size),
        seed=drawn(job.seed),
        product_field=product_field,
        warnings=(*_ignored_field_warnings(job), *see_through(photo, room_field)),
    )


def generate_request(job: GenerateJob, reader: PictureReader, max_pixels: int) -> GenerateRequest:
    check_area(job.output_size, max_pixels, ("output_size",))
    product = reader.picture(job.product_image, "product_image")
    return GenerateRequest(job, product, drawn(job.seed), tuple(_ignored_field_warnings(job)))


def samplings(job: PictureJob, seed: int) -> list[Sampling]:
    """Return one sampling per variant."""
    return counted_up(sampling_of(job, job.quality, seed), job.n)


def sampling_of(job: SampledJob, quality: Quality, seed: int) -> Sampling:
    """Its first variant's. Stock pipelines want a negative prompt, and their users send a blank."""
    return Sampling(
        seed=seed,
        quality=quality,
        steps=job.num_inference_steps,
        true_cfg_scale=job.true_cfg_scale,
        negative_prompt=job.negative_prompt.strip(),
    )


def counted_up(first: Sampling, n: int) -> list[Sampling]:
    """Return `first` and its variants, with the seeds seed, seed+1, ..., which wrap around at MAX_SEED."""
    return [replace(first, seed=(first.seed + variant) % (MAX_SEED + 1)) for variant in range(n)]


def drawn(seed: int | None) -> int:
    return secrets.randbelow(MAX_SEED + 1) if seed is None or seed == RANDOM_SEED else seed


def check_area(size: Size, max_pixels: int, fields: tuple[str, ...]) -> None:
    """Raises JobError, in the name of `fields`."""
    if size[0] * size[1] > max_pixels:
        over = f"{size[0]}x{size[1]} is over the limit of {max_pixels / 1e6:g} megapixels"
        raise JobError(ErrorCode.INVALID_INPUT, f"Invalid {' and '.join(fields)}: {over}", fields)


def see_through(photo: Picture, field: str) -> tuple[str, ...]:
    """What to say of a photo that is to be kept, and is not as it came."""
    if photo.alpha is None or photo.alpha.min() == 255:
        return ()
    return (f"Transparent parts of {field} were put on white",)


def _ignored_field_warnings(job: EditJob | GenerateJob) -> Iterator[str]:
    if job.guidance_scale is not None:
        yield f"guidance_scale has no effect: {NOT_DISTILLED}"
    if isinstance(job, GenerateJob) and job.sets("camera_height_cm"):
        yield "camera_height_cm has no effect on generate"


def _inside(point: tuple[float, float] | None, size: Size) -> Point | None:
    if point is None:
        return None
    x, y = point
    if not (0 <= x < size[0] and 0 <= y < size[1]):
        raise _outside("placement_coordinates", size)
    return int(x), int(y)


def _box_inside(box: tuple[float, float, float, float] | None, size: Size) -> Box | None:
    if box is None:
        return None
    left, top, right, bottom = box
    if not (left >= 0 and right <= size[0] and top >= 0 and bottom <= size[1]):
        raise _outside("placement_box", size)
    return floor(left), floor(top), ceil(right), ceil(bottom)


def _outside(field: str, size: Size) -> JobError:
    message = f"Invalid {field}: it lies outside the room photo of {size[0]}x{size[1]} pixels"
    return JobError(ErrorCode.INVALID_INPUT, message, (field,))
