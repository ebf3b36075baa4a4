"""XDF: the stream that is meant, in uV, at its places, with every missing sample kept as missing."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.errors import RecordingError
from myodrive.tools.events import Mark
from myodrive.tools.formats.reading import read_any
from myodrive.tools.formats.wanted import Wanted
from myodrive.tools.formats.xdf import measured_rate

from .made_files import FS_HZ, xdf_channels, xdf_file, xdf_header, xdf_marks, xdf_of, xdf_offset, xdf_samples

SAMPLES = 1500


def values(channels=4, samples=SAMPLES, seed=0):
    return np.random.default_rng(seed).normal(size=(samples, channels)).astype(np.float32)


def read(path, content, **wanted):
    path.write_bytes(content)
    return read_any(path, Wanted(**wanted))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "session.xdf"


def test_samples_labels_and_places_come_over(path):
    emg = values()
    found = read(path, xdf_of(emg))
    assert found.emg.tobytes() == emg.tobytes()
    assert found.fs_hz == FS_HZ
    assert found.labels == ("G0", "G1", "G2", "G3")
    assert (found.geometry.row.tolist(), found.geometry.ied_mm, found.geometry.grid_cols) == ([0, 1, 2, 3], 8.0, 1)
    assert "emg" in found.source


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1), ("millivolts", 1e3), ("V", 1e6)])
def test_every_unit_that_run_takes_becomes_microvolts(path, unit, factor):
    emg = values()
    found = read(path, xdf_of(emg, desc=xdf_channels(unit=unit)))
    assert np.array_equal(found.emg, emg * np.float32(factor))


@pytest.mark.parametrize("form", ["int8", "int16", "int32", "int64", "double64"])
def test_every_numeric_format_is_read(path, form):
    kind = {"double64": "<f8"}.get(form, f"<i{int(form.strip('int') or 64) // 8}" if form != "double64" else "")
    emg = np.random.default_rng(1).integers(-100, 100, (SAMPLES, 4))
    stamps = 5.0 + np.arange(SAMPLES) / FS_HZ
    file = xdf_file(xdf_header(7, form=form, desc=xdf_channels()), xdf_samples(7, emg, stamps, kind))
    assert np.array_equal(read(path, file).emg, emg)


def test_a_stream_without_a_unit_is_refused_until_it_is_given(path):
    file = xdf_of(values(), desc=xdf_channels(unit=""))
    with pytest.raises(RecordingError, match="--unit"):
        read(path, file)
    assert np.array_equal(read(path, file, unit="mV").emg, values() * np.float32(1e3))


def test_a_stream_without_places_needs_a_grid(path):
    file = xdf_of(values(), desc=xdf_channels(places=False))
    with pytest.raises(RecordingError, match="--grid"):
        read(path, file)
    assert not read(path, file, need_places=False).places_known
    assert read(path, file, grid="LIN04-5").geometry.ied_mm == 5.0


def several():
    stamps = 9.0 + np.arange(SAMPLES) / FS_HZ
    return xdf_file(
        xdf_header(1, "cues", "Markers", 1, 0, "string"),
        xdf_header(2, "arm", "EMG", desc=xdf_channels()),
        xdf_header(3, "leg", "EMG", desc=xdf_channels()),
        xdf_header(4, "force", "Force", 1, desc=xdf_channels(1, unit="N", kind="Force")),
        xdf_samples(2, values(seed=2), stamps),
        xdf_samples(3, values(seed=3), stamps),
        xdf_samples(4, values(1), stamps),
    )


def test_of_several_streams_one_must_be_named(path):
    with pytest.raises(RecordingError, match=r"arm.*leg.*--part"):
        read(path, several())
    assert np.array_equal(read(path, several(), part="leg").emg, values(seed=3))
    assert np.array_equal(read(path, several(), part="0").emg, values(seed=2))
    with pytest.raises(RecordingError, match="none of them"):
        read(path, several(), part="foot")


def test_a_stream_of_emg_is_taken_before_others(path):
    stamps = 9.0 + np.arange(SAMPLES) / FS_HZ
    file = xdf_file(
        xdf_header(1, "imu", "Accelerometer", 3, desc=xdf_channels(3, unit="g")),
        xdf_header(2, "arm", "EMG", desc=xdf_channels()),
        xdf_samples(1, values(3), stamps),
        xdf_samples(2, values(seed=2), stamps),
    )
    assert np.array_equal(read(path, file).emg, values(seed=2))


def with_force(kind, rate=50.0):
    """EMG at 512 Hz and a force that rises by 7 N a second at 50 Hz, begun before it."""
    stamps, own = 9.0 + np.arange(SAMPLES) / FS_HZ, 8.0 + np.arange(300) / rate
    return xdf_file(
        xdf_header(1, "emg", "EMG", desc=xdf_channels()),
        xdf_header(2, "cell", kind, 1, rate, desc=xdf_channels(1, unit="N", kind="Force")),
        xdf_samples(1, values(), stamps),
        xdf_samples(2, (7.0 * own)[:, None].astype(np.float32), own),
    )


def test_a_force_as_fast_as_the_emg_keeps_its_values_as_it_does_live(path):
    stamps, force = 9.0 + np.arange(SAMPLES) / FS_HZ, values(1, seed=3)
    file = xdf_file(
        xdf_header(1, "emg", "EMG", desc=xdf_channels()),
        xdf_header(2, "cell", "Force", 1, FS_HZ, desc=xdf_channels(1, unit="N", kind="Force")),
        xdf_samples(1, values(), stamps),
        xdf_samples(2, force, stamps + 0.3 / FS_HZ),
    )
    assert np.array_equal(read(path, file).force, force[:, 0])


def test_a_stream_of_force_is_put_on_the_instants_of_the_emg(path):
    found = read(path, with_force("Force"))
    assert np.allclose(found.force, 7.0 * (9.0 + np.arange(SAMPLES) / FS_HZ), rtol=1e-5)
    assert found.force_unit == "N"
    assert read(path, with_force("Misc")).force is None
    assert np.array_equal(read(path, with_force("Misc"), force="cell").force, found.force)
    with pytest.raises(RecordingError, match="cell"):
        read(path, with_force("Misc"), force="other")


def test_channels_that_are_no_emg_are_left_out_at_the_end_and_refused_before_it(path):
    aux = xdf_channels(1, unit="", kind="AUX")[len("<channels>") : -len("</channels>")]
    emg = xdf_channels(4)[len("<channels>") : -len("</channels>")]
    after = read(path, xdf_of(values(5), desc=f"<channels>{emg}{aux}</channels>"))
    assert np.array_equal(after.emg, values(5)[:, :4])
    before = xdf_of(values(5), desc=f"<channels>{aux}{emg}</channels>")
    with pytest.raises(RecordingError, match=r"--channels.*1-4"):
        read(path, before)
    assert np.array_equal(read(path, before, channels=(1, 2, 3, 4)).emg, values(5)[:, 1:])


@settings(max_examples=25)
@given(first=st.integers(400, 700), lost=st.integers(1, 700), second=st.integers(200, 400), more=st.integers(1, 3))
def test_missing_periods_are_rows_of_nan_however_few(tmp_path_factory, first, lost, second, more):
    emg = values()
    place = np.arange(SAMPLES)
    place[first:] += lost
    place[first + second :] += more
    found = read(tmp_path_factory.mktemp("xdf") / "a.xdf", xdf_of(emg, 50.0 + place / FS_HZ), allow_nan=True)
    expected = np.full((place[-1] + 1, 4), np.nan, np.float32)
    expected[place] = emg
    assert np.array_equal(found.emg, expected, equal_nan=True)


@pytest.mark.parametrize("seed", range(4))
def test_chunks_that_came_late_by_chance_and_a_clock_that_drifts_cost_nothing(path, seed):
    """As a program that stamps its chunks when it gets them: a millisecond of jitter, sometimes ten, and 50 ppm."""
    emg, rng = values(samples=20_000), np.random.default_rng(seed)
    late = np.abs(rng.normal(0, 1e-3, 625)) + 0.01 * (rng.uniform(size=625) < 0.02)
    stamps = 50.0 + np.arange(20_000) * (1 + 50e-6) / FS_HZ + np.repeat(late, 32)
    assert read(path, xdf_of(emg, stamps)).emg.tobytes() == emg.tobytes()
    stamps[10_000:] += 100 / FS_HZ
    gap = read(path, xdf_of(emg, stamps), allow_nan=True).emg
    assert np.array_equal(gap[~np.isnan(gap[:, 0])], emg)
    assert abs(int(np.isnan(gap[:, 0]).sum()) - 100) <= 8  # such stamps are good to milliseconds, no more


def test_a_gap_is_refused_where_missing_samples_cannot_be_taken(path):
    stamps = 50.0 + np.arange(SAMPLES) / FS_HZ
    stamps[700:] += 0.5
    with pytest.raises(RecordingError, match="not finite"):
        read(path, xdf_of(values(), stamps))


def test_samples_that_came_twice_are_dropped_and_told(path):
    emg, stamps = values(), 50.0 + np.arange(SAMPLES) / FS_HZ
    twice = np.concatenate([np.arange(600), np.arange(568, SAMPLES)])
    found = read(path, xdf_of(emg[twice], stamps[twice]), allow_nan=True)
    assert np.array_equal(found.emg, emg)
    assert any("32 samples" in note for note in found.notes)


def test_a_clock_that_was_reset_costs_no_sample_and_the_time_between_is_kept(path):
    """The sender restarts: its stamps begin anew, and the recorder's offsets say by how much."""
    emg, lost = values(samples=12_000), 6000
    place = np.concatenate([np.arange(6000), np.arange(6000, 12_000) + lost])
    own = 1000.0 + place / FS_HZ  # on the recorder's clock
    offset = np.where(np.arange(12_000) < 6000, 700.0, -2000.0)
    parts, clocks = [], []
    for n in range(0, 12_000, 32):
        parts.append(xdf_samples(1, emg[n : n + 32], own[n : n + 32] - offset[n]))
        if n % 512 == 0:
            clocks.append((n, xdf_offset(1, own[n] - offset[n], offset[n])))
    order = sorted([*((n * 32, part) for n, part in enumerate(parts)), *clocks], key=lambda entry: entry[0])
    file = xdf_file(xdf_header(1, desc=xdf_channels()), *(part for _, part in order))
    found = read(path, file, allow_nan=True)
    missing = np.isnan(found.emg[:, 0])
    assert np.array_equal(found.emg[~missing], emg)
    assert abs(int(missing.sum()) - lost) <= 1


def test_a_rate_that_the_stamps_deny_is_not_believed():
    exact = np.arange(4000) / 93.2
    assert measured_rate(exact, 100.0) == pytest.approx(93.2, rel=1e-6)
    rng = np.random.default_rng(0)
    jittered = np.arange(4000) / 2048 + rng.normal(0, 2e-4, 4000)
    assert measured_rate(jittered, 2048.0) == 2048.0
    dropped = np.arange(4000)[rng.uniform(size=4000) > 0.1] / 2048
    assert measured_rate(dropped, 2048.0) == 2048.0


def test_a_compressed_file_is_read_too(tmp_path):
    path = tmp_path / "session.xdfz"
    path.write_bytes(gzip.compress(xdf_of(values())))
    assert np.array_equal(read_any(path).emg, values())


def test_entities_are_refused(path):
    bomb = '<!DOCTYPE info [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    file = xdf_of(values()).replace(b"<?xml version='1.0'?><info><name>", bomb.encode() + b"<info><name>")
    with pytest.raises(RecordingError, match=r"cut off or damaged|document type"):
        read(path, file)
    header = xdf_header(1, desc=xdf_channels())[7:]  # without size and kind
    content = header[:4] + bomb.encode() + header[4:].replace(b"<?xml version='1.0'?>", b"")
    size = (len(content) + 2).to_bytes(4, "little")
    with pytest.raises(RecordingError, match="document type"):
        read(path, xdf_file(b"\x04" + size + b"\x02\x00" + content))


def test_a_real_recording_with_two_clock_resets(shared_data):
    """27 815 samples of one device in two stretches; pyxdf alone puts them side by side."""
    found = read_any(shared_data / "xdf_clock_resets.xdf", Wanted(allow_nan=True, need_places=False, unit="uV"))
    missing = np.isnan(found.emg).all(axis=1)
    assert (~missing).sum() == 27_815
    edges = np.flatnonzero(np.diff(missing.astype(int)))
    assert edges.tolist()[0] == 12_875
    assert len(edges) == 2
    assert missing.sum() / found.fs_hz == pytest.approx(273.6, abs=5)  # its rate wanders by 1 %
    assert any("100 Hz" in note for note in found.notes)


def test_a_real_recording_of_a_device_that_is_no_amplifier(shared_data):
    path = shared_data / "xdf_nirx_TestJune07.xdf"
    with pytest.raises(RecordingError, match=r"accelerometer.*Aurora"):
        read_any(path)
    wanted = Wanted(need_places=False, part="Aurora", channels=tuple(range(1, 5)))
    found = read_any(path, wanted)
    assert found.emg.shape == (61, 4)
    assert found.labels[0] == "1-1:1"


def test_markers_lie_on_the_samples_of_their_times_gaps_included(path):
    stamps = 100.0 + np.arange(SAMPLES) / FS_HZ
    stamps[700:] += 200 / FS_HZ  # 200 sample periods are lost
    late = stamps[-1] + 3 / FS_HZ
    marks = [(stamps[10], "rest"), (stamps[700] + 0.3 / FS_HZ, "µ, go"), (99.0, "before"), (late, "after")]
    found = read(path, xdf_of(values(), stamps) + xdf_marks(2, marks), allow_nan=True)
    assert found.samples == SAMPLES + 200
    before = -round(FS_HZ)
    expected = ((before, "before"), (10, "rest"), (900, "µ, go"), (SAMPLES + 202, "after"))
    assert found.marks == expected
    assert isinstance(found.marks[0], Mark)


def test_markers_of_several_streams_stand_with_the_names_of_these(path):
    more = xdf_marks(2, [(100.5, "go")]) + xdf_marks(3, [(100.25, "pulse")], "stimulator")
    found = read(path, xdf_of(values()) + more)
    assert [mark.label for mark in found.marks] == ["stimulator: pulse", "cues: go"]


def test_markers_without_a_time_or_that_cannot_be_read_are_left_out_and_told(path):
    found = read(path, xdf_of(values()) + xdf_marks(2, [(100.5, "go"), (np.nan, "when?")]))
    assert [mark.label for mark in found.marks] == ["go"]
    assert "1 markers" in found.notes[-1]
    spoilt = xdf_marks(2, [(100.5, "go")]).replace(b"\x04\x02\x00\x00\x00go", b"\x03\x02\x00\x00\x00go")
    found = read(path, xdf_of(values()) + spoilt)
    assert found.marks == ()
    assert "cues" in found.notes[-1]
    np.testing.assert_array_equal(found.emg, values())
