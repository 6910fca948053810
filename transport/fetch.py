"""Pictures by URL, from public addresses only: each is checked after DNS and connected to as checked, hop by hop.

Built on http.client, whose connection can be handed in: every wait gets only what is left of the total time. It knows
no proxies, cookies or compression.
"""

import functools
import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from threading import Thread
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from schemas.errors import ErrorCode, JobError

Result = TypeVar("Result")
Resolve = Callable[[str, int], list[str]]

PORTS = {"https": 443, "http": 80}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# A CDN that is told which formats we like may turn a lossless picture into a lossy one: no `image/webp` in Accept.
HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "qwen-edit-generate-api",
}
PIECE_BYTES = 65_536
OVERHEAD_BYTES = 1_000_000  # of headers and chunk sizes

URL = re.compile(r"[!-\[\]-~]{1,8192}")  # printable ASCII without the backslash
AUTHORITY = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+)(?::[0-9]+)?")  # no user name, no zone
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# A last label that starts with a digit is a number to some resolvers: 2130706433, 127.1, 0x7f.0x1.
HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{LABEL}\.)*(?!\d){LABEL}")

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# What some Python's `is_global` lets through: Teredo, 6to4, examples, site-local;
# protocol assignments, 6to4 relays, Azure's metadata.
NOT_PUBLIC_6 = ("2001::/32", "2002::/16", "3fff::/20", "fec0::/10")
NOT_PUBLIC_4 = ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")
NOT_PUBLIC = tuple(ipaddress.ip_network(network) for network in NOT_PUBLIC_6 + NOT_PUBLIC_4)


class FetchError(Exception):
    """A reason for the caller: it holds the host's name at most, never an address or a query (which may be signed)."""

    def __init__(self, reason: str, code: ErrorCode = ErrorCode.IMAGE_FETCH_FAILED) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class Place:
    """A URL that passed the check; `target` is its path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def place_of(url: str, allow_private: bool = False, base: Place | None = None) -> Place:
    """`allow_private` also lets http and other ports pass; a relative `url` is read from `base`."""
    if not URL.fullmatch(url):
        raise FetchError("the URL is too long or not in plain ASCII")
    try:
        parts = urlsplit(urljoin(f"{base.scheme}://{base.authority}{base.target}", url) if base else url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise FetchError("the URL is malformed") from error
    if parts.scheme not in (PORTS if allow_private else {"https"}):
        raise FetchError("only https:// URLs are fetched")
    if not AUTHORITY.fullmatch(parts.netloc) or not (HOST_NAME.fullmatch(host) or _is_address(host)):
        raise FetchError("the URL must name its host plainly, without user name or password")
    if port not in (None, PORTS["https"]) and not allow_private:
        raise FetchError(f"{host} may be asked at port 443 only")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme, host, PORTS[parts.scheme] if port is None else port, target)


def _is_address(host: str) -> bool:
    """An address in its one plain form, not octal, decimal or abbreviated."""
    try:
        return str(ipaddress.ip_address(host)) == host
    except ValueError:
        return False


def is_public(text: str) -> bool:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address in NAT64):
        address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    special = address.is_multicast or address.is_reserved or any(address in network for network in NOT_PUBLIC)
    return address.is_global and not special


def system_resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def addresses_of(
    place: Place, seconds: float, resolve: Resolve = system_resolve, allow_private: bool = False
) -> list[str]:
    """One address that is not public refuses all, in the words of a name without any: they map no private network."""
    try:
        addresses = within(seconds, functools.partial(resolve, place.host, place.port))
    except (socket.gaierror, UnicodeError):
        addresses = []
    if not addresses or not (allow_private or all(map(is_public, addresses))):
        raise FetchError(f"{place.host} has no public address")
    return addresses


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What `work` returns or raises; TimeoutError after `seconds`, when it is left behind in a daemon thread."""
    outcome: Future[Result] = Future()

    def settle() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 result() raises it again
            outcome.set_exception(error)

    Thread(target=settle, daemon=True).start()
    return outcome.result(seconds)


def left(end: float) -> float:
    """Seconds until `end` on the monotonic clock, always positive; TimeoutError when it is over."""
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


@functools.cache
def system_trust() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass(frozen=True)
class Fetcher:
    """`allowed_hosts` are exact hosts or `*.example.com`, empty for any public host. `allow_private`, for tests, also
    permits http, other ports and private addresses. `resolve`, `dial` and `trust` are its ways to the network."""

    max_bytes: int
    allowed_hosts: tuple[str, ...] = ()
    allow_private: bool = False
    total_seconds: float = 20.0
    max_redirects: int = 3
    resolve: Resolve = system_resolve
    dial: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection
    trust: Callable[[], ssl.SSLContext] = system_trust

    def fetch(self, url: str, field: str) -> bytes:
        """JobError in the name of `field` when there is no picture to be had, or one larger than `max_bytes`."""
        try:
            return self._follow(place_of(url, self.allow_private), time.monotonic() + self.total_seconds)
        except FetchError as error:
            raise JobError(error.code, f"Invalid {field}: Failed to fetch image: {error}", (field,)) from error

    def _follow(self, place: Place, end: float) -> bytes:
        for _ in range(self.max_redirects + 1):
            answer = self._get(place, end)
            if isinstance(answer, bytes):
                return answer
            place = place_of(answer, self.allow_private, base=place)
        raise FetchError(f"it is redirected more than {self.max_redirects} times")

    def _get(self, place: Place, end: float) -> bytes | str:
        """The body, or where a redirect points."""
        if not self._allows(place.host):
            raise FetchError(f"pictures from {place.host} are not accepted here")
        try:
            addresses = addresses_of(place, left(end), self.resolve, self.allow_private)
            with (
                closing(self._reach(addresses, place.port, end)) as raw,
                closing(self._secure(raw, place, end)) as line,
            ):
                return self._ask(place, _Line(line, end, 2 * self.max_bytes + OVERHEAD_BYTES))
        except TimeoutError as error:
            raise FetchError(f"{place.host} took longer than {self.total_seconds:g} seconds") from error
        except ssl.SSLCertVerificationError as error:
            raise FetchError(f"{place.host} has no valid certificate") from error
        except OverflowError as error:
            raise FetchError(f"it is larger than {self.max_bytes / 1e6:g} MB", ErrorCode.IMAGE_TOO_LARGE) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchError(f"the connection to {place.host} failed") from error

    def _allows(self, host: str) -> bool:
        patterns = [pattern.lower() for pattern in self.allowed_hosts]
        wild = tuple(pattern[1:] for pattern in patterns if pattern.startswith("*."))
        return not patterns or host in patterns or host.endswith(wild)

    def _reach(self, addresses: list[str], port: int, end: float) -> socket.socket:
        for tried, address in enumerate(addresses):
            with suppress(OSError):
                return self.dial((address, port), left(end) / (len(addresses) - tried))
        raise TimeoutError if time.monotonic() >= end else ConnectionError

    def _secure(self, raw: socket.socket, place: Place, end: float) -> socket.socket:
        raw.settimeout(left(end))
        return raw if place.scheme == "http" else self.trust().wrap_socket(raw, server_hostname=place.host)

    def _ask(self, place: Place, line: "_Line") -> bytes | str:
        connection = http.client.HTTPConnection(place.host, place.port)
        connection.sock = line
        connection.request("GET", place.target, headers=HEADERS | {"Host": place.authority})
        with connection.getresponse() as response:
            if response.status in REDIRECTS and (location := response.getheader("Location")):
                return location
            if response.status != http.client.OK:
                raise FetchError(f"{place.host} answered with status {response.status}")
            if (response.getheader("Content-Encoding") or "identity").lower() != "identity":
                raise FetchError(f"{place.host} sent it compressed, although asked not to")
            return self._body(response, place.host)

    def _body(self, response: http.client.HTTPResponse, host: str) -> bytes:
        body = bytearray()
        while (response.length or 0) + len(body) <= self.max_bytes:
            piece = response.read(PIECE_BYTES)
            body += piece
            if not piece and response.length:
                raise FetchError(f"{host} sent less than it announced")
            if not piece:
                return bytes(body)
        raise OverflowError


class _Line(io.RawIOBase):
    """As much of a socket as http.client needs, over at `end` (TimeoutError) and after `most` bytes (OverflowError):
    http.client itself reads a chunk of size -1 without limit. Its `close`, which comes before the body is read, is
    ignored: whoever connected closes."""

    def __init__(self, line: socket.socket, end: float, most: int) -> None:
        self._line = line
        self._end = end
        self._most = most

    def sendall(self, data: bytes) -> None:
        self._line.settimeout(left(self._end))
        self._line.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the only buffer BufferedReader hands out
        self._line.settimeout(left(self._end))
        count = self._line.recv_into(buffer)
        self._most -= count
        if self._most < 0:
            raise OverflowError
        return count

    def close(self) -> None:
        pass
