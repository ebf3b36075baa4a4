"""Parameters of the units of a recording whose waves are known."""

from __future__ import annotations

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
    channels = Channels(
        index=list(range(len(grid))), stream_channels=len(grid), row=grid.row.tolist(), col=grid.col.tolist(),
        ied_mm=8.0, grid_rows=13, grid_cols=3,
    )  # fmt: skip
    info = SimpleNamespace(filter=design_filter(FS_HZ), channels=channels, montage="monopolar")
    return recording, SimpleNamespace(info=info), trains


def test_zone_and_velocity_of_known_waves_are_found_within_their_uncertainty(planted):
    recording, decoder, trains = planted
    for found in estimate(recording, decoder, recording.emg, trains):
        zone, speed = TRUTH[found.unit]
        assert abs(found.whole.iz_mm - zone) < min(3.0, 4 * found.whole.iz_mm_sd)
        assert abs(found.whole.cv_m_s - speed) < min(0.4, 4 * found.whole.cv_m_s_sd)
        assert found.whole.reason is None
        assert found.whole.snr_db > 10


def test_recruitment_is_the_force_at_the_first_steady_discharge(planted):
    recording, decoder, trains = planted
    early = {0: np.r_[300, trains[0]], 1: trains[1]}  # one discharge long before the others is not recruitment
    found = estimate(recording, decoder, recording.emg, early)[0]
    assert found.recruited_at == pytest.approx(float(recording.force[trains[0][0]]))
    assert found.derecruited_at == pytest.approx(float(recording.force[trains[0][-1]]))
    assert found.rate_hz == pytest.approx(1 / 0.11, rel=0.1)


def test_windows_cover_the_recording_and_each_has_its_own_spikes(planted):
    recording, decoder, trains = planted
    found = estimate(recording, decoder, recording.emg, trains, window_s=6.0)[0]
    assert [(start, end) for start, end, _ in found.windows] == [(0, 6), (6, 12), (12, 18), (18, 20)]
    assert sum(one.spikes_used for _, _, one in found.windows) == found.whole.spikes_used


def test_too_few_discharges_give_no_number_and_say_why(planted):
    recording, decoder, trains = planted
    few = {0: trains[0][: FEWEST_SPIKES - 1], 1: trains[1]}
    found = estimate(recording, decoder, recording.emg, few)[0].whole
    assert (found.iz_mm, found.cv_m_s) == (None, None)
    assert str(FEWEST_SPIKES) in found.reason
