import numpy as np

from imaging.codec.color_profile import in_profile
from imaging.picture import Picture
from testing.profiles import display_p3

RED = Picture(np.full((4, 4, 3), (230, 30, 30), np.uint8))


def test_a_color_carried_to_another_profile_and_back_is_the_same() -> None:
    wide = in_profile(RED, display_p3())
    assert wide.icc == display_p3()
    assert wide.pixels[0, 0, 0] < 225, "sRGB's red is less far out in a wider space"
    back = in_profile(wide, None)
    assert abs(back.pixels.astype(int) - RED.pixels).max() <= 2


def test_a_picture_in_its_own_profile_is_not_touched() -> None:
    assert in_profile(RED, None) is RED
