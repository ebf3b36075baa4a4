"""From a recording to all that a decoder holds, measured as the live path will see it."""

import msgspec
import numpy as np
import pytest

from myodrive.export.decoder import write_decoder
from myodrive.models.calibration import CalibrationInput, CalibrationSettings, calibrate
from myodrive.models.extension import project
from myodrive.models.measured import lag_s, liveliest
from myodrive.models.quality import pulse_to_noise_db
from myodrive.stream.decoder_file import read_decoder
from myodrive.stream.detect import detect_reference
from myodrive.stream.errors import CalibrationError
from myodrive.stream.filter import CausalFilter
from myodrive.stream.geometry import Geometry
from myodrive.stream.pipeline import Pipeline
from myodrive.tools.commands.decode import decode

from .synthetic import FS_HZ

OFFSET = 10  # the stream has other channels before the EMG


def made_input(emg, **fields):
    channels = emg.shape[1]
    row, col = np.divmod(np.arange(channels), 4)
    usual = {"index": [OFFSET + c for c in range(channels)], "stream_channels": OFFSET + channels + 3}
    return CalibrationInput(emg, FS_HZ, Geometry(row, col, 8.0, -(-channels // 4), 4), **{**usual, **fields})


@pytest.fixture(scope="module")
def raw(easy):
    """The easy recording with the offsets of real electrodes, and two channels that are of no use."""
    emg = easy[0] + np.linspace(-300, 300, easy[0].shape[1], dtype=np.float32)
    emg[:, 6] = 42.0
    emg[5000:5200, 9] = np.nan
    first = min(train[3] for train in easy[1])  # a discharge before the filter has settled
    return np.ascontiguousarray(emg[first - 20 :])


@pytest.fixture(scope="module")
def labels(raw):
    return [f"E{c}" for c in range(raw.shape[1])]


@pytest.fixture(scope="module")
def settings(quick):
    return CalibrationSettings(search=quick, bad=(OFFSET + 9,))


@pytest.fixture(scope="module")
def found(raw, labels, settings):
    return calibrate(made_input(raw, labels=labels), settings, created_by={"program": "test"})


@pytest.fixture(scope="module")
def kept(raw):
    return [c for c in range(raw.shape[1]) if c not in (6, 9)]


@pytest.fixture(scope="module")
def filtered(found, raw, kept):
    """The EMG as the live path filters it."""
    signal = np.ascontiguousarray(raw[:, kept])
    CausalFilter(found.info.filter.sections, len(kept))(signal)
    return signal


@pytest.fixture(scope="module")
def decoder(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("calibration") / "d.onnx"
    write_decoder(path, found.info, windows=found.windows, **found.matrices)
    return read_decoder(path)


def test_the_discharges_are_those_that_decoding_the_file_reports(found, decoder, raw, kept):
    trains = decode(np.ascontiguousarray(raw[:, kept]), Pipeline(decoder, 64), 64)
    assert len(trains) == len(found.discharges) >= 4
    for unit, train in trains.items():
        np.testing.assert_array_equal(train, found.discharges[unit])
        assert len(train) == found.info.units[unit].discharges


def test_channels_of_no_use_are_left_out_and_said(found, labels, kept):
    assert found.left_out == {OFFSET + 6: "flat", OFFSET + 9: "named as bad"}
    channels = found.info.channels
    assert channels.bad == [OFFSET + 6, OFFSET + 9]
    assert channels.index == [OFFSET + c for c in kept]
    assert channels.labels == [labels[c] for c in kept]
    assert channels.row == [c // 4 for c in kept]
    assert channels.stream_channels == OFFSET + 32 + 3


def test_the_separation_vectors_reproduce_the_filters(found):
    again = found.matrices["whitening"].astype(np.float64) @ found.matrices["separation_vectors"]
    filters = found.matrices["filters"]
    assert np.abs(again - filters).max() < 1e-4 * np.abs(filters).max()


def test_the_inverse_covariance_is_that_of_the_whitening(found):
    whitening = found.matrices["whitening"].astype(np.float64)
    expected = whitening @ whitening.T
    assert np.abs(found.matrices["inverse_covariance"] - expected).max() < 1e-5 * np.abs(expected).max()


def test_units_are_described_by_what_the_live_detector_finds(found, filtered):
    info = found.info
    sources = project(filtered, found.matrices["filters"], info.extension)
    for unit, spikes in zip(info.units, found.discharges, strict=True):
        source = sources[:, unit.id]
        assert unit.spike_height == pytest.approx(source[spikes].mean(), rel=1e-4)
        assert unit.noise_height < unit.threshold < unit.spike_height == pytest.approx(1.0, abs=0.15)
        assert unit.pnr_db == pytest.approx(pulse_to_noise_db(source, spikes), abs=0.01)
        threshold = np.array([unit.threshold], np.float32)
        seen = detect_reference(source[:, None], threshold, info.detector.lookahead, info.detector.refractory)
        settled = [sample for sample, _ in seen if sample >= 0.06 * FS_HZ]
        np.testing.assert_array_equal(settled, spikes[spikes >= 0.06 * FS_HZ])


def test_the_levels_are_where_the_command_is_0_and_1(found, decoder, raw, kept):
    command = found.info.command
    assert command.rest == 0.0
    assert command.envelope_rest < command.envelope_full
    pipeline = Pipeline(decoder, 64)
    emg = np.ascontiguousarray(raw[:, kept])
    summed, envelope = [], []
    for first in range(0, len(emg), 64):
        pipeline(emg[first : first + 64], first)
        if first > FS_HZ:
            summed += pipeline.drive.due[: pipeline.drive.count, 1].tolist()
            envelope += pipeline.drive.due[: pipeline.drive.count, 2].tolist()
    assert np.mean(np.array(summed) > command.full) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(envelope) > command.envelope_full) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(envelope) < command.envelope_rest) == pytest.approx(0.05, abs=0.03)


def test_the_lookahead_and_refractory_times_are_whole_samples_of_1_and_20_ms(found):
    assert (found.info.detector.lookahead, found.info.detector.refractory) == (3, 41)


def test_the_windows_hold_the_liveliest_stretch(found, filtered):
    assert found.windows.shape == (512, found.info.extension * filtered.shape[1])
    newest = found.windows[:, : filtered.shape[1]]  # lag 0
    power = np.convolve((filtered**2).sum(axis=1), np.ones(512), "valid")
    assert (newest**2).sum() > 0.95 * power.max()


def test_who_made_it_and_how_is_kept(found, settings):
    made_by = found.info.created_by
    assert made_by["program"] == "test"
    assert made_by["method"] == "cbss"
    assert made_by["seed"] == settings.search.seed
    assert made_by["settings"] == msgspec.to_builtins(settings.search)


def test_progress_goes_up_to_1(raw, settings):
    told = []
    calibrate(made_input(raw), settings, lambda share, units: told.append((share, units)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert told[-1][1] >= 4


def test_fewer_than_four_channels_make_no_decoder(raw, settings):
    with pytest.raises(CalibrationError, match="3 of 3 channels are usable"):
        calibrate(made_input(raw[:, :3]), settings)


@pytest.mark.parametrize("seconds", [0.1, 0.9, 3.0])
def test_too_short_a_recording_makes_no_decoder_and_no_warning(raw, settings, recwarn, seconds):
    with pytest.raises(CalibrationError, match="at least"):
        calibrate(made_input(raw[: round(seconds * FS_HZ), :6]), settings)
    assert len(recwarn) == 0


def test_the_lag_of_a_planted_waveform_is_from_its_onset_to_the_spike(rng):
    onset, length, samples = 25, 20, 40_000
    spikes = np.arange(200, samples - 200, 197)
    emg = rng.normal(0.0, 0.5, (samples, 4))
    wave = np.full((length, 4), 30.0)  # energy rises evenly: 5 % of it has passed after one sample of twenty
    for spike in spikes:
        emg[spike - onset : spike - onset + length] += wave
    found = lag_s(emg.astype(np.float32), emg.var(axis=0).sum(), spikes, FS_HZ)
    assert abs(found * FS_HZ - onset) <= 1.0


def test_a_unit_that_never_fires_has_no_lag():
    assert lag_s(np.zeros((1000, 4), np.float32), 0.0, np.zeros(0, np.int64), FS_HZ) == 0.0


def test_the_liveliest_stretch_is_where_the_power_is(rng):
    emg = rng.normal(0.0, 1.0, (1000, 3)).astype(np.float32)
    emg[400:450] *= 20
    stretch = liveliest(emg, 50)
    assert (stretch.start, stretch.stop) == (400, 450)
    assert liveliest(emg, 5000) == slice(0, 1000)
