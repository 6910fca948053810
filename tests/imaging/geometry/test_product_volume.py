import numpy as np
import pytest

from imaging.geometry.product_volume import PHOTO_PITCH, legs_of, solid_of
from tests.imaging import drawn


def cylinder(radius: float, height: float, pitch: float = PHOTO_PITCH) -> np.ndarray:
    """Return the alpha of an upright cylinder seen from `pitch` above the level."""
    rim, body = radius * np.sin(pitch), height * np.cos(pitch)
    row, column = np.mgrid[: round(2 * rim + body), : round(2 * radius)] + 0.5
    bend = rim * np.sqrt((1 - ((column - radius) / radius) ** 2).clip(0))
    return ((row > rim - bend) & (row < rim + body + bend)).astype(np.float32)


def test_the_footprint_of_a_round_product_is_not_taken_for_height() -> None:
    solid = solid_of(cylinder(100, 200))
    assert solid.radii.mean() == pytest.approx(100 / 200, rel=0.04)


def test_a_thin_product_has_no_depth_to_speak_of() -> None:
    assert solid_of(cylinder(5, 300)).depths.max() < 0.02


def test_a_wide_product_is_not_as_deep_as_it_is_wide() -> None:
    solid = solid_of(drawn.block(400, 100).alpha)
    assert solid.radii.max() == pytest.approx(2, rel=0.2)
    assert solid.depths.max() < 0.6


@pytest.mark.parametrize(("radius", "height"), [(25, 40), (20, 150), (45, 90)])
@pytest.mark.parametrize("distance", [220, 500])
def test_a_solid_stands_where_its_foot_is_seen(radius: float, height: float, distance: float) -> None:
    camera = drawn.camera()
    solid = solid_of(cylinder(4 * radius, 4 * height))
    _, bottom = solid.rows(camera, height, distance)
    assert solid.distance(camera, height, bottom) == pytest.approx(distance, rel=0.01)
    seen = solid.photo_height(camera, height, distance)
    assert solid.height_in(camera, bottom, seen) == pytest.approx(height, rel=0.02)


def test_a_solid_covers_what_the_camera_sees_of_it() -> None:
    camera, radius, height, distance = drawn.camera(), 30.0, 50.0, 300.0
    angle = np.linspace(0, 2 * np.pi, 100)
    x, z = radius * np.cos(angle), distance + radius * np.sin(angle)
    true = np.concatenate([camera.project(x, np.full_like(x, y), z)[1] for y in (0.0, height)])
    top, bottom = solid_of(cylinder(4 * radius, 4 * height)).rows(camera, height, distance)
    assert bottom - top == pytest.approx(np.ptp(true), rel=0.05)


def test_legs_are_seen_where_they_meet_the_ground() -> None:
    legs = sorted(legs_of(drawn.stool().alpha), key=lambda leg: leg.x)
    assert [leg.x for leg in legs] == pytest.approx([16 / 180, 0.5, 164 / 180], abs=0.02)
    assert [leg.y for leg in legs] == pytest.approx([0.85, 1, 0.85], abs=0.02)


@pytest.mark.parametrize("product", [drawn.block(100, 150), drawn.disc(120), drawn.block(1, 1), drawn.block(3, 200)])
def test_what_stands_on_its_body_has_no_legs(product: drawn.CutOut) -> None:
    assert legs_of(product.alpha) == []


def test_a_sofa_has_legs_though_its_arms_reach_low() -> None:
    alpha = np.zeros((200, 480), np.float32)
    alpha[20:180, :60] = alpha[20:180, 420:] = 1  # arms
    alpha[60:160] = alpha[150:165, 180:300] = 1
    alpha[180:, 20:34] = alpha[180:, 446:460] = 1
    legs = sorted(legs_of(alpha), key=lambda leg: leg.x)
    assert [leg.x for leg in legs] == pytest.approx([27 / 480, 453 / 480], abs=0.02)


def test_broad_feet_are_no_legs() -> None:
    alpha = np.ones((200, 180), np.float32)
    alpha[180:, 80:100] = 0
    assert legs_of(alpha) == []


def test_legs_stand_around_the_axis_though_one_is_seen_below_the_others() -> None:
    solid = solid_of(drawn.stool().alpha)
    assert solid.radii[0] == pytest.approx(solid.radii[len(solid.radii) // 3], rel=0.15)


def test_a_photo_seen_from_above_is_neither_as_high_as_the_product_nor_as_narrow() -> None:
    camera, alpha = drawn.camera(), cylinder(60, 160)
    solid = solid_of(alpha)
    top, bottom = solid.rows(camera, 80, 200)
    rows = solid.photo_height(camera, 80, 200)
    assert rows < bottom - top
    assert rows * alpha.shape[1] / alpha.shape[0] > 60 * camera.focal / 200
