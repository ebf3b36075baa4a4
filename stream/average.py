"""The running spike-triggered average of every unit over the array.

What is averaged is the signal the units were found in: the pipeline's filtered EMG, so a waveform has passed the
decoder's own causal filter, delay and phase included; whoever compares it with a model filters the model alike. A
discharge counts once its window, [-before, after) around ``spike_sample``, is complete, and windows are added in the
order of their discharges with the same arithmetic, so any hop gives the same averages to the bit. A window that would
reach over a gap, or before the first sample, is dropped and counted.

The first `memory` windows are averaged evenly; from then on each new one weighs 1 / memory and the old ones fade.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .average_window import noise_of_average, snr_db, window_samples

MEMORY = 100  # windows: 5 to 10 s of a steady contraction; 20 dB less noise than in one

_WINDOW_TYPES = "float32[:, ::1], int64, boolean[::1], float64, float32[:, ::1]"


@njit(
    f"void({_WINDOW_TYPES}, int64[::1], float64[::1], float64[::1], float32[::1], float32[::1])",
    cache=True,
    nogil=True,
)
def add_window(ring, first, good, memory, mean, count, variance, concentration, weight, square):  # type: ignore[no-untyped-def]
    """Add the window that begins at row `first` of `ring` (modulo its length) to one unit's average.

    `mean` is (window, channels), `count`, `variance` of a window's sample and `concentration` (sum of squared
    weights) are (channels,), all updated in place; channels that are not `good` stay as they are. `weight` and
    `square` are (channels,), for its own use.
    """
    length = ring.shape[0]
    window, channels = mean.shape
    for c in range(channels):
        square[c] = 0.0
        weight[c] = 0.0
        if good[c]:
            weight[c] = 1.0 / min(count[c] + 1.0, memory)
    row = first % length
    for t in range(window):
        for c in range(channels):
            step = ring[row, c] - mean[t, c]
            mean[t, c] += weight[c] * step
            square[c] += step * step
        row += 1
        if row == length:
            row = 0
    for c in range(channels):
        if good[c]:
            w = float(weight[c])
            count[c] += 1
            variance[c] = (1.0 - w) * (variance[c] + w * square[c] / window)
            concentration[c] = (1.0 - w) ** 2 * concentration[c] + w * w


@njit(
    "int64(float32[:, ::1], int64, int64[::1], int64[::1], int64, boolean[::1], float32[:, ::1], int64[::1],"
    " int64[:, ::1], int64, int64, float64, float32[:, :, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1],"
    " int64[::1], int64[::1], float32[:, ::1])",  # 19: Python 3.11 keeps 2000 argument tuples of 20
    cache=True,
    nogil=True,
)
def _average_kernel(  # type: ignore[no-untyped-def]
    signal, first_sample, unit, spike_sample, spikes, good, ring, queue, waiting,
    before, after, memory, mean, count, variance, concentration, added, dropped, scratch,
):  # fmt: skip
    samples, channels = signal.shape
    length = ring.shape[0]
    row = first_sample % length
    for t in range(samples):
        for c in range(channels):
            ring[row, c] = signal[t, c]
        row += 1
        if row == length:
            row = 0
    places = waiting.shape[0]
    for i in range(spikes):
        m = unit[i]
        if spike_sample[i] - before < queue[2] or queue[1] == places:
            dropped[m] += 1
            continue
        at = (queue[0] + queue[1]) % places
        waiting[at, 0] = m
        waiting[at, 1] = spike_sample[i]
        queue[1] += 1
    done = 0
    while queue[1] > 0 and waiting[queue[0], 1] + after <= first_sample + samples:
        m = waiting[queue[0], 0]
        first = waiting[queue[0], 1] - before
        add_window(
            ring, first, good, memory, mean[m], count[m], variance[m], concentration[m], scratch[0], scratch[1]
        )  # fmt: skip
        added[m] += 1
        queue[0] = (queue[0] + 1) % places
        queue[1] -= 1
        done += 1
    return done


def average_reference(
    windows: NDArray[np.float32], memory: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """The definition the kernels are held to.

    Parameters
    ----------
    windows : ndarray of float32, shape (discharges, window, channels), uV
        In order of time.
    memory : int

    Returns
    -------
    mean : ndarray of float64, shape (window, channels), uV
    variance : ndarray of float64, shape (channels,), uV^2
        Weighted scatter of the windows about `mean`, averaged over the window.
    concentration : float
        Sum of the squared weights: 1 / n for n equal ones.
    """
    weight = np.zeros(len(windows))
    for n in range(len(windows)):
        newest = 1.0 / min(n + 1, memory)
        weight[:n] *= 1.0 - newest
        weight[n] = newest
    mean = np.einsum("n,ntc->tc", weight, windows.astype(np.float64))
    scatter = np.einsum("n,ntc->tc", weight, (windows - mean) ** 2)
    return mean, scatter.mean(axis=0), float((weight**2).sum())


class AverageCopy:
    """One unit's average as it stood at one instant; the arrays are used again for the next.

    Parameters
    ----------
    averager : SpikeAverager
        Whose averages will be copied into it.

    Attributes
    ----------
    unit : int
    good : ndarray of bool, shape (channels,)
        Channels that counted when it was copied.
    """

    def __init__(self, averager: SpikeAverager) -> None:
        _, window, channels = averager.shape
        self.unit = -1
        self.good = np.zeros(channels, np.bool_)
        self.mean = np.zeros((window, channels), np.float32)
        self.variance = np.zeros(channels)
        self.concentration = np.zeros(channels)

    def waveform(self) -> NDArray[np.float32]:
        """The average, shape (channels, window), uV."""
        return np.ascontiguousarray(self.mean.T)

    def noise(self) -> NDArray[np.float64]:
        """Variance of a sample of the average by channel, uV^2, shape (channels,); NaN below two windows."""
        return noise_of_average(self.variance, self.concentration)

    def discharges(self) -> int:
        """Discharges that the average rests on: all of them, or as many equal ones as the faded ones are worth."""
        known = self.concentration[self.good & (self.concentration > 0.0)]
        return round(1.0 / float(known.min())) if len(known) else 0


class SpikeAverager:
    """Averages the windows around each unit's discharges, hop by hop; allocates nothing in a call.

    Parameters
    ----------
    units, channels : int
    fs_hz : float
    before, after : int, optional
        Samples of the window before the discharge, and from it on; by default BEFORE_S and AFTER_S.
    memory : int
        Windows averaged evenly before the oldest fade.
    longest : int
        Most samples in one call.
    lookahead : int
        A discharge is given at most this many samples after it, besides the hop.
    most_waiting : int, optional
        Discharges whose windows are incomplete at one time; those beyond it are dropped and counted.

    Attributes
    ----------
    added, dropped : ndarray of int64, shape (units,)
        Windows averaged, and windows left out: over a gap, or before the first sample.
    before, after, memory : int
    shape : (int, int, int)
        Units, samples of a window, channels.
    """

    def __init__(
        self,
        units: int,
        channels: int,
        fs_hz: float,
        *,
        before: int | None = None,
        after: int | None = None,
        memory: int = MEMORY,
        longest: int = 8,
        lookahead: int = 64,
        most_waiting: int | None = None,
    ) -> None:
        usual_before, usual_after = window_samples(fs_hz)
        self.fs_hz = fs_hz
        self.before = usual_before if before is None else before
        self.after = usual_after if after is None else after
        self.memory = memory
        if self.before < 0 or self.after < 1 or memory < 1:
            raise ValueError(f"a window of [-{self.before}, {self.after}) or a memory of {memory} is none")
        window = self.before + self.after
        self.shape = units, window, channels
        self._ring = np.zeros((window + longest + lookahead, channels), np.float32)
        places = most_waiting or units * (self.after + longest + lookahead)
        self._waiting = np.zeros((places, 2), np.int64)  # unit, sample
        self._queue = np.zeros(3, np.int64)  # first place taken, places taken, first sample there is
        self._longest = longest
        self._mean = np.zeros((units, window, channels), np.float32)
        self._count = np.zeros((units, channels), np.int64)
        self._variance = np.zeros((units, channels))
        self._concentration = np.zeros((units, channels))
        self._scratch = np.zeros((2, channels), np.float32)
        self._all_good = np.ones(channels, np.bool_)
        self.added = np.zeros(units, np.int64)
        self.dropped = np.zeros(units, np.int64)

    def reset(self, sample: int) -> None:
        """After a gap: the next sample is `sample`. Windows still incomplete are dropped; the averages stay."""
        first, taken, _ = self._queue
        for i in range(taken):
            self.dropped[self._waiting[(first + i) % len(self._waiting), 0]] += 1
        self._queue[:] = 0, 0, sample

    def forget(self) -> None:
        """Begin all averages anew."""
        for array in (self._mean, self._count, self._variance, self._concentration, self.added, self.dropped):
            array[:] = 0

    def begin_anew(self, channels: NDArray[np.bool_]) -> None:
        """Forget the averages of some `channels`, bool (channels,): what came before a flag was no EMG already."""
        self._mean[:, :, channels] = 0.0
        for array in (self._count, self._variance, self._concentration):
            array[:, channels] = 0

    def __call__(
        self,
        signal: NDArray[np.float32],
        first_sample: int,
        unit: NDArray[np.int64],
        sample: NDArray[np.int64],
        spikes: int,
        good: NDArray[np.bool_] | None = None,
    ) -> int:
        """Take one hop and the discharges decided by it.

        Parameters
        ----------
        signal : ndarray of float32, shape (samples, channels), uV
            Filtered.
        first_sample : int
            Sample period of its first row; follows the last hop's, or was given to `reset`.
        unit, sample : ndarray of int64
            Discharges in their first `spikes` places, in order of sample over all calls.
        spikes : int
        good : ndarray of bool, shape (channels,), optional
            The other channels' averages stay as they are.

        Returns
        -------
        int
            Windows completed and added.
        """
        if len(signal) > self._longest:
            raise ValueError(f"a hop of {len(signal)} samples where at most {self._longest} were announced")
        return int(
            _average_kernel(
                signal, first_sample, unit, sample, spikes, self._all_good if good is None else good,
                self._ring, self._queue, self._waiting, self.before, self.after, float(self.memory),
                self._mean, self._count, self._variance, self._concentration, self.added, self.dropped,
                self._scratch,
            )
        )  # fmt: skip

    def copy(self, unit: int, good: NDArray[np.bool_], into: AverageCopy) -> None:
        """Copy a unit's average, of which the `good` channels count; takes no memory."""
        into.unit = unit
        np.copyto(into.good, good)
        np.copyto(into.mean, self._mean[unit])
        np.copyto(into.variance, self._variance[unit])
        np.copyto(into.concentration, self._concentration[unit])

    def part(self, unit: int, samples: slice) -> NDArray[np.float32]:
        """Some samples of a unit's average as it stands, shape (samples, channels), uV; not a copy."""
        return self._mean[unit, samples]

    def waveform(self, unit: int) -> NDArray[np.float32]:
        """A copy of a unit's average, shape (channels, window), uV."""
        return np.ascontiguousarray(self._mean[unit].T)

    def noise(self, unit: int) -> NDArray[np.float64]:
        """Variance of a sample of the average by channel, uV^2, shape (channels,); NaN below two windows."""
        return noise_of_average(self._variance[unit], self._concentration[unit])

    def snr_db(self, unit: int, good: NDArray[np.bool_] | None = None) -> float:
        """Signal-to-noise ratio of a unit's average over the `good` channels, dB. See `snr_db`."""
        noise = self.noise(unit)
        if good is not None:
            noise[~good] = np.nan
        return snr_db(self._mean[unit], noise, self.fs_hz)
