"""What can go wrong with an amplifier, written down in a line each and played by `amplifier.py`.

A fault is ``KIND@AT:LENGTH,option=value,...``: from second AT on, for LENGTH seconds, or samples as in "37n". Faults
compose, each is drawn from a seed, and what happens to a sample depends on its number alone: the same line is the
same fault at any chunk and at any speed.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stream.errors import OptionError
from .channels import channel_list

# kind: (what it does, its options with what they are without being given; None: must be given or has a rule of its own)
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "gap": ("samples are never sent", {}),
    "drop": ("a share of the chunks is never sent", {"share": 0.1}),
    "duplicate": ("a share of the chunks is sent twice", {"share": 0.1}),
    "jitter": ("time stamps of the chunks are off by a Gaussian", {"sd_ms": 2.0}),
    "equal": ("all samples of a chunk carry its last time stamp", {}),
    "burst": ("so many chunks are held and sent at once, with true stamps", {"chunks": 10.0}),
    "drift": ("the real rate is off", {"ppm": 500.0}),
    "clock": ("the time stamps are off by so many seconds, back or forward", {"jump": -0.5}),
    "stall": ("nothing is sent, then all of it at once with true stamps", {}),
    "die": ("the stream goes away, and comes back", {"rate": 0.0, "channels": 0.0, "labels": "", "count": "on"}),
    "nan": ("channels are no numbers", {"channels": ""}),
    "flat": ("channels stay where they are", {"channels": ""}),
    "saturated": ("channels run against their rail", {"channels": "", "uv": 5000.0}),
    "noise": ("channels are not connected", {"channels": "", "uv": 500.0}),
    "swap": ("channels change places, two by two", {"channels": ""}),
    "artefact": ("a cable moves", {"channels": "", "uv": 2000.0}),
    "pop": ("electrodes pop: steps, about five a second on each, that decay", {"channels": "", "uv": 1000.0}),
    "mains": ("the mains come in", {"channels": "", "uv": 300.0, "hz": 50.0}),
}
ON_SAMPLES = ("nan", "flat", "saturated", "noise", "swap", "artefact", "pop", "mains")
ENDLESS = ("clock", "drift")  # these may go without a length
_NOISE_BLOCK = 1024


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong while playing.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    at_s : float, s
        When, from the first sample.
    seconds : float, s
        For how long; infinite where it stays.
    samples : int
        The same in samples; 0 where it is given in seconds.
    options : dict
        As `KINDS` names them.
    """

    kind: str
    at_s: float
    seconds: float = 0.0
    samples: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read "gap@5:0.2", a gap of 0.2 s at second 5, "gap@5:37n", of 37 samples, or "drop@5:2,share=0.1"."""
        place, *given = text.split(",")
        kind, _, when = place.partition("@")
        at, _, length = when.partition(":")
        try:
            at_s = float(at)
            if kind in KINDS and kind not in ENDLESS and not length and 0 <= at_s < math.inf:
                raise OptionError(f'"{text}": {kind} needs a length, as in "{kind}@{at}:2", for 2 s.')
            if kind in ENDLESS and not length:
                seconds, samples = math.inf, 0
            elif length.endswith("n"):
                seconds, samples = 0.0, int(length[:-1])
            else:
                seconds, samples = float(length), 0
                if not 0 < seconds < math.inf:
                    raise ValueError
            if kind not in KINDS or not 0 <= at_s < math.inf or (length.endswith("n") and samples < 1):
                raise ValueError
        except ValueError:
            raise OptionError(
                f'"{text}" is no fault: write one of {", ".join(KINDS)} as in "gap@5:0.2", for 0.2 s from second 5, '
                'or "gap@5:37n", for 37 samples.'
            ) from None
        known = KINDS[kind][1]
        options: dict[str, Any] = {}
        for item in given:
            name, _, value = item.partition("=")
            options[name] = _option(text, kind, known, name, value)
        return cls(kind, at_s, seconds, samples, options)

    def __getitem__(self, name: str) -> Any:
        return self.options.get(name, KINDS[self.kind][1][name])

    def first(self, fs_hz: float) -> int:
        """First sample it lasts at."""
        return round(self.at_s * fs_hz)

    def end(self, fs_hz: float) -> float:
        """The sample after its last; infinite where it stays."""
        if math.isinf(self.seconds):
            return math.inf
        return self.first(fs_hz) + (self.samples or round(self.seconds * fs_hz))

    def covers(self, sample: int, fs_hz: float) -> bool:
        """Whether the fault lasts at a sample."""
        return self.first(fs_hz) <= sample < self.end(fs_hz)


def _option(text: str, kind: str, known: dict[str, Any], name: str, value: str) -> Any:
    if name not in known:
        has = f"has {', '.join(known)}" if known else "has none"
        raise OptionError(f'"{text}" has an option that {kind} does not know, "{name}": {kind} {has}.')
    if isinstance(known[name], str):
        allowed = {"labels": ("new",), "count": ("on", "anew")}.get(name)
        if value and (allowed is None or value in allowed):
            return value
        raise OptionError(f'"{text}" gives no {name}: write {" or ".join(allowed or ("3+7",))}.')
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    least, most = {
        "share": (0.0, 1.0), "jump": (-1e9, 1e9), "ppm": (-10_000.0, 10_000.0), "chunks": (1, 10_000),
        "channels": (1, 10_000), "rate": (1, 1e6), "hz": (1, 1000),
    }.get(name, (0.0, 1e6))  # fmt: skip
    if not least <= number <= most:
        raise OptionError(f'"{text}" gives no {name}: write a number from {least:g} to {most:g}.')
    return number


class FaultPlan:
    """All faults of one playing: what happens to each sample and each chunk.

    Parameters
    ----------
    faults : sequence of Fault
    fs_hz : float
    channels : int
        EMG channels.
    chunk : int, samples
    seed : int
    """

    def __init__(self, faults: Sequence[Fault], fs_hz: float, channels: int, chunk: int, seed: int = 0) -> None:
        self._fs = fs_hz
        self._chunk = chunk
        self._seed = seed
        self._all = [(number, fault) for number, fault in enumerate(faults)]
        self._channels = {
            number: _channels_of(fault, channels) for number, fault in self._all if fault.kind in ON_SAMPLES
        }
        self._noise: dict[tuple[int, int], NDArray[np.float64]] = {}
        self.spoils = any(fault.kind in ON_SAMPLES for fault in faults)
        self.deaths = sorted((fault for fault in faults if fault.kind == "die"), key=lambda fault: fault.at_s)
        for one, other in zip(self.deaths, self.deaths[1:], strict=False):
            if one.end(fs_hz) >= other.first(fs_hz):
                raise OptionError("two deaths of the amplifier overlap: let it come back before it dies again.")

    def _now(self, kind: str, sample: int) -> list[tuple[int, Fault]]:
        return [(i, f) for i, f in self._all if f.kind == kind and f.covers(sample, self._fs)]

    def _draw(self, fault: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, fault, number])

    @property
    def clock_jumps(self) -> list[int]:
        """Samples at which the time stamps jump."""
        places = [(f.first(self._fs), f.end(self._fs)) for _, f in self._all if f.kind == "clock"]
        return sorted(int(place) for pair in places for place in pair if math.isfinite(place))

    # which samples leave, and how often

    def runs(self, first: int, count: int) -> list[tuple[int, int]]:
        """The samples of a chunk that are sent, as stretches (first, count)."""
        sent = np.ones(count, np.bool_)
        for i, fault in self._all:
            if fault.kind in ("gap", "die"):
                begin, end = fault.first(self._fs) - first, fault.end(self._fs) - first
                if begin < count and end > 0:
                    sent[max(0, begin) : int(min(count, end))] = False
            elif fault.kind == "drop" and fault.covers(first, self._fs):
                sent[:] &= self._draw(i, first // self._chunk).random() >= fault["share"]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], sent, [False]]).astype(np.int8)))
        return [(first + int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]

    def copies(self, first: int) -> int:
        """How often the chunk that begins with a sample is sent."""
        doubled = [self._draw(i, first // self._chunk).random() < f["share"] for i, f in self._now("duplicate", first)]
        return 1 + sum(doubled)

    # when

    def time(self, sample: float) -> float:
        """When a sample is taken, s after the first: at the nominal rate, but for drift and after a death."""
        elapsed, counted, rate = 0.0, 0.0, self._fs
        for death in self.deaths:
            returns = death.end(self._fs)
            if sample < returns:
                break
            elapsed += (returns - counted) / rate
            counted, rate = returns, death["rate"] or self._fs
        late = 0.0
        for _, fault in self._all:
            if fault.kind == "drift":
                lasted = min(sample, fault.end(self._fs)) - fault.first(self._fs)
                late += max(0.0, lasted) * (1.0 / (1.0 + fault["ppm"] * 1e-6) - 1.0)
        return elapsed + (sample - counted) / rate + late / self._fs

    def stamps(self, first: int, count: int, begin: int) -> tuple[float, bool]:
        """Time stamp of the last of `count` samples from `first` on, s after the first sample of all.

        Also whether all of them carry it; `begin` is the first sample of their chunk.
        """
        last = first + count - 1
        stamp = self.time(last)
        for _, fault in self._now("clock", last):
            stamp += fault["jump"]
        for i, fault in self._now("jitter", begin):
            stamp += 1e-3 * fault["sd_ms"] * float(self._draw(i, begin // self._chunk).normal())
        return stamp, bool(self._now("equal", begin))

    def due(self, first: int, count: int) -> float:
        """When the chunk of these samples leaves, s after the first sample of all."""
        due = self.time(first + count - 1)
        for _, fault in self._now("stall", first):
            due = max(due, self.time(fault.end(self._fs)))
        for _, fault in self._now("burst", first):
            together = int(fault["chunks"]) * self._chunk
            begin = fault.first(self._fs)
            due = max(due, self.time(begin + ((first - begin) // together + 1) * together - 1))
        return due

    # what the samples are

    def spoil(self, first: int, block: NDArray[np.float32], at: NDArray[np.float32]) -> NDArray[np.float32]:
        """The samples of a chunk with what goes wrong on its channels.

        Parameters
        ----------
        first : int
            Sample number of the first row.
        block : ndarray of float32, shape (samples, channels), uV
        at : ndarray of float32, shape (faults, channels), uV
            The samples at which each fault begins.
        """
        end = first + len(block)
        for i, fault in self._all:
            begin, stop = fault.first(self._fs), fault.end(self._fs)
            if fault.kind not in ON_SAMPLES or begin >= end or stop <= first:
                continue
            rows = slice(max(0, begin - first), int(min(len(block), stop - first)))
            block = block.copy()
            number = np.arange(first + rows.start, first + rows.stop)
            block[rows] = self._spoiled(i, fault, block[rows], number, at[i])
        return block

    def _spoiled(
        self, i: int, fault: Fault, block: NDArray[np.float32], number: NDArray[np.int64], at: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        channels = self._channels[i]
        block = block.copy()
        if fault.kind == "nan":
            block[:, channels] = np.nan
        elif fault.kind == "flat":
            block[:, channels] = at[channels]
        elif fault.kind == "saturated":
            block[:, channels] = np.clip(100.0 * (block[:, channels] - at[channels]), -fault["uv"], fault["uv"])
        elif fault.kind == "noise":
            block[:, channels] = fault["uv"] * self._noise_of(i, number, len(channels))
        elif fault.kind == "swap":
            block[:, channels] = block[:, channels.reshape(-1, 2)[:, ::-1].ravel()]
        elif fault.kind == "pop":
            block[:, channels] += self._pops(i, fault, number, len(channels))
        elif fault.kind == "mains":
            cycle = 2 * np.pi * fault["hz"] * number / self._fs
            wave = np.sin(cycle) + 0.3 * np.sin(3 * cycle + 1) + 0.1 * np.sin(5 * cycle + 2)
            block[:, channels] += (fault["uv"] * wave)[:, None]
        else:
            block[:, channels] += self._cable(i, fault, number, len(channels))
        return block

    def _noise_of(self, i: int, number: NDArray[np.int64], channels: int) -> NDArray[np.float64]:
        blocks, pieces = number // _NOISE_BLOCK, []
        for block in np.unique(blocks).tolist():
            if (i, block) not in self._noise:
                if len(self._noise) > 16:
                    self._noise.clear()
                self._noise[i, block] = self._draw(i, block).normal(size=(_NOISE_BLOCK, channels))
            pieces.append(self._noise[i, block][number[blocks == block] % _NOISE_BLOCK])
        return np.concatenate(pieces)

    def _cable(self, i: int, fault: Fault, number: NDArray[np.int64], channels: int) -> NDArray[np.float64]:
        """Jerks at random instants, some ten a second, each a step that swings out; all channels feel it alike."""
        rng = self._draw(i, 0)
        gains = rng.uniform(0.5, 1.0, channels)
        first = fault.first(self._fs)
        seconds = (fault.end(self._fs) - first) / self._fs
        jerks = max(1, round(10 * seconds))
        begin, size = rng.uniform(0, seconds, jerks), rng.normal(0.0, 1.0, jerks)
        swing, decay = rng.uniform(3, 30, jerks), rng.uniform(0.02, 0.1, jerks)
        since = (number - first)[:, None] / self._fs - begin  # (samples, jerks) s
        going = np.where(since >= 0, np.exp(-np.maximum(since, 0) / decay) * np.cos(2 * np.pi * swing * since), 0.0)
        return fault["uv"] * (going @ size)[:, None] * gains

    def _pops(self, i: int, fault: Fault, number: NDArray[np.int64], channels: int) -> NDArray[np.float64]:
        """Steps at random instants on each channel by itself, each of which decays."""
        rng = self._draw(i, 0)
        first = fault.first(self._fs)
        seconds = (fault.end(self._fs) - first) / self._fs
        pops = max(1, round(5 * seconds))
        begin, size = rng.uniform(0, seconds, (pops, channels)), rng.normal(0.0, 1.0, (pops, channels))
        decay = rng.uniform(0.01, 0.1, (pops, channels))
        since = (number - first)[:, None, None] / self._fs - begin  # (samples, pops, channels) s
        going = np.where(since >= 0, np.exp(-np.maximum(since, 0) / decay) * size, 0.0)
        return fault["uv"] * going.sum(axis=1)


def _channels_of(fault: Fault, channels: int) -> NDArray[np.int64]:
    text = str(fault["channels"])
    try:
        chosen = channel_list(text.replace("+", ",")) if text else list(range(channels))
    except argparse.ArgumentTypeError:
        raise OptionError(f'"{text}" is no list of channels for {fault.kind}: write it as channels=3+7-9.') from None
    if max(chosen) >= channels:
        raise OptionError(f"{fault.kind} on channel {max(chosen)}: the recording has channels 0 to {channels - 1}.")
    if fault.kind == "swap" and len(chosen) % 2:
        raise OptionError(f"{fault.kind} needs channels two by two: give an even number of them, as in channels=3+7.")
    return np.array(chosen)


def described() -> str:
    """All kinds with their options, for `--help`."""
    lines = []
    for kind, (what, options) in KINDS.items():
        shown = ", ".join(_shown(name, value) for name, value in options.items())
        lines.append(f"  {kind:<10} {what}" + (f" ({shown})" if shown else ""))
    return "\n".join(lines)


def _shown(name: str, value: Any) -> str:
    if name == "channels":
        return "channels=3+7-9" if value == "" else "channels=N"
    if name in ("labels", "count", "rate"):
        return {"labels": "labels=new", "count": "count=anew", "rate": "rate=HZ"}[name]
    return f"{name}={value:g}"
