"""The bench of recording: what it does to a recorded pipeline, and what it says of it."""

import os
import sys

import msgspec
import pytest
from rich.console import Console

from myodrive.stream.errors import OptionError
from myodrive.tools import bench_recording as bench

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals of POSIX")


@posix
@pytest.mark.timeout(180)
def test_a_kill_and_a_full_disk_lose_nothing_that_was_acknowledged():
    notes = []
    result = bench.recording(kills=1, stopped_s=0.0, progress=lambda share, note: notes.append((share, note)))
    (one,) = result["kills"]
    assert one["killed"] == "recorder"
    assert one["readable_s"] >= one["acknowledged_s"] >= bench.ACKNOWLEDGED_S
    assert result["kept"] == 1
    assert result["stopped"] is None
    assert (result["full"] is not None) == (sys.platform == "linux")
    if result["full"] is not None:
        assert result["full"]["kept"]
    assert notes[0] == (0.0, "kill 1: recorder")
    msgspec.json.encode(result)


@posix
def test_who_is_killed_goes_round_and_what_is_lost_is_not_counted_as_kept(monkeypatch):
    def killed(decoder, folder, who, after_s):
        return {
            "killed": who, "acknowledged_s": 1.0, "readable_s": 1.0, "right": True, "holes": 0,
            "kept": who != "both", "noticed": None, "reached_s": 1.1,
        }  # fmt: skip

    full = {
        "reason": "no space", "acknowledged_s": 2.0, "readable_s": 2.5, "right": True, "kept": True, "went_on_s": 1.0,
    }  # fmt: skip
    stopped = {
        "seconds": 3.0, "late_hops_before": 0, "late_hops_stopped": 1, "behind_after_s": 1.25, "reason": "7 missing",
        "holes": [[1, 7]], "right": True,
    }  # fmt: skip
    monkeypatch.setattr(bench, "killed", killed)
    monkeypatch.setattr(bench, "filled", lambda decoder, folder: full)
    monkeypatch.setattr(bench, "stopped", lambda decoder, folder, seconds: stopped | {"seconds": seconds})
    monkeypatch.setattr(bench.sys, "platform", "linux")
    result = bench.recording(kills=5, stopped_s=3.0)
    assert [one["killed"] for one in result["kills"]] == ["recorder", "pipeline", "both", "recorder", "pipeline"]
    assert result["kept"] == 4
    console = Console(width=120, record=True)
    console.print(*bench.tables(result))
    text = console.export_text()
    assert "4 of 5 kept" in text
    assert text.count("LOST") == 1
    for word in ("no space", "stopped for 3 s", "1.25 s", "7 missing"):
        assert word in text


def test_where_nothing_can_be_killed_it_is_refused(monkeypatch):
    monkeypatch.delattr(bench.os, "fork", raising=False)
    with pytest.raises(OptionError, match="Linux or macOS"):
        bench.recording()
