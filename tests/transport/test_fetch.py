import contextlib
import gzip
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ErrorCode, JobError
from testing.patience import WAIT_SECONDS, wait_until
from transport.fetch import Fetcher, FetchError, is_public, left, system_resolve, target_of, within

PICTURE = b"\x89PNG" + bytes(range(256)) * 40
SHOP, CDN, EMPTY = "93.184.216.34", "151.101.1.12", "203.0.114.1"
SOON = 0.4

PRIVATE = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "203.0.113.9"),
    *("192.88.99.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0:7f00:1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:5db8:d822::1", "2001:0:1::1"),
    *("fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "2001:db8::1"),
    *("3fff::1", "5f00::1", "100::1"),
]
PUBLIC = [SHOP, CDN, "1.1.1.1", "2606:4700::6810:84e5", "::ffff:8.8.8.8", "64:ff9b::808:808"]


class Authority:
    """A throw-away certificate authority."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign("authority", self.key, x509.BasicConstraints(ca=True, path_length=None))

    def server_side(self, *names: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(names[0], key, x509.SubjectAlternativeName([x509.DNSName(name) for name in names]))
        file = self.folder / f"{names[0]}.pem"
        plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        file.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, *plain) + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.certificate.public_bytes(serialization.Encoding.PEM).decode())

    def _sign(self, name: str, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(extension, critical=False)
            .sign(self.key, hashes.SHA256())
        )


class Server(ThreadingHTTPServer):
    """Answers each path with the raw bytes of its script; a script may sleep between them."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Scripted)
        self.scripts: dict[str, Callable[[], Iterator[bytes]]] = {}
        self.requests: list[dict[str, str]] = []
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def answer(self, path: str, *pieces: bytes) -> None:
        self.scripts[path] = lambda: iter(pieces)

    def redirect(self, path: str, location: str, status: int = 302) -> None:
        self.answer(path, f"HTTP/1.1 {status} Over there\r\nLocation: {location}\r\n\r\n".encode())

    def handle_error(self, *_: object) -> None:
        """Ignore clients that hang up, which these tests are about."""


class Scripted(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(
            {"path": self.path, **{name.lower(): value for name, value in self.headers.items()}}
        )
        for piece in self.server.scripts[self.path.partition("?")[0]]():
            self.wfile.write(piece)

    def log_message(self, *_: object) -> None:
        pass


class Internet:
    """Names and public addresses, all served by one server on loopback."""

    def __init__(self, server: Server, trust: ssl.SSLContext) -> None:
        self.server = server
        self.trust = trust
        self.names: dict[str, Iterator[list[str]]] = {}
        self.asked: list[str] = []
        self.reached: list[tuple[str, int]] = []
        self.name("shop.example", [SHOP])
        self.name("cdn.example", [CDN])

    def name(self, host: str, *answers: list[str]) -> None:
        """Set the answers for a name; the last one is repeated."""
        self.names[host] = itertools.chain(answers, itertools.repeat(answers[-1]))

    def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return next(self.names[host])

    def dial(self, address: tuple[str, int], timeout: float) -> socket.socket:
        self.reached.append(address)
        if address[0] == EMPTY:
            raise ConnectionRefusedError
        return socket.create_connection(("127.0.0.1", self.server.port), timeout)

    def fetcher(self, **options: object) -> Fetcher:
        ways = {"resolve": self.resolve, "dial": self.dial, "trust": lambda: self.trust}
        return Fetcher(**{"max_bytes": 20_000, "total_seconds": 5.0, **ways, **options})  # type: ignore[arg-type]


def ok(body: bytes, headers: str = "", length: int | None = None) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {length or len(body)}\r\n{headers}\r\n".encode() + body


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls_server(authority: Authority) -> Iterator[Server]:
    with serving(authority.server_side("shop.example", "cdn.example", "good.myshopify.com")) as server:
        yield server


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    with Server(context) as server:
        yield server
        server.shutdown()


@pytest.fixture
def internet(tls_server: Server, authority: Authority) -> Internet:
    tls_server.scripts.clear()
    tls_server.requests.clear()
    tls_server.answer("/chair.png", ok(PICTURE))
    return Internet(tls_server, authority.trusted())


@pytest.fixture
def plain_server() -> Iterator[Server]:
    with serving() as server:
        server.answer("/chair.png", ok(PICTURE))
        yield server


def refusal(fetcher: Fetcher, url: str, code: ErrorCode = ErrorCode.IMAGE_FETCH_FAILED) -> str:
    with pytest.raises(JobError) as caught:
        fetcher.fetch(url, "room_image")
    assert caught.value.code is code
    assert caught.value.fields == ("room_image",)
    assert caught.value.message.startswith("Invalid room_image: ")
    assert "\n" not in caught.value.message
    return caught.value.message


# What arrives


def test_a_picture_arrives_as_it_was_sent(internet: Internet) -> None:
    assert internet.fetcher().fetch("https://shop.example/chair.png", "product_image") == PICTURE
    assert internet.reached == [(SHOP, 443)]


def test_the_request_names_its_host_and_asks_for_the_bytes_as_they_are(internet: Internet) -> None:
    internet.fetcher().fetch("https://SHOP.example/chair.png?width=800&sig=a%2Fb#top", "product_image")
    request = internet.server.requests[0]
    assert request["path"] == "/chair.png?width=800&sig=a%2Fb"
    assert request["host"] == "shop.example"
    assert request["accept-encoding"] == "identity"
    assert not {"cookie", "authorization", "referer"} & set(request)


def test_a_url_without_a_path_asks_for_the_root(internet: Internet) -> None:
    internet.server.answer("/", ok(PICTURE))
    internet.fetcher().fetch("https://shop.example?v=1", "product_image")
    assert internet.server.requests[0]["path"] == "/?v=1"


def test_chunked_and_unannounced_bodies_arrive_whole(internet: Internet) -> None:
    internet.server.answer(
        "/chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    internet.server.answer("/until-closed", b"HTTP/1.0 200 OK\r\n\r\nabcde")
    for path in ("chunked", "until-closed"):
        assert internet.fetcher().fetch(f"https://shop.example/{path}", "product_image") == b"abcde"


def test_the_next_address_is_tried_when_one_is_dead(internet: Internet) -> None:
    internet.name("shop.example", [EMPTY, SHOP])
    assert internet.fetcher().fetch("https://shop.example/chair.png", "product_image") == PICTURE


def test_proxies_of_the_environment_are_ignored(internet: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert internet.fetcher().fetch("https://shop.example/chair.png", "product_image") == PICTURE


# Which URLs are allowed


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/chair.png",
        "ftp://shop.example/chair.png",
        "file:///etc/passwd",
        "//shop.example/chair.png",
        "https:shop.example",
        "https:///chair.png",
        "https://",
        "",
        "https://shop.example:8443/chair.png",
        "https://shop.example:22/",
        "https://shop.example:0/",
        "https://shop.example:99999/",
        "https://shop.example:port/",
        "https://user@shop.example/chair.png",
        "https://user:secret@shop.example/",
        "https://shop.example@169.254.169.254/",
        "https://@shop.example/",
        "https://shop.example\\@169.254.169.254/",
        "https://169.254.169.254\\.shop.example/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://127.0.0.010/",
        "https://①②⑦.⓪.⓪.①/",
        "https://127。0。0。1/",
        "https://bücher.example/",
        "https://shop.example./",
        "https://shop..example/",
        "https://.shop.example/",
        "https://-shop.example/",
        "https://shop%2eexample/",
        "https://sh op.example/",
        "https://shop.example/\r\nHost: internal",
        "https://shop.example/\x00",
        "https://shop\t.example/",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://[::ffff:127.0.0.1%25x]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::1].shop.example/",
        "https://[v1.shop]/",
        "https://shop.example/" + "a" * 8192,
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 130 + "example/",
    ],
)
def test_a_url_that_is_not_plainly_public_https_never_reaches_the_network(url: str, internet: Internet) -> None:
    refusal(internet.fetcher(), url)
    assert internet.asked == internet.reached == []


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_of_a_private_address_is_refused_like_one_that_does_not_exist(address: str, internet: Internet) -> None:
    unknown = refusal(internet.fetcher(), "https://nowhere.example/")
    internet.name("inside.example", [address])
    told = refusal(internet.fetcher(), "https://inside.example/")
    assert told.replace("inside", "nowhere") == unknown
    assert address not in told
    assert internet.reached == []


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_connected_to(address: str, internet: Internet) -> None:
    internet.name("shop.example", [address])
    internet.fetcher().fetch("https://shop.example/chair.png", "product_image")
    assert internet.reached == [(address, 443)]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "169.254.169.254", "[::1]", "[fd00:ec2::254]", "[::ffff:7f00:1]", "localhost"]
)
def test_private_hosts_in_the_url_are_refused_by_the_systems_own_resolver(host: str) -> None:
    assert "no public address" in refusal(Fetcher(1000, total_seconds=SOON), f"https://{host}/latest/meta-data/")


def test_one_private_address_among_public_ones_refuses_them_all(internet: Internet) -> None:
    internet.name("shop.example", [SHOP, "10.0.0.1"])
    refusal(internet.fetcher(), "https://shop.example/chair.png")
    assert internet.reached == []


@given(st.text(max_size=60) | st.text("htps:/@[]\\.%0x7f1?#- aé", max_size=40).map("https://".__add__))
def test_any_text_is_a_target_with_a_plain_host_or_refused(text: str) -> None:
    try:
        target = target_of(text)
    except FetchError:
        return
    assert target.scheme == "https"
    assert target.port == 443
    assert not set(target.host) & set("/\\@?#% ")
    assert target.path.startswith("/")


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("/my chair.png", "/my%20chair.png"),
        ("/a%20b.png", "/a%20b.png"),
        ("/stühle/1.png?größe=2 m", "/st%C3%BChle/1.png?gr%C3%B6%C3%9Fe=2%20m"),
        ("/椅子 (1).png", "/%E6%A4%85%E5%AD%90%20(1).png"),
    ],
)
def test_blanks_and_letters_beyond_ascii_in_a_path_are_percent_encoded(
    written: str, asked: str, internet: Internet
) -> None:
    internet.server.answer(asked.partition("?")[0], ok(PICTURE))
    assert internet.fetcher().fetch("https://shop.example" + written, "room_image") == PICTURE
    assert internet.server.requests[-1]["path"] == asked


def test_a_redirect_may_name_such_a_path_in_raw_utf_8(internet: Internet) -> None:
    internet.server.redirect("/old", "/stühle.png")
    internet.server.answer("/st%C3%BChle.png", ok(PICTURE))
    assert internet.fetcher().fetch("https://shop.example/old", "room_image") == PICTURE


def test_a_download_that_is_no_longer_wanted_stops_while_it_waits(internet: Internet) -> None:
    unwanted = JobError(ErrorCode.CANCELLED, "The caller hung up")
    cancelled = threading.Event()

    def check() -> None:
        if cancelled.is_set():
            raise unwanted

    with socket.create_server(("127.0.0.1", 0)) as silent:

        def dial(address: tuple[str, int], seconds: float) -> socket.socket:
            cancelled.set()
            return socket.create_connection(silent.getsockname(), seconds)

        with pytest.raises(JobError) as caught:
            internet.fetcher(dial=dial, total_seconds=60).fetch("https://shop.example/a.png", "room_image", check)
    assert caught.value is unwanted


# Redirects and rebinding


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_public_host_is_followed(status: int, internet: Internet) -> None:
    internet.server.redirect("/old", "https://cdn.example/chair.png", status)
    assert internet.fetcher().fetch("https://shop.example/old", "product_image") == PICTURE
    assert internet.reached == [(SHOP, 443), (CDN, 443)]
    assert internet.server.requests[1]["host"] == "cdn.example"


def test_a_relative_redirect_stays_with_its_host(internet: Internet) -> None:
    internet.server.redirect("/a/old", "../chair.png")
    assert internet.fetcher().fetch("https://shop.example/a/old?x=1", "product_image") == PICTURE


def test_cookies_do_not_travel(internet: Internet) -> None:
    internet.server.answer("/old", b"HTTP/1.1 302 Found\r\nSet-Cookie: a=b\r\nLocation: /chair.png\r\n\r\n")
    internet.fetcher().fetch("https://shop.example/old", "product_image")
    assert "cookie" not in internet.server.requests[1]


@pytest.mark.parametrize(
    "location",
    [
        "https://inside.example/",
        "https://10.0.0.1/",
        "http://cdn.example/chair.png",
        "https://cdn.example:8080/chair.png",
        "https://user@cdn.example/chair.png",
        "https://2130706433/",
        "https://[",
        "//2130706433/",
        "file:///etc/passwd",
        "/\\169.254.169.254/",
    ],
)
def test_a_redirect_is_checked_like_a_first_url(location: str, internet: Internet) -> None:
    internet.name("inside.example", ["169.254.169.254"])
    internet.name("10.0.0.1", ["10.0.0.1"])
    internet.server.redirect("/old", location)
    refusal(internet.fetcher(), "https://shop.example/old")
    assert internet.reached == [(SHOP, 443)]


def test_a_redirect_loop_ends(internet: Internet) -> None:
    internet.server.redirect("/loop", "/loop")
    assert "redirected more than 3 times" in refusal(internet.fetcher(), "https://shop.example/loop")
    assert len(internet.reached) == 4


def test_the_address_that_was_checked_is_the_one_connected_to(internet: Internet) -> None:
    internet.name("shop.example", [SHOP], ["127.0.0.1"])
    assert internet.fetcher().fetch("https://shop.example/chair.png", "product_image") == PICTURE
    assert internet.asked == ["shop.example"]
    assert internet.reached == [(SHOP, 443)]


def test_a_name_rebound_between_two_hops_is_caught(internet: Internet) -> None:
    internet.name("shop.example", [SHOP], ["127.0.0.1"])
    internet.server.redirect("/old", "/chair.png")
    assert "no public address" in refusal(internet.fetcher(), "https://shop.example/old")
    assert internet.reached == [(SHOP, 443)]


# The hosts of the settings


@pytest.mark.parametrize("host", ["cdn.example", "good.myshopify.com"])
def test_allowed_hosts_are_asked(host: str, internet: Internet) -> None:
    internet.name(host, [CDN])
    fetcher = internet.fetcher(allowed_hosts=("CDN.example", "*.myshopify.com"))
    assert fetcher.fetch(f"https://{host}/chair.png", "product_image") == PICTURE


@pytest.mark.parametrize(
    "host", ["shop.example", "evilmyshopify.com", "myshopify.com", "cdn.example.evil.com", "a.cdn.example"]
)
def test_other_hosts_are_not_even_resolved(host: str, internet: Internet) -> None:
    message = refusal(internet.fetcher(allowed_hosts=("cdn.example", "*.myshopify.com")), f"https://{host}/")
    assert f"pictures from {host} are not allowed" in message
    assert internet.asked == []


def test_a_redirect_does_not_leave_the_allowed_hosts(internet: Internet) -> None:
    internet.server.redirect("/old", "https://cdn.example/chair.png")
    refusal(internet.fetcher(allowed_hosts=("shop.example",)), "https://shop.example/old")
    assert internet.asked == ["shop.example"]


def test_an_allowed_host_must_still_be_public(internet: Internet) -> None:
    internet.name("shop.example", ["10.0.0.1"])
    refusal(internet.fetcher(allowed_hosts=("shop.example",)), "https://shop.example/")
    assert internet.reached == []


def test_private_hosts_are_reached_when_the_settings_open_them(plain_server: Server) -> None:
    for host in ("127.0.0.1", "localhost"):
        url = f"http://{host}:{plain_server.port}/chair.png"
        assert Fetcher(20_000, allow_private=True).fetch(url, "product_image") == PICTURE
        assert plain_server.requests.pop()["host"] == f"{host}:{plain_server.port}"
        refusal(Fetcher(20_000), url)


# Bytes and time


def test_a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not(internet: Internet) -> None:
    url = "https://shop.example/chair.png"
    assert internet.fetcher(max_bytes=len(PICTURE)).fetch(url, "product_image") == PICTURE
    refusal(internet.fetcher(max_bytes=len(PICTURE) - 1), url, ErrorCode.IMAGE_TOO_LARGE)


def test_an_unannounced_body_has_the_same_limit(internet: Internet) -> None:
    internet.server.answer("/ten", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n")
    assert internet.fetcher(max_bytes=10).fetch("https://shop.example/ten", "product_image") == b"0123456789"
    refusal(internet.fetcher(max_bytes=9), "https://shop.example/ten", ErrorCode.IMAGE_TOO_LARGE)


def test_a_body_announced_too_large_is_not_waited_for(internet: Internet) -> None:
    internet.server.answer("/large", ok(b"", length=10**12))
    message = refusal(internet.fetcher(max_bytes=10_000_000), "https://shop.example/large", ErrorCode.IMAGE_TOO_LARGE)
    assert message == "Invalid room_image: Failed to fetch image: it is larger than 10 MB"


@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n"])
def test_an_endless_body_is_cut_at_the_limit(head: bytes, internet: Internet) -> None:
    piece = b"1000\r\n" + bytes(4096) + b"\r\n" if head else bytes(4096)
    script = itertools.chain([b"HTTP/1.1 200 OK\r\n" + head + b"\r\n"], itertools.repeat(piece))
    internet.server.scripts["/endless"] = lambda: script
    refusal(internet.fetcher(), "https://shop.example/endless", ErrorCode.IMAGE_TOO_LARGE)


def test_a_chunk_of_negative_size_is_cut_as_well(internet: Internet) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"
    script = itertools.chain([head], itertools.repeat(bytes(65_536)))
    internet.server.scripts["/negative"] = lambda: script
    refusal(internet.fetcher(), "https://shop.example/negative", ErrorCode.IMAGE_TOO_LARGE)


def test_a_body_shorter_than_announced_is_no_picture(internet: Internet) -> None:
    internet.server.answer("/short", ok(PICTURE[:500], length=600))
    internet.server.answer("/chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nabc")
    assert "less than it announced" in refusal(internet.fetcher(), "https://shop.example/short")
    assert "the connection to shop.example failed" in refusal(internet.fetcher(), "https://shop.example/chunks")


def test_a_body_longer_than_announced_is_read_as_announced(internet: Internet) -> None:
    internet.server.answer("/long", ok(PICTURE + bytes(50_000), length=len(PICTURE)))
    assert internet.fetcher().fetch("https://shop.example/long", "product_image") == PICTURE


def test_a_gzip_bomb_is_not_unpacked(internet: Internet) -> None:
    internet.server.answer("/bomb", ok(gzip.compress(bytes(5_000_000)), "Content-Encoding: gzip\r\n"))
    assert "compressed" in refusal(internet.fetcher(), "https://shop.example/bomb")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["status", "headers", "body", "chunk size", "unannounced body"],
)
def test_a_slow_drip_ends_with_the_total_time(head: bytes, internet: Internet) -> None:
    def drip() -> Iterator[bytes]:
        yield head
        while True:
            time.sleep(0.01)
            yield b"1"

    internet.server.scripts["/drip"] = drip
    assert "took longer than 0.4 seconds" in refusal(internet.fetcher(total_seconds=SOON), "https://shop.example/drip")


def test_the_total_time_counts_over_redirects(internet: Internet) -> None:
    def slow() -> Iterator[bytes]:
        time.sleep(SOON * 0.4)
        yield b"HTTP/1.1 302 Found\r\nLocation: /slow\r\n\r\n"

    internet.server.scripts["/slow"] = slow
    assert "took longer" in refusal(internet.fetcher(total_seconds=SOON), "https://shop.example/slow")


def test_a_server_that_never_shakes_hands_is_left(internet: Internet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fetcher = internet.fetcher(
            total_seconds=SOON, dial=lambda address, timeout: socket.create_connection(silent.getsockname(), timeout)
        )
        assert "took longer" in refusal(fetcher, "https://shop.example/")


def test_a_name_server_that_never_answers_is_left(internet: Internet) -> None:
    answered = threading.Event()
    fetcher = internet.fetcher(total_seconds=SOON, resolve=lambda host, port: [str(answered.wait(WAIT_SECONDS))])
    assert "took longer" in refusal(fetcher, "https://shop.example/")
    answered.set()


def test_dead_addresses_share_the_time(internet: Internet) -> None:
    waits: list[float] = []

    def dial(address: tuple[str, int], timeout: float) -> socket.socket:
        waits.append(timeout)
        time.sleep(timeout)
        raise TimeoutError

    internet.name("shop.example", [SHOP, CDN])
    assert "took longer" in refusal(internet.fetcher(total_seconds=SOON, dial=dial), "https://shop.example/")
    assert len(waits) == 2
    assert 0 < waits[0] <= SOON / 2
    assert 0 < sum(waits) <= SOON


def test_no_thread_is_left_behind(internet: Internet) -> None:
    before = threading.active_count()
    for _ in range(5):
        internet.fetcher().fetch("https://shop.example/chair.png", "product_image")
    wait_until(lambda: threading.active_count() <= before)


# Network failures


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 403, 404, 410, 500, 503])
def test_another_status_than_200_is_named(status: int, internet: Internet) -> None:
    internet.server.answer("/gone", f"HTTP/1.1 {status} Why\r\nContent-Length: 0\r\n\r\n".encode())
    message = refusal(internet.fetcher(), "https://shop.example/gone")
    assert message == f"Invalid room_image: Failed to fetch image: shop.example answered with status {status}"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 302 Found\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_http_is_a_failed_connection(answer: bytes, internet: Internet) -> None:
    internet.server.answer("/garbage", answer)
    refusal(internet.fetcher(), "https://shop.example/garbage")


def test_a_refused_connection_is_told_without_the_address(internet: Internet) -> None:
    internet.name("shop.example", [EMPTY])
    message = refusal(internet.fetcher(), "https://shop.example/")
    assert message == "Invalid room_image: Failed to fetch image: the connection to shop.example failed"


def test_a_certificate_of_another_name_is_refused(internet: Internet) -> None:
    internet.name("other.example", [SHOP])
    assert "other.example has no valid certificate" in refusal(internet.fetcher(), "https://other.example/chair.png")
    assert internet.server.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(internet: Internet) -> None:
    internet.trust = ssl.create_default_context()
    assert "no valid certificate" in refusal(internet.fetcher(), "https://shop.example/chair.png")


def test_plain_http_behind_an_https_url_is_a_failed_connection(internet: Internet, plain_server: Server) -> None:
    internet.server = plain_server
    assert "the connection to shop.example failed" in refusal(internet.fetcher(), "https://shop.example/chair.png")


def test_no_message_holds_the_query_which_may_be_a_signature(internet: Internet) -> None:
    internet.server.answer("/gone", b"HTTP/1.1 403 No\r\n\r\n")
    internet.server.redirect("/moved", "https://nowhere.example/?X-Amz-Signature=SECRET")
    for url in (
        "https://shop.example/gone",
        "https://shop.example/moved",
        "http://shop.example/",
        "https://shop.example:1/",
    ):
        assert "SECRET" not in refusal(internet.fetcher(), f"{url}?X-Amz-Signature=SECRET")


# The small parts


@pytest.mark.parametrize("address", PRIVATE)
def test_private_is_not_public(address: str) -> None:
    assert not is_public(address)


def test_the_system_resolver_tells_addresses_as_text() -> None:
    assert system_resolve("127.0.0.1", 443) == ["127.0.0.1"]


def test_a_failure_of_work_in_time_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        within(1, lambda: 1 // 0)


def test_no_time_is_left_at_the_end() -> None:
    assert 0 < left(time.monotonic() + WAIT_SECONDS) <= WAIT_SECONDS
    with pytest.raises(TimeoutError):
        left(time.monotonic())
