"""Pictures are decoded in processes that can be given up."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from imaging.codec import decoder_process
from imaging.codec.decode import ImageLimits, decode
from imaging.codec.decoder_process import DecoderProcess, decode_apart
from schemas.errors import ErrorCode, JobError
from testing.hostile import bmp_of_single_pixels
from testing.patience import WAIT_SECONDS
from testing.pictures import file_of, plain_room, red_vase
from testing.processes import ROOT
from testing.profiles import display_p3

LIMITS = ImageLimits(max_bytes=10_000_000, max_pixels=50_000_000)
GOOD = file_of(plain_room(40, 30))
SLOW = bmp_of_single_pixels(4900, 1000)
"""Takes seconds on any machine."""


def newest() -> DecoderProcess:
    """Return the process that decodes the next picture."""
    decode_apart(GOOD, "mask", LIMITS)
    return decoder_process._idle[-1]


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        file_of(red_vase()),
        file_of(plain_room(), "JPEG", icc_profile=display_p3()),
        file_of(plain_room(), "JPEG")[:-2],
        file_of(red_vase().rotate(90), exif=b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
    ],
    ids=["plain", "alpha", "profile", "mended", "turned"],
)
def test_a_picture_is_the_same_as_without_a_process(data: bytes) -> None:
    here, apart = decode(data, "room_image", LIMITS), decode_apart(data, "room_image", LIMITS)
    assert np.array_equal(apart.pixels, here.pixels)
    assert (apart.alpha is None) == (here.alpha is None)
    assert here.alpha is None or np.array_equal(apart.alpha, here.alpha)
    assert (apart.icc, apart.notes) == (here.icc, here.notes)


@pytest.mark.parametrize(
    ("data", "limits"), [(b"", LIMITS), (b"junk", LIMITS), (GOOD, ImageLimits(10, 10)), (GOOD, ImageLimits(10_000, 9))]
)
def test_a_refusal_is_the_same_as_without_a_process(data: bytes, limits: ImageLimits) -> None:
    told = []
    for reader in (decode, decode_apart):
        with pytest.raises(JobError) as refused:
            reader(data, "room_image", limits)
        told.append((refused.value.code, refused.value.message, refused.value.fields))
    assert told[0] == told[1]


def test_a_process_serves_one_picture_after_the_other() -> None:
    assert newest() is newest()


def gone() -> None:
    raise JobError(ErrorCode.CANCELLED, "The caller hung up")


def test_who_leaves_while_a_picture_is_decoded_is_not_kept_and_ends_the_work() -> None:
    decoder = newest()
    with pytest.raises(JobError) as cancelled:
        decode_apart(SLOW, "room_image", LIMITS, gone)
    assert cancelled.value.code is ErrorCode.CANCELLED
    assert decoder.process.returncode == -signal.SIGKILL
    assert newest() is not decoder


def test_a_picture_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_process, "CPU_SECONDS", 0)
    with pytest.raises(JobError, match="Failed to decode image: that takes more than 0 seconds") as refused:
        decode_apart(SLOW, "room_image", LIMITS)
    assert (refused.value.code, refused.value.fields) == (ErrorCode.INVALID_INPUT, ("room_image",))


def test_the_time_of_earlier_pictures_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_process, "CPU_SECONDS", 60)
    decoder = newest()
    decode_apart(SLOW, "room_image", LIMITS)
    monkeypatch.setattr(decoder_process, "CPU_SECONDS", 1)
    assert newest() is decoder


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "HEIF"])
def test_a_picture_that_takes_too_much_memory_is_no_damaged_file(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(Image.new("RGB", (3000, 2000), "gray"), kind)
    monkeypatch.setattr(decoder_process, "MEMORY_BYTES", 60_000_000)
    monkeypatch.setattr(decoder_process, "MEMORY_BYTES_A_PIXEL", 0)
    newest().end()  # what it holds for reuse would suffice
    with pytest.raises(JobError) as refused:
        decode_apart(data, "room_image", LIMITS)
    assert (refused.value.code, refused.value.fields) == (ErrorCode.OUT_OF_MEMORY, ("room_image",))


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGKILL, ErrorCode.OUT_OF_MEMORY), (signal.SIGSEGV, ErrorCode.INVALID_INPUT)],
    ids=["killed by the system", "crash"],
)
def test_a_decoder_that_dies_is_the_failure_of_one_picture(number: signal.Signals, code: ErrorCode) -> None:
    decoder = newest()
    with pytest.raises(JobError) as refused:
        decode_apart(SLOW, "room_image", LIMITS, lambda: os.kill(decoder.process.pid, number))
    assert (refused.value.code, refused.value.fields) == (code, ("room_image",))
    assert newest().process.poll() is None


def test_one_that_died_while_idle_is_replaced() -> None:
    decoder = newest()
    decoder.process.kill()
    decoder.process.wait()
    assert newest() is not decoder


PROGRAM = """
import sys, time
from imaging.codec.decoder_process import prepare
prepare()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", [lambda process: process.stdin.close(), lambda process: process.kill()])
def test_a_decoder_ends_with_its_worker(end: Callable[["subprocess.Popen[str]"], None]) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "ready\n"
        end(process)
        assert process.wait(WAIT_SECONDS) is not None
        assert process.stderr.read() == "", "it ends once the decoder, which has it too, has ended"
