"""The last step of an edit: restore every pixel that had no reason to change, and check the picture."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from handlers.quality_checks import QualityChecks, Thresholds
from handlers.scene import Scene
from imaging.picture import Box, Mask, Pixels, Weights, differing
from imaging.restoration.metrics import agreement, pasted, product_similarity
from imaging.restoration.restoration import Drift, restore
from models.engine import Painted


@dataclass(frozen=True, eq=False)
class CheckedEdit:
    """A restored picture. `box` is where the product is in `pixels`, None if not found; `failed` names checks."""

    pixels: Pixels
    box: Box | None
    measured: QualityChecks
    checks: dict[str, Any]
    failed: tuple[str, ...]

    @property
    def score(self) -> tuple[int, float]:
        """The better of two edits has the higher score."""
        return -len(self.failed), self.measured.product_similarity


def restore_and_check(scene: Scene, variants: list[Painted], thresholds: Thresholds) -> list[CheckedEdit]:
    return [_checked(scene, *_restored(scene, painted), painted.is_guide, thresholds) for painted in variants]


def _restored(scene: Scene, painted: Painted) -> tuple[Pixels, Drift | None, Box | None]:
    """Return the picture, the drift that was undone, and the box that was repainted.

    The guide has not drifted, and where the whole photo may change nothing is restored: both have no drift.
    """
    own_share = _own_share(scene)
    drift: Drift | None = None
    repainted_box: Box | None = scene.placement.box
    if painted.is_guide or not scene.request.job.preserve_background:
        pixels = np.where(scene.allowed[..., None], painted.pixels, scene.photo)
    else:
        pixels, drift, repainted_box = _registered(scene, painted, own_share)
    if own_share:
        pixels = _with_own_product(pixels, scene, own_share)
    return pixels, drift, repainted_box


def _own_share(scene: Scene) -> float:
    """Return the share of the shop's own product pixels in the answer, 0 to 1: what `harmonize` leaves of them."""
    harmonize = scene.request.job.harmonize
    return 0.0 if harmonize is None or scene.by_words else 1 - harmonize


def _checked(
    scene: Scene,
    pixels: Pixels,
    drift: Drift | None,
    repainted_box: Box | None,
    is_guide: bool,
    thresholds: Thresholds,
) -> CheckedEdit:
    photo, job = scene.photo, scene.request.job
    box = repainted_box if scene.by_words else scene.placement.box
    expected = pasted(photo, scene.product, box) if scene.by_words and box else scene.guide
    unmeasured = scene.by_words or _own_share(scene) == 1 or not (is_guide or job.preserve_background)
    measured = QualityChecks(
        drift=drift,
        box_agreement=None if unmeasured else agreement(repainted_box, scene.placement.box),
        product=product_similarity(photo, pixels, expected) if box else None,
    )
    failed = tuple(measured.failed(thresholds, max(photo.shape)))
    return CheckedEdit(
        pixels, box, measured, _checks(differing(pixels, photo), scene.allowed, measured, failed), failed
    )


def _registered(scene: Scene, painted: Painted, own_share: float) -> tuple[Pixels, Drift, Box | None]:
    """Return the photo with the engine's changes in its window, after the window's drift was undone."""
    photo = scene.photo
    left, top, right, bottom = painted.window or (0, 0, photo.shape[1], photo.shape[0])
    window = np.s_[top:bottom, left:right]
    asked = None if scene.by_words else _moved(scene.placement.box, -left, -top)
    repaint = _freedom(scene, own_share)[window] if own_share else None
    product = None if scene.by_words else _placed_alpha(scene)[window]
    restored = restore(photo[window], painted.pixels, scene.allowed[window], asked, repaint, product)
    pixels = photo.copy()
    pixels[window] = restored.pixels
    return pixels, restored.drift.moved(left, top), restored.repainted_box and _moved(restored.repainted_box, left, top)


def _freedom(scene: Scene, own_share: float) -> Weights:
    """Return the weight of the engine's pixels, 0 to 1: 1 under the product, which is mixed afterwards."""
    return np.float32(1 - own_share) + np.float32(own_share) * _placed_alpha(scene)


def _placed_alpha(scene: Scene) -> Weights:
    """Return the product's alpha where the guide has it, of the photo's size."""
    alpha = np.zeros(scene.photo.shape[:2], np.float32)
    left, top, right, bottom = scene.guide.part
    alpha[top:bottom, left:right] = scene.guide.alpha
    return alpha


def _with_own_product(pixels: Pixels, scene: Scene, share: float) -> Pixels:
    """Mix `share` of the compositor's product, whose pixels are the shop's own, over the engine's."""
    left, top, right, bottom = scene.guide.part
    here = np.s_[top:bottom, left:right]
    weight = np.float32(share) * (scene.guide.alpha * scene.allowed[here])[..., None]
    made, own = pixels[here], scene.guide.pixels[here]
    mixed = pixels.copy()
    mixed[here] = np.rint(made + weight * (own.astype(np.float32) - made)).astype(np.uint8)
    return mixed


def _checks(changed: Mask, allowed: Mask, measured: QualityChecks, failed: tuple[str, ...]) -> dict[str, Any]:
    """Return the answer's `checks`, all of them measured on the final pixels."""
    outside = ~allowed
    shares: dict[str, Any] = {
        "background_identical": 1.0 - np.count_nonzero(changed & outside) / max(1, int(outside.sum())),
        "changed_fraction": round(np.count_nonzero(changed) / changed.size, 6),
    }
    values = {name: value for name, value in asdict(measured).items() if value is not None}
    return shares | values | {"failed": list(failed)}


def _moved(box: Box, across: int, down: int) -> Box:
    return box[0] + across, box[1] + down, box[2] + across, box[3] + down
