"""What the hot thread puts into the ring, and what it says when the ring is full or the recorder is gone."""

import base64
import math
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from myodrive.stream import recording as rec
from myodrive.stream.beside import SignalState, Taken
from myodrive.stream.hop import Hop
from myodrive.stream.mask_worker import Swap
from myodrive.stream.noted import NotedSignals, NotedWorker
from myodrive.stream.recording import Recording, Tick
from myodrive.stream.ring import Ring

FS_HZ, CHANNELS, HOP = 1000.0, 3, 4


class Scene:
    """A recording and everything around it."""

    def __init__(self, words=100_000):
        self.ring = Ring(memoryview(bytearray(Ring.bytes_for(words))))
        timeline = SimpleNamespace(newest=0.0, period=1e-3, clock_jumps=0, timing="exact")
        self.source = SimpleNamespace(
            samples_in=0, samples_lost=0, gaps=0, repeats=0, reconnects=0, refusal=None, source=None, timeline=timeline
        )
        self.pipeline = SimpleNamespace(masks=SimpleNamespace(swaps=[], fault=""))
        publisher = SimpleNamespace(dropped=0, topic=lambda kind: f"{kind}/emg".encode())
        self.worker = NotedWorker(SimpleNamespace(model=None, take=lambda: None, fault=lambda now: "", idle=True))
        self.signals = NotedSignals(SimpleNamespace(states=(), missed=0, look=lambda: None, take=lambda: self.coming))
        self.recording = Recording(
            self.ring, FS_HZ, self.source, self.pipeline, publisher, self.worker, signals=self.signals
        )
        self.reporter = SimpleNamespace(state="live", newcomers=None)
        self.control = SimpleNamespace(answer=lambda word: {"word": word})
        self.recording.follow(self.reporter, self.control)

    def turn(self, samples=HOP, lost=0, value=0.0):
        """One turn of the loop."""
        source = self.source
        first = source.samples_in + source.samples_lost + lost
        source.samples_in += samples
        source.samples_lost += lost
        signal = np.full((samples, CHANNELS), value, np.float32)
        self.recording.look()
        self.recording.keep(Hop(samples, signal, first, lost), 1.0, 2.0, 3.0)

    def records(self):
        """Everything in the ring: ticks with their samples, and events."""
        found = []
        while (words := self.ring.pop()) is not None:
            raw = words.tobytes()
            if words[0] == rec.EVENT:
                length = rec.EVENT_FORM.unpack_from(raw)[2]
                found.append(msgspec.json.decode(raw[rec.EVENT_FORM.size :][:length]))
            else:
                tick = Tick(*rec.TICK_FORM.unpack_from(raw))
                found.append((tick, np.frombuffer(raw, np.float32, tick.samples * tick.channels, rec.TICK_FORM.size)))
        return found


@pytest.fixture
def scene():
    """A recording with room."""
    return Scene()


def test_a_turn_holds_samples_counters_and_times(scene):
    scene.turn(value=1.5)
    scene.turn(lost=7, samples=3, value=2.5)
    scene.turn(samples=0)
    (first, one), (second, two), (third, none) = scene.records()
    assert (first.first_sample, first.samples, first.samples_in, first.samples_lost) == (0, 4, 4, 0)
    assert (second.first_sample, second.lost_before, second.samples_in, second.samples_lost) == (11, 7, 7, 7)
    assert (one == 1.5).all()
    assert (two == 2.5).all()
    assert len(two) == 9
    assert len(none) == 0
    assert (third.reported, third.sent, third.tended) == (1.0, 2.0, 3.0)
    assert [tick.number for tick in (first, second, third)] == [0, 1, 2]


def test_what_came_from_outside_is_kept_with_its_turn(scene):
    for word in ("pause", "status", "resume"):
        assert scene.control.answer(word) == {"word": word}
    scene.reporter.newcomers = {"units/", "no such"}
    scene.worker.answered_cpu_s = 0.25
    scene.turn()
    scene.reporter.newcomers = {""}
    scene.turn()
    (first, _), (second, _) = scene.records()
    assert first.words == 1 | 2 << 4
    assert first.newcomers == 1
    assert first.answered_cpu_s == 0.25
    assert second.words == 0
    assert second.newcomers == 15
    assert math.isnan(second.answered_cpu_s)


def test_more_words_than_have_room_are_left_out(scene):
    for _ in range(100):
        scene.control.answer("stop")
    scene.turn()
    assert 0 < scene.records()[0][0].words < 1 << 62


def test_what_changes_stands_before_its_turn(scene):
    scene.recording.begin(0.5)
    scene.source.refusal = ValueError("no")
    scene.turn()
    scene.turn()
    scene.pipeline.masks.swaps.append(Swap(8, (1, 2), True))
    scene.pipeline.masks.fault = "x"
    scene.turn()
    scene.turn(samples=0)  # the swap is the last hop's still
    scene.recording.end(9.0)
    kinds = [one["event"] if isinstance(one, dict) else "turn" for one in scene.records()]
    assert kinds == ["begin", "refusal", "turn", "turn", "swap", "mask fault", "turn", "turn", "end"]


def test_a_full_ring_is_said_with_the_place_and_recorded_again_when_there_is_room():
    scene = Scene(words=5 * (1 + rec.HEAD_WORDS + 6))
    for _ in range(8):
        scene.turn()
    scene.recording.look()
    assert scene.recording.state == "behind"
    assert "12 sample periods from 20 on" in scene.recording.reason
    assert scene.ring.load(rec.LACKING) == 12
    before = scene.records()
    assert [tick.first_sample for tick, _ in before] == [0, 4, 8, 12, 16]
    scene.ring.store(rec.ACKNOWLEDGED, 20)
    scene.turn()
    scene.recording.look()
    assert scene.recording.state == "on"
    assert "12 sample periods" in scene.recording.reason
    ((tick, _),) = scene.records()
    assert tick.first_sample == 32
    assert tick.samples_in - before[-1][0].samples_in == 12 + 4  # what is missing, from the recording alone
    assert rec.STATES[tick.told] == "behind"


def test_events_wait_for_room_and_keep_their_place():
    scene = Scene(words=2 * (1 + rec.HEAD_WORDS + 6))
    for _ in range(3):
        scene.turn()
    scene.recording.begin(1.0)
    scene.turn()
    assert len(scene.records()) == 2
    scene.turn()
    event, (tick, _) = scene.records()
    assert event["event"] == "begin"
    assert tick.first_sample == 16


def full_scene():
    """A recording whose ring has no room left, and turns are missing."""
    scene = Scene(words=2 * (1 + rec.HEAD_WORDS + 6))
    for _ in range(3):
        scene.turn()
    return scene


def test_no_swap_is_lost_however_much_else_happens_while_the_ring_is_full():
    scene = full_scene()
    scene.pipeline.masks.swaps = [Swap(8, (1,), False)]
    scene.turn()
    scene.pipeline.masks.swaps = []
    for n in range(300):
        scene.pipeline.masks.fault = f"fault {n}"
        scene.turn()
    (*_, (last, _)) = scene.records()
    scene.turn()
    swap, fault, (tick, _) = scene.records()
    assert (swap["event"], swap["sample"], swap["channels"]) == ("swap", 8, [1])
    assert fault == {"event": "mask fault", "text": "fault 299"}
    assert tick.number > last.number + 1 + 2  # the hole is seen by the numbers alone


def test_of_too_many_swaps_the_newest_are_kept_and_the_numbers_say_so():
    scene = full_scene()
    for n in range(rec.MOST_WAITING["swap"] + 5):
        scene.pipeline.masks.swaps = [Swap(n, (1,), False)]
        scene.turn()
    scene.pipeline.masks.swaps = []
    scene.records()
    found = []
    for _ in range(rec.MOST_WAITING["swap"]):
        scene.turn()
        found += [one for one in scene.records() if isinstance(one, dict)]
    assert [swap["sample"] for swap in found] == list(range(5, rec.MOST_WAITING["swap"] + 5))


def test_the_end_waits_a_moment_for_room(monkeypatch):
    scene = full_scene()
    taken = []
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds
        if now[0] > rec.END_S / 2:
            taken.extend(scene.records())

    monkeypatch.setattr(rec, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    scene.recording.end(9.0)
    assert len(taken) == 2
    assert scene.records() == [{"event": "end", "now": 9.0}]


@pytest.mark.parametrize("how", ["stands still", "failed", "is gone"])
def test_the_end_waits_no_longer_for_a_recorder_that_does_not_read(monkeypatch, how):
    scene = full_scene()
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds))
    monkeypatch.setattr(rec, "time", clock)
    if how == "failed":
        scene.ring.store(rec.STATE, rec.FAILED)
    elif how == "is gone":
        scene.recording.fail("killed")
    scene.recording.end(9.0)
    assert now[0] == pytest.approx(rec.END_S if how == "stands still" else 0.0, abs=0.02)


def test_seconds_count_when_the_disk_has_them_and_too_many_open_ones_are_said(scene):
    for _ in range(int(rec.LAG_S * FS_HZ / HOP)):
        scene.turn()
    scene.recording.look()
    assert (scene.recording.state, scene.recording.recorded_s) == ("on", 0.0)
    scene.turn()
    scene.recording.look()
    assert scene.recording.state == "behind"
    scene.ring.store(rec.ACKNOWLEDGED, 2000)
    scene.recording.look()
    assert (scene.recording.state, scene.recording.recorded_s) == ("on", 2.0)


@pytest.mark.parametrize("who", ["recorder", "watch"])
def test_a_recorder_that_failed_is_said_for_good(scene, who):
    scene.turn()
    if who == "recorder":
        rec.write_reason(scene.ring, "the disk is full, größer wird sie nicht")
        scene.ring.store(rec.STATE, rec.FAILED)
    else:
        scene.recording.fail("the disk is full, größer wird sie nicht")
    scene.turn()
    assert scene.recording.state == "failed"
    assert scene.recording.reason == "the disk is full, größer wird sie nicht"
    assert len(scene.records()) == 1
    scene.ring.store(rec.STATE, rec.RUNNING)
    scene.turn()
    assert scene.recording.state == "failed"


def test_a_reason_that_is_too_long_is_cut():
    ring = Ring(memoryview(bytearray(Ring.bytes_for(10))))
    rec.write_reason(ring, "ü" * 1000)
    assert rec.reason_in(ring) == "ü" * 256


def test_what_was_taken_of_the_signals_stands_before_its_turn_to_the_bit(scene):
    rng = np.random.default_rng(3)
    places, values = rng.normal(0, 1e5, 50), rng.normal(0, 1e-5, 50)
    scene.turn()
    scene.signals._signals.states = (SignalState("cell", "on", "N", 80.0),)
    scene.signals.look()
    scene.coming = [Taken(0, False, places, values), Taken(2, True, places[:1], values[:1])]
    assert scene.signals.take() is scene.coming
    scene.turn()
    scene.turn()
    before, states, taken, (tick, _), after = scene.records()
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)  # once
    assert states["streams"] == [{"name": "cell", "state": "on", "unit": "N", "fs_hz": 80.0, "reason": ""}]
    assert tick.number == 3
    assert [one[:2] for one in taken["signals"]] == [[0, False], [2, True]]
    found = [np.frombuffer(base64.b64decode(text)) for text in taken["signals"][0][2:]]
    np.testing.assert_array_equal(found, [places, values])
