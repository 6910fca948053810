import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imaging.codec.decode import MOST_SCANS, ImageLimits, decode
from imaging.picture import Picture
from schemas.errors import ErrorCode, JobError
from testing.hostile import jpeg_of_scans
from testing.pictures import file_of, plain_room, red_vase
from testing.profiles import display_p3, linear_gray

LIMITS = ImageLimits(max_bytes=1_000_000, max_pixels=1_000_000)
ROOM = plain_room(40, 30)


def read(data: bytes) -> Picture:
    return decode(data, "room_image", LIMITS)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG", "AVIF", "HEIF"])
def test_every_format_is_read(file_format: str) -> None:
    options = {"lossless": True} if file_format == "WEBP" else {}
    picture = read(file_of(ROOM, file_format, **options))
    assert picture.size == (40, 30)
    assert picture.pixels.dtype == np.uint8
    assert picture.alpha is None
    assert abs(picture.pixels.astype(int) - np.asarray(ROOM)).mean() < 6


WITHOUT_HEIF = """
import sys
sys.modules["pillow_heif"] = None
from imaging.codec.decode import ImageLimits, decode
from schemas.errors import JobError
try:
    decode(sys.stdin.buffer.read(), "room_image", ImageLimits(1_000_000, 1_000_000))
except JobError as problem:
    print(problem.message)
"""


def test_who_leaves_pillow_heif_out_goes_without_heic_alone() -> None:
    told = [
        subprocess.run([sys.executable, "-c", WITHOUT_HEIF], input=file_of(ROOM, kind), capture_output=True, check=True)
        for kind in ("HEIF", "PNG")
    ]
    refusal = b"Invalid room_image: Failed to decode image: not a picture of a known format"
    assert [each.stdout.strip() for each in told] == [refusal, b""]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_picture_stands_upright_whatever_exif_says(orientation: int, file_format: str) -> None:
    upright = Image.new("RGB", (40, 20), "white")
    upright.paste("red", (0, 0, 20, 10))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[274] = orientation
    options = {"quality": 100} if file_format in ("JPEG", "WEBP") else {}
    picture = read(file_of(stored, file_format, exif=exif, **options))
    assert picture.size == (40, 20)
    assert picture.pixels[5, 10, 1] < 60 < 200 < picture.pixels[15, 10, 1]


def test_damaged_exif_does_not_spoil_a_good_picture() -> None:
    data = file_of(ROOM, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\xff\xff\xff\xff\xff")
    assert read(data).size == (40, 30)


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    deep = np.linspace(0, 65535, 1200).reshape(30, 40).astype(np.uint16)
    for file_format in ("PNG", "TIFF"):
        picture = read(file_of(Image.fromarray(deep), file_format))
        assert abs(picture.pixels[..., 0].astype(int) - np.rint(deep / 257)).max() <= 1


def test_sixteen_bit_gray_with_a_transparent_value_keeps_both() -> None:
    deep = np.linspace(0, 65535, 1200).reshape(30, 40).astype(np.uint16)
    picture = read(file_of(Image.fromarray(deep), transparency=int(deep[3, 4])))
    assert abs(picture.pixels[..., 0].astype(int) - np.rint(deep / 257)).max() <= 1
    assert picture.alpha is not None
    assert np.argwhere(picture.alpha < 255).tolist() == [[3, 4]]


def test_floating_point_gray_is_read() -> None:
    picture = read(file_of(Image.fromarray(np.linspace(0, 1, 1200, dtype=np.float32).reshape(30, 40)), "TIFF"))
    assert (picture.pixels.min(), picture.pixels.max()) == (0, 255)


def test_cmyk_looks_as_it_should() -> None:
    picture = read(file_of(Image.new("RGB", (8, 8), (200, 30, 30)).convert("CMYK"), "JPEG"))
    assert picture.pixels[4, 4, 0] > 150 > 80 > picture.pixels[4, 4, 1]


def test_palette_and_transparent_palette_are_read() -> None:
    assert read(file_of(ROOM.quantize(16))).alpha is None
    palette = red_vase().convert("RGB").quantize(4)
    background = palette.getpixel((0, 0))
    picture = read(file_of(palette, transparency=background))
    assert picture.alpha is not None
    assert picture.alpha[0, 0] == 0
    assert picture.alpha[30, 30] == 255


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_palette_with_a_table_of_alphas_is_read_without_complaint() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([200, 30, 30, 10, 60, 200])
    palette.putpixel((1, 0), 1)
    picture = read(file_of(palette, transparency=bytes([0, 128])))
    assert picture.pixels[0].tolist() == [[200, 30, 30], [10, 60, 200]]
    assert picture.alpha is not None
    assert picture.alpha[0].tolist() == [0, 128]


def test_gray_with_alpha_keeps_its_alpha() -> None:
    picture = read(file_of(Image.new("LA", (9, 9), (120, 40))))
    assert picture.alpha is not None
    assert (picture.pixels[4, 4].tolist(), picture.alpha[4, 4]) == ([120, 120, 120], 40)


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (20, 10), color) for color in ("red", "blue")]
    for file_format in ("GIF", "WEBP", "PNG"):
        picture = read(file_of(frames[0], file_format, save_all=True, append_images=frames[1:]))
        assert picture.pixels[5, 5, 0] > 200


def test_a_profile_of_gray_is_obeyed_with_alpha_and_without() -> None:
    plain, clear = Image.new("L", (9, 9), 120), Image.new("LA", (9, 9), (120, 40))
    lighter = read(file_of(plain, icc_profile=linear_gray())).pixels
    assert lighter[4, 4, 0] > 150
    picture = read(file_of(clear, icc_profile=linear_gray()))
    assert picture.alpha is not None
    assert (picture.pixels[4, 4].tolist(), picture.alpha[4, 4]) == (lighter[4, 4].tolist(), 40)


def test_the_profile_of_a_tiff_in_ycbcr_is_kept() -> None:
    assert read(file_of(ROOM.convert("YCbCr"), "TIFF", icc_profile=display_p3())).icc == display_p3()


def test_a_sound_rgb_profile_is_kept_and_a_broken_one_dropped() -> None:
    assert read(file_of(ROOM, icc_profile=display_p3())).icc == display_p3()
    assert read(file_of(ROOM, icc_profile=b"no profile at all")).icc is None


def test_the_limits_hold_before_any_pixel_is_decoded() -> None:
    with pytest.raises(JobError) as too_many_bytes:
        decode(bytes(11), "room_image", ImageLimits(10, 10))
    with pytest.raises(JobError) as too_many_pixels:
        decode(file_of(ROOM), "room_image", ImageLimits(10_000, 1_199))
    for problem in (too_many_bytes, too_many_pixels):
        assert problem.value.code is ErrorCode.IMAGE_TOO_LARGE
        assert problem.value.fields == ("room_image",)


def test_formats_that_execute_or_include_are_not_opened() -> None:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"
    with pytest.raises(JobError):
        read(eps)


SEEDS = [file_of(ROOM, f) for f in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF")]


@settings(max_examples=250)
@given(st.one_of(st.binary(max_size=400), st.builds(
    lambda seed, at, junk: seed[:at] + junk + seed[at + len(junk) :],
    st.sampled_from(SEEDS), st.integers(0, 3000), st.binary(min_size=1, max_size=30),
)))  # fmt: skip
def test_no_bytes_make_anything_but_a_picture_or_a_clear_error(data: bytes) -> None:
    try:
        picture = read(data)
    except JobError as problem:
        assert problem.code in (ErrorCode.INVALID_INPUT, ErrorCode.IMAGE_TOO_LARGE)
        assert problem.fields == ("room_image",)
        assert len(problem.message) < 200
    else:
        assert picture.pixels.ndim == 3


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("size", [(1, 1), (1, 37), (41, 1), (37, 53)])
def test_a_jpeg_has_the_very_pixels_that_pillow_reads(
    size: tuple[int, int], subsampling: int, progressive: bool
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    data = file_of(Image.fromarray(noise), "JPEG", subsampling=subsampling, progressive=progressive)
    assert np.array_equal(read(data).pixels, np.asarray(Image.open(io.BytesIO(data))))


LARGE = ImageLimits(max_bytes=10_000_000, max_pixels=50_000_000)


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(JobError, match=f"it has {MOST_SCANS + 1} scans"):
        decode(jpeg_of_scans((64, 64), MOST_SCANS + 1), "room_image", LARGE)


def test_an_honest_progressive_jpeg_is_read() -> None:
    out = io.BytesIO()
    Image.effect_noise((640, 480), 60).convert("RGB").save(out, "JPEG", progressive=True, quality=95)
    assert decode(out.getvalue(), "room_image", LARGE).size == (640, 480)


def test_a_file_that_claims_far_more_pixels_than_its_bytes_can_hold_is_refused() -> None:
    out = io.BytesIO()
    Image.new("RGB", (7000, 7000)).save(out, "WEBP", lossless=True)
    with pytest.raises(JobError, match="bytes claim to hold 49 megapixels"):
        decode(out.getvalue(), "room_image", LARGE)


def test_a_plain_mask_of_a_photo_is_read() -> None:
    out = io.BytesIO()
    Image.new("L", (4000, 3000), 255).save(out, "PNG")
    assert decode(out.getvalue(), "mask", LARGE).size == (4000, 3000)


@pytest.mark.parametrize(
    "problem",
    [
        MemoryError(),
        cv2.error("OpenCV: alloc.cpp: error: (-4:Insufficient memory) Failed to allocate 150000000 bytes"),
        OSError("out of memory when reading image file"),
        RuntimeError("Memory allocation error: Security limit exceeded"),
    ],
)
def test_too_little_memory_is_no_damaged_file(problem: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise problem

    monkeypatch.setattr("imaging.codec.decode._upright", fails)
    with pytest.raises(JobError) as caught:
        decode(jpeg_of_scans((64, 64), 10), "room_image", LARGE)
    assert caught.value.code is ErrorCode.OUT_OF_MEMORY


def test_deep_gray_is_converted_in_bands_to_the_same_values() -> None:
    deep = np.arange(700 * 90, dtype=np.uint16).reshape(700, 90)
    out = io.BytesIO()
    Image.fromarray(deep).save(out, "PNG")
    assert np.array_equal(decode(out.getvalue(), "x", LARGE).pixels[..., 0], np.rint(deep / 257).astype(np.uint8))
