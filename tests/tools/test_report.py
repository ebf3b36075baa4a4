"""The report: a page that needs nothing else, and pictures of what was really estimated."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from myodrive.models.bandpass import design_filter
from myodrive.models.classical.conduction_velocity import Arrival, ConductionVelocity
from myodrive.models.waveforms import UnitAverage
from myodrive.stream.geometry import Geometry
from myodrive.tools.estimation import Pool, Stretch, UnitEstimate
from myodrive.tools.estimation_methods import Answer, Array, by_classical, nothing
from myodrive.tools.recording import Recording
from myodrive.tools.report import write_report
from myodrive.tools.report_fit import arrivals
from myodrive.tools.report_map import _round, frame_for, missing_places
from myodrive.tools.report_unit import departure_ms, less_common_part, unexplained_db

FS_HZ, SECONDS = 2048.0, 10.0


def grid(rows, columns, missing=()):
    row, col = (axis.ravel() for axis in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
    kept = np.setdiff1d(np.arange(rows * columns), missing)
    return Geometry(row[kept], col[kept], 8.0, rows, columns)


def wave(geometry, zone_mm, speed_m_s, begin_ms=15.0):
    """Peaks at `begin_ms` over the zone, (channels, 112) uV."""
    ms = np.arange(112) * 1e3 / FS_HZ - begin_ms
    x = (ms - np.abs(geometry.along_mm() - zone_mm)[:, None] / speed_m_s) / 1.2
    return (100.0 * (1.0 - x**2) * np.exp(-(x**2) / 2)).astype(np.float32)


def pool_of(geometry, method="physics", windows=False):
    """Two units with a wave, by what is called the physics here, one with no number, and one that never fires."""
    array = Array(geometry, FS_HZ, design_filter(FS_HZ), "monopolar")
    rng = np.random.default_rng(0)
    units = []
    for unit, (zone, speed) in enumerate([(-8.0, 3.6), (10.0, 4.4), (None, None), (None, None)]):
        fires = unit != 3
        clean = wave(geometry, zone or 0.0, speed or 1e6) if fires else np.zeros((len(geometry), 112), np.float32)
        noisy = clean + rng.normal(0.0, 2.0, clean.shape).astype(np.float32) * fires
        average = UnitAverage(noisy, np.full(len(geometry), 4.0 if fires else np.nan), 60 * fires, 0, 20.0)
        classical = by_classical(average, array) if fires else nothing("0 discharges, 20 are needed")
        answer, beside = classical, {}
        if method == "physics":
            values = {"iz_mm": zone, "iz_mm_sd": 0.4, "cv_m_s": speed, "cv_m_s_sd": 0.05, "depth_mm": 9.0}
            answer = Answer(values, None, -20.0, clean) if speed else nothing("it does not look like a <wave>")
            beside = {"classical": classical}
        whole = Stretch(0.0, SECONDS, 5.0, 9.0, answer, beside, average)
        parts = [replace(whole, start_s=s, end_s=s + 5.0, force=s) for s in (0.0, 5.0)] if windows else []
        train = np.arange(2000, 18_000, 220) if fires else np.zeros(0, np.int64)
        units.append(UnitEstimate(unit, whole, parts, 2.0 + unit if fires else None, 1.0, 9.0, 0.15, train))
    return Pool(units, method, array, {})


@pytest.fixture(scope="module")
def recording():
    samples = round(SECONDS * FS_HZ)
    geometry = grid(13, 3)
    emg = np.zeros((samples, len(geometry)), np.float32)
    force = np.linspace(0.0, 10.0, samples, dtype=np.float32)
    return Recording(emg, FS_HZ, geometry, muscle="biceps <&> brachii", force=force, force_unit="%MVC")


def pictures(html):
    return [base64.b64decode(one).decode() for one in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', html)]


def test_the_page_needs_nothing_but_itself(tmp_path, recording):
    path = tmp_path / "report.html"
    write_report(path, pool_of(recording.geometry, windows=True), recording, "decoder.onnx")
    html = path.read_text(encoding="utf-8")
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]*)"', html))
    assert not re.search(r"<script|<link|@import|url\(", html)
    for svg in pictures(html):
        outside = [ref for ref in re.findall(r'(?:href|src)="([^"]*)"', svg) if not ref.startswith(("#", "data:"))]
        assert outside == []
    assert list(tmp_path.iterdir()) == [path]


def test_the_pool_stands_first_then_every_unit(tmp_path, recording):
    path = tmp_path / "report.html"
    write_report(path, pool_of(recording.geometry), recording, "decoder.onnx")
    html = path.read_text(encoding="utf-8")
    marks = [html.index("<table"), html.index("<img"), *(html.index(f"id='unit-{unit}'") for unit in range(4))]
    assert marks == sorted(marks)
    assert len(pictures(html)) == 2 + 3  # the pool's two, and one of each unit that has a waveform
    assert "−8.0 <span class='sd'>± 0.4</span>" in html
    assert "4.40 <span class='sd'>± 0.05</span>" in html


def test_reasons_are_told_and_nothing_in_the_file_is_taken_for_html(tmp_path, recording):
    path = tmp_path / "report.html"
    write_report(path, pool_of(recording.geometry), recording, "<b>.onnx")
    html = path.read_text(encoding="utf-8")
    assert html.count("it does not look like a &lt;wave&gt;") >= 2  # in the table, and at the unit
    assert "0 discharges, 20 are needed" in html
    assert "biceps &lt;&amp;&gt; brachii" in html
    assert "<b>.onnx" not in html


def test_the_same_pool_gives_the_same_bytes(tmp_path, recording):
    pool = pool_of(recording.geometry, windows=True)
    pool = replace(pool, units=pool.units[:1])
    for name in ("a.html", "b.html"):
        write_report(tmp_path / name, pool, recording, "decoder.onnx")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


@pytest.mark.parametrize(
    ("geometry", "method", "force"),
    [
        (grid(16, 1), "physics", True),
        (grid(4, 3), "classical", False),
        (grid(13, 5, missing=(0, 17)), "physics", False),
        (grid(13, 5), "classical", True),
    ],
)
def test_any_array_and_method_can_be_drawn(tmp_path, recording, geometry, method, force):
    recording = recording if force else replace(recording, force=None)
    path = tmp_path / "report.html"
    write_report(path, pool_of(geometry, method, windows=True), recording, "decoder.onnx")
    drawn = pictures(path.read_text(encoding="utf-8"))
    known = [one for one in pool_of(geometry, method).units if one.whole.number("cv_m_s") is not None]
    assert len(drawn) == 2 + 3 + len(known)  # one more over time where a stretch has a number


def test_no_unit_and_no_channel_still_make_a_page(tmp_path, recording):
    array = Array(recording.geometry.select(np.zeros(0, np.int64)), FS_HZ, design_filter(FS_HZ), "monopolar")
    write_report(tmp_path / "r.html", Pool([], "classical", array, {0: "flat", 1: "flat"}), recording, "decoder.onnx")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "channels 0, 1 (flat)" in html
    assert len(pictures(html)) == 2


def test_progress_goes_from_nothing_to_all(tmp_path, recording):
    shares = []
    pool = pool_of(recording.geometry)
    write_report(tmp_path / "r.html", pool, recording, "d.onnx", lambda share, note: shares.append(share))
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_arrivals_of_every_run_are_moved_onto_the_common_line():
    along = np.arange(-40.0, 41.0, 8.0)
    zone, speed = 4.0, 4.0
    found = []
    for column, offset in enumerate((0.3, -1.1)):
        found += [Arrival(column, z, abs(z - zone) / speed + offset + 0.7 * (z > zone), 1.0) for z in along.tolist()]
    place, late = arrivals(ConductionVelocity(speed, 0.1, None, len(found), 2, 1.0, tuple(found)), zone)
    assert late == pytest.approx(np.abs(place - zone) / speed)


def test_the_wave_leaves_the_zone_when_it_peaks_there():
    geometry = grid(13, 3)
    array = Array(geometry, FS_HZ, design_filter(FS_HZ), "monopolar")
    assert departure_ms(wave(geometry, 10.0, 4.0, begin_ms=18.0), array, 10.0, 4.0) == pytest.approx(18.0, abs=0.6)


def test_what_a_column_shares_is_taken_out_of_it():
    geometry = grid(6, 2)
    waveform = np.random.default_rng(0).normal(size=(12, 30)).astype(np.float32)
    shared = np.random.default_rng(1).normal(size=(2, 30)).astype(np.float32)[geometry.col]
    assert less_common_part(waveform + shared, geometry) == pytest.approx(
        less_common_part(waveform, geometry), abs=1e-5
    )


def test_a_tenth_of_the_amplitude_left_is_twenty_decibels_down():
    waveform = np.random.default_rng(0).normal(size=(12, 30)).astype(np.float32)
    assert unexplained_db(waveform, 0.9 * waveform) == pytest.approx(-20.0, abs=0.01)


def test_the_frame_holds_nearly_all_of_the_wave():
    geometry = grid(13, 3)
    waveform = wave(geometry, 0.0, 4.0)
    frame = frame_for(waveform, FS_HZ, geometry)
    assert np.square(waveform[:, frame.part]).sum() > 0.98 * np.square(waveform).sum()
    assert frame.shown_ms < 40.0


@pytest.mark.parametrize(("value", "expected"), [(1.0, 1.0), (1.9, 1.0), (2.0, 2.0), (49.9, 20.0), (0.07, 0.05)])
def test_scale_bars_are_round_numbers(value, expected):
    assert _round(value) == pytest.approx(expected)


def test_missing_electrodes_are_where_the_grid_has_no_channel():
    assert missing_places(grid(13, 5, missing=(0,))).tolist() == [[-16.0, -48.0]]
