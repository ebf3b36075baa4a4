"""Faults without LSL: notation, what each does to a sample, and that only seed and sample number decide."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream.errors import OptionError
from myodrive.tools.amplifier_outlet import counted
from myodrive.tools.faults import KINDS, ON_SAMPLES, Fault, FaultPlan, described

FS_HZ, CHANNELS, CHUNK = 2000.0, 4, 8


def plan(*texts, seed=0, chunk=CHUNK):
    return FaultPlan([Fault.parse(text) for text in texts], FS_HZ, CHANNELS, chunk, seed)


def sent(faults, samples, chunk=CHUNK):
    """Numbers of the samples that leave."""
    runs = [run for first in range(0, samples, chunk) for run in faults.runs(first, min(chunk, samples - first))]
    return np.concatenate([np.arange(first, first + count) for first, count in runs])


def spoiled(text, emg, chunk=CHUNK, seed=0):
    faults = plan(text, seed=seed)
    at = emg[[Fault.parse(text).first(FS_HZ)]]
    return np.concatenate([faults.spoil(i, emg[i : i + chunk], at) for i in range(0, len(emg), chunk)])


@pytest.fixture(scope="module")
def emg():
    return np.random.default_rng(0).normal(0, 30, (4000, CHANNELS)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_written_down_and_is_described(kind):
    fault = Fault.parse(f"{kind}@1:0.5")
    assert (fault.first(FS_HZ), fault.end(FS_HZ)) == (2000, 3000)
    assert f"{kind} " in described()


def test_a_length_may_be_given_in_samples():
    fault = Fault.parse("gap@1.5:37n")
    assert (fault.first(FS_HZ), fault.end(FS_HZ)) == (3000, 3037)


def test_a_fault_without_its_length_is_told_so():
    with pytest.raises(OptionError, match=r'^"die@5": die needs a length, as in "die@5:2", for 2 s\.$'):
        Fault.parse("die@5")
    with pytest.raises(OptionError, match="share"):
        Fault.parse("drop@5:2,share=many")
    with pytest.raises(OptionError, match="is no fault"):
        Fault.parse("dies@5")
    assert Fault.parse("drift@5").seconds == float("inf")


@pytest.mark.parametrize(
    "text",
    [
        "gap", "gap@1", "gap@x:1", "boom@1:1", "gap@-1:1", "gap@1:0", "gap@1:inf", "@1:1", "gap@1:0n", "gap@1:-3n",
        "gap@1:2.5n", "gap@nan:1", "", "gap@1:1,share=0.5", "drop@1:1,share=2", "drop@1:1,share", "drop@1:1,share=nan",
        "die@1:1,labels=old", "die@1:1,rate=0", "jitter@1:1,sd_ms=-1", "clock@1,jump=inf", "flat@1:1,channels=",
    ],
)  # fmt: skip
def test_a_fault_that_cannot_be_read_is_refused_in_one_sentence(text):
    with pytest.raises(OptionError) as caught:
        Fault.parse(text)
    assert "\n" not in str(caught.value)
    assert f'"{text}"' in str(caught.value)


@pytest.mark.parametrize(
    "text", ["flat@1:1,channels=9", "swap@1:1,channels=1", "nan@1:1,channels=x", "nan@1:1,channels=2-1"]
)
def test_channels_that_are_not_there_are_refused(text):
    with pytest.raises(OptionError):
        plan(text)


def test_deaths_that_overlap_are_refused():
    with pytest.raises(OptionError, match="overlap"):
        plan("die@1:2", "die@2:1")


@given(first=st.integers(0, 900), length=st.integers(1, 500), chunk=st.sampled_from([1, 7, 8, 64]))
def test_a_gap_costs_exactly_its_samples_at_any_chunk(first, length, chunk):
    faults = plan(f"gap@{first / FS_HZ!r}:{length}n", chunk=chunk)
    assert np.array_equal(sent(faults, 2000, chunk), np.delete(np.arange(2000), np.arange(first, first + length)))


def test_faults_compose():
    left = sent(plan("gap@0.1:10n", "gap@0.1:5n", "die@0.5:0.1", "gap@0.55:0.1"), 2000)
    assert np.array_equal(left, np.delete(np.arange(2000), np.r_[200:210, 1000:1300]))


@pytest.mark.parametrize("kind", ["drop", "duplicate"])
def test_a_share_of_the_chunks_is_lost_or_doubled_as_the_seed_says(kind):
    def touched(seed):
        faults = plan(f"{kind}@0:100,share=0.2", seed=seed)
        if kind == "drop":
            return [not faults.runs(first, CHUNK) for first in range(0, 8000, CHUNK)]
        return [faults.copies(first) == 2 for first in range(0, 8000, CHUNK)]

    assert touched(1) == touched(1) != touched(2)
    assert 0.15 < np.mean(touched(1)) < 0.25
    assert plan(f"{kind}@0:1,share=0").runs(0, CHUNK) == [(0, CHUNK)]


def test_without_a_fault_each_sample_has_its_time_and_leaves_then():
    faults = plan("gap@1:1")
    assert faults.stamps(16, 8, 16) == (23 / FS_HZ, False)
    assert faults.due(16, 8) == 23 / FS_HZ


def test_drift_makes_the_real_rate_another_and_no_step():
    faults = plan("drift@1:1,ppm=5000")
    time = np.array([faults.time(n) for n in range(6001)])
    rate = 1 / np.diff(time)
    np.testing.assert_allclose(rate[:2000], 2000, rtol=1e-9)
    np.testing.assert_allclose(rate[2000:4000], 2010, rtol=1e-9)
    np.testing.assert_allclose(rate[4000:], 2000, rtol=1e-9)


def test_a_clock_that_jumps_changes_stamps_and_not_when_samples_leave():
    faults = plan("clock@1:1,jump=-0.3")
    assert [faults.stamps(n, 1, n)[0] - n / FS_HZ for n in (1999, 2000, 3999, 4000)] == pytest.approx(
        [0, -0.3, -0.3, 0]
    )
    assert [faults.due(n, 1) for n in (1999, 2000)] == [1999 / FS_HZ, 1.0]
    assert faults.clock_jumps == [2000, 4000]
    assert plan("clock@1,jump=5").clock_jumps == [2000]


def test_jitter_is_drawn_for_each_chunk_and_equal_stamps_are_told():
    faults = plan("jitter@0:100,sd_ms=2", "equal@0:1", seed=3)
    off = np.array([faults.stamps(first, CHUNK, first)[0] - (first + 7) / FS_HZ for first in range(0, 16_000, CHUNK)])
    assert 1.8e-3 < off.std() < 2.2e-3
    assert faults.stamps(0, 8, 0) == faults.stamps(0, 8, 0)
    assert faults.stamps(0, 8, 0)[1]
    assert not faults.stamps(2000, 8, 2000)[1]


def test_a_stall_and_a_burst_hold_samples_back_and_change_no_stamp():
    for faults in (plan("stall@1:0.5"), plan("burst@1:0.5,chunks=125")):
        held = [faults.due(n, CHUNK) for n in range(2000, 3000, CHUNK)]
        assert held == pytest.approx([1.5] * 125, abs=1e-3)
        assert faults.stamps(2000, 8, 2000)[0] == 2007 / FS_HZ
        assert faults.due(3000, CHUNK) == 3007 / FS_HZ


def test_after_a_death_samples_come_at_the_rate_it_returns_with():
    faults = plan("die@1:0.5,rate=1000")
    assert faults.time(3000) == pytest.approx(1.5)
    assert faults.time(4000) - faults.time(3000) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ON_SAMPLES)
def test_what_a_channel_shows_depends_on_the_sample_alone_and_other_channels_stay(kind, emg):
    text = f"{kind}@0.5:1,channels=1+3"
    once = spoiled(text, emg)
    for chunk in (1, 7, 64, 4000):
        np.testing.assert_array_equal(spoiled(text, emg, chunk), once)
    np.testing.assert_array_equal(once[:, [0, 2]], emg[:, [0, 2]])
    np.testing.assert_array_equal(np.delete(once, np.s_[1000:3000], axis=0), np.delete(emg, np.s_[1000:3000], axis=0))
    assert not np.array_equal(once[1000:3000, [1, 3]], emg[1000:3000, [1, 3]])


def test_each_kind_is_what_it_says(emg):
    during = np.s_[1000:3000]
    assert np.isnan(spoiled("nan@0.5:1", emg)[during]).all()
    assert np.ptp(spoiled("flat@0.5:1", emg)[during], axis=0).max() == 0
    railed = np.abs(spoiled("saturated@0.5:1,uv=1000", emg)[during])
    assert railed.max() == 1000
    assert (railed == 1000).mean() > 0.5
    noise = spoiled("noise@0.5:1,uv=400", emg)[during]
    assert np.allclose(noise.std(axis=0), 400, rtol=0.1)
    assert np.abs(np.corrcoef(noise.T) - np.eye(CHANNELS)).max() < 0.1
    swapped = spoiled("swap@0.5:1,channels=0+3", emg)[during]
    np.testing.assert_array_equal(swapped, emg[during][:, [3, 1, 2, 0]])
    mains = (spoiled("mains@0.5:1,uv=300,hz=60", emg) - emg)[during][:, 0]
    assert np.abs(np.fft.rfft(mains)).argmax() == 60
    artefact = (spoiled("artefact@0.5:1,uv=2000", emg) - emg)[during]
    assert np.abs(artefact).max() > 500
    assert np.corrcoef(artefact.T).min() > 0.99


@pytest.mark.parametrize("kind", ["noise", "artefact"])
def test_what_is_random_is_drawn_from_the_seed(kind, emg):
    text = f"{kind}@0.5:1"
    assert np.array_equal(spoiled(text, emg, seed=1), spoiled(text, emg, seed=1))
    assert not np.array_equal(spoiled(text, emg, seed=1), spoiled(text, emg, seed=2))


@pytest.mark.parametrize(
    ("dtype", "number", "value"),
    [
        (np.float32, 2**24, 0), (np.float64, 2**40, 2**40), (np.int16, 32_767, 32_767), (np.int16, 32_768, -32_768),
        (np.int16, 65_536, 0), (np.int32, 2**31, -(2**31)),
    ],
)  # fmt: skip
def test_the_counter_wraps_where_its_format_ends(dtype, number, value):
    column = counted(np.array([number]), dtype)
    assert column.dtype == dtype
    assert column[0] == value


def test_a_fault_without_an_end_covers_all_that_comes():
    assert math.isinf(Fault.parse("drift@1").end(FS_HZ))
    assert Fault.parse("clock@1").covers(10**9, FS_HZ)


def test_noise_is_the_same_in_one_long_chunk_as_in_many():
    fault = Fault.parse("noise@0:20,channels=1+2")
    emg = np.zeros((40_000, 4), np.float32)
    held = np.zeros((1, 4), np.float32)
    whole = FaultPlan([fault], 2000.0, 4, 8, 0).spoil(0, emg, held)
    plan = FaultPlan([fault], 2000.0, 4, 8, 0)
    parts = [plan.spoil(first, emg[first : first + 640], held) for first in range(0, len(emg), 640)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert (whole[:, 1:3].std(axis=0) > 100).all()
