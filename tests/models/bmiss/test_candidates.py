"""Proposals: those near a unit answer to it, are refined to it, and come out once; others are told apart from units."""

from dataclasses import replace

import numpy as np
import pytest

from myodrive.models.bmiss import candidates
from myodrive.models.bmiss.candidates import CLIPPED, Candidate, acceptable, contrast, search
from myodrive.models.bmiss.prewhitening import RIDGE, Prewhitener
from myodrive.models.bmiss.proposals import latin_hypercube
from myodrive.models.firing import Firing

from .small_world import FS_HZ, QUICK


@pytest.fixture(scope="module")
def part(world):
    """Generator, prewhitener and whitened EMG of the whole array."""
    emg = world.emg / np.float32(np.sqrt(np.mean(np.square(world.emg))))
    whitener = Prewhitener.of(emg, QUICK.lags, RIDGE)
    return world.generator, whitener, whitener(emg)


@pytest.fixture(scope="module")
def beside(world):
    """Three proposals near each unit, in no order."""
    generator = world.generator
    width = generator.high - generator.low
    offset = 0.06 * np.random.default_rng(0).uniform(-1, 1, (3 * len(world.theta), len(width)))
    return np.tile(world.theta, (3, 1)) + offset * width


@pytest.fixture(scope="module")
def found(part, beside):
    return search(*part, beside, QUICK, FS_HZ)


def test_units_that_proposals_are_near_are_found_each_once(world, found):
    owner, roa = zip(*(world.owner(one.firing.spikes) for one in found.candidates), strict=True)
    assert sorted(owner) == list(range(len(world.trains)))
    assert min(roa) > 0.85  # the others are still there
    assert world.astray(np.stack([one.theta for one in found.candidates]), np.array(owner)) < 0.1


def test_proposals_are_judged_as_well_on_every_second_sample(world, part, beside, monkeypatch):
    monkeypatch.setattr(candidates, "SLOWEST_STEP_S", 2.1 / FS_HZ)
    found = search(*part, beside, replace(QUICK, refinements=1), FS_HZ)  # none to mend what this spoils
    assert len({world.owner(one.firing.spikes)[0] for one in found.candidates}) >= len(world.trains) - 1


def test_every_start_is_accounted_for(found, beside):
    assert found.starts == len(found.candidates) + found.astray + found.again
    assert found.starts <= min(QUICK.candidates, len(beside))


def test_what_is_given_back_is_acceptable(found):
    assert all(acceptable(one, QUICK) for one in found.candidates)
    assert all(one.gain > 0 for one in found.candidates)


def test_no_more_are_refined_than_asked_for(part, beside):
    few = search(*part, beside, replace(QUICK, candidates=2), FS_HZ)
    assert few.starts == 2


def test_in_noise_most_starts_go_astray(part, world):
    generator, whitener, _ = part
    noise = np.random.default_rng(1).standard_normal(world.emg.shape).astype(np.float32)
    proposals = latin_hypercube(generator.low, generator.high, 40, 0)
    found = search(generator, whitener, noise, proposals, QUICK, FS_HZ)
    assert found.starts == len(found.candidates) + found.astray + found.again > 0
    assert len(found.candidates) < found.starts / 2
    assert all(one.likeness < 0.6 for one in found.candidates)  # no unit's, which later stages tell


def test_silence_starts_nothing(part, world):
    generator, whitener, _ = part
    proposals = latin_hypercube(generator.low, generator.high, 10, 0)
    found = search(generator, whitener, np.zeros_like(world.emg), proposals, QUICK, FS_HZ)
    assert found.candidates == []
    assert found.starts == 0


def test_rare_high_answers_stand_out_and_a_few_artefacts_do_not():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(20000).astype(np.float32)
    fires, artefact = noise.copy(), noise.copy()
    fires[rng.permutation(20000)[: 4 * CLIPPED]] = 8.0
    artefact[rng.permutation(20000)[: CLIPPED // 4]] = 80.0
    assert contrast(noise) == pytest.approx(1.5, rel=0.2)  # half of a Gaussian's fourth moment
    assert contrast(fires) > 10 * contrast(noise)
    assert contrast(artefact) < 1.2 * contrast(noise)
    assert contrast(-fires) == pytest.approx(contrast(noise), rel=0.2)  # upside down it is no unit's
    assert contrast(noise[: CLIPPED // 2]) > 0


GOOD = Candidate(
    np.zeros(5), 1.0, 0.9, Firing(np.arange(0, 4000, 100), 5.0, 3.0, 0.95, 30.0, 0.2, 10.0, 0.0, 0.0)
)  # fmt: skip


@pytest.mark.parametrize(
    "worse",
    [{"sil": 0.5}, {"cov": 0.9}, {"spikes": np.arange(0, 400, 100)}, {"rate_hz": 70.0}],
    ids=lambda worse: str([*worse]),
)
def test_one_thing_that_no_unit_does_is_enough(worse):
    assert acceptable(GOOD, QUICK)
    assert not acceptable(replace(GOOD, firing=replace(GOOD.firing, **worse)), QUICK)


def test_a_waveform_unlike_the_models_is_not_accepted():
    assert not acceptable(replace(GOOD, likeness=0.1), QUICK)
