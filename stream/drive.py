"""Neural drive: rate of every unit, cumulative spike train, EMG envelope and a command from 0 to 1.

Everything advances sample by sample and is read out at fixed sample numbers, so it does not depend on the hop. The
summed rate and the envelope each pass two equal one-pole low-passes, whose group delay at slow changes is exactly
the smoothing time; a discharge enters when it is decided, `lookahead` samples after it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .decoder_file import CommandLevels

RATE_INTERVALS = 3  # a unit's rate is the mean of its last intervals, at most this many
SILENT_AFTER_S = 0.5  # a unit with no discharge for this long has rate 0


@njit("float64(int64[::1], int64, int64, float64)", cache=True, nogil=True, inline="always")
def _rate(spikes, now, silent, fs):  # type: ignore[no-untyped-def]
    """Pulses/s from a unit's last discharges; falls as soon as the next one is overdue."""
    newest = spikes[len(spikes) - 1]
    if now - newest >= silent:
        return 0.0
    oldest = newest
    intervals = 0
    for i in range(len(spikes) - 2, -1, -1):
        if oldest - spikes[i] >= silent:
            break
        oldest = spikes[i]
        intervals += 1
    if intervals == 0:
        return 0.0
    mean = (newest - oldest) / intervals
    return fs / max(mean, float(now - newest), 1.0)  # two at one sample are no unit's, and no reason to end


@njit(
    "int64(float32[:, ::1], boolean[::1], int64, int64[::1], int64[::1], int64, int64, float64, float64[::1],"
    " int64[:, ::1], float64, int64, float64, float64[:, ::1])",
    cache=True,
    nogil=True,
)
def _drive_kernel(  # type: ignore[no-untyped-def]
    signal, good, first_sample, unit, spike_sample, spikes, lookahead, keep, smooth, history, fs, silent, rate_hz, out
):
    samples, channels = signal.shape
    units, kept = history.shape
    next_spike = 0
    rows = 0
    gain = (1.0 - keep) * fs  # one pulse adds this much to the first low-pass, pulses/s
    for t in range(samples):
        n = first_sample + t
        pulses = 0.0
        while next_spike < spikes and spike_sample[next_spike] + lookahead == n:
            m = unit[next_spike]
            for i in range(kept - 1):
                history[m, i] = history[m, i + 1]
            history[m, kept - 1] = spike_sample[next_spike]
            pulses += 1.0
            next_spike += 1
        total = 0.0
        counted = 0
        for c in range(channels):
            if good[c]:
                total += abs(signal[t, c])
                counted += 1
        rectified = total / max(counted, 1)
        smooth[0] = keep * smooth[0] + gain * pulses
        smooth[1] = keep * smooth[1] + (1.0 - keep) * smooth[0]
        smooth[2] = keep * smooth[2] + (1.0 - keep) * rectified
        smooth[3] = keep * smooth[3] + (1.0 - keep) * smooth[2]
        k = math.floor(n * rate_hz / fs)
        if math.ceil(k * fs / rate_hz) == n or math.ceil((k + 1) * fs / rate_hz) == n:  # k may be rounded down
            out[rows, 0] = n
            out[rows, 1] = smooth[1]
            out[rows, 2] = smooth[3]
            for m in range(units):
                out[rows, 3 + m] = _rate(history[m], n - lookahead, silent, fs)
            rows += 1
    return rows


@dataclass(frozen=True)
class DriveSettings:
    """How the drive is made.

    Parameters
    ----------
    rate_hz : float
        Drive messages a second; number k is due at sample ``ceil(k fs / rate_hz)``.
    smoothing_s : float
        Group delay of the smoothing, s.
    fallback : {"none", "envelope"}
        What makes the command when the units cannot.
    """

    rate_hz: float = 100.0
    smoothing_s: float = 0.08
    fallback: str = "none"


class DriveMaker:
    """Advances the drive over each hop and reads it out where a message is due.

    Parameters
    ----------
    units, channels : int
    fs_hz : float
    lookahead : int
        Samples from a discharge to its decision.
    levels : CommandLevels
    settings : DriveSettings
    longest : int
        Most samples in one call.

    Attributes
    ----------
    due : ndarray of float64, shape (rows, 3 + units)
        Read-outs of the last call, in its first `count` rows: sample, summed rate (pulses/s), envelope (uV), then
        the rate of every unit (pulses/s).
    good : ndarray of bool, shape (channels,)
        Channels that make the envelope.
    delay_s : float
        Declared group delay of `command` and `cst`, s: smoothing and look-ahead.
    """

    def __init__(
        self,
        units: int,
        channels: int,
        fs_hz: float,
        lookahead: int,
        levels: CommandLevels,
        settings: DriveSettings,
        longest: int,
    ) -> None:
        self.settings = settings
        self.levels = levels
        self.count = 0
        self.good = np.ones(channels, np.bool_)
        self.due = np.zeros((int(longest * settings.rate_hz / fs_hz) + 2, 3 + units))
        self.delay_s = settings.smoothing_s + lookahead / fs_hz
        self.settle = 3 * math.ceil(settings.smoothing_s * fs_hz)  # samples until the low-passes forgot their start
        self._fs = float(fs_hz)
        self._lookahead = lookahead
        self._keep = low_pass_keep(settings.smoothing_s, fs_hz)
        self._silent = math.ceil(SILENT_AFTER_S * fs_hz)
        self._smooth = np.zeros(4)
        self._history = np.full((units, RATE_INTERVALS + 1), -(2**62), np.int64)
        self._command = 0.0

    def reset(self) -> None:
        """Start from silence: before the first sample and after a gap."""
        self._smooth[:] = 0.0
        self._history[:] = -(2**62)
        self._command = 0.0

    def __call__(
        self,
        signal: NDArray[np.float32],
        first_sample: int,
        unit: NDArray[np.int64],
        spike_sample: NDArray[np.int64],
        spikes: int,
    ) -> int:
        """Advance over `signal`, the filtered hop (samples, channels) in uV, and its `spikes` decided discharges."""
        self.count = _drive_kernel(
            signal, self.good, first_sample, unit, spike_sample, spikes, self._lookahead, self._keep, self._smooth,
            self._history, self._fs, self._silent, self.settings.rate_hz, self.due,
        )  # fmt: skip
        return self.count

    def command(self, row: int, valid: bool) -> tuple[float, str]:
        """The command of read-out `row` and what made it: "units", "envelope" or "none"."""
        levels = self.levels
        if valid:
            source = "units"
            wanted = _between(float(self.due[row, 1]), levels.rest, levels.full)
        elif self.settings.fallback == "envelope":
            source = "envelope"
            wanted = _between(float(self.due[row, 2]), levels.envelope_rest, levels.envelope_full)
        else:
            self._command = 0.0
            return 0.0, "none"
        if abs(wanted - self._command) > levels.dead_band or wanted in (0.0, 1.0):
            self._command = wanted
        return self._command, source


def _between(level: float, rest: float, full: float) -> float:
    return min(1.0, max(0.0, (level - rest) / (full - rest)))


def low_pass_keep(smoothing_s: float, fs_hz: float) -> float:
    """Coefficient of each of two one-pole low-passes whose group delays at 0 Hz add up to `smoothing_s`."""
    samples = smoothing_s * fs_hz / 2
    return samples / (1.0 + samples)  # y = a y + (1 - a) x has a group delay of a / (1 - a) samples at 0 Hz


def drive_reference(
    signal: NDArray[np.float32],
    discharges: list[tuple[int, int]],
    lookahead: int,
    fs_hz: float,
    settings: DriveSettings,
) -> NDArray[np.float64]:
    """The definition the kernel is held to, over a whole recording without bad channels.

    Parameters
    ----------
    signal : ndarray of float32, shape (samples, channels), uV
    discharges : list of (sample, unit)
    lookahead : int

    Returns
    -------
    ndarray of float64, shape (messages, 3)
        Sample, summed rate (pulses/s) and envelope (uV) of every message.
    """
    samples = len(signal)
    keep = low_pass_keep(settings.smoothing_s, fs_hz)
    pulses = np.zeros(samples)
    for sample, _ in discharges:
        if sample + lookahead < samples:
            pulses[sample + lookahead] += fs_hz
    rectified = np.abs(signal.astype(np.float64)).mean(axis=1)
    smoothed = []
    for level in (pulses, rectified):
        for _ in range(2):
            state = 0.0
            passed = np.empty(samples)
            for t, x in enumerate(level):
                state = keep * state + (1.0 - keep) * x
                passed[t] = state
            level = passed
        smoothed.append(level)
    numbers = range(int(samples * settings.rate_hz / fs_hz) + 2)
    due = np.array([math.ceil(k * fs_hz / settings.rate_hz) for k in numbers])
    due = due[due < samples]
    return np.column_stack([due, smoothed[0][due], smoothed[1][due]])
