"""Units are looked at, kept and dropped."""

from dataclasses import replace
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from myodrive.stream.decoder_file import read_decoder
from myodrive.stream.errors import OptionError
from myodrive.tools.hdf5_writing import write_recording
from myodrive.tools.recording import InStream
from myodrive.tools.session.calibrating import recorded
from myodrive.tools.session.folder import ALL_DECODER, DECODER, RECORDING, SessionFolder
from myodrive.tools.session.review import doubts, keep, look, unit_table
from myodrive.tools.session.unit_page import UnitSeen, unit_page

SVG = "{http://www.w3.org/2000/svg}"


def no_progress(share, note):
    pass


@pytest.fixture
def units(calibrated_session):
    return look(calibrated_session, no_progress, print)


def test_every_unit_has_a_picture_and_a_row(calibrated_session, units):
    count = len(units.decoder.info.units)
    pages = sorted((calibrated_session.path / "units").iterdir())
    assert [page.name for page in pages] == [f"unit-{unit:02d}.svg" for unit in range(count)]
    for seen, page in zip(units.seen, pages, strict=True):
        root = ElementTree.parse(page).getroot()
        marks = [path.get("d") for path in root.iter(f"{SVG}path")]
        assert any(path.count("v-9") == len(seen.train) for path in marks)
        assert any(path.count("M") == 24 for path in marks)  # a waveform an electrode
        words = "".join(root.itertext())
        assert f"SIL {seen.unit.sil:.3f}" in words
        assert "not a medical device" in words
    assert unit_table(units).row_count == count


def test_dropped_units_are_gone_and_the_rest_is_told(calibrated_session, units):
    told = keep(calibrated_session, units, [1])
    assert told["kept"] == [unit for unit in range(len(units.seen)) if unit != 1]
    assert [row["now"] for row in told["units"]][:3] == [0, None, 1]
    decoder = read_decoder(calibrated_session.path / DECODER)
    assert decoder.sha256 == told["sha256"]
    assert len(decoder.info.units) == len(units.seen) - 1
    assert "dropped" in (calibrated_session.path / "units" / "unit-01.svg").read_text(encoding="utf-8")
    assert SessionFolder(calibrated_session.path).done("review").result["dropped"] == [1]
    msgspec.json.encode(told)


def test_which_unit_is_which_stands_in_the_decoder_and_beside_it_as_long_as_it_holds(calibrated_session, units):
    told = keep(calibrated_session, units, [0, 2])
    assert read_decoder(calibrated_session.path / DECODER).info.created_by["reviewed"]["was"] == told["kept"]
    readme = calibrated_session.path / "README.txt"
    assert "decoder-all.onnx (0 and 2 dropped):" in readme.read_text()
    lines = [line.split() for line in readme.read_text().splitlines() if line.startswith("  ")]
    assert lines == [[str(now), "was", str(was)] for now, was in enumerate(told["kept"])]
    keep(calibrated_session, units, [])
    assert "dropped" not in readme.read_text()


def test_units_come_back_when_they_are_kept_again(calibrated_session, units):
    keep(calibrated_session, units, [0, 1])
    keep(calibrated_session, units, [])
    paths = [calibrated_session.path / name for name in (ALL_DECODER, DECODER)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_decoder_of_something_else_is_refused(calibrated_session):
    (calibrated_session.path / ALL_DECODER).write_bytes(b"")
    with pytest.raises(Exception, match="decoder"):
        look(calibrated_session, no_progress, print)


def test_nothing_to_review_says_what_is_missing(calibrated_session):
    calibrated_session.undo_after("record")
    with pytest.raises(OptionError, match="session calibrate"):
        look(calibrated_session, no_progress, print)


def test_a_unit_is_doubted_for_what_it_is(units):
    sound = msgspec.structs.replace(units.seen[0].unit, sil=0.95, cov_isi=0.2, rate_hz=12.0)
    assert doubts(sound, 100) == []
    assert doubts(msgspec.structs.replace(sound, sil=0.8), 100) == ["SIL below 0.9"]
    assert len(doubts(msgspec.structs.replace(sound, cov_isi=0.9, rate_hz=60.0), 3)) == 3


def test_a_picture_of_hardly_a_unit_is_drawn_all_the_same(units):
    info = units.decoder.info
    geometry = info.channels.geometry()
    for train in ([], [100], [100, 101]):
        seen = UnitSeen(units.seen[0].unit, np.array(train, np.int64), units.seen[0].average, "a < b")
        ElementTree.fromstring(unit_page(seen, geometry, info.fs_hz, 9.0, None, "S01"))


def test_a_contraction_of_another_session_is_not_taken_for_this_ones(calibrated_session, muscle):
    write_recording(calibrated_session.path / RECORDING, replace(muscle, in_stream=InStream(tuple(range(1, 25)), 30)))
    with pytest.raises(OptionError, match="record again"):
        recorded(calibrated_session, print)
    calibrated_session.finish("record", 1.0, {"index": list(range(1, 25)), "stream_channels": 30}, {})
    source = recorded(calibrated_session, print)
    assert source.index == list(range(1, 25))
    assert source.stream_channels == 30
