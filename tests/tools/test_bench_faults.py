"""The bench of faults: rows are judged by the truth of `play`, and a short list runs through real processes."""

import msgspec
import pytest
from rich.console import Console

from myodrive.stream.messages import Drive, Latency, Status
from myodrive.tools import bench_faults as bench
from myodrive.tools.faults import KINDS, Fault


def status(**fields):
    usual = {
        "state": "live", "samples_in": 100, "samples_lost": 0, "gaps": 0, "reconnects": 0, "late_hops": 0,
        "bad_channels": [], "bad_reasons": [], "messages_dropped": 0, "rate_hz": 2000.0,
        "latency_ms": Latency(p50=0.0, p99=0.0, p999=0.0, max=0.0, hist=[]),
    }  # fmt: skip
    return Status(**(usual | fields))


def drive(valid):
    return Drive(rate=[], cst=0.0, command=0.0, source="units", delay_s=0.0, envelope=0.0, valid=valid)


@pytest.mark.parametrize(
    ("text", "news", "word"),
    [
        ("gap@1:3n", {"samples_lost": 3}, "samples_lost"), ("drop@1:1", {"samples_lost": 3}, "samples_lost"),
        ("duplicate@1:1", {"repeats_dropped": 3}, "repeats_dropped"), ("jitter@1:1", {"timing": "estimated"}, "timing"),
        ("equal@1:1", {"timing": "estimated"}, "timing"), ("drift@1,ppm=1000", {"rate_hz": 2001.5}, "rate_hz"),
        ("clock@1,jump=1", {"clock_jumps": 1}, "clock_jumps"), ("stall@1:1", {"state": "stalled"}, "stalled"),
        ("die@1:1", {"state": "stalled"}, "stalled"), ("nan@1:1", {"bad_channels": [1]}, "bad_channels"),
        ("artefact@1:1", {"bad_channels": [2]}, "bad_channels"),
    ],
)  # fmt: skip
def test_a_fault_is_told_by_its_own_field_and_by_no_other(text, news, word):
    fault, before = Fault.parse(text), status()
    assert not bench.tells(fault, before, before)
    assert not bench.tells(fault, status(**news), None)
    told = status(**news)
    assert bench.tells(fault, told, before)
    assert bench.word_for(fault, told) == word
    others = {"samples_lost": 9, "state": "stalled", "bad_channels": [3], "clock_jumps": 4, "repeats_dropped": 7}
    field = {"stalled": "state"}.get(word, word)
    assert not bench.tells(fault, status(**{k: v for k, v in others.items() if k != field}), before)


def test_an_invalid_drive_tells_of_an_artefact_and_a_valid_one_that_it_is_over():
    fault = Fault.parse("artefact@1:1")
    assert bench.tells(fault, drive(False), status())
    assert not bench.tells(fault, drive(True), status())
    assert bench.is_live(fault, drive(True))
    assert not bench.is_live(fault, drive(False))
    assert bench.is_live(Fault.parse("die@1:1"), status())
    assert not bench.is_live(Fault.parse("die@1:1"), drive(True))


def test_the_list_holds_every_kind_and_each_in_order():
    kinds = {Fault.parse(text).kind for one in bench.PLAYINGS for text in one.faults}
    assert kinds == set(KINDS)
    for one in bench.PLAYINGS:
        at = [Fault.parse(text).at_s for text in one.faults]
        assert at == sorted(at)
        assert at[-1] < one.seconds


@pytest.fixture(scope="module")
def played(muscle_path, decoder_path):
    playings = [bench.Playing(("gap@2:37n", "stall@3:0.7"), 4.6)]
    return bench.faults(deaths=1, decoder=str(decoder_path), recording=str(muscle_path), playings=playings)


def test_a_short_list_is_played_and_judged(played):
    gap, stall = played["faults"]
    (death,) = played["deaths"]
    assert (gap["lost_counted"], gap["lost_true"], gap["said_by"]) == (37, 37, "samples_lost")
    assert (stall["lost_counted"], stall["lost_true"], stall["said_by"]) == (0, 0, "stalled")
    assert stall["commanded_in_silence"] == death["commanded_in_silence"] == 0
    assert gap["false_after"] == stall["false_after"] == death["false_after"] == 0
    assert death["said_by"] == "stalled"
    assert death["lost_counted"] >= death["lost_true"] > 1000
    assert death["live_after_s"] is not None
    assert played["identity_held"]
    assert played["valid_when_stale"] == 0
    assert {row["off_place"] for row in (gap, stall, death)} == {0}
    msgspec.json.encode(played)


def test_the_table_names_every_row(played):
    console = Console(width=200, record=True)
    console.print(bench.table(played))
    text = console.export_text()
    for word in ("gap@2:37n", "stall@3:0.7", "die@3:1", "1 deaths"):
        assert word in text
