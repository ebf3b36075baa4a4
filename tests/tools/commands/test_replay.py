"""`myodrive replay`: a live session with everything that can happen to it gives the same messages once more."""

import contextlib
import shutil
import signal
import struct
import time

import msgspec
import numpy as np
import pylsl
import pytest

from myodrive.stream.curve import read_client_keys
from myodrive.stream.mask_worker import Swap
from myodrive.stream.recording import EVENT, TICK
from myodrive.tools import replay as module
from myodrive.tools.commands import replay as command
from myodrive.tools.events import read_events, read_marks
from myodrive.tools.keys import make_server
from myodrive.tools.replay import swaps_of
from myodrive.tools.segments import HEADER, SegmentWriter
from myodrive.tools.session_file import MESSAGE, MESSAGES, TOPIC_LENGTH, Session
from myodrive.tools.subscriber import Subscriber

LIVE_S = 8
MARKERS = 40
STOP, PAUSE, RESUME = (msgspec.msgpack.encode({"do": word}) for word in ("stop", "pause", "resume"))
STATUS = msgspec.msgpack.encode({"do": "status"})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the session is kept, and what `run` said of it: made once, by the first test that asks for it."""
    return tmp_path_factory.mktemp("recorded") / "session", {}


@pytest.fixture
def recorded(
    place, process, unique, decoder_path, address, control, until, muscle, recording_like, parameter_graph, tmp_path
):
    """The folder of a live session with gaps, a stall, a pause and bad channels, and what `run` said in the end."""
    folder, told = place
    if told:
        return folder, told
    emg = muscle.emg.copy()
    emg[round(1.2 * muscle.fs_hz) : round(2.2 * muscle.fs_hz), 4] = 7.0  # a channel goes flat and comes back
    model = tmp_path / "random.onnx"
    model.write_bytes(parameter_graph.parameter_model_bytes())
    pipeline = process(
        "run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--params", model, "--record",
        folder, "--events", f"{unique} marks", "--blank", "cue ?=300", "--json",
    )  # fmt: skip
    markers = pylsl.StreamOutlet(
        pylsl.StreamInfo(f"{unique} marks", "Markers", 1, pylsl.IRREGULAR_RATE, "string", f"{unique} marks")
    )
    amplifier = process(
        "play", recording_like(emg=emg), "--name", unique, "--source-id", unique, "--wait-for-consumers", "30",
        "--seconds", LIVE_S, "--fault", "gap@3:0.1", "--fault", "stall@4:0.7", "--fault", "nan@6:0.6",
    )  # fmt: skip
    status = lambda: (control(address, STATUS) or {}).get("status")  # noqa: E731
    assert until(lambda: (now := status()) and now["samples_in"] > 2000, 60)
    assert until(lambda: status()["events"] == "on")
    for number in range(MARKERS):
        markers.push_sample([f"cue {number}"], pylsl.local_clock() - 0.01 * number)
    assert control(address, PAUSE)["ok"]
    subscriber = Subscriber(address, ("",))  # it is welcomed with messages that take numbers
    try:
        time.sleep(0.3)
        assert control(address, RESUME)["ok"]
        amplifier.wait(timeout=40)
    finally:
        subscriber.close()
    assert until(lambda: status()["state"] == "stalled")
    assert status()["events_in"] == MARKERS
    del markers
    assert until(lambda: status()["events"] == "lost")
    told["blanked"] = status()["blanked"]
    assert control(address, STOP)["ok"]
    out, err = pipeline.communicate(timeout=40)
    assert pipeline.returncode == 0, err
    assert b"s recorded in" in err
    told |= msgspec.json.decode(out)
    return folder, told


@pytest.fixture
def session(recorded, tmp_path):
    """A copy of the recorded session."""
    shutil.copytree(recorded[0], tmp_path / "copy")
    return tmp_path / "copy"


def test_a_session_with_gaps_stalls_and_bad_channels_gives_the_same_messages(recorded, myodrive, muscle, tmp_path):
    recorded, told = recorded
    assert told["recording"] == "on"
    assert told["recorded_s"] * muscle.fs_hz == told["samples_in"]

    said = myodrive("replay", recorded, "--check", "--json", "-o", tmp_path / "events.tsv")
    assert said.code == 0, (said.out, said.err)
    check = said.json["check"]
    assert check["same"]
    assert check["rounding"] == 0
    assert check["missed"] == check["beyond"] == 0
    periods = told["samples_in"] + told["samples_lost"]
    due = 100 * periods / muscle.fs_hz  # on a busy machine a turn may come too late for one or two of them
    assert check["compared"]["drive"] > 0.9 * due > 90 * (LIVE_S - 2)
    assert min(check["compared"][kind] for kind in ("spikes", "params")) > 50
    assert min(check["compared"][kind] for kind in ("units", "status")) >= 2
    assert check["compared"]["event"] == MARKERS
    assert told["blanked"] > 0
    assert [said.json[name] for name in ("samples_in", "samples_lost", "gaps")] == [
        told[name] for name in ("samples_in", "samples_lost", "gaps")
    ]
    assert said.json["gaps"] >= 1
    assert said.json["ended"]
    assert not said.json["holes"]
    assert len(swaps_of(Session(recorded))) >= 2
    spikes = sum(len(train) for train in read_events(tmp_path / "events.tsv").units.values())
    assert spikes == said.json["spikes"] > 100
    marks = read_marks(tmp_path / "events.tsv", muscle.fs_hz)
    assert sorted(mark.label for mark in marks) == sorted(f"cue {number}" for number in range(MARKERS))
    assert said.json["markers"] == MARKERS
    scored = myodrive("score", tmp_path / "events.tsv", tmp_path / "events.tsv", "--json").json["totals"]
    assert scored["units"] == scored["recovered_roa"] == len([n for n in said.json["discharges"].values() if n])


def test_markers_stand_on_the_samples_whose_time_is_theirs(recorded, muscle):
    session = Session(recorded[0])
    events = [msgspec.msgpack.decode(body) for topic, body in session.messages() if topic.startswith(b"event/")]
    assert sorted(event["label"] for event in events) == sorted(f"cue {number}" for number in range(MARKERS))
    turns = [turn.tick for turn in session.turns() if not isinstance(turn, dict) and turn.tick.samples]
    stamp = np.array([tick.stamp for tick in turns])
    last = np.array([tick.first_sample + tick.samples - 1 for tick in turns])
    for event in events:
        true = np.interp(event["event_t"], stamp, last)
        if event["event_t"] > stamp[0]:
            assert abs(event["event_sample"] - true) < 1.0
        else:
            assert event["event_sample"] <= last[0]


def test_a_session_recorded_before_there_were_signals_is_read_as_ever(session, myodrive):
    info = msgspec.json.decode((session / "session.json").read_bytes())
    assert info.pop("signals") == []
    (session / "session.json").write_bytes(msgspec.json.encode(info))
    found = list(Session(session).messages())
    for path in session.glob(f"{MESSAGES}-*"):
        path.unlink()
    writer = SegmentWriter(session, MESSAGES)
    for topic, body in found:
        message = msgspec.msgpack.decode(body)
        old = {name: value for name, value in message.items() if not name.startswith("signals")}
        writer.append(MESSAGE, TOPIC_LENGTH.pack(len(topic)), topic, msgspec.msgpack.encode(old))
    writer.flush()
    writer.close()
    said = myodrive("replay", session, "--check", "--json")
    assert said.code == 0, (said.out, said.err)
    assert said.json["check"]["rounding"] == 0
    assert said.json["check"]["compared"]["drive"] > 90 * LIVE_S
    assert b"signal" not in (session / "raw-0000.myo").read_bytes()


def test_another_decoding_is_noticed_and_named(session, myodrive, monkeypatch):
    monkeypatch.setattr(module, "swaps_of", lambda session: [Swap(4096, (0, 1, 2, 3), False)])
    said = myodrive("replay", session, "--check")
    assert said.code == 1
    assert "not the same" in said.err


def test_a_message_that_was_changed_is_noticed_and_named(session, myodrive):
    found = list(Session(session).messages())
    place = [n for n, (topic, _) in enumerate(found) if topic.startswith(b"spikes/")][20]
    topic, body = found[place]
    message = msgspec.msgpack.decode(body)
    message["spike_sample"][0] += 1
    found[place] = topic, msgspec.msgpack.encode(message)
    for path in session.glob(f"{MESSAGES}-*"):
        path.unlink()
    writer = SegmentWriter(session, MESSAGES)
    for topic, body in found:
        writer.append(MESSAGE, TOPIC_LENGTH.pack(len(topic)), topic, body)
    writer.flush()
    writer.close()
    said = myodrive("replay", session, "--check")
    assert said.code == 1
    assert f"spikes {message['seq']} at sample {message['sample']}: spike_sample was" in said.err


def test_a_hole_is_named_and_all_before_it_is_the_same(session, myodrive):
    raw = session / "raw-0000.myo"
    content = raw.read_bytes()
    place = 0
    while place < len(content) // 2:
        place += HEADER.size + HEADER.unpack_from(content, place)[1]
    raw.write_bytes(content[: place + 40] + bytes(10) + content[place + 50 :])
    said = myodrive("replay", session, "--check", "--json")
    assert said.code == 0
    assert len(said.json["damage"]) == 1
    assert f"byte {place}" in said.json["damage"][0]
    ((first, periods),) = said.json["holes"]
    assert periods > 0
    assert said.json["check"]["until"] == first
    assert said.json["check"]["compared"]["drive"] > 100


def without(raw, unwanted):
    """Take out the first frame for which `unwanted(kind, payload)` holds; the file is as sound as before."""
    content, place = raw.read_bytes(), 0
    while place < len(content):
        _, length, kind, _, _ = HEADER.unpack_from(content, place)
        end = place + HEADER.size + length
        if unwanted(kind, content[place + HEADER.size : end]):
            raw.write_bytes(content[:place] + content[end:])
            return
        place = end
    raise AssertionError("no such frame")


def empty_turn(kind, payload):
    """Whether this is a turn without samples, some seconds into the session."""
    return kind == TICK and payload[16:24] == bytes(8) and struct.unpack_from("<q", payload, 6 * 8)[0] > 5000


def swap(kind, payload):
    """Whether this says that other filters took over."""
    return kind == EVENT and b'"swap"' in payload


def last_turns(kind, payload):
    """Whether this is the first turn after the stream has ended."""
    return empty_turn(kind, payload) and struct.unpack_from("<q", payload, 6 * 8)[0] > 7 * 2048


@pytest.mark.parametrize("unwanted", [empty_turn, swap, last_turns])
def test_a_lost_turn_or_swap_is_said_and_nothing_behind_it_is_compared(session, myodrive, unwanted):
    without(session / "raw-0000.myo", unwanted)
    said = myodrive("replay", session, "--check", "--json")
    assert said.code == 0, said.out
    assert said.json["lacking"] == 1
    assert not said.json["holes"]
    assert not said.json["damage"]
    assert 0 < said.json["check"]["until"] <= said.json["samples_in"] + said.json["samples_lost"]
    assert said.json["check"]["compared"]["drive"] > 50
    assert "lacks 1 turns" in myodrive("replay", session).err


def test_a_hop_that_does_not_fit_the_turns_is_refused(session, myodrive):
    info = msgspec.json.decode((session / "session.json").read_bytes())
    info["hop"] //= 2
    (session / "session.json").write_bytes(msgspec.json.encode(info))
    assert myodrive("replay", session).refused("turns of", "session.json")


def test_off_this_machine_only_with_keys_or_the_open_network(session, myodrive):
    assert myodrive("replay", session, "--bind", "tcp://0.0.0.0:5570").refused("--curve", "--open-network")
    assert myodrive("replay", session, "--bind", "nonsense").code == 1
    assert myodrive("replay", session, "--open-network").refused("--bind")


@pytest.mark.timeout(60)
def test_with_keys_only_clients_on_the_list_are_let_in(session, process, address, tmp_path):
    make_server(tmp_path / "keys")
    listed = Subscriber(address, ("drive/",), read_client_keys(tmp_path / "keys"))
    stranger = Subscriber(address, ("drive/",))
    try:
        process("replay", session, "--bind", address, "--curve", tmp_path / "keys", "--json")
        got, deadline = 0, time.monotonic() + 40
        while got < 20 and time.monotonic() < deadline:
            got += listed.receive(0.2) is not None
            assert stranger.receive(0.0) is None
    finally:
        listed.close()
        stranger.close()
    assert got >= 20


def test_a_torn_end_is_named_and_the_rest_is_the_same(session, myodrive):
    raw = session / "raw-0000.myo"
    raw.write_bytes(raw.read_bytes()[: raw.stat().st_size * 2 // 3])
    said = myodrive("replay", session, "--check", "--json")
    assert said.code == 0
    assert said.json["check"]["same"]
    assert said.json["check"]["beyond"] > 0
    assert not said.json["ended"]
    assert "not written whole" in said.json["damage"][0] or not said.json["damage"]


@pytest.mark.timeout(60)
def test_it_can_be_published_live(session, process, address):
    subscriber = Subscriber(address, ("spikes/", "drive/"))
    try:
        player = process("replay", session, "--bind", address, "--speed", "4", "--json")
        kinds, deadline = {}, time.monotonic() + 40
        while (kinds.get("spikes", 0) < 20 or kinds.get("drive", 0) < 100) and time.monotonic() < deadline:
            received = subscriber.receive(0.2)
            if received is not None:
                kind, message = received
                kinds[kind] = kinds.get(kind, 0) + 1
                assert message.session != Session(session).info.session
                assert -1.0 < message.t_pub - message.t < 5.0
    finally:
        subscriber.close()
    assert kinds.get("spikes", 0) >= 20
    player.send_signal(signal.SIGTERM)
    out, err = player.communicate(timeout=20)
    assert player.returncode == 0, err
    assert msgspec.json.decode(out)["spikes"] > 0


def test_a_session_with_gaps_is_no_recording(session, myodrive, tmp_path):
    decoder = session / "decoder.onnx"
    said = myodrive("decode", session, "--decoder", decoder, "-o", tmp_path / "e.tsv")
    assert said.refused("has a gap at sample ", "replay")
    assert myodrive("calibrate", session, "-o", tmp_path / "d.onnx").refused("has a gap")


def test_the_part_before_the_first_gap_decodes_as_a_recording(session, myodrive, tmp_path):
    raw = session / "raw-0000.myo"
    content, place = raw.read_bytes(), 0
    while True:
        _, length, kind, _, _ = HEADER.unpack_from(content, place)
        if kind == TICK and struct.unpack_from("<q", content, place + HEADER.size + 6 * 8)[0] > 5000:  # samples_in
            break
        place += HEADER.size + length
    raw.write_bytes(content[:place])
    decoder = session / "decoder.onnx"
    assert myodrive("decode", session, "--decoder", decoder, "-o", tmp_path / "e.tsv", "--json").code == 0
    assert myodrive("replay", session, "-o", tmp_path / "r.tsv", "--json").code == 0
    decoded, replayed = (read_events(tmp_path / name).units for name in ("e.tsv", "r.tsv"))
    for unit, train in decoded.items():
        assert len(train[train < 1900]) > 1  # what follows is paused, and nothing is published
        np.testing.assert_array_equal(train[train < 1900], replayed[unit][replayed[unit] < 1900])


def test_another_decoder_or_model_in_the_folder_is_refused(session, myodrive, parameter_graph):
    (session / "parameters.onnx").write_bytes(parameter_graph.parameter_model_bytes() + b"")
    decoder = (session / "decoder.onnx").read_bytes()
    (session / "decoder.onnx").write_bytes(decoder[:1000])
    assert myodrive("replay", session).code == 1
    info = msgspec.json.decode((session / "session.json").read_bytes())
    (session / "decoder.onnx").write_bytes(decoder)
    info["decoder_sha256"] = "0" * 64
    (session / "session.json").write_bytes(msgspec.json.encode(info))
    assert myodrive("replay", session).refused("is not the decoder that this session ran with")


def test_what_is_no_session_is_refused(myodrive, tmp_path):
    assert myodrive("replay", tmp_path / "none").refused("no session at")
    assert myodrive("replay", tmp_path).refused("is no recorded session")


def test_a_check_that_is_interrupted_says_so_and_no_verdict(session, myodrive, monkeypatch):
    monkeypatch.setattr(command, "stop_on_signals", lambda: contextlib.nullcontext(lambda: True))
    said = myodrive("replay", session, "--check")
    assert said.code
    assert said.out == ""
    assert said.err.endswith("myodrive replay: interrupted\n")
    assert "the same" not in said.err


def test_check_and_bind_exclude_each_other(session, myodrive, address):
    assert myodrive("replay", session, "--check", "--bind", address).refused("choose one")


def test_a_folder_that_holds_something_is_refused_by_run(myodrive, decoder_path, address, tmp_path, unique):
    (tmp_path / "x").write_text("")
    said = myodrive(
        "run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--record", tmp_path, "--json"
    )
    assert said.refused("holds something already")


def test_a_session_that_never_began_leaves_no_folder(myodrive, decoder_path, address, tmp_path, unique):
    said = myodrive(
        "run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--record", tmp_path / "s",
        "--wait", "1", "--params", "none", "--json",
    )  # fmt: skip
    assert said.code == 1
    assert "within 1 s" in said.err
    assert not (tmp_path / "s").exists()
