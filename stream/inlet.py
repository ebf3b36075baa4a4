"""Samples in over LSL: one blocking wait for each hop, into buffers that exist beforehand.

Nothing is lost in silence: every hop says how many sample periods are missing before it, and a stream that dies is
looked for again by its source id, compared with the decoder, and taken up where it comes back. What is missing the
time stamps say (timeline.py), or a channel that counts samples (counter.py).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from .counter import PROBED, SampleCounter, check_counts
from .errors import OptionError, StreamError
from .finder import SILENT_S, Found, StreamFinder, silent
from .hop import Hop
from .seen_stamps import print_rows
from .source_info import SourceInfo, gain_to_microvolts
from .timeline import Timeline

WAIT_S = 0.1  # longest blocking wait, so that the loop can tend to its other duties
STALLED_WAIT_S = 0.005  # while stalled the drive goes out by the wall clock
WAITED_S = 1e-4  # a pull that took longer than this had to wait for its samples
STALLED_S = 0.4  # without a sample; noticed at the latest one wait later, within the 0.5 s of the contract


class Arrival:
    """Tells when samples arrived that may have lain in a buffer while we were busy.

    A pull that had to wait returned as its samples arrived. One that did not may have returned long after: then the
    samples arrived their shortest delay of the last seconds after their time stamp, and not before the last wait.
    """

    MEMORY_S = 5.0

    def __init__(self) -> None:
        self._shortest = self._shortest_before = np.inf
        self._since = 0.0
        self._last_wait = 0.0

    def estimate(self, stamp: float, waited: bool, received: float) -> float:
        """Arrival of the sample stamped `stamp` and received at `received`, all s on the LSL clock."""
        if received - self._since > self.MEMORY_S:
            self._shortest_before, self._shortest, self._since = self._shortest, np.inf, received
        self._shortest = min(self._shortest, received - stamp)
        if waited:
            self._last_wait = received
            return received
        return max(self._last_wait, stamp + min(self._shortest, self._shortest_before))


class StreamSource:
    """A named LSL stream as a sequence of hops.

    Parameters
    ----------
    name : str
    index : ndarray of int64, shape (channels,)
        Channels of the stream to take, in this order.
    fs_hz : float
        Rate expected.
    hop : int
        Samples a hop.
    check : callable
        Raises StreamError for a stream that does not fit.
    gain : float or None
        uV per number of the stream, where its metadata does not say.
    counter : int or None
        Channel of the stream that counts samples.
    beside : sequence of int
        Channels of the stream to hand on as they come.

    Attributes
    ----------
    samples_in, samples_lost, gaps, repeats, reconnects : int
    """

    def __init__(
        self,
        name: str,
        index: NDArray[np.int64],
        fs_hz: float,
        hop: int,
        check: Callable[[SourceInfo], None],
        gain: float | None = None,
        counter: int | None = None,
        beside: Sequence[int] = (),
    ) -> None:
        if counter is not None and (counter < 0 or counter in index):
            found = "decoded as EMG" if counter >= 0 else "no number of a channel, they count from 0"
            raise OptionError(f"channel {counter} cannot be the counter, it is {found}: give another with --counter")
        self.name = name
        self.hop = hop
        self.samples_in = self.samples_lost = self.gaps = self.repeats = self.reconnects = 0
        self.source: SourceInfo | None = None
        self.timeline = Timeline(fs_hz)
        self.last_received = 0.0
        self._taken_up = 0.0
        self._silent = silent(name)
        self._fs = fs_hz
        self._index = np.ascontiguousarray(index, np.int64)
        self._check = check
        self._gain = gain
        self._hop = Hop()
        self._counter = SampleCounter(self.timeline, fs_hz, hop) if counter is not None else None
        self._counter_channel = counter or 0
        self._beside_index = np.array(beside, np.int64)
        self._beside = np.zeros((hop, len(beside)))
        self._inlet: pylsl.StreamInlet | None = None
        self._signal = np.zeros((hop, len(index)), np.float32)
        self._words = self._signal.view(np.int32)
        self._prints = np.zeros(hop, np.int64)
        self._stamps = np.zeros(hop)
        self._arrival = Arrival()
        self._waited = False
        self._pulled = self._taken = 0  # rows of the raw buffer that hold samples, and that were handed on
        probe = None if counter is None else self._probe
        self._finder: StreamFinder | None = StreamFinder(name, None, "", self._check_all, probe)

    @property
    def sample(self) -> int:
        """The newest sample period accounted for; -1 before the first."""
        return self.samples_in + self.samples_lost - 1

    def time_of(self, sample: int) -> float:
        """Time of a sample period near the newest one, s on the LSL clock."""
        return self.timeline.newest - (self.sample - sample) * self.timeline.period

    @property
    def stalled(self) -> bool:
        """Whether samples have come and now none has for a while."""
        return self.samples_in > 0 and pylsl.local_clock() - self.last_received > STALLED_S

    @property
    def refusal(self) -> StreamError | None:
        """Why the stream on the network is not taken, if there is one."""
        if self._finder is not None:
            return self._finder.refusal
        if self.samples_in == 0 and pylsl.local_clock() - self._taken_up > SILENT_S:
            return self._silent
        return None

    def next_hop(self) -> Hop:
        """Wait for one hop, `WAIT_S` at most; a hop of 0 samples when nothing came."""
        hop = self._hop
        hop.samples = 0
        hop.lost_before = 0
        if self._taken == self._pulled:
            self._pull()
        if self._taken < self._pulled:
            self._hand_on(hop)
        return hop

    def _pull(self) -> None:
        """Block until `hop` samples are there or the wait is over; fewer come when the stream pauses."""
        self._taken = self._pulled = 0
        if self._inlet is None or self.stalled:
            self._look_for_stream()
        if self._inlet is None:
            assert self._finder is not None
            self._finder.wait(STALLED_WAIT_S if self.stalled else WAIT_S)
            return
        error = ctypes.c_int()
        wait = STALLED_WAIT_S if self.stalled else WAIT_S
        asked = pylsl.local_clock()
        values = self._inlet.do_pull_chunk(
            self._inlet.obj, self._raw_pointer, self._stamps_pointer, self._raw_size, self._stamps_size,
            ctypes.c_double(wait), ctypes.byref(error),
        )  # fmt: skip
        self._pulled = values // self._raw.shape[1]
        if self._pulled:
            self.last_received = pylsl.local_clock()
            self._waited = self.last_received - asked > WAITED_S
            if self._finder is not None:
                self._finder.stop()  # the stream goes on by itself
                self._finder = None
            np.take(self._raw[: self._pulled], self._index, axis=1, out=self._picked[: self._pulled], mode="clip")
            np.multiply(
                self._picked[: self._pulled], self._factors, out=self._signal[: self._pulled], casting="same_kind"
            )  # (samples, channels) uV
            if len(self._beside_index):
                self._pick_beside()
            if not self.timeline.counted:
                print_rows(self._words, self._pulled, self._prints)
        elif error.value:
            self._inlet = None  # the stream is gone; the finder looks for its return

    def _pick_beside(self) -> None:
        raw, picked = self._raw[: self._pulled], self._beside_picked[: self._pulled]
        np.take(raw, self._beside_index, axis=1, out=picked, mode="clip")
        self._beside[: self._pulled] = picked

    def _hand_on(self, hop: Hop) -> None:
        """Fill `hop` with the samples up to the next break in the time stamps."""
        stamps = self._stamps[self._taken : self._pulled]
        prints = None if self.timeline.counted else self._prints[self._taken : self._pulled]
        if self._counter is None:
            stretch = self.timeline.account(stamps, self.last_received, prints)
        else:
            counts = self._raw[self._taken : self._pulled, self._counter_channel]
            stretch = self._counter.account(counts, stamps, self.last_received, prints)
        if stretch.repeats:
            self.repeats += stretch.repeats
            self._taken += stretch.repeats
            return
        if stretch.lost:
            self.samples_lost += stretch.lost
            self.gaps += 1
        first = self._taken
        self._taken += stretch.samples
        hop.samples = stretch.samples
        hop.signal = self._signal[first : self._taken]
        hop.beside = self._beside[first : self._taken]
        hop.first_sample = self.sample + 1
        hop.lost_before = stretch.lost
        hop.stamp = float(self._stamps[self._taken - 1])
        hop.arrived = self._arrival.estimate(hop.stamp, self._waited, self.last_received)
        self.samples_in += stretch.samples

    def _look_for_stream(self) -> None:
        """Start or ask the finder; take up what it found."""
        if self._finder is None:
            assert self.source is not None
            uid = "" if self._inlet is None else self.source.uid
            self._finder = StreamFinder(self.name, self.source.source_id or None, uid, self._check_all)
        elif self._finder.found is not None:
            self._take_up(self._finder.found)
            self._finder = None

    def _check_all(self, source: SourceInfo) -> None:
        """Raise StreamError for a stream that does not fit, by its unit too: taking it up must not fail."""
        self._check(source)
        gain_to_microvolts(source, self._index, self._gain)
        if self._counter is not None and self._counter_channel >= source.channels:
            raise StreamError(
                f'stream "{source.name}" has {source.channels} channels, counted from 0, and no channel '
                f"{self._counter_channel} that could count samples: give another with --counter"
            )
        if len(self._beside_index) and self._beside_index.max() >= source.channels:
            raise StreamError(
                f'stream "{source.name}" has {source.channels} channels, counted from 0, and no channel '
                f"{self._beside_index.max()} of a signal: give another with --signal"
            )

    def _probe(self, found: Found, stop: threading.Event) -> None:
        """Raise StreamError where the counter does not count; before the first sample only, which these are not."""
        seen: list[Any] = []
        while len(seen) < PROBED and not stop.is_set():
            rows, _ = found.inlet.pull_chunk(timeout=0.1, max_samples=PROBED)
            seen += [row[self._counter_channel] for row in rows]
        if not stop.is_set():
            check_counts(np.array(seen), self._counter_channel, found.source.name)

    def _take_up(self, found: Found) -> None:
        """Prepare the buffers for a stream, the only place that allocates after start."""
        if self.source is not None:
            self.reconnects += 1
            self.timeline.returned()
        if self._counter is not None:
            self._counter.begin(found.source.dtype)
        self.source = found.source
        self._inlet = found.inlet
        self._taken_up = pylsl.local_clock()
        self._raw: NDArray[Any] = np.zeros((self.hop, found.source.channels), found.source.dtype)
        self._picked: NDArray[Any] = np.zeros((self.hop, len(self._index)), found.source.dtype)
        self._beside_picked: NDArray[Any] = np.zeros(self._beside.shape, found.source.dtype)
        self._factors = gain_to_microvolts(found.source, self._index, self._gain)
        self._raw_pointer = ctypes.c_void_p(self._raw.ctypes.data)
        self._stamps_pointer = ctypes.c_void_p(self._stamps.ctypes.data)
        self._raw_size = ctypes.c_size_t(self._raw.size)
        self._stamps_size = ctypes.c_size_t(len(self._stamps))

    def close(self) -> None:
        """Let go of the stream."""
        if self._finder is not None:
            self._finder.stop()
        if self._inlet is not None:
            self._inlet.close_stream()
            self._inlet = None
