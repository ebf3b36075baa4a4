"""The live table: what it shows follows the messages, and stale ones move nothing."""

import io

import msgspec
import pytest
from rich.console import Console

from myodrive.stream.messages import (
    Drive,
    Event,
    Latency,
    Params,
    Signal,
    SignalEntry,
    Spikes,
    Status,
    UnitEntry,
    Units,
)  # fmt: skip
from myodrive.tools.table import Picture

NO_LATENCY = Latency(p50=1.0, p99=2.0, p999=3.0, max=4.0, hist=[])


def shown(picture, age_s=0.0, width=120, height=None):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(picture.render(width, 0, age_s, height))
    return console.export_text()


def status(state="live", **fields):
    usual = {"samples_in": 10, "samples_lost": 0, "gaps": 0, "reconnects": 0, "late_hops": 0, "messages_dropped": 0}
    return Status(state=state, bad_channels=[3], bad_reasons=["flat"], latency_ms=NO_LATENCY, **usual, **fields)


def drive(command=0.5, valid=True, t=10.0):
    return Drive(
        t=t, rate=[11.5, 0.0], cst=11.5, command=command, source="units", delay_s=0.1, envelope=40.0, valid=valid
    )


@pytest.fixture
def picture():
    picture = Picture()
    units = [UnitEntry(id=m, sil=0.93, pnr_db=30.0, lag_s=0.01, trust=1.0) for m in range(2)]
    picture.take(
        Units(fs_hz=2048.0, decoder_sha256="", provider="CPUExecutionProvider", lookahead_s=0.002, units=units)
    )
    picture.take(status())
    picture.take(drive())
    return picture


def test_without_a_message_it_says_so_once_a_pipeline_had_the_time_to_start():
    assert "starting" in shown(Picture())
    assert "no message yet" not in shown(Picture())
    assert "no message yet: is the pipeline running?" in shown(Picture(), age_s=20.0)


def test_before_the_first_sample_there_are_no_latencies(picture):
    assert "p50 1.00  p99 2.00" in shown(picture)
    picture.take(msgspec.structs.replace(status("warming"), samples_in=0))
    assert "p50 -  p99 -   - Hz" in shown(picture)


def test_it_shows_what_the_messages_say(picture):
    picture.take(Spikes(t=10.0, unit=[0, 0, 1], spike_sample=[1, 2, 3], spike_t=[9.8, 9.9, 9.95], margin=[1.0] * 3))
    text = shown(picture)
    for word in ("live", "0.93", "11.5", "on CPU", "3 flat", "command 0.50"):
        assert word in text
    assert picture.spikes == 3
    assert dict(picture.discharges) == {0: 2, 1: 1}


def params(unit, **fields):
    return Params(unit=unit, spikes_used=50, **fields)


def test_where_a_unit_lies_and_how_fast_it_conducts_is_shown_as_far_as_known(picture):
    assert "IZ" not in shown(picture)
    picture.take(params(0, reason="fewer than 20 discharges averaged"))
    assert "IZ" not in shown(picture)
    picture.take(params(1, iz_mm=-12.34, iz_mm_sd=0.41, cv_m_s=4.123, cv_m_s_sd=0.048))
    text = shown(picture)
    assert "-12.3 ± 0.4 mm" in text
    assert "4.12 ± 0.05 m/s" in text
    picture.take(params(1, iz_mm=3.0, iz_mm_sd=0.2, reason="beyond what the model was trained for: cv_m_s"))
    row = next(line for line in shown(picture).splitlines() if "3.0 ± 0.2 mm" in line)
    assert "m/s" not in row


def crowded(picture, units=19):
    """Everything known of many units, all of which discharge all the time."""
    entries = [UnitEntry(id=m, sil=0.93, pnr_db=30.0, lag_s=0.01, trust=1.0) for m in range(units)]
    picture.take(Units(fs_hz=2048.0, decoder_sha256="", provider="CPU", lookahead_s=0.002, units=entries))
    picture.take(status(rate_hz=2048.0))
    for unit in range(units):
        picture.take(params(unit, iz_mm=-112.34, iz_mm_sd=10.4, cv_m_s=4.12, cv_m_s_sd=0.05))
        times = [9.0 + 0.01 * k for k in range(100)]
        picture.take(Spikes(t=10.0, unit=[unit] * 100, spike_sample=[1] * 100, spike_t=times, margin=[1.0] * 100))


def rows_of(text):
    """The lines of units, by their numbers."""
    return {int(line.split()[0]): line for line in text.splitlines() if line.split()[:1] and line.split()[0].isdigit()}


@pytest.mark.parametrize("width", [70, 80, 100, 120, 200])
def test_a_unit_takes_one_line_of_any_usual_width(picture, width):
    crowded(picture)
    text = shown(picture, width=width)
    assert sorted(rows_of(text)) == list(range(19))
    lines = text.rstrip("\n").splitlines()
    assert max(map(len, lines)) < width + 1
    assert len(lines) == lines.index(rows_of(text)[0]) + 19  # nothing between or behind the rows
    assert all(sum(map(line.count, "⡇⢸⣿")) > 20 for line in rows_of(text).values())


def test_where_there_is_little_room_the_deviations_go_before_the_raster(picture):
    crowded(picture)
    assert shown(picture, width=120).count("-112.3 ± 10.4 mm") == 19
    narrow = shown(picture, width=80)
    assert "±" not in narrow
    assert "IZ mm" in narrow
    assert narrow.count("-112.3 ") == 19


@pytest.mark.parametrize("height", [12, 24, 30])
def test_as_many_units_as_fit_are_shown_and_the_others_counted(picture, height):
    crowded(picture)
    text = shown(picture, width=80, height=height)
    units = rows_of(text)
    assert len(text.rstrip("\n").splitlines()) <= height
    assert f"and {19 - len(units)} more" in text or len(units) == 19
    assert len(text.rstrip("\n").splitlines()) == height or len(units) == 19


def test_a_message_older_than_200_ms_moves_no_command(picture):
    assert "command 0.50" in shown(picture, age_s=0.1)
    text = shown(picture, age_s=0.25)
    assert "command 0.00" in text
    assert "stale" in text
    assert "█" not in text


def test_a_command_that_is_not_valid_is_marked(picture):
    picture.take(drive(command=0.0, valid=False))
    assert "not valid" in shown(picture)


def test_how_the_recording_goes_is_shown_where_there_is_one(picture):
    assert "recording" not in shown(picture)
    picture.take(status(recording="on", recorded_s=12.34))
    assert "recording on, 12.3 s on disk" in shown(picture)
    picture.take(status(recording="failed", recorded_s=3.0, recording_reason="the disk is full"))
    assert "recording failed, 3.0 s on disk: the disk is full" in shown(picture)


def test_channels_that_the_filters_leave_out_stand_beside_the_bad_ones(picture):
    assert "left out" not in shown(picture)
    picture.take(status(masked_channels=[3, 11]))
    line = next(line for line in shown(picture).splitlines() if "bad channels" in line)
    assert "3 flat" in line
    assert "left out by the filters: 3, 11" in line
    picture.take(msgspec.structs.replace(status(masked_channels=list(range(20))), bad_channels=[], bad_reasons=[]))
    line = next(line for line in shown(picture).splitlines() if "bad channels" in line)
    assert "none now" in line
    assert "0, 1, 2, 3, 4, 5, ..." in line


def test_silence_is_said(picture):
    assert "no messages" in shown(picture, age_s=2.0)


def test_discharges_leave_the_raster_with_time(picture):
    picture.take(Spikes(t=10.0, unit=[0], spike_sample=[1], spike_t=[9.99], margin=[1.0]))
    assert any(cell in shown(picture) for cell in "⡇⢸⣿")
    picture.take(drive(t=100.0))
    assert not any(cell in shown(picture) for cell in "⡇⢸⣿")


@pytest.mark.parametrize("width", [1, 20, 40, 200])
def test_any_width_can_be_drawn(picture, width):
    picture.take(Spikes(t=10.0, unit=[0, 1], spike_sample=[1, 2], spike_t=[9.0, 10.5], margin=[1.0, 1.0]))
    assert shown(picture, width=width)


def test_the_last_marker_and_the_newest_value_of_each_signal_are_shown(picture):
    entries = [
        SignalEntry(name="cell:1", state="on"), SignalEntry(name="70", state="on"),
        SignalEntry(name="knee", state="waiting", reason="no such channel"),
    ]  # fmt: skip
    picture.take(status(events="on", events_in=3, signals=entries))
    assert "cell:1: no value yet" in shown(picture, width=200)
    picture.take(Event(label="go", event_sample=4096, event_t=2.0))
    for name, unit, values in (("cell:1", "N", [1.0, 12.345]), ("70", "", [-3.0])):
        picture.take(Signal(name=name, unit=unit, fs_hz=80.0, value=values, value_sample=values, value_t=values))
    text = shown(picture, width=200)
    for words in ('events on, 3 so far, "go" at sample 4096', "cell:1: 12.35 N", "70: -3", "knee: waiting (no such"):
        assert words in text


def test_any_number_of_names_takes_no_more_room(picture):
    for n in range(100):
        picture.take(Signal(name=str(n), unit="", fs_hz=1.0, value=[1.0], value_sample=[1.0], value_t=[1.0]))
    assert len(picture.signals) == 4
