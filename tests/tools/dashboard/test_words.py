"""The state in one word and a sentence."""

import pytest

from myodrive.stream.messages import Drive, Electrodes, Latency, Status, UnitEntry, Units
from myodrive.tools.dashboard.words import Facts, headline

ADDRESS = "tcp://127.0.0.1:5570"
UNITS = Units(
    fs_hz=2048.0, decoder_sha256="", provider="CPUExecutionProvider", lookahead_s=0.0,
    units=[UnitEntry(id=0, sil=0.9, pnr_db=30.0, lag_s=0.0, trust=1.0)],
    electrodes=Electrodes(channels=[0, 1], row=[0, 1], col=[0, 0], ied_mm=8.0, grid_rows=2, grid_cols=1),
)  # fmt: skip


def drive(valid=True):
    return Drive(rate=[1.0], cst=1.0, command=0.5, source="units", delay_s=0.1, envelope=1.0, valid=valid)


def status(**fields):
    counters = dict.fromkeys(("samples_in", "samples_lost", "gaps", "reconnects", "late_hops", "messages_dropped"), 0)
    latency = Latency(p50=1.0, p99=2.0, p999=3.0, max=4.0, hist=[])
    return Status(
        **{"state": "live", "bad_channels": [], "bad_reasons": [], "latency_ms": latency, **counters, **fields}
    )


def live(**fields):
    return {"status": status(**fields), "drive": drive(), "units": UNITS, "silent_s": 0.01}


@pytest.mark.parametrize(
    ("facts", "level", "word", "words"),
    [
        ({}, "idle", "No pipeline", f"No pipeline at {ADDRESS}."),
        ({**live(), "silent_s": 5.4}, "bad", "No pipeline", f"No pipeline at {ADDRESS} since 5 s"),
        ({**live(state="stalled"), "stalled_s": 3.2}, "bad", "Stalled", "Stalled since 3 s"),
        ({**live(state="paused")}, "warn", "Paused", "command is 0"),
        ({**live(state="waiting")}, "warn", "Waiting", "first sample"),
        ({**live(state="warming")}, "warn", "Warming up", "getting ready"),
        ({**live(state="stopped")}, "bad", "Stopped", "stopped"),
        ({**live(), "restarted_s": 4.0}, "warn", "Live", "The pipeline restarted 4 s ago, new session."),
        ({**live(sound=False)}, "bad", "Live, unsound", "too noisy"),
        ({**live(), "drive": drive(False)}, "warn", "Live, not valid", "do not act on it"),
        ({**live(masked_channels=[3])}, "warn", "Live", "Channel 3 left out of the filters."),
        ({**live(recording="behind")}, "warn", "Live", "The recording is behind."),
        ({**live(recording="on", recorded_s=12.0)}, "good", "Live", "12 s recorded"),
        (live(), "good", "Live", "1 motor unit from 2 channels at 2048 Hz, no sample lost."),
        ({**live(), "refusal": "it turns this key away"}, "bad", "Turned away", "It turns this key away"),
    ],
)
def test_the_worst_is_said_first(facts, level, word, words):
    said = headline(Facts(ADDRESS, **facts))
    assert (said.level, said.word) == (level, word)
    assert words in said.sentence


def test_what_is_wrong_outranks_what_is_unusual():
    said = headline(Facts(ADDRESS, **live(state="stalled", masked_channels=[3], recording="failed")))
    assert said.word == "Stalled"
