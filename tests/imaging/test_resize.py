import numpy as np
import pytest

from imaging.resize import placed, scaled_box


@pytest.mark.parametrize("frame", [(10, 20, 50, 45), (10, 20, 11, 21), (0, 0, 300, 200), (70, 60, 90, 75)])
def test_a_layer_covers_its_frame_and_nothing_else(frame: tuple[int, int, int, int]) -> None:
    part = (0, 0, 300, 200)
    covered = placed(np.ones((30, 40), np.float32), frame, part)
    expected = np.zeros((200, 300), np.float32)
    expected[frame[1] : frame[3], frame[0] : frame[2]] = 1
    assert np.allclose(covered, expected, atol=1e-5)


@pytest.mark.parametrize("scale", [0.5, 3])
def test_what_is_seen_of_a_frame_is_that_piece_of_the_whole(scale: float) -> None:
    layer = np.random.default_rng(0).random((60, 80, 3), np.float32)
    width, height = int(80 * scale), int(60 * scale)
    frame = (-width // 4, -height // 2, width - width // 4, height - height // 2)
    whole = placed(layer, (0, 0, width, height), (0, 0, width, height))
    seen = placed(layer, frame, (0, 0, width, height))
    assert np.allclose(seen[: frame[3], : frame[2]], whole[height // 2 :, width // 4 :], atol=1e-3)


def test_an_enlarged_layer_is_not_shifted() -> None:
    symmetric = np.array([[0, 1, 0], [1, 3, 1], [0, 1, 0]], np.float32)
    large = placed(symmetric, (0, 0, 30, 30), (0, 0, 30, 30))
    assert np.allclose(large, large[::-1, ::-1], atol=0.02)


def test_an_enormous_frame_costs_what_is_seen_of_it() -> None:
    assert placed(np.ones((5, 5), np.float32), (-(10**6), -(10**6), 10**6, 10**6), (0, 0, 40, 30)).mean() == 1


def test_a_frame_out_of_sight_leaves_nothing() -> None:
    assert not placed(np.ones((5, 5), np.float32), (50, 50, 60, 60), (0, 0, 40, 30)).any()


def test_a_scaled_box_keeps_a_pixel() -> None:
    assert scaled_box((10, 10, 12, 40), 0.1) == (1, 1, 2, 4)
