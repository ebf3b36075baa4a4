"""Neural drive: when it is read out, what it equals, how late it is, and when it must be zero."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from myodrive.stream.decoder_file import CommandLevels
from myodrive.stream.drive import SILENT_AFTER_S, DriveMaker, DriveSettings, drive_reference, low_pass_keep

LEVELS = CommandLevels(rest=5.0, full=45.0, envelope_rest=10.0, envelope_full=60.0, dead_band=0.02)
LOOKAHEAD = 6


def maker(fs_hz=2000.0, units=2, channels=3, longest=64, **options):
    return DriveMaker(units, channels, fs_hz, LOOKAHEAD, LEVELS, DriveSettings(**options), longest)


def run(drive, signal, discharges, hop):
    """All read-outs; `discharges` are (sample, unit) in order, handed over with the hop that decides them."""
    rows, left = [], sorted(discharges)
    for start in range(0, len(signal), hop):
        block = signal[start : start + hop]
        now = []
        while left and left[0][0] + LOOKAHEAD < start + len(block):
            now.append(left.pop(0))
        sample = np.array([s for s, _ in now] + [0], np.int64)
        unit = np.array([u for _, u in now] + [0], np.int64)
        count = drive(block, start, unit, sample, len(now))
        rows.append(drive.due[:count].copy())
    return np.concatenate(rows)


def silence(samples, channels=3):
    return np.zeros((samples, channels), np.float32)


@pytest.mark.parametrize("fs_hz", [2000.0, 2048.0, 1000.0, 5120.0, 999.7, 512.3, 30_000.0, 2048.0000001])
@pytest.mark.parametrize("hop", [1, 7, 64])
@pytest.mark.parametrize("rate_hz", [100.0, 30.0, 33.3])
def test_read_outs_are_at_the_due_samples_once_each(fs_hz, hop, rate_hz):
    samples = int(3 * fs_hz)
    rows = run(maker(fs_hz, longest=hop, rate_hz=rate_hz), silence(samples, 1), [], hop)
    due = [math.ceil(k * fs_hz / rate_hz) for k in range(int(3.1 * rate_hz) + 1)]
    assert rows[:, 0].tolist() == [n for n in due if n < samples]


@pytest.mark.parametrize(("fs_hz", "rate_hz"), [(1481.48, 33.3), (1111.11, 33.3), (2148.148, 12.5), (2222.2222, 12.5)])
def test_no_read_out_is_missed_to_rounding_in_hours(fs_hz, rate_hz):
    drive = maker(fs_hz, units=1, channels=1, longest=1, rate_hz=rate_hz)
    none = np.zeros(1, np.int64)
    due = [math.ceil(k * fs_hz / rate_hz) for k in range(100_000)]
    suspects = [n for n in due if math.ceil(math.floor(n * rate_hz / fs_hz) * fs_hz / rate_hz) != n]
    assert suspects  # else this test says nothing
    for n in suspects:
        assert drive(silence(1, 1), n, none, none, 0) == 1
        assert drive(silence(1, 1), n - 1, none, none, 0) == drive(silence(1, 1), n + 1, none, none, 0) == 0


@settings(max_examples=60, deadline=None)
@given(fs_hz=st.floats(200.0, 40_000.0), rate_hz=st.floats(1.0, 150.0), far=st.integers(0, 10**8))
def test_read_outs_are_due_at_any_rate_hours_after_the_start(fs_hz, rate_hz, far):
    drive = maker(fs_hz, units=1, channels=1, longest=2000, rate_hz=rate_hz)
    none = np.zeros(1, np.int64)
    count = drive(silence(2000, 1), far, none, none, 0)
    k = math.floor(far * rate_hz / fs_hz) - 2
    due = [math.ceil(j * fs_hz / rate_hz) for j in range(max(k, 0), k + math.ceil(2000 * rate_hz / fs_hz) + 5)]
    assert drive.due[:count, 0].tolist() == [n for n in due if far <= n < far + 2000]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    fs_hz=st.sampled_from([999.7, 2000.0, 2048.0]),
    hop=st.integers(1, 300),
    smoothing_s=st.sampled_from([0.0, 0.05, 0.08, 0.3]),
)
@example(seed=58586653, fs_hz=2048.0, hop=1, smoothing_s=0.0)  # a unit twice at one sample, just when it is read out
def test_the_kernel_equals_its_reference_for_any_hop(seed, fs_hz, hop, smoothing_s):
    rng = np.random.default_rng(seed)
    signal = rng.normal(0, 40, (700, 3)).astype(np.float32)
    discharges = [(int(s), int(u)) for s, u in zip(rng.integers(0, 700, 30), rng.integers(0, 2, 30), strict=True)]
    found = run(maker(fs_hz, longest=hop, smoothing_s=smoothing_s), signal, discharges, hop)
    expected = drive_reference(signal, discharges, LOOKAHEAD, fs_hz, DriveSettings(smoothing_s=smoothing_s))
    assert np.array_equal(found[:, 0], expected[:, 0])
    assert np.allclose(found[:, 1:3], expected[:, 1:], rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 500))
def test_read_outs_do_not_depend_on_the_hop_to_the_bit(seed, hop):
    rng = np.random.default_rng(seed)
    signal = rng.normal(0, 40, (900, 3)).astype(np.float32)
    discharges = [(int(s), int(u)) for s, u in zip(rng.integers(0, 900, 40), rng.integers(0, 2, 40), strict=True)]
    discharges = sorted(set(discharges))
    one = run(maker(longest=1), signal, discharges, 1)
    assert one.tobytes() == run(maker(longest=hop), signal, discharges, hop).tobytes()


@pytest.mark.parametrize("fs_hz", [1000.0, 2048.0])
@pytest.mark.parametrize("smoothing_s", [0.05, 0.08, 0.12])
def test_the_delay_on_a_slow_ramp_is_the_declared_one(fs_hz, smoothing_s):
    seconds = 4.0
    samples = int(seconds * fs_hz)
    # discharges whose rate grows by 50 pulses/s each second: number k at t with 25 t^2 = k + 1/2
    times = np.sqrt((np.arange(int(25 * seconds**2)) + 0.5) / 25)
    drive = maker(fs_hz, units=1, smoothing_s=smoothing_s, longest=64)
    signal = np.repeat(50 * np.arange(samples, dtype=np.float32)[:, None] / np.float32(fs_hz), 3, axis=1)
    rows = run(drive, signal, [(round(t * fs_hz), 0) for t in times if t * fs_hz < samples], 64)
    late = rows[rows[:, 0] > 2 * fs_hz]
    lag = late[:, 0] / fs_hz - late[:, 1] / 50  # the ramp had this value so long ago
    assert lag.mean() == pytest.approx(drive.delay_s, abs=0.002)
    lag = late[:, 0] / fs_hz - late[:, 2] / 50  # the envelope waits for no look-ahead
    assert lag.mean() == pytest.approx(smoothing_s, abs=0.0005)


def test_a_steady_discharge_gives_its_rate_and_the_summed_rate():
    rows = run(maker(units=2), silence(6000), [(s, u) for u in (0, 1) for s in range(40 + 13 * u, 6000, 200)], 8)
    late = rows[rows[:, 0] > 4000]
    assert np.allclose(late[:, 3:], 10.0)
    assert late[:, 1].mean() == pytest.approx(20.0, rel=0.02)


def test_the_rate_falls_as_soon_as_the_next_discharge_is_overdue():
    rows = run(maker(units=1), silence(6000), [(s, 0) for s in range(0, 2001, 200)], 8)  # 10 pulses/s until sample 2000
    rate = dict(zip(rows[:, 0].astype(int), rows[:, 3], strict=True))
    assert rate[2200] == pytest.approx(10.0)  # not yet overdue
    since = 2400 - LOOKAHEAD - 2000
    assert rate[2400] == pytest.approx(2000.0 / since)
    overdue = [rate[n] for n in range(2220, 2000 + int(SILENT_AFTER_S * 2000), 20)]
    assert (np.diff(overdue) < 0).all()
    assert rate[3020] == 0.0


def test_a_single_discharge_after_silence_is_no_rate_yet():
    rows = run(maker(units=1), silence(4000), [(0, 0), (200, 0), (3000, 0)], 8)
    assert (rows[rows[:, 0] > 3010][:, 3] == 0).all()


def test_the_envelope_is_the_mean_of_the_good_channels_alone():
    drive = maker(channels=3)
    drive.good[1] = False
    signal = np.tile(np.array([[30.0, 1e6, -50.0]], np.float32), (4000, 1))
    assert run(drive, signal, [], 8)[-1, 2] == pytest.approx(40.0)
    drive.good[:] = False
    assert run(drive, signal, [], 8)[-1, 2] < 1e-3


def command_at(drive, cst, envelope=0.0, valid=True):
    drive.due[0, 1:3] = cst, envelope
    return drive.command(0, valid)


def test_the_command_is_0_at_rest_1_at_full_and_clipped():
    drive = maker()
    for cst, wanted in ((0, 0.0), (5, 0.0), (25, 0.5), (45, 1.0), (500, 1.0), (5, 0.0)):
        assert command_at(drive, cst) == (pytest.approx(wanted), "units")
        assert type(command_at(drive, cst)[0]) is float  # MessagePack takes no NumPy scalars


def test_changes_within_the_dead_band_leave_the_command():
    drive = maker()
    before, _ = command_at(drive, 25.0)
    assert command_at(drive, 25.0 + 0.019 * 40)[0] == before
    assert command_at(drive, 25.0 - 0.019 * 40)[0] == before
    assert command_at(drive, 25.0 + 0.021 * 40)[0] == pytest.approx(0.521)
    command_at(drive, 5.4)
    assert command_at(drive, 5.0)[0] == 0.0  # rest and full are reached whatever the band


def test_without_a_fall_back_an_invalid_drive_commands_nothing():
    drive = maker()
    assert command_at(drive, 45.0, 60.0, valid=False) == (0.0, "none")
    assert command_at(drive, 5.4) == (0.0, "units")  # the dead band starts from 0 again


def test_with_the_envelope_as_fall_back_an_invalid_drive_follows_it():
    drive = maker(fallback="envelope")
    assert command_at(drive, 45.0, 35.0, valid=False) == (pytest.approx(0.5), "envelope")
    assert command_at(drive, 45.0, 35.0, valid=True) == (1.0, "units")


@pytest.mark.parametrize("level", [math.nan, math.inf, -math.inf])
def test_the_command_stays_a_number_from_0_to_1_whatever_the_levels(level):
    for fallback in ("none", "envelope"):
        for valid in (True, False):
            command, _ = command_at(maker(fallback=fallback), level, level, valid)
            assert 0.0 <= command <= 1.0


def test_a_reset_starts_from_silence():
    drive = maker()
    signal = np.full((1000, 3), 50, np.float32)
    run(drive, signal, [(s, 0) for s in range(0, 900, 100)], 8)
    command_at(drive, 45)
    drive.reset()
    rows = run(drive, silence(200), [], 8)
    assert not rows[:, 1:].any()
    assert command_at(drive, 5.4)[0] == 0.0


def test_no_smoothing_keeps_nothing():
    assert low_pass_keep(0.0, 2000.0) == 0.0
