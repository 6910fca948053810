"""Uploads to an S3-compatible bucket and returns presigned URLs. boto3 is imported by the first upload."""

import functools
import hashlib
import io
import re
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from schemas.errors import ErrorCode, JobError
from transport.fetch import AUTHORITY, FetchError, addresses_of, target_of, within

WEEK_SECONDS = 7 * 24 * 3600
RESOLVE_SECONDS = 5.0
CONNECT_SECONDS = 5.0
ATTEMPTS = 3
MAX_ANSWER_BYTES = 1_000_000

CONFIG_KEYS = ("accessId", "accessSecret", "endpointUrl", "bucketName")
PLAIN = re.compile(r"[!-~]{1,2048}")
ENDPOINT = re.compile(rf"https?://{AUTHORITY.pattern}(?:/[!-~]*)?")
# botocore sends requests for directory buckets and outposts, whose names end like shop--x-s3, to another host.
BUCKET_NAME = re.compile(r"(?!.*--\w+-s3\Z)[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
# Providers whose host names contain the region and, by RunPod's convention, may start with the bucket's name.
HOSTS = (
    re.compile(
        r"(?:(?P<bucket>.+)\.)?s3[.-](?:dualstack\.)?(?:(?P<region>[a-z0-9-]+-\d+)\.)?"
        r"(?:amazonaws\.com(?:\.cn)?|backblazeb2\.com|wasabisys\.com)"
    ),
    re.compile(r"(?:(?P<bucket>.+)\.)?(?P<region>[a-z0-9]+)\.digitaloceanspaces\.com"),
)
HOSTS_OF_NO_REGION = (".r2.cloudflarestorage.com", "storage.googleapis.com")
HOSTS_BY_BUCKET = (".amazonaws.com", ".amazonaws.com.cn")

Addressing = Literal["auto", "path", "virtual"]
ERROR_CODE = re.compile(r"[A-Za-z][A-Za-z0-9.]{1,63}")
MD5_ETAG = re.compile(r"[0-9a-f]{32}")

CREDENTIALS = "its credentials were refused"
REGION = "it is in another region than its endpoint says"
REASONS = {
    "AccessDenied": "its credentials may not write there",
    "AuthorizationHeaderMalformed": REGION,
    "RequestTimeTooSkewed": "the clock of this worker is wrong",
}
REASONS_BY_STATUS = {301: REGION, 401: CREDENTIALS, 403: CREDENTIALS, 404: "there is no such bucket"}


@dataclass(frozen=True)
class Location:
    """Location of a bucket. `addressing` as in botocore: `virtual` puts the bucket into the host name, `path` into the
    path."""

    endpoint: str
    bucket: str
    region: str
    addressing: str


def locate(endpoint_url: str, name: str | None, region: str | None = None, addressing: Addressing = "auto") -> Location:
    """Return the bucket's location. Without a `name`, it is read from the endpoint's host or the last part of its path.

    Raises ValueError, with a message for the caller, for a malformed or contradictory address.
    """
    if not ENDPOINT.fullmatch(endpoint_url):
        raise ValueError("the endpoint is not a plain http(s) URL")
    parts = urlsplit(endpoint_url)
    host, netloc = parts.hostname or "", parts.netloc.lower()
    found = next((match for pattern in HOSTS if (match := pattern.fullmatch(host))), None)
    in_host, in_region = (found["bucket"], found["region"]) if found else (None, None)
    if in_host is None and name and host.startswith(f"{name.lower()}."):
        in_host = _leading_label(name, addressing)
    if name and in_host and name.lower() != in_host:
        raise ValueError(f"the endpoint's host names the bucket {in_host}, not {name}")
    folder, _, last = parts.path.strip("/").rpartition("/")
    bucket = name or in_host or last
    if not BUCKET_NAME.fullmatch(bucket):
        raise ValueError("the bucket's name is malformed" if bucket else "no bucket is named")
    path = folder if bucket == last else parts.path.strip("/")
    return Location(
        endpoint=f"{parts.scheme}://{netloc.removeprefix(f'{in_host}.')}/{path}".rstrip("/"),
        bucket=bucket,
        region=region or in_region or ("auto" if host.endswith(HOSTS_OF_NO_REGION) else "us-east-1"),
        addressing=_addressing(host) if addressing == "auto" else addressing,
    )


def _leading_label(name: str, addressing: Addressing) -> str | None:
    """Return the bucket at the start of an unknown provider's host; None if path addressing makes it part of the host.

    Raises ValueError if the addressing is not given: the bucket would be named twice, or in the wrong place.
    """
    if addressing == "auto":
        raise ValueError(f"the endpoint's host already begins with the bucket's name {name}: set BUCKET_ADDRESSING")
    return name.lower() if addressing == "virtual" else None


def _addressing(host: str) -> str:
    return "virtual" if host.endswith(HOSTS_BY_BUCKET) else "path"


@dataclass(frozen=True)
class Bucket:
    """A bucket to upload to. `prefix` is a folder in it; `total_seconds` limits an upload including its retries."""

    endpoint_url: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    name: str | None = None
    prefix: str = ""
    expiry_seconds: int = WEEK_SECONDS
    region: str | None = None
    addressing: Addressing = "auto"
    total_seconds: float = 60.0

    @classmethod
    def from_job(
        cls, config: object, *, prefix: str = "", expiry_seconds: int = WEEK_SECONDS, allow_private: bool = False
    ) -> Self:
        """Return the bucket of a job's `s3Config`. Raises JobError for an endpoint that is not public.

        Like a picture's URL, it must be https at a public address. From then on TLS protects the name: a private server
        that a later DNS answer points to has no certificate for it.
        """
        given = _checked(config)
        try:
            locate(given["endpointUrl"], given.get("bucketName"))
            target = target_of(given["endpointUrl"], allow_private)
            addresses_of(target, RESOLVE_SECONDS, allow_private=allow_private)
        except (ValueError, FetchError) as error:
            raise _invalid(str(error)) from error
        except TimeoutError as error:
            raise _invalid("the endpoint's host took too long to resolve") from error
        endpoint_url, name = given["endpointUrl"], given.get("bucketName")
        return cls(endpoint_url, given["accessId"], given["accessSecret"], name, prefix, expiry_seconds)

    def put(self, data: bytes, mime_type: str, name: str) -> str:
        """Upload `data` and return a URL that anyone can read for `expiry_seconds`. Raises JobError if that fails."""
        try:
            location = locate(self.endpoint_url, self.name, self.region, self.addressing)
        except ValueError as error:
            raise JobError(ErrorCode.UPLOAD_FAILED, f"Failed to upload the picture: {error}") from error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            key = f"{self.prefix.strip('/')}/{name}".lstrip("/")
            return within(self.total_seconds, functools.partial(self._put, location, data, mime_type, key))
        except (BotoCoreError, ClientError, TimeoutError, ValueError, _UnconfirmedError) as error:
            message = f"Failed to upload the picture to bucket {location.bucket}: {self._reason(error)}"
            raise JobError(ErrorCode.UPLOAD_FAILED, message) from error

    def _put(self, location: Location, data: bytes, mime_type: str, key: str) -> str:
        with closing(self._client(location)) as client:
            # Not a public attribute, but the only session that has this client's timeouts, proxies and certificates.
            send = functools.partial(_send, client._endpoint.http_session)
            client.meta.events.register("before-send.s3.PutObject", send)
            stored = client.put_object(Bucket=location.bucket, Key=key, Body=data, ContentType=mime_type)
            _check_stored(stored, data)
            target = {"Bucket": location.bucket, "Key": key}
            return str(client.generate_presigned_url("get_object", Params=target, ExpiresIn=self.expiry_seconds))

    def _client(self, location: Location) -> Any:  # boto3 creates its client classes at run time
        from boto3.session import Session
        from botocore.config import Config

        # A new session: boto3's default session is not thread-safe.
        return Session().client(
            "s3",
            endpoint_url=location.endpoint,
            region_name=location.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": location.addressing},
                connect_timeout=CONNECT_SECONDS,
                read_timeout=self.total_seconds / (ATTEMPTS + 1),
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                # R2 and other stores reject the checksums that boto3 sends by default.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def _reason(self, error: Exception) -> str:
        """Return why an upload failed, with the store's own error code if there is one."""
        from botocore.exceptions import ClientError, ReadTimeoutError

        if isinstance(error, ClientError):
            status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], str(error.response["Error"]["Code"])
            known = REASONS.get(code) or REASONS_BY_STATUS.get(status) or f"it answered with status {status}"
            holds_key = self.access_key_id in code or self.secret_access_key in code
            return f"{known} ({code})" if ERROR_CODE.fullmatch(code) and not holds_key else known
        if isinstance(error, _UnconfirmedError):
            return "its answer does not confirm the upload; is the endpoint an S3 API?"
        if isinstance(error, ReadTimeoutError | TimeoutError):
            return "it is too slow"
        return "its endpoint or region is malformed" if isinstance(error, ValueError) else "it cannot be reached"


class _UnconfirmedError(Exception):
    """A status of 200 from something that is not an object store, such as a login page."""


def _check_stored(stored: dict[str, Any], data: bytes) -> None:
    """Raise _UnconfirmedError unless the answer's ETag matches `data`.

    With server-side encryption by a managed key the ETag is not an MD5 digest, but it must be present.
    """
    etag = str(stored.get("ETag", "")).strip('"').lower()
    is_digest = MD5_ETAG.fullmatch(etag) and stored.get("ServerSideEncryption", "AES256") == "AES256"
    if not etag or (is_digest and etag != hashlib.md5(data, usedforsecurity=False).hexdigest()):
        raise _UnconfirmedError


def _send(session: Any, request: Any, **_: object) -> Any:
    """Send like botocore, but read at most `MAX_ANSWER_BYTES` of the answer, which may be endless."""
    import urllib3
    from botocore.awsrequest import AWSResponse
    from botocore.exceptions import HTTPClientError, ReadTimeoutError

    request.stream_output = True
    answer = session.send(request)
    try:
        body = io.BytesIO(answer.raw.read(MAX_ANSWER_BYTES))
    except urllib3.exceptions.ReadTimeoutError as error:
        raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
    except urllib3.exceptions.HTTPError as error:
        raise HTTPClientError(error=error) from error
    finally:
        answer.raw.close()
    whole = urllib3.HTTPResponse(body, preload_content=False)
    return AWSResponse(answer.url, answer.status_code, answer.headers, whole)


def _checked(config: object) -> dict[str, str]:
    if not isinstance(config, dict) or not set(CONFIG_KEYS[:3]) <= config.keys() <= set(CONFIG_KEYS):
        raise _invalid(f"it must have {', '.join(CONFIG_KEYS[:3])}, may have {CONFIG_KEYS[3]}, and nothing else")
    for key, value in config.items():
        if not (isinstance(value, str) and PLAIN.fullmatch(value)):
            raise _invalid(f"{key} must be a string without blanks")
    return config


def _invalid(reason: str) -> JobError:
    return JobError(ErrorCode.INVALID_INPUT, f"Invalid s3Config: {reason}", ("s3Config",))
