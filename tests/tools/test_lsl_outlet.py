"""The LSL streams: one marker a discharge, one row a drive sample, at the times of the samples, nothing filled in."""

import pylsl
import pytest

from myodrive.stream.client import Client
from myodrive.stream.errors import OptionError
from myodrive.stream.messages import Drive, Spikes, UnitEntry, Units
from myodrive.tools.lsl_outlet import LslOutlet, run_outlet

LABELS = ["command", "cst", "envelope", "valid", "rate of unit 0", "rate of unit 5"]


def units(sha="f00d", **fields):
    rows = [UnitEntry(id=unit, sil=0.9, pnr_db=31.0, lag_s=0.0125, trust=1.0) for unit in (0, 5)]
    usual = {"fs_hz": 2048.0, "provider": "cpu", "lookahead_s": 0.0015, "drive_hz": 100.0, "drive_delay_s": 0.0815}
    return Units(decoder_sha256=sha * 16, units=rows, **usual | fields)


def spikes(pairs, valid=True):
    return Spikes(
        unit=[unit for unit, _ in pairs], spike_t=[t for _, t in pairs], spike_sample=[0 for _ in pairs],
        margin=[1.0 for _ in pairs], valid=valid,
    )  # fmt: skip


def drive(sample, t, command=0.5, valid=True, session="a"):
    return Drive(
        sample=sample, t=t, session=session, rate=[10.0, 20.0], cst=30.0, command=command, source="units",
        delay_s=0.0815, envelope=4.0, valid=valid,
    )  # fmt: skip


@pytest.fixture
def outlet(unique):
    outlet = LslOutlet(unique, "here:1")
    assert outlet.take(units())
    return outlet


def inlet_of(name, outlet):
    """An inlet that is open, so that all that follows arrives."""
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", name, 1, 10)[0])
    inlet.open_stream(10)
    assert outlet.is_on
    return inlet


def pulled(inlet, count):
    samples, stamps = [], []
    while len(stamps) < count:
        sample, stamp = inlet.pull_sample(5)
        assert stamp is not None, f"{len(stamps)} of {count} samples came"
        samples.append(sample)
        stamps.append(stamp)
    assert inlet.pull_sample(0.2)[1] is None
    return samples, stamps


def children(element, name):
    one, found = element.child(name), []
    while not one.empty():
        found.append(one)
        one = one.next_sibling(name)
    return found


def test_every_discharge_is_one_marker_at_the_time_of_its_sample(outlet, unique):
    inlet = inlet_of(f"{unique}-spikes", outlet)
    outlet.take(spikes([(5, 100.25), (0, 100.125)]))
    outlet.take(spikes([(0, 100.5)]))
    samples, stamps = pulled(inlet, 3)
    assert samples == [["unit 0"], ["unit 5"], ["unit 0"]]
    assert stamps == [100.125, 100.25, 100.5]
    assert outlet.sent.markers == 3


def test_a_discharge_that_nobody_should_act_on_is_not_called_as_others_are(outlet, unique):
    inlet = inlet_of(f"{unique}-spikes", outlet)
    for valid, t in ((True, 1.0), (False, 2.0), (True, 3.0)):
        outlet.take(spikes([(5, t), (0, t + 0.5)], valid))
    samples, _ = pulled(inlet, 6)
    assert [label for (label,) in samples] == [
        "unit 5", "unit 0", "unit 5 (not valid)", "unit 0 (not valid)", "unit 5", "unit 0",
    ]  # fmt: skip
    assert (outlet.sent.markers, outlet.sent.not_valid) == (6, 2)


def test_every_new_sample_of_the_drive_is_one_row_and_nothing_is_filled_in(outlet, unique):
    inlet = inlet_of(f"{unique}-drive", outlet)
    for message in (
        drive(20, 1.0),
        drive(41, 1.01, 0.25),
        drive(41, 1.01, 0.0, valid=False),  # stalled: the pipeline goes on by the clock, without samples
        drive(41, 1.01, 0.0, valid=False),
        drive(100, 1.04, 0.75, valid=False),  # what lay between was missed
        drive(3, 9.0, session="b"),
    ):
        outlet.take(message)
    samples, stamps = pulled(inlet, 4)
    assert stamps == [1.0, 1.01, 1.04, 9.0]
    assert [sample[0] for sample in samples] == [0.5, 0.25, 0.75, 0.5]
    assert [sample[3] for sample in samples] == [1.0, 1.0, 0.0, 1.0]
    assert samples[0][1:] == [30.0, 4.0, 1.0, 10.0, 20.0]
    assert (outlet.sent.rows, outlet.sent.repeated) == (4, 2)


def test_the_streams_describe_themselves(outlet, unique):
    infos = {name: inlet_of(f"{unique}-{name}", outlet).info() for name in ("spikes", "drive")}
    assert (infos["spikes"].type(), infos["spikes"].nominal_srate()) == ("Markers", 0.0)
    assert infos["spikes"].channel_format() == pylsl.cf_string
    assert infos["drive"].nominal_srate() == 100.0
    assert infos["drive"].channel_format() == pylsl.cf_float32
    marker = children(infos["spikes"].desc().child("channels"), "channel")[0]
    assert "(not valid)" in marker.child_value("values")
    channels = children(infos["drive"].desc().child("channels"), "channel")
    assert [channel.child_value("label") for channel in channels] == LABELS
    assert channels[1].child_value("unit") == "pulses/s"
    assert [channel.child_value("delay_s") for channel in channels[:5]] == ["0.0815", "0.0815", "0.0815", "", ""]
    for info in infos.values():
        decoder = info.desc().child("decoder")
        assert decoder.child_value("sha256") == "f00d" * 16
        told = children(decoder.child("units"), "unit")
        assert [(u.child_value("id"), u.child_value("lag_s")) for u in told] == [("0", "0.0125"), ("5", "0.0125")]
    assert infos["spikes"].source_id() != infos["drive"].source_id()


def test_a_source_id_is_that_of_pipeline_and_decoder(unique):
    ids = []
    for place, sha in (("here:1", "f00d"), ("here:1", "f00d"), ("here:2", "f00d"), ("here:1", "beef")):
        outlet = LslOutlet(unique, place)
        outlet.take(units(sha))
        ids.append(inlet_of(f"{unique}-drive", outlet).info().source_id())
        del outlet
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_the_streams_stay_for_the_same_decoder_and_are_opened_anew_for_another(outlet):
    first = outlet._drive
    assert not outlet.take(units())
    assert outlet._drive is first
    assert outlet.take(units("beef"))
    assert outlet._drive is not first


def test_before_the_unit_table_nothing_goes_out_and_that_is_counted(unique):
    outlet = LslOutlet(unique, "here:1")
    outlet.take(spikes([(0, 1.0)]))
    outlet.take(drive(1, 1.0))
    assert not outlet.is_on
    assert (outlet.sent.early, outlet.sent.markers, outlet.sent.rows) == (2, 0, 0)


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_what_is_no_name_is_refused(name, address):
    with Client(address) as client, pytest.raises(OptionError, match="no name for a stream"):
        run_outlet(client, address, name, stop=lambda: True, say=lambda line: None)
