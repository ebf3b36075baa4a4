"""Turns what the pipeline holds into messages, and answers whoever asks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pylsl

from .beside import SignalSource
from .beside_reporter import BesideReporter
from .decoder_file import Decoder
from .endpoints import Endpoints
from .guard import UNSOUND
from .hop import Hop, HopSource
from .latency import LatencyHistogram
from .markers import Blank, MarkerSource
from .messages import Drive, Electrodes, Emg, Spikes, Status, UnitEntry, Units
from .parameter_reporter import NO_MODEL, ParameterReporter
from .parameter_worker import ParameterWorker
from .pipeline import Pipeline
from .recording import NotRecorded, Recorded
from .trust import STRANGE, UnitTrust
from .watch import GOOD, REASONS

STATUS_S = 1.0
CHANGE_S = 0.05  # at most this often for changes
EMG_HZ = 30.0
TRUST_STEP = 0.1  # a change of trust by more is told
MOST_MEAN_RATE = 40.0  # pulses/s over all units; a single unit may fire faster for a while, all of them do not
PLAUSIBLE_S = 0.5
STALE_S = 0.2  # what is older is no longer acted on


class Reporter:
    """Messages and counters of one session; owned by the loop's thread.

    Parameters
    ----------
    endpoints : Endpoints
    decoder : Decoder
    source : HopSource
    pipeline : Pipeline
    worker : ParameterWorker, optional
        Estimates the units' parameters; whoever made it closes it.
    why_no_worker : str
    recording : Recorded, optional
        Says how the recorder is doing.
    markers : MarkerSource, optional
    blanks : sequence of Blank
        After which markers there are no discharges.
    signals : SignalSource, optional

    Attributes
    ----------
    session, state : str
    late_hops : int
    stopping, paused : bool
    newcomers : set of str or None
        Prefixes subscribed to when it last looked.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        decoder: Decoder,
        source: HopSource,
        pipeline: Pipeline,
        worker: ParameterWorker | None = None,
        why_no_worker: str = NO_MODEL,
        recording: Recorded | None = None,
        markers: MarkerSource | None = None,
        blanks: Sequence[Blank] = (),
        signals: SignalSource | None = None,
    ) -> None:
        self.state = "warming"
        self.late_hops = 0
        self.stopping = self.paused = False
        self.newcomers: set[str] | None = None
        self.latency = LatencyHistogram()
        self.session = endpoints.session
        self._endpoints = endpoints
        self._publisher = endpoints.publisher
        self._control = endpoints.control
        self._control.answer = self._answer
        self._decoder = decoder
        self._source = source
        self._pipeline = pipeline
        self._recording: Recorded = recording or NotRecorded()
        self._now = 0.0
        self._fs = decoder.info.fs_hz
        places = decoder.info.channels
        self._electrodes = Electrodes(
            channels=places.index, row=places.row, col=places.col, ied_mm=places.ied_mm,
            grid_rows=places.grid_rows, grid_cols=places.grid_cols,
        )  # fmt: skip
        self._trust = UnitTrust(decoder, pipeline.averager, pipeline.detector)
        self._trust_told = self._trust.values()
        self._hop_s = source.hop / self._fs
        self._status_at = self._change_at = self._drive_at = 0.0
        self._reason = ""
        self._mean_rate = 0.0  # pulses/s of a unit, over the last half second
        self._implausible = False
        self._emg_due = math.ceil(self._fs / EMG_HZ)
        self._emg = np.zeros((self._emg_due + len(pipeline.signal), pipeline.signal.shape[1]), np.float32)
        self._emg_held = 0
        self._told: tuple[Any, ...] = ()
        self._parameters = ParameterReporter(endpoints.publisher, source, pipeline, worker, why_no_worker)
        self._beside = BesideReporter(endpoints.publisher, source, pipeline, self._fs, markers, blanks, signals)

    # what goes out after a hop

    def report(self, hop: Hop, now: float) -> None:
        """Send what one hop brought."""
        pipeline = self._pipeline
        if not self.paused:
            if pipeline.detector.count:
                self._send_spikes(now)
            for row in range(pipeline.drive.count):
                self._send_drive(row, now)
        self._gather_emg(hop, now)
        self._beside.follow(hop)

    def settle_accounts(self, hop: Hop, sent: float) -> None:
        """Count the latency of a hop whose messages had left at `sent`."""
        self.latency.record(1e3 * (sent - hop.stamp))
        if sent - hop.arrived > self._hop_s:
            self.late_hops += 1

    def _send_spikes(self, now: float) -> None:
        pipeline, source = self._pipeline, self._source
        found = pipeline.detector
        units = found.unit[: found.count].tolist()
        samples = found.sample[: found.count].tolist()
        heights = found.height[: found.count].tolist()
        margins = [self._trust.spike(unit, height) for unit, height in zip(units, heights, strict=True)]
        message = Spikes(
            sample=source.sample, t=source.timeline.newest, unit=units, spike_sample=samples,
            spike_t=[source.time_of(sample) for sample in samples], margin=margins,
            valid=self._valid_at(source.sample, source.timeline.newest, now),
        )  # fmt: skip
        self._publisher.send("spikes", message, now)

    def _send_drive(self, row: int, now: float) -> None:
        pipeline, source = self._pipeline, self._source
        due = pipeline.drive.due[row]
        sample = int(due[0])
        t = source.time_of(sample)
        self._follow_rate(float(due[1]))
        valid = self._valid_at(sample, t, now)
        command, made_by = pipeline.drive.command(row, valid)
        message = Drive(
            sample=sample, t=t, rate=due[3:].tolist(), cst=float(due[1]), command=command,
            source=made_by, delay_s=pipeline.drive.delay_s, envelope=float(due[2]), valid=valid,
        )  # fmt: skip
        self._publisher.send("drive", message, now)
        self._drive_at = now

    def _valid_at(self, sample: int, t: float, now: float) -> bool:
        """Whether what the units said at a sample of the hop, whose time is `t`, can be acted on."""
        fits = not (self._implausible or self._trust.strange)
        return fits and now - t < STALE_S and self._pipeline.valid_at(sample)

    def _follow_rate(self, summed: float) -> None:
        """Notice when all units together discharge as no muscle does: then the decoder does not fit what it sees."""
        share = 1.0 / (PLAUSIBLE_S * self._pipeline.drive.settings.rate_hz)
        self._mean_rate += share * (summed / len(self._trust) - self._mean_rate)
        if self._mean_rate > MOST_MEAN_RATE:
            self._implausible = True
        elif self._mean_rate < 0.8 * MOST_MEAN_RATE:
            self._implausible = False

    def _drive_invalid(self, now: float) -> None:
        """Keep the drive going by the wall clock, saying that it is not to be acted on."""
        pipeline, source = self._pipeline, self._source
        if source.samples_in == 0:
            return
        period = 1.0 / pipeline.drive.settings.rate_hz
        if now - self._drive_at < period:
            return
        self._drive_at = now if now - self._drive_at > 2 * period else self._drive_at + period
        message = Drive(
            sample=source.sample, t=source.timeline.newest, rate=[0.0] * len(self._trust), cst=0.0, command=0.0,
            source="none", delay_s=pipeline.drive.delay_s, envelope=0.0, valid=False,
        )  # fmt: skip
        self._publisher.send("drive", message, now)

    def _gather_emg(self, hop: Hop, now: float) -> None:
        """Keep the filtered EMG while somebody wants it, and send it in blocks without holes but the gaps."""
        pipeline, source = self._pipeline, self._source
        if not self._publisher.wanted("emg"):
            self._emg_held = 0
            return
        if hop.lost_before:
            self._emg_held = 0
        self._emg[self._emg_held : self._emg_held + pipeline.samples] = pipeline.signal[: pipeline.samples]
        self._emg_held += pipeline.samples
        if self._emg_held < self._emg_due:
            return
        block = self._emg[: self._emg_held].T  # (channels, samples) uV
        first = source.sample - self._emg_held + 1
        self._emg_held = 0
        message = Emg(
            sample=source.sample, t=source.timeline.newest, first_sample=first, fs_hz=self._fs, emg=block.tolist()
        )
        self._publisher.send("emg", message, now)

    # what goes out between hops

    def tend(self, now: float) -> None:
        """Serve newcomers and the control socket; send parameters, and the status when it is due or has changed."""
        self._now = now
        self._beside.tend(now)
        self._trust.tend(now, self._pipeline.drive.good)
        self._parameters.tend(now, not (self._implausible or self._trust.strange))
        self._follow_state(now)
        if self.state in ("stalled", "paused"):
            self._drive_invalid(now)
        self.newcomers = newcomers = self._publisher.newcomers()
        if newcomers is not None:
            if any(self._concerns(prefix, "units") for prefix in newcomers):
                self._send_units(now)
            if any(self._concerns(prefix, "status") for prefix in newcomers):
                self._send_status(now)
            if any(self._concerns(prefix, "params") for prefix in newcomers):
                self._parameters.welcome()
            if any(self._concerns(prefix, "muaps") for prefix in newcomers):
                self._parameters.welcome_to_waveforms()
        self._control.tend()
        if now - self._status_at >= STATUS_S:
            self._send_status(now)
            if np.abs(self._trust.values() - self._trust_told).max() > TRUST_STEP:
                self._send_units(now)
        elif now - self._change_at >= CHANGE_S and self._tellable() != self._told:
            self._send_status(now)

    def announce(self, state: str, now: float, reason: str = "") -> None:
        """Change to `state` and say so at once."""
        self.state = state
        self._reason = reason
        self._send_status(now)

    def _follow_state(self, now: float) -> None:
        source = self._source
        if self.state == "stopped":
            return
        refusal = source.refusal
        reason = "" if refusal is None else str(refusal)
        if self._implausible and not reason:
            reason = (
                f"the units discharge at {MOST_MEAN_RATE:g} a second and more on average, as no muscle does: "
                "the decoder does not fit these electrodes, calibrate again"
            )
        if self._trust.strange:
            reason = reason or STRANGE
        if not self._pipeline.guard.sound:
            reason = reason or UNSOUND
        reason = reason or self._pipeline.masks.fault or self._parameters.fault
        if self.paused:
            state = "paused"
        elif source.samples_in == 0:
            state = "waiting"
        else:
            state = "stalled" if source.stalled else "live"
        if (state, reason) != (self.state, self._reason):
            self.announce(state, now, reason)

    def _concerns(self, prefix: str, kind: str) -> bool:
        return self._publisher.topic(kind).decode().startswith(prefix)

    def _tellable(self) -> tuple[Any, ...]:
        """What is told at once when it changes."""
        source, pipeline = self._source, self._pipeline
        return (
            self.state, source.samples_lost, source.gaps, source.reconnects, source.repeats,
            source.timeline.clock_jumps, source.timeline.timing, pipeline.watch.flags, self._recording.state,
            pipeline.masks.since, pipeline.masks.late, pipeline.guard.sound,
            *self._beside.tellable(),
        )  # fmt: skip

    def _send_status(self, now: float) -> None:
        self._status_at = self._change_at = now
        self._told = self._tellable()
        self._publisher.send("status", self.status(), now)

    def status(self) -> Status:
        """How things stand, as a message not yet stamped."""
        source, pipeline = self._source, self._pipeline
        state = pipeline.watch.state
        bad = np.flatnonzero(state != GOOD)
        index = self._decoder.info.channels.index
        return Status(
            sample=source.sample, t=source.timeline.newest if source.samples_in else 0.0, state=self.state,
            samples_in=source.samples_in, samples_lost=source.samples_lost, gaps=source.gaps,
            reconnects=source.reconnects, late_hops=self.late_hops, bad_channels=[index[c] for c in bad],
            bad_reasons=[REASONS[state[c]] for c in bad], messages_dropped=self._publisher.dropped,
            latency_ms=self.latency.summary(), repeats_dropped=source.repeats,
            clock_jumps=source.timeline.clock_jumps, timing=source.timeline.timing,
            rate_hz=1.0 / source.timeline.period, reason=self._reason, recording=self._recording.state,
            recorded_s=self._recording.recorded_s, recording_reason=self._recording.reason,
            connections_refused=self._endpoints.refused,
            masked_channels=[index[c] for c in np.flatnonzero(pipeline.masks.masked)],
            masked_since=pipeline.masks.since, masks_late=pipeline.masks.late,
            sound=pipeline.guard.sound, held_back=pipeline.guard.held_back, blanked=pipeline.guard.blanked,
            **self._beside.status(),
        )  # fmt: skip

    def _send_units(self, now: float) -> None:
        self._trust_told = self._trust.values()
        self._publisher.send("units", self._units(), now)

    def _units(self) -> Units:
        pipeline, source = self._pipeline, self._source
        rows = [
            UnitEntry(
                id=unit.id, sil=unit.sil, pnr_db=unit.pnr_db, lag_s=unit.lag_s, trust=trust, parameters=unit.parameters
            )
            for unit, trust in zip(self._decoder.info.units, self._trust.values().tolist(), strict=True)
        ]
        return Units(
            sample=source.sample,
            t=source.timeline.newest if source.samples_in else 0.0,
            fs_hz=self._fs, decoder_sha256=self._decoder.sha256,
            provider=pipeline.session.provider,
            lookahead_s=self._decoder.info.detector.lookahead / self._fs, units=rows, electrodes=self._electrodes,
            drive_hz=pipeline.drive.settings.rate_hz, drive_delay_s=pipeline.drive.delay_s,
        )  # fmt: skip

    def _answer(self, word: str) -> dict[str, Any]:
        """Do what a client asked; the word is one of ours."""
        if word == "status":
            return {"status": msgspec.to_builtins(self.status())}
        if word == "units":
            return {"units": msgspec.to_builtins(self._units())}
        if word == "pause":
            self.paused = True
        elif word == "resume":
            self.paused = False
        elif word == "stop":
            self.stopping = True
        self._follow_state(self._now)
        return {"state": self.state, "session": self.session, "t": pylsl.local_clock()}
