from itertools import combinations

import numpy as np
import pytest

from stkit_datasets.video.palette import COLORS, PALETTE, rgb_of


def cie_lab(rgb):
    """sRGB, D65, by IEC 61966-2-1 and CIE 15."""
    values = np.array(rgb) / 255
    linear = np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)
    xyz = (
        np.array(
            [
                [0.4124564, 0.3575761, 0.1804375],
                [0.2126729, 0.7151522, 0.0721750],
                [0.0193339, 0.1191920, 0.9503041],
            ]
        )
        @ linear
        / np.array([0.95047, 1.0, 1.08883])
    )
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_formula_of_this_test_gives_the_known_lab_of_pure_red():
    np.testing.assert_allclose(cie_lab((255, 0, 0)), [53.24, 80.09, 67.20], atol=0.05)


def test_there_are_eight_names():
    assert len(COLORS) == 8
    assert tuple(PALETTE) == COLORS


@pytest.mark.parametrize(("one", "other"), list(combinations(COLORS, 2)))
def test_any_two_colours_are_far_apart(one, other):
    assert np.linalg.norm(cie_lab(PALETTE[one]) - cie_lab(PALETTE[other])) > 45


def test_an_unknown_colour_is_named_with_the_choices():
    with pytest.raises(ValueError, match=r"'teal'.*red, green"):
        rgb_of("teal")
