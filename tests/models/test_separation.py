"""The search as a whole, on recordings whose units are known."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from myodrive.models.duplicates import common_share
from myodrive.models.extension import extended_mean, project
from myodrive.models.matching import agree, assign
from myodrive.models.separation import SearchSettings, separate
from myodrive.stream.errors import CalibrationError

from .synthetic import FS_HZ, make_recording


def same_units(one, other, min_roa=0.98):
    """Whether two separations hold the same trains, in any order."""
    result = assign(one.discharges, other.discharges, fs_hz=FS_HZ)
    return not result.extra and not result.missed and all(a.roa >= min_roa for _, _, a in result.pairs)


def test_every_unit_of_an_easy_recording_is_recovered(easy, separated):
    result = assign(separated.discharges, easy[1], fs_hz=FS_HZ)
    assert [agreement.roa > 0.9 for _, _, agreement in result.pairs] == [True] * 6


def test_nothing_false_and_no_duplicate_is_returned(easy, separated):
    found = separated.discharges
    assert all(max(agree(f, t, tolerance=2, max_shift=100).roa for t in easy[1]) > 0.9 for f in found)
    assert max(common_share(a, b, FS_HZ) for i, a in enumerate(found) for b in found[:i]) < 0.3


def test_shapes_types_and_limits_are_as_declared(easy, separated, quick):
    units, rows = len(separated.discharges), separated.extension * easy[0].shape[1]
    assert separated.filters.shape == separated.unit_means.shape == (rows, units)
    assert separated.whitening.matrix.shape == (rows, separated.whitening.rank)
    assert separated.filters.dtype == separated.unit_means.dtype == separated.whitening.matrix.dtype == np.float32
    assert all(train.dtype == np.int64 and (np.diff(train) > 0).all() for train in separated.discharges)
    for figure in (separated.sil, separated.pnr_db, separated.cov, separated.thresholds):
        assert figure.shape == (units,)
    assert (separated.sil >= quick.limits.min_sil).all()
    assert (separated.cov <= quick.limits.max_cov).all()


def test_filters_are_the_inverse_covariance_times_the_means(separated):
    matrix = separated.whitening.matrix.astype(np.float64)
    expected = matrix @ (matrix.T @ separated.unit_means)
    for found, wanted in zip(separated.filters.T, expected.T, strict=True):
        assert np.dot(found, wanted) / np.linalg.norm(found) / np.linalg.norm(wanted) > 0.9999


def test_discharges_are_the_peaks_of_the_frozen_source_and_one_high(easy, separated):
    sources = project(easy[0], separated.filters, separated.extension)
    for unit, train in enumerate(separated.discharges):
        heights = sources[train, unit]
        assert heights.mean() == pytest.approx(1, abs=0.02)
        assert heights.min() > separated.thresholds[unit]
        assert (heights >= np.maximum(sources[train - 1, unit], sources[train + 1, unit])).all()


def test_unit_means_are_the_mean_emg_before_the_discharges(easy, separated):
    for unit, train in enumerate(separated.discharges):
        mean = extended_mean(easy[0], train, separated.extension)
        assert np.corrcoef(mean, separated.unit_means[:, unit])[0, 1] > 0.99


def test_the_same_recording_gives_the_same_result(easy, separated, quick):
    again = separate(easy[0].copy(), quick, fs_hz=FS_HZ)
    np.testing.assert_array_equal(again.filters, separated.filters)
    assert all(np.array_equal(a, b) for a, b in zip(again.discharges, separated.discharges, strict=True))


@pytest.mark.parametrize("gain", [10, 1e-3])
def test_the_gain_of_the_emg_changes_nothing_but_the_scale(easy, separated, quick, gain):
    scaled = separate(easy[0] * np.float32(gain), quick, fs_hz=FS_HZ)
    assert same_units(scaled, separated)
    size, expected = (np.median(np.abs(found.unit_means)) for found in (scaled, separated))
    assert size == pytest.approx(gain * expected, rel=0.05)


def test_the_order_of_channels_does_not_matter(easy, separated, quick, rng):
    shuffled = separate(np.ascontiguousarray(easy[0][:, rng.permutation(easy[0].shape[1])]), quick, fs_hz=FS_HZ)
    assert same_units(shuffled, separated)


def test_channels_left_out_have_no_weight_and_no_influence(easy, quick):
    emg = easy[0].copy()
    emg[:, 3] = 1e4 * np.random.default_rng(1).normal(size=len(emg))
    emg[:, 9] = 0
    emg[:, 20] = np.nan
    found = separate(emg, quick, fs_hz=FS_HZ, excluded=[3, 20])
    assert len(found.discharges) >= 5
    for matrix in (found.filters, found.unit_means, found.whitening.matrix):
        by_channel = np.abs(matrix.reshape(found.extension, emg.shape[1], -1)).sum(axis=(0, 2))
        assert (by_channel[[3, 9, 20]] == 0).all()
        assert (np.delete(by_channel, [3, 9, 20]) > 0).all()


def test_frozen_filters_decode_what_they_were_not_calibrated_on(quick):
    emg, trains = make_recording(seed=4, seconds=20)
    half = len(emg) // 2
    found = separate(emg[:half], quick, fs_hz=FS_HZ)
    sources = project(emg[half:], found.filters, found.extension)
    later = [train[train >= half] - half for train in trains]
    decoded = [
        np.flatnonzero(_accepted(source, threshold))
        for source, threshold in zip(sources.T, found.thresholds, strict=True)
    ]
    result = assign(decoded, later, fs_hz=FS_HZ)
    assert np.median([agreement.roa for _, _, agreement in result.pairs]) > 0.9


def _accepted(source, threshold):
    """Samples above the threshold that are the largest within 5 ms."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(source, 10), 21)
    return (source > threshold) & (source == windows.max(axis=1))


def test_progress_rises_to_one_and_the_log_counts_units(easy, quick):
    told = []
    found = separate(easy[0], quick, fs_hz=FS_HZ, progress=lambda fraction, units: told.append((fraction, units)))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert told[-1] == (1.0, len(found.discharges))
    assert found.log[0].found >= found.log[-1].found
    assert all(later.power_left <= earlier.power_left for earlier, later in pairwise(found.log))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda emg: emg[: int(1.5 * FS_HZ)], r"1\.5 s long.*at least 4 s"),
        (lambda emg: emg * 0, "0 of 32 channels carry a signal"),
        (lambda emg: np.where(np.arange(32) == 7, np.nan, emg), "channel 7 holds values that are not numbers"),
        (lambda emg: np.random.default_rng(0).normal(size=emg.shape), "no motor unit"),
    ],
)
def test_what_cannot_be_separated_is_refused_in_one_sentence(easy, quick, spoil, message):
    with pytest.raises(CalibrationError, match=message) as raised:
        separate(spoil(easy[0]).astype(np.float32), quick, fs_hz=FS_HZ)
    assert "\n" not in str(raised.value)


def test_too_few_discharges_are_no_unit(easy, quick):
    strict = replace(quick, limits=replace(quick.limits, min_discharges=100_000))
    with pytest.raises(CalibrationError, match="no motor unit"):
        separate(easy[0], strict, fs_hz=FS_HZ)


def test_default_settings_follow_the_channel_count(easy):
    found = separate(easy[0], SearchSettings(rounds=1, starts=16), fs_hz=FS_HZ)
    assert found.extension == 32
