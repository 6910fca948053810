"""Finished pictures to the answer that leaves: the right format, inside the platform's limit, or in the bucket."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from handlers.painting import Made
from handlers.pictures import as_base64, as_data_url
from imaging.encode import DigitalSource, ImageFile, encode, encode_within
from imaging.picture import Picture
from schemas.answers import PlacementInfo, Variant
from schemas.errors import ErrorCode, JobError
from schemas.jobs import EditJob, GenerateJob
from transport.bucket import Bucket
from transport.folder import Folder

TEXT_BYTES = 65_536
"""Room left in an answer for all that is no picture."""

NO_LIMIT = 2**62

SMALLER = (
    "ask for output_format auto, jpeg or webp, a lower output_quality or a smaller n, "
    "or use response_format url with a bucket"
)


@dataclass(frozen=True)
class Delivery:
    """How one answer may leave: as at most `limit` bytes of JSON, or by way of the bucket; locally as files."""

    limit: int = NO_LIMIT
    bucket: Bucket | None = None
    folder: Folder | None = None

    def require_bucket(self) -> Bucket:
        if self.bucket is None:
            message = "Invalid response_format: url needs a bucket, and none is configured"
            raise JobError(ErrorCode.UPLOAD_FAILED, message, ("response_format",))
        return self.bucket

    def check(self, answer: dict[str, Any]) -> None:
        """The platform drops what is over its limit without a word, so the worker says it. Raises JobError."""
        size = len(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))
        if size > self.limit:
            raise _too_large(size, self.limit)


def deliver(made: Made, job: EditJob | GenerateJob, delivery: Delivery) -> dict[str, Any]:
    """The keys of the answer that hold pictures, and `warnings`."""
    copies = job.n + 1 if job.n > 1 else 1  # the first of several stands in the answer twice
    share = (delivery.limit - TEXT_BYTES) // copies * 3 // 4
    to_bucket = job.response_format == "url"
    inline = not to_bucket and delivery.folder is None
    files = [_file(picture, job, share if inline else NO_LIMIT, source_of(made)) for picture in made.pictures]
    warnings = list(made.warnings)
    if inline and any(len(file.data) > share for file in files):
        if delivery.bucket is None:
            raise _too_large(sum(len(file.data) for file in files) * 4 // 3, delivery.limit)
        to_bucket = True
        warnings.append("The answer is over the platform's limit: its pictures are in the bucket, as URLs")
    texts = [_sent(file, seed, job, delivery, to_bucket) for file, seed in zip(files, made.seeds, strict=True)]
    return {
        "processed_image": texts[0],
        "mime_type": files[0].mime_type,
        "lossless": files[0].lossless,
        "images": _variants(texts, files, made.seeds) if job.n > 1 else None,
        "warnings": list(dict.fromkeys(warnings)) or None,
    }


def source_of(made: Made) -> DigitalSource:
    if made.info.engine == "preview":
        return "composite"
    return "compositeWithTrainedAlgorithmicMedia" if isinstance(made.info, PlacementInfo) else "trainedAlgorithmicMedia"


def _file(picture: Picture, job: EditJob | GenerateJob, max_bytes: int, source: DigitalSource) -> ImageFile:
    if job.output_format != "auto":
        return encode(picture, job.output_format, job.output_quality, source)
    return encode_within(picture, max_bytes, source)


def _sent(file: ImageFile, seed: int, job: EditJob | GenerateJob, delivery: Delivery, to_bucket: bool) -> str:
    extension = file.mime_type.removeprefix("image/")
    if to_bucket:
        unguessable = f"{job.action}-{secrets.token_hex(16)}.{extension}"
        return delivery.require_bucket().put(file.data, file.mime_type, unguessable)
    if delivery.folder is not None:
        return delivery.folder.put(file.data, f"{job.action}-{seed}.{extension}")
    return as_data_url(file) if job.response_format == "data_url" else as_base64(file)


def _variants(texts: list[str], files: list[ImageFile], seeds: list[int]) -> list[Variant]:
    return [
        Variant(image=text, mime_type=file.mime_type, seed=seed)
        for text, file, seed in zip(texts, files, seeds, strict=True)
    ]


def _too_large(size: int, limit: int) -> JobError:
    message = f"The answer has {size / 1e6:.1f} MB, the platform takes {limit / 1e6:g} MB: {SMALLER}"
    return JobError(ErrorCode.RESPONSE_TOO_LARGE, message)
