"""What each channel is worth, in a word, from a few seconds of it: like an impedance check, without a current."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from ...models.bandpass import design_filter
from ...stream.filter import CausalFilter
from ...stream.geometry import Geometry
from ...stream.watch import GOOD, REASONS, replace_what_is_no_number
from ..estimation_channels import bad_channels

WORDS = ("good", "weak", "noisy", "mains", "flat", "saturated", "not a number")
LEFT_OUT = ("noisy", "flat", "saturated", "not a number")
MAINS_HZ = (50.0, 60.0)
LOW_HZ, HIGH_HZ = 20.0, 500.0
WINDOW_S = 2.0  # of a spectrum: lines half a hertz wide
LINE_HZ, BESIDE_HZ = 1.0, (3.0, 8.0)  # the mains, and the EMG beside it that is taken off
# Chosen by hand, between what sound recordings show and what the faults of `play` do.
MAINS_SHARE, MAINS_UV = 0.5, 5.0  # of the power and RMS, from which it is more mains than EMG
MUCH_MAINS = 4.0  # times the median of all channels': an electrode of its own accord, not the room
NOTCH_SHARE = 0.1  # median over the channels, from which a notch is proposed
WEAK = 0.25  # of the neighbours' median RMS


@dataclass(frozen=True)
class ChannelQuality:
    """One channel.

    Attributes
    ----------
    channel : int
        Place in the stream.
    rms_uv : float
        Between 20 and 500 Hz.
    mains_share : float
        Of the power between 20 and 500 Hz that is at the mains frequency and its harmonics, 0 to 1.
    mains_uv : float
        RMS of that.
    neighbours_db : float or None
        Its RMS against the median of its neighbours'.
    like_neighbours : float or None
        Correlation with their mean.
    word : str
        One of WORDS.
    """

    channel: int
    rms_uv: float
    mains_share: float
    mains_uv: float
    neighbours_db: float | None
    like_neighbours: float | None
    word: str


@dataclass(frozen=True)
class Check:
    """All channels.

    Attributes
    ----------
    channels : list of ChannelQuality
    mains_hz : float
        50 or 60, whichever there is more of.
    leave_out : list of int
        Channels proposed to be left out.
    notch : bool
        Whether a notch at `mains_hz` is proposed.
    """

    channels: list[ChannelQuality]
    mains_hz: float
    leave_out: list[int]
    notch: bool

    def count(self) -> dict[str, int]:
        """How many channels each word was said of; words of none are left out."""
        said = [one.word for one in self.channels]
        return {word: said.count(word) for word in WORDS if word in said}

    def sentences(self) -> list[str]:
        """What is proposed, for a person."""
        counted = ", ".join(f"{count} {word}" for word, count in self.count().items())
        said = [f"{len(self.channels)} channels: {counted}"]
        if self.leave_out:
            said.append(f"to be left out: {', '.join(map(str, self.leave_out))}")
        if self.notch:
            said.append(
                f"much of it is mains: look at cables and the ground, or notch it with --mains {self.mains_hz:g}"
            )
        return said

    def as_json(self) -> dict[str, Any]:
        """As `session check --json` says it."""
        return {
            "channels": [vars(one) for one in self.channels], "words": self.count(), "mains_hz": self.mains_hz,
            "leave_out": self.leave_out, "notch": self.notch,
        }  # fmt: skip


def check_channels(emg: NDArray[np.float32], fs_hz: float, geometry: Geometry, index: NDArray[np.int64]) -> Check:
    """Judge every channel.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
        Some seconds, unfiltered; what is no number may stand in it.
    fs_hz : float
    geometry : Geometry
    index : ndarray of int64, shape (channels,)
        Places in the stream.
    """
    raw = np.array(emg, np.float32, order="C")
    whole = raw.copy()
    first = np.where(np.isfinite(raw), raw, 0.0)[0].astype(np.float32)
    replace_what_is_no_number(whole, first)
    filtered = whole.copy()
    CausalFilter(design_filter(fs_hz, low_hz=LOW_HZ, high_hz=HIGH_HZ).sections, filtered.shape[1])(filtered)
    settled = filtered[round(0.1 * fs_hz) :].astype(np.float64)
    flags = bad_channels(raw, filtered, fs_hz, geometry)
    rms = np.sqrt(np.square(settled).mean(axis=0))  # (channels,) uV
    mains_hz, share, mains_uv = _mains(whole, fs_hz)
    beside = geometry.neighbours() & (flags == GOOD)  # (channels, neighbours)
    words, found = [], []
    for c, channel in enumerate(index.tolist()):
        near = np.flatnonzero(beside[c])
        usual = float(np.median(rms[near])) if len(near) else 0.0
        level_db = 20.0 * float(np.log10(max(rms[c], 1e-3) / usual)) if usual > 0 else None
        words.append(_word(int(flags[c]), share[c], mains_uv[c], rms[c], usual))
        found.append(
            ChannelQuality(
                channel, float(rms[c]), float(share[c]), float(mains_uv[c]), level_db, _likeness(settled, c, near),
                words[-1],
            )
        )  # fmt: skip
    much = MUCH_MAINS * float(np.median(mains_uv))
    leave_out = [
        one.channel for one in found if one.word in LEFT_OUT or (one.word == "mains" and one.mains_uv > much)
    ]  # fmt: skip
    return Check(found, mains_hz, leave_out, bool(np.median(share) > NOTCH_SHARE))


def _word(flag: int, share: float, mains_uv: float, rms: float, usual: float) -> str:
    if flag != GOOD and REASONS[flag] != "noisy":
        return REASONS[flag]
    if share > MAINS_SHARE and mains_uv > MAINS_UV:
        return "mains"
    if flag != GOOD:
        return REASONS[flag]
    return "weak" if rms < WEAK * usual else "good"


def _mains(
    raw: NDArray[np.float32], fs_hz: float
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """The mains frequency, its share of each channel's power, and its RMS, uV."""
    window = min(len(raw), round(WINDOW_S * fs_hz))
    frequency, density = scipy.signal.welch(raw, fs_hz, nperseg=window, axis=0)  # (frequencies, channels) uV^2/Hz
    step = frequency[1]
    band = (frequency >= LOW_HZ) & (frequency <= HIGH_HZ)
    total = density[band].sum(axis=0) * step
    at_each = []
    for mains_hz in MAINS_HZ:
        power = np.zeros(raw.shape[1])
        for line_hz in np.arange(mains_hz, min(HIGH_HZ, 0.45 * fs_hz), mains_hz):
            off = np.abs(frequency - line_hz)
            line, beside = off <= LINE_HZ, (off >= BESIDE_HZ[0]) & (off <= BESIDE_HZ[1])
            emg = np.median(density[beside], axis=0) if beside.any() else 0.0
            power += np.maximum(0.0, (density[line] - emg).sum(axis=0)) * step
        at_each.append(power)
    which = int(np.median(at_each[1]) > np.median(at_each[0]))
    power = at_each[which]
    share = np.clip(power / np.maximum(total, 1e-12), 0.0, 1.0) * (total > 1e-9)
    return MAINS_HZ[which], share, np.sqrt(power)


def _likeness(settled: NDArray[np.float64], channel: int, near: NDArray[np.int64]) -> float | None:
    if len(near) == 0:
        return None
    own, mean = settled[:, channel], settled[:, near].mean(axis=1)
    scale = float(np.sqrt(np.square(own).sum() * np.square(mean).sum()))
    return float(own @ mean) / scale if scale > 0 else None
