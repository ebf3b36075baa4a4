"""Discharges behind cancellation: the definition, any chunking, what other units hide or feign, look-ahead, resets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.cancel import CancellingDetector, cancel_reference, detector_for
from myodrive.stream.decoder_file import CancellationSettings, DetectorSettings
from myodrive.stream.detect import Detector

BEFORE = 12


def how(units, lookahead=24, refractory=40, before=BEFORE, stride=8, weight=20.0):
    weights = np.broadcast_to(np.float32(weight), units).tolist()
    return DetectorSettings(lookahead, refractory, CancellationSettings(before, stride, weights))


def run(detector, sources, sizes, first_sample=0):
    found, start, i = [], 0, 0
    while start < len(sources):
        hop = sources[start : start + sizes[i % len(sizes)]]
        i += 1
        count = detector(hop, first_sample + start)
        assert count == detector.count
        places = slice(0, count)
        found += zip(
            detector.sample[places].tolist(), detector.unit[places].tolist(), detector.height[places].tolist(),
            strict=True,
        )  # fmt: skip
        start += len(hop)
    return found


def cancel(sources, responses, detector_settings, sizes=(8,), threshold=0.6, first_sample=0, **options):
    units = sources.shape[1]
    thresholds = np.full(units, threshold, np.float32)
    detector = CancellingDetector(thresholds, responses, detector_settings, max(sizes), **options)
    return run(detector, sources, sizes, first_sample)


def places(found):
    return [(sample, unit) for sample, unit, _ in found]


def bump(length, centre, width):
    return np.exp(-(((np.arange(length) - centre) / width) ** 2))


def two_units(crosstalk=0.8, lead=6, length=40):
    """Unit 0 puts a false peak into source 1, `lead` samples ahead of its own, and a trough after it."""
    responses = np.zeros((2, 2, length), np.float32)
    responses[0, 0] = responses[1, 1] = bump(length, BEFORE, 1.5)
    responses[1, 0] = crosstalk * (bump(length, BEFORE - lead, 1.5) - bump(length, BEFORE + 9, 3.0))
    return responses


def made_of(discharges, responses, samples, before=BEFORE):
    """Sources that hold nothing but the responses to `discharges`, [(sample, unit)]."""
    length = responses.shape[2]
    padded = np.zeros((samples + 2 * length, len(responses)), np.float64)
    for sample, unit in discharges:
        start = length + sample - before
        padded[start : start + length] += responses[:, unit].T
    return np.ascontiguousarray(padded[length : length + samples], np.float32)


@st.composite
def problems(draw, values):
    """Sources, thresholds, responses and settings, of any sizes that go together."""
    units, length = draw(st.integers(1, 4)), draw(st.integers(1, 30))
    before = draw(st.integers(0, length - 1))
    lookahead = draw(st.integers(1, 20))
    refractory = draw(st.integers(1, 30))
    stride = draw(st.integers(1, min(lookahead, refractory)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    responses = rng.normal(0.0, 0.4, (units, units, length)).astype(np.float32)
    responses[np.arange(units), np.arange(units), before] = 1.0
    weight = rng.uniform(0.5, 3.0, units).astype(np.float32)
    threshold = rng.uniform(0.4, 1.0, units).astype(np.float32)
    samples = draw(st.integers(1, 160))
    if values == "smooth":
        noise = rng.normal(size=(samples + 4, units)) * draw(st.sampled_from([0.5, 1.0, 3.0]))
        sources = np.stack([noise[i : i + samples] for i in range(5)]).mean(axis=0)
    else:  # plateaus, ties and exact thresholds are common, and some values are no numbers
        threshold[:] = 0.5
        sources = rng.choice([-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, np.nan, np.inf, -np.inf], (samples, units))
    detector_settings = how(units, lookahead, refractory, before, stride, weight)
    return np.ascontiguousarray(sources, np.float32), threshold, responses, detector_settings


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("values", ["smooth", "odd"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_chunking_gives_the_references_discharges_and_heights_to_the_bit(data, values):
    sources, threshold, responses, detector_settings = data.draw(problems(values))
    sizes = data.draw(st.lists(st.integers(1, 50), min_size=1, max_size=5))
    most_taken = data.draw(st.sampled_from([1, 3, 64]))
    first = data.draw(st.sampled_from([0, 1001]))
    expected = cancel_reference(sources, threshold, responses, detector_settings, most_taken)
    detector = CancellingDetector(threshold, responses, detector_settings, max(sizes), most_taken)
    found = run(detector, sources, sizes, first)
    assert [(sample - first, unit, height) for sample, unit, height in found] == expected
    assert places(expected) == sorted(places(expected))


def test_units_that_do_not_touch_each_other_are_found_as_without_cancellation():
    rng = np.random.default_rng(3)
    responses = np.zeros((3, 3, 30), np.float32)
    responses[np.arange(3), np.arange(3)] = bump(30, BEFORE, 2.0)
    true = sorted((int(s), u) for u in range(3) for s in 100 + 53 * np.arange(30) + rng.integers(-5, 6, 30))
    sources = made_of(true, responses, 1800) + 0.02 * rng.standard_normal((1800, 3)).astype(np.float32)
    plain = Detector(np.full(3, 0.6, np.float32), 3, 40, 1800)
    count = plain(sources, 0)
    found = cancel(sources, responses, how(3))
    expected = zip(plain.sample[:count].tolist(), plain.unit[:count].tolist(), strict=True)
    assert places(found) == list(expected)
    assert np.allclose([height for _, _, height in found], plain.height[:count], atol=1e-5)
    assert len(found) == 90


def test_false_peaks_are_left_out_and_hidden_discharges_are_found():
    responses = two_units()
    true = [(100, 0), (200, 1), (300, 0), (309, 1), (400, 0), (400, 1), (500, 1), (503, 0)]
    sources = made_of(true, responses, 600)
    plain = Detector(np.full(2, 0.6, np.float32), 3, 40, 600)
    count = plain(sources, 0)
    linear = set(zip(plain.sample[:count].tolist(), plain.unit[:count].tolist(), strict=True))
    assert (94, 1) in linear  # unit 0's response in source 1
    assert (309, 1) not in linear  # in the trough of unit 0
    found = cancel(sources, responses, how(2))
    assert places(found) == true
    assert np.allclose([height for _, _, height in found], 1.0, atol=1e-5)


@pytest.mark.parametrize("lead", [2, 6, 10])
def test_a_false_peak_gives_way_if_its_cause_comes_within_the_look_ahead(lead):
    responses = two_units(crosstalk=0.9, lead=lead)
    for at in range(100, 108):  # wherever the windows fall
        sources = made_of([(at, 0)], responses, 200)
        assert places(cancel(sources, responses, how(2, lookahead=lead + 9))) == [(at, 0)]
        if lead > 2:
            too_late = cancel(sources, responses, how(2, lookahead=lead - 1, stride=1))
            assert (at - lead, 1) in places(too_late)


def test_the_discharge_that_weighs_more_explains_the_peaks_of_both():
    responses = two_units(crosstalk=0.9, lead=0)
    responses[0, 1] = 0.9 * responses[1, 1]
    sources = made_of([(100, 0)], responses, 200)
    for weight, winner in (([20.0, 2.0], 0), ([2.0, 20.0], 1)):
        first = places(cancel(sources, responses, how(2, weight=weight)))[0]
        assert first == (100, winner)


def test_a_discharge_is_reported_at_the_look_ahead_exactly_and_never_before():
    rng = np.random.default_rng(5)
    responses = two_units()
    true = sorted((int(s), u) for u in range(2) for s in 60 + np.cumsum(rng.integers(41, 70, 30)))
    sources = made_of(true, responses, 2200)
    detector = CancellingDetector(np.full(2, 0.6, np.float32), responses, how(2), 1)
    reported = 0
    for n in range(len(sources)):
        count = detector(sources[n : n + 1], n)
        assert (detector.sample[:count] == n - 24).all()
        reported += count
    assert reported == len(true)
    last = true[-1][0]
    assert len(cancel(sources[: last + 24], responses, how(2))) == len(true) - 1
    assert len(cancel(sources[: last + 25], responses, how(2))) == len(true)


@pytest.mark.parametrize("apart", [39, 40, 41])
def test_the_refractory_time_is_respected(apart):
    responses = two_units()
    sources = made_of([(100, 1), (100 + apart, 1)], responses, 250)
    assert len(cancel(sources, responses, how(2))) == (2 if apart >= 40 else 1)


def test_after_a_reset_nothing_is_reported_before_the_given_sample_but_it_is_taken_out():
    responses = two_units(crosstalk=-0.9)  # the peak in source 1 follows unit 0's own
    sources = made_of([(530, 0), (600, 0)], responses, 700)[500:]
    detector = CancellingDetector(np.full(2, 0.6, np.float32), responses, how(2), 8)
    detector.reset(535)
    assert places(run(detector, sources, [8], first_sample=500)) == [(600, 0)]
    assert sources[39, 1] > 0.6  # what unit 0 feigns at 539


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(0, 40))
def test_after_a_reset_all_is_as_after_a_start(seed, before_it, lost):
    rng = np.random.default_rng(seed)
    responses = two_units()
    sources = np.stack([rng.normal(0, 0.6, (604, 2))[i : i + 600] for i in range(4)]).sum(axis=0, dtype=np.float32)
    detector = CancellingDetector(np.full(2, 0.6, np.float32), responses, how(2), 7)
    run(detector, sources[:before_it], [7])
    detector.reset(0)
    again = run(detector, sources[before_it:], [5], first_sample=before_it + lost)
    fresh = cancel(sources[before_it:], responses, how(2))
    assert [(sample - before_it - lost, unit, height) for sample, unit, height in again] == fresh


def test_samples_that_do_not_follow_on_begin_anew():
    responses = two_units()
    sources = made_of([(100, 0), (150, 1)], responses, 300)
    detector = CancellingDetector(np.full(2, 0.6, np.float32), responses, how(2), 8)
    run(detector, sources[:101], [8])
    assert places(run(detector, sources, [8], first_sample=1000)) == [(1100, 0), (1150, 1)]


def test_a_source_that_is_no_number_gives_no_discharge_and_leaves_no_trace():
    responses = two_units()
    true = [(100, 0), (200, 1), (300, 0), (320, 1)]
    sources = made_of(true, responses, 400)
    for place in (199, 200, 201):
        broken = sources.copy()
        broken[place] = np.nan
        assert places(cancel(broken, responses, how(2))) == [true[0], *true[2:]]
    assert cancel(np.full((300, 2), np.nan, np.float32), responses, how(2)) == []


def test_the_work_of_a_window_is_bounded_and_what_was_cut_short_is_counted():
    rng = np.random.default_rng(1)
    sources = 5 * rng.standard_normal((800, 6)).astype(np.float32)
    responses = rng.normal(0, 1.0, (6, 6, 20)).astype(np.float32)
    responses[np.arange(6), np.arange(6), BEFORE] = 1.0
    thresholds = np.full(6, 0.6, np.float32)
    outcomes = []
    for size in (1, 8, 800):
        detector = CancellingDetector(thresholds, responses, how(6), size, most_taken=5)
        outcomes.append((run(detector, sources, [size]), detector.taken, detector.cut_short))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    _, taken, cut_short = outcomes[0]
    assert 5 * cut_short <= taken <= 5 * 100
    assert cut_short > 20
    quiet = CancellingDetector(thresholds, two_units()[:1, :1].repeat(6, 0).repeat(6, 1), how(6), 8)
    run(quiet, np.zeros((800, 6), np.float32), [8])
    assert quiet.taken == quiet.cut_short == 0


def test_there_is_room_for_the_most_discharges_a_call_can_find():
    responses = np.ones((3, 3, 1), np.float32) * np.eye(3, dtype=np.float32)[:, :, None]
    sources = np.zeros((500, 3), np.float32)
    sources[::4] = 1.0
    found = cancel(sources, responses, how(3, lookahead=4, refractory=4, before=0, stride=4), (500,))
    assert len(found) >= 3 * 123


def test_a_call_allocates_nothing(memory_of):
    rng = np.random.default_rng(2)
    sources = rng.standard_normal((8000, 2)).astype(np.float32)
    detector = CancellingDetector(np.full(2, 0.6, np.float32), two_units(), how(2), 8)

    def take(i):
        place = 8 * (i % 1000)
        detector(sources[place : place + 8], 8 * i)

    kept, most = memory_of(take, 1000)
    assert kept < 1000
    assert most < 3000


def test_the_decoder_says_which_detector_it_wants():
    thresholds = np.full(2, 0.6, np.float32)
    assert isinstance(detector_for(thresholds, DetectorSettings(3, 40), None, 8), Detector)
    assert isinstance(detector_for(thresholds, how(2), two_units(), 8), CancellingDetector)


@pytest.mark.parametrize(
    ("responses", "detector_settings"),
    [
        (two_units()[:1], how(2)),
        (two_units(), DetectorSettings(24, 40)),
        (two_units(), how(2, lookahead=4)),
        (two_units(), how(2, refractory=7)),
        (two_units(), how(2, stride=0)),
    ],
)
def test_what_makes_no_cancellation_is_refused(responses, detector_settings):
    with pytest.raises(ValueError, match=r"cancellation|stride"):
        CancellingDetector(np.full(2, 0.6, np.float32), responses, detector_settings, 8)
