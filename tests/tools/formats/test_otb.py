"""OTB+ and OTB4, made as the maker's own scripts read them: scale, arrays, grids and force."""

import numpy as np
import pytest

from myodrive.stream.errors import RecordingError
from myodrive.tools.formats.reading import read_any
from myodrive.tools.formats.wanted import Wanted
from myodrive.tools.grids import grid

from .made_files import otb4, otb_plus, tar_of

GR08 = ("General", 150, 0, "GR08MM1305", "Vastus lateralis", 64)
CONTROL = ("AdapterControl", 1, 64, "Buffer", "Not defined", 1)


def counts(channels, samples=2100, seed=0, bits=16):
    return np.random.default_rng(seed).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (samples, channels))


def read(path, content, **wanted):
    path.write_bytes(content)
    return read_any(path, Wanted(**wanted))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "session.otb+"


def test_a_quattrocento_recording_is_scaled_placed_and_named(path):
    numbers = counts(65)
    found = read(path, otb_plus(numbers, [GR08, CONTROL]))
    expected = numbers[:, :64] * (5.0 / 2**16 / 150 * 1e6)
    assert np.array_equal(found.emg, expected.astype(np.float32))
    assert 5.0 / 2**16 / 150 * 1e6 == pytest.approx(0.50863, abs=1e-5)  # the constant of the maker's script
    assert found.fs_hz == 2048.0
    assert found.geometry.row.tolist() == grid("GR08MM1305").row.tolist()
    assert found.muscle == "Vastus lateralis"
    assert "QUATTROCENTO" in found.source


@pytest.mark.parametrize(
    ("device", "bits", "gain", "uv"),
    [
        ("QUATTROCENTO", 16, 1, 0.50863),
        ("QUATTRO+", 16, 1, 0.24928),
        ("DUE+", 16, 1, 0.24928),
        ("DUE", 16, 1, 0.38147),
        ("SESSANTAQUATTRO", 16, 1, 0.28610),
        ("MUOVI+", 16, 256, 0.28610),
        ("SESSANTAQUATTRO+", 24, 1, 0.28610),
        ("QUATTROCENTO", 16, 300, 0.254315),
    ],
)
def test_every_device_has_the_scale_of_the_makers_script(path, device, bits, gain, uv):
    numbers = counts(32, bits=bits)
    array = ("General", gain, 0, "GR10MM0804", "TA", 32)
    found = read(path, otb_plus(numbers, [array], device=device, bits=bits))
    ratio = found.emg.astype(np.float64) / np.where(numbers == 0, 1, numbers)
    assert np.median(ratio) == pytest.approx(uv, rel=3e-5)
    assert np.array_equal(found.emg == 0, numbers == 0)


def test_a_device_nobody_described_is_refused_by_its_name(path):
    with pytest.raises(RecordingError, match="FUTURA"):
        read(path, otb_plus(counts(65), [GR08, CONTROL], device="FUTURA"))


def test_of_two_arrays_one_must_be_named(path):
    arrays = [GR08, ("General", 150, 64, "HD04MM1305", "Vastus medialis", 64)]
    numbers = counts(128)
    with pytest.raises(RecordingError, match=r"Vastus lateralis.*Vastus medialis.*--part"):
        read(path, otb_plus(numbers, arrays))
    found = read(path, otb_plus(numbers, arrays), part="medialis")
    assert found.geometry.ied_mm == 4.0
    assert np.array_equal(np.sign(found.emg), np.sign(numbers[:, 64:]))


def test_a_grid_that_comes_through_four_connectors_is_one_array(path):
    arrays = [("Splitter", 150, 16 * n, "GR08MM1305", "VL", 16) for n in range(4)]
    assert read(path, otb_plus(counts(64), arrays)).geometry.grid_rows == 13


def test_two_grids_of_one_kind_on_one_muscle_are_two_arrays(path):
    arrays = [GR08, ("General", 150, 64, "GR08MM1305", "Vastus lateralis", 64)]
    with pytest.raises(RecordingError, match="2 arrays"):
        read(path, otb_plus(counts(128), arrays))


def test_a_load_cell_becomes_the_force_and_another_channel_on_demand(path):
    arrays = [
        GR08,
        ("AdapterLoadCell", 1, 64, "LoadCellChannel", "", 1),
        ("Direct connection", 0.5, 65, "AUX 1", "", 1),
    ]
    numbers = counts(66)
    found = read(path, otb_plus(numbers, arrays))
    assert found.emg.shape[1] == 64
    assert np.allclose(found.force, numbers[:, 64] * (5.0 / 2**16 / 205), rtol=1e-6)
    assert found.force_unit == "V"


def test_channels_may_be_listed_in_any_order(path):
    arrays = [CONTROL, *(("Splitter", 150, 16 * n, "GR08MM1305", "VL", 16) for n in (3, 1, 0, 2))]
    numbers = counts(65)
    found = read(path, otb_plus(numbers, arrays))
    assert np.array_equal(np.sign(found.emg), np.sign(numbers[:, :64]))


def test_a_signal_that_is_no_whole_number_of_samples_is_refused(path):
    with pytest.raises(RecordingError, match="no whole number"):
        read(path, otb_plus(counts(64), [GR08], total=65))


def test_an_unknown_grid_needs_a_name(path):
    content = otb_plus(counts(64), [("General", 150, 0, "XX99MM0000", "VL", 64)])
    with pytest.raises(RecordingError, match="--grid"):
        read(path, content)
    assert read(path, content, grid="GR08MM1305").geometry.ied_mm == 8.0


TRACK = {
    "Device": "Sessantaquattro+;1",
    "Title": "MULTIPLE IN 1",
    "SubTitle": "HD08MM1305",
    "Gain": 256,
    "ADC_Nbits": 16,
    "ADC_Range": 4.8,
    "SamplingFrequency": 2000,
    "SignalStreamPath": "a.sig",
    "NumberOfChannels": 64,
    "AcquisitionChannel": 0,
    "UnitOfMeasurement": "mV",
    "UnitOfMeasurementFactor": 1000,
}
FORCE = TRACK | {"Title": "Load Cell", "SubTitle": "Load Cell", "NumberOfChannels": 1, "AcquisitionChannel": 64}


@pytest.mark.parametrize(("width", "stated"), [(2, False), (2, True), (3, True), (4, True)])
def test_an_otb4_recording_is_scaled_placed_and_has_its_force(tmp_path, width, stated):
    bits = 8 * width
    numbers = counts(65, bits=min(bits, 32) - (bits == 32))
    raw = numbers.astype("<i4").view(np.uint8).reshape(*numbers.shape, 4)[:, :, :width].tobytes()
    more = {"SampleSize": width, "TotalChannelsInFile": 65, "ADC_Nbits": bits} if stated else {}
    found = read(tmp_path / "s.otb4", otb4({"a.sig": raw}, [TRACK | more, FORCE | more]))
    assert np.array_equal(found.emg, (numbers[:, :64] * (4.8 / 2**bits / 256 * 1e6)).astype(np.float32))
    assert np.allclose(found.force, numbers[:, 64] * (4.8 / 2**bits / 256), rtol=1e-6)
    assert found.geometry.col.tolist() == grid("HD08MM1305").col.tolist()
    assert found.fs_hz == 2000.0


def test_streams_of_a_novecento_are_32_bits_wide(tmp_path):
    novecento = {"Device": "Novecento+", "ADC_Nbits": 24}
    one, other = counts(64, bits=24), counts(64, bits=24, seed=1)
    streams = {"a.sig": one.astype("<i4").tobytes(), "b.sig": other.astype("<i4").tobytes()}
    tracks = [TRACK | novecento, TRACK | novecento | {"SignalStreamPath": "b.sig", "SubTitle": "GR10MM0808"}]
    found = read(tmp_path / "s.otb4", otb4(streams, tracks), part="GR10MM0808")
    assert np.array_equal(np.sign(found.emg), np.sign(other))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SignalStreamPath": "missing.sig"}, "missing.sig"),
        ({"NumberOfChannels": 66}, "channels 0 to 65"),
        ({"AcquisitionChannel": -1}, "channels"),
        ({"SamplingFrequency": "fast"}, "sampling rate"),
        ({"SampleSize": 5}, "5 bytes"),
        ({"ADC_Range": "NaN"}, "ADC_Range"),
        ({"Title": "Control signal"}, "no EMG"),
        ({"IsProcessing": "true"}, "no EMG"),
    ],
)
def test_tracks_that_contradict_their_file_are_refused(tmp_path, change, said):
    raw = counts(65).astype("<i2").tobytes()
    with pytest.raises(RecordingError) as caught:
        read(tmp_path / "s.otb4", otb4({"a.sig": raw}, [TRACK | {"TotalChannelsInFile": 65} | change]))
    assert said in str(caught.value)


def test_a_path_in_an_archive_leads_nowhere(tmp_path):
    """What an archive names is looked up among its own files and nowhere else."""
    (tmp_path / "secret.sig").write_bytes(bytes(64 * 2 * 2100))
    for name in ("../secret.sig", str(tmp_path / "secret.sig")):
        with pytest.raises(RecordingError, match="lacks"):
            read(tmp_path / "s.otb4", otb4({"a.sig": b""}, [TRACK | {"SignalStreamPath": name}]))


def test_an_archive_of_something_else_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="without signals"):
        read(tmp_path / "x.otb+", tar_of({"readme.txt": b"hello"}))


def test_entities_are_refused(path):
    xml = b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Device Name="&x;"/>'
    with pytest.raises(RecordingError, match="document type"):
        read(path, tar_of({"a.sig": bytes(100), "a.xml": xml}))


def test_a_link_in_an_archive_is_not_followed(tmp_path):
    import io
    import tarfile

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("a.sig")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
        xml = otb_plus_description = (
            b'<Device Name="QUATTRO" SampleFrequency="1" ad_bits="16" DeviceTotalChannels="1"/>'
        )
        entry = tarfile.TarInfo("a.xml")
        entry.size = len(otb_plus_description)
        archive.addfile(entry, io.BytesIO(xml))
    with pytest.raises(RecordingError, match="without signals"):
        read(tmp_path / "a.otb+", out.getvalue())
