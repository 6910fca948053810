"""Answers into an S3-compatible bucket, out as presigned URLs. boto3 is imported by the upload, not at cold start."""

import functools
import io
import re
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from schemas.errors import ErrorCode, JobError
from transport.fetch import AUTHORITY, FetchError, addresses_of, place_of, within

WEEK_SECONDS = 7 * 24 * 3600
RESOLVE_SECONDS = 5.0
CONNECT_SECONDS = 5.0
ATTEMPTS = 3
MAX_ANSWER_BYTES = 1_000_000

CONFIG_KEYS = ("accessId", "accessSecret", "endpointUrl", "bucketName")
PLAIN = re.compile(r"[!-~]{1,2048}")
ENDPOINT = re.compile(rf"https?://{AUTHORITY.pattern}(?:/[!-~]*)?")
# The names of directory buckets and outposts, which end like shop--x-s3, would make botocore ask another host.
BUCKET_NAME = re.compile(r"(?!.*--\w+-s3\Z)[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
# Providers whose hosts name the region, and before it, where RunPod's convention is followed, the bucket.
HOSTS = (
    re.compile(
        r"(?:(?P<bucket>.+)\.)?s3[.-](?:dualstack\.)?(?:(?P<region>[a-z0-9-]+-\d+)\.)?"
        r"(?:amazonaws\.com(?:\.cn)?|backblazeb2\.com|wasabisys\.com)"
    ),
    re.compile(r"(?:(?P<bucket>.+)\.)?(?P<region>[a-z0-9]+)\.digitaloceanspaces\.com"),
)
HOSTS_OF_NO_REGION = (".r2.cloudflarestorage.com", "storage.googleapis.com")
HOSTS_BY_BUCKET = (".amazonaws.com", ".amazonaws.com.cn")

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
    """`addressing` is botocore's word: `virtual` puts the bucket into the host, `path` into the path."""

    endpoint: str
    bucket: str
    region: str
    addressing: str


def locate(endpoint_url: str, name: str | None, region: str | None = None) -> Location:
    """Without a `name` the bucket is the one in the endpoint's host, else the last part of its path. ValueError, in
    words for the caller, where that gives none."""
    if not ENDPOINT.fullmatch(endpoint_url):
        raise ValueError("the endpoint is not a plain http(s) URL")
    parts = urlsplit(endpoint_url)
    host, netloc = parts.hostname or "", parts.netloc.lower()
    found = next((match for pattern in HOSTS if (match := pattern.fullmatch(host))), None)
    in_host, in_name = (found["bucket"], found["region"]) if found else (None, None)
    folder, _, last = parts.path.strip("/").rpartition("/")
    bucket = name or in_host or last
    if not BUCKET_NAME.fullmatch(bucket):
        raise ValueError("the bucket's name is malformed" if bucket else "no bucket is named")
    path = folder if bucket == last else parts.path.strip("/")
    return Location(
        endpoint=f"{parts.scheme}://{netloc.removeprefix(f'{in_host}.')}/{path}".rstrip("/"),
        bucket=bucket,
        region=region or in_name or ("auto" if host.endswith(HOSTS_OF_NO_REGION) else "us-east-1"),
        addressing="virtual" if host.endswith(HOSTS_BY_BUCKET) else "path",
    )


@dataclass(frozen=True)
class Bucket:
    """`prefix` is a folder inside the bucket. No upload takes longer than `total_seconds`, retries included."""

    endpoint_url: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    name: str | None = None
    prefix: str = ""
    expiry_seconds: int = WEEK_SECONDS
    region: str | None = None
    total_seconds: float = 60.0

    @classmethod
    def from_job(
        cls, config: object, *, prefix: str = "", expiry_seconds: int = WEEK_SECONDS, allow_private: bool = False
    ) -> Self:
        """A job's `s3Config`. Its endpoint is a stranger's: https to a public address, like a picture's URL. TLS then
        pins the name: a private server that a later DNS answer points to has no certificate for it."""
        given = _checked(config)
        try:
            locate(given["endpointUrl"], given.get("bucketName"))
            place = place_of(given["endpointUrl"], allow_private)
            addresses_of(place, RESOLVE_SECONDS, allow_private=allow_private)
        except (ValueError, FetchError) as error:
            raise _invalid(str(error)) from error
        except TimeoutError as error:
            raise _invalid("the endpoint's host took too long to resolve") from error
        endpoint_url, name = given["endpointUrl"], given.get("bucketName")
        return cls(endpoint_url, given["accessId"], given["accessSecret"], name, prefix, expiry_seconds)

    def put(self, data: bytes, mime_type: str, name: str) -> str:
        """A URL that anybody can read for `expiry_seconds`. JobError when the bucket did not take the data."""
        try:
            location = locate(self.endpoint_url, self.name, self.region)
        except ValueError as error:
            raise JobError(ErrorCode.UPLOAD_FAILED, f"Failed to upload the picture: {error}") from error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            key = f"{self.prefix.strip('/')}/{name}".lstrip("/")
            return within(self.total_seconds, functools.partial(self._put, location, data, mime_type, key))
        except (BotoCoreError, ClientError, TimeoutError, ValueError) as error:
            message = f"Failed to upload the picture to bucket {location.bucket}: {_reason(error)}"
            raise JobError(ErrorCode.UPLOAD_FAILED, message) from error

    def _put(self, location: Location, data: bytes, mime_type: str, key: str) -> str:
        with closing(self._client(location)) as client:
            # Not a public name, but the one session that knows this client's timeouts, proxies and certificates.
            send = functools.partial(_send, client._endpoint.http_session)
            client.meta.events.register("before-send.s3.PutObject", send)
            client.put_object(Bucket=location.bucket, Key=key, Body=data, ContentType=mime_type)
            target = {"Bucket": location.bucket, "Key": key}
            return str(client.generate_presigned_url("get_object", Params=target, ExpiresIn=self.expiry_seconds))

    def _client(self, location: Location) -> Any:  # boto3 makes its clients' classes at run time
        from boto3.session import Session
        from botocore.config import Config

        # A session of its own: boto3's default one is not safe between threads.
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
                # Checksums that R2 and others do not know are sent only where S3 demands them.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )


def _send(session: Any, request: Any, **_: object) -> Any:
    """As botocore does, but of an answer without end it reads no more than `MAX_ANSWER_BYTES`."""
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


def _reason(error: Exception) -> str:
    from botocore.exceptions import ClientError, ReadTimeoutError

    if isinstance(error, ClientError):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        known = REASONS.get(error.response["Error"]["Code"]) or REASONS_BY_STATUS.get(status)
        return known or f"it answered with status {status}"
    if isinstance(error, ReadTimeoutError | TimeoutError):
        return "it is too slow"
    return "its endpoint or region is malformed" if isinstance(error, ValueError) else "it cannot be reached"


def _checked(config: object) -> dict[str, str]:
    if not isinstance(config, dict) or not set(CONFIG_KEYS[:3]) <= config.keys() <= set(CONFIG_KEYS):
        raise _invalid(f"it must hold {', '.join(CONFIG_KEYS[:3])}, may hold {CONFIG_KEYS[3]}, and nothing else")
    for key, value in config.items():
        if not (isinstance(value, str) and PLAIN.fullmatch(value)):
            raise _invalid(f"{key} must be a text without blanks")
    return config


def _invalid(reason: str) -> JobError:
    return JobError(ErrorCode.INVALID_INPUT, f"Invalid s3Config: {reason}", ("s3Config",))
