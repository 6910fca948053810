import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.grid import fit

AREA = 1024 * 1024


@given(st.integers(30, 9000), st.integers(30, 9000))
def test_every_size_reaches_the_grid_without_a_stretch(width: int, height: int) -> None:
    if max(width, height) > 12 * min(width, height):
        return
    grid = fit((width, height), AREA, 16)
    assert grid.working[0] % 16 == grid.working[1] % 16 == 0
    assert 0.5 * AREA < grid.working[0] * grid.working[1] < 1.3 * AREA
    assert grid.padded[0] >= width
    assert grid.padded[1] >= height
    across, down = grid.working[0] / grid.padded[0], grid.working[1] / grid.padded[1]
    pixel = max(grid.working) / min(width, height)
    assert abs(across - down) * max(width, height) <= 1.5 * max(1, pixel / 16) + pixel, "half a pixel at each border"
    assert grid.padded[0] * grid.padded[1] <= 1.05 * width * height + 40 * (width + height)


@pytest.mark.parametrize("size", [(1280, 720), (1024, 1024), (720, 1280)])
def test_a_size_on_the_grid_is_painted_as_it_is(size: tuple[int, int]) -> None:
    assert fit(size, AREA, 16).working == size


@pytest.mark.parametrize("size", [(1021, 769), (400, 1200), (4001, 3003), (300, 225)])
def test_what_enters_the_grid_leaves_it_in_place(size: tuple[int, int]) -> None:
    y, x = np.mgrid[: size[1], : size[0]]
    waves = 127 + 60 * np.sin(x / size[0] * 25) + 60 * np.cos(y / size[1] * 25)
    picture = np.repeat(waves.astype(np.uint8)[..., None], 3, axis=2)
    grid = fit(size, AREA, 16)
    back = grid.leave(grid.enter(picture))
    assert back.shape == picture.shape
    assert abs(back.astype(int) - picture).mean() < 1
