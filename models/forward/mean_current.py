"""The current of a unit of very many fibres, mean over the scatter of all that moves it along the fibres.

Innervation points, fibre ends and velocities scatter independently of each other, so the mean over fibres is a product
of means: over the innervation points a sinc, over the ends and the velocities quadratures of few nodes. What any
electrode sees is its lead field's even and odd part about the innervation zone, by wavenumber, times this current.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import action_potential
from .waveform import DAMPING, LOW_PASS, MICROVOLTS_PER_MILLIVOLT

COLUMNS = (
    "innervation_zone_mm", "conduction_velocity_m_s", "depth_mm", "lateral_mm", "half_length_low_mm",
    "half_length_high_mm", "iz_spread_mm", "ap_scale", "cv_sd_m_s", "radius_mm", "fat_mm", "anisotropy", "delay_ms",
)  # fmt: skip
IZ, CV, DEPTH, LATERAL, LOW, HIGH, SPREAD, AP_SCALE, CV_SD, RADIUS, FAT, RATIO, DELAY = range(len(COLUMNS))
EACH = tuple((column,) for column in range(len(COLUMNS)))
# The current's own parameters, differentiated by a step of this size; the others are differentiated by hand. A higher
# velocity in longer fibres looks nearly the same: a slope a few per cent off hides the way from one to the other. With
# these steps it is within 0.2 %, most of it rounding.
STEPS = {CV: 0.0005, LOW: 0.01, HIGH: 0.01, SPREAD: 0.02, AP_SCALE: 0.0005, CV_SD: 0.0005}
TENDON_SPREAD_MM = 6.0  # full width of the scatter of the fibres' ends
END_NODE_MM = 3.0  # of that width is one node of its quadrature: a wave at an end is about as long
FIBRES = 200.0  # a number of fibres and an amplitude cannot be told apart: the gain says the size
# uV mm of a lead field in mV per unit of current: Rosenfalck's slope has no other factor.
STRENGTH = MICROVOLTS_PER_MILLIVOLT * action_potential.INTRACELLULAR_S_M * math.pi * action_potential.FIBRE_RADIUS_MM**2
EARLY_MS, LATE_MS = 12.0, 13.0  # computed around the window: the unit fires that early, its end has died out that late
LEAST_GAIN = 0.02  # of filter and low-pass: frequencies passed less are left out


class MeanCurrent:
    """Filtered current of mean units by wavenumber, and what electrodes make of it.

    Parameters
    ----------
    wavenumber : Tensor, shape (wavenumbers,), rad/mm
        Along the fibres, above 0.
    fs_hz : float
    samples : int
        Of the window; a unit of delay d leaves its innervation point d ms after the window's first sample.
    sections : sequence, shape (sections, 6)
        The decoder's causal filter.
    velocities : int
        Nodes over the scatter of conduction velocity.
    tendon_spread_mm : float
        Full width of the scatter of the fibres' ends.
    """

    def __init__(
        self,
        wavenumber: Tensor,
        fs_hz: float,
        samples: int,
        sections: Sequence[Sequence[float]] | NDArray[np.float64],
        velocities: int = 5,
        tendon_spread_mm: float = TENDON_SPREAD_MM,
    ) -> None:
        self._wavenumber = wavenumber
        frequency, to_times = _time_matrix(fs_hz, samples, np.asarray(sections, np.float64))
        self._frequency = torch.as_tensor(frequency, dtype=torch.complex64)  # (frequencies,) rad/ms
        self._to_times = _real(to_times)  # (2 frequencies, samples)
        node, weight = np.polynomial.hermite_e.hermegauss(velocities)
        self._velocity, self._share = _real(node), _real(weight / weight.sum())  # (velocities,)
        node, weight = np.polynomial.legendre.leggauss(1 + math.ceil(tendon_spread_mm / END_NODE_MM))
        self._end, self._end_share = _real(node * tendon_spread_mm / 2.0), _real(weight / 2.0)  # (ends,)

    def waveforms(self, theta: Tensor, weight: Tensor) -> Tensor:
        """Waveforms.

        Parameters
        ----------
        theta : Tensor, shape (units, `COLUMNS`)
        weight : Tensor, shape (units, seen, 2 wavenumbers)
            What electrodes see of the even waves about the innervation zone, then of the odd ones; times wavenumber.

        Returns
        -------
        Tensor, shape (units, seen, samples)
        """
        return weight @ self._current(theta) @ self._to_times

    def with_slopes(
        self, theta: Tensor, weight: Tensor, moved: Mapping[int, Tensor], groups: Sequence[Sequence[int]] = EACH
    ) -> tuple[Tensor, Tensor]:
        """The same, and its derivatives.

        Parameters
        ----------
        theta, weight : Tensor
            As above.
        moved : mapping of int to Tensor of `weight`'s shape
            Derivatives of the weight, by column; it does not depend on the others.
        groups : sequence
            Columns that are moved together; by default each alone.

        Returns
        -------
        waveforms, slopes : Tensor, shape (units, seen, samples) and (units, groups, seen, samples)
        """
        units, stepped = len(theta), [theta]
        for group in groups:
            if any(column in STEPS for column in group):
                there = theta.clone()
                for column in group:
                    there[:, column] += _step(group) * (column in STEPS)
                stepped.append(there)
        current = self._current(torch.cat(stepped)).unflatten(0, (-1, units))  # (variants, units, 2 wavenum., 2 freq.)
        here, variants = current[0], iter(current[1:])
        spectra = [weight @ here]  # (units, seen, 2 frequencies)
        for group in groups:
            spectrum = torch.zeros_like(spectra[0])
            if any(column in moved for column in group):
                spectrum = sum(moved[column] for column in group if column in moved) @ here
            if any(column in STEPS for column in group):
                spectrum = spectrum + weight @ ((next(variants) - here) / _step(group))
            if DELAY in group:
                spectrum = spectrum + self._later(spectra[0])
            spectra.append(spectrum)
        whole = torch.stack(spectra, dim=1) @ self._to_times
        return whole[:, 0], whole[:, 1:]

    def _later(self, spectrum: Tensor) -> Tensor:
        """Derivative by the delay."""
        real, imaginary = spectrum.chunk(2, dim=-1)
        plain, damping = self._frequency.real, -self._frequency.imag  # -i (w - i a) = -a - i w
        return torch.cat([plain * imaginary - damping * real, -plain * real - damping * imaginary], dim=-1)

    def _current(self, theta: Tensor) -> Tensor:
        """Mean of the fibres' current about the innervation zone, (units, 2 wavenumbers, 2 frequencies).

        Even, then odd part in space; real, then imaginary part in time. See `WaveformModel._current_modes`.
        """
        k = self._wavenumber
        velocity = (theta[:, CV, None] + theta[:, CV_SD, None] * self._velocity)[..., None]  # (units, velocities, 1)
        kappa = self._frequency / velocity  # (units, velocities, frequencies)
        turn = torch.exp(-1j * self._frequency * theta[:, DELAY, None])[:, None]  # (units, 1, frequencies)
        start = action_potential.slope_spectrum(kappa, theta[:, AP_SCALE, None, None]) * turn / velocity
        start = start * self._share[:, None]
        half = theta[:, SPREAD, None] / 2.0
        over_zone = _sinc(kappa * half[..., None]) * start  # mean over the innervation points of e^(i kappa z)
        in_time, in_space = [2.0 * start[:, :, None]], [(k * _sinc(k * half))[:, None]]
        odd_space = [torch.zeros_like(in_space[0])]
        for place, sign in ((HIGH, 1.0), (LOW, -1.0)):
            end = theta[:, place, None] + self._end  # (units, ends)
            gone = torch.exp(-1j * kappa[:, :, None] * end[:, None, :, None]) * over_zone[:, :, None]
            gone = gone * self._end_share[:, None]  # (units, velocities, ends, frequencies)
            in_time += [-gone, -1j * kappa[:, :, None] * gone]
            phase = end[..., None] * k  # (units, ends, wavenumbers)
            cos, sin = torch.cos(phase), torch.sin(phase)
            in_space += [k * cos, sin]
            odd_space += [sign * k * sin, -sign * cos]
        times = torch.cat(in_time, dim=2)  # (units, velocities, terms, frequencies)
        times = torch.cat([times.real, times.imag], dim=-1)
        spaces = torch.cat([torch.cat(in_space, 1), torch.cat(odd_space, 1)], dim=2)  # (units, terms, 2 wavenumbers)
        source = spaces.transpose(1, 2)[:, None] @ times  # (units, velocities, 2 wavenumbers, 2 frequencies)
        # 1 / (kappa^2 - k^2) = (a - i b) / (a^2 + b^2)
        square = kappa**2
        a = square.real[:, :, None] - (k**2)[:, None]  # (units, velocities, wavenumbers, frequencies)
        b = square.imag[:, :, None]
        size = torch.reciprocal(a * a + b * b)
        a, b = (a * size)[:, :, None], (b * size)[:, :, None]  # (units, velocities, 1, wavenumbers, frequencies)
        real, imaginary = source.unflatten(2, (2, -1)).chunk(2, dim=-1)
        real, imaginary = (real * a + imaginary * b).sum(1), (imaginary * a - real * b).sum(1)
        return torch.cat([real, imaginary], dim=-1).flatten(1, 2)


def _step(group: Sequence[int]) -> float:
    return min(STEPS[column] for column in group if column in STEPS)


def _real(array: NDArray[np.float64]) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32)


def _sinc(x: Tensor) -> Tensor:
    """sin(x) / x, of complex x too."""
    small = x.abs() < 1e-3
    safe = torch.where(small, torch.ones_like(x), x)
    return torch.where(small, 1.0 - x * x / 6.0, torch.sin(safe) / safe)


def _time_matrix(
    fs_hz: float, samples: int, sections: NDArray[np.float64]
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Damped frequencies, rad/ms, and the filtered inverse transform to the window, (2 frequencies, samples)."""
    dt = 1e3 / fs_hz
    period = EARLY_MS + samples * dt + LATE_MS
    damping = DAMPING / period
    plain = np.arange(int(math.pi / dt * period / (2.0 * math.pi)) + 1) * (2.0 * math.pi / period)
    middle, width = (share * 2.0 * math.pi / dt for share in LOW_PASS)
    low_pass = np.array([0.5 * math.erfc((w - middle) / width) for w in plain])
    delay = np.exp(-1j * (plain - 1j * damping)[:, None] * dt * np.arange(3))  # (frequencies, 3)
    response = low_pass * np.prod([(delay @ s[:3]) / (delay @ s[3:]) for s in sections], axis=0)
    keep = np.abs(response) > LEAST_GAIN
    plain, response = plain[keep], response[keep]
    times = np.arange(samples) * dt
    share = np.where(plain == 0.0, 1.0, 2.0) / period
    wave = (response * share)[:, None] * np.exp(1j * plain[:, None] * times + damping * times)
    return plain - 1j * damping, np.concatenate([wave.real, -wave.imag])
