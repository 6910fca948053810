"""Restore the customer's photo around a painted product and check the result."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from handlers.quality_checks import QualityChecks, Thresholds
from handlers.requests import EditRequest
from imaging.compose import Composite
from imaging.cutout import CutOut
from imaging.picture import Box, Mask, Pixels, Weights, bounds, differing
from imaging.placement.layout import Placement
from imaging.restoration.metrics import agreement, pasted, product_similarity
from imaging.restoration.restoration import Drift, restore
from models.engine import Painted

CHANGE_BESIDE, CHANGE_ABOVE = 0.55, 0.32
"""Distance, in shares of the product's width and height, within which an engine may change the photo."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything an edit starts from.

    `allowed` is where the photo may change; `by_words` is True if the engine is to find the place.
    """

    request: EditRequest
    product: CutOut
    placement: Placement
    guide: Composite
    allowed: Mask
    by_words: bool

    @property
    def photo(self) -> Pixels:
        return self.request.room.pixels

    @property
    def region(self) -> Box | None:
        """Return the box of everything that may change; None for the whole photo."""
        if self.by_words or not self.request.job.preserve_background:
            return None
        return bounds(self.allowed)


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished edit: `box` is where the product is in `pixels`, None if it was not found; `failed` names checks."""

    pixels: Pixels
    box: Box | None
    verdict: QualityChecks
    checks: dict[str, Any]
    failed: tuple[str, ...]

    @property
    def worth(self) -> tuple[int, float]:
        """Return a key by which the better of two edits is the larger."""
        return -len(self.failed), self.verdict.product_similarity


def may_change(request: EditRequest, frame: Box, guide: Composite, by_words: bool) -> Mask:
    """Return where the photo may change.

    With the background preserved, that is what the product's shadow, its reflection and a lamp's light reach.
    """
    allowed = np.ones(request.room.pixels.shape[:2], np.bool_)
    if request.job.preserve_background and not by_words:
        left, top, right, bottom = frame
        beside, above = round(CHANGE_BESIDE * (right - left)), round(CHANGE_ABOVE * (bottom - top))
        allowed[:] = False
        allowed[max(0, top - above) : bottom + above, max(0, left - beside) : right + beside] = True
        allowed |= guide.changed
    return allowed if request.mask is None else allowed & request.mask


def finish(scene: Scene, painted: Painted, thresholds: Thresholds) -> Finished:
    """Return the restored and checked edit.

    Nothing is restored if the painted picture is the guide, which cannot drift, or if the whole photo may change.
    """
    job, photo, guide = scene.request.job, scene.photo, scene.guide
    own_share = 0.0 if job.harmonize is None or scene.by_words else 1 - job.harmonize
    drift: Drift | None = None
    repainted_box: Box | None = scene.placement.box
    if painted.is_guide or not job.preserve_background:
        pixels = np.where(scene.allowed[..., None], painted.pixels, photo)
    else:
        pixels, drift, repainted_box = _brought_back(scene, painted, own_share)
    if own_share:
        pixels = _with_own_product(pixels, scene, own_share)

    box = repainted_box if scene.by_words else scene.placement.box
    meant = pasted(photo, scene.product, box) if scene.by_words and box else guide
    unmeasured = scene.by_words or own_share == 1 or not (painted.is_guide or job.preserve_background)
    verdict = QualityChecks(
        drift=drift,
        box_agreement=None if unmeasured else agreement(repainted_box, scene.placement.box),
        product=product_similarity(photo, pixels, meant) if box else None,
    )
    changed = differing(pixels, photo)
    failed = tuple(verdict.failed(thresholds, max(photo.shape)))
    return Finished(pixels, box, verdict, _checks(changed, scene.allowed, verdict, failed), failed)


def _brought_back(scene: Scene, painted: Painted, own_share: float) -> tuple[Pixels, Drift, Box | None]:
    """Return the photo with the engine's real changes, the drift, and the box of what was repainted."""
    photo = scene.photo
    left, top, right, bottom = painted.window or (0, 0, photo.shape[1], photo.shape[0])
    window = np.s_[top:bottom, left:right]
    asked = None if scene.by_words else _moved(scene.placement.box, -left, -top)
    repaint = _freedom(scene, own_share)[window] if own_share else None
    restored = restore(photo[window], painted.pixels, scene.allowed[window], asked, repaint)
    pixels = photo.copy()
    pixels[window] = restored.pixels
    return pixels, restored.drift.moved(left, top), restored.repainted_box and _moved(restored.repainted_box, left, top)


def _freedom(scene: Scene, own_share: float) -> Weights:
    """Return the share of the engine's paint that is used: all of it under the product, which is mixed afterwards."""
    freedom = np.full(scene.photo.shape[:2], 1 - own_share, np.float32)
    left, top, right, bottom = scene.guide.part
    freedom[top:bottom, left:right] += np.float32(own_share) * scene.guide.alpha
    return freedom


def _with_own_product(pixels: Pixels, scene: Scene, share: float) -> Pixels:
    """Return `pixels` with `share` of the compositor's product, which has the shop's own pixels, over the engine's."""
    left, top, right, bottom = scene.guide.part
    here = np.s_[top:bottom, left:right]
    weight = np.float32(share) * (scene.guide.alpha * scene.allowed[here])[..., None]
    made, own = pixels[here], scene.guide.pixels[here]
    mixed = pixels.copy()
    mixed[here] = np.rint(made + weight * (own.astype(np.float32) - made)).astype(np.uint8)
    return mixed


def _checks(changed: Mask, allowed: Mask, verdict: QualityChecks, failed: tuple[str, ...]) -> dict[str, Any]:
    """Return the answer's `checks`."""
    outside = ~allowed
    told: dict[str, Any] = {
        "background_identical": 1.0 - np.count_nonzero(changed & outside) / max(1, int(outside.sum())),
        "changed_fraction": round(np.count_nonzero(changed) / changed.size, 6),
    }
    measured = {name: value for name, value in asdict(verdict).items() if value is not None}
    return told | measured | {"failed": list(failed)}


def _moved(box: Box, across: int, down: int) -> Box:
    return box[0] + across, box[1] + down, box[2] + across, box[3] + down
