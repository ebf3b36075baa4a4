"""Known discharges, a decoder made for them, an amplifier in another process, and the pipeline on loopback."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
import threading
import time
import tracemalloc
import uuid
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
import scipy.signal
import zmq

from myodrive.stream import decoder_file as df
from myodrive.stream import loop, messages
from myodrive.stream.endpoints import Endpoints, next_port
from myodrive.stream.filter import CausalFilter
from myodrive.stream.inlet import StreamSource
from myodrive.stream.mask_worker import AtOnce
from myodrive.stream.masking import responses_to
from myodrive.stream.onnx_file import read_onnx
from myodrive.stream.parameter_file import parameter_file_from_bytes
from myodrive.stream.parameter_model import ParameterModel
from myodrive.stream.parameter_worker import ParameterWorker
from myodrive.stream.pipeline import Pipeline
from myodrive.stream.reporter import Reporter
from myodrive.stream.source_info import check_fit
from myodrive.stream.window import extend_reference

from .reporter_bench import Bench

TEMPLATE = Path(__file__).parents[2] / "export" / "decoder_template.onnx"
FS_HZ = 2000.0
CHANNELS, EXTENSION, UNITS = 16, 4, 3
LOOKAHEAD, REFRACTORY = 6, 40
SECONDS = 8


@dataclass(frozen=True)
class Planted:
    """Raw EMG with an offset on every channel, its true discharges, and a decoder made from it."""

    emg: np.ndarray  # float32 (samples, channels), uV
    discharges: list[np.ndarray]  # of every unit, at the instant its source peaks
    info: df.DecoderInfo
    matrices: dict[str, np.ndarray]
    decoder: df.Decoder


def _bytes_of(info: df.DecoderInfo, matrices: dict[str, np.ndarray]) -> bytes:
    width, units = matrices["filters"].shape
    shapes = {"window": (df.BLOCK, width), "sources": (df.BLOCK, units)}
    return read_onnx(TEMPLATE.read_bytes(), "template").with_changes(matrices, df.metadata_of(info), shapes)


def _plant() -> Planted:
    rng = np.random.default_rng(7)
    samples = int(SECONDS * FS_HZ)
    row, col = np.divmod(np.arange(CHANNELS), 2)
    emg = rng.normal(0.0, 4.0, (samples, CHANNELS))
    peaks = []
    length = 24  # samples: 12 ms
    for unit in range(UNITS):
        zone, side = rng.uniform(2, 6), unit % 2
        t = np.arange(length)[:, None] - 8 - 1.5 * np.abs(row - zone)  # the wave runs along the rows
        size = 120.0 * np.exp(-0.8 * np.abs(col - side)) * rng.uniform(0.6, 1.4, CHANNELS)
        muap = -size * (t / 2.5) * np.exp(-((t / 2.5) ** 2) / 2)  # (time, channels) uV
        intervals = rng.normal(0.1 + 0.013 * unit, 0.012, 200).clip(0.05)
        onset = (FS_HZ * (0.7 + np.cumsum(intervals))).astype(int)
        onset = onset[onset < samples - 2 * length]
        for start in onset:
            emg[start : start + length] += muap
        peaks.append(onset + 12)
    emg += rng.uniform(-3000, 3000, CHANNELS)  # electrode offsets
    emg = np.ascontiguousarray(emg, np.float32)

    sections = scipy.signal.butter(2, [20, 500], "bandpass", fs=FS_HZ, output="sos")
    filtered = emg.copy()
    CausalFilter(sections, CHANNELS)(filtered)
    extended = extend_reference(filtered, EXTENSION).astype(np.float64)  # (samples, width)
    covariance = extended.T @ extended / samples
    covariance += 0.01 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    inverse = np.linalg.inv(covariance)
    means = np.stack([extended[peak].mean(axis=0) for peak in peaks], axis=1)  # (width, units)
    filters = inverse @ means
    filters /= np.einsum("wu,wu->u", means, filters)  # a mean spike is 1 high
    power, basis = np.linalg.eigh(covariance)
    whitening = basis / np.sqrt(power)  # (width, rank)
    vectors = (basis * np.sqrt(power)).T @ filters
    matrices = {
        "filters": filters,
        "separation_vectors": vectors,
        "whitening": whitening,
        "inverse_covariance": inverse,
        "unit_means": means,
    }
    matrices = {name: np.ascontiguousarray(matrix, np.float32) for name, matrix in matrices.items()}
    unit = {"sil": 0.95, "pnr_db": 32.0, "cov_isi": 0.12, "threshold": 0.5, "spike_height": 1.0, "noise_height": 0.1}
    info = df.DecoderInfo(
        schema=df.SCHEMA,
        fs_hz=FS_HZ,
        channels=df.Channels(list(range(CHANNELS)), CHANNELS, row.tolist(), col.tolist(), 8.0, 8, 2),
        montage="monopolar",
        filter=df.FilterSettings(20.0, 500.0, 2, [], sections.tolist()),
        extension=EXTENSION,
        whitening=df.WhiteningSettings("zca", len(whitening), 0.0),
        detector=df.DetectorSettings(LOOKAHEAD, REFRACTORY),
        units=[df.Unit(id=m, lag_s=0.006, discharges=len(peaks[m]), rate_hz=10.0, **unit) for m in range(UNITS)],
        command=df.CommandLevels(rest=2.0, full=30.0, envelope_rest=5.0, envelope_full=60.0),
        created_by={"version": "test", "method": "planted"},
        source_sha256="0" * 64,
    )
    decoder = df.decoder_from_bytes(_bytes_of(info, matrices), "planted.onnx")
    return Planted(emg, peaks, info, matrices, decoder)


@pytest.fixture
def memory_of():
    """Function that gives the bytes that some turns keep, and the most they hold at once, as Python traces them.

    Every turn is told its number. After so many turns to warm up they are measured three times, and the least counts:
    what a fault takes it takes each time, what another thread takes, such as that of pytest-xdist, only now and then.
    """

    def memory_of(turn, turns):
        tries = []
        gc.collect()
        tracemalloc.start()
        try:
            for number in range(turns):
                turn(number)
            for first in (turns, 2 * turns, 3 * turns):
                before = tracemalloc.get_traced_memory()[0]
                tracemalloc.reset_peak()
                for number in range(first, first + turns):
                    turn(number)
                after, peak = tracemalloc.get_traced_memory()
                tries.append((after - before, peak - before))
        finally:
            tracemalloc.stop()
        kept, most = zip(*tries, strict=True)
        return min(kept), min(most)

    return memory_of


@pytest.fixture(scope="session")
def planted() -> Planted:
    """Three planted units on 16 channels, and their decoder."""
    return _plant()


@pytest.fixture(scope="session")
def cancelling(planted) -> Planted:
    """The planted units with a decoder that takes the other units out of each source."""
    before, length = 24, 60
    filtered = planted.emg.copy()
    CausalFilter(planted.info.filter.sections, CHANNELS)(filtered)
    sources = extend_reference(filtered, EXTENSION) @ planted.matrices["filters"]
    responses = np.empty((UNITS, UNITS, length), np.float32)
    for unit, discharges in enumerate(planted.discharges):
        inside = discharges[discharges < len(sources) - length]
        responses[:, unit] = np.mean([sources[n - before : n - before + length] for n in inside], axis=0).T
    cancellation = df.CancellationSettings(before, stride=8, weight=[30.0] * UNITS)
    info = msgspec.structs.replace(
        planted.info,
        schema=df.SCHEMA_WITH_CANCELLATION,
        detector=df.DetectorSettings(20, REFRACTORY, cancellation),
    )
    matrices = planted.matrices | {"responses": responses}
    decoder = df.decoder_from_bytes(_bytes_of(info, matrices), "cancelling.onnx")
    return Planted(planted.emg, planted.discharges, info, matrices, decoder)


@pytest.fixture(scope="session")
def maskable(cancelling) -> Planted:
    """The same with the units' waveforms, so that channels can be masked."""
    before, length = 24, 60
    filtered = cancelling.emg.copy()
    CausalFilter(cancelling.info.filter.sections, CHANNELS)(filtered)
    window = length - EXTENSION + 1
    waveforms = np.stack([
        np.mean([filtered[n - before : n - before + window] for n in discharges if n < len(filtered) - length], axis=0)
        for discharges in cancelling.discharges
    ]).astype(np.float32)  # fmt: skip
    responses = responses_to(waveforms, cancelling.matrices["filters"], EXTENSION)
    matrices = cancelling.matrices | {"waveforms": waveforms, "responses": responses}
    decoder = df.decoder_from_bytes(_bytes_of(cancelling.info, matrices), "maskable.onnx")
    return Planted(cancelling.emg, cancelling.discharges, cancelling.info, matrices, decoder)


@pytest.fixture(scope="session")
def planted_model(planted, parameter_graph) -> ParameterModel:
    """A parameter model of random weights on the planted array."""
    file = parameter_file_from_bytes(parameter_graph.parameter_model_bytes())
    info = planted.info
    return ParameterModel(file, info.fs_hz, info.channels.geometry(), info.filter, info.montage)


@pytest.fixture(scope="session")
def decoder_bytes():
    """Function that makes a decoder file of metadata and matrices."""
    return _bytes_of


@pytest.fixture(scope="session")
def decode_all():
    """Function that runs a pipeline over a whole signal: spikes [(sample, unit)], sources and drive rows."""

    def decode_all(pipeline: Pipeline, emg: np.ndarray, hops, gaps: dict[int, int] | None = None):
        spikes, sources, drive = [], [], []
        start, lost, i = 0, 0, 0
        while start < len(emg):
            size = hops if isinstance(hops, int) else hops[i % len(hops)]
            i += 1
            stops = [len(emg), start + size, *(g for g in (gaps or {}) if g > start)]
            missing = (gaps or {}).get(start, 0)
            lost += missing
            hop = emg[start : min(stops)]
            pipeline(hop, start + lost, missing)
            found = pipeline.detector
            spikes += list(zip(found.sample[: found.count].tolist(), found.unit[: found.count].tolist(), strict=True))
            sources.append(pipeline.sources[: len(hop)].copy())
            drive.append(pipeline.drive.due[: pipeline.drive.count].copy())
            start += len(hop)
        return spikes, np.concatenate(sources), np.concatenate(drive)

    return decode_all


# --- an amplifier in a process of its own ---------------------------------------------------------------------------

# Plays an array in a loop; the words on its standard input: "hold" (samples wait), "mute" (samples are skipped), "go",
# "dead" (the outlet is dropped; "born" brings it back, "born RATE" at another rate). Ends with its standard input.
AMPLIFIER = """
import sys, threading, time
import numpy as np, pylsl
path, name, source_id, rate, chunk, unit, dtype = sys.argv[1:]
emg, chunk = np.load(path), int(chunk)
formats = {"float32": pylsl.cf_float32, "int16": pylsl.cf_int16, "double64": pylsl.cf_double64, "int32": pylsl.cf_int32}
words = []
def listen():
    for line in sys.stdin:
        words.append(line.split())
    words.append(["end"])
threading.Thread(target=listen, daemon=True).start()
def outlet(rate):
    info = pylsl.StreamInfo(name, "EMG", emg.shape[1], rate, formats[dtype], source_id)
    channels = info.desc().append_child("channels")
    for i in range(emg.shape[1]):
        channel = channels.append_child("channel")
        channel.append_child_value("label", str(i + 1))
        if unit:
            channel.append_child_value("unit", unit)
    return pylsl.StreamOutlet(info, max_buffered=60)
rate = float(rate)
out = outlet(rate)
print("ready", flush=True)
while not words and not out.wait_for_consumers(0.1):
    pass
time.sleep(0.15)  # liblsl may lose what is sent while the inlet opens
state, at, t0 = "go", 0, pylsl.local_clock()
while True:
    while words:
        state, *rest = words.pop(0)
        if state == "end":
            sys.exit()
        if state == "dead":
            out = None
        if state == "born":
            rate = float(rate if not rest else rest[0])
            out = outlet(rate)
            at, t0, state = 0, pylsl.local_clock(), "go"
    stamp = t0 + (at + chunk - 1) / rate
    wait = stamp - pylsl.local_clock()
    if wait > 0 or state in ("hold", "dead"):
        time.sleep(min(max(wait, 1e-3), 0.01))
        continue
    if state == "go":
        out.push_chunk(np.ascontiguousarray(emg.take(range(at, at + chunk), axis=0, mode="wrap")), stamp)
    at += chunk
"""


class Amplifier:
    """A process with an LSL outlet that plays an array."""

    def __init__(self, path: Path, rate: float, chunk: int, unit: str, dtype: str, name: str) -> None:
        self.name = f"{name} {uuid.uuid4().hex[:12]}"
        self.source_id = uuid.uuid4().hex
        arguments = [str(path), self.name, self.source_id, str(rate), str(chunk), unit, dtype]
        self._process = subprocess.Popen(
            [sys.executable, "-c", AMPLIFIER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def wait_until_ready(self) -> None:
        """Come back when its stream can be found."""
        assert self._process.stdout.readline() == "ready\n"

    def tell(self, word: str) -> None:
        """Send a word such as "mute"."""
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        self._process.kill()
        self._process.wait(5)
        self._process.stdin.close()
        self._process.stdout.close()


@pytest.fixture
def amplifier(tmp_path):
    """Function that starts an amplifier process playing an array; all are ended after the test."""
    running = []

    def start(
        emg: np.ndarray,
        *,
        rate: float = FS_HZ,
        chunk: int = 8,
        unit: str = "microvolts",
        dtype: str = "float32",
        name: str = "test amplifier",
    ) -> Amplifier:
        path = tmp_path / f"emg{len(running)}.npy"
        np.save(path, emg)
        one = Amplifier(path, rate, chunk, unit, dtype, name)
        ending.callback(one.kill)
        running.append(one)
        one.wait_until_ready()
        return one

    with contextlib.ExitStack() as ending:
        yield start


# --- clients, and the pipeline under test -----------------------------------------------------------------------------


@pytest.fixture
def context():
    """A ZeroMQ context whose sockets are closed after the test."""
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


class Subscriber:
    """Receives messages of given prefixes and keeps them, in order of arrival."""

    def __init__(self, context: zmq.Context, address: str, *prefixes: str) -> None:
        self.kept: list[messages.Message] = []
        self.topics: list[bytes] = []
        self.frames: list[list[bytes]] = []
        self._socket = context.socket(zmq.SUB)
        for prefix in prefixes:
            self._socket.subscribe(prefix)
        self._socket.connect(address)

    def receive(self, timeout_s: float = 2.0) -> messages.Message | None:
        """The next message, or None when none came in time."""
        if not self._socket.poll(1000 * timeout_s):
            return None
        frames = self._socket.recv_multipart()
        self.topics.append(frames[0])
        self.frames.append(frames)
        self.kept.append(messages.decode(frames))
        return self.kept[-1]

    def until(self, wanted, timeout_s: float = 8.0) -> messages.Message:
        """The first message from now on for which `wanted(message)` holds; fails after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0:
            message = self.receive(left)
            if message is not None and wanted(message):
                return message
        last = next((m for m in reversed(self.kept) if isinstance(m, messages.Status)), None)
        pytest.fail(f"what was waited for did not come in {timeout_s} s; {len(self.kept)} messages, last status {last}")

    def listen(self, seconds: float) -> None:
        """Keep what comes for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.receive(left)

    def of(self, form: type) -> list:
        """The messages kept that are of one kind."""
        return [message for message in self.kept if type(message) is form]


@pytest.fixture
def subscribe(context):
    """Function (address, *prefixes) that gives a Subscriber."""
    return lambda address, *prefixes: Subscriber(context, address, *(prefixes or ("",)))


@pytest.fixture
def ask(context):
    """Function that asks a control socket one thing as a REQ client and gives the decoded reply."""

    def ask(address: str, word: str) -> dict:
        client = context.socket(zmq.REQ)
        client.setsockopt(zmq.LINGER, 0)
        client.connect(address)
        client.send(msgspec.msgpack.encode({"do": word}))
        assert client.poll(3000), "the control socket does not answer"
        reply = msgspec.msgpack.decode(client.recv())
        client.close()
        return reply

    return ask


class KeptPipeline(Pipeline):
    """A pipeline that keeps what it was fed."""

    fed: list[tuple[int, int, np.ndarray]] | None = None

    def __call__(self, raw, first_sample, lost_before=0):
        if self.fed is not None:
            self.fed.append((first_sample, lost_before, raw.copy()))
        return super().__call__(raw, first_sample, lost_before)


class Live:
    """The live loop in a thread of this process."""

    def __init__(
        self,
        decoder: df.Decoder,
        name: str,
        address: str,
        *,
        hop: int = 8,
        gain: float | None = None,
        drive=None,
        model=None,
        masks=AtOnce,
    ) -> None:
        self.address, self.control = address, next_port(address)
        self.pipeline = KeptPipeline(decoder, hop, drive=drive, masks=masks)
        self.pipeline.fed = []
        index = np.array(decoder.info.channels.index)
        fs_hz = decoder.info.fs_hz
        with contextlib.ExitStack() as held:
            held.callback(self.pipeline.close)
            self.endpoints = Endpoints(address, name)
            held.callback(self.endpoints.close)
            self.source = StreamSource(name, index, fs_hz, hop, lambda source: check_fit(source, decoder), gain)
            held.callback(self.source.close)
            self.worker = ParameterWorker(model, self.pipeline.averager) if model is not None else None
            if self.worker is not None:
                held.callback(self.worker.close)
            self.reporter = Reporter(self.endpoints, decoder, self.source, self.pipeline, self.worker)
            self._held = held.pop_all()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live loop", daemon=True)  # one that hangs ends with us
        self.failure: BaseException | None = None
        self._thread.start()

    def _run(self) -> None:
        try:
            loop.run(self.source, self.pipeline, self.reporter, stop=self._stop.is_set)
        except BaseException as error:
            self.failure = error

    def stop(self) -> None:
        """End the loop, as a signal would, and free what it held."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join(5)
            assert not self._thread.is_alive(), "the loop does not end"
            self._thread = None
            self._held.close()

    def join(self, timeout_s: float) -> bool:
        """Whether the loop ended by itself in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()


@pytest.fixture
def live(free_address):
    """Function that starts the live loop on a decoder and a stream name; ended after the test, and must not fail."""
    running = []
    with contextlib.ExitStack() as ending:

        def start(decoder, name, **options):
            running.append(Live(decoder, name, free_address(), **options))
            ending.callback(running[-1].stop)
            return running[-1]

        yield start
    for one in running:
        if one.failure is not None:
            raise one.failure


@pytest.fixture
def bench(planted, free_address):
    """A reporter over the planted recording, at the test's own pace."""
    address = free_address()
    with contextlib.closing(Endpoints(address, "amp")) as endpoints:
        yield Bench(planted, address, endpoints)
