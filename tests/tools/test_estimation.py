"""Parameters of the units of a recording whose waves are known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from myodrive.models.bandpass import design_filter
from myodrive.stream.decoder_file import Channels
from myodrive.stream.geometry import Geometry
from myodrive.tools.estimation import FEWEST_SPIKES, estimate
from myodrive.tools.recording import Recording

FS_HZ = 2048.0
SECONDS = 20
TRUTH = {0: (-10.0, 3.6), 1: (14.0, 4.6)}  # IZ mm, CV m/s


@pytest.fixture(scope="module")
def grid():
    row, col = (axis.ravel() for axis in np.meshgrid(np.arange(13), np.arange(3), indexing="ij"))
    return Geometry(row, col, 8.0, 13, 3)


def described(geometry):
    """What `estimate` asks of a decoder of every channel of a grid."""
    channels = Channels(
        index=list(range(len(geometry))), stream_channels=len(geometry), row=geometry.row.tolist(),
        col=geometry.col.tolist(), ied_mm=geometry.ied_mm, grid_rows=geometry.grid_rows, grid_cols=geometry.grid_cols,
    )  # fmt: skip
    return SimpleNamespace(info=SimpleNamespace(filter=design_filter(FS_HZ), channels=channels, montage="monopolar"))


@pytest.fixture(scope="module")
def planted(grid):
    """A recording with two units, and the decoder's description that `estimate` asks for."""
    rng = np.random.default_rng(3)
    emg = rng.normal(0.0, 2.0, (round(SECONDS * FS_HZ), len(grid)))
    ms = np.arange(-10.0, 50.0, 1e3 / FS_HZ)
    trains = {}
    for unit, (zone, speed) in TRUTH.items():
        x = (ms - np.abs(grid.along_mm() - zone)[:, None] / speed) / 1.2  # (channels, time)
        wave = 200.0 * (1.0 - x**2 - 0.25 * x) * np.exp(-(x**2) / 2)
        train = np.round(FS_HZ * (1.0 + np.cumsum(rng.normal(0.11, 0.015, 140)))).astype(np.int64)
        train = train[train < len(emg) - 400]
        for instant in train:
            emg[instant : instant + len(ms)] += wave.T
        trains[unit] = train + round(0.015 * FS_HZ)
    force = np.linspace(0.0, 20.0, len(emg), dtype=np.float32)
    recording = Recording(emg.astype(np.float32), FS_HZ, grid, force=force, force_unit="%MVC")
    return recording, described(grid), trains


def with_emg(recording, change):
    emg = recording.emg.copy()
    change(emg)
    return replace(recording, emg=emg)


def test_zone_and_velocity_of_known_waves_are_found_within_their_uncertainty(planted):
    recording, decoder, trains = planted
    for found in estimate(recording, decoder, recording.emg, trains).units:
        zone, speed = TRUTH[found.unit]
        number = found.whole.number
        assert abs(number("iz_mm") - zone) < min(3.0, 4 * number("iz_mm_sd"))
        assert abs(number("cv_m_s") - speed) < min(0.4, 4 * number("cv_m_s_sd"))
        assert found.whole.answer.reason is None
        assert found.whole.average.snr_db > 10


def test_recruitment_is_the_force_at_the_first_steady_discharge(planted):
    recording, decoder, trains = planted
    early = {0: np.r_[300, trains[0]], 1: trains[1]}  # one discharge long before the others is not recruitment
    found = estimate(recording, decoder, recording.emg, early).units[0]
    assert found.recruited_at == pytest.approx(float(recording.force[trains[0][0]]))
    assert found.derecruited_at == pytest.approx(float(recording.force[trains[0][-1]]))
    assert found.rate_hz == pytest.approx(1 / 0.11, rel=0.1)


def test_of_a_unit_that_fires_as_the_recording_begins_or_ends_no_recruitment_is_told(planted):
    recording, decoder, trains = planted
    train = trains[0]
    first, last = train[len(train) // 4], train[3 * len(train) // 4]
    part = replace(
        recording, emg=recording.emg[first:last], force=recording.force[first:last], units={}, unit_attributes={}
    )
    cut = {unit: one[(one >= first) & (one < last)] - first for unit, one in trains.items()}
    cut[1] = cut[1][(cut[1] > 0.6 * part.fs_hz) & (cut[1] < last - first - 0.6 * part.fs_hz)]
    always, within = estimate(part, decoder, part.emg, cut).units
    assert (always.recruited_at, always.derecruited_at) == (None, None)
    assert (always.fires_at_start, always.fires_at_end) == (True, True)
    assert within.recruited_at == pytest.approx(float(part.force[cut[1][0]]))
    assert within.derecruited_at == pytest.approx(float(part.force[cut[1][-1]]))
    assert (within.as_json()["fires_at_start"], within.as_json()["fires_at_end"]) == (False, False)


def test_windows_cover_the_recording_and_each_has_its_own_spikes(planted):
    recording, decoder, trains = planted
    found = estimate(recording, decoder, recording.emg, trains, window_s=6.0).units[0]
    assert [(one.start_s, one.end_s) for one in found.windows] == [(0, 6), (6, 12), (12, 18), (18, 20)]
    assert sum(one.average.discharges for one in found.windows) == found.whole.average.discharges


def test_each_window_has_the_mean_of_its_own_force(planted):
    recording, decoder, trains = planted
    found = estimate(recording, decoder, recording.emg, trains, window_s=5.0).units[0]
    assert [one.force for one in found.windows] == pytest.approx([2.5, 7.5, 12.5, 17.5], abs=0.01)  # a ramp to 20
    assert found.whole.force == pytest.approx(10.0, abs=0.01)
    listed = found.as_json()["windows"]
    assert [one["force"] for one in listed] == [one.force for one in found.windows]


def test_without_force_there_is_none_anywhere(planted):
    recording, decoder, trains = planted
    found = estimate(replace(recording, force=None), decoder, recording.emg, trains, window_s=10.0).units[0]
    assert (found.recruited_at, found.whole.force, found.windows[0].force) == (None, None, None)


def test_too_few_discharges_give_no_number_and_say_why(planted):
    recording, decoder, trains = planted
    few = {0: trains[0][: FEWEST_SPIKES - 1], 1: trains[1], 2: np.zeros(0, np.int64)}
    units = estimate(recording, decoder, recording.emg, few).units
    for unit, spikes in ((0, FEWEST_SPIKES - 1), (2, 0)):
        found = units[unit].as_json()
        assert (found["iz_mm"], found["iz_mm_sd"], found["cv_m_s"], found["cv_m_s_sd"]) == (None,) * 4
        assert found["reason"] == f"{spikes} discharges, {FEWEST_SPIKES} are needed"
    assert units[1].whole.number("cv_m_s") is not None


def test_a_channel_that_is_flat_in_this_recording_is_left_out(planted):
    recording, decoder, trains = planted
    usual = estimate(recording, decoder, recording.emg, trains)
    dead = with_emg(recording, lambda emg: emg.__setitem__((slice(None), 7), 123.0))
    pool = estimate(dead, decoder, dead.emg, trains)
    assert usual.bad == {}
    assert pool.bad == {7: "flat"}
    assert len(pool.array.geometry) == len(usual.array.geometry) - 1
    for found in pool.units:
        assert found.whole.number("cv_m_s") == pytest.approx(TRUTH[found.unit][1], abs=0.3)


def test_a_channel_that_is_flat_for_a_moment_is_kept(planted):
    recording, decoder, trains = planted
    loose = with_emg(recording, lambda emg: emg.__setitem__((slice(0, 4 * 2048), 7), 123.0))
    assert estimate(loose, decoder, loose.emg, trains).bad == {}


def test_all_channels_bad_gives_no_number_and_says_so(planted):
    recording, decoder, trains = planted
    dead = with_emg(recording, lambda emg: emg.fill(5.0))
    pool = estimate(dead, decoder, dead.emg, trains)
    assert len(pool.bad) == dead.channels
    for found in pool.units:
        listed = found.as_json()
        assert listed["iz_mm"] is None
        assert listed["cv_m_s"] is None
        assert listed["reason"] == f"all {dead.channels} channels are bad"


def test_too_few_rows_give_no_number_and_name_the_least(planted):
    recording, _, trains = planted
    kept = np.flatnonzero(recording.geometry.row < 4)
    geometry = recording.geometry.select(kept)
    small = replace(recording, emg=np.ascontiguousarray(recording.emg[:, kept]), geometry=geometry)
    for found in estimate(small, described(geometry), small.emg, trains).units:
        assert found.whole.number("iz_mm") is None
        assert found.whole.number("cv_m_s") is None
        assert "4 neighbouring" in found.whole.answer.reason
        assert "at least 5" in found.whole.answer.reason


def test_the_progress_goes_forward(planted):
    recording, decoder, trains = planted
    shares = []
    estimate(recording, decoder, recording.emg, trains, progress=lambda share, note: shares.append(share))
    assert shares == sorted(shares)
    assert 0.0 <= shares[0] <= shares[-1] <= 1.0
