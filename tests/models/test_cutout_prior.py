"""The learned prior for cut-outs, with a model of one operation written here byte by byte."""

from pathlib import Path

import numpy as np
import pytest

from models.cutout_prior import load_prior
from schemas.settings import SettingsError


def message(*fields: tuple[int, int | bytes]) -> bytes:
    """Return a Protocol Buffers message; field numbers are below 16 and values below 128."""
    parts = [bytes((n << 3, v)) if isinstance(v, int) else bytes((n << 3 | 2, len(v))) + v for n, v in fields]
    return b"".join(parts)


def plane(name: bytes, channels: int) -> bytes:
    shape = message(*((1, message((1, side))) for side in (1, channels, 16, 24)))
    return message((1, name), (2, message((1, message((1, 1), (2, shape))))))


def brightness_model() -> bytes:
    """Return an ONNX model that takes a picture of 24 x 16 pixels and returns the mean of the normalized channels."""
    integers = b"\xa0\x01\x07"  # field 20, the attribute's type: a list of integers
    axes = message((1, b"axes"), (8, 1)) + integers
    mean = message((1, b"in"), (2, b"out"), (4, b"ReduceMean"), (5, axes))
    graph = message((1, mean), (2, b"g"), (11, plane(b"in", 3)), (12, plane(b"out", 1)))
    return message((1, 8), (7, graph), (8, message((2, 13))))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    path.write_bytes(brightness_model())
    return path


def test_there_is_no_prior_unless_one_is_configured() -> None:
    assert load_prior("none") is None


def test_a_prior_has_the_size_of_the_picture_and_lies_between_0_and_1(model: Path) -> None:
    prior = load_prior(str(model))
    assert prior is not None
    picture = np.zeros((80, 120, 3), np.uint8)
    picture[:, 60:] = 255
    likely = prior(picture)
    assert likely.shape == (80, 120)
    assert likely[:, :50].max() < 0.2
    assert likely[:, 70:].min() > 0.8
    assert likely.max() <= 1


def test_a_file_that_is_missing_or_no_model_is_named(tmp_path: Path, model: Path) -> None:
    with pytest.raises(SettingsError, match="no file"):
        load_prior(str(tmp_path / "missing.onnx"))
    model.write_bytes(b"no model")
    with pytest.raises(SettingsError, match=r"model\.onnx is not a usable ONNX model"):
        load_prior(str(model))


def test_a_download_with_another_hash_is_refused_and_not_kept(tmp_path: Path) -> None:
    source = tmp_path / "other.onnx"
    source.write_bytes(b"another model")
    with pytest.raises(SettingsError, match="not the expected file"):
        load_prior("download", source.as_uri(), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_download_that_cannot_be_read_names_its_address(tmp_path: Path) -> None:
    source = (tmp_path / "gone.onnx").as_uri()
    with pytest.raises(SettingsError, match=r"gone\.onnx cannot be read"):
        load_prior("download", source, tmp_path / "cache")
