"""`myodrive listen` beside a pipeline."""

import signal

import msgspec
import pytest
import zmq

from myodrive.stream.messages import Latency, Status
from myodrive.tools.commands.listen import _line


@pytest.fixture
def pipeline(process, unique, decoder_path, muscle_path, address, control, until):
    """A pipeline that decodes the usual recording over and over."""
    process("run", "--stream", unique, "--decoder", decoder_path, "--bind", address)
    process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")
    status = msgspec.msgpack.encode({"do": "status"})
    assert until(lambda: (found := control(address, status)) and found["status"]["state"] == "live")


@pytest.mark.usefixtures("pipeline")
def test_it_prints_what_is_published(myodrive, address, unique):
    said = myodrive("listen", "--connect", address, "--count", "60", "--seconds", "20", "--json")
    assert said.code == 0
    assert said.err == ""
    rows = [msgspec.json.decode(line) for line in said.out.splitlines()]
    assert len(rows) == 60
    assert {"units", "status", "drive"} <= {row["kind"] for row in rows}
    assert {row["v"] for row in rows} == {1}
    assert len({row["session"] for row in rows}) == 1
    drive = [row["seq"] for row in rows if row["kind"] == "drive"]
    assert drive == list(range(drive[0], drive[0] + len(drive)))

    only = myodrive("listen", "--connect", address, "--topic", f"spikes/{unique}", "--count", "3", "--seconds", "20")
    assert only.code == 0
    assert [line.split()[0] for line in only.out.splitlines()] == ["spikes"] * 3


@pytest.mark.usefixtures("pipeline")
def test_parameters_and_waveforms_are_lines(myodrive, address):
    listen = ("listen", "--connect", address, "--seconds", "20")
    said = myodrive(*listen, "--topic", "params/", "--count", "4")
    assert said.code == 0
    assert all(line.startswith("params ") and "iz_mm=" in line and "reason=" in line for line in said.out.splitlines())
    row = msgspec.json.decode(myodrive(*listen, "--topic", "params/", "--count", "1", "--json").out)
    assert {"unit", "iz_mm", "iz_mm_sd", "cv_m_s", "cv_m_s_sd", "reason"} <= set(row)
    assert "more" not in row
    said = myodrive(*listen, "--topic", "muaps/", "--count", "2")
    assert all(len(line) < 200 and "waveform=24x" in line for line in said.out.splitlines())


def test_a_line_has_values_with_their_deviations():
    fields = {
        "unit": 2,
        "iz_mm": 12.34,
        "iz_mm_sd": 0.41,
        "cv_m_s": None,
        "cv_m_s_sd": None,
        "reason": "beyond: cv",
    }
    assert _line("params", fields) == "params  unit=2  iz_mm=12.34±0.41  cv_m_s=-  reason=beyond: cv"


@pytest.mark.usefixtures("pipeline")
def test_a_closed_pipe_ends_it_without_a_word(process, address):
    listener = process("listen", "--connect", address)
    listener.stdout.readline()
    listener.stdout.close()
    listener.stdout = None
    assert listener.wait(timeout=10) == 1
    assert listener.stderr.read() == b""


def test_a_restart_of_the_pipeline_is_told(process, address):
    listener = process("listen", "--connect", address, "--topic", "status/", "--count", 3)
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind(address)
        assert socket.poll(20_000)
        for seq, session in ((7, "a"), (8, "a"), (0, "b")):
            message = Status(
                seq=seq, session=session, state="live", samples_in=0, samples_lost=0, gaps=0, reconnects=0,
                late_hops=0, bad_channels=[], bad_reasons=[], messages_dropped=0,
                latency_ms=Latency(p50=0.0, p99=0.0, p999=0.0, max=0.0, hist=[]),
            )  # fmt: skip
            socket.send_multipart([b"status/emg", msgspec.msgpack.encode(message)])
        out, err = listener.communicate(timeout=20)
    assert len(out.splitlines()) == 3
    assert err.decode().count("was started again") == 1
    assert "missed" not in err.decode()


def test_nobody_there_is_1_and_says_so(myodrive, address):
    said = myodrive("listen", "--connect", address, "--seconds", "0.3")
    assert said.code == 1
    assert said.out == ""
    assert f"no message came from {address}" in said.err


def test_a_topic_that_no_message_has_is_said_of_a_pipeline_that_is_there(
    process, myodrive, unique, decoder_path, address, control, until
):
    process("run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--params", "none")
    assert until(lambda: control(address, msgspec.msgpack.encode({"do": "ping"}), 0.5), 30)
    why = f'a pipeline is at {address}, but nothing that begins with "drives/" came: topics are spikes/, drive/, '
    said = myodrive("listen", "--connect", address, "--topic", "drives/", "--seconds", "0.3")
    assert said.code == 1
    assert said.err.startswith(why)
    listener = process("listen", "--connect", address, "--topic", "drives/")
    assert listener.stderr.readline().decode().startswith(why)
    assert listener.stderr.readline() == b"still waiting\n"
    listener.send_signal(signal.SIGINT)
    assert listener.wait(timeout=20) == 1


@pytest.mark.parametrize("where", ["nonsense", "", "tcp://127.0.0.1:99999", "tcp://127.0.0.1"])
@pytest.mark.parametrize("options", [(), ("--table",)])
def test_what_is_no_address_is_refused(myodrive, where, options):
    assert myodrive("listen", "--connect", where, "--seconds", "1", *options).refused("cannot be connected to")


def test_a_signal_is_one_line_however_many_values_it_has():
    values = [0.5 * n for n in range(200)]
    fields = {"name": "cell", "value": values, "value_sample": values, "value_t": values}
    assert _line("signal", fields) == "signal  name=cell  value=200, 0 to 99.5  value_sample=99.5  value_t=99.5"
    empty = {"name": "cell", "value": [], "value_sample": [], "value_t": []}
    assert _line("signal", empty) == "signal  name=cell  value=0"
    single = {"name": "cell", "value": [25.58], "value_sample": [8.0], "value_t": [0.5]}
    assert _line("signal", single) == "signal  name=cell  value=1, 25.58  value_sample=8  value_t=0.5"
