"""The whole recording."""

from dataclasses import replace

import numpy as np
import pytest

from myodrive.models.simulation.simulator import simulate

from .test_emg import plain_sum


def test_the_emg_is_the_direct_sum_of_its_waveforms_at_its_discharges(simulation):
    expected = plain_sum(simulation.muaps, simulation.trains, simulation.muap_first, simulation.emg.shape[1])
    np.testing.assert_array_equal(simulation.emg, expected)
    assert simulation.clean_power == pytest.approx(np.mean(expected.astype(float) ** 2))


@pytest.mark.parametrize("kinds", [("white",), ("coloured",), ("mains",), ("white", "mains")])
@pytest.mark.parametrize("snr_db", [-5.0, 20.0])
def test_the_ratio_of_emg_to_noise_is_the_one_asked_for(settings, array, simulation, kinds, snr_db):
    noisy = simulate(replace(settings, noise=kinds, snr_db=snr_db), array)
    noise = noisy.emg.astype(float) - simulation.emg
    power = np.mean(simulation.emg.astype(float) ** 2, axis=1).mean()  # of the mean channel
    assert 10.0 * np.log10(power / np.mean(noise**2, axis=1).mean()) == pytest.approx(snr_db, abs=0.05)


def test_the_same_seed_gives_the_same_recording_another_seed_another(settings, array, simulation):
    again, other = simulate(settings, array), simulate(replace(settings, seed=4), array)
    np.testing.assert_array_equal(again.emg, simulation.emg)
    np.testing.assert_array_equal(again.muaps, simulation.muaps)
    np.testing.assert_array_equal(again.force, simulation.force)
    assert again.truth == simulation.truth
    assert not np.array_equal(other.muaps, simulation.muaps)
    assert not np.array_equal(other.trains[0], simulation.trains[0])


def test_noise_and_artefacts_leave_the_muscle_and_its_discharges_as_they_are(settings, array, simulation):
    spoilt = simulate(replace(settings, noise=("coloured",), snr_db=0.0, artefacts=True), array)
    np.testing.assert_array_equal(spoilt.muaps, simulation.muaps)
    for one, other in zip(spoilt.trains, simulation.trains, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(spoilt.artefacts) >= 2


def test_artefacts_are_not_counted_as_noise(settings, array, simulation):
    spoilt = simulate(replace(settings, artefacts=True), array)
    touched = np.abs(spoilt.emg - simulation.emg) > 0.0
    assert 0.0 < touched.mean() < 0.5


def test_units_that_are_recruited_later_fire_later_and_are_larger(simulation):
    active = [unit for unit, train in enumerate(simulation.trains) if len(train)]
    assert active == list(range(len(active)))
    rates = [simulation.truth[unit]["mean_rate_hz"] for unit in active]
    assert rates[0] > rates[-1]
    assert simulation.trains[0][0] < simulation.trains[active[-1]][0]
    fibres = [truth["fibres"] for truth in simulation.truth]
    assert fibres == sorted(fibres)


def test_a_louder_contraction_is_more_emg(settings, array, simulation):
    quiet = simulate(replace(settings, profile=replace(settings.profile, level=5.0)), array)
    assert quiet.clean_power < 0.5 * simulation.clean_power
    assert quiet.force.max() < 0.5 * simulation.force.max()
