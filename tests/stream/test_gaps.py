"""After a gap: every discharge reported is one of the recording without the gap, at its sample."""

import numpy as np
import pytest

from myodrive.stream.pipeline import SETTLE_S, Pipeline

FS_HZ = 2000.0
NEAR = 2  # samples


def cut(emg, seed, gaps=40):
    """The recording without `gaps` stretches of 1 to 5000 samples; where in what is left, and how many."""
    rng = np.random.default_rng(seed)
    whole = np.concatenate([emg] * 16)
    length = np.exp(rng.uniform(0, np.log(5000), gaps)).astype(int).clip(1, 5000)
    begin = np.sort(rng.choice(np.arange(2000, len(whole) - 8000, 5600), gaps, replace=False))
    keep = np.ones(len(whole), bool)
    for place, lost in zip(begin, length, strict=True):
        keep[place : place + lost] = False
    left = begin - np.concatenate([[0], np.cumsum(length)[:-1]])
    return (
        whole,
        np.ascontiguousarray(whole[keep]),
        dict(zip(left.tolist(), length.tolist(), strict=True)),
        begin + length,
    )


def false_spikes(found, true):
    """Discharges of `found`, (sample, unit), that have none of `true` within `NEAR` samples."""
    known = {(sample + shift, unit) for sample, unit in true for shift in range(-NEAR, NEAR + 1)}
    return [spike for spike in found if spike not in known]


@pytest.mark.parametrize("kind", ["planted", "cancelling"])
@pytest.mark.parametrize("seed", [100, 101])
def test_no_discharge_after_a_gap_is_false(kind, seed, request, decode_all):
    muscle = request.getfixturevalue(kind)
    whole, left, gaps, resumed = cut(muscle.emg, seed)
    true, _, _ = decode_all(Pipeline(muscle.decoder, 64), whole, 64)
    found, _, _ = decode_all(Pipeline(muscle.decoder, 64), left, 64, gaps)
    settled = int(0.1 * FS_HZ)
    after = [s for s in found if np.any((s[0] >= resumed) & (s[0] < resumed + settled + 1000))]
    assert len(after) > 100
    assert false_spikes(after, true) == []


def test_nothing_is_reported_before_the_filters_have_settled(planted, decode_all):
    _, left, gaps, resumed = cut(planted.emg, 100)
    found, _, _ = decode_all(Pipeline(planted.decoder, 64), left, 64, gaps)
    since = np.array([min(sample - r for r in resumed if r <= sample) for sample, _ in found if sample >= resumed[0]])
    assert since.min() >= round(SETTLE_S * FS_HZ)
