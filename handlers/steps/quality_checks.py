"""Compares the measurements of a finished edit with the thresholds from the settings."""

from collections.abc import Iterator
from dataclasses import dataclass

from imaging.restoration.metrics import ProductSimilarity
from imaging.restoration.restoration import Drift
from imaging.restoration.scene_checks import SceneChecks
from schemas.settings import Settings

WHOLE = 0.9
"""Smallest share of the product that must be inside the photo."""

CLEAR_GROUND = 0.55
"""Smallest share of the ground under the product that must look like one surface. docs/placement.md tells how many
right and wrong positions in real photos are below it."""

BRIGHTER = 20.0
"""CIELAB lightness by which the product's light parts may exceed the light parts of its surroundings."""

PLACEMENT_CHECKS = frozenset({"visible", "clear_ground"})
"""Checks of the placement, which another seed does not change."""

REPLACED_CHANGED = 0.5
"""Smallest share of a replaced object's box that must have changed: the object itself rarely fills less of it."""


@dataclass(frozen=True)
class Thresholds:
    """Limits for a good picture: the settings that begin with `check_`."""

    drift_percent: float
    box_agreement: float
    product_color: float
    product_structure: float
    product_present: float

    @classmethod
    def of(cls, settings: Settings) -> "Thresholds":
        return cls(**{name: getattr(settings, f"check_{name}") for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class QualityChecks:
    """Measurements of one picture; None if there was nothing to measure.

    `drift` is measured on the engine's picture before restoration.
    """

    drift: Drift | None
    box_agreement: float | None
    product: ProductSimilarity | None
    replaced: float | None = None
    """Share of the replaced object's box that visibly changed, 0 to 1."""
    scene: SceneChecks | None = None
    """None if the engine chose the position."""

    def failed(self, limits: Thresholds, side: int) -> Iterator[str]:
        """Yield the names of the failed checks; `side` is the photo's longer side in pixels."""
        if self.drift and not (self.drift.found and self.drift.worst_percent(side) <= limits.drift_percent):
            yield "drift"
        if self.box_agreement is not None and self.box_agreement < limits.box_agreement:
            yield "box_agreement"
        if self.product is None or self.product.present < limits.product_present:
            yield "product_present"
        elif self.product.color > limits.product_color:
            yield "product_color"
        elif self.product.structure < limits.product_structure:
            yield "product_structure"

        if self.replaced is not None and self.replaced < REPLACED_CHANGED:
            yield "replaced"
        if self.scene is not None:
            yield from _failed_in_scene(self.scene)

    @property
    def product_similarity(self) -> float:
        product = self.product
        return product.present + product.structure - product.color / 50 if product else -1


def _failed_in_scene(scene: SceneChecks) -> Iterator[str]:
    if scene.visible < WHOLE:
        yield "visible"
    if scene.clear_ground is not None and scene.clear_ground < CLEAR_GROUND:
        yield "clear_ground"
    if scene.brightness is not None and scene.brightness > BRIGHTER:
        yield "brightness"
