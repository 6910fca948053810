"""Encodes finished pictures and sends them: in the right format, inline within the platform's limit, or to the
bucket."""

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
"""Bytes reserved in an answer for everything except pictures."""

NO_LIMIT = 2**62

SMALLER = "use output_format auto, jpeg or webp at a lower quality, a smaller n, or response_format url with a bucket"


class Store(Protocol):
    """Stores files and returns their URLs: a bucket, or this server's own memory."""

    def put(self, data: bytes, mime_type: str, name: str) -> str: ...


@dataclass(frozen=True)
class PaintingInfo:
    """Details of pictures painted from a prompt and a number of `references`."""

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
    """Where an answer is sent: inline up to `limit` bytes of JSON, the bucket, or local files."""

    limit: int = NO_LIMIT
    bucket: Store | None = None
    folder: Folder | None = None
    control: Control = field(default_factory=Control)

    def require_bucket(self) -> Store:
        if self.bucket is None:
            message = "Invalid response_format: url needs a bucket when sent through the queue, and none is configured"
            raise JobError(ErrorCode.UPLOAD_FAILED, message, ("response_format",))
        return self.bucket

    def check(self, answer: dict[str, Any]) -> None:
        """Raise JobError if the answer is larger than `limit`: the platform drops such answers without telling anyone.

        Raises TypeError or ValueError if it cannot be written as JSON, which is a bug.
        """
        size = _size(answer)
        if size > self.limit:
            raise _too_large(size, self.limit)

    def holds(self, answer: dict[str, Any]) -> bool:
        return _size(answer) <= self.limit


def _size(answer: dict[str, Any]) -> int:
    """Return the size of the answer's JSON in bytes."""
    lengths: list[int] = []
    text = json.dumps(_lightened(answer, lengths), ensure_ascii=False, allow_nan=False)
    return len(text.encode("utf-8", "replace")) + sum(lengths)


def _lightened(value: Any, lengths: list[int]) -> Any:
    """Return `value` with its pictures emptied and append their lengths to `lengths`: base64 needs no escaping in
    JSON."""
    match value:
        case dict():
            return {name: _lightened(each, lengths) for name, each in value.items()}
        case list():
            return [_lightened(each, lengths) for each in value]
        case str() if len(value) > TEXT_BYTES and value.isascii() and '"' not in value and "\\" not in value:
            lengths.append(len(value))
            return ""
        case _:
            return value


@dataclass(frozen=True)
class Wanted:
    """The form in which the pictures of an answer are sent; `action` names their files."""

    action: str
    output_format: OutputFormat
    output_quality: int
    response_format: ResponseFormat


@dataclass(frozen=True)
class Sent:
    """A picture as text: base64, a data URL, a URL of the bucket or a path."""

    text: str
    file: ImageFile
    seed: int


@dataclass(frozen=True)
class Parcel:
    """The pictures as they are sent, `as_urls` if they were stored."""

    pictures: list[Sent]
    warnings: list[str]
    as_urls: bool


def deliver(result: Result, job: EditJob | GenerateJob, delivery: Delivery) -> dict[str, Any]:
    """Return the answer's picture keys and `warnings`."""
    copies = job.n + 1 if job.n > 1 else 1  # the first of several appears twice in the answer
    wanted = Wanted(job.action, job.output_format, job.output_quality, job.response_format)
    parcel = send(result, wanted, delivery, copies)
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
    """Encode the pictures and send them, inline if the answer can hold `copies` of them."""
    to_bucket = wanted.response_format == "url"
    inline = not to_bucket and delivery.folder is None
    files = _files(result, wanted, delivery.limit if inline else NO_LIMIT, copies)
    warnings = list(result.warnings)
    size = _size_of(files, copies)
    if inline and size > delivery.limit:
        if delivery.bucket is None:
            raise _too_large(size, delivery.limit)
        to_bucket = True
        if wanted.output_format == "auto":  # the bucket has no size limit
            files = _files(result, wanted, NO_LIMIT, copies)
        warnings.append("The answer exceeded the platform's limit, so its pictures are in the bucket and sent as URLs")
    pictures = [
        Sent(_text(file, name, wanted, delivery, to_bucket), file, seed)
        for file, name, seed in zip(files, _names(result.seeds), result.seeds, strict=True)
    ]
    return Parcel(pictures, list(dict.fromkeys(warnings)), to_bucket)


def _files(result: Result, wanted: Wanted, limit: int, copies: int) -> list[ImageFile]:
    """Return the encoded pictures. With `auto` each gets an equal share of `limit`, plus what smaller pictures leave
    unused."""
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
    """Return the bytes of an answer with these files as base64; additional copies repeat the first file."""
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
    """Return a file name for each picture: its seed, or seed and number if a batch shares one seed."""
    if len(set(seeds)) == len(seeds):
        return [str(seed) for seed in seeds]
    return [f"{seed}-{number}" for number, seed in enumerate(seeds, 1)]


def _file(picture: Picture, wanted: Wanted, max_bytes: int, source: DigitalSource) -> ImageFile:
    if wanted.output_format != "auto":
        if not holds(wanted.output_format, picture.size):
            message = (
                f"Invalid output_format: {wanted.output_format} cannot hold {picture.size[0]}x{picture.size[1]} pixels"
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
    message = f"The answer is {size / 1e6:.1f} MB, but the platform accepts {limit / 1e6:g} MB: {SMALLER}"
    return JobError(ErrorCode.RESPONSE_TOO_LARGE, message)
