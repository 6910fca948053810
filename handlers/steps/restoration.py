"""The last step of an edit: restores every pixel that had no reason to change, and checks the picture."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import cv2
import numpy as np

from handlers.steps.quality_checks import QualityChecks, Thresholds
from handlers.steps.scene import Scene, SceneProduct
from imaging.picture import Box, Mask, Pixels, Weights, differing, strongest, with_changes
from imaging.restoration.metrics import agreement, pasted, product_similarity
from imaging.restoration.restoration import Drift, restore
from imaging.restoration.scene_checks import SceneChecks, scene_checks
from models.engine import Painted

VISIBLE = 8
"""Difference in levels (0 to 255) from which a changed pixel is visible."""


@dataclass(frozen=True, eq=False)
class CheckedProduct:
    """One product in the finished picture. `box` is its position, None if it was not found; `failed` names checks."""

    box: Box | None
    measured: QualityChecks
    failed: tuple[str, ...]

    @property
    def checks(self) -> dict[str, Any]:
        return _measured(self.measured) | {"failed": list(self.failed)}


@dataclass(frozen=True, eq=False)
class CheckedEdit:
    """A restored picture with the checks of the whole picture and of each product; `failed` names checks."""

    pixels: Pixels
    products: tuple[CheckedProduct, ...]
    checks: dict[str, Any]
    failed: tuple[str, ...]

    @property
    def score(self) -> tuple[int, float]:
        """Sort key: the better of two edits has the higher score."""
        return -len(self.failed), min(each.measured.product_similarity for each in self.products)


def restore_and_check(
    scenes: Sequence[Scene], variants: Sequence[Painted], thresholds: Thresholds
) -> list[CheckedEdit]:
    return [
        _checked(scene, *_restored(scene, painted), painted.is_guide, thresholds)
        for scene, painted in zip(scenes, variants, strict=True)
    ]


def total_checks(photo: Pixels, pixels: Pixels, allowed: Mask, failed: Sequence[str]) -> dict[str, Any]:
    """Return the checks of a picture compared with the photo it was made from."""
    return _shares(photo, pixels, allowed) | {"failed": list(dict.fromkeys(failed))}


def _restored(scene: Scene, painted: Painted) -> tuple[Pixels, Drift | None, Box | None]:
    """Return the restored picture, the drift that was undone, and the repainted box.

    The drift is None if the engine returned the guide itself, or if the whole photo may change and nothing is
    restored.
    """
    own_share = _own_share(scene)
    drift: Drift | None = None
    repainted_box: Box | None = scene.box
    if painted.is_guide or not scene.request.job.preserve_background:
        pixels = with_changes(scene.photo, painted.pixels, scene.allowed)
    else:
        pixels, drift, repainted_box = _registered(scene, painted, own_share)
    if own_share:
        pixels = _with_own_product(pixels, scene, own_share)
    return pixels, drift, repainted_box


def _own_share(scene: Scene) -> float:
    """Return the share of the shop's own product pixels in the answer, 0 to 1, as `harmonize` determines it."""
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
    job = scene.request.job
    unmeasured = scene.by_words or _own_share(scene) == 1 or not (is_guide or job.preserve_background)
    shared = QualityChecks(
        drift=drift,
        box_agreement=None if unmeasured else agreement(repainted_box, scene.box),
        product=None,
        replaced=None if scene.replaced is None else _changed_share(scene.photo, pixels, scene.replaced),
    )
    products = tuple(
        _checked_product(scene, product, pixels, shared, repainted_box, thresholds) for product in scene.products
    )
    failed = tuple(dict.fromkeys(name for each in products for name in each.failed))
    whole = products[0].measured if len(products) == 1 else shared
    checks = _shares(scene.photo, pixels, scene.allowed) | _measured(whole) | {"failed": list(failed)}
    return CheckedEdit(pixels, products, checks, failed)


def _checked_product(
    scene: Scene,
    product: SceneProduct,
    pixels: Pixels,
    shared: QualityChecks,
    repainted_box: Box | None,
    thresholds: Thresholds,
) -> CheckedProduct:
    box = repainted_box if scene.by_words else product.placement.box
    expected = pasted(scene.photo, product.cut_out, box) if scene.by_words and box else product.guide
    similarity = product_similarity(scene.photo, pixels, expected) if box else None
    measured = replace(shared, product=similarity, scene=None if scene.by_words else _in_scene(scene, product, pixels))
    return CheckedProduct(box, measured, tuple(measured.failed(thresholds, max(scene.photo.shape))))


def _in_scene(scene: Scene, product: SceneProduct, pixels: Pixels) -> SceneChecks:
    return scene_checks(scene.photo, pixels, product.guide, product.cut_out, product.placement)


def _changed_share(photo: Pixels, pixels: Pixels, box: Box) -> float:
    """Return the share of a box's pixels that visibly changed."""
    left, top, right, bottom = box
    change = strongest(cv2.absdiff(photo[top:bottom, left:right], pixels[top:bottom, left:right]))
    return round(float((change > VISIBLE).mean()), 4)


def _registered(scene: Scene, painted: Painted, own_share: float) -> tuple[Pixels, Drift, Box | None]:
    """Return the photo with the engine's changes inside its window, after undoing the window's drift."""
    photo = scene.photo
    left, top, right, bottom = painted.window or (0, 0, photo.shape[1], photo.shape[0])
    window = np.s_[top:bottom, left:right]
    asked = None if scene.by_words else _moved(scene.box, -left, -top)
    repaint = _freedom(scene, own_share)[window] if own_share else None
    product = None if scene.by_words else _placed_alpha(scene)[window]
    restored = restore(photo[window], painted.pixels, scene.allowed[window], asked, repaint, product)
    pixels = photo.copy()
    pixels[window] = restored.pixels
    return pixels, restored.drift.moved(left, top), restored.repainted_box and _moved(restored.repainted_box, left, top)


def _freedom(scene: Scene, own_share: float) -> Weights:
    """Return the weight of the engine's pixels, 0 to 1; it is 1 under the product, which is blended in afterwards."""
    return np.float32(1 - own_share) + np.float32(own_share) * _placed_alpha(scene)


def _placed_alpha(scene: Scene) -> Weights:
    """Return the guide's product alpha at the photo's size."""
    alpha = np.zeros(scene.photo.shape[:2], np.float32)
    left, top, right, bottom = scene.guide.part
    alpha[top:bottom, left:right] = scene.guide.alpha
    return alpha


def _with_own_product(pixels: Pixels, scene: Scene, share: float) -> Pixels:
    """Blend `share` of the compositor's product, which has the shop's own pixels, over the engine's picture."""
    left, top, right, bottom = scene.guide.part
    here = np.s_[top:bottom, left:right]
    weight = np.float32(share) * (scene.guide.alpha * scene.allowed[here])[..., None]
    made, own = pixels[here], scene.guide.pixels[here]
    mixed = pixels.copy()
    mixed[here] = np.rint(made + weight * (own.astype(np.float32) - made)).astype(np.uint8)
    return mixed


def _shares(photo: Pixels, pixels: Pixels, allowed: Mask) -> dict[str, Any]:
    """Return the share of the photo that is unchanged outside `allowed`, and the share that changed at all."""
    changed, outside = differing(pixels, photo), ~allowed
    return {
        "background_identical": 1.0 - np.count_nonzero(changed & outside) / max(1, int(outside.sum())),
        "changed_fraction": round(np.count_nonzero(changed) / changed.size, 6),
    }


def _measured(checks: QualityChecks) -> dict[str, Any]:
    return {name: value for name, value in asdict(checks).items() if value is not None}


def _moved(box: Box, across: int, down: int) -> Box:
    return box[0] + across, box[1] + down, box[2] + across, box[3] + down
