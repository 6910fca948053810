import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.qwen.grid import fit, window

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


@given(st.integers(300, 9000), st.integers(300, 9000), st.data())
def test_a_window_holds_what_may_change_and_lies_in_the_photo(width: int, height: int, data: st.DataObject) -> None:
    left, top = data.draw(st.integers(0, width - 20)), data.draw(st.integers(0, height - 20))
    right, bottom = data.draw(st.integers(left + 10, width)), data.draw(st.integers(top + 10, height))
    x, y, x_end, y_end = window((width, height), (left, top, right, bottom), AREA, 16)
    assert 0 <= x <= left < right <= x_end <= width
    assert 0 <= y <= top < bottom <= y_end <= height


def test_a_small_place_in_a_large_photo_is_painted_pixel_for_pixel() -> None:
    left, top, right, bottom = window((4000, 3000), (1900, 1900, 2100, 2300), AREA, 16)
    size = (right - left, bottom - top)
    assert fit(size, AREA, 16).working == size
    assert 0.8 * AREA < size[0] * size[1] < 1.25 * AREA


@pytest.mark.parametrize("region", [(0, 0, 4000, 3000), (200, 300, 3600, 2900)])
def test_a_large_place_takes_the_whole_photo(region: tuple[int, int, int, int]) -> None:
    assert window((4000, 3000), region, AREA, 16) == (0, 0, 4000, 3000)


def test_a_window_is_never_stretched() -> None:
    left, top, right, bottom = window((6000, 4000), (2000, 1000, 3100, 2500), AREA, 16)
    grid = fit((right - left, bottom - top), AREA, 16)
    assert abs(grid.padded[0] - grid.size[0]) <= 2
    assert abs(grid.padded[1] - grid.size[1]) <= 2
