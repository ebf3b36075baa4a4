"""Turns what the pipeline holds into messages, and answers whoever asks."""

from __future__ import annotations

import math
import uuid
from typing import Any

import msgspec
import numpy as np
import zmq

from .control import Control
from .decoder_file import Decoder
from .errors import AddressError
from .inlet import Hop, StreamSource
from .latency import LatencyHistogram
from .messages import Drive, Emg, Latency, Spikes, Status, UnitEntry, Units
from .pipeline import Pipeline
from .publisher import Publisher
from .watch import GOOD, REASONS

STATUS_S = 1.0
CHANGE_S = 0.05  # at most this often for changes
EMG_HZ = 30.0
TRUST_SPIKES = 20  # a unit's trust follows its last so many discharges


class Reporter:
    """Publisher, control socket and counters of one session; owned by the loop's thread.

    Parameters
    ----------
    address : str
        Of the messages, ``tcp://host:port``; the control socket takes the next port.
    stream : str
    decoder : Decoder

    Attributes
    ----------
    state : str
    late_hops : int
    stopping, paused : bool
    """

    def __init__(self, address: str, stream: str, decoder: Decoder) -> None:
        self.session = uuid.uuid4().hex
        self.stream = stream
        self.state = "warming"
        self.late_hops = 0
        self.stopping = self.paused = False
        self.latency = LatencyHistogram()
        self._decoder = decoder
        self._fs = decoder.info.fs_hz
        self._trust = np.ones(len(decoder.info.units))
        self._spike_height = np.array([unit.spike_height for unit in decoder.info.units])
        self._threshold = np.array([unit.threshold for unit in decoder.info.units])
        self._status_at = self._change_at = self._drive_at = 0.0
        self._told: tuple[Any, ...] = ()
        self._source: StreamSource | None = None
        self._pipeline: Pipeline | None = None
        self._reason = ""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        control = next_port(address)
        try:
            self._publisher = Publisher(self._context, address, stream, self.session)
            try:
                self._control = Control(self._context, control, self._answer)
            except AddressError:
                self._publisher.close()
                raise
        except AddressError:
            self._context.term()
            raise

    def attach(self, source: StreamSource, pipeline: Pipeline) -> None:
        """Report on these from now on."""
        self._source = source
        self._pipeline = pipeline
        self._emg_due = math.ceil(self._fs / EMG_HZ)
        self._emg = np.zeros((self._emg_due + len(pipeline.signal), pipeline.signal.shape[1]), np.float32)
        self._emg_held = 0

    # what goes out after a hop

    def report(self, hop: Hop, now: float) -> float:
        """Send what one hop brought; returns when the last of it left, s on the LSL clock."""
        pipeline, source = self._pipeline, self._source
        assert pipeline is not None
        assert source is not None
        if not self.paused:
            if pipeline.detector.count:
                self._send_spikes(hop, now)
            for row in range(pipeline.drive.count):
                self._send_drive(row, now)
        self._gather_emg(hop, now)
        return now

    def settle_accounts(self, hop: Hop, sent: float) -> None:
        """Count the latency of a hop whose messages had left at `sent`."""
        self.latency.record(1e3 * (sent - hop.stamp))
        if sent - hop.arrived > self._hop_s:
            self.late_hops += 1

    @property
    def _hop_s(self) -> float:
        assert self._source is not None
        return self._source.hop / self._fs

    def _send_spikes(self, hop: Hop, now: float) -> None:
        pipeline, source = self._pipeline, self._source
        assert pipeline is not None
        assert source is not None
        found = pipeline.detector
        units = found.unit[: found.count].tolist()
        samples = found.sample[: found.count].tolist()
        margins = []
        for unit, height in zip(units, found.height[: found.count].tolist(), strict=True):
            margin = (height - self._threshold[unit]) / (self._spike_height[unit] - self._threshold[unit])
            self._trust[unit] += (min(margin, 1.0) - self._trust[unit]) / TRUST_SPIKES
            margins.append(float(margin))
        message = Spikes(
            sample=source.sample, t=hop.stamp, unit=units, spike_sample=samples,
            spike_t=[source.time_of(sample) for sample in samples], margin=margins,
        )  # fmt: skip
        self._publisher.send("spikes", message, now)

    def _send_drive(self, row: int, now: float) -> None:
        pipeline, source = self._pipeline, self._source
        assert pipeline is not None
        assert source is not None
        due = pipeline.drive.due[row]
        sample = int(due[0])
        valid = pipeline.valid_at(sample)
        command, made_by = pipeline.drive.command(row, valid)
        message = Drive(
            sample=sample, t=source.time_of(sample), rate=due[3:].tolist(), cst=float(due[1]), command=command,
            source=made_by, delay_s=pipeline.drive.delay_s, envelope=float(due[2]), valid=valid,
        )  # fmt: skip
        self._publisher.send("drive", message, now)
        self._drive_at = now

    def _drive_invalid(self, now: float) -> None:
        """Keep the drive going by the wall clock, saying that it is not to be acted on."""
        pipeline, source = self._pipeline, self._source
        assert pipeline is not None
        assert source is not None
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
        assert pipeline is not None
        assert source is not None
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
        message = Emg(sample=source.sample, t=hop.stamp, first_sample=first, fs_hz=self._fs, emg=block.tolist())
        self._publisher.send("emg", message, now)

    # what goes out between hops

    def tend(self, now: float) -> None:
        """Serve newcomers and the control socket; send the status when it is due or has changed."""
        self._follow_state(now)
        if self.state in ("stalled", "paused"):
            self._drive_invalid(now)
        newcomers = self._publisher.newcomers()
        if newcomers is not None:
            if any(self._concerns(prefix, "units") for prefix in newcomers):
                self._publisher.send("units", self._units(), now)
            if any(self._concerns(prefix, "status") for prefix in newcomers):
                self._send_status(now)
        self._control.tend()
        if now - self._status_at >= STATUS_S:
            self._send_status(now)
        elif now - self._change_at >= CHANGE_S and self._tellable() != self._told:
            self._send_status(now)

    def announce(self, state: str, now: float, reason: str = "") -> None:
        """Change to `state` and say so at once."""
        self.state = state
        self._reason = reason
        self._send_status(now)

    def _follow_state(self, now: float) -> None:
        source = self._source
        if source is None or self.state in ("warming", "stopped"):
            return
        refusal = source.refusal
        reason = "" if refusal is None else str(refusal)
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
        if source is None or pipeline is None:
            return (self.state,)
        return (
            self.state, self.late_hops, source.samples_lost, source.gaps, source.reconnects, source.repeats,
            source.timeline.clock_jumps, pipeline.watch.flags,
        )  # fmt: skip

    def _send_status(self, now: float) -> None:
        self._status_at = self._change_at = now
        self._told = self._tellable()
        self._publisher.send("status", self.status(), now)

    def status(self) -> Status:
        """How things stand, as a message not yet stamped."""
        source, pipeline = self._source, self._pipeline
        if source is None or pipeline is None:
            nothing = Latency(p50=0.0, p99=0.0, p999=0.0, max=0.0, hist=[])
            return Status(
                state=self.state, samples_in=0, samples_lost=0, gaps=0, reconnects=0, late_hops=0, bad_channels=[],
                bad_reasons=[], messages_dropped=self._publisher.dropped, latency_ms=nothing, reason=self._reason,
            )  # fmt: skip
        state = pipeline.watch.state
        bad = np.flatnonzero(state != GOOD)
        index = self._decoder.info.channels.index
        return Status(
            sample=source.sample, t=source.timeline.newest if source.samples_in else 0.0, state=self.state,
            samples_in=source.samples_in, samples_lost=source.samples_lost, gaps=source.gaps,
            reconnects=source.reconnects, late_hops=self.late_hops, bad_channels=[index[c] for c in bad],
            bad_reasons=[REASONS[state[c]] for c in bad], messages_dropped=self._publisher.dropped,
            latency_ms=self.latency.summary(), repeats_dropped=source.repeats,
            clock_jumps=source.timeline.clock_jumps, timing="exact" if source.timeline.exact else "estimated",
            rate_hz=1.0 / source.timeline.period, reason=self._reason,
        )  # fmt: skip

    def _units(self) -> Units:
        pipeline, source = self._pipeline, self._source
        rows = [
            UnitEntry(id=unit.id, sil=unit.sil, pnr_db=unit.pnr_db, lag_s=unit.lag_s, trust=max(0.0, float(trust)))
            for unit, trust in zip(self._decoder.info.units, self._trust, strict=True)
        ]
        return Units(
            sample=-1 if source is None else source.sample,
            t=source.timeline.newest if source is not None and source.samples_in else 0.0,
            fs_hz=self._fs, decoder_sha256=self._decoder.sha256,
            provider="" if pipeline is None else pipeline.session.provider,
            lookahead_s=self._decoder.info.detector.lookahead / self._fs, units=rows,
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
        return {"state": self.state, "session": self.session}

    def close(self) -> None:
        """Free both addresses."""
        self._publisher.close()
        self._control.close()
        self._context.term()


def next_port(address: str) -> str:
    """The address one port up, for the control socket.

    Raises
    ------
    AddressError
        The address is not ``tcp://host:port``.
    """
    host, colon, port = address.rpartition(":")
    if not address.startswith("tcp://") or not colon or not port.isdecimal() or not 0 < int(port) < 65535:
        raise AddressError(f'"{address}" is not an address: one looks like tcp://127.0.0.1:5570')
    return f"{host}:{int(port) + 1}"
