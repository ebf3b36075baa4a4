"""Least squares of a generator to whitened waveforms: bounded parameters, gain projected out, delay fitted along.

Levenberg-Marquardt on many units at once. In whitened waveforms what is left is white, so that these are the most
likely parameters, and a step is as good in one unit's noise as in another's. All of it goes by frequency, where the
delay is a turn of the phase (`spectra`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from .generator import Generator
from .prewhitening import Prewhitener
from .spectra import WhitenedSpectra

FIRST_DAMPING = 1e-2
EASE, STIFFEN = 0.2, 6.0
LONGEST_STEP = 0.15  # of a parameter's range
LEAST_PROMISE = 1e-5  # of what is left: a unit's fit ends where a step promises less by its slopes
MOST_DELAY = 2.5  # samples: a unit's instants are found by the waveform's own peak, so it is never far off
DELAY_RANGE = 10.0  # samples: scale of its steps, beside the ranges of the parameters
BATCH = 8
NOISE_SDS = 4.0  # by which a sum of squares may exceed its mean and still be noise


@dataclass(frozen=True)
class Fitted:
    """Where the fit ended.

    Attributes
    ----------
    theta : ndarray of float64, shape (units, parameters)
    delay : ndarray of float64, shape (units,), samples
        By which the waveform comes later than the generator's.
    gain : ndarray of float64, shape (units,)
    likeness : ndarray of float64, shape (units,)
        Cosine between the waveform and the model's.
    left : ndarray of float64, shape (units,)
        Sum of squares that the model leaves.
    """

    theta: NDArray[np.float64]
    delay: NDArray[np.float64]
    gain: NDArray[np.float64]
    likeness: NDArray[np.float64]
    left: NDArray[np.float64]

    def where(self, better: NDArray[np.bool_], other: Fitted) -> Fitted:
        """`other`'s where it is better."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Fitted(*(np.where(better.reshape(-1, *(1,) * (a.ndim - 1)), b, a) for a, b in pairs))

    def put(self, which: NDArray[np.bool_], others: Fitted) -> Fitted:
        """`others`, one for each of `which`, in their places where they leave less."""
        wide = Fitted(*(_spread(getattr(others, f.name), which) for f in fields(self)))
        return self.where(which & (wide.left < self.left), wide)


def _spread(values: NDArray[np.float64], which: NDArray[np.bool_]) -> NDArray[np.float64]:
    wide = np.full((len(which), *values.shape[1:]), np.inf)
    wide[which] = values
    return wide


def unexplained(fitted: Fitted, whitened: NDArray[np.float32], discharges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of each mean waveform's power that neither the model nor noise explains.

    Parameters
    ----------
    fitted : Fitted
    whitened : ndarray of float32, shape (units, window, channels)
        Mean waveforms, whitened: their noise has a variance of one over the number of discharges.
    discharges : ndarray of int64, shape (units,)
    """
    power = np.einsum("utc,utc->u", whitened, whitened).astype(np.float64)
    size = whitened[0].size
    noise = (size + NOISE_SDS * np.sqrt(2.0 * size)) / discharges
    return np.maximum(fitted.left - noise, 0.0) / np.maximum(power - noise, 1e-6 * power)


def delayed(waveforms: NDArray[np.float32], delay: NDArray[np.float64]) -> NDArray[np.float32]:
    """Waveforms (units, ..., samples, channels) moved to later by a number of samples each, whole or not."""
    samples = waveforms.shape[-2]
    frequency = np.fft.rfftfreq(2 * samples)
    turn = np.exp(-2j * np.pi * frequency * delay[:, None])  # (units, frequencies)
    turn = turn.reshape(len(delay), *(1,) * (waveforms.ndim - 3), -1, 1)
    spectrum = np.fft.rfft(waveforms, 2 * samples, axis=-2) * turn
    return np.fft.irfft(spectrum, 2 * samples, axis=-2)[..., :samples, :].astype(np.float32)


def shapes(generator: Generator, theta: NDArray[np.float64]) -> NDArray[np.float32]:
    """A generator's waveforms, shape (units, samples, channels), uV."""
    return generator.waveforms(torch.as_tensor(theta, dtype=torch.float32)).numpy().transpose(0, 2, 1).copy()


def fit(
    generator: Generator,
    whitener: Prewhitener,
    whitened: NDArray[np.float32],
    theta: NDArray[np.float64],
    iterations: int,
) -> Fitted:
    """Fit to whitened waveforms.

    Parameters
    ----------
    generator : Generator
    whitener : Prewhitener
        Over the generator's channels.
    whitened : ndarray of float32, shape (units, samples + lags - 1, channels)
        Waveforms as `whitener.waveforms` makes them, of any gain.
    theta : ndarray of float64, shape (units, parameters)
        Starts.
    iterations : int
        Most steps.
    """
    view = WhitenedSpectra(whitener, generator.samples, MOST_DELAY)
    parts = [
        _fit(generator, view, view.of_whitened(whitened[i : i + BATCH]), theta[i : i + BATCH], iterations)
        for i in range(0, len(theta), BATCH)
    ]
    columns = zip(*parts, strict=True) if parts else ([np.zeros((0, theta.shape[1]))], *[[np.zeros(0)]] * 4)
    return Fitted(*(np.concatenate(column) for column in columns))


def _fit(
    generator: Generator,
    view: WhitenedSpectra,
    whitened: NDArray[np.complex64],
    theta: NDArray[np.float64],
    iterations: int,
) -> tuple[NDArray[np.float64], ...]:
    low, high = np.append(generator.low, -MOST_DELAY), np.append(generator.high, MOST_DELAY)
    scale = np.append(generator.high - generator.low, DELAY_RANGE).astype(np.float32)
    measured = _flat(whitened)
    at = np.concatenate([np.clip(theta, generator.low, generator.high), np.zeros((len(theta), 1))], axis=1)

    def spectra(at: NDArray[np.float64], slopes: bool) -> NDArray[np.complex64]:
        """Of the model and, where they are asked for, its slopes by the parameters."""
        here = torch.as_tensor(at[:, :-1], dtype=torch.float32)
        if not slopes:
            return view.of_plain(generator.waveforms(here)[:, None].numpy())
        plain, by_parameter = generator.with_slopes(here)
        return view.of_plain(torch.cat([plain[:, None], by_parameter], dim=1).numpy())

    def moved(both: NDArray[np.complex64], at: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The model, and its slopes by the parameters and the delay, at its delay."""
        both = view.delayed(both, at[:, -1])
        flat = _flat(np.concatenate([both, both[:, :1] * view.turning[:, None]], axis=1))
        return flat[:, 0], flat[:, 1:] * scale[-(flat.shape[1] - 1) :, None]

    def against(
        model: NDArray[np.float32], measured: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
        power = np.maximum(np.einsum("ud,ud->u", model, model), 1e-30)
        gain = np.maximum(np.einsum("ud,ud->u", model, measured) / power, 0.0)  # upside down it is no such unit
        left = measured - gain[:, None] * model
        return left, gain, np.einsum("ud,ud->u", left, left, dtype=np.float64)

    both = spectra(at, slopes=iterations > 0)
    at[:, -1] = _nearest_delay(both[:, 0], whitened, view)
    model, slope = moved(both, at)
    left, gain, cost = against(model, measured)
    damping = np.full(len(at), FIRST_DAMPING)
    live = np.arange(len(at))  # whose fits go on
    for turn in range(iterations):
        along = model[live] / np.maximum(np.linalg.norm(model[live], axis=1, keepdims=True), 1e-15)
        free = slope[live] * gain[live, None, None]
        free -= (free @ along[..., None]) * along[:, None]  # the gain's direction is taken out
        curvature = (free @ free.transpose(0, 2, 1)).astype(np.float64)
        stiff = np.einsum("upp->up", curvature) * (1.0 + damping[live, None])
        stiff = np.maximum(stiff, 1e-9 * stiff.max(axis=1, keepdims=True) + 1e-30)
        np.einsum("upp->up", curvature)[:] = stiff
        downhill = (free @ left[live, :, None]).astype(np.float64)
        step = np.linalg.solve(curvature, downhill)[..., 0]
        there = np.clip(at[live] + np.clip(step, -LONGEST_STEP, LONGEST_STEP) * scale, low, high)
        promised = np.einsum("up,up->u", downhill[..., 0], (there - at[live]) / scale)
        going = promised > LEAST_PROMISE * cost[live]
        live, there = live[going], there[going]
        if not len(live):
            break
        last = turn == iterations - 1
        model_there, slope_there = moved(spectra(there, slopes=not last), there)
        left_there, gain_there, cost_there = against(model_there, measured[live])
        better = cost_there < cost[live]
        damping[live] = np.where(better, damping[live] * EASE, damping[live] * STIFFEN).clip(1e-7, 1e6)
        taken = live[better]
        at[taken], gain[taken], cost[taken] = there[better], gain_there[better], cost_there[better]
        if not last:
            model[taken], slope[taken], left[taken] = model_there[better], slope_there[better], left_there[better]
    whole = np.einsum("ud,ud->u", measured, measured, dtype=np.float64)
    explained = np.maximum(0.0, whole - cost) / np.maximum(whole, 1e-30)  # none of a waveform that is nothing
    return at[:, :-1], at[:, -1], gain, np.sqrt(explained), cost


def _flat(spectra: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Real and imaginary parts side by side, (..., 2 x frequencies x channels)."""
    return spectra.reshape(*spectra.shape[:-2], -1).view(np.float32)


def _nearest_delay(
    model: NDArray[np.complex64], whitened: NDArray[np.complex64], view: WhitenedSpectra
) -> NDArray[np.float64]:
    """Whole samples, a few at most, by which a waveform is later than its model: a fit finds the rest by its slope."""
    reach = int(MOST_DELAY)
    product = np.einsum("ufc,ufc->uf", model.conj(), whitened)
    delays = np.arange(-reach, reach + 1)
    likeness = (product @ np.exp(-view.turning[:, None] * delays)).real.T  # (delays, units)
    likeness[reach] *= 1.0 + 1e-6  # of equals, none
    return likeness.argmax(axis=0).astype(np.float64) - reach
