"""The stages together, on planted units: right spikes, the same for any hop, and nothing false after a gap or NaN."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.average import average_reference
from myodrive.stream.cancel import cancel_reference
from myodrive.stream.decoder_file import CommandLevels, decoder_from_bytes
from myodrive.stream.detect import detect_reference
from myodrive.stream.drive import DriveSettings, drive_reference
from myodrive.stream.errors import OptionError
from myodrive.stream.filter import CausalFilter
from myodrive.stream.mask_worker import WORST_BAD_SHARE
from myodrive.stream.pipeline import SETTLE_S, Pipeline
from myodrive.stream.watch import GOOD
from myodrive.stream.window import extend_reference


@pytest.fixture(scope="module")
def whole(planted, decode_all):
    """Spikes, sources and drive of the whole planted signal at a hop of 8."""
    return decode_all(Pipeline(planted.decoder, 8), planted.emg, 8)


def test_the_planted_discharges_are_found_and_nothing_else(planted, whole):
    spikes, _, _ = whole
    for unit, true in enumerate(planted.discharges):
        found = np.array([sample for sample, of in spikes if of == unit])
        near = np.abs(found[:, None] - true[None]) <= 2
        assert near.any(axis=0).mean() > 0.97
        assert near.any(axis=1).mean() > 0.97


def test_the_pipeline_is_its_stages_references_in_order(planted, whole):
    spikes, sources, drive = whole
    info = planted.info
    filtered = planted.emg.copy()
    CausalFilter(info.filter.sections, filtered.shape[1])(filtered)
    expected = extend_reference(filtered, info.extension).astype(np.float64) @ planted.matrices["filters"]
    assert np.abs(sources - expected).max() < 1e-4
    settle = int(np.ceil(SETTLE_S * info.fs_hz))
    threshold = np.array([unit.threshold for unit in info.units], np.float32)
    found = detect_reference(sources, threshold, info.detector.lookahead, info.detector.refractory)
    assert spikes == [spike for spike in found if spike[0] >= settle]
    rows = drive_reference(filtered, spikes, info.detector.lookahead, info.fs_hz, DriveSettings())
    assert np.allclose(drive[:, :3], rows, atol=1e-6)


@pytest.mark.parametrize("hop", [1, 7, 64, 500])
def test_any_hop_gives_the_same_sources_to_the_bit_and_the_same_spikes(planted, decode_all, whole, hop):
    spikes, sources, drive = decode_all(Pipeline(planted.decoder, hop), planted.emg, hop)
    assert sources.tobytes() == whole[1].tobytes()
    assert spikes == whole[0]
    assert drive.tobytes() == whole[2].tobytes()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_any_chunking_gives_the_same_sources_to_the_bit_and_the_same_spikes(planted, decode_all, whole, hops):
    spikes, sources, _ = decode_all(Pipeline(planted.decoder, 500), planted.emg, hops)
    assert sources.tobytes() == whole[1].tobytes()
    assert spikes == whole[0]


def test_a_staged_whitening_gives_the_same_spikes_and_nearly_the_same_sources(planted, decode_all, whole):
    spikes, sources, _ = decode_all(Pipeline(planted.decoder, 8, whitening="staged"), planted.emg, 8)
    assert spikes == whole[0]
    assert np.abs(sources - whole[1]).max() < 1e-4


@pytest.mark.parametrize("hop", [5, 64])
def test_a_staged_whitening_does_not_depend_on_the_hop_either(planted, decode_all, hop):
    emg = planted.emg[:4000]
    _, eight, _ = decode_all(Pipeline(planted.decoder, 8, whitening="staged"), emg, 8)
    _, other, _ = decode_all(Pipeline(planted.decoder, hop, whitening="staged"), emg, hop)
    assert eight.tobytes() == other.tobytes()


@pytest.mark.parametrize("hop", [1, 8, 100])
@pytest.mark.parametrize("lost", [1, 500])
def test_after_a_gap_all_is_as_after_a_start_at_any_hop(planted, decode_all, whole, hop, lost):
    gap = 7013
    spikes, sources, drive = decode_all(Pipeline(planted.decoder, hop), planted.emg, hop, {gap: lost})
    lookahead = planted.info.detector.lookahead
    before = [spike for spike in whole[0] if spike[0] + lookahead < gap]
    fresh, sources_after, _ = decode_all(Pipeline(planted.decoder, 8), planted.emg[gap:], 8)
    after = [(sample + gap + lost, unit) for sample, unit in fresh]
    assert spikes == before + after
    assert sources[:gap].tobytes() == whole[1][:gap].tobytes()
    assert sources[gap:].tobytes() == sources_after.tobytes()
    numbers = drive[:, 0]
    assert not ((numbers >= gap) & (numbers < gap + lost)).any()  # no data, no read-out
    assert (np.diff(numbers) > 0).all()


def test_before_the_filter_has_settled_no_discharge_is_reported(planted, decode_all):
    settle = int(np.ceil(SETTLE_S * planted.info.fs_hz))
    peak = int(planted.discharges[0][5])
    for early in (settle - 2, settle + 2):
        spikes, sources, _ = decode_all(Pipeline(planted.decoder, 8), planted.emg[peak - early :][:400], 8)
        assert sources[early - 1 : early + 2, 0].max() > planted.info.units[0].threshold  # it would be one
        near = [sample for sample, unit in spikes if unit == 0 and abs(sample - early) <= 1]
        assert len(near) == (early > settle)
        assert all(sample >= settle for sample, _ in spikes)


def test_gaps_bring_no_burst_of_false_spikes(planted, decode_all):
    gaps = {place: 37 for place in range(1000, 16_000, 1531)}
    spikes, _, _ = decode_all(Pipeline(planted.decoder, 8), planted.emg, 8, gaps)
    lost = np.cumsum([gaps.get(n, 0) for n in range(len(planted.emg))])
    false = 0
    for unit, true in enumerate(planted.discharges):
        found = np.array([sample for sample, of in spikes if of == unit])
        false += int((np.abs(found[:, None] - (true + lost[true])[None]).min(axis=1) > 2).sum())
    assert false <= 2


def test_the_drive_is_not_valid_until_filter_and_smoothing_have_settled(planted, decode_all):
    pipeline = Pipeline(planted.decoder, 8)
    settled = int(SETTLE_S * planted.info.fs_hz) + pipeline.drive.settle
    gap, at = 100, 2000
    for start in range(0, 4000, 8):
        first = start + gap * (start >= at)
        pipeline(planted.emg[start : start + 8], first, gap * (start == at))
        for sample in range(first, first + 8):
            assert pipeline.valid_at(sample) == (settled <= sample < at or sample >= at + gap + settled)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [slice(3, 4), slice(None)])
def test_input_that_is_no_number_gives_no_source_that_is_none(planted, decode_all, whole, value, channels):
    emg = planted.emg.copy()
    emg[6000:6400, channels] = value
    emg[9000, channels] = value
    pipeline = Pipeline(planted.decoder, 8)
    spikes, sources, drive = decode_all(pipeline, emg, 8)
    assert np.isfinite(sources).all()
    assert np.isfinite(drive).all()
    assert [s for s in spikes if s[0] < 5990] == [s for s in whole[0] if s[0] < 5990]
    late = [s for s in spikes if s[0] > 9400]
    assert late == [s for s in whole[0] if s[0] > 9400]  # it is over soon after
    true = {(sample + d, unit) for sample, unit in whole[0] for d in range(-2, 3)}
    assert len([s for s in spikes if s not in true]) <= 2  # an offset of mV does not ring through the filter


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_bits_as_samples_leave_a_pipeline_that_works(planted, decode_all, seed):
    rng = np.random.default_rng(seed)
    garbage = rng.integers(0, 2**32, (64, planted.emg.shape[1]), dtype=np.uint32).view(np.float32)
    pipeline = Pipeline(planted.decoder, 8)
    with np.errstate(all="ignore"):
        decode_all(pipeline, garbage, 8)
    pipeline(planted.emg[:8], 64, 1)
    assert np.isfinite(pipeline.sources).all()


def test_a_bad_channel_is_flagged_and_leaves_the_envelope(planted, decode_all):
    emg = planted.emg.copy()
    emg[4000:, 5] += np.float32(5000) * np.sin(np.arange(len(emg) - 4000) / 3).astype(np.float32)
    pipeline = Pipeline(planted.decoder, 8)
    _, _, drive = decode_all(pipeline, emg, 8)
    assert np.flatnonzero(pipeline.watch.state).tolist() == [5]
    assert pipeline.drive.good.tolist() == [c != 5 for c in range(emg.shape[1])]
    _, _, clean = decode_all(Pipeline(planted.decoder, 8), planted.emg, 8)
    assert drive[-1, 2] == pytest.approx(clean[-1, 2], rel=0.3)


@pytest.fixture(scope="module")
def cancelled(cancelling, decode_all):
    """Spikes, sources and drive of the whole planted signal behind cancellation, at a hop of 8."""
    return decode_all(Pipeline(cancelling.decoder, 8), cancelling.emg, 8)


def test_with_cancellation_the_planted_discharges_are_found_and_the_sources_stay(cancelling, cancelled, whole):
    assert cancelled[1].tobytes() == whole[1].tobytes()
    for unit, true in enumerate(cancelling.discharges):
        found = np.array([sample for sample, of in cancelled[0] if of == unit])
        near = np.abs(found[:, None] - true[None]) <= 2
        assert near.any(axis=0).mean() > 0.99
        assert near.any(axis=1).mean() > 0.99


def test_the_cancelling_pipeline_is_its_stages_references_in_order(cancelling, cancelled):
    spikes, sources, drive = cancelled
    info = cancelling.info
    threshold = np.array([unit.threshold for unit in info.units], np.float32)
    settle = int(np.ceil(SETTLE_S * info.fs_hz))
    found = cancel_reference(sources, threshold, cancelling.decoder.responses, info.detector)
    assert spikes == [(sample, unit) for sample, unit, _ in found if sample >= settle]
    filtered = cancelling.emg.copy()
    CausalFilter(info.filter.sections, filtered.shape[1])(filtered)
    rows = drive_reference(filtered, spikes, info.detector.lookahead, info.fs_hz, DriveSettings())
    assert np.allclose(drive[:, :3], rows, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 500), min_size=1, max_size=20), st.integers(200, 15_000), st.integers(0, 900))
def test_any_chunking_gives_the_same_spikes_with_cancellation_gaps_included(cancelling, decode_all, hops, gap, lost):
    gaps = {gap: lost} if lost else {}
    spikes, _, drive = decode_all(Pipeline(cancelling.decoder, 500), cancelling.emg, hops, gaps)
    expected, _, expected_drive = decode_all(Pipeline(cancelling.decoder, 8), cancelling.emg, 8, gaps)
    assert spikes == expected
    assert drive.tobytes() == expected_drive.tobytes()


def test_the_look_ahead_of_cancellation_is_part_of_the_declared_delay(planted, cancelling):
    more = cancelling.info.detector.lookahead - planted.info.detector.lookahead
    plain, cancelled = Pipeline(planted.decoder, 8), Pipeline(cancelling.decoder, 8)
    assert cancelled.drive.delay_s - plain.drive.delay_s == pytest.approx(more / planted.info.fs_hz)


def averages(pipeline):
    averager = pipeline.averager
    return [
        (averager.waveform(u).tobytes(), averager.noise(u).tobytes(), int(averager.added[u]), int(averager.dropped[u]))
        for u in range(averager.shape[0])
    ]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 500), min_size=1, max_size=20), st.integers(200, 15_000), st.integers(1, 900))
def test_any_chunking_gives_the_same_averages_to_the_bit_gaps_included(planted, decode_all, hops, gap, lost):
    first, second = Pipeline(planted.decoder, 500), Pipeline(planted.decoder, 8)
    decode_all(first, planted.emg, hops, {gap: lost})
    decode_all(second, planted.emg, 8, {gap: lost})
    assert averages(first) == averages(second)
    assert first.averager.added.min() > 50


def test_averages_are_those_of_the_filtered_signal_and_outlast_a_gap_that_costs_their_windows(planted, decode_all):
    pipeline = Pipeline(planted.decoder, 8)
    gap = int(planted.discharges[0][40]) + 20  # within a window
    spikes, _, _ = decode_all(pipeline, planted.emg, 8, {gap: 200})
    averager = pipeline.averager
    parts = [planted.emg[:gap].copy(), planted.emg[gap:].copy()]
    for part in parts:
        CausalFilter(planted.info.filter.sections, part.shape[1])(part)
    for unit in range(3):
        windows = []
        for part, start, end in ((parts[0], 0, gap), (parts[1], gap + 200, gap + 200 + len(parts[1]))):
            own = [s - start for s, u in spikes if u == unit and start <= s < end]
            inside = [s for s in own if s >= averager.before and s + averager.after <= len(part)]
            windows += [part[s - averager.before : s + averager.after] for s in inside]
        mean, variance, concentration = average_reference(np.stack(windows), averager.memory)
        assert averager.added[unit] == len(windows) > 50
        np.testing.assert_allclose(averager.waveform(unit), mean.T, atol=1e-3)
        np.testing.assert_allclose(averager.noise(unit), variance * concentration / (1 - concentration), rtol=1e-3)
    assert averager.dropped[0] >= 1


def test_a_channel_that_goes_bad_leaves_the_averages_and_returns_anew(planted, decode_all):
    emg = planted.emg.copy()
    emg[6000:7000, 5] = 4000.0
    pipeline = Pipeline(planted.decoder, 8)
    decode_all(pipeline, emg[:8000], 8)
    assert np.flatnonzero(pipeline.watch.state).tolist() == [5]
    assert not pipeline.averager.waveform(0)[5].any()
    assert np.isnan(pipeline.averager.noise(0)[5])
    for start in range(8000, len(emg), 8):
        pipeline(emg[start : start + 8], start)
    assert not pipeline.watch.state.any()
    clean = Pipeline(planted.decoder, 8)
    decode_all(clean, planted.emg, 8)
    found, usual = pipeline.averager.waveform(0)[5], clean.averager.waveform(0)[5]
    assert np.abs(found - usual).max() < 6.0  # the noise of the few windows since; a rail of 4 mV is far from it
    others = np.arange(16) != 5
    assert np.abs(pipeline.averager.waveform(0)[others] - clean.averager.waveform(0)[others]).max() < 8.0


def test_too_many_bad_channels_make_the_drive_invalid(planted, decode_all):
    channels = planted.emg.shape[1]
    for bad in (int(WORST_BAD_SHARE * channels), int(WORST_BAD_SHARE * channels) + 1):
        emg = planted.emg.copy()
        emg[:, :bad] = 0
        pipeline = Pipeline(planted.decoder, 8)
        decode_all(pipeline, emg[:8000], 8)
        assert pipeline.valid_at(7999) == (bad <= WORST_BAD_SHARE * channels)


@pytest.mark.parametrize("detector", ["planted", "cancelling"])
def test_a_hop_allocates_nothing_that_stays(detector, request, memory_of):
    planted = request.getfixturevalue(detector)
    pipeline = Pipeline(planted.decoder, 8)

    def take(i):
        place = 8 * (i % 1900)
        pipeline(planted.emg[place : place + 8], 8 * i)

    kept, most = memory_of(take, 2000)
    assert kept < 4000
    assert most < 20_000


def test_what_was_seen_while_warming_up_leaves_no_trace(planted, decode_all, whole):
    pipeline = Pipeline(planted.decoder, 8)
    assert not pipeline.watch.state.any()
    assert pipeline.drive.good.all()
    assert not pipeline.averager.added.any()
    assert not any(pipeline.averager.waveform(u).any() for u in range(3))
    decode_all(pipeline, planted.emg[:5000], 8)
    pipeline.reset(0)
    pipeline.watch.forgive()
    spikes, sources, _ = decode_all(pipeline, planted.emg, 8)
    assert spikes == whole[0]
    assert sources.tobytes() == whole[1].tobytes()


@pytest.mark.parametrize("hop", [0, -1, 4097])
def test_a_hop_out_of_range_is_refused(planted, hop):
    with pytest.raises(OptionError, match="hop"):
        Pipeline(planted.decoder, hop)


def test_an_unknown_whitening_is_refused(planted):
    with pytest.raises(OptionError, match="folded or staged"):
        Pipeline(planted.decoder, 8, whitening="none")


def test_the_command_is_the_decoders_levels(planted, decoder_bytes, decode_all):
    levels = CommandLevels(rest=0.0, full=60.0, envelope_rest=0.0, envelope_full=100.0, dead_band=0.0)
    info = msgspec.structs.replace(planted.info, command=levels)
    pipeline = Pipeline(decoder_from_bytes(decoder_bytes(info, planted.matrices)), 20)
    decode_all(pipeline, planted.emg[:12_000], 20)
    pipeline(planted.emg[12_000:12_020], 12_000)
    assert pipeline.drive.count == 1
    command, source = pipeline.drive.command(0, True)
    assert source == "units"
    assert command == pytest.approx(pipeline.drive.due[0, 1] / 60)
    assert 0.2 < command < 0.9


def test_from_the_flag_of_a_bad_channel_to_the_filters_without_it_the_drive_is_invalid(planted):
    emg = planted.emg.copy()
    emg[6000:, 5] = 4000.0
    pipeline = Pipeline(planted.decoder, 8)
    valid, flagged, masked = [], [], []
    for start in range(0, 9000, 8):
        pipeline(emg[start : start + 8], start)
        valid.append(pipeline.valid_at(start))
        flagged.append(pipeline.watch.state[5] != GOOD)
        masked.append(bool(pipeline.masks.masked[5]))
    exposed = np.array(flagged) & ~np.array(masked)
    assert 0 < exposed.sum() * 8 / planted.info.fs_hz < 0.5
    assert not np.array(valid)[exposed].any()
    assert valid[-1]
    assert masked[-1]


def test_an_artefact_makes_the_drive_invalid_and_hardly_a_discharge(planted, decode_all):
    emg = planted.emg.copy()
    burst = slice(8000, 9000)
    rng = np.random.default_rng(0)
    artefact = rng.normal(0.0, 150.0, (1000, 1)) * rng.uniform(0.5, 1.5, 16)  # (time, channels) uV
    emg[burst] += artefact.astype(np.float32)
    sound, false = [], 0
    pipeline = Pipeline(planted.decoder, 8)
    for start in range(0, 12_000, 8):
        pipeline(emg[start : start + 8], start)
        sound.append(pipeline.valid_at(start))
        found = pipeline.detector
        for unit, sample in zip(found.unit[: found.count], found.sample[: found.count], strict=True):
            false += np.abs(planted.discharges[unit] - sample).min() > 2
    within = np.array(sound)[8000 // 8 + 12 : 9000 // 8]
    assert not within.any()
    assert sound[-1]
    assert pipeline.guard.held_back > 10 * false
