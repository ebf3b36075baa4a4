"""Parts of a wide array: no channel and no place is left out, and no place is looked at twice."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.models.bmiss.tiles import STRIDE, WIDEST_WHOLE, WIDTH, tile_of, tiles
from myodrive.stream.geometry import Geometry


def grid(rows, columns, ied_mm=8.0):
    row, col = np.divmod(np.arange(rows * columns), columns)
    return Geometry(row, col, ied_mm, rows, columns)


@pytest.mark.parametrize("columns", [1, 8, WIDEST_WHOLE])
def test_an_array_that_is_not_wide_is_one_part(columns):
    (whole,) = tiles(grid(3, columns))
    np.testing.assert_array_equal(whole.channels, np.arange(3 * columns))
    assert (whole.from_mm, whole.to_mm) == (-np.inf, np.inf)
    np.testing.assert_array_equal(tile_of([whole], np.array([-1e3, 0.0, 1e3])), 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(WIDEST_WHOLE + 1, 50), st.sampled_from([4.0, 10.0]), st.integers(0, 2**32 - 1))
def test_parts_cover_every_channel_and_every_place_once(rows, columns, ied_mm, seed):
    geometry = grid(rows, columns, ied_mm)
    shuffled = geometry.select(np.random.default_rng(seed).permutation(len(geometry)))
    parts = tiles(shuffled)
    heard = np.concatenate([part.channels for part in parts])
    np.testing.assert_array_equal(np.unique(heard), np.arange(len(shuffled)))
    assert all(len(np.unique(shuffled.col[part.channels])) == WIDTH for part in parts)
    assert parts[0].from_mm == -np.inf
    assert parts[-1].to_mm == np.inf
    for part, following in pairwise(parts):
        assert part.from_mm < part.to_mm == following.from_mm
    places = np.linspace(-ied_mm * columns, ied_mm * columns, 301)
    inside = np.array([(part.from_mm <= places) & (places < part.to_mm) for part in parts])
    np.testing.assert_array_equal(inside.sum(axis=0), 1)
    np.testing.assert_array_equal(tile_of(parts, places), inside.argmax(axis=0))


@pytest.mark.parametrize("columns", [17, 18, 32])
def test_a_place_is_near_the_middle_of_its_part(columns):
    geometry = grid(2, columns)
    across = geometry.across_mm()
    for part in tiles(geometry)[1:-1]:
        middle = (across[part.channels].min() + across[part.channels].max()) / 2
        assert part.from_mm < middle < part.to_mm
        assert max(middle - part.from_mm, part.to_mm - middle) <= STRIDE / 2 * geometry.ied_mm


def test_a_missing_column_makes_a_part_wider():
    geometry = grid(2, 33)
    parts = tiles(geometry.select(np.flatnonzero(geometry.col != 16)))
    assert {len(part.channels) for part in parts} == {2 * WIDTH}
    assert len(parts) == len(tiles(grid(2, 32)))
