"""Clocks, timers and the scheduler."""

import time
from dataclasses import replace

import pytest

from myodrive.tools.doctor import timing as t

FINE = t.TimerSeen()


@pytest.mark.parametrize("seen", [replace(FINE, sleep_p50=14.6), replace(FINE, poll_p50=14.6)])
def test_a_timer_of_15_ms_is_a_problem(seen):
    found = t.judge_timer(seen)
    assert found.level == "problem"
    assert "best performance" in found.remedy


@pytest.mark.parametrize(
    "seen", [replace(FINE, sleep_p99=7.0), replace(FINE, poll_p99=7.0), replace(FINE, windows_step=15.6)]
)
def test_a_timer_that_is_late_now_and_then_is_a_note(seen):
    assert t.judge_timer(seen).level == "note"


def test_a_timer_in_time_is_in_order():
    assert t.judge_timer(FINE).level == "ok"
    assert t.judge_timer(replace(FINE, windows_step=1.0)).level == "ok"


def test_lateness_is_what_a_wait_takes_beyond_the_millisecond():
    late = t.lateness(lambda: time.sleep(0.003))
    assert (late > 1.9).all()
    assert len(late) > 0


def test_waits_end_in_any_case(monkeypatch):
    monkeypatch.setattr(t, "MOST_S", 0.01)
    assert 1 <= len(t.lateness(lambda: time.sleep(0.02))) < t.TRIES


@pytest.mark.parametrize("seen", [t.ClockSeen(step=1e-3), t.ClockSeen(went_back=True)])
def test_a_coarse_clock_or_one_that_goes_back_is_a_problem(seen):
    assert t.judge_clock(seen).level == "problem"


def test_a_clock_that_drifts_is_a_note():
    assert t.judge_clock(t.ClockSeen(pace=1.001)).level == "note"
    assert t.judge_clock(t.ClockSeen()).level == "ok"


@pytest.mark.parametrize(
    ("seen", "level"),
    [
        (t.SchedulingSeen(), "ok"), (t.SchedulingSeen(linux=False), "ok"), (t.SchedulingSeen(kernel=(5, 15)), "ok"),
        (t.SchedulingSeen(short_slices=False), "note"),
    ],
)  # fmt: skip
def test_a_loop_that_may_not_run_at_once_is_a_note(seen, level):
    assert t.judge_scheduling(seen).level == level


def test_a_priority_that_one_may_ask_for_is_offered():
    assert "chrt" in t.judge_scheduling(t.SchedulingSeen(short_slices=False, realtime=50)).remedy.rpartition(";")[2]


def test_this_machines_clock_and_scheduler_are_seen():
    assert t.judge_clock(t.see_clock()).found
    assert isinstance(t.see_scheduling(), t.SchedulingSeen)
