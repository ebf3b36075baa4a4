"""Maximum-likelihood conduction velocity on waves whose velocity is known."""

import numpy as np
import pytest

from myodrive.models.classical.conduction_velocity import estimate_conduction_velocity
from myodrive.models.classical.innervation_zone import InnervationZone

from .waves import FS_HZ, GRIDS, grid, travelling, with_noise

LARGEST_MEAN_ERROR_M_S = {30: 0.13, 20: 0.15, 10: 0.3}  # the 8x8 grid's few rows; 0.03 at 30 dB on the others


@pytest.fixture
def rng():
    return np.random.default_rng(2)


@pytest.mark.parametrize("snr_db", LARGEST_MEAN_ERROR_M_S)
@pytest.mark.parametrize("name", GRIDS)
def test_the_velocity_is_found(name, snr_db, rng):
    geometry, errors = GRIDS[name], []
    for _ in range(6):
        zone, velocity = rng.uniform(-16, 16), rng.uniform(2.5, 5.5)
        waveform = with_noise(travelling(geometry, zone, velocity), snr_db, rng)
        found = estimate_conduction_velocity(waveform, FS_HZ, geometry)
        assert found.reason is None
        errors.append(found.cv_m_s - velocity)
        assert abs(errors[-1]) < 4 * found.sd_m_s
    assert np.abs(errors).mean() < LARGEST_MEAN_ERROR_M_S[snr_db]


@pytest.mark.parametrize("zone", [-90.0, 90.0])
def test_a_wave_that_runs_one_way_has_a_velocity(zone, rng):
    geometry = GRIDS["13x5 8 mm"]
    waveform = with_noise(travelling(geometry, zone, 4.2), 20, rng)
    assert estimate_conduction_velocity(waveform, FS_HZ, geometry).cv_m_s == pytest.approx(4.2, abs=0.1)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", GRIDS)
def test_differences_take_out_a_standing_wave(name, order):
    geometry = GRIDS[name]
    waveform = travelling(geometry, 5.0, 4.0, standing=0.5)
    found = estimate_conduction_velocity(waveform, FS_HZ, geometry, order=order)
    assert found.cv_m_s == pytest.approx(4.0, abs=0.15)


def test_double_differences_take_out_what_grows_evenly_along_the_fibres_too():
    geometry = GRIDS["16x1 5 mm"]
    ramp = (geometry.along_mm() / 8.0)[:, None] * travelling(geometry, 1e4, 1e9)  # at all channels at once
    zone, waveform = InnervationZone(5.0, 0.5, None), travelling(geometry, 5.0, 4.0)

    def changed(order):
        found = [
            estimate_conduction_velocity(w, FS_HZ, geometry, zone=zone, order=order).cv_m_s
            for w in (waveform, waveform + ramp)
        ]
        return abs(found[1] - found[0])

    assert changed(order=2) < 1e-6
    assert changed(order=1) > 0.01


@pytest.mark.parametrize("name", GRIDS)
def test_turning_the_grid_round_keeps_the_velocity(name, rng):
    geometry = GRIDS[name]
    waveform = with_noise(travelling(geometry, 9.0, 4.0), 20, rng)
    turned = type(geometry)(geometry.grid_rows - 1 - geometry.row, geometry.col, geometry.ied_mm, geometry.grid_rows,
                            geometry.grid_cols)  # fmt: skip
    first, second = (estimate_conduction_velocity(waveform, FS_HZ, g) for g in (geometry, turned))
    assert second.cv_m_s == pytest.approx(first.cv_m_s, abs=1e-3)


def test_amplitude_and_sign_do_not_matter(rng):
    geometry = GRIDS["13x5 8 mm"]
    waveform = with_noise(travelling(geometry, 9.0, 4.0), 15, rng)
    found = [estimate_conduction_velocity(k * waveform, FS_HZ, geometry).cv_m_s for k in (1.0, -1.0, 1e-6, 1e6)]
    assert np.ptp(found) < 1e-6


def test_a_shift_in_time_does_not_matter():
    geometry = GRIDS["8x8 8 mm"]
    found = [
        estimate_conduction_velocity(travelling(geometry, 9.0, 4.0, delay_ms=d), FS_HZ, geometry).cv_m_s
        for d in (0, 1.3, 5)
    ]
    assert np.ptp(found) < 0.005


@pytest.mark.parametrize("fs_hz", [1000.0, 2000.0, 10_000.0])
def test_the_sampling_rate_does_not_matter(fs_hz):
    geometry = GRIDS["13x5 8 mm"]
    waveform = travelling(geometry, 9.0, 4.0, fs_hz=fs_hz)
    assert estimate_conduction_velocity(waveform, fs_hz, geometry).cv_m_s == pytest.approx(4.0, abs=0.05)


def test_twice_the_spacing_is_twice_the_velocity():
    """Metres per second are millimetres per millisecond: the same samples on a grid of half the spacing are half as
    fast.
    """
    waveform = travelling(grid(16, 1, 10.0), 18.0, 5.0)
    near = estimate_conduction_velocity(waveform, FS_HZ, grid(16, 1, 5.0)).cv_m_s
    far = estimate_conduction_velocity(waveform, FS_HZ, grid(16, 1, 10.0)).cv_m_s
    assert far == pytest.approx(5.0, abs=0.03)
    assert near == pytest.approx(2.5, abs=0.03)


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_too_few_rows_are_refused_with_the_minimum(rows):
    geometry = grid(rows, 8, 8.0)
    found = estimate_conduction_velocity(travelling(geometry, -40.0, 4.0), FS_HZ, geometry)
    assert found.cv_m_s is None
    assert f"{rows} neighbouring" in found.reason
    assert "at least 5" in found.reason


@pytest.mark.parametrize("name", GRIDS)
def test_what_does_not_travel_has_no_velocity(name, rng):
    geometry = GRIDS[name]
    standing = travelling(geometry, 1e4, 1e9) * rng.uniform(0.5, 1.5, (len(geometry), 1))
    for waveform in (rng.normal(size=(len(geometry), 102)), with_noise(standing, 20, rng)):
        found = estimate_conduction_velocity(waveform, FS_HZ, geometry)
        assert found.cv_m_s is None
        assert found.reason


def test_arrivals_lie_on_the_line_of_the_velocity():
    geometry = GRIDS["16x1 5 mm"]
    found = estimate_conduction_velocity(travelling(geometry, 2.0, 4.0), FS_HZ, geometry)
    assert len(found.arrivals) == found.channels
    for side in (-1, 1):
        points = [(a.along_mm, a.delay_ms) for a in found.arrivals if side * (a.along_mm - 2.0) > 6.0]
        slope = np.polyfit(*np.array(points).T, 1)[0]
        assert side / slope == pytest.approx(4.0, abs=0.1)


def test_bad_channels_are_left_out(rng):
    geometry = GRIDS["13x5 8 mm"]
    waveform = with_noise(travelling(geometry, -11.0, 4.0), 25, rng)
    good = np.ones(len(geometry), bool)
    good[[3, 17, 40]] = False
    waveform[[3, 17, 40]] = rng.normal(0, 1e4, (3, waveform.shape[1]))
    waveform[50, 7] = np.nan
    assert estimate_conduction_velocity(waveform, FS_HZ, geometry, good).cv_m_s == pytest.approx(4.0, abs=0.05)


def test_channels_that_do_not_resemble_the_others_are_left_out(rng):
    geometry = GRIDS["16x1 5 mm"]
    clean = travelling(geometry, -30.0, 4.0)
    waveform = clean.copy()
    waveform[10] += rng.normal(0, 80.0, waveform.shape[1])
    found = estimate_conduction_velocity(waveform, FS_HZ, geometry)
    assert found.cv_m_s == pytest.approx(4.0, abs=0.1)
    assert found.channels < estimate_conduction_velocity(clean, FS_HZ, geometry).channels


def test_single_differential_channels_serve_as_well():
    geometry = grid(13, 5, 8.0)
    waveform = travelling(geometry, 11.0, 4.0).reshape(13, 5, -1)
    differential = np.full_like(waveform, np.nan)
    differential[:-1] = np.diff(waveform, axis=0)
    differential = differential.reshape(65, -1)
    found = estimate_conduction_velocity(differential, FS_HZ, geometry, montage="single-differential")
    monopolar = estimate_conduction_velocity(waveform.reshape(65, -1), FS_HZ, geometry)
    assert found.cv_m_s == pytest.approx(monopolar.cv_m_s, abs=0.02)
    assert found.channels == monopolar.channels


def test_an_order_that_is_neither_is_refused():
    with pytest.raises(ValueError):
        estimate_conduction_velocity(np.zeros((64, 100)), FS_HZ, GRIDS["8x8 8 mm"], order=3)
