"""EDF and BDF: what is written is read back within half a step, by us and by others, and others' files by us."""

import edfio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.errors import RecordingError
from myodrive.tools.formats.edf import LARGEST_DIGITAL, read_edf, record_of, step_of, write_bdf

from .made_files import edf_of

FLOATS = st.floats(-(2.0**20), 2.0**20, width=32)


@settings(max_examples=60)
@given(values=st.lists(FLOATS, min_size=1, max_size=300), scale=st.integers(-6, 0))
def test_what_is_read_back_differs_by_half_a_step_at_most(tmp_path_factory, values, scale):
    signal = (np.array(values) * 10.0**scale).astype(np.float32)
    path = tmp_path_factory.mktemp("bdf") / "a.bdf"
    write_bdf(path, [signal, signal[::-1].copy()], ["a", "b"], ["uV", "uV"], 64.0)
    read = read_edf(path)
    assert [one.label for one in read] == ["a", "b"]
    assert np.abs(read[0].values[: len(signal)] - signal).max() <= step_of(signal) / 2 * (1 + 1e-9)
    assert not read[0].values[len(signal) :].any()  # the last record is filled up
    assert len(read[0].values) == -(-len(signal) // 64) * 64


@settings(max_examples=60)
@given(largest=st.floats(2.0**-17, 2.0**20, width=32))
def test_a_step_is_as_fine_as_the_header_allows(largest):
    """Eight characters hold the bound to one part in 100 000 where it is 1 uV and more, else to 0.00001 uV."""
    step = step_of(np.array([largest, -largest], np.float32))
    assert step >= largest / LARGEST_DIGITAL
    if largest >= 1:
        assert step <= largest / LARGEST_DIGITAL * (1 + 1.1e-5)
    else:
        assert step <= (largest + 1e-5) / LARGEST_DIGITAL * (1 + 1e-5)


def test_another_program_reads_the_same_values(tmp_path, recording):
    signals = [np.ascontiguousarray(channel) for channel in recording.emg.T]
    labels = [f"E{n}" for n in range(6)]
    write_bdf(tmp_path / "a.bdf", signals, labels, ["uV"] * 6, 512.0)
    theirs = edfio.read_bdf(tmp_path / "a.bdf")
    assert [one.label for one in theirs.signals] == labels
    assert theirs.signals[0].sampling_frequency == 512
    assert theirs.signals[0].physical_dimension == "uV"
    for one, other in zip(theirs.signals, read_edf(tmp_path / "a.bdf"), strict=True):
        assert np.allclose(one.data, other.values, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("kind", ["Edf", "Bdf"])
def test_what_another_program_wrote_is_read(tmp_path, kind):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(3, 2000)) * 100
    signal, whole = getattr(edfio, f"{kind}Signal"), getattr(edfio, kind)
    made = whole(
        [signal(values, 1000, label=f"ch{n}", physical_dimension="mV") for n, values in enumerate(data)],
        annotations=[edfio.EdfAnnotation(0.5, None, "go")],
    )
    path = tmp_path / f"a.{kind.lower()}"
    made.write(path)
    found = read_edf(path)
    assert [(one.label, one.unit, one.fs_hz) for one in found] == [(f"ch{n}", "mV", 1000) for n in range(3)]
    for one, theirs in zip(found, made.signals, strict=True):
        assert np.allclose(one.values, theirs.data, rtol=1e-12, atol=1e-9)


def test_the_whole_range_of_both_widths_keeps_its_sign(tmp_path):
    numbers = np.array([[-32768, -1, 0, 1, 32767]] * 2)
    path = tmp_path / "a.edf"
    path.write_bytes(edf_of([numbers], 2, physical=(-32768, 32767)))
    assert read_edf(path)[0].values.tolist() == numbers.ravel().tolist()
    write_bdf(tmp_path / "b.bdf", [np.array([-8388607, -1, 0, 1, 8388607], np.float32)], ["a"], ["uV"], 5.0)
    assert read_edf(tmp_path / "b.bdf")[0].values.tolist() == [-8388607, -1, 0, 1, 8388607]


def test_pauses_between_records_become_nan(tmp_path):
    numbers = np.arange(30).reshape(3, 10)
    stamps = [
        b"+0\x14\x14\x00".ljust(20, b"\0"),
        b"+1\x14\x14\x00".ljust(20, b"\0"),
        b"+3.5\x14\x14\x00".ljust(20, b"\0"),
    ]
    path = tmp_path / "a.edf"
    path.write_bytes(
        edf_of([numbers, stamps], 3, kind="EDF+D", labels=["a", "EDF Annotations"], physical=(-32768, 32767))
    )
    values = read_edf(path)[0].values
    assert values[:20].tolist() == list(range(20))
    assert np.isnan(values[20:35]).all()
    assert values[35:].tolist() == list(range(20, 30))


@pytest.mark.parametrize(
    ("fs_hz", "count", "seconds"), [(2048.0, 2048, "1"), (2000.5, 4001, "2"), (1111.111, 1111, "0.999900")]
)
def test_a_record_is_as_long_as_eight_characters_can_say(fs_hz, count, seconds):
    assert record_of(fs_hz) == (count, seconds)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw[:-1], "records are there"),
        (lambda raw: raw[:300], "header is not whole"),
        (lambda raw: raw[:236] + b"many    " + raw[244:], "damaged"),
        (lambda raw: raw[:252] + b"9999" + raw[256:], "signals"),
        (lambda raw: raw[:244] + b"0       " + raw[252:], "no signal"),
        (lambda raw: raw[:236] + b"99999999" + raw[244:], "records are there"),
        (lambda raw: raw[:244] + b"nan     " + raw[252:], "damaged"),
    ],
)
def test_a_damaged_head_is_refused(tmp_path, change, said):
    path = tmp_path / "a.edf"
    path.write_bytes(change(edf_of([np.arange(20).reshape(2, 10)], 2)))
    with pytest.raises(RecordingError, match=said):
        read_edf(path)


def test_a_file_that_was_not_closed_is_read_to_its_last_whole_record(tmp_path):
    path = tmp_path / "a.edf"
    path.write_bytes(edf_of([np.arange(20).reshape(2, 10)], -2)[:-4])
    assert len(read_edf(path)[0].values) == 10
