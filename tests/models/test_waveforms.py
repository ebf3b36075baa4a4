"""Average waveforms of a file: the live windows exactly, stretches, and the others taken out."""

import numpy as np
import pytest

from myodrive.models.peeling import subtract
from myodrive.models.waveforms import average_file
from myodrive.stream.average import SpikeAverager

from .synthetic import make_trains

FS_HZ, BEFORE, AFTER = 2048.0, 30, 40


@pytest.fixture
def mixture(rng):
    """Noisy EMG of three units, of which the second follows the first 10 samples later four times in five."""
    trains = [train[(train > 100) & (train < 29_900)] for train in make_trains(rng, 3, 30_000)]
    follows = trains[0][rng.random(len(trains[0])) < 0.8] + 10
    trains[1] = follows[follows < 29_900]
    shapes = 20.0 * rng.normal(size=(3, BEFORE + AFTER, 4)).astype(np.float32)
    shapes *= np.hanning(BEFORE + AFTER)[:, None].astype(np.float32)
    emg = -subtract(rng.normal(0, 5, (30_000, 4)).astype(np.float32), trains, shapes, BEFORE)
    return np.ascontiguousarray(emg), trains, shapes


def test_it_equals_the_live_average_to_the_bit(mixture):
    emg, trains, _ = mixture
    trains = [np.concatenate([[2], train, [29_990]]) for train in trains]  # windows that leave the recording
    live = SpikeAverager(3, 4, FS_HZ, before=BEFORE, after=AFTER, memory=1000, longest=len(emg))
    unit = np.concatenate([np.full(len(t), u) for u, t in enumerate(trains)])
    sample = np.concatenate(trains)
    order = np.argsort(sample, kind="stable")
    live(emg, 0, unit[order], sample[order], len(order))
    for u, (average,) in enumerate(average_file(emg, trains, FS_HZ, before=BEFORE, after=AFTER)):
        assert average.discharges == live.added[u] == len(trains[u]) - 2
        assert average.dropped == 2
        assert average.waveform.tobytes() == live.waveform(u).tobytes()
        assert average.noise.tobytes() == live.noise(u).tobytes()
        assert average.snr_db == live.snr_db(u)


def test_joint_averages_lose_the_residue_of_units_that_fire_in_step(mixture):
    emg, trains, shapes = mixture
    plain = average_file(emg, trains, FS_HZ, before=BEFORE, after=AFTER)
    joint = average_file(emg, trains, FS_HZ, before=BEFORE, after=AFTER, joint=True)
    for u in range(2):
        errors = [np.square(a[u][0].waveform.T - shapes[u]).mean() for a in (plain, joint)]
        assert errors[1] < 0.05 * errors[0]
        assert joint[u][0].snr_db > plain[u][0].snr_db


def test_stretches_hold_the_discharges_they_say(mixture):
    emg, trains, shapes = mixture
    emg = emg.copy()
    emg[15_000:] *= 2.0
    stretches = [(0, 14_900), (15_100, 30_000), (29_999, 30_000)]
    for joint in (False, True):
        early, late, none = average_file(
            emg, trains, FS_HZ, before=BEFORE, after=AFTER, stretches=stretches, joint=joint
        )[2]
        assert early.discharges == (trains[2] < 14_900).sum()
        assert late.discharges == (trains[2] >= 15_100).sum()
        assert np.vdot(early.waveform.T, shapes[2]) / np.square(shapes[2]).sum() == pytest.approx(1.0, abs=0.1)
        assert np.vdot(late.waveform.T, shapes[2]) / np.square(shapes[2]).sum() == pytest.approx(2.0, abs=0.2)
        assert none.discharges == 0
        assert not none.waveform.any()
        assert np.isnan(none.snr_db)


def test_no_units_and_short_recordings_are_no_error():
    emg = np.zeros((50, 4), np.float32)
    assert average_file(emg, [], FS_HZ) == []
    for joint in (False, True):
        ((one,),) = average_file(emg, [np.array([25])], FS_HZ, before=BEFORE, after=AFTER, joint=joint)
        assert (one.discharges, one.dropped) == (0, 1)


def test_the_input_stays_as_it_was(mixture):
    emg, trains, _ = mixture
    before = emg.copy()
    average_file(emg, trains, FS_HZ, joint=True)
    np.testing.assert_array_equal(emg, before)


class TestResidue:
    """What joint averages say of their noise."""

    def test_white_noise_comes_out_uncorrelated_and_as_large_as_the_noise_of_an_average(self, mixture):
        emg, trains, _ = mixture
        averages = [one for (one,) in average_file(emg, trains, FS_HZ, before=BEFORE, after=AFTER, joint=True)]
        rows = averages[0].residue.transpose(1, 0, 2).reshape(4, -1)
        covariance = rows @ rows.T / rows.shape[1]
        np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=0.1 * covariance[0, 0])
        for average in averages:
            assert average.residue is averages[0].residue
            np.testing.assert_allclose(average.noise * average.discharges, np.diag(covariance), rtol=0.15)

    def test_what_all_channels_share_comes_out_of_rank_one(self, mixture, rng):
        emg, trains, _ = mixture
        emg = emg + np.float32(1e3) * rng.normal(size=(len(emg), 1)).astype(np.float32) * np.float32([1, 2, 1, 3])
        ((average,), *_) = average_file(emg, trains, FS_HZ, before=BEFORE, after=AFTER, joint=True)
        values = np.linalg.svd(average.residue.transpose(1, 0, 2).reshape(4, -1), compute_uv=False)
        assert values[1] < 0.02 * values[0]

    def test_the_order_of_units_does_not_matter(self, mixture):
        emg, trains, _ = mixture
        one, other = (
            average_file(emg, order, FS_HZ, before=BEFORE, after=AFTER, joint=True)[0][0].residue
            for order in (trains, trains[::-1])
        )
        np.testing.assert_allclose(one, other, atol=0.05)

    def test_plain_averages_and_few_discharges_have_none(self, mixture):
        emg, trains, _ = mixture
        assert average_file(emg, trains, FS_HZ)[0][0].residue is None
        assert average_file(emg, [trains[0][:10]], FS_HZ, joint=True)[0][0].residue is None

    def test_many_waveforms_from_little_emg_are_as_uncertain_as_is_said(self, rng):
        trains = make_trains(rng, 8, 8_000)
        errors, stated = [], []
        for _ in range(4):
            emg = rng.normal(0, 5, (8_000, 6)).astype(np.float32)  # true waveforms are 0
            for (average,) in average_file(emg, trains, FS_HZ, before=BEFORE, after=AFTER, joint=True):
                errors.append(np.square(average.waveform).mean())
                stated.append(average.noise.mean())
        assert np.mean(stated) == pytest.approx(np.mean(errors), rel=0.12)
