"""Points to begin from: all over the box, each stratum of each parameter once."""

import numpy as np

from myodrive.models.bmiss.proposals import latin_hypercube

LOW, HIGH = np.array([-5.0, 2.0, 100.0]), np.array([5.0, 2.5, 300.0])


def test_each_parameter_is_drawn_once_in_each_of_equal_strata():
    points = latin_hypercube(LOW, HIGH, 40, seed=0)
    strata = np.floor((points - LOW) / (HIGH - LOW) * 40).astype(int)
    np.testing.assert_array_equal(np.sort(strata, axis=0), np.tile(np.arange(40)[:, None], 3))


def test_another_seed_draws_others():
    first = latin_hypercube(LOW, HIGH, 40, seed=0)
    np.testing.assert_array_equal(first, latin_hypercube(LOW, HIGH, 40, seed=0))
    assert (first != latin_hypercube(LOW, HIGH, 40, seed=1)).all()
