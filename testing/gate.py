"""A proxy between a caller and the platform that loses, delays and refuses requests on demand."""

import http.client
import http.server
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from testing.patience import WAIT_SECONDS


@dataclass
class Gate:
    """Applies `manners` to the next requests; later ones pass.

    `cut` hangs up once the platform has received the request, `hold` keeps its answer until the caller hangs up, and a
    number is the status that refuses the request before it is passed on.
    """

    url: str
    manners: list[str]
    seen: list[str] = field(default_factory=list)
    """The path of each request."""

    def asked(self, part: str) -> int:
        return sum(part in path for path in self.seen)


@contextmanager
def gate(target: str, *manners: str, port: int = 0) -> Iterator[Gate]:
    told = Gate("", list(manners))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _handler(target, told))
    told.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()


def _handler(target: str, told: Gate) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            told.seen.append(self.path)
            manner = told.manners.pop(0) if told.manners else "pass"
            if manner.isdecimal():
                self.reply(int(manner), "text/html", b"<html>not now</html>")
                return
            answer = self.forwarded(body)
            if manner == "pass":
                self.reply(*answer)
                return
            if manner == "hold":
                select.select([self.connection], [], [], WAIT_SECONDS)
            self.close_connection = True

        do_GET = do_POST = serve  # noqa: N815  the library's names

        def forwarded(self, body: bytes) -> tuple[int, str, bytes]:
            connection = http.client.HTTPConnection(urlsplit(target).netloc, timeout=WAIT_SECONDS)
            try:
                connection.request(self.command, self.path, body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                return response.status, response.headers.get("Content-Type", ""), response.read()
            finally:
                connection.close()

        def reply(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
