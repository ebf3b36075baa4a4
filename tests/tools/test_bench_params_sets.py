"""Test units of the table of accuracies: its draws are as stated."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import scipy.signal

from myodrive.models.bandpass import design_filter
from myodrive.models.classical.innervation_zone import find_innervation_zone
from myodrive.models.forward.fibres import place
from myodrive.stream.average_window import window_samples
from myodrive.tools import bench_params_sets
from myodrive.tools.bench_params_sets import FS_HZ, RANGES, SKIN_MM, Ranges, array, conductor_of, drawn_set


@pytest.mark.parametrize(
    ("name", "channels", "length_mm"), [("16x1", 16, 75), ("8x8", 64, 56), ("13x5", 64, 96), ("10x32", 320, 72)]
)
def test_the_arrays_are_those_of_the_table(name, channels, length_mm):
    geometry = array(name)
    assert len(geometry) == channels
    assert np.ptp(geometry.along_mm()) == length_mm


def test_differential_channels_have_an_electrode_in_the_next_row():
    there, kept = array("13x5"), array("13x5", "single-differential")
    places = set(zip(there.row, there.col, strict=True))
    assert len(kept) == 64 - 5
    assert all((row + 1, col) in places for row, col in zip(kept.row, kept.col, strict=True))


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_the_noise_is_that_of_the_stated_snr(snr_db):
    noisy, clean = (drawn_set("16x1", 4, snr, 5).averages for snr in (snr_db, 200.0))
    for one, other in zip(noisy, clean, strict=True):
        power = np.square(other.waveform, dtype=np.float64).sum() / (16 * 0.04 * FS_HZ)
        assert one.noise == pytest.approx(np.full(16, power * 10 ** (-snr_db / 10)), rel=1e-3)
        assert np.square(one.waveform - other.waveform).mean() == pytest.approx(one.noise[0], rel=0.15)


def test_another_seed_is_another_set_and_the_same_seed_the_same():
    first, again, other = (drawn_set("16x1", 3, 10.0, seed) for seed in (1, 1, 2))
    for unit in range(3):
        assert np.array_equal(first.averages[unit].waveform, again.averages[unit].waveform)
        assert not np.array_equal(first.averages[unit].waveform, other.averages[unit].waveform)
    assert np.array_equal(first.zones_mm, again.zones_mm)


def test_a_larger_set_begins_with_the_smaller_one():
    small, large = (drawn_set("16x1", units, 10.0, 7) for units in (2, 4))
    assert np.array_equal(small.speeds_m_s, large.speeds_m_s[:2])
    assert np.array_equal(small.averages[1].waveform, large.averages[1].waveform)


@pytest.mark.parametrize("conductor", ["planar", "half-space", "cylinder"])
@pytest.mark.parametrize("montage", ["monopolar", "single-differential"])
def test_waveforms_are_cut_as_the_live_path_cuts_them(conductor, montage):
    units = drawn_set("13x5", 1, 20.0, 3, conductor, montage=montage)
    assert units.array.montage == montage
    assert units.averages[0].waveform.shape == (len(units.array.geometry), sum(window_samples(FS_HZ)))
    assert np.isfinite(units.averages[0].waveform).all()
    assert units.averages[0].waveform.std() > 0.0


def test_the_truth_is_where_a_classical_finder_sees_it():
    units = drawn_set("13x5", 12, 60.0, 11)
    error = [
        found - true
        for average, true in zip(units.averages, units.zones_mm, strict=True)
        if (found := find_innervation_zone(average.waveform, FS_HZ, units.array.geometry).iz_mm) is not None
    ]
    assert len(error) >= 8
    assert np.median(np.abs(error)) < 2.0


@pytest.mark.parametrize("draws", [name for name in RANGES if name != "inside"])
def test_ranges_outside_touch_no_draw_of_the_table(draws):
    usual, other = Ranges(), RANGES[draws]
    changed = [name for name in Ranges.__dataclass_fields__ if getattr(usual, name) != getattr(other, name)]
    assert len(changed) == 1
    if changed != ["iz_beyond"]:
        (low, high), (first, last) = getattr(usual, changed[0]), getattr(other, changed[0])
        assert first > high or last < low


def test_innervation_zones_can_lie_beyond_either_end():
    units = drawn_set("16x1", 12, 20.0, 2, ranges=RANGES["IZ off array"])
    assert (np.abs(units.zones_mm) > 37.5).all()
    assert units.zones_mm.min() < 0.0 < units.zones_mm.max()


def test_speeds_and_zones_of_the_table_lie_within_its_ranges():
    units = drawn_set("16x1", 20, 20.0, 4)
    assert (np.abs(units.zones_mm) < 32.5 + 4.0).all()  # the mean of 30 fibres, not their centre
    assert ((units.speeds_m_s > 2.3) & (units.speeds_m_s < 5.7)).all()


def test_an_unknown_conductor_is_none():
    with pytest.raises(KeyError):
        conductor_of("torus", 3.0, 5.0)
    assert conductor_of("planar", 3.0, 5.0).cover_mm == 3.0 + SKIN_MM


@pytest.fixture
def asked(monkeypatch):
    """What is asked of the physics: (fat mm, anisotropy) of every conductor, and the parameters of every unit."""
    conductors, units = [], []

    def noted_conductor(kind, fat_mm, anisotropy):
        conductors.append((fat_mm, anisotropy))
        return conductor_of(kind, fat_mm, anisotropy)

    def noted_place(parameters, deviates):
        units.append(parameters)
        return place(parameters, deviates)

    monkeypatch.setattr(bench_params_sets, "conductor_of", noted_conductor)
    monkeypatch.setattr(bench_params_sets, "place", noted_place)
    return conductors, units


def test_every_unit_has_a_conductor_of_its_own(asked):
    drawn_set("16x1", 12, 20.0, 8)
    fat_mm, anisotropy = np.array(asked[0]).T
    assert len(np.unique(fat_mm)) == len(np.unique(anisotropy)) == 12
    assert (fat_mm.min() > 1.0, fat_mm.max() < 6.0, np.ptp(fat_mm) > 2.0) == (True, True, True)
    assert (anisotropy.min() > 4.0, anisotropy.max() < 6.5, np.ptp(anisotropy) > 1.0) == (True, True, True)


def test_in_the_half_space_muscle_lies_where_fat_and_skin_would(asked):
    for conductor in ("planar", "half-space"):
        drawn_set("16x1", 1, 20.0, 8, conductor)
    (fat_mm, _), _ = asked[0]
    planar, half_space = (float(unit.depth_mm) for unit in asked[1])
    assert half_space - planar == pytest.approx(fat_mm + SKIN_MM, abs=1e-4)


def test_waveforms_have_passed_the_filter_that_the_set_names(monkeypatch):
    band = design_filter(FS_HZ)
    filtered = drawn_set("16x1", 2, 200.0, 9).averages
    nothing = msgspec.structs.replace(band, sections=[[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
    monkeypatch.setattr(bench_params_sets, "design_filter", lambda fs_hz: nothing)
    for one, raw in zip(filtered, drawn_set("16x1", 2, 200.0, 9).averages, strict=True):
        expected = scipy.signal.sosfilt(band.sections, raw.waveform)
        scale = np.abs(expected).max()
        assert np.abs(raw.waveform - expected).max() > 0.2 * scale
        np.testing.assert_allclose(one.waveform, expected, atol=0.01 * scale)
