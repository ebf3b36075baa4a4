"""What a stream says of itself, and whether a decoder takes it: every field that differs is named."""

import msgspec
import numpy as np
import pylsl
import pytest

from myodrive.stream.decoder_file import decoder_from_bytes
from myodrive.stream.errors import MismatchError, StreamError
from myodrive.stream.source_info import check_fit, describe, gain_to_microvolts, names_no_unit


def stream(
    channels=4, fs_hz=2000.0, form=pylsl.cf_float32, labels=None, units="microvolts", positions=None, name="amplifier"
):
    info = pylsl.StreamInfo(name, "EMG", channels, fs_hz, form, "id")
    entries = info.desc().append_child("channels")
    for i in range(channels):
        entry = entries.append_child("channel")
        if labels is not None:
            entry.append_child_value("label", labels[i])
        if units is not None:
            entry.append_child_value("unit", units if isinstance(units, str) else units[i])
        if positions is not None:
            location = entry.append_child("location")
            for letter, value in zip("XYZ", positions[i], strict=True):
                location.append_child_value(letter, str(value))
    return info


def fitting(planted, **changes):
    """A stream as the planted decoder wants it, with changes."""
    info = planted.info.channels
    geometry = info.geometry()
    positions = np.column_stack([geometry.across_mm(), np.zeros(len(geometry)), geometry.along_mm()])
    options = {"channels": len(info.index), "fs_hz": planted.info.fs_hz, "positions": positions.tolist()} | changes
    return describe(stream(**options))


def test_a_description_is_read_whole():
    positions = [[i, 0, 8 * i] for i in range(4)]
    found = describe(stream(labels=["A1", "A2", "B1", "B2"], positions=positions, units=["uV", "mV", "V", "µV"]))
    assert (found.name, found.source_id, found.fs_hz, found.channels) == ("amplifier", "id", 2000.0, 4)
    assert found.dtype is np.float32
    assert found.labels == ("A1", "A2", "B1", "B2")
    assert found.units == ("uv", "mv", "v", "µv")
    assert [found.unit_said(channel) for channel in range(4)] == ["uV", "mV", "V", "µV"]
    assert np.array_equal(found.positions, positions)


def test_a_stream_without_any_description_is_read_too():
    info = pylsl.StreamInfo("bare", "", 3, 1000, pylsl.cf_int16, "")
    found = describe(info)
    assert (found.labels, found.units, found.positions) == (None, ("", "", ""), None)
    assert found.unit_said(2) == ""
    assert found.dtype is np.int16


@pytest.mark.parametrize(
    ("form", "dtype"),
    [
        (pylsl.cf_float32, np.float32),
        (pylsl.cf_double64, np.float64),
        (pylsl.cf_int8, np.int8),
        (pylsl.cf_int16, np.int16),
        (pylsl.cf_int32, np.int32),
        (pylsl.cf_int64, np.int64),
    ],
)
def test_every_numeric_format_is_taken_in_its_own_dtype(form, dtype):
    assert describe(stream(form=form)).dtype is dtype


def test_strings_and_irregular_streams_are_refused():
    with pytest.raises(StreamError, match="not numbers"):
        describe(stream(form=pylsl.cf_string))
    with pytest.raises(StreamError, match="regular rate"):
        describe(stream(fs_hz=0))


@pytest.mark.parametrize(
    "labels", [["1", "2", "3", "4"], ["Ch1", "Ch2", "ch3", "CH 4"], ["", "", "", ""], ["0", "1", "2", "3"]]
)
def test_labels_that_only_count_are_none(labels):
    assert describe(stream(labels=labels)).labels is None


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("uV", 1),
        ("µV", 1),
        ("μV", 1),
        ("µVolt", 1),
        ("uVolt", 1),
        ("microvolts", 1),
        ("Microvolt", 1),
        (" uV ", 1),
        ("mV", 1e3),
        ("V", 1e6),
        ("", 1),
    ],
)
def test_units_of_voltage_are_scaled_to_microvolts(unit, factor):
    source = describe(stream(units=unit))
    assert gain_to_microvolts(source, np.array([2, 0]), None).tolist() == [factor, factor]
    assert names_no_unit(source, np.array([0])) == (unit == "")


def test_only_the_chosen_channels_units_matter():
    source = describe(stream(units=["uV", "celsius", "V", ""]))
    assert gain_to_microvolts(source, np.array([2, 0]), None).tolist() == [1e6, 1]
    assert not names_no_unit(source, np.array([0, 2]))
    with pytest.raises(StreamError, match='channel 1 of stream "amplifier" is in "celsius"'):
        gain_to_microvolts(source, np.array([0, 1]), None)
    assert gain_to_microvolts(source, np.array([0, 1]), 0.5).tolist() == [0.5, 0.5]


def test_the_stream_of_the_calibration_fits(planted):
    check_fit(fitting(planted), planted.decoder)
    check_fit(fitting(planted, positions=None), planted.decoder)


@pytest.mark.parametrize("fs_hz", [2048.0, 1000.0, 2010.0])
def test_another_rate_is_refused_and_both_are_named(planted, fs_hz):
    with pytest.raises(MismatchError, match=rf"2000 Hz.*{fs_hz:g} Hz"):
        check_fit(fitting(planted, fs_hz=fs_hz), planted.decoder)


def test_a_rate_within_a_crystals_tolerance_fits(planted):
    check_fit(fitting(planted, fs_hz=2000.4), planted.decoder)


def test_too_few_channels_are_refused_with_their_number(planted):
    with pytest.raises(MismatchError, match="12 channels"):
        check_fit(fitting(planted, channels=12, positions=None), planted.decoder)


def relabelled(planted, decoder_bytes, labels):
    channels = msgspec.structs.replace(planted.info.channels, labels=labels)
    info = msgspec.structs.replace(planted.info, channels=channels)
    return decoder_from_bytes(decoder_bytes(info, planted.matrices))


def test_labels_are_compared_where_both_brought_their_own(planted, decoder_bytes):
    labels = [f"E{chr(65 + i)}" for i in range(16)]
    decoder = relabelled(planted, decoder_bytes, labels)
    check_fit(fitting(planted, labels=labels), decoder)
    check_fit(fitting(planted, labels=[str(i) for i in range(16)]), decoder)
    check_fit(fitting(planted, labels=labels[::-1]), planted.decoder)  # the calibration had none
    swapped = [*labels[:3], labels[4], labels[3], *labels[5:]]
    with pytest.raises(MismatchError, match=r'channel 3 labelled "ED".*"EE"'):
        check_fit(fitting(planted, labels=swapped), decoder)


def test_positions_are_compared_whatever_their_origin_within_half_a_spacing(planted):
    geometry = planted.info.channels.geometry()
    places = np.column_stack([geometry.across_mm(), np.zeros(16), geometry.along_mm()])
    rng = np.random.default_rng(0)
    moved = places + np.array([100, -7, 33])
    check_fit(fitting(planted, positions=moved.tolist()), planted.decoder)
    check_fit(fitting(planted, positions=(moved + rng.uniform(-1.5, 1.5, moved.shape)).tolist()), planted.decoder)
    swapped = moved[[1, 0, *range(2, 16)]]
    with pytest.raises(MismatchError, match=r"place channel [01] 8\.0 mm apart"):
        check_fit(fitting(planted, positions=swapped.tolist()), planted.decoder)
    with pytest.raises(MismatchError, match="mm apart"):
        check_fit(fitting(planted, positions=(moved * [1, 1, -1] + [0, 0, 8.0])[::-1].tolist()), planted.decoder)


@pytest.mark.parametrize(
    "positions", [[[0, 0, 0]] * 16, [[5.5, 1, 2]] * 16, [["", "", ""]] * 16, [["x", "nan", "inf"]] * 16]
)
def test_missing_or_equal_positions_are_not_compared(planted, positions):
    check_fit(fitting(planted, positions=positions), planted.decoder)


def test_more_channels_than_chosen_are_no_matter(planted):
    """Amplifiers add counters and triggers behind the EMG."""
    check_fit(fitting(planted, channels=20, positions=None), planted.decoder)
