"""Pictures at the border: the caller's text to pixels. Base64 is read and written in this file alone."""

import base64
import binascii
import re
from dataclasses import dataclass, field

import numpy as np

from imaging.codec.decode import ImageLimits, decode, too_large, undecodable
from imaging.codec.encode import ImageFile
from imaging.picture import Mask, Picture, Size
from models.engine import Control
from schemas.errors import ErrorCode, JobError
from transport.fetch import Fetcher

DATA_URL = re.compile(r"\s*data:[^,]{0,200},", re.IGNORECASE)
HTTP_URL = re.compile(r"\s*https?://", re.IGNORECASE)
PLAIN_ALPHABET = bytes.maketrans(b"-_", b"+/")
BLANKS = b" \t\r\n"


@dataclass(frozen=True)
class PictureReader:
    """Reads what a caller sent as a picture; every failure names the field."""

    limits: ImageLimits
    fetcher: Fetcher
    control: Control = field(default_factory=Control)
    """Of the job whose pictures are read: fetching takes time."""

    def picture(self, text: str, field: str) -> Picture:
        return decode(self._bytes(text, field), field, self.limits)

    def mask(self, text: str, field: str, size: Size) -> Mask:
        """Where the photo of `size` may change: alpha 0 or, in a picture that is opaque everywhere, white."""
        picture = self.picture(text, field)
        if picture.size != size:
            raise JobError(
                ErrorCode.INVALID_INPUT,
                f"Invalid {field}: it is {picture.size[0]}x{picture.size[1]}, the photo {size[0]}x{size[1]}",
                (field,),
            )
        alpha = picture.alpha
        white = picture.pixels.min(axis=2) >= 128
        # Programs export masks of black and white with an opaque alpha, too.
        may_change = white if alpha is None or alpha.min() == 255 else alpha == 0
        if not may_change.any():
            raise JobError(ErrorCode.INVALID_INPUT, f"Invalid {field}: it lets nothing change", (field,))
        return np.asarray(may_change)

    def _bytes(self, text: str, field: str) -> bytes:
        self.control.check()
        if HTTP_URL.match(text):
            return self.fetcher.fetch(text.strip(), field)
        return _from_base64(text, field, self.limits.max_bytes)


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def as_data_url(file: ImageFile) -> str:
    return f"data:{file.mime_type};base64,{as_base64(file.data)}"


def _from_base64(text: str, field: str, max_bytes: int) -> bytes:
    """Plain or URL-safe alphabet, line breaks and missing padding allowed; a data URL's type is not believed."""
    header = DATA_URL.match(text, 0, 300)
    try:
        payload = text[header.end() if header else 0 :].encode("ascii").translate(PLAIN_ALPHABET, BLANKS).rstrip(b"=")
        if len(payload) * 3 // 4 > max_bytes:
            raise too_large(field, f"more than {max_bytes / 1e6:g} MB, the limit")
        return base64.b64decode(payload + b"=" * (-len(payload) % 4), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise undecodable(field, "not valid base64") from None
