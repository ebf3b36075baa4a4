"""Masks: in time, the same at any hop, back after two seconds, late or failed never silent, told again in a replay."""

import threading
import time

import numpy as np
import pytest

from myodrive.stream import messages as m
from myodrive.stream.mask_worker import DELAY_S, NEVER, AtOnce, Live, Never, Swap, Told
from myodrive.stream.masking import NO_WAVEFORMS
from myodrive.stream.pipeline import Pipeline
from myodrive.stream.stages import StageMaker
from myodrive.stream.trust import UnitTrust
from myodrive.stream.watch import CLEAR_AFTER_S, FLAT, GOOD

FS_HZ = 2000.0
CHANNELS = 16
BAD = 5
START, END = 4003, 8003  # of the fault, samples: off every block and stretch
KINDS = ("flat", "saturated", "nan", "disconnected", "mains")


def broken(emg, kind, channel=BAD, start=START, end=END):
    emg = emg.copy()
    rng = np.random.default_rng(3)
    part = emg[start:end, channel]
    t = np.arange(len(part)) / FS_HZ
    if kind == "flat":
        part[:] = part[0]
    elif kind == "saturated":
        part[:] = np.clip(9000 * np.sin(2 * np.pi * 50 * t), -3000, 3000)
    elif kind == "nan":
        part[:] = np.nan
    elif kind == "disconnected":
        part[:] = rng.normal(0, 800, len(part))
    else:
        part += (2000 * np.sin(2 * np.pi * 50 * t)).astype(np.float32)
    return emg


def run(pipeline, emg, hop, after_hop=lambda pipeline: None):
    """Spikes [(sample, unit)], sources, and exchanges of filters."""
    spikes, sources, swaps = [], [], []
    for start in range(0, len(emg), hop):
        part = emg[start : start + hop]
        pipeline(part, start)
        found = pipeline.detector
        spikes += list(zip(found.sample[: found.count].tolist(), found.unit[: found.count].tolist(), strict=True))
        sources.append(pipeline.sources[: len(part)].copy())
        swaps += pipeline.masks.swaps
        after_hop(pipeline)
    return spikes, np.concatenate(sources), swaps


@pytest.fixture
def live_pipeline():
    """Function that makes a pipeline with a worker, which is ended after the test."""
    made = []

    def make(decoder, hop, kind=Live):
        made.append(Pipeline(decoder, hop, masks=kind))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.close()
        assert not pipeline.masks._thread.is_alive()


def in_time(pipeline):
    """Let the worker end what it has in hand, as it does on a stream that comes at its own pace."""
    end = time.monotonic() + 10
    while any(not request.done for request in pipeline.masks._requests):
        assert time.monotonic() < end
        time.sleep(1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_channel_is_masked_within_half_a_second_and_back_two_seconds_after(planted, kind):
    pipeline = Pipeline(planted.decoder, 8)
    _, _, swaps = run(pipeline, broken(planted.emg, kind), 8)
    assert [swap.channels for swap in swaps] == [(BAD,), ()]
    assert START < swaps[0].sample < START + 0.45 * FS_HZ
    back = swaps[1].sample - END
    assert (CLEAR_AFTER_S + DELAY_S - 0.25) * FS_HZ <= back <= (CLEAR_AFTER_S + DELAY_S + 0.25) * FS_HZ
    assert pipeline.masks.since == swaps[1].sample
    assert not pipeline.masks.masked.any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["planted", "maskable"])
def test_any_hop_gives_the_same_spikes_sources_and_masks(which, request, kind):
    planted = request.getfixturevalue(which)
    emg = broken(broken(planted.emg, kind), "nan", 11, START + 300, END + 1000)
    spikes, sources, swaps = run(Pipeline(planted.decoder, 8), emg, 8)
    assert len(swaps) >= 4
    for hop in (1, 7, 64, 500):
        others = run(Pipeline(planted.decoder, hop), emg, hop)
        assert others[0] == spikes
        assert others[1].tobytes() == sources.tobytes()
        assert others[2] == swaps


@pytest.mark.parametrize("whitening", ["folded", "staged"])
@pytest.mark.parametrize("which", ["planted", "maskable"])
def test_masked_the_units_are_found_and_noise_on_the_channel_has_no_influence(which, request, whitening):
    planted = request.getfixturevalue(which)
    loud = broken(planted.emg, "disconnected", end=len(planted.emg))
    louder = loud.copy()
    louder[START:, BAD] *= 3
    found = {}
    for name, emg, masks in (("masked", loud, AtOnce), ("louder", louder, AtOnce), ("naive", loud, Never)):
        pipeline = Pipeline(planted.decoder, 8, whitening=whitening, masks=masks)
        spikes, sources, swaps = run(pipeline, emg, 8)
        since = swaps[0].sample if swaps else START
        found[name] = since, spikes, sources
    since, spikes, sources = found["masked"]
    assert sources[since:].tobytes() == found["louder"][2][since:].tobytes()

    def wrong(spikes):
        false = missed = 0
        for unit, true in enumerate(planted.discharges):
            mine = np.array([sample for sample, of in spikes if of == unit and sample > since + 100])
            true = true[(true > since + 100) & (true < len(planted.emg) - 100)]
            near = np.abs(mine[:, None] - true[None]) <= 2
            false, missed = false + int((~near.any(axis=1)).sum()), missed + int((~near.any(axis=0)).sum())
        return false, missed

    assert max(wrong(spikes)) <= 5
    assert max(wrong(found["naive"][1])) > 100


def test_staged_and_folded_masks_give_the_same_spikes(planted):
    emg = broken(planted.emg, "disconnected")
    folded, sources, _ = run(Pipeline(planted.decoder, 8), emg, 8)
    staged, others, _ = run(Pipeline(planted.decoder, 8, whitening="staged"), emg, 8)
    late = [since for since, _ in folded if since > START + 0.5 * FS_HZ]
    assert late
    assert [s for s in folded if s[0] > late[0]] == [s for s in staged if s[0] > late[0]]
    assert np.abs(sources - others)[late[0] : END].max() < 1e-3


def test_with_a_worker_that_is_in_time_all_is_as_at_once(planted, live_pipeline):
    emg = broken(broken(planted.emg, "flat"), "disconnected", 11, START + 700)
    spikes, sources, swaps = run(Pipeline(planted.decoder, 8), emg, 8)
    pipeline = live_pipeline(planted.decoder, 8)
    others = run(pipeline, emg, 8, in_time)
    assert others[0] == spikes
    assert others[1].tobytes() == sources.tobytes()
    assert others[2] == swaps
    assert pipeline.masks.late == 0


def held_back(maker):
    """Live masks whose solutions wait for `go`."""
    masks = Live(maker)
    masks.go = threading.Event()

    def slow(bad):
        assert masks.go.wait(10)
        return maker(bad)

    slow.fs_hz, slow.channels, slow.refusal = maker.fs_hz, maker.channels, maker.refusal
    masks._maker = slow
    return masks


def test_a_late_solution_is_counted_and_takes_over_when_it_is_there(planted, live_pipeline):
    pipeline = live_pipeline(planted.decoder, 8, held_back)
    emg = broken(planted.emg, "nan", end=len(planted.emg))
    stop = START + 3000 - (START + 3000) % 8
    _, sources, swaps = run(pipeline, emg[:stop], 8)
    assert swaps == []
    naive = run(Pipeline(planted.decoder, 8, masks=Never), emg[:stop], 8)[1]
    assert sources.tobytes() == naive.tobytes()  # meanwhile the filters stay
    pipeline.masks.go.set()
    in_time(pipeline)
    pipeline(emg[stop : stop + 8], stop)
    assert pipeline.masks.swaps == [Swap(stop, (BAD,), True)]
    assert (pipeline.masks.late, pipeline.masks.since) == (1, stop)
    assert np.flatnonzero(pipeline.masks.masked).tolist() == [BAD]


def test_a_worker_that_never_answers_is_said_to_have_failed(planted, live_pipeline):
    pipeline = live_pipeline(planted.decoder, 8, held_back)
    emg = broken(planted.emg, "nan", end=len(planted.emg))
    run(pipeline, np.vstack([emg, emg[START:]]), 8)
    assert "not been solved" in pipeline.masks.fault
    pipeline.masks.go.set()


@pytest.mark.parametrize("kind", [AtOnce, Live])
def test_what_fails_is_said_and_leaves_the_filters(planted, monkeypatch, kind):
    def fail(self, bad):
        raise ValueError("nothing works")

    monkeypatch.setattr("myodrive.stream.masking.Masking.__call__", fail)
    pipeline = Pipeline(planted.decoder, 8, masks=kind)
    emg = broken(planted.emg, "nan")
    try:
        _, sources, swaps = run(pipeline, emg[:END], 8, in_time if kind is Live else lambda pipeline: None)
        naive = run(Pipeline(planted.decoder, 8, masks=Never), emg[:END], 8)[1]
        assert sources.tobytes() == naive.tobytes()
        assert swaps == []
        assert "nothing works" in pipeline.masks.fault
        for start in range(END - END % 8, len(emg) - 8, 8):
            pipeline(emg[start : start + 8], start)
            if kind is Live:
                in_time(pipeline)
        assert pipeline.masks.fault == ""  # the channel is good again
    finally:
        pipeline.close()


def test_too_many_bad_channels_are_not_masked_and_said(planted):
    pipeline = Pipeline(planted.decoder, 8)
    emg = planted.emg.copy()
    emg[START:END, :9] = np.nan
    emg[START + 2000 : END + 3000, 9] = np.nan
    _, _, swaps = run(pipeline, emg[:END], 8)
    assert swaps == []
    assert "10 of 16 channels are bad" in pipeline.masks.fault
    pipeline = Pipeline(planted.decoder, 8)
    _, _, swaps = run(pipeline, emg, 8)
    assert [swap.channels for swap in swaps] == [(9,), ()]
    assert pipeline.masks.fault == ""


@pytest.mark.parametrize("kind", [AtOnce, Live])
def test_a_solution_of_before_does_not_hide_that_too_many_are_bad_now(planted, live_pipeline, kind):
    pipeline = live_pipeline(planted.decoder, 8, kind) if kind is Live else Pipeline(planted.decoder, 8, masks=kind)
    masks = pipeline.masks
    state = np.full(CHANNELS, GOOD)
    state[BAD] = FLAT
    masks.flagged(1000, state.copy())
    state[:9] = FLAT
    masks.flagged(1124, state.copy())
    if kind is Live:
        in_time(pipeline)
    assert "9 of 16 channels are bad" in masks.fault
    assert masks.take(1200) is not None
    assert "9 of 16 channels are bad" in masks.fault
    state[:] = GOOD
    state[BAD] = FLAT
    masks.flagged(6000, state.copy())
    assert masks.fault == ""


def test_a_failure_stays_said_until_a_newer_solution_is_due(planted, monkeypatch):
    def fail(self, bad):
        raise ValueError("nothing works")

    masks = AtOnce(StageMaker(planted.decoder, "folded", "cpu"))
    state = np.full(CHANNELS, GOOD)
    state[BAD] = FLAT
    with monkeypatch.context() as patched:
        patched.setattr("myodrive.stream.masking.Masking.__call__", fail)
        masks.flagged(1000, state.copy())
        assert masks.take(1200) is None
    assert "nothing works" in masks.fault
    state[:9] = FLAT
    masks.flagged(2000, state.copy())
    assert "9 of 16" in masks.fault
    state[:] = GOOD
    state[[BAD, 11]] = FLAT
    masks.flagged(3000, state.copy())
    assert "nothing works" in masks.fault
    assert masks.take(3200) is not None
    assert masks.fault == ""


def test_a_decoder_without_waveforms_says_that_it_cannot_mask(cancelling):
    pipeline = Pipeline(cancelling.decoder, 8)
    _, _, swaps = run(pipeline, broken(cancelling.emg, "nan")[:END], 8)
    assert swaps == []
    assert pipeline.masks.fault == NO_WAVEFORMS


def test_told_masks_are_those_of_the_run_whatever_the_watch_says(planted):
    emg = broken(planted.emg, "disconnected")
    spikes, sources, swaps = run(Pipeline(planted.decoder, 8), emg, 8)
    told = [Swap(swaps[0].sample + 80, (BAD,), True), swaps[1]]
    pipeline = Pipeline(planted.decoder, 8, masks=lambda maker: Told(maker, told))
    _, others, seen = run(pipeline, emg, 8)
    assert seen == told
    assert pipeline.masks.late == 1
    pipeline = Pipeline(planted.decoder, 8, masks=lambda maker: Told(maker, swaps))
    others = run(pipeline, emg, 8)
    assert (others[0], others[2]) == (spikes, swaps)
    assert others[1].tobytes() == sources.tobytes()


def test_across_a_gap_the_newest_mask_takes_over(planted):
    maker = StageMaker(planted.decoder, "folded", "cpu")
    masks = AtOnce(maker)
    state = np.full(16, GOOD)
    for sample, channel in ((1000, 3), (1100, 4)):
        state[channel] = FLAT
        masks.flagged(sample, state.copy())
    assert masks.due == 1000 + DELAY_S * FS_HZ
    assert masks.take(1000) is None
    stages = masks.take(5000)
    assert np.flatnonzero(stages.bad).tolist() == [3, 4]
    assert masks.swaps == [Swap(5000, (3, 4))]
    assert masks.due == NEVER
    state[:] = GOOD
    masks.flagged(9000, state)
    assert masks.take(9200) is maker.whole


def test_live_a_fault_is_masked_told_at_once_and_decoded_as_in_a_file(planted, amplifier, live, subscribe):
    emg = broken(planted.emg, "disconnected", end=12_000)
    stream = amplifier(emg)
    running = live(planted.decoder, stream.name, masks=Live)
    reader = subscribe(running.address, "status/", "spikes/")
    flagged = reader.until(lambda msg: isinstance(msg, m.Status) and msg.bad_channels == [BAD])
    masked = reader.until(lambda msg: isinstance(msg, m.Status) and msg.masked_channels == [BAD])
    assert masked.masked_since >= flagged.sample - 8
    again = reader.until(lambda msg: isinstance(msg, m.Status) and msg.masked_since > masked.masked_since, 12.0)
    assert again.masked_channels == []
    running.stop()
    reader.listen(0.2)
    told = [Swap(masked.masked_since, (BAD,)), Swap(again.masked_since, ())]
    kinds = [lambda maker: Told(maker, told)]
    if again.masks_late == 0:  # else nothing but what was told gives the same
        kinds.append(AtOnce)
    live_spikes = [
        spike for one in reader.of(m.Spikes) for spike in zip(one.spike_sample, one.unit, one.margin, strict=True)
    ]
    assert len(live_spikes) > 50
    for kind in kinds:
        pipeline = Pipeline(planted.decoder, 8, masks=kind)
        trust = UnitTrust(planted.decoder, pipeline.averager, pipeline.detector)
        spikes, swaps = [], []
        for first, lost, raw in running.pipeline.fed:
            pipeline(raw, first, lost)
            swaps += pipeline.masks.swaps
            found = pipeline.detector
            for unit, sample, height in zip(found.unit, found.sample, found.height[: found.count], strict=False):
                spikes.append((int(sample), int(unit), trust.spike(int(unit), float(height))))
        assert swaps[:2] == told
        assert spikes[spikes.index(live_spikes[0]) :][: len(live_spikes)] == live_spikes
