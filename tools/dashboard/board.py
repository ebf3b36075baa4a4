"""What the page can show, kept up to date by messages, in memory of fixed size.

One thread reads messages and another makes frames for the pages: both hold `lock` while they do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from ...stream.beside import MOST_SIGNALS
from ...stream.messages import Drive, Emg, Message, Muap, Params, Signal, Spikes, Status, Units
from .happenings import BAD, GOOD, WARN, Happenings, plural
from .pictures import matrix
from .ring import Ring
from .signal_trace import SignalTrace
from .words import SILENT_S, Facts, Headline, headline

SPAN_S = 60.0
FRAMES_HZ = 30
SPIKES_KEPT = 1 << 17  # 60 units of 36 discharges a second for a minute
DRIVE_KEPT = round(1.2 * SPAN_S * FRAMES_HZ)
DRIVE_STEP_S = 1.0 / FRAMES_HZ - 5e-3  # of messages at 100 Hz every third
EMG_BINS_HZ = 256.0
EMG_BINS_KEPT = 1024
MOST_UNITS, MOST_CHANNELS, MOST_MUAP_SAMPLES = 512, 1024, 1 << 18
NOT_LIVE, INVALID, VALID = 0, 1, 2
ANOTHER_CLOCK_S = 2 * SPAN_S  # times so far from the last ones are those of another clock
EARLY_S = 1.0  # a signal's value that is later than now by more has no time of ours
INVALID_TOLD_S = 0.3


class Board:
    """State of one pipeline as a viewer sees it.

    Parameters
    ----------
    address : str
        Of the pipeline, for the words.
    encrypted : bool
        Whether this viewer has keys.
    clock : callable
        Seconds of this viewer.

    Attributes
    ----------
    stream : str
        Name of the amplifier's stream; "" before the first message.
    epoch : int
        Grows when all that was remembered has been dropped, as the times or units of a new session are others.
    versions : dict of str to int
        Grow when "units", "status" or "drive" have changed.
    """

    def __init__(self, address: str, encrypted: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.lock = threading.Lock()
        self.address = address
        self.stream = ""
        self.refusal = ""
        self.missed = self.damaged = 0
        self.units: Units | None = None
        self.status: Status | None = None
        self.drive: Drive | None = None
        self.happenings = Happenings(clock)
        self.epoch = 0
        self.versions = {"units": 0, "status": 0, "drive": 0}
        self._encrypted = encrypted
        self._clock = clock
        self._heard_at: float | None = None
        self._restarted_at: float | None = None
        self._sessions = 0
        self._session = ""
        self._t_pub = 0.0
        self._said_silent = True
        self._stalled_at: float | None = None
        self._invalid_since: float | None = None
        self._told_invalid = True  # the command begins invalid: that is no news
        self._forget()

    def _forget(self) -> None:
        """Drop what was remembered; what is on the log stays."""
        self.epoch += 1
        self.spikes = Ring(SPIKES_KEPT, t=np.float64, unit=np.int16)
        self.traces = Ring(DRIVE_KEPT, t=np.float64, cst=np.float32, command=np.float32, flag=np.int8)
        self.signals: dict[str, SignalTrace] = {}  # in the order of `status.signals`
        self.emg: EmgBins | None = None
        self.params: dict[int, tuple[int, Params]] = {}  # unit: how many came, the last one
        self.muaps: dict[int, Waveform] = {}
        self._gathered: list[Drive] = []
        self._traced = -np.inf  # time of the last row of the traces
        self._rows: dict[int, int] = {}  # of the unit table, by unit

    # what comes in

    def take(self, message: Message) -> None:
        """Remember what a message says.

        Raises
        ------
        ValueError
            Its times or levels are no numbers.
        """
        if not np.isfinite([message.t, message.t_pub]).all():
            raise ValueError("a time that is no number")
        if isinstance(message, Emg | Muap) and message.session != self._session:
            return  # these come by a connection of their own, and may be late
        now = self._clock()
        if self._heard_at is not None and self._said_silent:
            self.happenings.note(GOOD, f"messages come again after {now - self._heard_at:.0f} s")
        self._said_silent = False
        if message.session != self._session:
            self._begin(message, now)
        self._heard_at, self._t_pub = now, message.t_pub
        if isinstance(message, Spikes):
            self._take_spikes(message)
        elif isinstance(message, Drive):
            self._take_drive(message)
        elif isinstance(message, Params):
            if message.unit in self._rows:
                self.params[message.unit] = self.params.get(message.unit, (0,))[0] + 1, message
        elif isinstance(message, Units):
            self._take_units(message)
        elif isinstance(message, Status):
            self._take_status(message, now)
        elif isinstance(message, Signal):
            self._take_signal(message)
        elif isinstance(message, Emg):
            self._take_emg(message)
        elif isinstance(message, Muap):
            self._take_muap(message)

    def miss(self, missed: int, damaged: int) -> None:
        """Note how many messages a reader has missed since the last call, and how many it could not read."""
        self.missed += missed
        self.damaged += damaged
        if missed:
            self.happenings.count("missed", WARN, (missed,), lambda n: f"this viewer missed {plural(n, 'message')}")
        if damaged:
            say = "could not be read: its sender speaks another protocol"
            self.happenings.count("damaged", BAD, (damaged,), lambda n: f"{plural(n, 'message')} {say}")

    def refuse(self, why: str) -> None:
        """The pipeline turns this viewer away."""
        self.refusal = why
        self.happenings.note(BAD, why)

    def _begin(self, message: Message, now: float) -> None:
        """A session begins; what is remembered stays where its times go on."""
        self._session = message.session
        self._sessions += 1
        if self._sessions > 1:
            self._restarted_at = now
            self.happenings.note(WARN, "the pipeline restarted: a new session")
            if not -1.0 < message.t_pub - self._t_pub < ANOTHER_CLOCK_S:
                self._forget()
        self.status = self.drive = None
        self.signals = {}
        self._gathered.clear()
        self._stalled_at = None
        self._told_invalid = True
        self.versions["status"] += 1
        self.versions["drive"] += 1

    def _take_spikes(self, message: Spikes) -> None:
        found = [
            (t, self._rows[unit])
            for unit, t in zip(message.unit, message.spike_t, strict=False)
            if unit in self._rows and abs(t - message.t_pub) < ANOTHER_CLOCK_S
        ]
        if found:
            times, rows = zip(*found, strict=True)
            self.spikes.push(t=times, unit=rows)

    def _take_drive(self, message: Drive) -> None:
        if not np.isfinite([message.cst, message.command, message.envelope, *message.rate]).all():
            raise ValueError("a level that is no number")
        self.drive = message
        self.versions["drive"] += 1
        self._follow_validity(message)
        self._gathered.append(message)
        if 0.0 <= message.t_pub - self._traced < DRIVE_STEP_S:
            return
        live = self.status is not None and self.status.state == "live"
        flag = NOT_LIVE if not live else VALID if all(one.valid for one in self._gathered) else INVALID
        cst = float(np.mean([one.cst for one in self._gathered]))
        self.traces.push(t=[message.t_pub], cst=[cst], command=[message.command], flag=[flag])
        self._gathered.clear()
        self._traced = message.t_pub

    def _follow_validity(self, message: Drive) -> None:
        if message.valid:
            if self._told_invalid and self._invalid_since is not None:
                lasted = message.t_pub - self._invalid_since
                self.happenings.note(GOOD, f"the command is valid again after {lasted:.1f} s")
            self._told_invalid, self._invalid_since = False, None
        elif self._invalid_since is None:
            self._invalid_since = message.t_pub
        elif not self._told_invalid and message.t_pub - self._invalid_since > INVALID_TOLD_S:
            self._told_invalid = True
            source = "it is 0" if message.source == "none" else f"it comes from the {message.source}"
            self.happenings.note(WARN, f"the command is not valid: {source}")

    def _take_units(self, message: Units) -> None:
        if self.units is not None and self.units.decoder_sha256 != message.decoder_sha256:
            self.happenings.note(WARN, f"another decoder, with {plural(len(message.units), 'unit')}")
            self._forget()
        self.units = message = structs.replace(message, units=message.units[:MOST_UNITS])
        self._rows = {entry.id: row for row, entry in enumerate(message.units)}
        self.versions["units"] += 1

    def _take_status(self, message: Status, now: float) -> None:
        before, self.status = self.status, message
        self.versions["status"] += 1
        names = [entry.name for entry in message.signals[:MOST_SIGNALS]]
        if names != list(self.signals):
            self.signals = {name: self.signals.get(name) or SignalTrace(message.t_pub, DRIVE_KEPT) for name in names}
        if before is not None:
            self.happenings.follow(before, message, self.units.fs_hz if self.units is not None else 2048.0)
        state = None if before is None else before.state
        if message.state == state:
            return
        if message.state == "stalled":
            self._stalled_at = now - max(0.0, min(message.t_pub - message.t, 3600.0))
            self.happenings.note(BAD, "the stream stalled: no sample comes")
        elif state == "stalled" and self._stalled_at is not None:
            self.happenings.note(GOOD, f"samples come again after {now - self._stalled_at:.1f} s")
            self._stalled_at = None
        elif message.state in ("paused", "stopped", "live", "waiting", "warming"):
            told = {"live": (GOOD, "live: samples come"), "waiting": (GOOD, "waiting for the first sample")}
            self.happenings.note(*told.get(message.state, (WARN, message.state)))

    def _take_signal(self, message: Signal) -> None:
        trace = self.signals.get(message.name)
        if trace is None:
            return
        t, value = np.array(message.value_t, np.float64), np.array(message.value, np.float64)
        if len(t) != len(value) or not np.isfinite(value).all():
            raise ValueError("a level that is no number, or has no time")
        ours = (t > message.t_pub - SPAN_S) & (t < message.t_pub + EARLY_S)
        trace.push(t[ours], value[ours], message.fs_hz)

    def _take_emg(self, message: Emg) -> None:
        block = matrix(message.emg)  # (channels, samples) uV
        if block.ndim != 2 or not 0 < block.shape[0] <= MOST_CHANNELS or not message.fs_hz > 0:
            return
        if self.emg is None or self.emg.channels != block.shape[0] or self.emg.fs_hz != message.fs_hz:
            self.emg = EmgBins(block.shape[0], message.fs_hz)
        self.emg.push(message.first_sample, block)

    def _take_muap(self, message: Muap) -> None:
        waveform = matrix(message.waveform)  # (channels, samples) uV
        if message.unit in self._rows and waveform.ndim == 2 and 0 < waveform.size <= MOST_MUAP_SAMPLES:
            known = self.muaps.get(message.unit)
            version = 1 if known is None else known.version + 1
            self.muaps[message.unit] = Waveform(version, waveform, message.fs_hz, message.before, message.spikes_used)

    # what is asked

    def silent_s(self) -> float | None:
        """How long no message has come; None if none ever came."""
        return None if self._heard_at is None else self._clock() - self._heard_at

    def now(self) -> float:
        """The time on the pipeline's clock, as far as this viewer knows."""
        return self._t_pub + (self.silent_s() or 0.0)

    def row_of(self, unit: int) -> int | None:
        """The row of a unit in the unit table."""
        return self._rows.get(unit)

    def headline(self) -> Headline:
        """How things stand; notes on the log when messages have ceased."""
        silent, now = self.silent_s(), self._clock()
        if silent is not None and silent > SILENT_S and not self._said_silent:
            self._said_silent = True
            self.happenings.note(BAD, f"no message from {self.address}")
        return headline(
            Facts(
                self.address, self._encrypted, self.refusal, silent,
                stalled_s=0.0 if self._stalled_at is None else now - self._stalled_at,
                restarted_s=None if self._restarted_at is None else now - self._restarted_at,
                status=self.status, drive=self.drive, units=self.units,
            )
        )  # fmt: skip


class Waveform(NamedTuple):
    """The last waveform of a unit; ``version`` counts how many came."""

    version: int
    waveform: NDArray[np.float32]  # (channels, samples) uV
    fs_hz: float
    before: int
    spikes_used: int


class EmgBins:
    """EMG as least and greatest value of every few samples, all that a screen can show.

    Parameters
    ----------
    channels : int
    fs_hz : float
    """

    def __init__(self, channels: int, fs_hz: float) -> None:
        self.channels, self.fs_hz = channels, fs_hz
        self.samples = max(1, round(fs_hz / EMG_BINS_HZ))  # a bin
        self.ring = Ring(EMG_BINS_KEPT, low=(np.float32, (channels,)), high=(np.float32, (channels,)))
        self._rest = np.zeros((channels, 0), np.float32)
        self._next = -1

    def push(self, first_sample: int, block: NDArray[np.float32]) -> None:
        """Add a block (channels, samples); a hole before it is as many bins that are no number, one at least."""
        if first_sample != self._next and self._next >= 0:
            self._rest = self._rest[:, :0]
            bins = min(EMG_BINS_KEPT, max(1, round((first_sample - self._next) / self.samples)))
            hole = np.full((bins, self.channels), np.nan, np.float32)
            self.ring.push(low=hole, high=hole)
        self._next = first_sample + block.shape[1]
        block = np.concatenate([self._rest, block], axis=1)
        bins = block.shape[1] // self.samples
        whole = block[:, : bins * self.samples].reshape(self.channels, bins, self.samples)
        self._rest = block[:, bins * self.samples :].copy()
        if bins:
            self.ring.push(low=whole.min(axis=2).T, high=whole.max(axis=2).T)
