r"""A unit of very many fibres: the mean of their waveforms, most of it in closed form, with its derivatives.

Innervation points, fibre ends, velocities and places in the territory scatter independently of each other, so the mean
over fibres is a product of means. Over the innervation points it is a sinc, over the ends, the velocities and the
territory a quadrature of few nodes; what reaches the electrodes from a territory does not depend on the other three.
One waveform costs what five fibres cost in `waveform.py`, whose equations these are, and no fibre is left to chance.
The decoder's causal filter and the delay of a waveform in its window are factors of the spectrum and cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import action_potential
from .electrodes import Electrodes
from .fibres import SHALLOWEST_MM
from .planar_family import ANISOTROPY, FAT_MM, PlanarFamily
from .waveform import DAMPING, LOW_PASS, MICROVOLTS_PER_MILLIVOLT
from .wavenumbers import Wavenumbers

COLUMNS = (
    "innervation_zone_mm", "conduction_velocity_m_s", "depth_mm", "lateral_mm", "half_length_low_mm",
    "half_length_high_mm", "iz_spread_mm", "ap_scale", "cv_sd_m_s", "radius_mm", "fat_mm", "anisotropy", "delay_ms",
)  # fmt: skip
IZ, CV, DEPTH, LATERAL, LOW, HIGH, SPREAD, AP_SCALE, CV_SD, RADIUS, FAT, RATIO, DELAY = range(len(COLUMNS))
# The current's own parameters, differentiated by a step of this size; the others are differentiated by hand.
STEPS = {CV: 0.01, LOW: 0.2, HIGH: 0.2, SPREAD: 0.1, AP_SCALE: 0.005, CV_SD: 0.01}
TENDON_SPREAD_MM = 6.0  # full width of the scatter of the fibres' ends
FIBRES = 200.0  # a number of fibres and an amplitude cannot be told apart: the gain says the size
EARLY_MS, LATE_MS = 12.0, 13.0  # computed around the window: the unit fires that early, its end has died out that late
LEAST_GAIN = 0.02  # of filter and low-pass: frequencies passed less are left out
# A disc by seven points, exact to the fifth order (Radon 1948): share of the radius along x and y, and weight.
_HEXAGON = [math.sqrt(2.0 / 3.0) * np.exp(1j * math.pi * (i + 0.25) / 3.0) for i in range(6)]
DISC = np.array([(0.0, 0.0, 0.25), *((p.real, p.imag, 0.125) for p in _HEXAGON)])  # (places, 3)
CENTRE = np.array([(0.0, 0.0, 1.0)])  # of a territory of no size


class MeanUnit:
    """Filtered waveforms of mean units at given electrodes, each unit in its own planar conductor.

    Parameters
    ----------
    electrodes : Electrodes
        Points.
    fs_hz : float
    samples : int
        Of the window; a unit of delay d leaves its innervation point d ms after the window's first sample.
    sections : sequence, shape (sections, 6)
        The decoder's causal filter.
    velocities : int
        Nodes over the scatter of conduction velocity.
    places : ndarray, shape (places, 3)
        Nodes over the territory, `DISC` or `CENTRE`.
    reach_mm : float
        How far from the array's centre, across the fibres, units may lie.
    """

    def __init__(
        self,
        electrodes: Electrodes,
        fs_hz: float,
        samples: int,
        sections: Sequence[Sequence[float]] | NDArray[np.float64],
        velocities: int = 5,
        places: NDArray[np.float64] = DISC,
        reach_mm: float = 60.0,
    ) -> None:
        if electrodes.size_mm:
            raise ValueError(f"electrodes of {electrodes.size_mm:g} mm: a mean unit is seen by points")
        grid, width = Wavenumbers().grid(ANISOTROPY[0], 1.0 + FAT_MM[0])
        self._wavenumber = _real(grid)  # (wavenumbers,)
        scale = action_potential.INTRACELLULAR_S_M * math.pi * action_potential.FIBRE_RADIUS_MM**2  # S/m mm^2
        self._measure = _real(grid * width * (MICROVOLTS_PER_MILLIVOLT * scale / math.pi * FIBRES))  # (wavenumbers,)
        columns, column = np.unique(np.round(electrodes.across_mm, 6), return_inverse=True)
        self._columns, self._column = _real(columns), torch.as_tensor(column)  # (columns,), (channels,)
        self._along, self._step = _real(electrodes.along_mm), electrodes.step_mm  # (channels,)
        self._lead = PlanarFamily(self._wavenumber, reach_mm + float(np.abs(columns).max()))
        frequency, to_times = _time_matrix(fs_hz, samples, np.asarray(sections, np.float64))
        self._frequency = torch.as_tensor(frequency, dtype=torch.complex64)  # (frequencies,) rad/ms
        self._to_times = _real(to_times)  # (2 frequencies, samples)
        node, weight = np.polynomial.hermite_e.hermegauss(velocities)
        self._velocity, self._share = _real(node), _real(weight / weight.sum())  # (velocities,)
        node, weight = np.polynomial.legendre.leggauss(3)
        self._end, self._end_share = _real(node * TENDON_SPREAD_MM / 2.0), _real(weight / 2.0)  # (3,)
        self._disc = _real(places)

    def __call__(self, theta: Tensor, view: Tensor | None = None) -> Tensor:
        """Waveforms.

        Parameters
        ----------
        theta : Tensor, shape (units, `COLUMNS`)
        view : Tensor, shape (units, seen, channels), optional
            What of the channels is looked at.

        Returns
        -------
        Tensor, shape (units, channels or seen, samples), uV
        """
        lateral, depth = self._territory(theta)
        field = self._lead(lateral, depth, theta[:, FAT], theta[:, RATIO])  # (units, places, wavenumbers)
        weight = self._at_channels(self._over_disc(field)) * self._waves(theta, view)[0]
        return weight.flatten(2) @ self._current(theta) @ self._to_times

    def with_slopes(self, theta: Tensor, view: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Waveforms, and their derivatives, shape (units, `COLUMNS`, channels or seen, samples)."""
        units = len(theta)
        lateral, depth = self._territory(theta)
        field, slopes = self._lead.with_slopes(lateral, depth, theta[:, FAT], theta[:, RATIO])
        waves, moved = self._waves(theta, view)  # (units, seen, 2, wavenumbers)
        lead = self._at_channels(self._over_disc(field))
        seen = {IZ: moved * lead, **{
            place: waves * self._at_channels(slope) for place, slope in self._lead_slopes(theta, slopes).items()
        }}  # fmt: skip
        weight = (waves * lead).flatten(2)  # (units, seen, 2 wavenumbers)
        stepped = theta.repeat(len(STEPS) + 1, 1)
        for i, (place, step) in enumerate(STEPS.items()):
            stepped[units * i : units * (i + 1), place] += step
        current = self._current(stepped).unflatten(0, (-1, units))  # (variants, units, 2 wavenumbers, 2 frequencies)
        here = current[-1]
        spectrum = weight @ here  # (units, seen, 2 frequencies)
        by = {place: one.flatten(2) @ here for place, one in seen.items()}
        for i, (place, step) in enumerate(STEPS.items()):
            by[place] = weight @ ((current[i] - here) / step)
        real, imaginary = spectrum.chunk(2, dim=-1)
        plain, damping = self._frequency.real, -self._frequency.imag  # -i (w - i a) = -a - i w
        by[DELAY] = torch.cat([plain * imaginary - damping * real, -plain * real - damping * imaginary], dim=-1)
        whole = torch.stack([spectrum, *(by[place] for place in range(len(COLUMNS)))], dim=1) @ self._to_times
        return whole[:, 0], whole[:, 1:]

    def _territory(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Lateral distance and depth from every place in the territory to every column, (units, places x columns)."""
        radius, depth = theta[:, RADIUS, None], theta[:, DEPTH, None]  # (units, 1)
        x, y = self._disc[:, 0], self._disc[:, 1]
        upward = torch.minimum(radius, (depth - SHALLOWEST_MM).clamp(min=0.0))  # as `fibres.place` flattens it
        down = depth + y * torch.where(y < 0.0, upward, radius)  # (units, places)
        lateral = self._columns - (theta[:, LATERAL, None] + x * radius)[..., None]  # (units, places, columns)
        return lateral.flatten(1), down[..., None].expand_as(lateral).flatten(1)

    def _over_disc(self, field: Tensor) -> Tensor:
        """Mean over the territory, (..., places x columns, wavenumbers) to (..., columns, wavenumbers)."""
        return torch.einsum("p,...pck->...ck", self._disc[:, 2], field.unflatten(-2, (len(self._disc), -1)))

    def _lead_slopes(self, theta: Tensor, slopes: Tensor) -> dict[int, Tensor]:
        """Derivatives of the mean lead field by what it depends on, each (units, columns, wavenumbers)."""
        by_lateral, by_depth, by_fat, by_ratio = slopes.unflatten(
            -2, (len(self._disc), -1)
        )  # (units, places, columns, k)
        radius, depth = theta[:, RADIUS, None], theta[:, DEPTH, None]
        x, y, weight = self._disc.unbind(1)
        flat = (depth - SHALLOWEST_MM < radius) & (y < 0.0)  # (units, places)
        down = torch.where(flat, 1.0 + y, torch.ones_like(y))  # d depth of the place / d depth of the unit
        wide = torch.where(flat, torch.zeros_like(y), y)  # d depth of the place / d radius

        def mean(share: Tensor, slope: Tensor) -> Tensor:
            return torch.einsum("up,upck->uck", (weight * share).expand(len(theta), -1), slope)

        one = torch.ones_like(y)
        return {
            LATERAL: mean(-one, by_lateral), DEPTH: mean(down, by_depth),
            RADIUS: mean(-x, by_lateral) + mean(wide, by_depth), FAT: mean(one, by_fat), RATIO: mean(one, by_ratio),
        }  # fmt: skip

    def _at_channels(self, lead: Tensor) -> Tensor:
        """From columns to channels, and to even and odd waves, (units, channels, 1, wavenumbers)."""
        return (lead * self._measure)[:, self._column, None]

    def _waves(self, theta: Tensor, view: Tensor | None) -> tuple[Tensor, Tensor]:
        """Even and odd waves at the channels, from the innervation zone, and their derivatives by its place.

        A view must not mix columns: the lead field is taken to be that of the channel's own.
        """
        k = self._wavenumber
        place = self._along - theta[:, IZ, None]  # (units, channels)
        phase = place[..., None] * k
        even, odd = torch.cos(phase), torch.sin(phase)
        if self._step:
            further = phase + self._step * k
            even, odd = torch.cos(further) - even, torch.sin(further) - odd
        waves = torch.stack([even, odd], dim=2)  # (units, channels, 2, wavenumbers)
        if view is not None:
            waves = (view @ waves.flatten(2)).unflatten(2, (2, -1))
        return waves, torch.stack([waves[:, :, 1] * k, -waves[:, :, 0] * k], dim=2)

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
            end = theta[:, place, None] + self._end  # (units, 3)
            gone = torch.exp(-1j * kappa[:, :, None] * end[:, None, :, None]) * over_zone[:, :, None]
            gone = gone * self._end_share[:, None]  # (units, velocities, 3, frequencies)
            in_time += [-gone, -1j * kappa[:, :, None] * gone]
            phase = end[..., None] * k  # (units, 3, wavenumbers)
            cos, sin = torch.cos(phase), torch.sin(phase)
            in_space += [k * cos, sin]
            odd_space += [sign * k * sin, -sign * cos]
        times = torch.cat(in_time, dim=2)  # (units, velocities, 13, frequencies)
        times = torch.cat([times.real, times.imag], dim=-1)
        spaces = torch.cat([torch.cat(in_space, 1), torch.cat(odd_space, 1)], dim=2)  # (units, 13, 2 wavenumbers)
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
