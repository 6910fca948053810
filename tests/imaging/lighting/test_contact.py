import cv2
import numpy as np
import pytest

from imaging.lighting.contact import contact_light, touching_runs
from imaging.picture import Weights
from tests.imaging import drawn

CAMERA = drawn.camera()


def three_quarter_box() -> Weights:
    """Return a box with its near edge a third from the left, so that the lower contour is a flat V."""
    alpha = np.zeros((200, 300), np.uint8)
    corners = np.array([[0, 30], [100, 10], [299, 20], [299, 160], [100, 199], [0, 170]])
    return (cv2.fillPoly(alpha, [corners], 255) / 255).astype(np.float32)


def test_a_box_at_three_quarter_view_touches_the_ground_along_both_lower_edges() -> None:
    [run] = touching_runs(three_quarter_box())
    assert run.x[0] < 0.03
    assert run.x[-1] > 0.97
    assert run.lowest == pytest.approx(1, abs=0.01)
    assert run.y[0] == pytest.approx(0.85, abs=0.02)
    assert run.y[-1] == pytest.approx(0.8, abs=0.02)


def test_a_stool_touches_the_ground_with_its_legs_alone() -> None:
    runs = touching_runs(drawn.stool().alpha)
    assert len(runs) > 1
    assert all(np.ptp(run.x) < 0.2 for run in runs)
    assert max(run.lowest for run in runs) == pytest.approx(1, abs=0.02)


def test_a_ball_touches_the_ground_near_its_lowest_point_only() -> None:
    [run] = touching_runs(drawn.disc(200).alpha)
    assert 0.15 < run.x[0] < 0.45
    assert 0.55 < run.x[-1] < 0.85


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (3, 3)])
def test_cut_outs_of_every_shape_touch_the_ground_somewhere(shape: tuple[int, int]) -> None:
    assert touching_runs(drawn.block(*shape).alpha)
    assert touching_runs(np.zeros(shape, np.float32))


def test_the_ground_is_darkest_at_the_contact_and_bright_a_little_beside_it() -> None:
    area = np.array([[380, 500], [420, 500], [420, 510], [380, 510]], np.float32)
    left = contact_light([area], CAMERA, (380, 400, 420, 510), (300, 400, 500, 560))
    below = left[110:, 100]
    assert below[1] < 0.75
    assert (np.diff(below) >= -1e-3).all()
    assert below[25] > 0.97


def test_a_thin_leg_has_a_contact_shadow_of_its_own() -> None:
    leg = np.array([[398, 507], [402, 507], [402, 510], [398, 510]], np.float32)
    left = contact_light([leg], CAMERA, (340, 400, 460, 510), (300, 400, 500, 560))
    assert left[109, 100] < 0.7
