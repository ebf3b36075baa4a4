"""The source of a recorded pipeline: each sample is a function of its number, and comes when it is due."""

import numpy as np
import pylsl

from myodrive.tools.recorded_pipeline import HOP, TILE, PacedSource, signal_of


def test_samples_repeat_by_their_number_and_never_come_early():
    emg = signal_of(3)
    source = PacedSource(emg, 1e6, HOP)  # fast, to come around
    source.begin()
    begun = pylsl.local_clock()
    for first in range(0, 2 * TILE, HOP):
        hop = source.next_hop()
        assert (hop.first_sample, hop.samples) == (first, HOP)
        np.testing.assert_array_equal(hop.signal, emg[np.arange(first, first + HOP) % TILE])
        assert pylsl.local_clock() >= hop.stamp
    assert hop.stamp - begun <= 2 * TILE / 1e6
    assert not source.ended
    assert source.sample == 2 * TILE - 1
