"""Electrode grids: the maps, and the files that bring others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream.errors import OptionError
from myodrive.tools.grids import NAMED, grid, grid_within, name_of, read_grid
from myodrive.tools.hdf5_reading import read_recording


def test_the_13x5_map_is_that_of_a_real_recording(excerpt_path):
    recorded, known = read_recording(excerpt_path).geometry, grid("GR08MM1305")
    assert np.array_equal(known.row, recorded.row)
    assert np.array_equal(known.col, recorded.col)
    assert (known.ied_mm, known.grid_rows, known.grid_cols) == (8.0, 13, 5)


def test_the_13x5_map_is_the_published_one():
    """Rows of the table in openhdemg's documentation (orientation 180), channels from 1."""
    known = grid("GR04MM1305")
    table = np.zeros((13, 5), dtype=int)
    table[known.row, known.col] = np.arange(1, 65)
    assert table[0].tolist() == [0, 25, 26, 51, 52]
    assert table[1].tolist() == [1, 24, 27, 50, 53]
    assert table[12].tolist() == [12, 13, 38, 39, 64]


def test_the_8x8_map_is_the_published_one():
    """First and last row of MUedit's map, channels from 0."""
    known = grid("GR10MM0808")
    table = np.zeros((8, 8), dtype=int)
    table[known.row, known.col] = np.arange(64)
    assert table[0].tolist() == [7, 15, 23, 31, 39, 47, 55, 63]
    assert table[7].tolist() == [0, 8, 16, 24, 32, 40, 48, 56]


@pytest.mark.parametrize("name", [*NAMED, "LIN16-05", "lin08-2.5"])
def test_no_two_channels_share_a_place(name):
    known = grid(name)
    assert len(set(zip(known.row.tolist(), known.col.tolist(), strict=True))) == len(known)
    assert known.row.max() == known.grid_rows - 1
    assert known.col.max() == known.grid_cols - 1
    assert min(known.row.min(), known.col.min()) == 0


@pytest.mark.parametrize("name", [name for name in NAMED if name.startswith(("GR", "HD"))])
def test_neighbouring_channel_numbers_are_neighbours_within_a_column(name):
    known = grid(name)
    step_row, step_col = np.abs(np.diff(known.row)), np.diff(known.col)
    assert (step_row[step_col == 0] == 1).all()
    assert set(step_col.tolist()) in ({0, 1}, {0, -1})


def table_of(name):
    """The channels of a grid where they lie, from 1; 0 where there is none."""
    known = grid(name)
    table = np.zeros((known.grid_rows, known.grid_cols), dtype=int)
    table[known.row, known.col] = np.arange(1, len(known) + 1)
    return table


PUBLISHED = {  # first and last row of the published tables
    "HD04MM1305": ([52, 39, 26, 13, 0], [64, 51, 38, 25, 12]),
    "HD08MM1305": ([52, 39, 26, 13, 0], [64, 51, 38, 25, 12]),
    "HD10MM0808": ([64, 56, 48, 40, 32, 24, 16, 8], [57, 49, 41, 33, 25, 17, 9, 1]),
    "GR10MM0804": ([32, 24, 16, 8], [25, 17, 9, 1]),
    "HD10MM0804": ([1, 9, 17, 25], [8, 16, 24, 32]),
    "HD05MM0804": ([1, 9, 17, 25], [8, 16, 24, 32]),
    "RHD2164-GR08MM1305": ([0, 33, 34, 3, 1], [61, 63, 24, 22, 15]),
    "TMSI-4-8-L": ([8, 14, 19, 25], [1, 9, 24, 32]),
    "TMSI-8-8-L": ([17, 22, 27, 32, 33, 38, 43, 48], [1, 2, 3, 4, 61, 62, 63, 64]),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_maps_are_the_published_ones(name):
    table = table_of(name)
    assert (table[0].tolist(), table[-1].tolist()) == PUBLISHED[name]


@pytest.mark.parametrize("name", NAMED)
def test_a_grid_is_found_by_its_places_and_within_what_an_amplifier_writes(name):
    found = name_of(grid(name))
    assert np.array_equal(table_of(found), table_of(name))
    assert grid_within(f"{name.lower()} 64 ch") == name
    assert grid_within("MULTIPLE IN 1") is None


def test_a_linear_array_runs_along_the_fibres():
    known = grid("LIN16-05")
    assert known.along_mm().tolist() == (5.0 * (np.arange(16) - 7.5)).tolist()
    assert not known.across_mm().any()


@pytest.mark.parametrize("name", ["GR99MM0101", "LIN00-05", "LIN16-00", "no/such/file.csv", ""])
def test_an_unknown_grid_lists_the_known_ones(name):
    with pytest.raises(OptionError, match="GR08MM1305"):
        grid(name)


def written(path, table, head="# ied_mm = 8\n# rows = 13\n# cols = 5\n"):
    path.write_text(head + "channel,row,col\n" + "\n".join(table) + "\n", encoding="utf-8")
    return path


@given(order=st.permutations(range(64)))
def test_a_grid_file_may_list_its_channels_in_any_order(tmp_path_factory, order):
    known = grid("GR08MM1305")
    table = [f"{channel}, {known.row[channel]}, {known.col[channel]}" for channel in order]
    read = grid(written(tmp_path_factory.mktemp("grid") / "grid.csv", table))
    assert np.array_equal(read.row, known.row)
    assert np.array_equal(read.col, known.col)
    assert (read.ied_mm, read.grid_rows, read.grid_cols) == (8.0, 13, 5)


def test_a_grid_file_may_leave_its_size_to_the_places(tmp_path):
    read = read_grid(written(tmp_path / "g.csv", ["0,0,0", "1,0,1", "2,1,0"], head="# ied_mm: 2.5\n\n"))
    assert (read.ied_mm, read.grid_rows, read.grid_cols) == (2.5, 2, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "heading"),
        ("# ied_mm = 8\n0,0,0\n", "heading"),
        ("# ied_mm = 8\nchannel,row,col\n", "three numbers"),
        ("# ied_mm = 8\nchannel,row,col\n0,0\n", "three numbers"),
        ("# ied_mm = 8\nchannel,row,col\n0,0,x\n", "three whole numbers"),
        ("# ied_mm = 8\nchannel,row,col\n0,0,0\n1,1\n", "three whole numbers"),
        ("# ied_mm = 8\nchannel,row,col\n0,-1,0\n", "from 0"),
        ("# ied_mm = 8\nchannel,row,col\n1,0,0\n2,1,0\n", "0 to 1"),
        ("# ied_mm = 8\nchannel,row,col\n0,0,0\n0,1,0\n", "each once"),
        ("# ied_mm = 8\nchannel,row,col\n0,0,0\n1,0,0\n", "one electrode"),
        ("channel,row,col\n0,0,0\n1,1,0\n", "spacing"),
        ("# ied_mm = 0\nchannel,row,col\n0,0,0\n", "spacing"),
        ("# ied_mm = 8\n# rows = 1\nchannel,row,col\n0,0,0\n1,1,0\n", "row 1"),
        ("# ied_mm = 8\nchannel,row,col\n0,0,99999999999999999999999\n", "whole numbers"),
    ],
)
def test_a_bad_grid_file_is_refused_in_one_sentence(tmp_path, text, said):
    path = tmp_path / "grid.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=said) as caught:
        grid(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_grid_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "grid.csv"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(OptionError, match="cannot be read as text"):
        grid(path)
