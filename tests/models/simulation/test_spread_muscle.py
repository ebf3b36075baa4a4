"""Units that cover the ranges of the table of accuracies."""

from dataclasses import fields, replace

import numpy as np
import pytest

from myodrive.models.simulation.muscle import Muscle
from myodrive.models.simulation.pool import Pool, PoolSettings
from myodrive.models.simulation.simulator import simulate
from myodrive.models.simulation.spread_muscle import SpreadMuscle

RANGES = {  # as the table of accuracies states them, at an array of 5 x 3 electrodes, 8 mm apart
    "innervation_zone_mm": (-8.0, 8.0),
    "conduction_velocity_m_s": (2.5, 5.5),
    "depth_mm": (3.0, 20.0),
    "lateral_mm": (-13.0, 13.0),
    "half_length_low_mm": (45.0, 80.0),
    "half_length_high_mm": (45.0, 80.0),
    "iz_spread_mm": (2.0, 15.0),
    "cv_sd_m_s": (0.0, 0.2),
    "ap_scale": (0.85, 1.15),
}


@pytest.fixture(scope="module")
def drawn(array):
    muscle = Muscle(
        SpreadMuscle(conductor="planar", most_fibres=2), Pool(PoolSettings(units=400)), array, np.random.default_rng(0)
    )
    return {field.name: getattr(muscle.parameters, field.name).numpy() for field in fields(muscle.parameters)}


@pytest.mark.parametrize("name", RANGES)
def test_every_parameter_fills_its_range_evenly(drawn, name):
    low, high = RANGES[name]
    share = (drawn[name] - low) / (high - low)
    assert share.min() > -1e-5
    assert share.max() < 1.0 + 1e-5
    assert np.abs(np.sort(share) - (np.arange(400) + 0.5) / 400).max() < 0.08  # Kolmogorov-Smirnov, p = 0.01


def test_no_parameter_tells_of_another(drawn):
    columns = np.array([drawn[name] for name in (*RANGES, "fibres")])
    correlation = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlation).max() < 0.2


def test_in_the_half_space_muscle_lies_where_fat_and_skin_would(array):
    pool = Pool(PoolSettings(units=50))
    depths = [
        Muscle(
            SpreadMuscle(conductor=conductor, fat_mm=5.0, most_fibres=2), pool, array, np.random.default_rng(0)
        ).parameters.depth_mm.numpy()
        for conductor in ("planar", "half-space")
    ]
    np.testing.assert_allclose(depths[1] - depths[0], 6.0, atol=1e-5)


def test_it_takes_the_place_of_a_muscle_in_a_recording(settings, array):
    made = simulate(replace(settings, muscle=SpreadMuscle(most_fibres=5)), array)
    assert made.clean_power > 0.0
    assert {truth["half_length_low_mm"] > 42.0 for truth in made.truth} == {True}
