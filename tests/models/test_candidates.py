"""One round of the search on whitened signals."""

import numpy as np

from myodrive.models.candidates import search, sources_of, start_instants
from myodrive.models.contrast import SKEW
from myodrive.models.extension import project
from myodrive.models.firing import FiringLimits
from myodrive.models.matching import assign
from myodrive.models.whitening import fit_whitening

from .synthetic import FS_HZ


def test_starts_are_spread_over_the_recording_and_highest_in_their_stretch(rng):
    activity = rng.random(1000)
    starts = start_instants(activity, 10)
    assert [start // 100 for start in starts] == list(range(10))
    assert all(activity[s] == activity[s // 100 * 100 : s // 100 * 100 + 100].max() for s in starts)


def test_sources_are_one_row_each(rng):
    whitened, vectors = rng.normal(size=(50, 4)), rng.normal(size=(4, 3))
    np.testing.assert_allclose(sources_of(whitened, vectors), (whitened @ vectors).T)


def test_one_round_finds_half_the_units_of_an_easy_recording_each_once(easy):
    emg, trains = easy
    whitened = project(emg, fit_whitening(emg, 12).matrix, 12)
    found = search(
        whitened, SKEW, fs_hz=FS_HZ, starts=32, iterations=5, active_share=0.5, cap=0.99,
        refinements=3, refractory_s=0.02,
    )  # fmt: skip
    result = assign([one.spikes for one in found if one.sil > 0.85], trains, fs_hz=FS_HZ, min_f1=0.5)
    assert sum(agreement.roa > 0.9 for _, _, agreement in result.pairs) >= 3


def test_gaussian_noise_holds_nothing_worth_keeping(rng):
    whitened = rng.normal(size=(20_000, 10)).astype(np.float32)
    found = search(
        whitened, SKEW, fs_hz=FS_HZ, starts=8, iterations=4, active_share=0.5, cap=0.99,
        refinements=2, refractory_s=0.02,
    )  # fmt: skip
    assert not any(one.meets(FiringLimits(), 0.85) for one in found)
