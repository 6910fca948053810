import contextlib
import itertools
import socket
import subprocess
import sys
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from schemas.errors import ErrorCode, JobError
from testing.patience import PATIENCE, WAIT_SECONDS, wait_until
from testing.processes import free_port
from testing.s3 import KEY, S3, SECRET
from transport.bucket import MAX_ANSWER_BYTES, WEEK_SECONDS, Bucket, Location, locate

PICTURE = b"\x89PNG" + bytes(range(256)) * 400
CONFIG = {"accessId": KEY, "accessSecret": SECRET, "bucketName": "shop", "endpointUrl": "https://93.184.216.34"}
SOON = 0.5
TOO_SLOW = "Failed to upload the picture to bucket shop: it is too slow"


class Scripted:
    """A server that gives every caller the same answer, byte by byte with a `pause` after each if there is one."""

    def __init__(self, answer: bytes, pause: float = 0.0) -> None:
        self.answer, self.pause, self.calls, self.heard_out = answer, pause, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> "Scripted":
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as connections:
            while True:
                connection, _ = self.listener.accept()
                connections.enter_context(connection)
                self.calls += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as request:
            while request.readline().strip():
                pass
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.read(len(PICTURE))
            if self.pause:
                self._drip(connection)
            else:
                connection.sendall(self.answer)
                self.heard_out += 1

    def _drip(self, connection: socket.socket) -> None:
        """Send until the caller hangs up."""
        connection.settimeout(self.pause)
        for piece in itertools.chain(map(int.to_bytes, self.answer), itertools.repeat(b"")):
            connection.sendall(piece)
            with contextlib.suppress(TimeoutError):
                connection.recv(1)
                return


def bucket(endpoint_url: str, **options: object) -> Bucket:
    return Bucket(
        **{"endpoint_url": endpoint_url, "access_key_id": KEY, "secret_access_key": SECRET, "name": "shop", **options}
    )  # type: ignore[arg-type]


def refusal(bucket: Bucket) -> str:
    with pytest.raises(JobError) as caught:
        bucket.put(PICTURE, "image/png", "a.png")
    assert caught.value.code is ErrorCode.UPLOAD_FAILED
    assert_no_secret(caught.value.message)
    return caught.value.message


def assert_no_secret(text: str) -> None:
    assert KEY not in text
    assert SECRET not in text
    assert "X-Amz" not in text


def target(url: str) -> str:
    return url.partition(f"//{urlsplit(url).netloc}")[2]


# Against a server that speaks S3


def test_the_url_gives_the_bytes_and_their_type(s3: S3) -> None:
    url = bucket(s3.url).put(PICTURE, "image/webp", "chair.webp")
    answer = s3.ask("GET", target(url))
    assert answer.status == 200
    assert answer.body == PICTURE  # type: ignore[attr-defined]
    assert answer.getheader("Content-Type") == "image/webp"


def test_the_url_is_signed_with_version_4_and_expires(s3: S3) -> None:
    query = parse_qs(urlsplit(bucket(s3.url, expiry_seconds=90).put(PICTURE, "image/png", "a.png")).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["90"]
    assert SECRET not in str(query)


def test_a_url_lives_for_a_week_unless_told_otherwise(s3: S3) -> None:
    assert f"X-Amz-Expires={WEEK_SECONDS}&" in bucket(s3.url).put(PICTURE, "image/png", "a.png")


@pytest.mark.parametrize(
    ("prefix", "path"), [("", "/shop/a.png"), ("rooms", "/shop/rooms/a.png"), ("/x/y/", "/shop/x/y/a.png")]
)
def test_the_prefix_is_a_folder(prefix: str, path: str, s3: S3) -> None:
    url = bucket(s3.url, prefix=prefix).put(PICTURE, "image/png", "a.png")
    assert urlsplit(url).path == path
    assert s3.ask("GET", target(url)).status == 200


def test_the_bucket_may_be_named_by_the_path_of_the_endpoint(s3: S3) -> None:
    url = bucket(f"{s3.url}/shop", name=None).put(PICTURE, "image/png", "a.png")
    assert s3.ask("GET", target(url)).status == 200


def test_no_checksum_is_sent_that_other_providers_do_not_know(s3: S3) -> None:
    url = bucket(s3.url).put(PICTURE, "image/png", "plain.png")
    with contextlib.closing(s3.client("s3")) as client:
        head = client.head_object(Bucket="shop", Key="plain.png", ChecksumMode="ENABLED")
    assert not [name for name in head if name.startswith("Checksum")]
    assert "checksum" not in url.lower()


def test_a_job_brings_its_own_bucket(s3: S3) -> None:
    config = {"accessId": KEY, "accessSecret": SECRET, "bucketName": "shop", "endpointUrl": s3.url}
    url = Bucket.from_job(config, prefix="theirs", allow_private=True).put(PICTURE, "image/png", "a.png")
    assert urlsplit(url).path == "/shop/theirs/a.png"
    assert s3.ask("GET", target(url)).body == PICTURE  # type: ignore[attr-defined]


def test_a_bucket_that_does_not_exist_is_named(s3: S3) -> None:
    told = refusal(bucket(s3.url, name="elsewhere"))
    assert told == "Failed to upload the picture to bucket elsewhere: there is no such bucket (NoSuchBucket)"


def test_wrong_credentials_are_told_without_repeating_them(s3: S3) -> None:
    s3.count_strangers("0")
    try:
        assert (
            refusal(bucket(s3.url))
            == "Failed to upload the picture to bucket shop: its credentials were refused (InvalidAccessKeyId)"
        )
    finally:
        s3.count_strangers("inf")


def test_the_signature_is_one_that_s3_accepts(s3: S3) -> None:
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    with contextlib.closing(s3.client("iam")) as iam:
        iam.create_user(UserName="shop")
        iam.put_user_policy(UserName="shop", PolicyName="all", PolicyDocument=policy)
        made = iam.create_access_key(UserName="shop")["AccessKey"]
    keys = {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}
    s3.count_strangers("0")
    try:
        assert bucket(s3.url, **keys).put(PICTURE, "image/png", "a.png")
        assert "its credentials were refused" in refusal(bucket(s3.url, **keys | {"secret_access_key": SECRET}))
    finally:
        s3.count_strangers("inf")


# Against servers that do not


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (403, "SignatureDoesNotMatch", "its credentials were refused (SignatureDoesNotMatch)"),
        (401, "Unauthorized", "its credentials were refused (Unauthorized)"),
        (403, "AccessDenied", "its credentials may not write there (AccessDenied)"),
        (403, "RequestTimeTooSkewed", "the clock of this worker is wrong (RequestTimeTooSkewed)"),
        (
            400,
            "AuthorizationHeaderMalformed",
            "it is in another region than its endpoint says (AuthorizationHeaderMalformed)",
        ),
        (404, "NoSuchBucket", "there is no such bucket (NoSuchBucket)"),
        (507, "NotEnoughRoom", "it answered with status 507 (NotEnoughRoom)"),
        (411, f"Key{KEY}", "it answered with status 411"),
    ],
)
def test_a_refusal_is_told_in_words(status: int, code: str, reason: str) -> None:
    body = f"<Error><Code>{code}</Code><Message>{KEY} {SECRET}</Message></Error>"
    answer = f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
    with Scripted(answer) as server:
        assert refusal(bucket(server.url)) == f"Failed to upload the picture to bucket shop: {reason}"


def stored(etag: str, more: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nETag: {etag}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()


NO_STORE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("answer", [NO_STORE, stored('"d41d8cd98f00b204e9800998ecf8427e"')])
def test_a_status_of_200_without_the_digest_of_the_picture_is_no_upload(answer: bytes) -> None:
    with Scripted(answer) as server:
        assert "does not confirm the upload" in refusal(bucket(server.url))


def test_a_store_that_encrypts_by_a_managed_key_has_other_etags() -> None:
    answer = stored('"d41d8cd98f00b204e9800998ecf8427e"', "x-amz-server-side-encryption: aws:kms\r\n")
    with Scripted(answer) as server:
        assert bucket(server.url).put(PICTURE, "image/png", "a.png")


def test_an_overloaded_server_is_tried_three_times() -> None:
    with Scripted(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as server:
        assert "status 503" in refusal(bucket(server.url))
        assert server.calls == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"",
        b"HTTP/1.1 500 Oh\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<no><xml>",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>",
    ],
)
def test_an_answer_that_is_not_s3_is_an_error(answer: bytes) -> None:
    with Scripted(answer) as server:
        assert refusal(bucket(server.url)).startswith("Failed to upload the picture to bucket shop: it ")


def test_a_port_where_nobody_listens_cannot_be_reached() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert refusal(bucket(url)) == "Failed to upload the picture to bucket shop: it cannot be reached"


@pytest.mark.parametrize("status", [200, 403, 500])
def test_an_answer_without_end_is_not_read_to_it(status: int) -> None:
    with Scripted(f"HTTP/1.1 {status} Oh\r\n\r\n<Error>".encode() + bytes(50 * MAX_ANSWER_BYTES)) as server:
        with contextlib.suppress(JobError):
            bucket(server.url).put(PICTURE, "image/png", "a.png")
        assert server.calls
        assert not server.heard_out


def test_a_server_that_falls_silent_within_its_answer_is_too_slow() -> None:
    with Scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", pause=WAIT_SECONDS) as server:
        assert refusal(bucket(server.url, total_seconds=2 * PATIENCE)) == TOO_SLOW


def test_a_dripping_server_is_left_in_time() -> None:
    with Scripted(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: very\r\n" * 90_000, pause=0.05) as server:
        assert refusal(bucket(server.url, total_seconds=SOON)) == TOO_SLOW


def test_a_silent_server_is_left_in_time_and_no_thread_stays_with_it() -> None:
    with Scripted(b"", pause=WAIT_SECONDS) as server:
        threads = threading.active_count()
        assert refusal(bucket(server.url, total_seconds=SOON)) == TOO_SLOW
        wait_until(lambda: threading.active_count() <= threads)


# Where requests are sent


@pytest.mark.parametrize(
    ("endpoint", "name", "location"),
    [
        # RunPod's convention: the bucket in the host name
        ("shop.s3.eu-central-1.amazonaws.com", None, "s3.eu-central-1.amazonaws.com shop eu-central-1 virtual"),
        ("a.shop.s3.us-gov-west-1.amazonaws.com/", None, "s3.us-gov-west-1.amazonaws.com a.shop us-gov-west-1 virtual"),
        ("shop.s3.amazonaws.com", None, "s3.amazonaws.com shop us-east-1 virtual"),
        ("shop.s3-us-west-2.amazonaws.com", None, "s3-us-west-2.amazonaws.com shop us-west-2 virtual"),
        ("shop.s3.cn-north-1.amazonaws.com.cn", None, "s3.cn-north-1.amazonaws.com.cn shop cn-north-1 virtual"),
        ("shop.nyc3.digitaloceanspaces.com", None, "nyc3.digitaloceanspaces.com shop nyc3 path"),
        ("shop.s3.us-west-004.backblazeb2.com", None, "s3.us-west-004.backblazeb2.com shop us-west-004 path"),
        ("shop.s3.eu-west-1.amazonaws.com", "shop", "s3.eu-west-1.amazonaws.com shop eu-west-1 virtual"),
        # the name next to the endpoint
        ("s3.dualstack.eu-west-1.amazonaws.com", "shop", "s3.dualstack.eu-west-1.amazonaws.com shop eu-west-1 virtual"),
        ("s3.us-west-004.backblazeb2.com", "shop", "s3.us-west-004.backblazeb2.com shop us-west-004 path"),
        ("s3.eu-central-2.wasabisys.com", "shop", "s3.eu-central-2.wasabisys.com shop eu-central-2 path"),
        ("0123abcd.r2.cloudflarestorage.com", "shop", "0123abcd.r2.cloudflarestorage.com shop auto path"),
        ("0123abcd.eu.r2.cloudflarestorage.com", "shop", "0123abcd.eu.r2.cloudflarestorage.com shop auto path"),
        ("storage.googleapis.com", "shop", "storage.googleapis.com shop auto path"),
        ("minio.internal:9000", "shop", "minio.internal:9000 shop us-east-1 path"),
        ("[::1]:9000", "shop", "[::1]:9000 shop us-east-1 path"),
        # the bucket in the path
        ("0123abcd.r2.cloudflarestorage.com/shop", None, "0123abcd.r2.cloudflarestorage.com shop auto path"),
        ("minio.internal:9000/shop/", "shop", "minio.internal:9000 shop us-east-1 path"),
        ("x.supabase.co/storage/v1/s3", "shop", "x.supabase.co/storage/v1/s3 shop us-east-1 path"),
        ("x.supabase.co/storage/v1/s3/shop", None, "x.supabase.co/storage/v1/s3 shop us-east-1 path"),
        # hosts that only look alike
        ("s3.eu-west-1.amazonaws.com.evil.com", "shop", "s3.eu-west-1.amazonaws.com.evil.com shop us-east-1 path"),
        ("s3.eu-west-1.evilamazonaws.com", "shop", "s3.eu-west-1.evilamazonaws.com shop us-east-1 path"),
    ],
)
def test_bucket_region_and_addressing_follow_from_the_endpoint(endpoint: str, name: str | None, location: str) -> None:
    assert locate(f"https://{endpoint}", name) == Location(*f"https://{location}".split())


@pytest.mark.parametrize(
    ("endpoint", "addressing", "location"),
    [
        ("minio.internal", "virtual", "minio.internal shop us-east-1 virtual"),
        ("shop.minio.internal", "virtual", "minio.internal shop us-east-1 virtual"),
        ("shop.minio.internal", "path", "shop.minio.internal shop us-east-1 path"),
        ("s3.eu-west-1.amazonaws.com", "path", "s3.eu-west-1.amazonaws.com shop eu-west-1 path"),
    ],
)
def test_a_given_addressing_wins(endpoint: str, addressing: str, location: str) -> None:
    assert locate(f"https://{endpoint}", "shop", addressing=addressing) == Location(*f"https://{location}".split())


def test_a_given_region_wins() -> None:
    assert locate("https://s3.eu-west-1.amazonaws.com", "shop", "eu-west-9").region == "eu-west-9"


@pytest.mark.parametrize(
    ("endpoint", "start"),
    [
        ("https://shop.s3.eu-central-1.amazonaws.com", "https://shop.s3.eu-central-1.amazonaws.com/k.png?"),
        ("https://nyc3.digitaloceanspaces.com", "https://nyc3.digitaloceanspaces.com/shop/k.png?"),
        ("https://0123abcd.r2.cloudflarestorage.com", "https://0123abcd.r2.cloudflarestorage.com/shop/k.png?"),
    ],
)
def test_the_signed_url_is_at_that_place(endpoint: str, start: str) -> None:
    taken = bucket(endpoint)
    with contextlib.closing(taken._client(locate(endpoint, "shop"))) as client:
        url = client.generate_presigned_url("get_object", Params={"Bucket": "shop", "Key": "k.png"}, ExpiresIn=60)
    assert url.startswith(start)


@pytest.mark.parametrize(
    ("endpoint", "name", "reason"),
    [
        ("https://s3.eu-west-1.amazonaws.com", None, "no bucket is named"),
        ("http://minio.internal:9000/", None, "no bucket is named"),
        ("simulated_uploaded/", "shop", "the endpoint is not a plain http(s) URL"),
        ("/tmp/uploads", "shop", "the endpoint is not a plain http(s) URL"),
        ("", "shop", "the endpoint is not a plain http(s) URL"),
        ("s3.eu-west-1.amazonaws.com", "shop", "the endpoint is not a plain http(s) URL"),
        ("https://[::1", "shop", "the endpoint is not a plain http(s) URL"),
        (f"https://{KEY}:{SECRET}@minio.internal", "shop", "the endpoint is not a plain http(s) URL"),
        (
            "https://other.s3.eu-west-1.amazonaws.com",
            "shop",
            "the endpoint's host names the bucket other, not shop",
        ),
        (
            "https://shop.minio.internal",
            "shop",
            "the endpoint's host already begins with the bucket's name shop: set BUCKET_ADDRESSING",
        ),
        ("https://s3.eu-west-1.amazonaws.com", "../other", "the bucket's name is malformed"),
        ("https://s3.eu-west-1.amazonaws.com", "a", "the bucket's name is malformed"),
        ("https://s3.example.com", "arn:aws:s3:us-east-1:1:accesspoint/a", "the bucket's name is malformed"),
        ("https://s3.example.com", "evil--usw2-az1--x-s3", "the bucket's name is malformed"),
        ("https://s3.example.com", "evil--op-s3", "the bucket's name is malformed"),
    ],
)
def test_a_bucket_that_cannot_be_located_is_refused_without_any_call(
    endpoint: str, name: str | None, reason: str
) -> None:
    assert refusal(bucket(endpoint, name=name)) == f"Failed to upload the picture: {reason}"


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [("https://minio..internal", None), ("https://s3.example.com", "a b")],
)
def test_what_botocore_finds_malformed_is_refused_as_such(endpoint: str, region: str | None) -> None:
    assert "malformed" in refusal(bucket(endpoint, region=region))


# The bucket of a job


def config_refusal(config: object) -> str:
    with pytest.raises(JobError) as caught:
        Bucket.from_job(config)
    assert caught.value.code is ErrorCode.INVALID_INPUT
    assert caught.value.fields == ("s3Config",)
    assert caught.value.message.startswith("Invalid s3Config: ")
    assert_no_secret(caught.value.message)
    return caught.value.message


def test_a_job_at_a_public_endpoint_keeps_its_names() -> None:
    taken = Bucket.from_job(CONFIG, prefix="p", expiry_seconds=60)
    assert taken == Bucket("https://93.184.216.34", KEY, SECRET, "shop", "p", 60)


@pytest.mark.parametrize("missing", ["accessId", "accessSecret", "endpointUrl", "bucketName"])
def test_a_config_names_all_it_takes(missing: str) -> None:
    assert config_refusal({key: value for key, value in CONFIG.items() if key != missing})


@pytest.mark.parametrize("config", [None, [], "s3", 7, {}, CONFIG | {"region": "eu"}, {1: 2}])
def test_a_config_of_another_shape_is_refused(config: object) -> None:
    assert "accessId, accessSecret, endpointUrl" in config_refusal(config)


@pytest.mark.parametrize("key", list(CONFIG))
@pytest.mark.parametrize("value", [None, 7, True, [], "", "two words", "line\nbreak", "ü", "x" * 2049])
def test_the_values_of_a_config_are_plain_texts(key: str, value: object) -> None:
    assert config_refusal(CONFIG | {key: value}) == f"Invalid s3Config: {key} must be a string without blanks"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://93.184.216.34",
        "https://127.0.0.1",
        "https://169.254.169.254",
        "https://[fd00:ec2::254]",
        "https://localhost",
        "https://2130706433",
        "https://93.184.216.34:9000",
        f"https://{KEY}:{SECRET}@93.184.216.34",
        "https://[::1",
        "ftp://93.184.216.34",
    ],
)
def test_the_endpoint_of_a_job_is_https_and_public(endpoint: str) -> None:
    assert config_refusal(CONFIG | {"endpointUrl": endpoint})


@pytest.mark.parametrize("name", ["evil--usw2-az1--x-s3", "arn:aws:s3:::x", "a/../b"])
def test_the_name_of_a_jobs_bucket_cannot_lead_to_another_host(name: str) -> None:
    assert "the bucket's name is malformed" in config_refusal(CONFIG | {"bucketName": name})


def test_no_credential_is_in_a_buckets_text() -> None:
    for text in (repr(bucket("https://s3.example.com")), str(Bucket.from_job(CONFIG))):
        assert_no_secret(text)


def test_boto3_is_not_loaded_at_cold_start() -> None:
    code = "import sys, transport.bucket; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
