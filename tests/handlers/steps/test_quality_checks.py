from dataclasses import replace

from handlers.steps.quality_checks import QualityChecks, Thresholds
from imaging.restoration.metrics import ProductSimilarity
from imaging.restoration.scene_checks import SceneChecks
from schemas.settings import Settings

LIMITS = Thresholds.of(Settings(_env_file=None))
GOOD = SceneChecks(visible=1.0, clear_ground=0.95, brightness=-10.0)


def failed(scene: SceneChecks | None) -> list[str]:
    similarity = ProductSimilarity(color=0.0, structure=1.0, present=1.0)
    return list(QualityChecks(None, 1.0, similarity, scene=scene).failed(LIMITS, 1000))


def test_a_product_well_placed_fails_nothing() -> None:
    assert failed(GOOD) == []
    assert failed(None) == []
    assert failed(SceneChecks(1.0, None, None)) == []


def test_each_fault_of_the_scene_is_named() -> None:
    assert failed(replace(GOOD, visible=0.6)) == ["visible"]
    assert failed(replace(GOOD, clear_ground=0.3)) == ["clear_ground"]
    assert failed(replace(GOOD, brightness=35.0)) == ["brightness"]
