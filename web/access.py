"""Access control: the API key, pages of other sites, and the names that this server answers to."""

import base64
import binascii
import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from schemas.errors import ErrorCode, JobError
from schemas.settings import Settings

OPEN = frozenset({"/health", "/ready", "/ping"})
"""Probes, which need no key."""

PICTURES = "/v1/pictures/"
"""Prefix of the short-lived picture URLs, which need no key: their names cannot be guessed."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Access:
    """Checks the headers of a request.

    Without `key` anyone is let in. `hosts` are the accepted values of `Host`, empty for any; with `local_only` it must
    be localhost, an address or one of `hosts`. `origins` are the origins of other sites' pages that may call, `*` for
    all.
    """

    key: bytes | None = None
    hosts: tuple[str, ...] = ()
    local_only: bool = False
    origins: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> "Access":
        key = settings.api_key.get_secret_value().encode() if settings.api_key else None
        local_only = key is None and settings.host in LOOPBACK
        return cls(key, settings.allowed_hosts, local_only, settings.cors_origins)

    def refusal(self, method: str, path: str, headers: Headers) -> JobError | None:
        """Return why the request is refused, or None."""
        if not self._knows(headers.get("host")):
            # A page can point its own host name at this machine; its requests are then same-site (DNS rebinding).
            return JobError(ErrorCode.INVALID_INPUT, "Invalid Host header: this server does not answer to that name")
        if method == "POST" and not self._may_send(headers):
            # Otherwise any page could use its visitor's browser to reach a server that needs no key, or whose key the
            # browser saved.
            return JobError(ErrorCode.INVALID_INPUT, "Pages of other sites may not send jobs")
        if self.key is None or path in OPEN or path.startswith(PICTURES):
            return None
        if hmac.compare_digest(_key(headers.get("authorization", "")), self.key):
            return None
        return JobError(ErrorCode.UNAUTHORIZED, "Missing or wrong API key")

    def _knows(self, host: str | None) -> bool:
        if host is None or not (self.hosts or self.local_only):
            return True
        address = _address(f"http://{host}")
        name = address[0].rstrip(".") if address else ""
        return name in self.hosts or (self.local_only and (name == "localhost" or _is_ip(name)))

    def _may_send(self, headers: Headers) -> bool:
        is_allowed = "*" in self.origins or headers.get("origin") in self.origins
        return is_allowed or not _is_of_another_site(headers)


def _is_of_another_site(headers: Headers) -> bool:
    """Return True for a request from another site's page.

    Browsers send `Sec-Fetch-Site`; over plain http to other machines they send only `Origin`.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site or not origin:
        return site == "cross-site"
    scheme = urlsplit(origin).scheme
    own = (f"{scheme}://{headers.get(name, '')}" for name in ("host", "x-forwarded-host"))  # pages cannot set these
    address = _address(origin)
    return address is None or address not in map(_address, own)


def _address(origin: str) -> tuple[str, int | None] | None:
    """Return the host and the port, by default the scheme's; None if the text is not an origin."""
    try:
        parts = urlsplit(origin)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _key(authorization: str) -> bytes:
    """Return the token of Bearer or the password of Basic, or an empty value for anything else."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip(" \t").encode("latin-1")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(given.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
