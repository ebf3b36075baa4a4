"""What the page can show, from messages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream.messages import (
    Drive,
    Emg,
    Event,
    Latency,
    Muap,
    Params,
    Signal,
    SignalEntry,
    Spikes,
    Status,
    UnitEntry,
    Units,
)
from myodrive.tools.dashboard.board import (
    DRIVE_KEPT,
    EMG_BINS_KEPT,
    INVALID,
    NOT_LIVE,
    SPIKES_KEPT,
    VALID,
    Board,
    EmgBins,
)

LATENCY = Latency(p50=1.0, p99=2.0, p999=3.0, max=4.0, hist=[])


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(clock):
    board = Board("tcp://127.0.0.1:5570", clock=clock)
    board.take(units())
    board.take(status(10.0))
    return board


def units(ids=(4, 7), sha="a", **fields):
    rows = [UnitEntry(id=one, sil=0.9, pnr_db=30.0, lag_s=0.0, trust=1.0) for one in ids]
    return Units(fs_hz=2048.0, decoder_sha256=sha, provider="cpu", lookahead_s=0.0, units=rows,
                 **{"session": "s", "t_pub": 10.0, **fields})  # fmt: skip


def status(t_pub, state="live", session="s", **fields):
    counters = dict.fromkeys(("samples_in", "samples_lost", "gaps", "reconnects", "late_hops", "messages_dropped"), 0)
    known = {"state": state, "bad_channels": [], "bad_reasons": [], "latency_ms": LATENCY, "t": t_pub}
    return Status(**{**known, **counters, "session": session, "t_pub": t_pub, **fields})


def drive(t_pub, valid=True, session="s", **fields):
    known = {"rate": [1.0] * 8, "cst": 10.0, "command": 0.5, "source": "units", "delay_s": 0.1, "envelope": 1.0}
    return Drive(valid=valid, session=session, t_pub=t_pub, **{**known, **fields})


def spikes(t_pub, unit, spike_t, session="s"):
    return Spikes(unit=unit, spike_sample=[0] * len(unit), spike_t=spike_t, margin=[1.0] * len(unit), session=session,
                  t_pub=t_pub)  # fmt: skip


def with_signals(t_pub, *names, **fields):
    return status(t_pub, signals=[SignalEntry(name=name, state="on", unit="N") for name in names], **fields)


def signal(t_pub, value, value_t=None, name="cell", session="s"):
    t = [t_pub] * len(value) if value_t is None else value_t
    return Signal(name=name, unit="N", fs_hz=1000.0, value=value, value_sample=t, value_t=t, session=session,
                  t_pub=t_pub)  # fmt: skip


def words(board):
    return [line.text for line in board.happenings.since(0)]


def test_discharges_are_kept_by_row_and_strangers_left_out(board):
    board.take(spikes(10.1, [7, 4, 99, 7], [10.05, 10.06, 10.07, 1e9]))
    kept = board.spikes.since(0)
    assert kept["unit"].tolist() == [1, 0]
    assert kept["t"].tolist() == [10.05, 10.06]


def test_the_drive_is_condensed_to_what_a_screen_shows_and_says_the_worst(board):
    for k in range(400):
        board.take(drive(10.0 + k / 100, valid=not 200 <= k < 203, cst=float(k)))
    kept = board.traces.since(0)
    assert 25 * 4 <= len(kept["t"]) <= 34 * 4
    assert np.diff(kept["t"]).max() < 0.041
    assert (kept["flag"] == INVALID).sum() in (1, 2)
    assert set(kept["flag"].tolist()) == {VALID, INVALID}
    assert kept["cst"][-1] == pytest.approx(398, abs=2)


def test_while_no_sample_comes_nothing_is_live(board):
    board.take(status(11.0, "stalled"))
    for k in range(20):
        board.take(drive(11.0 + k / 100, valid=False, source="none"))
    assert set(board.traces.since(0)["flag"].tolist()) == {NOT_LIVE}


@pytest.mark.parametrize("fields", [{"t_pub": np.nan}, {"cst": np.inf}, {"rate": [np.nan]}, {"command": np.nan}])
def test_what_is_no_number_is_refused_and_changes_nothing(board, fields):
    board.take(drive(10.0))
    before = board.drive
    with pytest.raises(ValueError, match="no number"):
        board.take(drive(**{"t_pub": 10.1, **fields}))
    assert board.drive is before


def test_pictures_of_a_session_that_has_ended_are_not_taken_for_a_restart(board):
    board.take(Emg(first_sample=0, fs_hz=2048.0, emg=[[0.0] * 80], session="old", t_pub=9.0))
    assert board.emg is None
    assert "the pipeline restarted: a new session" not in words(board)


def test_memory_is_of_fixed_size(board):
    for k in range(30):
        board.take(spikes(10.0, [4] * 5000, [10.0] * 5000))
        board.take(drive(10.0 + 100 * k))
        board.take(with_signals(10.0 + 100 * k, *map(str, range(9))))
        t = 10.0 + 100 * k - np.arange(1000)[::-1] * 0.05
        board.take(signal(10.0 + 100 * k, t.tolist(), t.tolist(), name="0"))
        board.take(Emg(first_sample=680 * k, fs_hz=2048.0, emg=[[0.0] * 680] * 3, session="s", t_pub=10.0))
    assert len(board.spikes.since(0)["t"]) == SPIKES_KEPT
    assert len(board.traces.since(0)["t"]) <= DRIVE_KEPT
    assert len(board.emg.ring.since(0)["low"]) == EMG_BINS_KEPT
    assert list(board.signals) == ["0", "1", "2", "3"]
    assert len(board.signals["0"].ring.since(0)["t"]) == DRIVE_KEPT


def test_what_the_page_does_not_draw_changes_nothing_but_that_something_was_heard(board):
    board.take(units())
    board.take(status(1.0))
    before = dict(board.versions)
    board.take(Signal(session="s", t_pub=2.0, name="cell", unit="N", fs_hz=80.0, value=[], value_sample=[], value_t=[]))
    board.take(Event(session="s", t_pub=2.0, label="go", event_sample=1, event_t=1.0))
    assert board.versions == before
    assert board.silent_s() == 0.0


def test_signals_are_kept_in_the_order_of_the_status_and_strangers_left_out(board):
    board.take(with_signals(10.0, "cell", "angle"))
    for name in ("angle", "cell", "stranger"):
        board.take(signal(10.1, [3.0], name=name))
    assert list(board.signals) == ["cell", "angle"]
    assert [trace.newest for trace in board.signals.values()] == [3.0, 3.0]
    assert board.signals["cell"].since == 10.0


def test_another_choice_of_signals_forgets_those_that_are_gone_only(board):
    board.take(with_signals(10.0, "cell", "angle"))
    board.take(signal(10.1, [3.0]))
    board.take(with_signals(11.0, "angle", "cell"))
    assert list(board.signals) == ["angle", "cell"]
    assert board.signals["cell"].newest == 3.0
    board.take(with_signals(12.0, "angle"))
    board.take(with_signals(13.0, "angle", "cell"))
    assert np.isnan(board.signals["cell"].newest)


def test_a_new_session_begins_its_signals_anew(board):
    board.take(with_signals(10.0, "cell"))
    board.take(signal(10.1, [3.0]))
    board.take(with_signals(11.0, "cell", session="t"))
    assert np.isnan(board.signals["cell"].newest)
    assert board.signals["cell"].ring.head == 0


@pytest.mark.parametrize("t", [-1e9, 10.1 - 61, 10.1 + 2, 1e9, np.nan])
def test_a_signals_value_without_a_time_of_ours_is_left_out(board, t):
    board.take(with_signals(10.0, "cell"))
    board.take(signal(10.1, [3.0, 4.0], [10.05, t]))
    assert board.signals["cell"].newest == 3.0


@pytest.mark.parametrize(("value", "t"), [([np.nan], [10.0]), ([np.inf], [10.0]), ([1.0, 2.0], [10.0])])
def test_a_signal_that_is_no_number_or_does_not_fit_is_refused(board, value, t):
    board.take(with_signals(10.0, "cell"))
    with pytest.raises(ValueError, match="no number"):
        board.take(signal(10.1, value, t))


def test_silence_is_said_and_noted_once(board, clock):
    assert board.headline().word == "Live"
    clock.now += 4.0
    for _ in range(3):
        assert board.headline().sentence.startswith("No pipeline at tcp://127.0.0.1:5570 since 4 s")
    assert words(board).count("no message from tcp://127.0.0.1:5570") == 1
    board.take(status(14.0))
    assert words(board)[-1] == "messages come again after 4 s"
    assert board.headline().word == "Live"


def test_a_stall_is_as_long_as_the_newest_sample_is_old(board, clock):
    board.take(status(12.0, "stalled", t=11.5))
    clock.now += 2.0
    board.take(drive(14.0, valid=False))
    assert board.headline().sentence.startswith("Stalled since 2 s")
    clock.now += 1.0
    board.take(status(15.0))
    assert words(board)[-2:] == ["the stream stalled: no sample comes", "samples come again after 3.5 s"]


def test_a_new_session_on_the_same_clock_goes_on_in_the_same_picture(board):
    board.take(spikes(10.1, [4], [10.05]))
    epoch = board.epoch
    board.take(status(13.0, session="t"))
    assert board.headline().sentence == "The pipeline restarted 0 s ago, new session."
    assert "the pipeline restarted: a new session" in words(board)
    assert board.epoch == epoch
    assert board.spikes.head == 1


@pytest.mark.parametrize("t_pub", [3.0, 10_000.0])
def test_a_new_session_on_another_clock_begins_a_new_picture(board, t_pub):
    board.take(spikes(10.1, [4], [10.05]))
    epoch = board.epoch
    board.take(status(t_pub, session="t"))
    assert board.epoch == epoch + 1
    assert board.spikes.head == 0
    assert "the pipeline restarted: a new session" in words(board)


def test_another_decoder_begins_a_new_picture(board):
    board.take(spikes(10.1, [4], [10.05]))
    board.take(units((0, 1, 2), sha="b"))
    assert board.spikes.head == 0
    board.take(spikes(10.2, [2], [10.15]))
    assert board.spikes.since(0)["unit"].tolist() == [2]
    assert words(board)[-1] == "another decoder, with 3 units"


def test_a_command_that_loses_its_validity_is_noted_with_its_source_and_length(board):
    for k in range(300):
        board.take(drive(10.0 + k / 100, valid=not 100 <= k < 200, source="none" if 100 <= k < 200 else "units"))
    assert words(board)[-2:] == ["the command is not valid: it is 0", "the command is valid again after 1.0 s"]


def test_what_this_viewer_missed_is_noted(board):
    board.miss(3, 0)
    board.miss(2, 1)
    assert board.missed == 5
    assert words(board)[1:] == [
        "this viewer missed 5 messages",
        "1 message could not be read: its sender speaks another protocol",
    ]


def test_parameters_and_waveforms_are_kept_of_known_units_only(board):
    for unit in (4, 99):
        board.take(Params(unit=unit, iz_mm=1.0, session="s", t_pub=10.0))
        board.take(Muap(unit=unit, waveform=[[1.0, 2.0]], session="s", t_pub=10.0))
    assert set(board.params) == {4}
    assert set(board.muaps) == {4}


@given(st.integers(1, 300), st.integers(1, 64), st.integers(0, 2**32 - 1))
def test_any_chunking_gives_the_same_bins(samples, chunk, seed):
    emg = np.random.default_rng(seed).normal(size=(2, samples)).astype(np.float32)
    bins = EmgBins(2, 2048.0)
    for first in range(0, samples, chunk):
        bins.push(100 + first, emg[:, first : first + chunk])
    kept = bins.ring.since(0)
    whole = emg[:, : samples // 8 * 8].reshape(2, -1, 8)
    np.testing.assert_array_equal(kept["low"], whole.min(axis=2).T)
    np.testing.assert_array_equal(kept["high"], whole.max(axis=2).T)


@pytest.mark.parametrize(("next_sample", "bins"), [(17, 1), (40, 3), (16 + 8 * 200, 200), (10**7, 1020)])
def test_a_hole_in_the_emg_is_as_long_as_it_was_and_samples_that_come_again_begin_anew(next_sample, bins):
    trace = EmgBins(1, 2048.0)
    trace.push(0, np.ones((1, 16), np.float32))
    trace.push(next_sample, np.ones((1, 32), np.float32))
    kept = np.isnan(trace.ring.since(0)["low"][:, 0]).tolist()
    assert kept[-4 - bins :] == [True] * bins + [False] * 4
    trace.push(0, np.ones((1, 8), np.float32))
    assert np.isnan(trace.ring.since(0)["low"][-2:, 0]).tolist() == [True, False]
