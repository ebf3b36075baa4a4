"""Finding units in what is left of the EMG: many proposals, each answer judged, the best refined by turns.

A proposal is a point of the generator's space. Its whitened waveform, run over the whitened EMG, answers at every
discharge of a unit like it. The refinement goes to and fro between discharges and parameters: the mean of the EMG at
the discharges found, and the parameters whose waveform is closest to that mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..duplicates import distinct, is_new
from ..extension import window_means
from ..firing import Firing, judge
from .correlation import answers
from .fit import fit, shapes, unexplained
from .generator import Generator
from .prewhitening import Prewhitener
from .restart import Dictionary
from .settings import BmissSettings

BATCH = 100  # proposals at once
THINNED_SHARE = 0.5  # of the shorter train: proposals that share so much answer to the same unit
CLIPPED = 60  # of the highest answers count alike in the contrast: artefacts are few and high
SECOND_LOOK = 1  # the turn at which waveforms left unexplained are fitted from all over the space
SLOWEST_STEP_S = 0.0011  # proposals are judged on answers no further apart


@dataclass(frozen=True)
class Candidate:
    """A unit that may be there.

    Attributes
    ----------
    theta : ndarray of float64, shape (parameters,)
    gain : float
    likeness : float
        Cosine between the mean of the EMG at its discharges and its waveform, both whitened.
    firing : Firing
    """

    theta: NDArray[np.float64]
    gain: float
    likeness: float
    firing: Firing


@dataclass(frozen=True)
class Found:
    """What a search of one part of the array found.

    Attributes
    ----------
    candidates : list of Candidate
        Good ones, each another train.
    starts, astray, again : int
        Refined in all; those that ended in a local minimum, their answer no unit's; those that ended at a unit that
        another one had reached.
    """

    candidates: list[Candidate]
    starts: int
    astray: int
    again: int


def contrast(answer: NDArray[np.float32]) -> float:
    """How much an answer of unit variance stands out: the fourth moment of its positive part, few outliers cut."""
    above = np.maximum(answer, 0)
    if len(above) > CLIPPED:
        above = np.minimum(above, np.partition(above, -CLIPPED)[-CLIPPED])
    return float(np.mean(np.square(above * above)))


def search(
    generator: Generator,
    whitener: Prewhitener,
    whitened: NDArray[np.float32],
    proposals: NDArray[np.float64],
    settings: BmissSettings,
    fs_hz: float,
) -> Found:
    """Find units.

    Parameters
    ----------
    generator : Generator
        Over the channels looked at.
    whitener : Prewhitener
    whitened : ndarray of float32, shape (samples, channels)
        What is left of the EMG, by `whitener`.
    proposals : ndarray of float64, shape (proposals, parameters)
    settings : BmissSettings
    fs_hz : float
    """
    before = generator.fires_at + whitener.lags - 1
    started = _most_promising(generator, whitener, whitened, proposals, before, settings, fs_hz)
    if not started:
        return Found([], 0, 0, 0)
    dictionary = Dictionary(generator, whitener, proposals[: settings.looked_at], fs_hz)
    theta, firings = np.stack([one for one, _ in started]), [firing for _, firing in started]
    found, dropped = _refined(generator, whitener, whitened, theta, firings, before, settings, fs_hz, dictionary)
    good = [one for one in found if acceptable(one, settings)]
    trains = [one.firing.spikes for one in good]
    kept = [good[i] for i in distinct(trains, np.array([one.firing.sil for one in good]), fs_hz)]
    return Found(kept, len(started), len(found) - len(good), len(good) - len(kept) + dropped)


def acceptable(one: Candidate, settings: BmissSettings) -> bool:
    """Whether a candidate's discharges may be one unit's."""
    firing = one.firing
    return (
        firing.sil >= settings.candidate_sil
        and firing.cov <= settings.candidate_cov
        and len(firing.spikes) >= settings.fewest_discharges
        and firing.rate_hz <= settings.limits.max_rate_hz
        and one.likeness >= settings.least_likeness
    )


def _most_promising(
    generator: Generator,
    whitener: Prewhitener,
    whitened: NDArray[np.float32],
    proposals: NDArray[np.float64],
    before: int,
    settings: BmissSettings,
    fs_hz: float,
) -> list[tuple[NDArray[np.float64], Firing]]:
    """Proposals whose answers stand out, no two with the same discharges."""
    step = max(1, int(SLOWEST_STEP_S * fs_hz))
    answer = np.concatenate([
        answers(whitened, _unit_power(whitener.waveforms(shapes(generator, part))), before, step)
        for part in np.array_split(proposals, -(-len(proposals) // BATCH))
    ])  # fmt: skip
    order = np.argsort([-contrast(one) for one in answer], kind="stable")
    chosen: list[tuple[NDArray[np.float64], Firing]] = []
    for place in order[: settings.looked_at]:
        firing = judge(answer[place], fs_hz / step, settings.limits.refractory_s)
        firing = firing.at(firing.spikes * step)
        if len(firing.spikes) < settings.fewest_discharges:
            continue
        if is_new(firing.spikes, (other.spikes for _, other in chosen), fs_hz, THINNED_SHARE):
            chosen.append((proposals[place], firing))
            if len(chosen) == settings.candidates:
                break
    return chosen


def _refined(
    generator: Generator,
    whitener: Prewhitener,
    whitened: NDArray[np.float32],
    theta: NDArray[np.float64],
    firings: list[Firing],
    before: int,
    settings: BmissSettings,
    fs_hz: float,
    dictionary: Dictionary,
) -> tuple[list[Candidate], int]:
    """By turns, parameters from discharges and discharges from parameters; and how many met on the way."""
    met = 0
    window = generator.samples + whitener.lags - 1
    gain = likeness = np.zeros(len(theta))
    for turn in range(settings.refinements):
        means = np.stack([window_means(whitened, one.spikes, before, window - before) for one in firings])
        fitted = fit(generator, whitener, means, theta, settings.fit_iterations)
        if turn == SECOND_LOOK and settings.restarts:
            count = np.array([max(1, len(one.spikes)) for one in firings])
            astray = unexplained(fitted, means, count) > settings.astray_share
            if astray.any():
                other, _ = dictionary.fit(means[astray], settings.restarts, settings.fit_iterations)
                fitted = fitted.put(astray, other)
        theta, gain, likeness = fitted.theta, fitted.gain, fitted.likeness
        answer = answers(whitened, _unit_power(whitener.waveforms(shapes(generator, theta))), before)
        firings = [judge(one, fs_hz, settings.limits.refractory_s) for one in answer]
        sil = np.array([one.sil for one in firings])
        apart = sorted(distinct([one.spikes for one in firings], sil, fs_hz, THINNED_SHARE))
        met += len(firings) - len(apart)
        theta, gain, likeness = theta[apart], gain[apart], likeness[apart]
        firings = [firings[i] for i in apart]
    found = [Candidate(theta[i], float(gain[i]), float(likeness[i]), firings[i]) for i in range(len(theta))]
    return found, met


def _unit_power(waveforms: NDArray[np.float32]) -> NDArray[np.float32]:
    power = np.einsum("utc,utc->u", waveforms, waveforms)
    return waveforms / np.sqrt(np.maximum(power, 1e-20))[:, None, None]
