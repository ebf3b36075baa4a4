"""The log in words."""

import pytest

from myodrive.stream.messages import Latency, SignalEntry, Status
from myodrive.tools.dashboard.happenings import KEPT, MERGED_S, Happenings

LATENCY = Latency(p50=1.0, p99=2.0, p999=3.0, max=4.0, hist=[])


def status(**fields):
    counters = dict.fromkeys(("samples_in", "samples_lost", "gaps", "reconnects", "late_hops", "messages_dropped"), 0)
    return Status(
        **{"state": "live", "bad_channels": [], "bad_reasons": [], "latency_ms": LATENCY, **counters, **fields}
    )


@pytest.fixture
def clock():
    return Clock()


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def log(clock):
    return Happenings(clock)


def signal(state, reason=""):
    return {"signals": [SignalEntry(name="cell", state=state, reason=reason)]}


def told(log, before, after):
    log.follow(before, after, 2000.0)
    return [(line.level, line.text) for line in log.since(0)]


@pytest.mark.parametrize(
    ("before", "after", "level", "words"),
    [
        ({}, {"gaps": 1, "samples_lost": 37}, "bad", "1 gap in the stream: 37 samples lost (18 ms)"),
        ({"late_hops": 2}, {"late_hops": 5}, "warn", "3 hops left late: this machine was busy"),
        ({}, {"reconnects": 1}, "warn", "reconnected to the amplifier"),
        ({}, {"messages_dropped": 4}, "bad", "the pipeline could not send 4 messages"),
        ({}, {"bad_channels": [3, 7], "bad_reasons": ["flat", "flat"]}, "bad", "channels 3, 7 are bad: flat"),
        ({"bad_channels": [3]}, {}, "good", "channel 3 is good again"),
        ({}, {"masked_channels": [9]}, "warn", "channel 9 left out of the filters"),
        ({"masked_channels": [9]}, {}, "good", "channel 9 back in the filters"),
        ({}, {"sound": False}, "bad", "the sources are not sound"),
        ({"sound": False}, {}, "good", "the sources are sound again"),
        ({}, {"held_back": 12}, "warn", "12 peaks held back: not to be told from disturbance"),
        ({}, {"timing": "estimated"}, "warn", "the samples' times are estimated, stamps jitter"),
        ({}, {"recording": "failed", "recording_reason": "disk full"}, "bad", "recording failed: disk full"),
        ({"recording": "on"}, {"recording": "behind"}, "bad", "recording behind"),
        ({}, {"reason": "the decoder does not fit"}, "bad", "the decoder does not fit"),
        ({}, {"connections_refused": 1}, "warn", "the pipeline turned 1 connection away"),
        (signal("on"), signal("lost"), "bad", 'signal "cell" is lost'),
        (signal("on"), signal("lost", "no cable"), "bad", 'signal "cell" is lost: no cable'),
        (signal("lost"), signal("on"), "good", 'signal "cell" comes again'),
        (signal("waiting"), signal("on"), "good", 'signal "cell" comes'),
        (signal("on"), signal("on", "it sends nothing"), "bad", "it sends nothing"),
        (signal("on", "it sends nothing"), signal("on"), "good", 'signal "cell" comes again'),
        (signal("waiting"), signal("waiting", "no numbers"), "bad", "no numbers"),
    ],
)  # fmt: skip
def test_what_changed_is_one_line_in_words(log, before, after, level, words):
    assert told(log, status(**before), status(**after)) == [(level, words)]


def test_nothing_is_said_of_what_stays(log):
    same = {"gaps": 3, "bad_channels": [1], "bad_reasons": ["flat"], "timing": "estimated", "reason": "so"}
    assert told(log, status(**same), status(**same, samples_in=100)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, signal("waiting")),
        (signal("on"), {}),
        (signal("lost", "why"), signal("lost")),
        (signal("lost", "why"), signal("lost", "why")),
    ],
)
def test_of_a_signal_that_is_new_or_stays_away_nothing_is_said(log, before, after):
    assert told(log, status(**before), status(**after)) == []


def test_what_repeats_within_seconds_is_counted_in_one_line(log, clock):
    for count in range(5):
        told(log, status(late_hops=count), status(late_hops=count + 1))
        clock.now += 1.0
    assert [line.text for line in log.since(0)] == ["5 hops left late: this machine was busy"]
    clock.now += MERGED_S + 1
    assert len(told(log, status(late_hops=5), status(late_hops=6))) == 2


def test_a_line_that_has_changed_is_told_again(log):
    told(log, status(), status(gaps=1, samples_lost=2))
    version = log.version
    assert log.since(version) == []
    told(log, status(gaps=1, samples_lost=2), status(gaps=2, samples_lost=5))
    assert [line.text for line in log.since(version)] == ["2 gaps in the stream: 5 samples lost (2 ms)"]


def test_it_does_not_grow(log):
    for number in range(3 * KEPT):
        log.note("good", str(number))
    assert [line.text for line in log.since(0)] == [str(number) for number in range(2 * KEPT, 3 * KEPT)]
