"""Files of every format, made here from what the formats' makers publish, and a recording to be written and read."""

import io
import struct
import tarfile

import numpy as np

from myodrive.stream.geometry import Geometry
from myodrive.tools.recording import Recording

FS_HZ = 512.0


def make_recording(samples=1200, seed=3, **fields):
    """Six channels of a 4x2 grid with two places free, of every size a sample may have."""
    rng = np.random.default_rng(seed)
    emg = (rng.normal(size=(samples, 6)) * 10.0 ** rng.uniform(-3, 3, 6)).astype(np.float32)
    row, col = np.array([1, 2, 3, 0, 1, 3]), np.array([0, 0, 0, 1, 1, 1])
    whole = {
        "emg": emg,
        "fs_hz": FS_HZ,
        "geometry": Geometry(row, col, 8.0, 4, 2),
        "muscle": "vastus lateralis",
        "source": "made by a test",
        "license": "CC0-1.0",
        "force": np.linspace(0, 27, samples, dtype=np.float32),
        "force_unit": "%MVC",
        "units": {0: np.array([3, 400, 1199]), 1: np.array([0, 511])},
    }
    return Recording(**(whole | fields))


def same(one, other, emg=True):
    """Whether two recordings hold the same, bit for bit."""
    assert not emg or one.emg.tobytes() == other.emg.tobytes()
    assert (one.fs_hz, one.muscle, one.license, one.montage) == (
        other.fs_hz,
        other.muscle,
        other.license,
        other.montage,
    )
    for name in ("row", "col"):
        assert getattr(one.geometry, name).tolist() == getattr(other.geometry, name).tolist()
    for name in ("ied_mm", "grid_rows", "grid_cols"):
        assert getattr(one.geometry, name) == getattr(other.geometry, name)
    assert {unit: list(train) for unit, train in one.units.items()} == {
        unit: list(train) for unit, train in other.units.items()
    }
    assert (one.labels, one.force_unit) == (other.labels, other.force_unit)
    return True


# --- XDF --------------------------------------------------------------------------------------------------------------


def chunk(tag, content):
    """One chunk of an XDF file."""
    return b"\x04" + struct.pack("<I", len(content) + 2) + struct.pack("<H", tag) + content


def xdf_header(number, name="emg", kind="EMG", channels=4, rate=FS_HZ, form="float32", desc=""):
    """The header of a stream."""
    xml = (
        f"<?xml version='1.0'?><info><name>{name}</name><type>{kind}</type><channel_count>{channels}</channel_count>"
        f"<nominal_srate>{rate}</nominal_srate><channel_format>{form}</channel_format><source_id>x</source_id>"
        f"<desc>{desc}</desc></info>"
    )
    return chunk(2, struct.pack("<I", number) + xml.encode())


def xdf_channels(channels=4, unit="microvolts", kind="EMG", across=8.0, places=True, label="G{}"):
    """The description of channels, in one column where they have places."""
    entries = []
    for channel in range(channels):
        place = f"<location><X>{across}</X><Y>0</Y><Z>{8.0 * channel}</Z></location>" if places else ""
        name = f"<label>{label.format(channel)}</label>"
        entries.append(f"<channel>{name}<type>{kind}</type><unit>{unit}</unit>{place}</channel>")
    return f"<channels>{''.join(entries)}</channels>"


def xdf_samples(number, values, stamps, form="<f4"):
    """Samples, each with its stamp; NaN is none."""
    body = b"".join(
        (b"\0" if np.isnan(stamp) else b"\x08" + struct.pack("<d", stamp)) + row.astype(form).tobytes()
        for row, stamp in zip(values, stamps, strict=True)
    )
    return chunk(3, struct.pack("<I", number) + b"\x04" + struct.pack("<I", len(values)) + body)


def xdf_marks(number, marks, name="cues"):
    """A stream of markers: pairs of a stamp and a text."""
    head = xdf_header(number, name, "Markers", 1, 0, "string")
    body = b"".join(
        b"\x08" + struct.pack("<d", stamp) + b"\x04" + struct.pack("<I", len(text.encode())) + text.encode()
        for stamp, text in marks
    )
    return head + chunk(3, struct.pack("<I", number) + b"\x04" + struct.pack("<I", len(marks)) + body)


def xdf_offset(number, when, value):
    """A clock offset."""
    return chunk(4, struct.pack("<I", number) + struct.pack("<dd", when, value))


def xdf_file(*chunks):
    """A whole file."""
    return b"XDF:" + chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>") + b"".join(chunks)


def xdf_of(values, stamps=None, number=1, offset=0.0, **header):
    """A file of one stream in chunks of 32 samples."""
    stamps = 100.0 + np.arange(len(values)) / FS_HZ if stamps is None else stamps
    header = {"channels": values.shape[1], "desc": xdf_channels(values.shape[1])} | header
    parts = [xdf_samples(number, values[n : n + 32], stamps[n : n + 32]) for n in range(0, len(values), 32)]
    clocks = [xdf_offset(number, when, offset) for when in np.arange(stamps[0], stamps[-1] + 1, 1.0)]
    return xdf_file(xdf_header(number, **header), *clocks[:1], *parts, *clocks[1:])


# --- OTB --------------------------------------------------------------------------------------------------------------


def tar_of(files):
    """A tar archive of names and bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def otb_plus_xml(adapters, device="QUATTROCENTO;1", bits=16, total=None, fs=2048):
    """The description beside a signal; adapters are (ID, gain, first channel, channel ID, muscle, channels)."""
    parts = []
    for adapter, gain, first, label, muscle, count in adapters:
        channels = "".join(f'<Channel Index="{n}" ID="{label}" Muscle="{muscle}" Gain="1"/>' for n in range(count))
        parts.append(f'<Adapter ID="{adapter}" Gain="{gain}" ChannelStartIndex="{first}">{channels}</Adapter>')
    total = sum(adapter[5] for adapter in adapters) if total is None else total
    return (
        f'<?xml version="1.0" encoding="utf-8"?><Device Name="{device}" SampleFrequency="{fs}" ad_bits="{bits}" '
        f'DeviceTotalChannels="{total}"><Channels>{"".join(parts)}</Channels></Device>'
    ).encode()


def otb_plus(counts, adapters, **more):
    """An OTB+ file of whole numbers, shape (samples, channels)."""
    width = more.get("bits", 16) // 8
    raw = counts.astype("<i4").view(np.uint8).reshape(*counts.shape, 4)[:, :, :width].tobytes()
    name = "20240101120000"
    return tar_of({f"{name}.sig": raw, f"{name}.xml": otb_plus_xml(adapters, **more), "patient.xml": b"<p/>"})


def otb4(streams, tracks):
    """An OTB4 file: streams by name, tracks as dictionaries of their fields."""
    entries = "".join(
        "<TrackInfo>" + "".join(f"<{key}>{value}</{key}>" for key, value in track.items()) + "</TrackInfo>"
        for track in tracks
    )
    xml = f'<?xml version="1.0"?><ArrayOfTrackInfo>{entries}</ArrayOfTrackInfo>'.encode()
    return tar_of({"Tracks_000.xml": xml, **streams})


# --- EDF --------------------------------------------------------------------------------------------------------------


def edf_of(signals, records, record_s=1, kind="", labels=None, unit="uV", physical=(-1000, 1000)):
    """A 16-bit EDF file; signals are whole numbers of shape (records, samples a record), annotations bytes of each."""
    labels = labels or [f"EMG {n + 1}" for n in range(len(signals))]
    counts = [len(signal[0]) // (1 if isinstance(signal, np.ndarray) else 2) for signal in signals]

    def column(values, width):
        return b"".join(str(value).encode().ljust(width) for value in values)

    count = len(signals)
    head = b"0".ljust(8) + b"X".ljust(80) + b"X".ljust(80) + b"01.01.8500.00.00"
    head += str(256 * (count + 1)).encode().ljust(8) + kind.encode().ljust(44)
    head += str(records).encode().ljust(8) + str(record_s).encode().ljust(8) + str(count).encode().ljust(4)
    head += column(labels, 16) + column([""] * count, 80) + column([unit] * count, 8)
    head += column([physical[0]] * count, 8) + column([physical[1]] * count, 8)
    head += column([-32768] * count, 8) + column([32767] * count, 8)
    head += column([""] * count, 80) + column(counts, 8) + column([""] * count, 32)
    body = b"".join(
        b"".join(s[r].astype("<i2").tobytes() if isinstance(s, np.ndarray) else s[r] for s in signals)
        for r in range(abs(records))
    )
    return head + body
