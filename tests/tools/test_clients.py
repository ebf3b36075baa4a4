"""The clients in other languages: the C++ one is compiled and run, the calls that the others make are there."""

import itertools
import re
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import msgspec
import pylsl
import pytest
import zmq

from myodrive.stream.client import Client
from myodrive.stream.messages import Drive, Spikes

PACKAGES = "g++ cppzmq-dev libmsgpack-cxx-dev"
COMPILER = shutil.which("g++") or shutil.which("c++")
HEADERS = "#include <msgpack.hpp>\n#include <zmq_addon.hpp>\n"
LONGEST = 60  # lines


@pytest.fixture(scope="module")
def folder(repository):
    return repository / "tools" / "clients"


@pytest.fixture(scope="module")
def program(folder, tmp_path_factory) -> Path:
    """The C++ client, compiled with every warning an error."""
    if COMPILER is None:
        pytest.skip(f"there is no C++ compiler: apt install {PACKAGES}")
    options = [COMPILER, "-std=c++17", "-Wall", "-Wextra", "-Werror"]
    there = subprocess.run([*options, "-E", "-x", "c++", "-"], input=HEADERS.encode(), capture_output=True)
    if there.returncode != 0:
        pytest.skip(f"the headers of cppzmq or msgpack-cxx are not there: apt install {PACKAGES}")
    path = tmp_path_factory.mktemp("cpp") / "client"
    done = subprocess.run([*options, folder / "client.cpp", "-o", path, "-lzmq"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return path


class Running:
    """The client as a process, and what it has printed so far."""

    def __init__(self, program, address, out, until):
        self._out, self._until = out, until
        with out.open("wb") as file:
            self._process = subprocess.Popen([program, address], stdout=file)

    def lines(self):
        return self._out.read_text().splitlines()

    def until(self, wanted):
        """What it has printed once `wanted` holds of it."""
        assert self._until(lambda: wanted(self.lines())), self.lines()[-20:]
        assert self._process.poll() is None
        return self.lines()

    def close(self):
        self._process.kill()
        self._process.wait()


@pytest.fixture
def running(program, address, tmp_path, until):
    with closing(Running(program, address, tmp_path / "out.txt", until)) as running:
        yield running


@pytest.fixture
def send(address, running):
    """Send messages to the client, which has subscribed."""
    with zmq.Context() as context:
        socket = context.socket(zmq.XPUB)
        socket.bind(address)

        def send(*messages):
            for topic, body in messages:
                socket.send_multipart([topic, body() if callable(body) else body])

        try:
            for _ in range(2):
                assert socket.poll(10_000)
                socket.recv()
            yield send
        finally:
            socket.close(linger=0)


def drive(seq, command=0.625, age=0.0, **fields):
    """A drive message, made when it is sent."""
    values = {"source": "units", "valid": True, "session": "a"} | fields

    def body():
        now = pylsl.local_clock()
        message = Drive(
            seq=seq, t_pub=now - age, rate=[10.0, 0.0], cst=10.0, command=command, delay_s=0.08, envelope=1.0, **values
        )
        return msgspec.msgpack.encode(message)

    return b"drive/emg", body


def spikes(seq, session="a", valid=True):
    message = Spikes(
        seq=seq, session=session, unit=[3, 11], spike_sample=[7, 9], spike_t=[1.25, 1.5], margin=[1.0, 0.5], valid=valid
    )
    return b"spikes/emg", msgspec.msgpack.encode(message)


def printed(line):
    """Whether a line is among the lines."""
    return lambda lines: line in lines


LAST = (b"spikes/emg", msgspec.msgpack.encode(Spikes(unit=[99], spike_sample=[0], spike_t=[0.0], margin=[1.0])))
LAST_LINE = "unit 99 at 0.000000 s"


def test_the_cpp_client_follows_a_drive_and_stops_when_it_is_old(running, send):
    numbers = itertools.count()
    running.until(lambda lines: send(drive(next(numbers))) or "command 0.625" in lines)
    lines = running.until(lambda lines: lines[-1] == "command 0.000")  # nothing comes any more
    assert set(lines) == {"command 0.625", "command 0.000"}


@pytest.mark.parametrize(
    "message", [drive(0, valid=False), drive(0, age=0.3), drive(0, age=-5.0), drive(0, 7.0), drive(0, float("nan"))],
    ids=["invalid", "old", "from the future", "too large", "no number"],
)  # fmt: skip
def test_the_cpp_client_does_not_act_on(running, send, message):
    send(message, LAST)
    assert set(running.until(printed(LAST_LINE))) <= {"command 0.000", LAST_LINE}


def test_the_cpp_client_prints_valid_discharges(running, send):
    send(spikes(0, valid=False), spikes(1), LAST)
    lines = running.until(printed(LAST_LINE))
    assert [line for line in lines if "unit" in line] == ["unit 3 at 1.250000 s", "unit 11 at 1.500000 s", LAST_LINE]


def test_the_cpp_client_tells_holes_and_takes_a_new_session(running, send):
    send(spikes(0), spikes(4), drive(9), drive(10), spikes(7, "b"), spikes(8, "b"), drive(12, session="b"), LAST)
    lines = running.until(printed(LAST_LINE))
    assert [line for line in lines if "missed" in line] == ["missed 3 of spikes/emg"]


@pytest.mark.parametrize("body", [b"", b"junk", b"\xc1", b"\x80", b"\xdd\xff\xff\xff\xff", msgspec.msgpack.encode([1])])
def test_the_cpp_client_survives_junk(running, send, body):
    send((b"drive/emg", body))
    numbers = itertools.count()
    lines = running.until(lambda lines: send(drive(next(numbers))) or "command 0.625" in lines)
    assert any(line.startswith("not understood") for line in lines)


def test_the_cpp_client_follows_a_live_pipeline(running, process, unique, address, decoder_path, muscle_path):
    process(
        "run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--params", "none", "--quiet"
    )  # fmt: skip
    process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")

    def follows(lines):
        units = [line for line in lines if re.fullmatch(r"unit \d+ at \d+\.\d{6} s", line)]
        return len(units) > 20 and any(0.0 < float(line.split()[1]) <= 1.0 for line in lines if line[:7] == "command")

    lines = running.until(follows)
    assert not any("missed" in line or "understood" in line for line in lines)


@pytest.mark.parametrize("name", ["client.cpp", "Client.cs", "client.m"])
def test_a_client_can_be_read_at_a_glance_and_is_described(folder, name):
    text = (folder / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    for word in ("spikes/", "drive/", "command", "missed", "unit"):
        assert word in text
    assert f"`{name}`" in (folder / "README.md").read_text(encoding="utf-8")


def test_what_the_matlab_client_calls_is_there(folder, address):
    text = (folder / "client.m").read_text(encoding="utf-8")
    called = set(re.findall(r"pipeline\.(\w+)", text))
    assert called == {"close", "waiting", "missed", "restarts", "command", "why_not"}
    with Client(address, ("spikes/", "drive/")) as pipeline:  # MATLAB makes a tuple of a cell array
        assert all(hasattr(pipeline, name) for name in called)
        assert list(pipeline.waiting()) == []
        assert sum(pipeline.missed.values()) == 0
    fields = set(re.findall(r"message\.(\w+)", text))
    assert fields <= set(Spikes.__struct_fields__)


def test_what_the_csharp_client_reads_is_there(folder):
    text = (folder / "Client.cs").read_text(encoding="utf-8")
    declared = re.search(r"class PipelineMessage.*?\{(.*?)\}", text, re.DOTALL)[1]
    names = set(re.findall(r"(\w+);", declared))
    assert names <= set(Spikes.__struct_fields__) | set(Drive.__struct_fields__)
    assert {"seq", "session", "t_pub", "valid", "command", "unit", "spike_t"} == names
