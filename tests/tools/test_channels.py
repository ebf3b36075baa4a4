"""Channel lists as people write them."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myodrive.tools.channels import LARGEST, channel_list


@pytest.mark.parametrize(
    ("text", "channels"),
    [("0", [0]), ("0-3", [0, 1, 2, 3]), ("7,0-2, 5", [7, 0, 1, 2, 5]), ("4-4", [4]), (str(LARGEST - 1), [LARGEST - 1])],
)
def test_ranges_are_inclusive_and_the_order_is_kept(text, channels):
    assert channel_list(text) == channels


@pytest.mark.parametrize("text", ["", ",", "a", "1-", "-1", "1--2", "0x3", "1.5", "1,,2", f"{LARGEST}", f"0-{LARGEST}"])
def test_what_is_no_list_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="write it as"):
        channel_list(text)


def test_a_range_that_runs_backwards_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match="backwards"):
        channel_list("5-2")


def test_a_channel_named_twice_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match="twice"):
        channel_list("0-5,3")


@given(st.lists(st.integers(0, 500), min_size=1, unique=True))
def test_any_list_written_out_reads_back(channels):
    assert channel_list(",".join(map(str, channels))) == channels
