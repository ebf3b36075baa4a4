r"""Motor-unit action potentials at the electrodes: every fibre in closed form, by wavenumber and frequency.

A fibre's membrane current is the derivative along z of its axial current V'(z, t), which is 0 outside the fibre. Both
halves of a fibre carry the same shape away from the innervation point, so its transform over z (wavenumber k) and
over t (frequency s, kappa = s / v) has a closed form: geometric terms at the innervation point z_i and at either end
z_L, z_R, over kappa^2 - k^2. Nothing is discretised along the fibre; innervation point, ends and velocity move
continuously, and the whole is differentiable. The frequency has a small negative imaginary part: this is the Fourier
transform of e^(-a t) times the waveform, which has no pole at k = kappa and does not wrap around.

The membrane current of the same fibre on a grid of points is in `line_source.py`; tests hold the two equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from . import action_potential
from .conductors import Conductor, LeadField
from .electrodes import Electrodes
from .fibres import Fibres, UnitParameters, place
from .wavenumbers import Wavenumbers

MICROVOLTS_PER_MILLIVOLT = 1000.0
DAMPING = 3.0  # e-folds over the transform's period: what would wrap around is 20 times smaller
LEAD_IN_MS = 6.0  # computed before the window, for the low-pass to settle
LOW_PASS = (0.34, 0.07)  # of fs: where the gain is 1/2, and the width of its error-function edge
HIGHEST_GAIN = 2e-4  # frequencies passed less than this are left out


@dataclass(frozen=True)
class Window:
    """When a waveform is computed. Time 0 is when the action potential leaves the innervation point.

    Parameters
    ----------
    fs_hz : float
    samples : int
    start_ms : float
        Time of the first sample.
    slowest_ms : float
        Time by which every action potential has died out at the end of its fibre; later than the window's end is
        taken as is, and only what comes after both wraps around, 20 times smaller.
    """

    fs_hz: float = 2048.0
    samples: int = 102
    start_ms: float = -5.0
    slowest_ms: float = 45.0

    def times_ms(self) -> np.ndarray:
        """Time of each sample, ms, shape (samples,)."""
        return self.start_ms + np.arange(self.samples) * 1000.0 / self.fs_hz


class WaveformModel:
    """Waveforms of motor units at given electrodes in a given conductor.

    Parameters
    ----------
    conductor : Conductor
    electrodes : Electrodes
    window : Window
    wavenumbers : Wavenumbers
    reach_mm : float, optional
        How far from the array's centre, across the fibres, units may lie (layered conductors are tabulated out to
        there); by default 40 mm.
    dtype, device : optional
        Of everything computed; float32 on the CPU by default.
    """

    def __init__(
        self,
        conductor: Conductor,
        electrodes: Electrodes,
        window: Window | None = None,
        wavenumbers: Wavenumbers | None = None,
        reach_mm: float = 40.0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.conductor, self.electrodes, self.window = conductor, electrodes, window or Window()
        self.dtype, self.device = dtype, torch.device(device)
        anisotropy = float(torch.as_tensor(conductor.anisotropy).min())
        grid, width = (wavenumbers or Wavenumbers()).grid(anisotropy, conductor.cover_mm)
        self.wavenumber = self._tensor(grid)  # (wavenumbers,)

        columns, column = np.unique(np.round(electrodes.across_mm, 6), return_inverse=True)
        rows, row = np.unique(np.round(electrodes.along_mm, 6), return_inverse=True)
        self._columns = self._tensor(columns)  # (columns,)
        self._channel = torch.as_tensor(column * len(rows) + row, device=self.device)  # (channels,)
        self._rectangular = bool(
            len(electrodes) == len(rows) * len(columns) and (self._channel.cpu() == torch.arange(len(electrodes))).all()
        )
        self._to_rows = self._tensor(_row_matrix(rows, electrodes.step_mm, grid))  # (rows, 2 wavenumbers)
        self._averaging = electrodes.averaging(self.wavenumber)
        scale = action_potential.INTRACELLULAR_S_M * math.pi * action_potential.FIBRE_RADIUS_MM**2  # S/m mm^2
        self._measure = self._tensor(grid * width * (MICROVOLTS_PER_MILLIVOLT * scale / math.pi))  # (wavenumbers,)

        reach = reach_mm + float(np.abs(columns).max()) + electrodes.size_mm
        self._lead: LeadField = conductor.lead_field(self.wavenumber, reach)
        frequency, to_times = _time_matrix(self.window)
        self._frequency = torch.as_tensor(frequency, dtype=_complex_of(dtype), device=self.device)  # (frequencies,)
        self._to_times = self._tensor(to_times)  # (2 frequencies, samples)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=self.dtype, device=self.device)

    def __call__(self, parameters: UnitParameters, deviates: Tensor, mask: Tensor | None = None) -> Tensor:
        """Waveforms of units given by their parameters: `of_fibres` of `fibres.place`.

        Parameters
        ----------
        parameters : UnitParameters, (units,)
        deviates : Tensor, shape (units or 1, fibres, DIMENSIONS)
            `fibres.random_deviates` or `fibres.quadrature_deviates`.
        mask : Tensor of bool, shape (channels,) or (units, channels), optional
            Channels that exist; the others come out as 0.

        Returns
        -------
        Tensor, shape (units, channels, samples), uV
        """
        return self.of_fibres(place(parameters, deviates), mask)

    def of_fibres(self, fibres: Fibres, mask: Tensor | None = None) -> Tensor:
        """Waveforms of units given by their fibres, shape (units, channels, samples), uV."""
        units, count = fibres.weight.shape
        chunk = len(fibres) if torch.is_grad_enabled() else max(1, CACHED_FIBRES // count)
        if units <= chunk:
            waveform = self._waveform(fibres, self._lead)
        else:
            parts = [slice(i, i + chunk) for i in range(0, units, chunk)]
            waveform = torch.cat([self._waveform(fibres[part], self._lead.of_units(part)) for part in parts])
        if mask is None:
            return waveform
        return waveform * mask.to(waveform)[..., None]

    def _waveform(self, fibres: Fibres, lead: LeadField) -> Tensor:
        weight = self._electrode_weights(fibres, lead)  # (units, columns, fibres, wavenumbers)
        modes = self._current_modes(fibres)  # (units, fibres, 2, wavenumbers, 2 frequencies)
        units, columns = weight.shape[:2]
        at_columns = torch.einsum("ucfk,ufpkw->ucpkw", weight, modes)  # (units, columns, 2, wavenumbers, 2 freq.)
        at_columns = at_columns.reshape(units, columns, 2 * len(self.wavenumber), -1)
        spectrum = self._to_rows @ at_columns  # (units, columns, rows, 2 frequencies)
        waveform = (spectrum @ self._to_times).flatten(1, 2)  # (units, columns x rows, samples)
        return waveform if self._rectangular else waveform[:, self._channel]  # (units, channels, samples)

    def _electrode_weights(self, fibres: Fibres, lead: LeadField) -> Tensor:
        """What a fibre's current at each wavenumber makes at each column, uV."""
        across = self._columns - fibres.lateral_mm[..., None]  # (units, fibres, columns)
        depth = fibres.depth_mm[..., None]  # (units, fibres, 1)
        field = sum(
            lead(across + shift, depth) * (gain * self._measure) for shift, gain in self._averaging
        )  # (units, columns, fibres, wavenumbers)
        result: Tensor = field * fibres.weight[:, None, :, None]
        return result

    def _current_modes(self, fibres: Fibres) -> Tensor:
        """Even and odd part of each fibre's current by wavenumber and frequency.

        Returns
        -------
        Tensor, shape (units, fibres, 2, wavenumbers, 2 frequencies)
            Even and odd about z = 0; frequencies as real and imaginary parts side by side.
        """
        k = self.wavenumber
        velocity = fibres.velocity_m_s[..., None]  # (units, fibres, 1)
        kappa = self._frequency / velocity  # (units, fibres, frequencies)
        start = action_potential.slope_spectrum(kappa, fibres.ap_scale[:, None, None]) / velocity
        high = start * torch.exp(-1j * kappa * (fibres.high_end_mm - fibres.innervation_mm)[..., None])
        low = start * torch.exp(-1j * kappa * (fibres.innervation_mm - fibres.low_end_mm)[..., None])
        in_time = torch.stack([2.0 * start, -high, -low, -1j * kappa * high, 1j * kappa * low], dim=2)
        in_time = torch.view_as_real(in_time).transpose(-1, -2).flatten(-2)  # (units, fibres, 5, 2 frequencies)

        places = torch.stack([fibres.innervation_mm, fibres.high_end_mm, fibres.low_end_mm], dim=2)
        phase = places[..., None] * k  # (units, fibres, 3, wavenumbers)
        cos, sin = torch.cos(phase), torch.sin(phase)
        in_space = torch.stack(
            [torch.cat([k * cos, sin[:, :, 1:]], dim=2), torch.cat([k * sin, -cos[:, :, 1:]], dim=2)], dim=2
        )  # (units, fibres, 2, 5, wavenumbers)

        source = in_space.transpose(-1, -2) @ in_time[:, :, None]  # (units, fibres, 2, wavenumbers, 2 frequencies)
        # 1 / (kappa^2 - k^2) = (a - i b) / (a^2 + b^2)
        square = kappa**2
        a = square.real[:, :, None] - (k**2)[:, None]  # (units, fibres, wavenumbers, frequencies)
        b = square.imag[:, :, None]  # (units, fibres, 1, frequencies)
        size = torch.reciprocal(a * a + b * b)
        a, b = (a * size)[:, :, None], (b * size)[:, :, None]  # (units, fibres, 1, wavenumbers, frequencies)
        real, imaginary = source.chunk(2, dim=-1)
        return torch.cat([real * a + imaginary * b, imaginary * a - real * b], dim=-1)


CACHED_FIBRES = 60  # fibres worked on at once where no gradient is needed: what stays in a core's cache


def _row_matrix(rows: np.ndarray, step_mm: float, wavenumber: np.ndarray) -> np.ndarray:
    """From even and odd parts by wavenumber to rows, shape (rows, 2 wavenumbers)."""

    def waves(z: np.ndarray) -> np.ndarray:
        phase = z[:, None] * wavenumber  # (rows, wavenumbers)
        return np.concatenate([np.cos(phase), np.sin(phase)], axis=1)

    return waves(rows + step_mm) - waves(rows) if step_mm else waves(rows)


def _time_matrix(window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Damped frequencies, rad/ms, and the inverse transform to the window's samples, shape (2 frequencies, samples)."""
    dt = 1000.0 / window.fs_hz
    times = window.times_ms()
    begin = min(window.start_ms, 0.0) - LEAD_IN_MS
    period = max(times[-1] + dt, window.slowest_ms) - begin
    step = 2.0 * math.pi / period
    damping = DAMPING / period
    count = int(math.pi / dt / step) + 1
    plain = np.arange(count) * step  # (frequencies,) rad/ms
    middle, width = (share * 2.0 * math.pi / dt for share in LOW_PASS)
    gain = np.array([0.5 * math.erfc((w - middle) / width) for w in plain])
    plain, gain = plain[gain > HIGHEST_GAIN], gain[gain > HIGHEST_GAIN]
    # x(t) = (1 / period) e^(a t) sum over both signs of X(w - i a) e^(i w t)
    share = np.where(plain == 0.0, 1.0, 2.0) * gain / period
    growth = np.exp(damping * times)
    phase = plain[:, None] * times  # (frequencies, samples)
    matrix = np.concatenate([np.cos(phase), -np.sin(phase)]) * growth * np.tile(share, 2)[:, None]
    return plain - 1j * damping, matrix


def _complex_of(dtype: torch.dtype) -> torch.dtype:
    return torch.complex128 if dtype == torch.float64 else torch.complex64
