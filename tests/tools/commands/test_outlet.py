"""`myodrive outlet` and `run --lsl`: LabRecorder records the streams beside the EMG, and the file tells one story."""

import importlib.util
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pylsl
import pytest
import pyxdf

from myodrive.stream.decoder_file import read_decoder
from myodrive.stream.messages import Drive, Spikes, Units
from myodrive.tools.events import read_events, read_marks
from myodrive.tools.keys import make_server
from myodrive.tools.subscriber import Subscriber

STATUS = msgspec.msgpack.encode({"do": "status"})
RECORDER = Path(__file__).parents[1] / "lab_recorder.py"
SETTLED_S = 1.0  # the file begins in the middle of what the pipeline hears: filters and guard need a while
RECORDED_BYTES = 1_000_000  # 24 channels at 2048 Hz are 0.2 MB a second


@pytest.fixture
def live(process, unique, decoder_path, muscle_path, address, control, until):
    """Start a pipeline with options, and an amplifier; give the pipeline once it is live."""

    def start(*options):
        pipeline = process(
            "run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--params", "none", "--quiet",
            *options,
        )  # fmt: skip
        process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")
        assert until(lambda: (found := control(address, STATUS)) and found["status"]["state"] == "live", 60)
        return pipeline

    return start


@pytest.fixture
def record(unique, tmp_path, until):
    """Record the EMG, the markers and the drive with LabRecorder's code; the file."""
    if importlib.util.find_spec("labrecorder") is None:  # not imported here: it brings a liblsl of its own
        pytest.skip('labrecorder is not there: pip install ".[dev]" with Python 3.11 or 3.12, on Linux or Windows')
    quiet = tmp_path / "lsl_api.cfg"
    quiet.write_text("[log]\nlevel = -3\n")

    def run():
        file = tmp_path / "session.xdf"
        recorder = subprocess.Popen(
            [sys.executable, str(RECORDER), str(file), unique, f"{unique}-spikes", f"{unique}-drive"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "LSLAPICFG": str(quiet)},
        )  # fmt: skip
        try:
            assert until(lambda: file.exists() and file.stat().st_size > RECORDED_BYTES, 60)
            recorder.stdin.close()
            assert recorder.wait(30) == 0
        finally:
            recorder.kill()
            recorder.wait()
        return file

    return run


def test_a_file_of_labrecorder_aligns_with_our_events_to_one_sample(
    live, record, address, unique, muscle, decoder_path, tmp_path, myodrive
):
    live("--lsl")
    heard = []
    with closing(Subscriber(address, ("spikes/", "drive/", "units/"))) as subscriber:
        file = record()
        heard += [message for _, message in subscriber.waiting()]
        assert not sum(subscriber.missed.values())

    streams, _ = pyxdf.load_xdf(
        str(file), synchronize_clocks=False, dejitter_timestamps=False
    )  # one machine, one clock
    emg, markers, drive = (
        next(s for s in streams if s["info"]["name"][0] == unique + tail) for tail in ("", "-spikes", "-drive")
    )
    stamps = emg["time_stamps"]
    period = 1.0 / muscle.fs_hz
    assert len(stamps) > 3 * muscle.fs_hz

    # the markers are our messages, to the bit
    labels = [text for (text,) in markers["time_series"]]
    told = sorted(zip(markers["time_stamps"].tolist(), labels, strict=True))
    said = sorted(
        (t, f"unit {unit}" if m.valid else f"unit {unit} (not valid)")
        for m in heard if isinstance(m, Spikes) for t, unit in zip(m.spike_t, m.unit, strict=True)
    )  # fmt: skip
    assert len(told) > 50
    assert told == [pair for pair in said if told[0] <= pair <= told[-1]]
    found = [(t, int(label.split()[1])) for t, label in told]

    # and so is the drive
    rows = {m.t: [m.command, m.cst, m.envelope, float(m.valid), *m.rate] for m in heard if isinstance(m, Drive)}
    assert len(drive["time_stamps"]) > 250
    for t, row in zip(drive["time_stamps"], drive["time_series"], strict=True):
        np.testing.assert_allclose(row, rows[t], rtol=1e-6)
    assert np.diff(drive["time_stamps"]).min() > 0

    # every marker lies on a sample of the EMG, and `decode` finds the same ones in it
    times = np.array([t for t, _ in found])
    inside = (times > stamps[0]) & (times < stamps[-1])
    nearest = np.searchsorted(stamps, times - period / 2)
    assert np.abs(stamps[nearest[inside]] - times[inside]).max() < period / 2
    events = tmp_path / "events.tsv"
    decoded = myodrive("decode", file, "--decoder", decoder_path, "-o", events)
    assert decoded.code == 0
    assert f'"{unique}-spikes"' in decoded.err  # what a pipeline found live is no marker of the person's
    assert read_marks(events, muscle.fs_hz) == []
    lookahead = read_decoder(decoder_path).info.detector.lookahead
    first, last = round(SETTLED_S * muscle.fs_hz), len(stamps) - lookahead - 2
    compared = 0
    for unit, train in read_events(events).units.items():
        ours = np.array([i for i, (_, u), good in zip(nearest, found, inside, strict=True) if good and u == unit])
        begin, end = max(first, ours.min()), min(last, ours.max())  # where all three streams were recorded
        ours, decoded = (one[(one >= begin) & (one <= end)] for one in (ours, train))
        assert len(ours) == len(decoded)
        assert np.abs(ours - decoded).max() <= 1
        compared += len(ours)
    assert compared > 40

    # the description says what is in them
    told = next(m for m in heard if isinstance(m, Units))
    decoder = drive["info"]["desc"][0]["decoder"][0]
    assert decoder["sha256"] == [told.decoder_sha256]
    assert float(decoder["drive_delay_s"][0]) == pytest.approx(told.drive_delay_s, rel=1e-4)
    assert float(drive["info"]["nominal_srate"][0]) == told.drive_hz == 100.0


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param("kill", id="kill")])
def test_the_streams_go_with_the_pipeline_however_it_ends(live, unique, until, number):
    pipeline = live("--lsl")

    def there():
        return pylsl.resolve_byprop("name", f"{unique}-drive", 1, 1)

    assert until(there)
    if number == "kill":
        pipeline.kill()
    else:
        pipeline.send_signal(number)
    pipeline.wait(20)
    assert until(lambda: not there())


def test_the_streams_are_there_with_curve_too(process, unique, decoder_path, address, until, tmp_path):
    make_server(tmp_path / "keys")
    process(
        "run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--params", "none", "--quiet",
        "--lsl", "--curve", tmp_path / "keys",
    )  # fmt: skip
    assert until(lambda: pylsl.resolve_byprop("name", f"{unique}-drive", 1, 1), 60)  # before there is any EMG


def test_it_says_what_went_out(live, process, unique, address, until):
    live()
    outlet = process("outlet", "--connect", address, "--name", f"{unique}-mine", "--json")
    line = outlet.stderr.readline().decode()
    assert f'"{unique}-mine-spikes"' in line
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", f"{unique}-mine-drive", 1, 10)[0])
    assert until(lambda: inlet.pull_sample(1.0)[1])
    outlet.send_signal(signal.SIGTERM)
    out, _ = outlet.communicate(timeout=20)
    assert outlet.returncode == 0
    told = msgspec.json.decode(out)
    assert told["rows"] > 0
    assert told["missed"] == 0


def test_it_ends_with_standard_input(process, address):
    outlet = process("outlet", "--connect", address, "--with-stdin", stdin=subprocess.PIPE)
    outlet.stdin.close()
    outlet.stdin = None
    assert outlet.wait(20) == 0


def test_what_is_no_address_is_refused(myodrive):
    assert myodrive("outlet", "--connect", "nonsense").refused("cannot be connected to")
