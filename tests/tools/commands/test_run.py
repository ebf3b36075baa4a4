"""`myodrive run` as a process: what it refuses, what it publishes, that nothing holds it up."""

import signal
import socket
import time

import msgspec
import numpy as np
import pylsl
import pytest

from myodrive.stream.decoder_file import read_decoder
from myodrive.stream.session import onnxruntime
from myodrive.tools.events import read_events
from myodrive.tools.subscriber import Subscriber

LIVE_S = 4
PING = msgspec.msgpack.encode({"do": "ping"})
STATUS = msgspec.msgpack.encode({"do": "status"})
STOP = msgspec.msgpack.encode({"do": "stop"})


@pytest.fixture
def run(process, unique, decoder_path, address):
    """The pipeline as a process, waiting for the test's own stream."""

    def start(*options, **popen):
        return process("run", "--stream", unique, "--decoder", decoder_path, "--bind", address, *options, **popen)

    return start


@pytest.fixture
def play(process, unique, muscle_path):
    """The amplifier as a process."""

    def start(*options):
        return process("play", muscle_path, "--name", unique, "--source-id", unique, *options)

    return start


@pytest.fixture
def refusal(myodrive, unique, decoder_path, address):
    """What `run` says in this process."""

    def call(*options):
        return myodrive("run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--json", *options)

    return call


@pytest.fixture
def status(control, address):
    """The pipeline's status by its control socket."""
    return lambda: (control(address, STATUS) or {}).get("status")


def last_line(said):
    return [line for line in said.err.splitlines() if line.strip()][-1]


# refused before a stream is there


def test_a_parameter_model_that_cannot_be_read_is_refused(refusal, muscle_path):
    assert refusal("--params", "missing.onnx").refused("no parameter model at", "missing.onnx")
    assert refusal("--params", str(muscle_path)).refused("no ONNX file")


@pytest.mark.parametrize(
    "bind",
    ["nonsense", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:http", "tcp://127.0.0.1:0",
     "tcp://127.0.0.1:65535", "tcp://127.0.0.1:999999", "udp://127.0.0.1:5570", "127.0.0.1:5570", ""],
)  # fmt: skip
def test_what_is_no_address_is_refused(refusal, bind):
    assert refusal("--bind", bind).refused("is not an address", "tcp://127.0.0.1:5570")


@pytest.mark.parametrize("host", ["0.0.0.0", "*", "192.168.1.5", "127.0.0.1.example.org", "127.0.0.1:1;0.0.0.0"])
def test_an_address_that_others_can_reach_is_refused(refusal, host):
    assert refusal("--bind", f"tcp://{host}:5570").refused("--open-network")


@pytest.mark.parametrize("beside", [0, 1], ids=["messages", "control"])
def test_an_address_in_use_is_refused(refusal, address, beside):
    port = int(address.rpartition(":")[2]) + beside
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert refusal().refused(f"127.0.0.1:{port} is in use")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--hop", "0"), "4096"),
        (("--hop", "99999"), "4096"),
        (("--drive-rate", "0"), "drive messages"),
        (("--drive-rate", "nan"), "drive messages"),
        (("--smoothing", "-1"), "smoothing"),
    ],
)
def test_options_out_of_range_are_refused(refusal, options, word):
    assert refusal(*options).refused(word)


def test_cuda_is_refused_where_there_is_none(refusal, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert refusal("--provider", "cuda").refused("without CUDA", "provider cpu")


# refused when the stream is seen


@pytest.mark.parametrize("options", [("--wait", "1"), ("--seconds", "1")])
def test_a_stream_that_never_appears_ends_it_with_1(refusal, unique, options):
    said = refusal(*options)
    assert said.code == 1
    assert said.out == ""
    assert unique in last_line(said)
    assert "within 1 s" in last_line(said)


def test_a_wrong_name_is_told_the_streams_that_are_there(refusal, unique):
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(unique + "-other", "EMG", 25, 2048.0, pylsl.cf_float32, unique))
    said = refusal("--wait", "5")
    assert outlet
    assert (said.code, said.out) == (1, "")
    telling = [line for line in said.err.splitlines() if "still waiting" in line]
    assert len(telling) == 1
    assert f'"{unique}-other"' in telling[0]
    assert "within 5 s" in last_line(said)
    assert f'"{unique}-other"' in last_line(said)


def test_a_stream_that_sends_nothing_is_told_from_one_that_is_not_there(refusal, unique):
    info = pylsl.StreamInfo(unique, "EMG", 25, 2048.0, pylsl.cf_float32, unique)
    outlet = pylsl.StreamOutlet(info)
    said = refusal("--wait", "5", "--counter", "24", "--gain", "1")
    assert (said.code, said.out) == (1, "")
    assert "is there but sends no samples" in last_line(said)
    assert outlet


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ({"fs_hz": 2000.0}, ("2048 Hz", "2000 Hz")),
        ({"channels": 20}, ("channel 23", "has 20")),
        ({"form": pylsl.cf_string}, ("not numbers",)),
        ({"fs_hz": 0.0}, ("no regular rate",)),
        ({"unit": "degrees"}, ("degrees", "--gain")),
    ],
    ids=["rate", "channels", "strings", "no rate", "unit"],
)
def test_a_stream_that_does_not_fit_ends_it_with_1(refusal, unique, stream, words):
    channels, form = stream.get("channels", 24), stream.get("form", pylsl.cf_float32)
    info = pylsl.StreamInfo(unique, "EMG", channels, stream.get("fs_hz", 2048.0), form, unique)
    entries = info.desc().append_child("channels")
    for _ in range(channels):
        entries.append_child("channel").append_child_value("unit", stream.get("unit", "uV"))
    outlet = pylsl.StreamOutlet(info)
    said = refusal("--wait", "20", "--seconds", "20")
    assert said.code == 1
    assert said.out == ""
    assert "Traceback" not in said.err
    assert all(word in last_line(said) for word in words), said.err
    assert outlet


# live


def test_live_and_decode_find_the_same_discharges(run, play, myodrive, muscle_path, decoder_path, address, tmp_path):
    subscriber = Subscriber(address, ("spikes/", "status/"))
    try:
        pipeline = run("--json")
        amplifier = play("--wait-for-consumers", "30", "--seconds", str(LIVE_S))
        live: dict[int, list[int]] = {}
        session, state, deadline = set(), "", time.monotonic() + 60
        while state != "stalled" and time.monotonic() < deadline:
            received = subscriber.receive(0.2)
            if received is None:
                continue
            kind, message = received
            session.add(message.session)
            if kind == "status":
                state = message.state
                continue
            for unit, sample in zip(message.unit, message.spike_sample, strict=True):
                live.setdefault(unit, []).append(sample)
        assert state == "stalled"
        assert len(session) == 1
        assert sum(subscriber.missed.values()) == 0
    finally:
        subscriber.close()
    amplifier.wait(timeout=10)
    pipeline.send_signal(signal.SIGTERM)
    out, err = pipeline.communicate(timeout=20)
    assert pipeline.returncode == 0, err
    told = msgspec.json.decode(out)
    assert (told["samples_in"], told["samples_lost"], told["gaps"]) == (LIVE_S * 2048, 0, 0)
    assert myodrive("decode", muscle_path, "--decoder", decoder_path, "-o", tmp_path / "e.tsv").code == 0
    decided = (
        LIVE_S * 2048 - read_decoder(decoder_path).info.detector.lookahead
    )  # what the live end could look ahead of
    decoded = {u: t[t < decided].tolist() for u, t in read_events(tmp_path / "e.tsv").units.items()}
    assert min(map(len, decoded.values())) > 20
    assert {unit: sorted(train) for unit, train in live.items()} == decoded


def test_parameters_of_every_unit_go_out(run, play, address, control, tmp_path, parameter_graph):
    path = tmp_path / "random.onnx"
    path.write_bytes(parameter_graph.parameter_model_bytes())
    subscriber = Subscriber(address, ("params/", "muaps/"))
    try:
        pipeline = run("--params", path)
        play("--loop")
        told, drawn, deadline = {}, set(), time.monotonic() + 60
        while (len(told) < 4 or len(drawn) < 4) and time.monotonic() < deadline:
            received = subscriber.receive(0.2)
            if received is None:
                continue
            kind, message = received
            if kind == "muaps":
                drawn.add(message.unit)
                assert len(message.waveform) == 24
            elif message.cv_m_s is not None:
                told[message.unit] = message
        assert drawn == set(told) == {0, 1, 2, 3}
        assert all(message.spikes_used >= 20 for message in told.values())
        assert all(message.cv_m_s_sd > 0 and message.more["depth_mm_sd"] > 0 for message in told.values())
        assert sum(subscriber.missed.values()) == 0
    finally:
        subscriber.close()
    assert control(address, STOP)["ok"]
    _, err = pipeline.communicate(timeout=20)
    assert b"parameters by random.onnx (" in err


def test_a_console_that_nobody_reads_holds_nothing_up(run, play, status, until, control, address):
    pipeline = run()  # stdout and stderr are pipes that are read at the very end only
    play("--loop")
    first = until(lambda: (found := status()) and found["samples_in"] > 0 and found)
    assert first
    counts = [first]
    for _ in range(3):
        time.sleep(1.0)
        counts.append(status())
    samples = np.diff([found["samples_in"] for found in counts])
    assert (samples > 1000).all()
    assert counts[-1]["samples_lost"] == 0
    assert counts[-1]["state"] == "live"
    assert control(address, STOP)["ok"]
    pipeline.communicate(timeout=20)
    assert pipeline.returncode == 0


def test_a_reader_that_closed_the_pipe_does_not_end_the_decoding(run, play, status, until, control, address):
    pipeline = run()
    pipeline.stderr.close()
    pipeline.stdout.close()
    pipeline.stderr = pipeline.stdout = None
    play("--loop")
    assert until(lambda: (found := status()) and found["samples_in"] > 2048)
    assert control(address, STOP)["ok"]
    assert pipeline.wait(timeout=20) in (0, 120)  # 120: Python's own complaint that stderr is gone


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_ctrl_c_ends_it_with_a_summary(run, status, until, options):
    pipeline = run(*options)
    assert until(lambda: (found := status()) and found["state"] == "waiting")
    pipeline.send_signal(signal.SIGINT)
    out, err = pipeline.communicate(timeout=20)
    assert pipeline.returncode == 0, err
    if options:
        assert msgspec.json.decode(out)["samples_in"] == 0
    else:
        assert out == b""
        assert b"stopped after 0 samples" in err


def test_two_streams_of_one_name_are_refused_with_their_sources(refusal, unique):
    both = [pylsl.StreamOutlet(pylsl.StreamInfo(unique, "EMG", 24, 2048.0, "float32", f"{unique}-{n}")) for n in "ab"]
    said = refusal()
    assert both
    assert said.code == 1
    for words in ("2 streams are named", f"{unique}-a", f"{unique}-b", socket.gethostname()):
        assert words in last_line(said)


def test_any_bytes_on_the_control_socket_change_nothing(run, status, until, control, address, rng):
    pipeline = run()
    before = until(status)
    bodies = [rng.bytes(length) for length in (0, 1, 2, 7, 100, 1500, 4000)]
    bodies += [
        b"\xc0",
        b"\x81\xa2do\xc0",
        b"\x81\xa2do\xa2\xff\xff",
        b"\x91" * 900,
        msgspec.msgpack.encode({"do": "x"}),
    ]
    bodies += [msgspec.msgpack.encode({"do": "stop", "now": True}), msgspec.msgpack.encode({"do": ["stop"]})]
    for body in bodies:
        reply = control(address, body)
        assert reply["ok"] is False
        assert reply["error"]
    assert "too long" in control(address, bytes(10_000))["error"]
    assert control(address, bytes(100_000), 0.5) is None  # beyond ZeroMQ's limit: cut off
    assert control(address, PING)["session"] == control(address, PING)["session"]
    assert status()["state"] == before["state"]
    assert pipeline.poll() is None


def test_pause_and_resume_and_stop_by_the_control_socket(run, status, until, control, address):
    pipeline = run("--json")
    assert until(status)
    assert control(address, msgspec.msgpack.encode({"do": "pause"}))["ok"]
    assert until(lambda: status()["state"] == "paused", 5)
    assert control(address, msgspec.msgpack.encode({"do": "resume"}))["ok"]
    assert until(lambda: status()["state"] == "waiting", 5)
    assert control(address, STOP)["ok"]
    out, _ = pipeline.communicate(timeout=20)
    assert pipeline.returncode == 0
    assert msgspec.json.decode(out)["provider"] == "CPUExecutionProvider"
