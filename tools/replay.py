"""Runs a recorded session again: the same samples, through the same pipeline and reporter, by the recorded clock.

What steered the live loop from outside is taken from the recording: when it looked at the clock and what it read, who
subscribed, what the control socket was asked, at which turn the parameter model's answer was taken up, and which
channels were masked when. All the rest is computed anew, so the messages are those of the live run, or something has
changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..stream.average import AverageCopy, SpikeAverager
from ..stream.curve import read_server_keys
from ..stream.decoder_file import Decoder
from ..stream.drive import DriveSettings
from ..stream.endpoints import Endpoints, next_port, warming
from ..stream.errors import RecordingError
from ..stream.loop import run
from ..stream.markers import Blank
from ..stream.mask_worker import Swap, Told
from ..stream.messages import Event, Message, Spikes, Status, encode
from ..stream.parameter_model import ParameterModel
from ..stream.parameter_worker import Finished
from ..stream.pipeline import Pipeline
from ..stream.reporter import Reporter
from .events import Mark
from .live import refuse_open_address
from .open_files import allow_many
from .parameters import NONE, ChosenModel, choose_model
from .replay_endpoints import LiveEndpoints, Pace, ToldEndpoints
from .replay_source import SessionSource
from .session_file import PARAMETERS, Session

KEPT_TIMES, KEPT_MORE = 2, 64 << 20  # bytes kept to compare: times the recorded ones, and more than them


class ToldWorker:
    """Estimates parameters at once, and gives each answer in the turn in which the live worker gave it.

    Parameters
    ----------
    model : ParameterModel
    source : SessionSource
    averager : SpikeAverager
    """

    def __init__(self, model: ParameterModel, source: SessionSource, averager: SpikeAverager) -> None:
        self.model = model
        self._source = source
        self._copy = AverageCopy(averager)
        self._finished: Finished | None = None

    @property
    def idle(self) -> bool:
        """Whether it can take a waveform."""
        return self._finished is None and "failed" not in self._source.fault

    def fault(self, now: float) -> str:
        """What the live worker had said."""
        return self._source.fault

    def offer(self, averager: SpikeAverager, unit: int, good: NDArray[np.bool_], now: float) -> None:
        """Estimate a unit's parameters now."""
        copy = self._copy
        averager.copy(unit, good, copy)
        spikes = copy.discharges()
        estimate = self.model.estimate(copy.waveform(), copy.noise(), copy.good, spikes)
        self._finished = Finished(copy.unit, estimate, spikes, 0.0)

    def take(self) -> Finished | None:
        """The answer, in the turn in which there was one."""
        cpu_s = self._source.cpu_s
        if self._finished is None or math.isnan(cpu_s):
            return None
        finished, self._finished = self._finished, None
        return Finished(finished.unit, finished.estimate, finished.spikes, cpu_s)

    def close(self) -> None:
        """Nothing to end."""


@dataclass
class Replayed:
    """What a replay gave.

    Attributes
    ----------
    status : Status
        The last one.
    discharges : dict of int to list of int
        Sample numbers by unit.
    marks : list of Mark
        What was marked (`run --events`).
    bodies : dict of str to list of bytes
        Messages by kind as MessagePack, in order, where they were asked for.
    hole : (int, int) or None
        First sample period and number of the first ones that the recording lacks.
    """

    status: Status
    discharges: dict[int, list[int]]
    marks: list[Mark]
    bodies: dict[str, list[bytes]]
    hole: tuple[int, int] | None
    seconds: float
    fs_hz: float


def replay(
    session: Session,
    *,
    keep: bool = False,
    bind: str | None = None,
    curve: str | None = None,
    open_network: bool = False,
    speed: float = 1.0,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[float], None] = lambda seconds: None,
) -> Replayed:
    """Run a session again.

    Parameters
    ----------
    session : Session
    keep : bool
        Keep the messages to be compared; at most twice as many bytes as were recorded, and some.
    bind : str, optional
        Publish the messages there, at `speed` times the pace of the session; else it goes as fast as it can.
    curve : str, optional
        Folder of the keys, for encryption and a list of clients.
    open_network : bool
        Take an address that other machines can reach, in plain text.
    speed : float
    stop : callable
    progress : callable
        Told the seconds done, now and then.

    Raises
    ------
    RecordingError, DecoderError, ParameterModelError, ProviderError, AddressError, KeysError
    """
    keys = None
    if bind is not None:
        next_port(bind)  # an address at all
        refuse_open_address(bind, curve, open_network)
        keys = None if curve is None else read_server_keys(curve)
    info = session.info
    decoder = session.decoder()
    pace = Pace(speed, stop)
    source = SessionSource(session, pace if bind is not None else lambda now: None)
    drive = DriveSettings(info.drive_rate_hz, info.smoothing_s, info.fallback)
    swaps = swaps_of(session)
    pipeline = Pipeline(
        decoder, info.hop, provider=info.provider, whitening=info.whitening, drive=drive,
        masks=lambda maker: Told(maker, swaps),
    )  # fmt: skip
    source.recording.masks = pipeline.masks
    chosen = _parameters(session, decoder)
    worker = None if chosen.model is None else ToldWorker(chosen.model, source, pipeline.averager)
    discharges: dict[int, list[int]] = {unit.id: [] for unit in decoder.info.units}
    marks: list[Mark] = []
    bodies: dict[str, list[bytes]] = {}
    room = KEPT_TIMES * sum(len(body) for _, body in session.messages()) + KEPT_MORE if keep else 0

    def take(kind: str, message: Message) -> None:
        if isinstance(message, Spikes):
            for unit, sample in zip(message.unit, message.spike_sample, strict=True):
                discharges[unit].append(sample)
            progress(message.sample / info.fs_hz)
        elif isinstance(message, Event):
            marks.append(Mark(message.event_sample, message.label))
        nonlocal room
        if room > 0:
            body = encode(message)
            bodies.setdefault(kind, []).append(body)
            room -= len(body)

    endpoints: ToldEndpoints
    live = None
    try:
        if bind is not None:
            allow_many()  # strangers who connect must not use up the files that the replay itself needs
            live = Endpoints(bind, info.stream, keys)
            endpoints = LiveEndpoints(source, live, info.stream, take)
            pace.publisher = endpoints.publisher
        else:
            endpoints = ToldEndpoints(source, info.session, info.stream, take)
            endpoints.publisher.send("status", warming(), 0.0)
        reporter = Reporter(
            endpoints,
            decoder,
            source,
            pipeline,
            worker,
            info.why_no_parameters or chosen.why_none,
            source.recording,
            source.markers,
            [Blank(*blank) for blank in info.blank],
            source.signals,
        )
        run(
            source, pipeline, reporter, stop=lambda: source.ended or stop(), recording=source.recording,
            clock=source.clock,
        )  # fmt: skip
        if room > 0 and not source.said_end:
            bodies["status"].pop()  # "stopped" is only the end of what was recorded
        return Replayed(
            reporter.status(), discharges, marks, bodies, source.hole, source.samples_in / info.fs_hz, info.fs_hz
        )  # fmt: skip
    finally:
        pipeline.close()
        if live is not None:
            live.close()


def swaps_of(session: Session) -> list[Swap]:
    """When filters took over that leave channels out, and which."""
    swaps = []
    for event in session.turns():
        if not isinstance(event, dict) or event.get("event") != "swap":
            continue
        sample, channels = event.get("sample"), event.get("channels")
        known = isinstance(channels, list) and all(
            type(c) is int and 0 <= c < len(session.info.channels) for c in channels
        )
        if type(sample) is int and sample >= 0 and known and (not swaps or sample >= swaps[-1].sample):
            swaps.append(Swap(sample, tuple(channels), event.get("late") is True))
    return swaps


def _parameters(session: Session, decoder: Decoder) -> ChosenModel:
    """The parameter model that ran, prepared for the decoder."""
    if session.info.parameters_sha256 is None:
        return choose_model(NONE, decoder)
    chosen = choose_model(str(session.folder / PARAMETERS), decoder)
    if chosen.file is None or chosen.file.sha256 != session.info.parameters_sha256:
        raise RecordingError(
            f'"{session.folder / PARAMETERS}" is not the model that this session ran with: put the right one there'
        )
    return chosen
