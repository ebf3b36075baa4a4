"""Where units lie, and that their waveforms are those of their fibres."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from myodrive.models.forward.waveform import WaveformModel
from myodrive.models.simulation.muscle import Muscle, MuscleSettings
from myodrive.models.simulation.pool import Pool, PoolSettings
from myodrive.stream.geometry import Geometry


@pytest.fixture(scope="module")
def large(array):
    """200 units with few fibres each."""
    return Muscle(MuscleSettings(most_fibres=10), Pool(PoolSettings(units=200)), array, np.random.default_rng(0))


def column(muscle, name):
    return getattr(muscle.parameters, name).numpy()


def test_territories_lie_in_the_muscle(large):
    radius, depth, lateral = (column(large, name) for name in ("radius_mm", "depth_mm", "lateral_mm"))
    covered = 3.0 + 1.0 + 1.0  # fat, skin, top
    assert (depth - radius).min() > covered - 1e-3
    assert (depth + radius).max() < 20.0 + 4.0 + 1e-3
    assert (np.abs(lateral) + radius).max() < 8.0 + 8.0 + 1e-3
    assert np.ptp(depth) > 10.0
    assert radius[0] == pytest.approx(3.0, abs=0.1)
    assert radius[-1] == pytest.approx(8.0)


def test_velocities_are_normal_and_rise_with_size(large):
    velocity = column(large, "conduction_velocity_m_s")
    assert velocity.mean() == pytest.approx(4.0, abs=0.06)
    assert velocity.std() == pytest.approx(0.3, abs=0.05)
    assert np.corrcoef(velocity, np.arange(200))[0, 1] > 0.5


def test_fibres_end_where_the_muscle_does_wherever_their_zone_lies(large):
    zone, low, high = (
        column(large, name) for name in ("innervation_zone_mm", "half_length_low_mm", "half_length_high_mm")
    )
    assert np.ptp(zone) > 15.0
    for end in (zone - low, zone + high):
        assert np.abs(np.corrcoef(zone, end)[0, 1]) < 0.2
        assert (np.abs(end) > 55.0 - 1e-3).all()
        assert (np.abs(end) < 70.0 + 1e-3).all()


def test_the_zone_moves_with_the_muscle(array):
    pool = Pool(PoolSettings(units=50))
    for zone in (-20.0, 15.0):
        muscle = Muscle(MuscleSettings(iz_mm=zone, most_fibres=2), pool, array, np.random.default_rng(0))
        assert np.abs(column(muscle, "innervation_zone_mm") - zone).max() <= 10.0


def test_the_truth_is_the_mean_of_the_fibres_computed(large):
    for truth, fibres in zip(large.truth(), large.fibres, strict=True):
        assert truth["innervation_zone_mm"] == pytest.approx(float(fibres.innervation_mm.mean()), abs=1e-4)
        assert truth["conduction_velocity_m_s"] == pytest.approx(float(fibres.velocity_m_s.mean()), abs=1e-5)
        assert truth["depth_mm"] == pytest.approx(float(fibres.depth_mm.mean()), abs=1e-4)
    names = {field.name for field in fields(large.parameters)}
    assert names <= set(large.truth()[0])
    centres = np.array([truth["innervation_zone_centre_mm"] for truth in large.truth()])
    np.testing.assert_allclose(centres, column(large, "innervation_zone_mm"))


@pytest.mark.parametrize("conductor", ["half-space", "planar", "cylinder"])
def test_portions_of_fibres_add_up_to_the_units_waveform(array, conductor):
    settings = MuscleSettings(conductor=conductor, most_fibres=130)
    muscle = Muscle(settings, Pool(PoolSettings(units=2)), array, np.random.default_rng(1))
    window = muscle.window(1000.0)
    found = muscle.muaps(window)
    reach = float(max(unit.lateral_mm.abs().max() for unit in muscle.fibres))
    with torch.no_grad():
        model = WaveformModel(muscle.conductor, muscle.electrodes, window, reach_mm=reach)
        whole = torch.cat([model.of_fibres(unit) for unit in muscle.fibres]).numpy()
    np.testing.assert_allclose(found, whole, atol=1e-4 * np.abs(whole).max())


def test_the_waveforms_have_the_same_bits_whatever_the_number_of_threads():
    row, col = np.indices((13, 5)).reshape(2, -1)
    muscle = Muscle(
        MuscleSettings(conductor="planar"), Pool(PoolSettings(units=4)), Geometry(row, col, 8.0, 13, 5),
        np.random.default_rng(1),
    )  # fmt: skip
    window = muscle.window(2048.0)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            found.append(muscle.muaps(window))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


@pytest.mark.parametrize("fs_hz", [1000.0, 2048.0, 5000.0])
def test_a_waveform_begins_and_ends_within_its_window(large, fs_hz):
    window = large.window(fs_hz)
    muaps = Muscle(
        MuscleSettings(most_fibres=3), Pool(PoolSettings(units=6)), large.geometry, np.random.default_rng(0)
    ).muaps(replace(window, fs_hz=fs_hz))
    assert window.start_ms * fs_hz / 1000.0 == pytest.approx(round(window.start_ms * fs_hz / 1000.0), abs=1e-9)
    highest = np.abs(muaps).max(axis=(1, 2))
    assert (np.abs(muaps[:, :, 0]).max(axis=1) < 1e-3 * highest).all()
    assert (np.abs(muaps[:, :, -1]).max(axis=1) < 1e-3 * highest).all()


def test_fat_takes_amplitude(array):
    def size(fat_mm):
        settings = MuscleSettings(conductor="planar", fat_mm=fat_mm, most_fibres=5)
        muscle = Muscle(settings, Pool(PoolSettings(units=4)), array, np.random.default_rng(2))
        return np.abs(muscle.muaps(muscle.window(1000.0))).max()

    assert size(1.0) > 1.3 * size(5.0)


def test_an_unknown_conductor_is_refused():
    with pytest.raises(ValueError, match="torus"):
        MuscleSettings(conductor="torus").make_conductor()
