"""Writes deploy/lock_metadata.json: what each pinned package requires, read from its wheel at the registry.

    python -m deploy.lock_metadata    by `make lock`

Only the metadata of a wheel is downloaded.
"""

import io
import json
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Any, cast
from urllib.request import Request, urlopen

from packaging.requirements import Requirement
from pip._internal.models.index import PyPI

from deploy.locks import ENVIRONMENTS, LOCKS, METADATA, applies, key, version

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

REGISTRY = PyPI.simple_url  # pip's own default
LIST = "application/vnd.pypi.simple.v1+json"
BLOCK_BYTES = 2**16
"""Bytes that hold the index and the metadata of most wheels."""


def main() -> None:
    pins: dict[str, Requirement] = {}
    for pin in (pin for lock in LOCKS for pin in lock.pins()):
        pins.setdefault(key(pin), pin).extras.update(pin.extras)
    with ThreadPoolExecutor(8) as pool:
        recorded = dict(zip(pins, pool.map(_required, pins.values()), strict=True))
    METADATA.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


def _required(pin: Requirement) -> list[str]:
    """Return what the package requires, from the metadata of its wheel."""
    wheel = next(file for file in _files(pin.name) if _is_wheel_of(file["filename"], version(pin)))
    with zipfile.ZipFile(io.BufferedReader(_RemoteFile(wheel["url"], wheel["size"]), BLOCK_BYTES)) as archive:
        [name] = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        return applying(pin, HeaderParser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", []))


def applying(pin: Requirement, required: list[str]) -> list[str]:
    """Return the requirements of a package that apply in any supported environment, with the extras of the pin."""
    return [text for text in required if any(applies(Requirement(text), each, pin.extras) for each in ENVIRONMENTS)]


def _files(name: str) -> list[dict[str, Any]]:
    with urlopen(Request(f"{REGISTRY.rstrip('/')}/{name}/", headers={"Accept": LIST})) as answer:  # noqa: S310 - REGISTRY is https
        return cast(list[dict[str, Any]], json.load(answer)["files"])


def _is_wheel_of(filename: str, release: str) -> bool:
    return filename.endswith(".whl") and filename.split("-")[1] == release


class _RemoteFile(io.RawIOBase):
    """A file at a URL, read by ranges."""

    def __init__(self, url: str, size: int) -> None:
        self.url, self.size, self.position = url, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        return self.position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        wanted = memoryview(buffer)
        end = min(self.position + len(wanted), self.size)
        if end <= self.position:
            return 0
        request = Request(self.url, headers={"Range": f"bytes={self.position}-{end - 1}"})  # noqa: S310 - from the registry
        with urlopen(request) as answer:  # noqa: S310 - from the registry
            content = answer.read()
        wanted[: len(content)] = content
        self.position += len(content)
        return len(content)


if __name__ == "__main__":
    main()
