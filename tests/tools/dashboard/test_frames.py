"""What a page is sent."""

import json

import msgspec
import pytest

from myodrive.stream.messages import Drive, Latency, SignalEntry, Status
from myodrive.tools.dashboard.board import FRAMES_HZ, Board
from myodrive.tools.dashboard.frames import RATES_FRAMES, SLOW_FRAMES, Frames, Wish
from myodrive.tools.dashboard.load import Load
from myodrive.tools.subscriber import Subscriber

CHANNELS, UNITS = 16, 5


@pytest.fixture(scope="module")
def received(free_address):
    """What half a second of a publisher brings."""
    address = free_address()
    load, subscriber = Load(address, CHANNELS, UNITS), None
    load.signals = tuple(SignalEntry(name=name, state="on", unit="N", fs_hz=1000.0) for name in ("cell", "angle"))
    try:
        subscriber = Subscriber(address)
        messages = []
        while sum(kind == "emg" for kind, _ in messages) < 12:
            load.tend()
            if (found := subscriber.receive(0.002)) is not None:
                messages.append(found)
        return [message for _, message in messages]
    finally:
        if subscriber is not None:
            subscriber.close()
        load.close()


@pytest.fixture
def board(received):
    board = Board("tcp://127.0.0.1:5570")
    for message in received[: len(received) // 2]:
        board.take(message)
    return board


@pytest.fixture
def frames(board):
    frames = Frames(board)
    frames.wish = Wish(unit=0, column=1)
    return frames


@pytest.fixture
def rest(board, received):
    """Let the board take the rest of the messages."""

    def take():
        for message in received[len(received) // 2 :]:
            board.take(message)

    return take


def test_the_first_frame_holds_what_was_before_and_the_next_only_what_is_new(frames, board, rest):
    first = json.loads(frames.next())
    assert len(first["spikes"]["t"]) == board.spikes.head
    assert len(first["traces"]["t"]) == board.traces.head
    assert {"hello", "units", "status", "drive", "rates", "headline", "log", "stream"} <= set(first)
    known = {"spikes", "traces", "units", "status", "drive", "rates", "hello", "log"}
    assert known.isdisjoint(json.loads(frames.next()))
    before = board.spikes.head
    rest()
    assert len(json.loads(frames.next())["spikes"]["t"]) == board.spikes.head - before


def test_the_chosen_signal_is_sent_whole_and_then_what_is_new(frames, board, rest):
    first = json.loads(frames.next())
    cell, angle = board.signals.values()
    assert [(one["name"], one["unit"], one["state"]) for one in first["status"]["signals"]] == [
        ("cell", "N", "on"),
        ("angle", "N", "on"),
    ]
    sent = first["signal"]
    assert (sent["fresh"], sent["number"], len(sent["t"])) == (True, 0, cell.ring.head)
    rows = cell.ring.since(0)
    assert [first["base"] + t / 1e3 for t in sent["t"]] == pytest.approx(rows["t"].tolist(), abs=6e-4)
    assert sent["low"] == pytest.approx(rows["low"].tolist(), rel=1e-6)
    assert sent["high"] == pytest.approx(rows["high"].tolist(), rel=1e-6)
    assert "signal" not in json.loads(frames.next())
    before = cell.ring.head
    rest()
    more = json.loads(frames.next())["signal"]
    assert (more["fresh"], len(more["t"]), more["value"]) == (False, cell.ring.head - before, cell.newest)
    frames.wish = Wish(signal=1)
    other = json.loads(frames.next())["signal"]
    assert (other["fresh"], other["number"], len(other["t"])) == (True, 1, angle.ring.head)


def test_the_base_of_times_stays_once_a_signal_is_told_of():
    """One that waits has no rows, and was first heard of at a time."""
    now = [10.0]
    board = Board("tcp://127.0.0.1:5570", clock=lambda: now[0])
    counters = dict.fromkeys(("samples_in", "samples_lost", "gaps", "reconnects", "late_hops", "messages_dropped"), 0)
    latency = Latency(p50=1.0, p99=1.0, p999=1.0, max=1.0, hist=[])
    waiting = SignalEntry(name="cell", state="waiting")
    board.take(
        Status(state="waiting", bad_channels=[], bad_reasons=[], latency_ms=latency, signals=[waiting], t_pub=100.0,
               **counters)
    )  # fmt: skip
    frames = Frames(board)
    now[0] = 12.0
    first = json.loads(frames.next())
    assert first["signal"]["t"] == []
    assert first["base"] + first["signal"]["since"] == pytest.approx(100.0)
    now[0] = 15.0
    assert json.loads(frames.next())["base"] == first["base"]


@pytest.mark.parametrize("number", [-1, 2, 2**40])
def test_a_signal_that_there_is_not_is_not_sent(frames, number):
    frames.wish = Wish(signal=number)
    assert "signal" not in json.loads(frames.next())


def test_times_are_whole_milliseconds_from_a_base(frames, board):
    first = json.loads(frames.next())
    for told, kept in zip(first["spikes"]["t"], board.spikes.since(0)["t"], strict=True):
        assert first["base"] + told / 1e3 == pytest.approx(kept, abs=6e-4)


def test_a_page_that_is_not_seen_gets_neither_emg_nor_waveforms(frames):
    frames.wish = Wish(seen=False, unit=0)
    assert {"emg", "muap", "params"}.isdisjoint(json.loads(frames.next()))


def test_emg_is_that_of_the_chosen_column_and_begins_anew_with_another(frames, board, rest):
    emg = json.loads(frames.next())["emg"]
    assert emg["fresh"]
    assert emg["channels"] == list(range(8, 16))
    assert emg["rows"] == list(range(8))
    assert len(emg["low"]) == board.emg.ring.head
    rest()
    assert not json.loads(frames.next())["emg"]["fresh"]
    frames.wish = Wish(unit=0, column=0)
    other = json.loads(frames.next())["emg"]
    assert other["fresh"]
    assert other["channels"] == list(range(8))
    assert len(other["low"]) == board.emg.ring.head


def test_the_waveform_is_that_of_the_chosen_unit_and_sent_once(frames, board, rest):
    rest()
    muap = json.loads(frames.next())["muap"]
    assert muap["unit"] == 0
    assert len(muap["waveform"]) == CHANNELS
    assert all("muap" not in json.loads(frames.next()) for _ in range(2 * SLOW_FRAMES))
    frames.wish = Wish(unit=1)
    assert json.loads(frames.next())["muap"]["unit"] == 1


def test_after_a_new_picture_all_of_it_is_sent(frames, board, rest):
    epoch = json.loads(frames.next())["epoch"]
    board._forget()
    board._take_units(board.units)
    rest()
    frame = json.loads(frames.next())
    assert frame["epoch"] == epoch + 1
    assert len(frame["spikes"]["t"]) == board.spikes.head
    assert frame["now"] - frame["base"] == pytest.approx(0.0, abs=0.1)


def test_a_page_that_was_slow_gets_at_once_what_it_lacks(frames, board, rest):
    frames.next()
    before = board.spikes.head
    rest()
    late = json.loads(frames.next())
    assert len(late["spikes"]["t"]) == board.spikes.head - before
    assert late["n"] == 1


def test_the_rates_of_the_units_are_sent_seldom(frames, board, received):
    first = json.loads(frames.next())
    assert len(first["rates"]) == UNITS
    drives = [message for message in received if isinstance(message, Drive)]
    told = []
    for message in drives[:12]:
        board.take(message)
        frame = json.loads(frames.next())
        assert "drive" in frame
        told.append("rates" in frame)
    assert sum(told) == len(told) // RATES_FRAMES
    assert told[RATES_FRAMES - 1]


@pytest.mark.parametrize("rate", [0, -1, FRAMES_HZ + 1])
def test_a_page_can_ask_for_no_rate_beyond_ours(rate):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps({"rate": rate}), type=Wish)
