"""Signals beside the EMG: what is asked for, and where values are put."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream.beside import (
    MOST_SIGNALS,
    NoSignals,
    Taken,
    Wanted,
    placed,
    wanted_channel,
    wanted_signals,
)
from myodrive.stream.errors import OptionError
from myodrive.stream.hop import Hop

HOP, RATE_HZ = 8, 100.0


@pytest.mark.parametrize(
    ("text", "found"), [("3", ("emg", 3)), ("cell", ("cell", 0)), ("cell:2", ("cell", 2)), ("a:b", ("a:b", 0))]
)
def test_a_signal_is_a_stream_a_channel_of_one_or_a_channel_of_the_emg(text, found):
    assert wanted_channel(text, "emg") == found


def test_signals_keep_their_order_and_the_names_they_were_given():
    found = wanted_signals(["cell:1", "70", "emg:71"], "emg")
    assert found == (Wanted("cell:1", "cell", 1), Wanted("70", "emg", 70), Wanted("emg:71", "emg", 71))


@pytest.mark.parametrize(
    ("texts", "word"),
    [
        (["a", "b", "c", "d", "e"], f"{MOST_SIGNALS} times"),
        ([""], "no signal"),
        (["70000"], "no signal"),
        (["x" * 201], "no signal"),
        (["cell", "cell:0"], "the same"),
        (["3", "emg:3"], "the same"),
    ],
)
def test_what_is_no_signal_is_refused(texts, word):
    with pytest.raises(OptionError, match=word):
        wanted_signals(texts, "emg")


@given(
    sample=st.integers(0, 10**8), newest=st.floats(0, 1e6), fs_hz=st.floats(500, 20_000), rate_hz=st.floats(10, 2e4),
    off=st.floats(-2, 2),
)  # fmt: skip
def test_a_time_is_put_on_the_sample_axis_to_a_thousandth(sample, newest, fs_hz, rate_hz, off):
    wanted = sample + fs_hz * (off + np.arange(50) / rate_hz)  # places, by definition
    times = newest + (wanted - sample) / fs_hz
    places, found = placed(Taken(0, False, times, np.zeros(50)), sample, newest, 1 / fs_hz)
    np.testing.assert_allclose(places, wanted, atol=1e-3)
    np.testing.assert_array_equal(found, times)


def test_a_counted_value_keeps_its_sample_and_gets_its_time():
    samples, times = placed(Taken(0, True, np.array([7.0, 107.0]), np.zeros(2)), 107, 50.0, 1e-3)
    assert samples.tolist() == [7.0, 107.0]
    np.testing.assert_allclose(times, [49.9, 50.0])


def test_without_signals_there_is_nothing():
    none = NoSignals()
    none.look()
    none.follow(Hop())
    none.skip(1.0)
    assert (none.states, none.missed, none.due(1.0), none.take()) == ((), 0, False, ())
