"""Results that are remembered with their photo."""

import gc
import weakref

import numpy as np

from imaging.per_photo import MOST_RESULTS, once_per_photo, read_only
from imaging.picture import Pixels
from testing.pictures import plain_room


class Counted:
    """A measurement of a photo that counts its runs."""

    def __init__(self) -> None:
        self.runs = 0

        @once_per_photo
        def measured(photo: Pixels, row: int) -> Pixels:
            self.runs += 1
            return photo[row].copy()

        self.of = measured


def test_a_read_only_photo_is_measured_once_for_each_argument() -> None:
    photo, measured = read_only(np.array(plain_room())), Counted()
    for _ in range(3):
        assert (measured.of(photo, 4) == photo[4]).all()
    measured.of(photo, 5)
    measured.of(photo.copy(), 4)
    assert measured.runs == 3


def test_a_photo_that_may_change_is_measured_every_time() -> None:
    photo, measured = np.array(plain_room()), Counted()
    before = measured.of(photo, 4)
    photo[4] = 7
    assert (measured.of(photo, 4) == 7).all()
    assert not (before == 7).all()


def test_the_results_go_with_the_photo_and_are_few() -> None:
    photo, measured = read_only(np.array(plain_room())), Counted()
    results = [weakref.ref(measured.of(photo, row % photo.shape[0])) for row in range(MOST_RESULTS + 10)]
    gc.collect()
    assert [result() is None for result in results] == [True] * 10 + [False] * MOST_RESULTS
    del photo
    gc.collect()
    assert all(result() is None for result in results)
