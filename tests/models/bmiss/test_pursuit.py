"""Discharges of known waveforms: the kernels, their plain twin, and what holds after any of their moves."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.models.bmiss.correlation import answers, cross_answers
from myodrive.models.bmiss.pursuit import Pursuit, highest_peaks
from myodrive.models.bmiss.pursuit_plain import PlainPursuit, highest_peaks_plain


@dataclass(frozen=True)
class Problem:
    """Whitened EMG with nothing before and after it, waveforms, and trains to begin from.

    All values are small whole numbers: float32 adds these without rounding, in any order.
    """

    emg: np.ndarray  # (samples, channels)
    waveforms: np.ndarray  # (units, window, channels)
    before: int
    refractory: int
    trains: list
    truth: list

    def left_by(self, trains):
        """The EMG less all discharges' waveforms, margins of a window's length included: (samples + 2 window, ch)."""
        window = self.waveforms.shape[1]
        left = np.pad(self.emg, ((window, window), (0, 0)))
        for shape, train in zip(self.waveforms, trains, strict=True):
            for t in train:
                left[window + t - self.before :][:window] -= shape
        return left

    def answers_to(self, trains):
        """All units' answers to what the trains leave."""
        window = self.waveforms.shape[1]
        found = answers(self.left_by(trains), self.waveforms, self.before)
        return found[:, window : window + len(self.emg)]

    def objective(self, trains, penalty):
        """Log-likelihood ratio of the trains against none, less their penalties."""
        left, nothing = self.left_by(trains), self.left_by([[]] * len(trains))
        return (np.sum(nothing**2) - np.sum(left**2)) / 2 - penalty * sum(map(len, trains))

    def pursued_by(self, pursuit):
        return pursuit(
            np.round(self.answers_to(self.trains)), cross_answers_of(self.waveforms), self.trains, self.refractory
        )


def cross_answers_of(waveforms):
    return np.round(cross_answers(waveforms))  # whole numbers again


def drawn_train(rng, samples, refractory, count):
    kept = []
    for t in rng.permutation(samples)[:count]:
        if all(abs(t - other) >= refractory for other in kept):
            kept.append(int(t))
    return np.sort(np.array(kept, np.int64))


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    units, window, channels = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    samples, refractory = draw(st.integers(1, 50)), draw(st.integers(1, 7))
    waveforms = rng.integers(-3, 4, (units, window, channels)).astype(np.float32)
    if units > 1 and draw(st.booleans()):
        waveforms[1] = waveforms[0]  # two that no answer tells apart
    before = draw(st.integers(0, window - 1))
    truth = [drawn_train(rng, samples, refractory, samples // 4) for _ in range(units)]
    nothing = Problem(np.zeros((samples, channels), np.float32), waveforms, before, refractory, [], truth)
    emg = -nothing.left_by(truth)[window : window + samples]
    emg += draw(st.integers(0, 2)) * rng.integers(-1, 2, emg.shape).astype(np.float32)
    trains = [drawn_train(rng, samples, refractory, draw(st.integers(0, 4))) for _ in range(units)]
    return Problem(emg, waveforms, before, refractory, trains, truth)


def sweep(pursuit, penalty):
    return pursuit.sweep(penalty, 2)


def exchange(pursuit, penalty):
    return pursuit.exchange(penalty, 4)


def rebuild(pursuit, penalty):
    return pursuit.rebuild(penalty, 5, 3)


MOVES = st.lists(st.sampled_from([sweep, exchange, rebuild]), min_size=1, max_size=5)
PENALTIES = st.sampled_from([0.0, 0.5, 4.0])


@settings(max_examples=120, deadline=None)
@given(problems(), MOVES, PENALTIES)
def test_kernels_do_what_their_plain_twin_does(problem, moves, penalty):
    pursuit, plain = problem.pursued_by(Pursuit), problem.pursued_by(PlainPursuit)
    for move in moves:
        assert move(pursuit, penalty) == move(plain, penalty)
        np.testing.assert_array_equal(pursuit.left, plain.left)
        for found, expected in zip(pursuit.trains, plain.trains, strict=True):
            np.testing.assert_array_equal(found, expected)


@settings(max_examples=120, deadline=None)
@given(problems(), MOVES, PENALTIES)
def test_what_is_left_is_the_answer_to_the_emg_less_all_discharges(problem, moves, penalty):
    pursuit = problem.pursued_by(Pursuit)
    for move in moves:
        move(pursuit, penalty)
        np.testing.assert_array_equal(pursuit.left, np.round(problem.answers_to(pursuit.trains)))


@settings(max_examples=120, deadline=None)
@given(problems(), st.lists(st.sampled_from([exchange, rebuild]), min_size=1, max_size=5), PENALTIES)
def test_exchange_and_rebuild_never_explain_less(problem, moves, penalty):
    pursuit = problem.pursued_by(Pursuit)
    before = problem.objective(pursuit.trains, penalty)
    for move in moves:
        changes = move(pursuit, penalty)
        after = problem.objective(pursuit.trains, penalty)
        assert after > before if changes and move is rebuild else after >= before
        before = after


@settings(max_examples=120, deadline=None)
@given(problems(), MOVES, PENALTIES)
def test_trains_ascend_rest_and_stay_in_the_recording(problem, moves, penalty):
    pursuit = problem.pursued_by(Pursuit)
    for move in moves:
        move(pursuit, penalty)
        for train in pursuit.trains:
            assert (np.diff(train) >= problem.refractory).all()
            assert ((train >= 0) & (train < len(problem.emg))).all()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-3, 9), max_size=60), st.integers(1, 8), st.sampled_from([-0.5, 0.0, 2.5])
)  # fmt: skip
def test_highest_peaks_are_those_of_the_plain_search(values, refractory, threshold):
    answer = np.array(values, np.float32)
    found = highest_peaks(answer, threshold, refractory)
    np.testing.assert_array_equal(found, highest_peaks_plain(answer, threshold, refractory))
    assert (np.diff(found) >= refractory).all()
    assert (answer[found] > threshold).all()


def separated(units=5, samples=4000, seed=0):
    """Units of different waveforms in white noise of unit variance, whose discharges overlap."""
    rng = np.random.default_rng(seed)
    waveforms = rng.standard_normal((units, 20, 8)).astype(np.float32)
    truth = [np.cumsum(rng.integers(60, 100, samples // 80))[:-1] for _ in range(units)]
    truth = [train[train < samples - 20] for train in truth]
    nothing = Problem(np.zeros((samples, 8), np.float32), waveforms, 5, 30, [], truth)
    emg = -nothing.left_by(truth)[20 : 20 + samples] + rng.standard_normal((samples, 8)).astype(np.float32)
    return Problem(emg.astype(np.float32), waveforms, 5, 30, [np.zeros(0, np.int64)] * units, truth)


def pursuit_of(problem, trains=None):
    trains = problem.trains if trains is None else trains
    return Pursuit(problem.answers_to(trains), cross_answers(problem.waveforms), trains, problem.refractory)


def test_a_sweep_finds_all_discharges_of_units_that_are_apart():
    problem = separated()
    pursuit = pursuit_of(problem)
    pursuit.sweep(6.0, 5)
    for found, expected in zip(pursuit.trains, problem.truth, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_what_is_left_follows_in_float32_for_long():
    problem = separated()
    pursuit = pursuit_of(problem)
    for seed in range(20):
        pursuit.sweep(2.0, 1)
        pursuit.exchange(1.0, 20)
        pursuit.rebuild(1.0, 15, seed)
    np.testing.assert_allclose(pursuit.left, problem.answers_to(pursuit.trains), atol=5e-3)


def test_the_result_is_the_same_for_the_same_seed():
    problem = separated(seed=1)
    first, second = pursuit_of(problem), pursuit_of(problem)
    for pursuit in (first, second):
        pursuit.sweep(0.5, 1)
        pursuit.rebuild(0.5, 15, 7)
    for one, other in zip(first.trains, second.trains, strict=True):
        np.testing.assert_array_equal(one, other)


def features(*rows):
    """Waveforms one sample long, of as many channels as features; 10 in each feature named."""
    found = np.zeros((len(rows), 1, 5), np.float32)
    for shape, row in zip(found, rows, strict=True):
        for feature, height in row.items():
            shape[0, feature] = 10 * height
    return found


def test_exchange_mends_a_discharge_given_to_a_similar_unit():
    waveforms = features({0: 1, 1: 1}, {0: 1, 1: 0.6})
    truth = [np.array([10, 30, 50]), np.array([20, 40])]
    problem = Problem(np.zeros((60, 5), np.float32), waveforms, 0, 3, truth, truth)
    problem = Problem(-problem.left_by(truth)[1:-1], waveforms, 0, 3, truth, truth)
    wrong = [np.array([10, 50]), np.array([20, 30, 40])]
    pursuit = pursuit_of(problem, wrong)
    assert pursuit.sweep(4.0, 3) == 0  # neither unit alone can mend it
    assert pursuit.exchange(4.0, 2) == 1
    for found, expected in zip(pursuit.trains, truth, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_rebuild_mends_a_knot_that_exchange_cannot():
    waveforms = features({0: 1, 1: 1, 4: 0.5}, {2: 1, 3: 1}, {0: 1, 2: 1}, {1: 1, 3: 1})  # 0 and 1 look like 2 and 3
    instants = np.arange(10, 200, 20)
    truth = [instants, instants, instants[:0], instants[:0]]
    problem = Problem(np.zeros((210, 5), np.float32), waveforms, 0, 3, truth, truth)
    problem = Problem(-problem.left_by(truth)[1:-1], waveforms, 0, 3, truth, truth)
    pursuit = pursuit_of(problem, truth[2:] + truth[:2])
    assert pursuit.sweep(4.0, 3) == 0
    assert pursuit.exchange(4.0, 2) == 0
    assert sum(pursuit.rebuild(4.0, 5, seed) for seed in range(20)) == len(instants)
    for found, expected in zip(pursuit.trains, truth, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_higher_penalty_leaves_fewer_discharges():
    problem = separated(seed=2)
    held = []
    for penalty in (0.0, 6.0, 60.0, 1e6):
        pursuit = pursuit_of(problem)
        pursuit.sweep(penalty, 3)
        held.append(sum(map(len, pursuit.trains)))
    assert held[0] >= held[1] >= held[2] > held[3] == 0


@pytest.mark.parametrize("pursuit", [Pursuit, PlainPursuit])
def test_no_units_no_discharges(pursuit):
    none = pursuit(np.zeros((0, 50), np.float32), np.zeros((0, 0, 9), np.float32), [], 5)
    assert none.sweep(1.0, 2) == none.exchange(1.0, 3) == none.rebuild(1.0, 5, 0) == 0
    assert none.trains == []
