"""The sum of waveforms, and what is added to it."""

import numpy as np
import pytest

from myodrive.models.simulation.artefacts import add_artefacts
from myodrive.models.simulation.emg import superpose
from myodrive.models.simulation.noise import NOISES, noise

FS_HZ = 2048.0


def plain_sum(muaps, trains, first, samples):
    emg = np.zeros((muaps.shape[1], samples))
    for muap, train in zip(muaps, trains, strict=True):
        for discharge in train:
            for k in range(muap.shape[1]):
                if 0 <= discharge + first + k < samples:
                    emg[:, discharge + first + k] += muap[:, k]
    return emg.astype(np.float32)


@pytest.mark.parametrize(("first", "length"), [(-5, 20), (0, 1), (3, 50)])
def test_the_sum_is_every_waveform_at_every_discharge_cut_at_the_ends(rng, first, length):
    muaps = rng.normal(size=(4, 3, length)).astype(np.float32)
    trains = [np.array([0, 1, 7, 59, 60, 119]), np.arange(120), np.zeros(0, np.int64), np.array([118])]
    np.testing.assert_array_equal(superpose(muaps, trains, first, 120), plain_sum(muaps, trains, first, 120))


@pytest.mark.parametrize("kinds", [*((kind,) for kind in NOISES), ("white", "mains"), NOISES])
def test_noise_has_exactly_the_power_asked_for(rng, kinds):
    found = noise(kinds, 7.0, (8, 20_000), FS_HZ, 50.0, rng)
    assert np.mean(found.astype(float) ** 2) == pytest.approx(7.0, rel=1e-4)


def band_power(found, low_hz, high_hz):
    spectrum = (np.abs(np.fft.rfft(found, axis=1)) ** 2).mean(0)
    frequency = np.fft.rfftfreq(found.shape[1], 1.0 / FS_HZ)
    return spectrum[(frequency >= low_hz) & (frequency < high_hz)].mean()


def test_white_is_flat_and_coloured_falls_as_one_over_f(rng):
    white, coloured = (noise((kind,), 1.0, (16, 20_480), FS_HZ, 50.0, rng) for kind in ("white", "coloured"))
    assert band_power(white, 45, 55) / band_power(white, 450, 550) == pytest.approx(1.0, rel=0.1)
    assert band_power(coloured, 45, 55) / band_power(coloured, 450, 550) == pytest.approx(10.0, rel=0.1)
    assert band_power(coloured, 1, 10) / band_power(coloured, 11, 19) == pytest.approx(1.0, rel=0.2)


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_mains_is_a_line_and_harmonics_alike_on_all_channels(rng, mains_hz):
    found = noise(("mains",), 1.0, (6, 20_480), FS_HZ, mains_hz, rng)
    for order in (1, 3):
        line = band_power(found, order * mains_hz - 1, order * mains_hz + 1)
        assert line > 1e4 * band_power(found, order * mains_hz + 8, order * mains_hz + 12)
    assert np.corrcoef(found).min() > 0.999
    assert np.ptp(found.std(axis=1)) > 0.1


def test_kinds_share_the_power_evenly(rng):
    found = noise(("mains", "white"), 2.0, (8, 20_480), FS_HZ, 50.0, rng)
    between = band_power(found, 360, 940)  # no harmonic lies there
    assert between == pytest.approx(
        band_power(noise(("white",), 1.0, (8, 20_480), FS_HZ, 50.0, rng), 360, 940), rel=0.05
    )


def test_channels_of_white_and_coloured_noise_are_independent(rng):
    for kind in ("white", "coloured"):
        found = np.corrcoef(noise((kind,), 1.0, (6, 20_000), FS_HZ, 50.0, rng))
        assert np.abs(found - np.eye(6)).max() < 0.08


def test_an_unknown_noise_is_refused(rng):
    with pytest.raises(ValueError, match="pink"):
        noise(("pink",), 1.0, (2, 100), FS_HZ, 50.0, rng)


def test_artefacts_are_where_they_are_said_to_be_and_nowhere_else(rng):
    emg, column = np.zeros((12, 60_000), np.float32), np.repeat(np.arange(4), 3)
    added = add_artefacts(emg, column, FS_HZ, 30.0, rng)
    assert {one.kind for one in added} == {"motion", "pop"}
    inside = np.zeros(emg.shape, bool)
    for one in added:
        assert np.abs(emg[list(one.channels), one.first : one.last + 1]).max() > 30.0
        inside[list(one.channels), one.first : one.last + 1] = True
    assert (emg[~inside] == 0.0).all()
