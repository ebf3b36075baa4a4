"""Positions in millimetres as rows and columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream.errors import OptionError
from myodrive.tools.grids import NAMED, grid
from myodrive.tools.positions import geometry_at, lie_on


@given(name=st.sampled_from(list(NAMED)), across=st.floats(-500, 500), along=st.floats(-500, 500))
def test_a_grid_is_found_wherever_it_lies(name, across, along):
    known = grid(name)
    places = np.round(np.column_stack([known.across_mm() + across, known.along_mm() + along]), 3)
    found = geometry_at(places, "a test")
    assert found.ied_mm == pytest.approx(known.ied_mm, abs=2e-3)
    assert (found.row - found.row.min()).tolist() == (known.row - known.row.min()).tolist()
    assert (found.col - found.col.min()).tolist() == (known.col - known.col.min()).tolist()


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (None, "does not say"),
        ([[0.0, np.nan]], "does not say"),
        ([[1.0, 1.0], [1.0, 1.0]], "one point"),
        ([[0.0, 0.0], [0.0, 0.1]], "off a regular grid"),
        ([[0.0, 0.0], [0.0, 1.0], [0.0, 2.4]], "off a regular grid"),
        ([[0.0, 0.0], [0.0, 5.0], [0.0, 5.0]], "two channels"),
    ],
)
def test_places_that_lie_on_no_grid_are_refused(places, said):
    with pytest.raises(OptionError, match=said):
        geometry_at(None if places is None else np.array(places), "a test")


@pytest.mark.parametrize(
    ("row", "col", "whether"),
    [
        ([0, 1], [0, 0], True),
        ([0, 0], [0, 0], False),
        ([0, 2], [0, 0], False),
        ([-1, 0], [0, 0], False),
        ([], [], False),
    ],
)
def test_places_are_inside_the_grid_and_distinct(row, col, whether):
    assert lie_on(np.array(row, np.int64), np.array(col, np.int64), 2, 1) is whether
