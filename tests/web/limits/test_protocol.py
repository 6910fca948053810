"""Connections that stall: their headers, their uploads, and their answers."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models.engine import PaintTask
from models.preview import Preview
from testing.live import Gray, Live, serving
from web.limits import protocol

ANSWER_BYTES = 12_000_000
"""Size, at least, of three pictures of noise with a megapixel each."""


class Noise(Gray):
    """Paints pictures that no file format can compress."""

    def _painted(self, task: PaintTask) -> NDArray[np.uint8]:
        width, height = task.size
        return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def connected(live: Live, data: bytes = b"", receive_buffer: int | None = None) -> socket.socket:
    line = socket.socket()
    if receive_buffer:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    line.settimeout(60)
    line.connect(("127.0.0.1", live.port))
    line.sendall(data)
    return line


def is_closed(line: socket.socket) -> bool:
    """Wait for the end of the connection, ignoring whatever comes before it."""
    try:
        while line.recv(65_536):
            pass
    except ConnectionError:
        pass
    return True


def request(body: bytes, length: int | None = None) -> bytes:
    head = f"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHost:"])
def test_headers_that_do_not_come_end_the_connection(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.3)
    with serving(Preview) as live, connected(live, sent) as line:
        assert is_closed(line)


def send_headers(line: socket.socket, most: int) -> None:
    for _ in range(most // 8000):
        line.sendall(b"X-A: " + b"a" * 7993 + b"\r\n")
    raise AssertionError(f"it took {most} bytes of headers")


def test_headers_without_end_are_refused() -> None:
    begun = b"GET /health HTTP/1.1\r\n"
    with serving(Preview) as live, connected(live, begun) as line, pytest.raises(ConnectionError):
        send_headers(line, 10_000_000)


def stalls_in_upload(live: Live) -> socket.socket:
    return connected(live, request(b'{"prompt":', 1000))


def drips_its_upload(live: Live) -> socket.socket:
    line = stalls_in_upload(live)

    def drip() -> None:
        with contextlib.suppress(OSError):
            while line.send(b" "):
                time.sleep(0.05)

    threading.Thread(target=drip, daemon=True).start()
    return line


def reads_nothing(live: Live, receive_buffer: int = 4096) -> socket.socket:
    """Ask for `ANSWER_BYTES` and more, and wait until the answer begins."""
    body = b'{"prompt": "x", "size": "1024x1024", "n": 3, "output_format": "png"}'
    line = connected(live, request(body), receive_buffer)
    while b"HTTP" not in line.recv(4, socket.MSG_PEEK):
        pass
    return line


@pytest.mark.parametrize("stalls", [stalls_in_upload, drips_its_upload, reads_nothing])
def test_a_stalled_caller_does_not_keep_the_server_from_ending(
    stalls: Callable[[Live], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "SHUTDOWN_WRITE_SECONDS", 0.3)
    with serving(Noise) as live, stalls(live):
        live.server.should_exit = True
        while live.server.server_state.connections:
            time.sleep(0.01)


def test_a_slow_reader_has_limited_time_while_the_server_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SHUTDOWN_WRITE_SECONDS", 1.0)
    monkeypatch.setattr(protocol, "LAST_WRITES_SECONDS", 0.5)
    received = 0
    with serving(Noise) as live, reads_nothing(live, 65_536) as line, contextlib.suppress(ConnectionError):
        live.server.should_exit = True
        while piece := line.recv(8192):
            received += len(piece)
            time.sleep(0.002)
    assert received < ANSWER_BYTES


def test_an_answer_that_is_not_read_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "WRITE_SECONDS", 0.3)
    with serving(Noise) as live, reads_nothing(live):
        while live.server.server_state.connections:
            time.sleep(0.01)
