"""From a hop of raw EMG to discharges and drive: the stages in order, each with its own state.

The same object decodes a live stream and a file. Whatever the hop, the same samples give the same sources to the bit
and the same discharges.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .average import SpikeAverager
from .cancel import CancellingDetector, detector_for
from .decoder_file import BLOCK, Decoder
from .detect import Detector
from .drive import DriveMaker, DriveSettings
from .errors import OptionError
from .filter import CausalFilter
from .guard import Guard
from .hop import LONGEST_HOP
from .mask_worker import AtOnce, Masks
from .stages import StageMaker, Stages
from .watch import GOOD, ChannelWatch, replace_what_is_no_number
from .window import Windower

SETTLE_S = 0.05  # after a start or a gap, the band-pass needs this long before its output means anything


class Pipeline:
    """Filter, watch, extend, (whiten,) decode, detect, guard, drive, average.

    Parameters
    ----------
    decoder : Decoder
    hop : int
        Most samples in one call.
    provider : {"cpu", "cuda"}
    whitening : {"folded", "staged"}
        Whether whitening is part of the filters or a stage of its own.
    drive : DriveSettings, optional
    masks : callable
        Kind of `Masks`: when bad channels leave the filters, and who solves these.

    Attributes
    ----------
    signal : ndarray of float32, shape (hop, channels), uV
        The last hop, filtered, in its first `samples` rows.
    sources : ndarray of float32, shape (hop, units)
    samples : int
    detector : Detector or CancellingDetector
        Holds the discharges of the last hop. Which of the two, the decoder says.
    guard : Guard
        Holds back what is no discharge, and says when nothing can be told.
    drive : DriveMaker
        Holds the drive read-outs of the last hop.
    watch : ChannelWatch
    averager : SpikeAverager
        Holds the average waveform of every unit over the array.
    session : SourceSession
        The filters in place.
    masks : Masks
        Which channels they leave out. `close` it when done.
    exposed : bool
        Whether they still take in a channel that is flagged.
    """

    def __init__(
        self,
        decoder: Decoder,
        hop: int = 8,
        *,
        provider: str = "cpu",
        whitening: str = "folded",
        drive: DriveSettings | None = None,
        masks: Callable[[StageMaker], Masks] = AtOnce,
    ) -> None:
        if not 1 <= hop <= LONGEST_HOP:
            raise OptionError(f"a hop of {hop} samples is out of range: choose 1 to {LONGEST_HOP}")
        info = decoder.info
        channels = len(info.channels.index)
        units = len(info.units)
        self.samples = 0
        self.signal = np.zeros((hop, channels), np.float32)
        self.sources = np.zeros((hop, units), np.float32)
        self.filter = CausalFilter(info.filter.sections, channels)
        self.watch = ChannelWatch(info.fs_hz, info.channels.geometry().neighbours())
        maker = StageMaker(decoder, whitening, provider)
        self.session = maker.whole.session
        self._whitener = maker.whole.whitener
        self._windower = Windower(maker.whole.window, channels)
        threshold = np.array([unit.threshold for unit in info.units], np.float32)
        self.detector: Detector | CancellingDetector = detector_for(threshold, info.detector, decoder.responses, hop)
        height = np.array([unit.spike_height for unit in info.units], np.float32)
        self.guard = Guard(threshold, height, info.fs_hz, info.detector.lookahead, hop)
        self.drive = DriveMaker(
            units, channels, info.fs_hz, info.detector.lookahead, info.command, drive or DriveSettings(), hop
        )
        self.averager = SpikeAverager(units, channels, info.fs_hz, longest=hop, lookahead=info.detector.lookahead)
        self._settle = max(info.extension, math.ceil(SETTLE_S * info.fs_hz))
        self._settled_at = 0
        self._held = np.zeros(channels, np.float32)  # last number of every channel
        self.masks = masks(maker)
        self.exposed = False
        self._warm_up()
        self.reset(0)

    def reset(self, sample: int) -> None:
        """Forget the past: the next sample is `sample`, and nothing is known of what came before it.

        Until the filter has settled no discharge is reported; the channel flags stay.
        """
        self.filter.reset()
        self.watch.reset()
        self._windower.reset()
        self.detector.reset(sample + self._settle)
        self.guard.reset(sample + self._settle)
        self.drive.reset()
        self.averager.reset(sample)
        self._settled_at = sample + self._settle + self.drive.settle

    def __call__(self, raw: NDArray[np.float32], first_sample: int, lost_before: int = 0) -> bool:
        """Take one hop.

        Parameters
        ----------
        raw : ndarray of float32, shape (samples, channels), uV
        first_sample : int
            Sample period of its first row.
        lost_before : int
            Sample periods without data right before it.

        Returns
        -------
        bool
            Whether a channel flag changed.
        """
        if lost_before:
            self.reset(first_sample)
        self.samples = samples = len(raw)
        signal = self.signal[:samples]
        signal[:] = raw
        replace_what_is_no_number(signal, self._held)
        self.filter(signal)  # in place, causal
        flagged = self.watch(raw, signal, first_sample)
        if flagged:
            for sample, state in self.watch.changes:
                self.masks.flagged(sample, state)
            good = self.watch.state == GOOD
            self.averager.begin_anew(self.drive.good & ~good)
            self.drive.good[:] = good
            self._look_for_exposure()
        begun, spikes = self.decode(signal, first_sample)
        spikes = self._detect(begun, samples, first_sample, spikes)
        spikes = self.guard.sieve(self.detector)
        self.drive(signal, first_sample, self.detector.unit, self.detector.sample, spikes)
        self.averager(signal, first_sample, self.detector.unit, self.detector.sample, spikes, self.drive.good)
        return flagged

    def valid_at(self, sample: int) -> bool:
        """Whether the drive of `sample`, one of the hop, can be acted on.

        Settled, with sound sources, and filters that leave out every bad channel.
        """
        return sample >= self._settled_at and not self.exposed and self.guard.sound_at(sample)

    def decode(self, signal: NDArray[np.float32], first_sample: int) -> tuple[int, int]:
        """Sources of the hop, in blocks anchored to the sample count.

        Other filters take over between two blocks; what lies before is then decided with the terms of the old.

        Returns
        -------
        first, spikes : int
            The first row of the sources that is not decided yet, and the discharges in the rows before.
        """
        masks = self.masks
        if masks.swaps:
            masks.swaps.clear()
        done = begun = spikes = 0
        while done < len(signal):
            if first_sample + done >= masks.due and self._windower.between_blocks:
                stages = masks.take(first_sample + done)
                if stages is not None:
                    if done > begun:
                        spikes = self._detect(begun, done, first_sample, spikes)
                        begun = done
                    self._exchange(stages)
            first, last = self._windower.take(signal[done:])
            if self._whitener is not None:
                self._whitener()
            self.session.run()
            self.sources[done : done + last - first] = self.session.sources[first:last]
            done += last - first
        return begun, spikes

    def close(self) -> None:
        """End the thread that solves filters, where there is one."""
        self.masks.close()

    def _detect(self, first: int, last: int, first_sample: int, spikes: int) -> int:
        """Find discharges in rows `first` to `last` of the sources; with the `spikes` of the rows before, how many."""
        sources = self.sources[first:last]
        self.guard.follow(sources, first_sample + first, first)
        return self.detector(sources, first_sample + first, spikes)

    def _exchange(self, stages: Stages) -> None:
        self.session = stages.session
        self._whitener = stages.whitener
        self._windower.turn_to(stages.window)
        self.detector.exchange(stages.terms)
        self.guard.exchange(stages.terms.threshold)
        self._look_for_exposure()

    def _look_for_exposure(self) -> None:
        self.exposed = bool((~self.masks.masked & (self.watch.state != GOOD)).any())

    def _warm_up(self) -> None:
        """Run every stage once on noise, so that nothing is compiled or first touched while a stream is open."""
        noise = np.random.default_rng(0).normal(0.0, 1.0, self.signal.shape).astype(np.float32)
        for start in range(0, 4 * BLOCK, len(noise)):
            self(noise, start)
        self.watch.forgive()
        self.drive.good[:] = True
        self.averager.forget()
        self.guard.forgive()
        self._held[:] = 0.0
