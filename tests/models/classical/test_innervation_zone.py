"""The classical innervation-zone finder on waves whose zone is known."""

import numpy as np
import pytest

from myodrive.models.classical.innervation_zone import find_innervation_zone

from .waves import FS_HZ, GRIDS, grid, travelling, with_noise

LARGEST_MEAN_ERROR_MM = {30: 0.1, 20: 0.2, 10: 0.5, 0: 1.5}


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def drawn_zone(geometry, rng):
    half = (geometry.grid_rows - 3) / 2 * geometry.ied_mm
    return rng.uniform(-half, half)


@pytest.mark.parametrize("snr_db", LARGEST_MEAN_ERROR_MM)
@pytest.mark.parametrize("name", GRIDS)
def test_the_zone_is_found_anywhere_inside_the_grid(name, snr_db, rng):
    geometry, errors = GRIDS[name], []
    for _ in range(6):
        zone = drawn_zone(geometry, rng)
        waveform = with_noise(travelling(geometry, zone, rng.uniform(2.5, 5.5)), snr_db, rng)
        found = find_innervation_zone(waveform, FS_HZ, geometry)
        assert found.reason is None
        errors.append(found.iz_mm - zone)
        assert abs(errors[-1]) < 4 * found.sd_mm
    assert np.abs(errors).mean() < LARGEST_MEAN_ERROR_MM[snr_db]


@pytest.mark.parametrize("name", GRIDS)
def test_what_all_channels_of_a_column_share_does_not_matter(name, rng):
    geometry = GRIDS[name]
    zone = drawn_zone(geometry, rng)
    found = [
        find_innervation_zone(travelling(geometry, zone, 4.0, standing=standing), FS_HZ, geometry).iz_mm
        for standing in (0.0, 0.5, 4.0)
    ]
    assert found[0] == pytest.approx(zone, abs=0.1)
    assert np.ptp(found) < 1e-3


@pytest.mark.parametrize("name", GRIDS)
def test_turning_the_grid_round_turns_the_sign(name, rng):
    geometry = GRIDS[name]
    waveform = with_noise(travelling(geometry, 9.0, 4.0), 15, rng)
    turned = type(geometry)(geometry.grid_rows - 1 - geometry.row, geometry.col, geometry.ied_mm, geometry.grid_rows,
                            geometry.grid_cols)  # fmt: skip
    first, second = (find_innervation_zone(waveform, FS_HZ, g) for g in (geometry, turned))
    assert second.iz_mm == pytest.approx(-first.iz_mm, abs=0.02)


def test_amplitude_and_sign_do_not_matter(rng):
    geometry = GRIDS["13x5 8 mm"]
    waveform = with_noise(travelling(geometry, 9.0, 4.0), 10, rng)
    zones = [find_innervation_zone(k * waveform, FS_HZ, geometry).iz_mm for k in (1.0, -1.0, 1e-6, 1e6)]
    assert np.ptp(zones) < 1e-6


def test_a_shift_in_time_does_not_matter():
    geometry = GRIDS["8x8 8 mm"]
    zones = [
        find_innervation_zone(travelling(geometry, 9.0, 4.0, delay_ms=d), FS_HZ, geometry).iz_mm for d in (0, 1.3, 5)
    ]
    assert np.ptp(zones) < 0.02


def test_twice_the_spacing_and_speed_is_twice_the_place():
    near = find_innervation_zone(travelling(grid(16, 1, 5.0), 9.0, 2.5), FS_HZ, grid(16, 1, 5.0)).iz_mm
    far = find_innervation_zone(travelling(grid(16, 1, 10.0), 18.0, 5.0), FS_HZ, grid(16, 1, 10.0)).iz_mm
    assert far == pytest.approx(2 * near, abs=0.05)


@pytest.mark.parametrize(("zone", "word", "side"), [(-90.0, "below", -1), (90.0, "above", 1)])
@pytest.mark.parametrize("name", GRIDS)
def test_a_zone_outside_the_grid_is_no_number(name, zone, word, side, rng):
    geometry = GRIDS[name]
    found = find_innervation_zone(with_noise(travelling(geometry, zone, 4.0), 20, rng), FS_HZ, geometry)
    assert found.iz_mm is None
    assert found.sd_mm is None
    assert f"lies {word} the grid" in found.reason
    assert found.side == side


@pytest.mark.parametrize("name", GRIDS)
def test_noise_alone_has_no_zone(name, rng):
    geometry = GRIDS[name]
    for _ in range(5):
        found = find_innervation_zone(rng.normal(size=(len(geometry), 102)), FS_HZ, geometry)
        assert found.iz_mm is None
        assert found.reason


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_too_few_rows_are_refused_with_the_minimum(rows):
    geometry = grid(rows, 8, 8.0)
    found = find_innervation_zone(travelling(geometry, 0.0, 4.0), FS_HZ, geometry)
    assert found.iz_mm is None
    assert f"{rows} neighbouring" in found.reason
    assert "at least 5" in found.reason


def test_bad_and_missing_channels_are_left_out(rng):
    geometry = GRIDS["13x5 8 mm"]
    waveform = with_noise(travelling(geometry, -11.0, 4.0), 25, rng)
    good = np.ones(len(geometry), bool)
    good[[3, 17, 40, 41]] = False
    waveform[3] = np.nan
    waveform[17] = rng.normal(0, 1e4, waveform.shape[1])
    waveform[40:42] = 0
    waveform[60] = np.inf  # not flagged, yet no number
    assert find_innervation_zone(waveform, FS_HZ, geometry, good).iz_mm == pytest.approx(-11.0, abs=0.3)


def test_a_noisy_channel_that_nobody_flagged_is_found_out(rng):
    geometry, errors = GRIDS["13x5 8 mm"], []
    for _ in range(5):
        waveform = with_noise(travelling(geometry, -11.0, 4.0), 25, rng)
        waveform[30] += rng.normal(0, 600.0, waveform.shape[1])
        errors.append(find_innervation_zone(waveform, FS_HZ, geometry).iz_mm + 11.0)
    assert np.abs(errors).max() < 0.3


def test_all_channels_bad_or_zero_is_no_number():
    geometry = GRIDS["8x8 8 mm"]
    none = find_innervation_zone(travelling(geometry, 0.0, 4.0), FS_HZ, geometry, np.zeros(64, bool))
    assert "0 neighbouring good electrodes" in none.reason
    assert find_innervation_zone(np.zeros((64, 100)), FS_HZ, geometry).reason == "the waveform is zero"


def test_single_differential_channels_lie_between_their_rows(rng):
    geometry = grid(13, 5, 8.0)
    waveform = travelling(geometry, 11.0, 4.0).reshape(13, 5, -1)
    differential = np.full_like(waveform, np.nan)
    differential[:-1] = np.diff(waveform, axis=0)
    found = find_innervation_zone(differential.reshape(65, -1), FS_HZ, geometry, montage="single-differential")
    assert found.iz_mm == pytest.approx(11.0, abs=0.3)


def test_what_cannot_be_a_waveform_is_refused():
    geometry = GRIDS["8x8 8 mm"]
    for waveform, options in ((np.zeros((63, 100)), {}), (np.zeros((64, 100)), {"montage": "bipolar"})):
        with pytest.raises(ValueError):
            find_innervation_zone(waveform, FS_HZ, geometry, **options)
