"""The picture of a decoder's units: everything once, at its place, and what is not known is said."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.models.bandpass import design_filter
from myodrive.stream.decoder_file import (
    SCHEMA,
    Channels,
    CommandLevels,
    DecoderInfo,
    DetectorSettings,
    Unit,
    WhiteningSettings,
)
from myodrive.stream.errors import DecoderError, RecordingError
from myodrive.tools.labels import place_labels
from myodrive.tools.palette import RAMP, ramp
from myodrive.tools.svg import Panel, ticks
from myodrive.tools.unit_picture import draw_units, unit_picture

SVG = "{http://www.w3.org/2000/svg}"
FILTER = design_filter(2048.0)


def drawn_parameters(count, seed=0, across=16.0):
    """Of so many units, all known."""
    rng = np.random.default_rng(seed)
    ranges = {
        "innervation_zone_mm": (-25.0, 25.0), "conduction_velocity_m_s": (3.0, 4.5), "depth_mm": (4.0, 23.0),
        "lateral_mm": (-across, across), "half_length_low_mm": (45.0, 80.0), "half_length_high_mm": (45.0, 80.0),
        "gain": (0.2, 9.0),
    }  # fmt: skip
    return [
        {name: {"value": rng.uniform(*ends), "sd": rng.uniform(0.1, 2.0)} for name, ends in ranges.items()}
        for _ in range(count)
    ]


def info_of(parameters, rows=13, columns=5, **created_by):
    row, col = (axis.ravel().tolist() for axis in np.meshgrid(range(rows), range(columns), indexing="ij"))
    units = [
        Unit(
            id=number, sil=0.95, pnr_db=30.0, cov_isi=0.2, threshold=0.5, spike_height=1.0, noise_height=0.3, lag_s=0.0,
            discharges=100, rate_hz=10.0, parameters=one,
        )
        for number, one in enumerate(parameters)
    ]  # fmt: skip
    return DecoderInfo(
        schema=SCHEMA, fs_hz=2048.0, channels=Channels(list(range(len(row))), len(row), row, col, 8.0, rows, columns),
        montage="monopolar", filter=FILTER, extension=8, whitening=WhiteningSettings("test", 5, 0.0),
        detector=DetectorSettings(5, 41), units=units, command=CommandLevels(0.0, 1.0, 0.0, 1.0),
        created_by={"method": "bmiss", "source": "/a/b/vl.h5"} | created_by, source_sha256="",
    )  # fmt: skip


def without(parameters, unit, *names):
    """The same, some of one unit's parameters not known."""
    return [
        one | {name: {"value": None, "sd": None} for name in names} if number == unit else one
        for number, one in enumerate(parameters)
    ]


def parsed(info, **options):
    return ElementTree.fromstring(unit_picture(info, **options))


def of_class(root, name):
    """Elements of a class by unit; fails where a unit has two."""
    found = [one for one in root.iter() if one.get("class") == name]
    units = [int(one.get("data-unit")) for one in found]
    assert len(units) == len(set(units))
    return dict(zip(units, found, strict=True))


def words(root):
    return [one.text for one in root.iter(SVG + "text")]


def notes(root):
    return " ".join(words(root))


def path_points(element, number=0):
    """Places that the n-th path of an element names, absolute ones."""
    path = list(element.iter(SVG + "path"))[number].get("d")
    return [tuple(map(float, one)) for one in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]


def is_line(x, y):
    """Whether y is a straight line of x, to a pixel's hundredth; its slope."""
    slope, offset = np.polyfit(x, y, 1)
    assert np.abs(slope * np.asarray(x) + offset - y).max() < 0.02
    return slope


def value_of(info, name):
    return np.array([unit.parameters[name]["value"] for unit in info.units])


@pytest.mark.parametrize(("rows", "columns", "across"), [(13, 5, 16.0), (8, 8, 28.0), (10, 32, 124.0)])
def test_every_unit_stands_once_in_each_panel_where_its_millimetres_say(rows, columns, across):
    info = info_of(drawn_parameters(25, across=across), rows, columns)
    root = parsed(info)
    dots, zones, fibres = (of_class(root, name) for name in ("place", "zone", "fibres"))
    assert sorted(dots) == sorted(zones) == sorted(fibres) == list(range(25))
    lateral, depth, zone = (value_of(info, name) for name in ("lateral_mm", "depth_mm", "innervation_zone_mm"))
    x, y = (np.array([float(dots[unit].get(name)) for unit in range(25)]) for name in ("cx", "cy"))
    assert is_line(lateral, x) > 0
    assert is_line(depth, y) > 0  # downwards
    middle = np.array([path_points(zones[unit], -1)[0] for unit in range(25)])  # the diamond's upper corner
    assert is_line(lateral, middle[:, 0]) == pytest.approx(is_line(lateral, x))
    assert is_line(zone, middle[:, 1]) < 0  # higher rows above


def test_fibres_reach_from_end_to_end_and_arrows_say_where_they_are_cut():
    parameters = drawn_parameters(12)
    parameters[3]["half_length_high_mm"]["value"] = 300.0
    info = info_of(parameters)
    fibres = of_class(parsed(info), "fibres")
    ends = np.array([path_points(fibres[unit])[:2] for unit in range(12)])  # (units, lower and higher end, x and y)
    assert (ends[:, 0, 0] == ends[:, 1, 0]).all()
    low = value_of(info, "innervation_zone_mm") - value_of(info, "half_length_low_mm")
    high = value_of(info, "innervation_zone_mm") + value_of(info, "half_length_high_mm")
    arrows = {unit for unit in range(12) if "L" in fibres[unit].find(SVG + "path").get("d").split("L", 1)[1]}
    assert 3 in arrows
    whole = [unit for unit in range(12) if unit not in arrows]
    assert len(whole) > 3
    slope = is_line(np.r_[low[whole], high[whole]], np.r_[ends[whole, 0, 1], ends[whole, 1, 1]])
    assert ends[3, 0, 1] - ends[3, 1, 1] < -slope * (high[3] - low[3])


def test_one_half_length_counts_both_ways():
    both = drawn_parameters(4)
    one = [{k: v for k, v in unit.items() if not k.startswith("half")} for unit in both]
    for unit, other in zip(both, one, strict=True):
        unit["half_length_low_mm"] = unit["half_length_high_mm"] = other["half_length_mm"] = {"value": 50.0, "sd": None}
    assert unit_picture(info_of(both)) == unit_picture(info_of(one))


def test_areas_are_proportional_to_strength():
    parameters = drawn_parameters(4)
    for unit, gain in zip(parameters, (1.0, 2.0, 4.0, 0.001), strict=True):
        unit["gain"]["value"] = gain
    root = parsed(info_of(parameters))
    radius = [float(of_class(root, "place")[unit].get("r")) for unit in range(4)]
    assert radius[1] ** 2 == pytest.approx(2 * radius[0] ** 2, rel=0.01)
    assert radius[2] ** 2 == pytest.approx(4 * radius[0] ** 2, rel=0.01)
    assert radius[3] > 1.0
    assert "Unit 3 is drawn larger than its strength" in notes(root)
    assert "gain" in notes(root)


def test_microvolts_are_preferred_to_a_gain():
    parameters = [one | {"peak_to_peak_uv": {"value": 40.0, "sd": None}} for one in drawn_parameters(3)]
    assert "area: peak-to-peak voltage (µV)" in words(parsed(info_of(parameters)))


def test_intervals_are_90_percent_and_only_where_they_reach_out_of_the_dot():
    parameters = drawn_parameters(3)
    for unit, sd in zip(parameters, (3.0, 1e-3, None), strict=True):
        unit["lateral_mm"]["sd"] = unit["depth_mm"]["sd"] = sd
        unit["lateral_mm"]["value"] = 3.0 * sd if sd else 1.0
        unit["depth_mm"]["value"] = 12.0
    parameters[0]["lateral_mm"]["value"] = 0.0
    info = info_of(parameters)
    root = parsed(info)
    bars, dots = of_class(root, "bars"), of_class(root, "place")
    assert sorted(bars) == [0]
    across = [tuple(map(float, one)) for one in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", bars[0].get("d"))][:2]
    scale = (float(dots[2].get("cx")) - float(dots[0].get("cx"))) / 1.0  # px/mm
    assert across[1][0] - across[0][0] == pytest.approx(2 * 1.645 * 3.0 * scale, abs=0.1)


def test_what_is_not_known_is_left_out_and_said():
    parameters = drawn_parameters(8)
    for unit, name in enumerate(("lateral_mm", "depth_mm", "innervation_zone_mm", "conduction_velocity_m_s", "gain")):
        parameters = without(parameters, unit, name)
    parameters = without(parameters, 5, "half_length_low_mm")
    parameters[6] = {"reason": "the <physics> fails"}
    root = parsed(info_of(parameters))
    assert sorted(of_class(root, "place")) == [2, 3, 4, 5, 7]
    assert sorted(of_class(root, "zone")) == [1, 3, 4, 5, 7]
    said = notes(root)
    for note in (
        "Unit 0: no place across the fibres, left out of both panels.",
        "Unit 6: no place across the fibres (the <physics> fails), left out of both panels.",
        "Unit 1: no depth", "Unit 2: no innervation zone",
        "Unit 3: no conduction velocity, grey", "Unit 4: strength not known", "Unit 5: fibre ends not known",
    ):  # fmt: skip
        assert note in said
    assert not re.search(r"\bnan\b|None|inf\b", unit_picture(info_of(parameters)))


def test_a_linear_array_shows_units_side_by_side_and_says_why():
    parameters = drawn_parameters(6)
    for unit in range(6):
        parameters = without(parameters, unit, "lateral_mm", "depth_mm")
        parameters[unit]["reason"] = "on a linear array"
    root = parsed(info_of(parameters, 16, 1))
    assert of_class(root, "place") == {}
    zones = of_class(root, "zone")
    x = [path_points(zones[unit], -1)[0][0] for unit in range(6)]
    assert is_line(range(6), x) > 0
    assert "linear array" in notes(root)
    assert "linear array" in root.find(SVG + "desc").text
    assert "linear array" not in notes(parsed(info_of(parameters, 13, 5)))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [([], "no motor unit"), ([{}, {"depth_mm": None, "reason": "few"}], r"none of .* 2 .*\(few\)")],
)
def test_nothing_to_draw_is_an_error_that_says_so(parameters, said, tmp_path):
    path = tmp_path / "units.svg"
    with pytest.raises(DecoderError, match=said):
        draw_units(info_of(parameters), path)
    assert not path.exists()


def test_the_file_is_whole_or_an_error(tmp_path):
    info = info_of(drawn_parameters(3))
    draw_units(info, tmp_path / "units.svg")
    assert (tmp_path / "units.svg").read_text(encoding="utf-8") == unit_picture(info)
    assert [one.name for one in tmp_path.iterdir()] == ["units.svg"]
    with pytest.raises(RecordingError, match="folder"):
        draw_units(info, tmp_path)


def test_the_same_decoder_gives_the_same_picture_read_from_a_file_or_not():
    info = info_of(drawn_parameters(10))
    again = msgspec.json.decode(msgspec.json.encode(info), type=DecoderInfo)
    assert unit_picture(info) == unit_picture(again)


def test_it_is_read_to_those_who_cannot_see_it():
    root = parsed(info_of(drawn_parameters(5)))
    told = {root.find(SVG + name).get("id"): root.find(SVG + name).text for name in ("title", "desc")}
    assert root.get("aria-labelledby").split() == list(told)
    assert told["units-title"] == "5 motor units of vl.h5, by BMISS"
    for one in (*of_class(root, "place").values(), *of_class(root, "fibres").values()):
        assert one.find(SVG + "title").text.startswith(f"unit {one.get('data-unit')}: ")


@given(st.text(max_size=80))
@settings(max_examples=30, deadline=None)
def test_any_name_of_a_recording_gives_valid_xml(name):
    root = parsed(info_of(drawn_parameters(1)), recording=name)
    unit_picture(info_of(drawn_parameters(1)), recording=name).encode("utf-8")
    assert root.find(SVG + "title").text.startswith("1 motor unit")


def test_a_layer_over_the_muscle_is_drawn_only_where_it_is_known():
    parameters = drawn_parameters(3)
    assert not [one for one in parsed(info_of(parameters)).iter() if one.get("class") == "fat"]
    agreed = [one | {"fat_mm": {"value": 4.0, "sd": None}} for one in parameters]
    root = parsed(info_of(agreed))
    layer = next(one for one in root.iter() if one.get("class") == "fat")
    dots = of_class(root, "place")
    below = [float(dots[unit].get("cy")) - float(layer.get("y")) - float(layer.get("height")) for unit in range(3)]
    depth = value_of(info_of(agreed), "depth_mm")
    assert below == pytest.approx(depth * float(layer.get("height")) / 4.0, rel=0.001)
    agreed[0]["fat_mm"] = {"value": 3.0, "sd": None}
    assert unit_picture(info_of(agreed)) == unit_picture(info_of(parameters))
    assert unit_picture(info_of(parameters), fat_mm=4.0) == unit_picture(
        info_of([one | {"fat_mm": {"value": 4.0, "sd": None}} for one in parameters])
    )


@given(
    st.lists(
        st.tuples(st.floats(0, 200), st.floats(0, 200), st.floats(1, 12)), min_size=1, max_size=25
    )
)  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_numbers_cover_neither_marks_nor_each_other_nor_leave_the_panel(marks):
    size, frame = 10.5, (0.0, 0.0, 200.0, 200.0)
    spots = place_labels(marks, [str(number) for number in range(len(marks))], size, frame)
    boxes = []
    for number, spot in enumerate(spots):
        if spot is not None:
            half = 0.64 * size * len(str(number)) / 2
            boxes.append((spot[0] - half, spot[1] - 0.76 * size, spot[0] + half, spot[1]))
    for left, top, right, bottom in boxes:
        assert min(left, top) >= -1e-9
        assert max(right, bottom) <= 200 + 1e-9
        for x, y, radius in marks:
            away = np.hypot(max(left - x, 0.0, x - right), max(top - y, 0.0, y - bottom))
            assert away >= radius - 1e-6
    for one, other in itertools.combinations(boxes, 2):
        assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


def test_a_lone_unit_has_its_number():
    root = parsed(info_of(drawn_parameters(1)))
    assert words(root).count("0") >= 2
    assert "No room" not in notes(root)


@given(st.floats(-1e3, 1e3), st.floats(0.01, 1e3), st.integers(3, 9))
@settings(max_examples=100, deadline=None)
def test_ticks_lie_inside_evenly_and_not_too_many(low, length, most):
    found = ticks(low, low + length, most)
    assert 1 <= len(found) <= most
    assert all(low - 1e-6 <= at <= low + length + 1e-6 for at in found)
    assert np.allclose(np.diff(found, 2), 0.0, atol=1e-9 * (1 + abs(low) + length))


def test_a_line_that_leaves_the_panel_ends_at_its_edge_with_an_arrow():
    panel = Panel(10.0, 20.0, 100.0, 50.0, 0.0, 10.0, 5.0, 0.0)
    inside, outside = panel.span((5.0, 1.0), (5.0, 4.0)), panel.span((5.0, 1.0), (5.0, 9.0))
    assert inside == "M60 60L60 30"
    assert outside.startswith("M60 60L60 20M")
    assert outside.count("M") == 3


def test_the_ramp_goes_through_its_stops_and_becomes_lighter():
    shares = np.linspace(0.0, 1.0, len(RAMP))
    assert [ramp(share) for share in shares] == list(RAMP)
    assert (ramp(-1.0), ramp(2.0)) == (RAMP[0], RAMP[-1])
    light = [
        np.dot([int(ramp(share)[i : i + 2], 16) for i in (1, 3, 5)], (0.2126, 0.7152, 0.0722))
        for share in np.linspace(0.0, 1.0, 50)
    ]
    assert (np.diff(light) > 0).all()
