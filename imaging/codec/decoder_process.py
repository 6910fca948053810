"""Decodes pictures in separate processes.

Decoders cannot be interrupted, and a picture can be made to cost them minutes, gigabytes or a crash. A process is
killed when the caller leaves or a limit is reached; nothing else notices. Idle processes wait for the next picture and
end with the process that started them.
"""

import atexit
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.codec.decode import ImageLimits, decode, out_of_memory, undecodable
from imaging.picture import Picture
from schemas.errors import ErrorCode, JobError

CPU_SECONDS = 20
"""Most CPU time for one picture. The slowest honest pictures of 50 megapixels take a fifth of it
(`python -m bench.decode`)."""

MEMORY_BYTES = 500_000_000
MEMORY_BYTES_A_PIXEL = 40
"""Most memory for one picture: a constant, and an amount for each pixel that a picture may have."""

POLL_SECONDS = 0.1
"""Interval at which a waiting caller checks whether the picture is still wanted."""

ROOT = Path(__file__).resolve().parents[2]

SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1", "MALLOC_ARENA_MAX": "1"}
"""Threads would reserve memory for each core of the machine."""

Check = Callable[[], None]
"""Raises when the picture is no longer wanted."""


@dataclass(frozen=True, eq=False)
class DecoderProcess:
    """A process that decodes one picture at a time, and the connection to it."""

    process: "subprocess.Popen[bytes]"
    connection: Connection

    @classmethod
    def start(cls) -> "DecoderProcess":
        connection, other_end = Pipe()
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        with other_end:
            descriptor = other_end.fileno()
            process = subprocess.Popen(  # noqa: S603  this file
                [sys.executable, "-P", "-m", "imaging.codec.decoder_process", str(descriptor)],
                pass_fds=(descriptor,),
                env=os.environ | SINGLE_THREADED | {"PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal ends the worker alone
            )
        return cls(process, connection)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.connection.close()

    def answer(self, data: bytes, field: str, limits: ImageLimits, check: Check) -> Picture | JobError:
        """Return the picture, or why there is none. Raises what `check` raises, and RuntimeError for a bug."""
        try:
            self.connection.send_bytes(json.dumps(_request(field, limits)).encode())
            self.connection.send_bytes(data)
            while not self.connection.poll(POLL_SECONDS):
                check()
            return self._received()
        except (EOFError, ConnectionError):
            return self._reason_of_end(field)

    def _received(self) -> Picture | JobError:
        head = json.loads(self.connection.recv_bytes())
        if "code" in head:
            return JobError(ErrorCode(head["code"]), head["message"], tuple(head["fields"]))
        height, width = head["shape"]
        pixels = self._array(height, width, 3)
        alpha = self._array(height, width) if head["has_alpha"] else None
        icc = self.connection.recv_bytes() if head["has_icc"] else None
        return Picture(pixels, alpha, icc, tuple(head["notes"]))

    def _array(self, *shape: int) -> NDArray[np.uint8]:
        array = np.empty(shape, np.uint8)
        self.connection.recv_bytes_into(array.reshape(-1).data)
        return array

    def _reason_of_end(self, field: str) -> JobError:
        code = self.process.wait()
        if code == -signal.SIGXCPU:
            return undecodable(field, f"that takes more than {CPU_SECONDS} seconds")
        if code == -signal.SIGKILL:  # Linux kills it first when the machine's memory is full
            return out_of_memory(field)
        if code < 0:
            return undecodable(field, "the file is damaged")
        raise RuntimeError(f"The decoder ended with code {code}")


def _request(field: str, limits: ImageLimits) -> dict[str, Any]:
    memory = MEMORY_BYTES + MEMORY_BYTES_A_PIXEL * limits.max_pixels
    return {"field": field, **asdict(limits), "cpu_seconds": CPU_SECONDS, "memory_bytes": memory}


_idle: list[DecoderProcess] = []


def prepare() -> None:
    """Start a process for the first picture if there is none."""
    if not _idle:
        _idle.append(DecoderProcess.start())


@atexit.register
def end_idle() -> None:
    """End the processes that wait for a picture."""
    while decoder := _next_idle():
        decoder.end()


def decode_apart(data: bytes, field: str, limits: ImageLimits, check: Check = lambda: None) -> Picture:
    """Return the picture in `data` like `decode`, limited in time and memory.

    Raises JobError naming `field`, or what `check` raises while the picture is decoded.
    """
    decoder = _next_idle() or DecoderProcess.start()
    try:
        answer = decoder.answer(data, field, limits, check)
    except BaseException:
        decoder.end()
        raise
    _idle.append(decoder)
    if isinstance(answer, JobError):
        raise answer
    return answer


def _next_idle() -> DecoderProcess | None:
    """Return an idle process that is alive, if there is one."""
    with suppress(IndexError):  # other threads take from the list too
        while decoder := _idle.pop():
            if decoder.process.poll() is None:
                return decoder
            decoder.end()
    return None


def main(descriptor: int) -> None:
    """Answer pictures until the other end of the connection is closed."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text("1000")
    with suppress(JobError):
        decode(b"", "", ImageLimits(0, 0))  # imports the decoders, for which memory is not limited
    connection = Connection(descriptor)
    with suppress(EOFError, ConnectionError):
        while True:
            _serve(connection)


def _serve(connection: Connection) -> None:
    request = json.loads(connection.recv_bytes())
    data = connection.recv_bytes()
    _limit_cpu(request["cpu_seconds"])
    _limit_memory(request["memory_bytes"])
    try:
        picture = decode(data, request["field"], ImageLimits(request["max_bytes"], request["max_pixels"]))
    except JobError as problem:
        told = {"code": problem.code, "message": problem.message, "fields": problem.fields}
        connection.send_bytes(json.dumps(told).encode())
    else:
        _send(picture, connection)


def _send(picture: Picture, connection: Connection) -> None:
    has = {"has_alpha": picture.alpha is not None, "has_icc": picture.icc is not None}
    told = {"shape": picture.pixels.shape[:2], "notes": picture.notes, **has}
    connection.send_bytes(json.dumps(told).encode())
    for pixels in (picture.pixels, picture.alpha):
        if pixels is not None:
            connection.send_bytes(np.ascontiguousarray(pixels).reshape(-1).data)
    if picture.icc is not None:
        connection.send_bytes(picture.icc)


def _limit_cpu(seconds: int) -> None:
    _limit(resource.RLIMIT_CPU, int(time.process_time()) + 1 + seconds)


def _limit_memory(more_bytes: int) -> None:
    """Let this process take `more_bytes` of memory beside what it has."""
    with suppress(OSError):  # not Linux
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + more_bytes)


def _limit(kind: int, value: int) -> None:
    most = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if most == resource.RLIM_INFINITY else min(value, most), most))


if __name__ == "__main__":
    main(int(sys.argv[1]))
