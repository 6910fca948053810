"""A segmentation model for cut-outs: an ONNX model that tells for each pixel how likely it belongs to the product.

Any model of the U²-Net kind works: one RGB input normalized by ImageNet's mean and deviation, whose first output is one
plane of probabilities or logits, such as U²-Netp (320 pixels per side) and BiRefNet (1,024). `docs/licences.md` names
the authors.
"""

import hashlib
import urllib.request
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from imaging.cutout import Prior
from imaging.picture import Pixels, Weights, size_of
from schemas.settings import SettingsError

DOWNLOAD_URL = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/u2netp.onnx"
U2NETP_SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
U2NETP_BYTES = 4_574_861

CACHE = Path.home() / ".cache" / "product-placement"

DOWNLOAD_SECONDS = 60
DEFAULT_SIDE = 1024
"""Input side in pixels of a model that leaves its size open."""

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""ImageNet's standard deviation, with which these models were trained."""


def load_prior(model: str, source: str = DOWNLOAD_URL, cache: Path = CACHE) -> Prior | None:
    """Return the prior that `CUTOUT_MODEL` names: "none", "download" for U²-Netp, or the path of an ONNX file.

    U²-Netp is downloaded once from `source` and kept in `cache`. Raises SettingsError if onnxruntime is not installed
    or the file is missing, damaged, or not such a model.
    """
    if model == "none":
        return None
    path = _downloaded(source, cache / "u2netp.onnx") if model == "download" else Path(model)
    if not path.is_file():
        raise SettingsError(f"CUTOUT_MODEL: there is no file {path}")
    try:
        return OnnxPrior(path)
    except ImportError as problem:
        raise SettingsError("CUTOUT_MODEL needs the package onnxruntime") from problem
    except Exception as problem:  # onnxruntime's errors have no other common base class
        raise SettingsError(f"CUTOUT_MODEL: {path} is not a usable ONNX model") from problem


class OnnxPrior:
    """Runs the model on a picture resized to its square input. Thread-safe."""

    def __init__(self, path: Path) -> None:
        import onnxruntime  # optional: needed only where a model is configured

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, cv2.getNumThreads())
        providers = onnxruntime.get_available_providers()
        self._session = onnxruntime.InferenceSession(str(path), options, providers)
        entry = self._session.get_inputs()[0]
        self._input, self._output = entry.name, self._session.get_outputs()[0].name
        self._size = tuple(side if isinstance(side, int) else DEFAULT_SIDE for side in (entry.shape[3], entry.shape[2]))

    def __call__(self, pixels: Pixels) -> Weights:
        small = cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        batch = ((small - MEAN) / DEVIATION).transpose(2, 0, 1)[None]
        plane = np.squeeze(self._session.run([self._output], {self._input: batch})[0]).astype(np.float32)
        if plane.min() < 0 or plane.max() > 1:  # logits
            plane = 1 / (1 + np.exp(-plane))
        return cast(Weights, cv2.resize(plane, size_of(pixels), interpolation=cv2.INTER_LINEAR))


def _downloaded(source: str, path: Path) -> Path:
    """Return `path` after making sure, by its hash, that it holds U²-Netp."""
    if path.is_file() and _sha256(path.read_bytes()) == U2NETP_SHA256:
        return path
    try:
        with urllib.request.urlopen(source, timeout=DOWNLOAD_SECONDS) as answer:  # noqa: S310  not a caller's address
            data = answer.read(U2NETP_BYTES + 1)
    except OSError as problem:
        raise SettingsError(f"CUTOUT_MODEL=download: {source} cannot be read: {problem}") from problem
    if _sha256(data) != U2NETP_SHA256:
        raise SettingsError(f"CUTOUT_MODEL=download: {source} is not the expected file")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)
    return path


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
