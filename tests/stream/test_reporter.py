"""What goes out, driven by hand over an array: newcomers, fields, states, pauses and addresses."""

import itertools

import msgspec
import numpy as np
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from myodrive.stream import messages as m
from myodrive.stream.drive import DriveSettings
from myodrive.stream.endpoints import Endpoints, next_port
from myodrive.stream.errors import AddressError
from myodrive.stream.guard import UNSOUND
from myodrive.stream.pipeline import Pipeline

from .reporter_bench import HOP, drain, joined


@pytest.mark.parametrize("prefixes", [("units/", "status/"), ("",), ("units/amp", "status/amp"), ("u", "s")])
def test_a_new_subscriber_gets_units_and_status_at_once(bench, subscribe, prefixes):
    bench.hops(5)
    reader = drain(joined(bench, subscribe, *prefixes))
    bench.reporter.tend(bench.now)
    drain(reader)
    assert len(reader.of(m.Units)) >= 1
    assert len(reader.of(m.Status)) >= 1
    units = reader.of(m.Units)[0]
    assert [unit.id for unit in units.units] == [0, 1, 2]
    assert units.decoder_sha256 == bench.reporter._decoder.sha256
    assert units.provider == "CPUExecutionProvider"
    assert units.lookahead_s == pytest.approx(0.003)
    assert units.sample == 39
    places = bench.reporter._decoder.info.channels
    assert units.electrodes.channels == places.index
    assert (units.electrodes.row, units.electrodes.col) == (places.row, places.col)
    assert (units.electrodes.grid_rows, units.electrodes.ied_mm) == (places.grid_rows, places.ied_mm)


def test_the_messages_say_what_the_pipeline_found(bench, subscribe, planted, decode_all):
    reader = joined(bench, subscribe, "")
    bench.hops(1000)
    drain(reader)
    expected, _, drive = decode_all(Pipeline(planted.decoder, HOP), planted.emg[:8000], HOP)
    spikes = [(s, u) for msg in reader.of(m.Spikes) for s, u in zip(msg.spike_sample, msg.unit, strict=True)]
    assert spikes == expected
    for message in reader.of(m.Spikes):
        assert message.t == pytest.approx(100 + message.sample / 2000, abs=1e-6)
        for sample, t in zip(message.spike_sample, message.spike_t, strict=True):
            assert t == pytest.approx(100 + sample / 2000, abs=1e-6)
            assert message.sample - HOP - 6 < sample <= message.sample - 6  # decided in this hop
        assert all(-1e-6 <= margin < 3 for margin in message.margin)
    assert np.mean([margin for msg in reader.of(m.Spikes) for margin in msg.margin]) == pytest.approx(1, abs=0.1)
    rows = reader.of(m.Drive)
    assert [row.sample for row in rows] == drive[:, 0].astype(int).tolist() == list(range(0, 8000, 20))
    assert np.allclose([row.cst for row in rows], drive[:, 1])
    assert np.allclose([row.rate for row in rows], drive[:, 3:])
    assert all(row.delay_s == pytest.approx(0.083) for row in rows)
    assert {row.valid for row in rows} == {True, False}
    for row in rows:
        assert 0 <= row.command <= 1
        assert (row.source, row.command) == ("none", 0.0) if not row.valid else row.source == "units"
    assert rows[-1].command > 0


def test_every_message_carries_the_common_fields_and_numbers_without_holes(bench, subscribe):
    reader = joined(bench, subscribe, "")
    bench.hops(600)
    drain(reader)
    sessions = {message.session for message in reader.kept}
    assert len(sessions) == 1
    numbers = {}
    for topic, message, frames in zip(reader.topics, reader.kept, reader.frames, strict=True):
        assert topic.endswith(b"/amp")
        assert set(msgspec.msgpack.decode(frames[1])) >= {"v", "seq", "session", "sample", "t", "t_pub"}
        assert message.v == 1
        assert message.t_pub >= message.t - 1e-6
        numbers.setdefault(topic, []).append(message.seq)
    assert len(numbers) == 7
    for found in numbers.values():
        assert found == list(range(found[0], found[0] + len(found)))


def test_the_status_comes_once_a_second_and_soon_after_a_change(bench, subscribe):
    reader = joined(bench, subscribe, "status/")
    bench.hops(1250)  # 5 s
    drain(reader)
    times = [message.t_pub for message in reader.of(m.Status) if message.state == "live"]
    assert 4 <= len(times) <= 8
    assert np.diff(times).max() < 1.01
    bench.hops(1, lost=17)
    bench.hops(20)
    drain(reader)
    last = reader.kept[-1]
    assert (last.samples_lost, last.gaps) == (17, 1)
    assert last.t_pub - bench.now > -0.1
    assert last.sample + 1 == last.samples_in + last.samples_lost


def test_a_stall_is_told_and_the_drive_goes_on_by_the_clock_but_invalid(bench, subscribe):
    reader = joined(bench, subscribe, "")
    bench.hops(700)
    drain(reader)
    seen = len(reader.kept)
    bench.source.stalled = True
    bench.wait(1.0)
    drain(reader)
    news = reader.kept[seen:]
    assert next(msg for msg in news if isinstance(msg, m.Status)).state == "stalled"
    drive = [msg for msg in news if isinstance(msg, m.Drive)]
    assert 95 <= len(drive) <= 102
    assert all((d.valid, d.command, d.source, d.sample) == (False, 0.0, "none", bench.source.sample) for d in drive)
    bench.source.stalled = False
    seen = len(reader.kept)
    bench.hops(30)
    drain(reader)
    assert next(msg for msg in reader.kept[seen:] if isinstance(msg, m.Status)).state == "live"


def test_after_a_stall_without_loss_the_drive_is_what_it_would_have_been(bench, subscribe, planted, decode_all):
    reader = joined(bench, subscribe, "")
    bench.hops(500)
    bench.source.stalled = True
    bench.wait(0.6)
    bench.source.stalled = False
    bench.hops(400)
    drain(reader)
    _, _, expected = decode_all(Pipeline(planted.decoder, HOP), planted.emg[:7200], HOP)
    found = {d.sample: d for d in reader.of(m.Drive) if d.cst or d.valid}
    for row in expected[expected[:, 0] > 4000]:
        assert found[int(row[0])].cst == pytest.approx(row[1])
    assert not any(d.valid for d in reader.of(m.Drive) if d.t_pub - d.t > 0.2)


@pytest.mark.parametrize("stalled", [False, True])
def test_while_paused_there_are_no_spikes_and_the_command_is_zero(bench, subscribe, stalled):
    reader = joined(bench, subscribe, "")
    bench.hops(500)
    drain(reader)
    seen = len(reader.kept)
    bench.reporter.paused = True
    if stalled:
        bench.source.stalled = True
        bench.wait(1.0)
    else:
        bench.hops(250)
    drain(reader)
    news = reader.kept[seen:]
    assert not [msg for msg in news if isinstance(msg, m.Spikes)]
    assert {msg.state for msg in news if isinstance(msg, m.Status)} == {"paused"}
    drive = [msg for msg in news if isinstance(msg, m.Drive)]
    assert 90 <= len(drive) <= 102
    assert all((d.valid, d.command, d.source) == (False, 0.0, "none") for d in drive)
    bench.reporter.paused = bench.source.stalled = False
    bench.hops(300)
    drain(reader)
    assert reader.of(m.Drive)[-1].valid
    assert reader.of(m.Status)[-1].state == "live"


def test_emg_goes_out_while_somebody_wants_it_whole_and_30_times_a_second_at_most(bench, subscribe, planted):
    bench.hops(10)
    assert bench.reporter._publisher._seq.get("emg") is None
    reader = joined(bench, subscribe, "emg/", "units/")
    bench.hops(500)  # 2 s
    drain(reader)
    blocks = reader.of(m.Emg)
    assert 50 <= len(blocks) <= 61
    for before, after in itertools.pairwise(blocks):
        assert after.first_sample == before.first_sample + len(before.emg[0])
        assert after.sample == after.first_sample + len(after.emg[0]) - 1
    assert np.array(blocks[0].emg).shape[0] == planted.emg.shape[1]


def test_units_that_all_fire_faster_than_muscle_make_the_drive_invalid_and_say_why(bench, subscribe):
    reader = joined(bench, subscribe, "drive/", "status/")
    bench.hops(300)
    drain(reader)
    assert reader.of(m.Drive)[-1].valid
    for _ in range(200):
        bench.reporter._follow_rate(60.0 * len(bench.reporter._trust))
    bench.hops(10)
    drain(reader)
    assert not reader.of(m.Drive)[-1].valid
    assert reader.of(m.Drive)[-1].command == 0.0
    assert "does not fit" in reader.of(m.Status)[-1].reason
    bench.hops(600)
    drain(reader)
    assert reader.of(m.Drive)[-1].valid
    assert reader.of(m.Status)[-1].reason == ""


def test_units_that_look_unlike_the_calibrations_make_the_drive_invalid_and_say_why(bench, subscribe):
    reader = joined(bench, subscribe, "drive/", "status/")
    bench.hops(300)
    bench.reporter._trust.strange = True
    bench.reporter._trust.tend = lambda now, good: None  # it stays so
    bench.hops(30)
    drain(reader)
    last = reader.of(m.Drive)[-1]
    assert (last.valid, last.command) == (False, 0.0)
    assert "calibrate again" in reader.of(m.Status)[-1].reason
    bench.reporter._trust.strange = False
    bench.hops(30)
    drain(reader)
    assert reader.of(m.Drive)[-1].valid


def test_a_late_hop_is_one_that_left_more_than_a_hop_after_its_arrival(bench):
    bench.hops(10, delay=0.9 * HOP / 2000)
    assert bench.reporter.late_hops == 0
    bench.hops(1, delay=1.1 * HOP / 2000)
    assert bench.reporter.late_hops == 1
    assert bench.reporter.status().latency_ms.max == pytest.approx(1.1 * HOP / 2, rel=1e-6)


def test_bad_channels_are_named_by_their_place_in_the_stream_with_the_reason(bench, subscribe):
    bench.source.emg = bench.source.emg.copy()
    bench.source.emg[:, 3] = 7
    bench.hops(300)
    status = bench.reporter.status()
    assert (status.bad_channels, status.bad_reasons) == ([3], ["flat"])


def test_masked_channels_are_named_by_their_place_in_the_stream_and_a_change_is_told(bench, subscribe):
    before = bench.reporter._tellable()
    assert (bench.reporter.status().masked_channels, bench.reporter.status().masked_since) == ([], -1)
    bench.source.emg = bench.source.emg.copy()
    bench.source.emg[:, 3] = 7
    bench.hops(300)
    status = bench.reporter.status()
    assert status.masked_channels == [3]
    assert 0 < status.masked_since < status.sample
    assert status.masks_late == 0
    assert bench.reporter._tellable() != before


def test_another_way_of_counting_is_told_at_once(bench):
    before = bench.reporter._tellable()
    assert bench.reporter.status().timing == "exact"
    bench.source.timeline.counted = True
    assert bench.reporter._tellable() != before
    assert bench.reporter.status().timing == "counted"


def test_that_channels_cannot_be_masked_is_said(bench):
    bench.source.emg = bench.source.emg.copy()
    bench.source.emg[:, :9] = 7
    bench.hops(300)
    bench.reporter.tend(bench.now)
    assert "9 of 16 channels are bad" in bench.reporter.status().reason


def test_the_trust_of_a_unit_falls_when_its_spikes_shrink(bench):
    bench.hops(1000)
    assert all(unit.trust > 0.8 for unit in bench.reporter._units().units)
    bench.pipeline.session.window[:] = 0
    bench.source.emg = bench.source.emg * np.float32(0.6)
    bench.hops(900)
    assert all(0 <= unit.trust < 0.6 for unit in bench.reporter._units().units)


def test_the_control_answers_are_plain_maps(bench, context):
    bench.hops(5)
    host, _, port = bench.address.rpartition(":")
    client = context.socket(zmq.REQ)
    client.connect(f"{host}:{int(port) + 1}")

    def ask(word):
        client.send(msgspec.msgpack.encode({"do": word}))
        for _ in range(400):
            bench.reporter.tend(bench.now)
            if client.poll(5):
                return msgspec.msgpack.decode(client.recv())
        return None

    assert ask("ping")["ok"] is True
    assert ask("status")["status"]["samples_in"] == 40
    assert len(ask("units")["units"]["units"]) == 3
    assert ask("dance")["ok"] is False
    assert not bench.reporter.paused
    assert ask("pause")["ok"] is True
    assert bench.reporter.paused
    assert ask("resume")["ok"] is True
    assert not bench.reporter.paused
    assert ask("stop")["ok"] is True
    assert bench.reporter.stopping


@pytest.mark.parametrize("taken", [0, 1])
def test_a_taken_address_or_next_port_is_refused_and_neither_stays_bound(planted, free_address, context, taken):
    address = free_address()
    holder = context.socket(zmq.REP)
    holder.bind(address if taken == 0 else next_port(address))
    with pytest.raises(AddressError, match="in use"):
        Endpoints(address, "amp")
    other = context.socket(zmq.REP)
    other.bind(next_port(address) if taken == 0 else address)  # is free


@pytest.mark.parametrize(
    "address",
    ["", "5570", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65535", "tcp://h:²",
     "tcp://h:-1", "ipc://x:5", "tcp://127.0.0.1:999999999999999999999"],
)  # fmt: skip
def test_what_is_no_address_is_refused(planted, address):
    with pytest.raises(AddressError, match=r"tcp://127\.0\.0\.1:5570"):
        Endpoints(address, "amp")


def test_the_control_socket_is_on_the_next_port():
    assert next_port("tcp://127.0.0.1:5570") == "tcp://127.0.0.1:5571"
    assert next_port("tcp://[::1]:5570") == "tcp://[::1]:5571"


# what a controller may act on


def spoil(bench, first, change):
    """From hop `first` on the samples are what `change` makes of them."""
    bench.source.emg = bench.source.emg.copy()
    bench.source.emg[first * HOP :] = change(bench.source.emg[first * HOP :])


BROKEN = {
    "no numbers": lambda emg: np.full_like(emg, np.nan),
    "infinite": lambda emg: np.full_like(emg, np.inf),
    "at the rail": lambda emg: np.where(emg > emg.mean(axis=0), 5000, -5000).astype(np.float32),
    "flat": lambda emg: np.zeros_like(emg),
    "5 of 16 flat": lambda emg: np.where(np.arange(emg.shape[1]) < 5, 7, emg).astype(np.float32),
}


@pytest.mark.parametrize("fallback", ["none", "envelope"])
@pytest.mark.parametrize("how", list(BROKEN))
def test_within_half_a_second_of_losing_its_channels_the_drive_is_invalid(bench, subscribe, how, fallback):
    bench.pipeline.drive.settings = DriveSettings(fallback=fallback)
    spoil(bench, 500, BROKEN[how])
    reader = joined(bench, subscribe, "drive/", "status/")
    bench.hops(1000)
    drain(reader)
    rows = reader.of(m.Drive)
    assert any(d.valid for d in rows if d.sample < 4000)
    late = [d for d in rows if d.sample >= 4000 + 1000]
    assert len(late) > 100
    assert {(d.valid, d.source) for d in late} == {(False, fallback)}
    assert all(0.0 <= d.command <= 1.0 for d in late)
    if fallback == "none" or "16" not in how:
        assert all(d.command == 0.0 for d in late[50:])  # no channel is left to make an envelope
    assert reader.of(m.Status)[-1].bad_channels


def test_a_quarter_of_the_channels_masked_leaves_the_drive_valid(bench, subscribe):
    spoil(bench, 400, lambda emg: np.where(np.arange(emg.shape[1]) < 4, 7, emg).astype(np.float32))
    reader = joined(bench, subscribe, "drive/", "status/")
    bench.hops(1000)
    drain(reader)
    assert reader.of(m.Status)[-1].masked_channels == [0, 1, 2, 3]
    assert all(d.valid for d in reader.of(m.Drive) if d.sample > 4500)


@pytest.mark.parametrize("how", ["stalled", "paused"])
def test_no_fall_back_speaks_for_a_stream_that_is_silent(bench, subscribe, how):
    bench.pipeline.drive.settings = DriveSettings(fallback="envelope")
    bench.hops(700)
    reader = joined(bench, subscribe, "drive/", "status/")
    drain(reader)
    seen = len(reader.kept)
    if how == "stalled":
        bench.source.stalled = True
        bench.wait(0.5)
    else:
        bench.reporter.paused = True
        bench.hops(125)
    drain(reader)
    rows = [message for message in reader.kept[seen:] if isinstance(message, m.Drive)]
    assert len(rows) > 40
    assert {(d.valid, d.command, d.source) for d in rows} == {(False, 0.0, "none")}


def test_a_decoder_that_does_not_fit_leaves_the_command_to_the_fall_back(bench, subscribe):
    bench.pipeline.drive.settings = DriveSettings(fallback="envelope")
    reader = joined(bench, subscribe, "drive/", "status/")
    bench.hops(300)
    bench.reporter._trust.strange = True
    bench.reporter._trust.tend = lambda now, good: None
    bench.hops(30)
    drain(reader)
    last = reader.of(m.Drive)[-1]
    assert (last.valid, last.source) == (False, "envelope")
    assert last.command == pytest.approx(np.clip((last.envelope - 5) / 55, 0, 1), abs=0.03)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**31))
def test_whatever_the_samples_the_command_is_a_number_and_zero_where_it_is_invalid(bench, seed):
    rng = np.random.default_rng(seed)
    told = []
    bench.reporter._publisher.send = lambda kind, message, now: told.append(message)
    for _ in range(40):
        size = 10.0 ** rng.uniform(-3, 38)
        hop = bench.source.next_hop(int(rng.integers(0, 3)) * int(rng.random() < 0.1))
        signal = (size * rng.standard_normal(hop.signal.shape)).astype(np.float32)
        signal[rng.random(signal.shape) < 0.05] = rng.choice([np.nan, np.inf, -np.inf, 0.0])
        bench.now = max(bench.now, hop.stamp + rng.choice([1e-3, 0.3]))
        bench.source.stalled = bool(rng.random() < 0.1)
        bench.pipeline(signal, hop.first_sample, hop.lost_before)
        bench.reporter.report(hop, bench.now)
        bench.reporter.tend(bench.now)
    rows = [message for message in told if isinstance(message, m.Drive)]
    assert rows
    for row in rows:
        assert np.isfinite(row.command)
        assert 0.0 <= row.command <= 1.0
        assert row.valid or (row.command, row.source) == (0.0, "none")
        assert not (row.valid and bench.now < row.t)
    status = bench.reporter.status()
    assert status.sample + 1 == status.samples_in + status.samples_lost


def test_sources_in_which_nothing_can_be_told_are_said_to_be_so_in_spikes_drive_and_status(bench, subscribe):
    shape = np.random.default_rng(0).uniform(0.5, 1.5, bench.source.emg.shape[1])

    def noisy(emg):
        loud = emg.copy()
        loud[:1200] += (np.random.default_rng(1).normal(0.0, 150.0, (1200, 1)) * shape).astype(np.float32)
        return loud

    spoil(bench, 500, noisy)
    reader = joined(bench, subscribe, "drive/", "spikes/", "status/")
    bench.hops(1000)
    drain(reader)
    drive, spikes, status = reader.of(m.Drive), reader.of(m.Spikes), reader.of(m.Status)
    invalid = np.array([d.sample for d in drive if not d.valid and d.sample > 2000])
    assert 4000 <= invalid.min() < 4200
    assert 5200 < invalid.max() < 6000
    assert drive[-1].valid
    for one in spikes:
        if one.sample > 2000:
            assert one.valid == (one.sample < invalid.min() or one.sample > invalid.max())
    first = next(s for s in status if not s.sound)
    assert 4000 <= first.sample < 4200 + HOP
    assert first.reason == UNSOUND
    assert (status[-1].sound, status[-1].reason) == (True, "")
    assert status[-1].held_back == bench.pipeline.guard.held_back > 0
