"""Downloads pictures from public addresses.

On every hop the addresses are checked after DNS, and the connection is made to a checked address. Built on http.client,
which accepts an existing connection: every wait is limited to the remaining total time and can be cancelled. Proxies,
cookies and compression are not supported.
"""

import contextlib
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
from urllib.parse import quote, urljoin, urlsplit

from schemas.errors import ErrorCode, JobError

Result = TypeVar("Result")
Resolve = Callable[[str, int], list[str]]
Check = Callable[[], None]
"""Raises when the download is no longer wanted."""

PORTS = {"https": 443, "http": 80}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# `image/webp` is missing from Accept on purpose: a CDN might convert a lossless picture into a lossy one.
HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "qwen-edit-generate-api",
}
PIECE_BYTES = 65_536
OVERHEAD_BYTES = 1_000_000  # headers and chunk sizes
CONNECT_SECONDS = 5.0  # per address
ASCII_OF_URLS = "".join(chr(code) for code in range(128) if code != ord(" "))
POLL_SECONDS = 0.25
"""Interval at which a waiting download checks whether it is still wanted."""

WRITTEN = re.compile(r"[^\x00-\x1f\x7f\\]{1,8192}")  # neither control characters nor backslashes
URL = re.compile(r"[!-\[\]-~]+")  # printable ASCII
PATH = re.compile(r"(?<=[^:/])[/?#].*", re.DOTALL)
"""Everything after a URL's host."""
AUTHORITY = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+)(?::[0-9]+)?")  # no user name, no zone
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# Some resolvers read a last label that starts with a digit as a number: 2130706433, 127.1, 0x7f.0x1.
HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{LABEL}\.)*(?!\d){LABEL}")

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Networks that `is_global` of some Python versions accepts: Teredo, 6to4, documentation, site-local; protocol
# assignments, 6to4 relays, Azure's metadata service.
NOT_PUBLIC_6 = ("2001::/32", "2002::/16", "3fff::/20", "fec0::/10")
NOT_PUBLIC_4 = ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")
NOT_PUBLIC = tuple(ipaddress.ip_network(network) for network in NOT_PUBLIC_6 + NOT_PUBLIC_4)


class FetchError(Exception):
    """A failure with a message for the caller. It names the host at most, never an address or a query, which may be
    signed."""

    def __init__(self, reason: str, code: ErrorCode = ErrorCode.IMAGE_FETCH_FAILED) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class Target:
    """The parts of an accepted URL; `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str, allow_private: bool = False, base: Target | None = None) -> Target:
    """Return the parts of an acceptable URL. Raises FetchError for any other URL.

    `allow_private` also permits http and ports other than 443. A relative `url` is resolved against `base`.
    """
    if not WRITTEN.fullmatch(url):
        raise FetchError("the URL is too long or malformed")
    try:
        whole = encoded(urljoin(f"{base.scheme}://{base.authority}{base.path}", url) if base else url)
        if not URL.fullmatch(whole):
            raise FetchError("the URL must name its host in ASCII")
        parts = urlsplit(whole)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise FetchError("the URL is malformed") from error
    if parts.scheme not in (PORTS if allow_private else {"https"}):
        raise FetchError("only https:// URLs are fetched")
    if not AUTHORITY.fullmatch(parts.netloc) or not (HOST_NAME.fullmatch(host) or _is_address(host)):
        raise FetchError("the URL must contain a plain host name, without user name or password")
    if port not in (None, PORTS["https"]) and not allow_private:
        raise FetchError(f"only port 443 of {host} is allowed")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, PORTS[parts.scheme] if port is None else port, path)


def encoded(url: str) -> str:
    """Return the URL with blanks and non-ASCII letters after its host percent-encoded as UTF-8, as browsers do."""
    return PATH.sub(lambda path: quote(path[0], safe=ASCII_OF_URLS, errors="replace"), url)


def _is_address(host: str) -> bool:
    """Return True for an IP address in its canonical form, which excludes octal, decimal and abbreviated ones."""
    try:
        return str(ipaddress.ip_address(host)) == host
    except ValueError:
        return False


def is_public(text: str) -> bool:
    """Return True for a globally routable unicast address."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address in NAT64):
        address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    special = address.is_multicast or address.is_reserved or any(address in network for network in NOT_PUBLIC)
    return address.is_global and not special


def system_resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def addresses_of(
    target: Target,
    seconds: float,
    resolve: Resolve = system_resolve,
    allow_private: bool = False,
    check: Check = lambda: None,
) -> list[str]:
    """Return the addresses of the target's host. Raises FetchError if one of them is not public.

    The message is the same as for an unknown name, so that private networks cannot be mapped.
    """
    try:
        addresses = within(seconds, functools.partial(resolve, target.host, target.port), check)
    except (socket.gaierror, UnicodeError):
        addresses = []
    if not addresses or not (allow_private or all(map(is_public, addresses))):
        raise FetchError(f"{target.host} has no public address")
    return addresses


def within(seconds: float, work: Callable[[], Result], check: Check = lambda: None) -> Result:
    """Return or raise what `work` does. Raises TimeoutError after `seconds`; `work` continues in a daemon thread."""
    outcome: Future[Result] = Future()

    def settle() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 result() raises it again
            outcome.set_exception(error)

    Thread(target=settle, daemon=True).start()
    return sliced(outcome.result, time.monotonic() + seconds, check)


def sliced(wait: Callable[[float], Result], end: float, check: Check) -> Result:
    """Return the result of `wait`, calling it for POLL_SECONDS at a time and `check` in between.

    Raises TimeoutError after `end`.
    """
    while True:
        check()
        seconds = min(left(end), POLL_SECONDS)
        with contextlib.suppress(TimeoutError):
            return wait(seconds)


def left(end: float) -> float:
    """Return the positive number of seconds until `end` on the monotonic clock. Raises TimeoutError once it has
    passed."""
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


@functools.cache
def system_trust() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass(frozen=True)
class Fetcher:
    """Downloads pictures.

    `allowed_hosts` are exact hosts or `*.example.com`; empty permits any public host. `allow_private`, for tests, also
    permits http, other ports and private addresses. `resolve`, `dial` and `trust` are its access to the network.
    """

    max_bytes: int
    allowed_hosts: tuple[str, ...] = ()
    allow_private: bool = False
    total_seconds: float = 20.0
    max_redirects: int = 3
    resolve: Resolve = system_resolve
    dial: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection
    trust: Callable[[], ssl.SSLContext] = system_trust

    def fetch(self, url: str, field: str, check: Check = lambda: None) -> bytes:
        """Return the content at `url`.

        Raises JobError that names `field` if the download fails or exceeds `max_bytes`, and whatever `check` raises,
        which is called a few times a second while waiting.
        """
        download = _Download(self, time.monotonic() + self.total_seconds, check)
        try:
            return download.follow(target_of(url, self.allow_private))
        except FetchError as error:
            raise JobError(error.code, f"Invalid {field}: Failed to fetch image: {error}", (field,)) from error

    def allows(self, host: str) -> bool:
        patterns = [pattern.lower() for pattern in self.allowed_hosts]
        wild = tuple(pattern[1:] for pattern in patterns if pattern.startswith("*."))
        return not patterns or host in patterns or host.endswith(wild)


@dataclass(frozen=True)
class _Download:
    """One download in progress, which must finish by `end` on the monotonic clock."""

    rules: Fetcher
    end: float
    check: Check

    def follow(self, target: Target) -> bytes:
        for _ in range(self.rules.max_redirects + 1):
            answer = self._get(target)
            if isinstance(answer, bytes):
                return answer
            target = target_of(answer, self.rules.allow_private, base=target)
        raise FetchError(f"it was redirected more than {self.rules.max_redirects} times")

    def _get(self, target: Target) -> bytes | str:
        """Return the content, or the location of a redirect."""
        rules = self.rules
        if not rules.allows(target.host):
            raise FetchError(f"pictures from {target.host} are not allowed")
        try:
            addresses = addresses_of(target, left(self.end), rules.resolve, rules.allow_private, self.check)
            with (
                closing(self._connected(addresses, target.port)) as raw,
                closing(self._secured(raw, target)) as connection,
            ):
                limit = 2 * rules.max_bytes + OVERHEAD_BYTES
                return self._ask(target, _Stream(connection, self.end, limit, self.check))
        except TimeoutError as error:
            raise FetchError(f"{target.host} took longer than {rules.total_seconds:g} seconds") from error
        except ssl.SSLCertVerificationError as error:
            raise FetchError(f"{target.host} has no valid certificate") from error
        except OverflowError as error:
            raise FetchError(f"it is larger than {rules.max_bytes / 1e6:g} MB", ErrorCode.IMAGE_TOO_LARGE) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchError(f"the connection to {target.host} failed") from error

    def _connected(self, addresses: list[str], port: int) -> socket.socket:
        """Return a connection to the first address that accepts one."""
        for tried, address in enumerate(addresses):
            self.check()
            share = left(self.end) / (len(addresses) - tried)
            with suppress(OSError):
                return self.rules.dial((address, port), min(share, CONNECT_SECONDS))
        raise TimeoutError if time.monotonic() >= self.end else ConnectionError

    def _secured(self, raw: socket.socket, target: Target) -> socket.socket:
        if target.scheme == "http":
            return raw
        secure = self.rules.trust().wrap_socket(raw, server_hostname=target.host, do_handshake_on_connect=False)
        try:
            sliced(functools.partial(_shake_hands, secure), self.end, self.check)
        except BaseException:
            secure.close()
            raise
        return secure

    def _ask(self, target: Target, stream: "_Stream") -> bytes | str:
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.sock = stream
        connection.request("GET", target.path, headers=HEADERS | {"Host": target.authority})
        with connection.getresponse() as response:
            if response.status in REDIRECTS and (location := response.getheader("Location")):
                return location.encode("latin-1").decode("utf-8", "replace")  # http.client reads headers as latin-1
            if response.status != http.client.OK:
                raise FetchError(f"{target.host} answered with status {response.status}")
            if (response.getheader("Content-Encoding") or "identity").lower() != "identity":
                raise FetchError(f"{target.host} sent a compressed response, which is not supported")
            return self._body(response, target.host)

    def _body(self, response: http.client.HTTPResponse, host: str) -> bytes:
        body = bytearray()
        while (response.length or 0) + len(body) <= self.rules.max_bytes:
            piece = response.read(PIECE_BYTES)
            body += piece
            if not piece and response.length:
                raise FetchError(f"{host} sent less than it announced")
            if not piece:
                return bytes(body)
        raise OverflowError


def _shake_hands(secure: ssl.SSLSocket, seconds: float) -> None:
    secure.settimeout(seconds)
    secure.do_handshake()


class _Stream(io.RawIOBase):
    """The part of a socket that http.client uses, with a deadline (TimeoutError) and `limit` bytes (OverflowError).

    http.client alone would read a chunk of size -1 without limit. `close`, which it calls before the body is read, has
    no effect: the connection is closed where it was opened.
    """

    def __init__(self, connection: socket.socket, end: float, limit: int, check: Check) -> None:
        self._connection = connection
        self._end = end
        self._limit = limit
        self._check = check

    def sendall(self, data: bytes) -> None:
        self._connection.settimeout(left(self._end))
        self._connection.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the only buffer BufferedReader hands out
        count = sliced(functools.partial(self._receive, buffer), self._end, self._check)
        self._limit -= count
        if self._limit < 0:
            raise OverflowError
        return count

    def _receive(self, buffer: memoryview, seconds: float) -> int:
        self._connection.settimeout(seconds)
        return self._connection.recv_into(buffer)

    def close(self) -> None:
        pass
