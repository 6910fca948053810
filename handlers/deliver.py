"""Finished pictures to the answer that leaves: the right format, inside the platform's limit, or in the bucket."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Protocol

from handlers.images import as_base64, as_data_url
from imaging.codec.encode import DigitalSource, ImageFile, encode, encode_within, holds
from imaging.picture import Picture
from models.engine import Control
from schemas.answers import GenerationInfo, PlacedAnswer, PlacementInfo, Variant
from schemas.errors import ErrorCode, JobError
from schemas.jobs import EditJob, GenerateJob, OutputFormat, ResponseFormat
from transport.folder import Folder

TEXT_BYTES = 65_536
"""Room left in an answer for all that is no picture."""

NO_LIMIT = 2**62

SMALLER = (
    "ask for output_format auto, for jpeg or webp at a lower quality, or for a smaller n, "
    "or use response_format url with a bucket"
)


class Store(Protocol):
    """Takes files and answers with their URLs: a bucket, or a server's own memory."""

    def put(self, data: bytes, mime_type: str, name: str) -> str: ...


@dataclass(frozen=True)
class PaintingInfo:
    """How pictures were painted from a prompt and so many `references`."""

    engine: str
    steps: int
    true_cfg_scale: float
    references: int


@dataclass(frozen=True, eq=False)
class Result:
    """Finished pictures, one per seed, before they are encoded."""

    pictures: list[Picture]
    seeds: list[int]
    info: PlacementInfo | GenerationInfo | PaintingInfo
    warnings: list[str]
    placements: list[PlacedAnswer] | None = None


@dataclass(frozen=True)
class Delivery:
    """How one answer may leave: as at most `limit` bytes of JSON, or by way of the bucket; locally as files."""

    limit: int = NO_LIMIT
    bucket: Store | None = None
    folder: Folder | None = None
    control: Control = field(default_factory=Control)

    def require_bucket(self) -> Store:
        if self.bucket is None:
            message = "Invalid response_format: through the queue url needs a bucket, and none is configured"
            raise JobError(ErrorCode.UPLOAD_FAILED, message, ("response_format",))
        return self.bucket

    def check(self, answer: dict[str, Any]) -> None:
        """The platform drops what is over its limit, or no JSON, without a word, so the worker says it. Raises JobError
        for the first; TypeError and ValueError are bugs."""
        size = _size(answer)
        if size > self.limit:
            raise _too_large(size, self.limit)

    def holds(self, answer: dict[str, Any]) -> bool:
        return _size(answer) <= self.limit


def _size(answer: dict[str, Any]) -> int:
    """Bytes of the JSON."""
    lengths: list[int] = []
    text = json.dumps(_lightened(answer, lengths), ensure_ascii=False, allow_nan=False)
    return len(text.encode("utf-8", "replace")) + sum(lengths)


def _lightened(told: Any, lengths: list[int]) -> Any:
    """Without its pictures, whose `lengths` in JSON are known: base64 has nothing to escape."""
    match told:
        case dict():
            return {name: _lightened(value, lengths) for name, value in told.items()}
        case list():
            return [_lightened(value, lengths) for value in told]
        case str() if len(told) > TEXT_BYTES and told.isascii() and '"' not in told and "\\" not in told:
            lengths.append(len(told))
            return ""
        case _:
            return told


class Wanted(Protocol):
    """How the caller wants pictures sent."""

    @property
    def action(self) -> str: ...

    @property
    def output_format(self) -> OutputFormat: ...

    @property
    def output_quality(self) -> int: ...

    @property
    def response_format(self) -> ResponseFormat: ...


@dataclass(frozen=True)
class Sent:
    """A picture as text: base64, a data URL, a URL of the bucket or a path."""

    text: str
    file: ImageFile
    seed: int


@dataclass(frozen=True)
class Parcel:
    """`as_urls`: the pictures are in the bucket."""

    pictures: list[Sent]
    warnings: list[str]
    as_urls: bool


def deliver(result: Result, job: EditJob | GenerateJob, delivery: Delivery) -> dict[str, Any]:
    """The keys of the answer that hold pictures, and `warnings`."""
    copies = job.n + 1 if job.n > 1 else 1  # the first of several stands in the answer twice
    parcel = send(result, job, delivery, copies)
    first = parcel.pictures[0]
    if job.sets("output_quality") and first.file.lossless:
        parcel.warnings.append("output_quality has no effect on PNG")
    return {
        "processed_image": first.text,
        "mime_type": first.file.mime_type,
        "lossless": first.file.lossless and not result.pictures[0].notes,
        "images": _variants(parcel.pictures) if job.n > 1 else None,
        "warnings": parcel.warnings or None,
    }


def send(result: Result, wanted: Wanted, delivery: Delivery, copies: int) -> Parcel:
    """The pictures on their way, inline where the answer can hold so many `copies` of them."""
    to_bucket = wanted.response_format == "url"
    inline = not to_bucket and delivery.folder is None
    files = _files(result, wanted, delivery.limit if inline else NO_LIMIT, copies)
    warnings = list(result.warnings)
    size = _size_of(files, copies)
    if inline and size > delivery.limit:
        if delivery.bucket is None:
            raise _too_large(size, delivery.limit)
        to_bucket = True
        if wanted.output_format == "auto":  # the bucket has no limit
            files = _files(result, wanted, NO_LIMIT, copies)
        warnings.append("The answer is over the platform's limit: its pictures are in the bucket, as URLs")
    pictures = [
        Sent(_text(file, name, wanted, delivery, to_bucket), file, seed)
        for file, name, seed in zip(files, _names(result.seeds), result.seeds, strict=True)
    ]
    return Parcel(pictures, list(dict.fromkeys(warnings)), to_bucket)


def _files(result: Result, wanted: Wanted, limit: int, copies: int) -> list[ImageFile]:
    """Where the format is ours to choose, each within its share of `limit`, and larger by what smaller ones leave."""
    source = source_of(result)
    share = (limit - TEXT_BYTES) // copies // 4 * 3
    files = [_file(picture, wanted, share, source) for picture in result.pictures]
    lossy = [i for i, file in enumerate(files) if not file.lossless]
    spare = limit - _size_of(files, copies)
    if wanted.output_format == "auto" and 0 < len(lossy) < len(files) and spare > 0:
        more = spare // (len(lossy) + copies - len(files)) // 4 * 3
        for i in lossy:
            files[i] = _file(result.pictures[i], wanted, len(files[i].data) + more, source)
    return files


def _size_of(files: list[ImageFile], copies: int) -> int:
    """Bytes of an answer that holds them as base64, the first once more for each further copy."""
    lengths = [-(-len(file.data) // 3) * 4 for file in files]
    return sum(lengths) + (copies - len(files)) * lengths[0] + TEXT_BYTES


def source_of(result: Result) -> DigitalSource:
    if result.info.engine == "preview":
        return "composite"
    shows_a_photo = isinstance(result.info, PlacementInfo) or (
        isinstance(result.info, PaintingInfo) and result.info.references > 0
    )
    return "compositeWithTrainedAlgorithmicMedia" if shows_a_photo else "trainedAlgorithmicMedia"


def _names(seeds: list[int]) -> list[str]:
    """Of the pictures of one answer; a batch has one seed for all."""
    if len(set(seeds)) == len(seeds):
        return [str(seed) for seed in seeds]
    return [f"{seed}-{number}" for number, seed in enumerate(seeds, 1)]


def _file(picture: Picture, wanted: Wanted, max_bytes: int, source: DigitalSource) -> ImageFile:
    if wanted.output_format != "auto":
        if not holds(wanted.output_format, picture.size):
            message = (
                f"Invalid output_format: {wanted.output_format} has no room for {picture.size[0]}x{picture.size[1]}"
            )
            raise JobError(ErrorCode.INVALID_INPUT, message, ("output_format",))
        return encode(picture, wanted.output_format, wanted.output_quality, source)
    return encode_within(picture, max_bytes, wanted.output_quality, source)


def _text(file: ImageFile, name: str, wanted: Wanted, delivery: Delivery, to_bucket: bool) -> str:
    delivery.control.check()
    if to_bucket:
        unguessable = f"{wanted.action}-{secrets.token_hex(16)}.{file.extension}"
        return delivery.require_bucket().put(file.data, file.mime_type, unguessable)
    if delivery.folder is not None:
        return delivery.folder.put(file.data, f"{wanted.action}-{name}.{file.extension}")
    return as_data_url(file) if wanted.response_format == "data_url" else as_base64(file.data)


def _variants(pictures: list[Sent]) -> list[Variant]:
    return [Variant(image=sent.text, mime_type=sent.file.mime_type, seed=sent.seed) for sent in pictures]


def _too_large(size: int, limit: int) -> JobError:
    message = f"The answer has {size / 1e6:.1f} MB, the platform takes {limit / 1e6:g} MB: {SMALLER}"
    return JobError(ErrorCode.RESPONSE_TOO_LARGE, message)
