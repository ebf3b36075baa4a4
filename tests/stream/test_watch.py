"""Bad channels: each kind is flagged in time and alone, cleared after 2 s, whatever the hop; real EMG flags nothing."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.filter import CausalFilter
from myodrive.stream.geometry import Geometry
from myodrive.stream.watch import (
    CLEAR_AFTER_S,
    FLAT,
    NOISY,
    NOT_A_NUMBER,
    SATURATED,
    STRETCH_S,
    ChannelWatch,
    _judge_kernel,
    _listed,
    judge_reference,
    replace_what_is_no_number,
)
from myodrive.tools.hdf5_reading import read_recording

FS_HZ = 2000.0
CHANNELS = 20
ROW, COL = np.divmod(np.arange(CHANNELS), 4)
GRID = Geometry(ROW, COL, 8.0, 5, 4)
BAD = 9  # in the middle of the grid
START, END = 3300, 9300  # of the fault, samples: not on a stretch's edge


def emg(seed=0, seconds=8.0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 40, (int(seconds * FS_HZ), CHANNELS)).astype(np.float32) + np.float32(200)


def broken(kind):
    rng = np.random.default_rng(1)
    signal = emg()
    part = signal[START:END, BAD]
    match kind:
        case "nan":
            part[:] = np.nan
        case "one nan":
            part[::400] = np.nan
        case "inf":
            part[:] = np.inf
        case "flat":
            part[:] = 37.5
        case "saturated":
            np.clip(4 * (part - 200), -120, 120, out=part)
        case "saturated on one side":
            np.minimum(part, 210, out=part)
        case "noisy":
            part += rng.normal(0, 900, len(part))
        case "mains":
            part += 1000 * np.sin(2 * np.pi * 50 * np.arange(len(part)) / FS_HZ)
    return signal


KINDS = {
    "nan": NOT_A_NUMBER, "one nan": NOT_A_NUMBER, "inf": NOT_A_NUMBER, "flat": FLAT, "saturated": SATURATED,
    "saturated on one side": SATURATED, "noisy": NOISY, "mains": NOISY,
}  # fmt: skip


def flags_over_time(signal, hop, fs_hz=FS_HZ, grid=GRID):
    """(sample, flags) at each change."""
    watch = ChannelWatch(fs_hz, grid.neighbours())
    filter_ = CausalFilter([[1, -1, 0, 1, -0.95, 0]], signal.shape[1])  # a high-pass
    held = np.zeros(signal.shape[1], np.float32)
    changes = []
    for start in range(0, len(signal), hop):
        raw = signal[start : start + hop]
        filtered = raw.copy()
        replace_what_is_no_number(filtered, held)
        filter_(filtered)
        assert watch(raw, filtered, start) == bool(watch.changes)
        changes += watch.changes
        if watch.changes:
            assert np.array_equal(watch.changes[-1][1], watch.state)
            assert watch.flags == watch.state.tobytes()
    return changes


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_channel_is_flagged_within_a_third_of_a_second_alone_and_cleared_two_seconds_after(kind):
    changes = flags_over_time(broken(kind), 8)
    at, state = changes[0]
    assert START < at <= START + 0.32 * FS_HZ
    for _, state in changes[:-1]:
        assert np.flatnonzero(state).tolist() == [BAD]
    assert KINDS[kind] in {state[BAD] for _, state in changes[:-1]}
    at, state = changes[-1]
    assert not state.any()
    stretch = STRETCH_S * FS_HZ  # a fault may end within one, and what is left of it may look good
    assert END - stretch + CLEAR_AFTER_S * FS_HZ <= at <= END + stretch + CLEAR_AFTER_S * FS_HZ


@pytest.mark.parametrize("kind", KINDS)
def test_flags_do_not_depend_on_the_hop(kind):
    signal = broken(kind)
    one = flags_over_time(signal, 4)
    for hop in (1, 7, 500, 997):
        other = flags_over_time(signal, hop)
        assert [(at, state.tolist()) for at, state in other] == [(at, state.tolist()) for at, state in one]


def test_good_channels_are_never_flagged_beside_several_bad_ones():
    signal = emg()
    signal[START:, BAD] = np.nan
    signal[START:, 5] = 0
    signal[START:, 6] *= 30
    changes = flags_over_time(signal, 8)
    assert set(np.flatnonzero(changes[-1][1])) == {5, 6, BAD}
    assert changes[-1][1][6] == NOISY


def test_broadband_noise_is_noticed_where_it_is_not_much_larger_than_the_emg():
    signal = scipy.signal.lfilter([0.2], [1, -0.8], 4 * emg(), axis=0).astype(np.float32)  # slower, as EMG is
    rng = np.random.default_rng(4)
    signal[START:, BAD] = rng.normal(0, 3 * signal[:START, BAD].std(), len(signal) - START)
    changes = flags_over_time(np.ascontiguousarray(signal), 8)
    assert [np.flatnonzero(state).tolist() for _, state in changes] == [[BAD]]
    assert changes[0][1][BAD] == NOISY


def test_noisy_channels_do_not_hide_each_other():
    rng = np.random.default_rng(4)
    signal = emg()
    block = [5, 6, 9, 10, 13]  # most neighbours of 9 are noisy
    signal[START:, block] += rng.normal(0, 900, (len(signal) - START, len(block))).astype(np.float32)
    changes = flags_over_time(signal, 8)
    assert np.flatnonzero(changes[-1][1]).tolist() == block
    assert changes[-1][0] <= START + 0.32 * FS_HZ


def test_a_quiet_muscle_flags_nothing():
    quiet = np.round(emg(3) * 0.05) / 2  # 2 uV RMS in steps of 0.5 uV
    assert flags_over_time(np.ascontiguousarray(quiet, np.float32), 8) == []


def test_one_channel_without_neighbours_is_not_called_noisy():
    alone = Geometry(np.array([0]), np.array([0]), 8.0, 1, 1)
    assert flags_over_time(np.ascontiguousarray(100 * emg()[:, :1]), 8, grid=alone) == []


def test_a_reset_begins_a_new_stretch_and_keeps_the_flags():
    watch = ChannelWatch(FS_HZ, GRID.neighbours())
    signal = emg()
    signal[:, BAD] = 0
    for start in range(0, 2000, 8):
        watch(signal[start : start + 8], signal[start : start + 8])
    assert watch.state[BAD] == FLAT
    watch(np.full((8, CHANNELS), np.nan, np.float32), np.zeros((8, CHANNELS), np.float32))
    watch.reset()
    assert watch.state[BAD] == FLAT
    assert not any(watch(s, s) for s in (emg()[i : i + 8] for i in range(0, 1000, 8)))  # the NaN are forgotten
    watch.forgive()
    assert not watch.state.any()


def test_clean_real_emg_flags_nothing(excerpt_path):
    recording = read_recording(excerpt_path)
    watch = ChannelWatch(recording.fs_hz, recording.geometry.neighbours())
    sections = scipy.signal.butter(2, [20, 500], "bandpass", fs=recording.fs_hz, output="sos")
    filter_ = CausalFilter(sections, recording.channels)
    for start in range(0, recording.samples, 64):
        raw = recording.emg[start : start + 64]
        filtered = raw.copy()
        filter_(filtered)
        watch(raw, filtered)
        assert not watch.state.any(), (start / recording.fs_hz, np.flatnonzero(watch.state))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_the_kernel_judges_as_its_reference(seed, channels):
    rng = np.random.default_rng(seed)
    lowest = rng.choice([-3.0, 0.0, 5.0], channels)
    highest = lowest + rng.choice([0.0, 1.0, 7.0], channels)
    level = np.stack([highest, lowest, *10.0 ** rng.uniform(0, 9, (2, channels))])
    count = rng.choice([0, 0, 0, 1, 40, 60], (3, channels))
    close = np.triu(rng.random((channels, channels)) < 0.5, 1)
    neighbours = _listed(close | close.T)
    verdict = np.full(channels, -1)
    _judge_kernel(level, count, 500, neighbours, np.zeros(neighbours.shape[1]), verdict)
    assert verdict.tolist() == judge_reference(level, count, 500, neighbours).tolist()


def test_what_is_no_number_becomes_the_channels_last_number_and_nothing_else_changes():
    held = np.array([0, 7, 8], np.float32)
    block = np.array([[1, np.nan, -3.5], [np.inf, 0, -np.inf]], np.float32)
    replace_what_is_no_number(block, held)
    assert block.tolist() == [[1, 7, -3.5], [1, 0, -3.5]]
    assert held.tolist() == [1, 0, -3.5]
