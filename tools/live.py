"""Puts the live chain together from its parts: decoder, stream, pipeline, reporter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pylsl

from ..stream.beside import Wanted
from ..stream.curve import read_server_keys
from ..stream.decoder_file import Decoder
from ..stream.drive import DriveSettings
from ..stream.endpoints import Endpoints, next_port
from ..stream.errors import AddressError, MissingStreamError, SilentStreamError, StreamError
from ..stream.finder import missing
from ..stream.inlet import StreamSource
from ..stream.loop import run
from ..stream.markers import Blank, MarkerStream
from ..stream.mask_worker import Live
from ..stream.messages import Status
from ..stream.noted import NotedMarkers, NotedSignals, NotedWorker
from ..stream.parameter_worker import ParameterWorker
from ..stream.pipeline import Pipeline
from ..stream.recording import Recording
from ..stream.reporter import Reporter
from ..stream.signal_set import Signals
from ..stream.signal_stream import SignalStream
from ..stream.source_info import SourceInfo, check_fit, gain_to_microvolts, names_no_unit
from .open_files import allow_many
from .parameters import ChosenModel, choose_model
from .recorder import Recorder, session_info
from .session_info import SessionInfo
from .stream_blocks import raise_final

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class LiveSettings:
    """What `myodrive run` is asked for.

    Parameters
    ----------
    stream : str
        Name of the LSL stream.
    bind : str
        Address of the messages; the control socket takes the next port.
    hop : int
        Samples a hop.
    provider : {"cpu", "cuda"}
    whitening : {"folded", "staged"}
    gain : float or None
        uV per number, where the stream names no unit.
    counter : int or None
        Channel of the stream that counts samples.
    drive : DriveSettings
    wait_s : float
        How long the stream may take to appear; 0 waits for ever.
    seconds : float or None
        How long to run.
    params : str or None
        File of a parameter model, "none", or None for the shipped one.
    open_network : bool
        Take a bind address that other machines can reach, in plain text.
    curve : str or None
        Folder of the keys, for encryption and a list of clients.
    record : str or None
        Folder that the session is recorded to.
    events : str or None
        Name of an LSL stream of markers.
    blank : tuple of Blank
        After which of them there are no discharges.
    signals : tuple of Wanted
        Beside the EMG.
    """

    stream: str
    bind: str = "tcp://127.0.0.1:5570"
    hop: int = 8
    provider: str = "cpu"
    whitening: str = "folded"
    gain: float | None = None
    counter: int | None = None
    drive: DriveSettings = field(default_factory=DriveSettings)
    wait_s: float = 60.0
    seconds: float | None = None
    params: str | None = None
    open_network: bool = False
    curve: str | None = None
    record: str | None = None
    events: str | None = None
    blank: tuple[Blank, ...] = ()
    signals: tuple[Wanted, ...] = ()


@dataclass(frozen=True)
class LiveResult:
    """How a run ended."""

    status: Status
    provider: str
    start_to_ready_s: float
    parameters: str


def run_live(
    decoder: Decoder,
    settings: LiveSettings,
    *,
    say: Callable[[str], None],
    stop: Callable[[], bool] = lambda: False,
) -> LiveResult:
    """Decode a live stream until told to stop.

    Parameters
    ----------
    decoder : Decoder
    settings : LiveSettings
    say : callable
        Takes a line for the user; called before the first and after the last sample only.
    stop : callable
        Asked between hops whether to stop.

    Raises
    ------
    AddressError, KeysError, ProviderError, OptionError, ParameterModelError, RecordingError
        Before anything is opened.
    StreamError
        The stream does not appear, or is not one the decoder can take.
    """
    started = time.perf_counter()
    next_port(settings.bind)  # an address at all
    refuse_open_address(settings.bind, settings.curve, settings.open_network)
    keys = None if settings.curve is None else read_server_keys(settings.curve)
    allow_many()  # strangers who connect must not use up the files that the pipeline itself needs
    endpoints = Endpoints(settings.bind, settings.stream, keys)
    source = worker = recorder = recording = pipeline = markers = signals = None
    try:
        if settings.record is not None:
            recorder = Recorder(
                settings.record,
                decoder,
                settings.hop,
                settings.bind,
                endpoints.session,
                settings.curve,
                signals=len(settings.signals),
            )  # it starts while the pipeline is made ready
        endpoints.announce_warming(pylsl.local_clock())
        pipeline = Pipeline(
            decoder, settings.hop, provider=settings.provider, whitening=settings.whitening, drive=settings.drive,
            masks=Live,
        )  # fmt: skip
        index = np.array(decoder.info.channels.index)
        chosen = choose_model(settings.params, decoder)
        if chosen.model is not None:
            worker = NotedWorker(ParameterWorker(chosen.model, pipeline.averager))

        if settings.events is not None:
            markers = MarkerStream(settings.events)
        noted = None if markers is None else NotedMarkers(markers)
        told, told_missing = threading.Event(), threading.Event()

        def check(found: SourceInfo) -> None:
            check_fit(found, decoder)
            gain_to_microvolts(found, index, settings.gain)
            if settings.gain is None and names_no_unit(found, index) and not told.is_set():
                told.set()
                say(f'stream "{found.name}" names no unit: its numbers are taken as uV; give --gain if they are not')

        def never_came() -> bool:
            if isinstance(source.refusal, MissingStreamError) and not told_missing.is_set():
                told_missing.set()
                say(f"{source.refusal}; still waiting")
            return _never_came(source, opened, settings.wait_s)

        source = StreamSource(
            settings.stream, index, decoder.info.fs_hz, settings.hop, check, settings.gain, settings.counter,
            [one.channel for one in settings.signals if one.stream == settings.stream],
        )  # fmt: skip
        if settings.signals:
            signals = Signals(
                settings.signals, source, settings.stream, settings.hop, settings.drive.rate_hz, SignalStream
            )
        noted_signals = None if signals is None else NotedSignals(signals)
        if recorder is not None:
            recorder.describe(_session_info(settings, decoder, chosen, endpoints.session), chosen.file)
            recorder.wait_until_running()
            recording = Recording(
                recorder.ring, decoder.info.fs_hz, source, pipeline, endpoints.publisher, worker, noted, noted_signals
            )
            recorder.watch(recording)
        reporter = Reporter(
            endpoints, decoder, source, pipeline, worker, chosen.why_none, recording, noted, settings.blank,
            noted_signals,
        )  # fmt: skip
        if recording is not None:
            recording.follow(reporter, endpoints.control)
        opened = time.perf_counter()
        ready = opened - started
        say(f"{len(decoder.info.units)} units, {len(index)} channels, hop {settings.hop}, {pipeline.session.provider}")
        say(chosen.line)
        say(f'messages on {settings.bind}, control on the next port; waiting for stream "{settings.stream}"')
        run(
            source, pipeline, reporter, seconds=settings.seconds,
            stop=lambda: stop() or never_came(), recording=recording,
        )  # fmt: skip
        if recorder is not None and recording is not None:
            recorder.close()
            if recording.kept:
                say(_recorded(settings, recording))
        if source.source is None and not (reporter.stopping or stop()):
            raise _said_or_missing(source, settings.seconds or 0.0)
        return LiveResult(reporter.status(), pipeline.session.provider, ready, chosen.line)
    finally:
        if pipeline is not None:
            pipeline.close()
        if worker is not None:
            worker.close()
        if source is not None:
            source.close()
        if markers is not None:
            markers.close()
        if signals is not None:
            signals.close()
        if recorder is not None:
            recorder.close()
        endpoints.close()


def _session_info(settings: LiveSettings, decoder: Decoder, chosen: ChosenModel, session: str) -> SessionInfo:
    drive = settings.drive
    return session_info(
        session=session, stream=settings.stream, decoder=decoder, hop=settings.hop, provider=settings.provider,
        whitening=settings.whitening, gain=settings.gain, drive_rate_hz=drive.rate_hz, smoothing_s=drive.smoothing_s,
        fallback=drive.fallback, chosen=chosen, options={"counter": settings.counter}, blank=settings.blank,
        signals=[one.name for one in settings.signals],
    )  # fmt: skip


def _recorded(settings: LiveSettings, recording: Recording) -> str:
    """How the recording ended, for the user."""
    if recording.state == "failed":
        return f"recording failed after {recording.recorded_s:.1f} s: {recording.reason}"
    lacking = f"; {recording.reason}" if recording.reason else ""
    return f"{recording.recorded_s:.1f} s recorded in {settings.record}{lacking}"


def _never_came(source: StreamSource, opened: float, wait_s: float) -> bool:
    """Before the first sample only: refuse what does not fit, and give up in the end."""
    if source.source is not None:
        return False
    raise_final(source.refusal, MissingStreamError, SilentStreamError)
    if wait_s and time.perf_counter() - opened > wait_s:
        raise _said_or_missing(source, wait_s)
    return False


def _said_or_missing(source: StreamSource, waited_s: float) -> StreamError:
    """Why nothing was decoded in all that time."""
    refusal = source.refusal
    return missing(source.name, waited_s) if refusal is None or isinstance(refusal, MissingStreamError) else refusal


def refuse_open_address(bind: str, curve: str | None, open_network: bool) -> None:
    """Refuse an address that other machines can reach, unless it is encrypted or asked for by name.

    Raises
    ------
    AddressError
    """
    host = bind.removeprefix("tcp://").rpartition(":")[0]
    if host not in LOOPBACK and curve is None and not open_network:
        raise AddressError(
            f"{bind} can be reached from other machines, and messages are neither encrypted nor signed: "
            "add --curve with keys of `myodrive keys`, bind to 127.0.0.1, or add --open-network if you trust everybody"
        )
