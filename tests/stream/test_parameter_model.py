"""The parameter model on an array: a number where there is one, a reason where there is none, live as of a file."""

import numpy as np
import pytest

from myodrive.stream.average import average_reference
from myodrive.stream.errors import MismatchError, ParameterModelError
from myodrive.stream.filter import CausalFilter
from myodrive.stream.geometry import Geometry
from myodrive.stream.parameter_file import parameter_file_from_bytes
from myodrive.stream.parameter_model import FEW_SPIKES, ParameterModel
from myodrive.stream.pipeline import Pipeline

FS_HZ = 2000.0
SAMPLES = 110
GRID = Geometry(np.repeat(np.arange(8), 4), np.tile(np.arange(4), 8), 8.0, 8, 4)
LINEAR = Geometry(np.arange(16), np.zeros(16, int), 5.0, 16, 1)


@pytest.fixture(scope="module")
def make(parameter_graph, planted):
    """Function that makes a model of random weights on an array."""

    def make(geometry=GRID, **graph):
        file = parameter_file_from_bytes(parameter_graph.parameter_model_bytes(**graph))
        return ParameterModel(file, FS_HZ, geometry, planted.info.filter, "monopolar")

    return make


@pytest.fixture(scope="module")
def model(make):
    return make()


@pytest.fixture
def wave():
    """A waveform, its noise variance and its good channels, 15 dB above the noise."""

    def wave(channels=32, seed=0, size=30.0, noise=4.0):
        rng = np.random.default_rng(seed)
        t = np.arange(SAMPLES) - 45.0
        delay = 3.0 * np.abs(np.arange(channels)[:, None] / 4 - 3.0)
        shape = -size * (t - delay) / 4 * np.exp(-(((t - delay) / 5) ** 2))
        noisy = (shape + rng.normal(0, np.sqrt(noise), shape.shape)).astype(np.float32)
        return noisy, np.full(channels, noise), np.ones(channels, bool)

    return wave


def test_every_reported_parameter_has_a_value_and_a_deviation(model, wave):
    found = model.estimate(*wave(), 50)
    assert found.reason is None
    assert list(found.values) == list(found.sds) == model.reported
    assert all(np.isfinite(value) for value in found.values.values())
    assert all(sd > 0 for sd in found.sds.values())
    assert 5 < found.snr_db < 30


def test_estimates_are_those_of_the_raw_outputs(model, wave):
    some = [wave(seed=seed, size=20.0 + seed) for seed in range(130)]
    waveforms, noise, good = (np.stack(column) for column in zip(*some, strict=True))
    mean, sd = model.means_and_sds(waveforms, noise, good)
    assert mean.shape == sd.shape == (130, len(model.names))
    for i in (0, 63, 64, 129):
        found = model.estimate(*some[i], 50)
        for name in model.reported:
            assert found.values[name] == pytest.approx(mean[i, model.names.index(name)], rel=1e-5)
            assert found.sds[name] == pytest.approx(sd[i, model.names.index(name)], rel=1e-5)
    one_mask = model.means_and_sds(waveforms, noise, good[0])
    assert one_mask[0].tobytes() == mean.tobytes()
    assert model.means_and_sds(waveforms[:0], noise[:0], good[:0])[0].shape == (0, len(model.names))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_what_a_bad_channel_holds_does_not_matter(model, wave, value):
    waveform, noise, good = wave()
    good[[3, 17]] = False
    clean = model.estimate(waveform, noise, good, 50)
    waveform[3], noise[17] = value, value
    assert model.estimate(waveform, noise, good, 50) == clean
    assert clean != model.estimate(*wave(), 50)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_channels_that_are_no_numbers_are_left_out(model, wave, value):
    waveform, noise, good = wave()
    waveform[5, 7], noise[9] = value, value
    known = model.estimate(waveform, noise, good, 50)
    good[[5, 9]] = False
    assert known == model.estimate(waveform, noise, good, 50)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda w, n, g: (w, n, g, 19), FEW_SPIKES),
        (lambda w, n, g: (w, n, g, 0), FEW_SPIKES),
        (lambda w, n, g: (w, n, ~g, 50), "all channels are bad"),
        (lambda w, n, g: (w, np.full_like(n, np.nan), g, 50), "the noise of the average is not known yet"),
        (lambda w, n, g: (w, n, g & (GRID.row < 4), 50), "fewer than 5 good electrodes in a column"),
        (lambda w, n, g: (w, 1000 * n, g, 50), "more noise than the model was trained for (-5 dB)"),
        (lambda w, n, g: (0 * w, n, g, 50), "more noise than the model was trained for (-5 dB)"),
        (lambda w, n, g: (0 * w, 0 * n, g, 50), "more noise than the model was trained for (-5 dB)"),
    ],
)
def test_where_nothing_can_be_said_there_is_no_number_but_the_reason(model, wave, spoil, reason):
    found = model.estimate(*spoil(*wave()))
    assert found.reason == reason
    assert list(found.values) == model.reported
    assert not any(value is not None for one in (found.values, found.sds) for value in one.values())
    assert found.snr_db is None or np.isfinite(found.snr_db)


def test_a_hole_in_a_column_does_not_end_it(model, wave):
    waveform, noise, good = wave()
    assert model.estimate(waveform, noise, good & (GRID.row != 4), 50).reason is None


@pytest.mark.parametrize("change", [{"shift": {"depth_mm": np.nan}}, {"sd_shift": {"iz_mm": -10.0}}])
def test_an_answer_that_is_no_number_is_none(make, wave, change):
    found = make(**change).estimate(*wave(), 50)
    assert found.reason == "the model's answer is no number"
    assert set(found.values.values()) == {None}


def test_a_value_beyond_what_was_trained_is_left_out_alone(make, model, wave):
    clean = model.estimate(*wave(), 50)
    found = make(shift={"cv_m_s": 20.0}).estimate(*wave(), 50)
    assert found.values.pop("cv_m_s") is found.sds.pop("cv_m_s") is None
    assert found.reason == "beyond what the model was trained for: cv_m_s"
    del clean.values["cv_m_s"], clean.sds["cv_m_s"]
    assert (found.values, found.sds) == (clean.values, clean.sds)


def test_a_value_beyond_by_less_than_its_deviation_is_told(make, wave):
    far = make(shift={"cv_m_s": 20.0}, sd_shift={"cv_m_s": 20.0}).estimate(*wave(), 50)
    assert far.values["cv_m_s"] > 20
    assert far.reason is None


@pytest.mark.parametrize(("beyond_mm", "told"), [(-1.0, True), (1.0, False)])
def test_an_innervation_zone_off_the_array_is_left_out_alone(make, model, wave, beyond_mm, told):
    clean = model.estimate(*wave(), 50)
    edge = np.abs(model._place[:, 0]).max() + model._geometry.ied_mm
    found = make(shift={"iz_mm": float(edge + beyond_mm - clean.values["iz_mm"])}).estimate(*wave(), 50)
    assert (found.values["iz_mm"] is not None) == told
    assert found.values["cv_m_s"] == clean.values["cv_m_s"]
    assert found.reason == (None if told else "the innervation zone lies off the array")


def test_a_linear_array_knows_no_depth(make, wave):
    found = make(LINEAR).estimate(*wave(16), 50)
    assert found.values["depth_mm"] is found.values["lateral_mm"] is found.sds["depth_mm"] is None
    assert found.values["iz_mm"] is not None
    assert found.reason == "fewer than 3 columns: depth_mm, lateral_mm"


def test_columns_that_are_bad_do_not_count(model, wave):
    waveform, noise, good = wave()
    found = model.estimate(waveform, noise, good & (GRID.col < 2), 50)
    assert found.values["depth_mm"] is None
    assert found.values["cv_m_s"] is not None


def test_less_noise_than_was_trained_counts_as_the_least_that_was(model, wave):
    waveform, _, good = wave(noise=1e-4)
    quiet = model.estimate(waveform, np.full(32, 1e-4), good, 50)
    silent = model.estimate(waveform, np.zeros(32), good, 50)
    assert quiet.reason is silent.reason is None
    assert silent.snr_db is None  # no number, and JSON has no infinity
    assert quiet.sds["iz_mm"] == pytest.approx(silent.sds["iz_mm"], rel=1e-3)
    assert quiet.sds["iz_mm"] < model.estimate(waveform, np.full(32, 4.0), good, 50).sds["iz_mm"]


def test_waveforms_of_another_size_are_refused(model, wave):
    waveform, noise, good = wave()
    with pytest.raises(ValueError, match="expected"):
        model.means_and_sds(waveform[None, :, :-1], noise[None], good)


def test_an_array_that_does_not_fit_is_refused(make):
    with pytest.raises(MismatchError, match="20 mm apart"):
        make(Geometry(GRID.row, GRID.col, 20.0, 8, 4))


def test_a_graph_with_other_outputs_is_refused(make):
    with pytest.raises(ParameterModelError, match="spread_of_it"):
        make(outputs=("mean", "spread_of_it"))


def test_a_graph_that_cannot_run_is_refused(make, parameter_graph):
    for metadata, words in (
        ({"frequencies_hz": [50.0, 100.0]}, "cannot be run"),
        ({"names": [*parameter_graph.NAMES, "one_more"]}, "names 15 parameters and gives"),
    ):
        with pytest.raises(ParameterModelError, match=words) as raised:
            make(metadata=metadata)
        assert "\n" not in str(raised.value)


# live and file


def test_live_and_file_estimates_of_the_same_discharges_are_equal(planted_model, planted, decode_all):
    info, model = planted.info, planted_model
    pipeline = Pipeline(planted.decoder, 8)
    spikes, _, _ = decode_all(pipeline, planted.emg, 8)
    averager = pipeline.averager
    good = np.ones(averager.shape[2], bool)
    filtered = planted.emg.copy()
    CausalFilter(info.filter.sections, filtered.shape[1])(filtered)
    for unit in range(len(info.units)):
        live = model.estimate(averager.waveform(unit), averager.noise(unit), good, int(averager.added[unit]))
        train = [s for s, u in spikes if u == unit and s >= averager.before and s + averager.after <= len(filtered)]
        windows = np.stack([filtered[s - averager.before : s + averager.after] for s in train])
        mean, variance, concentration = average_reference(windows, averager.memory)
        noise = variance * concentration / (1 - concentration)
        offline = model.estimate(np.ascontiguousarray(mean.T, np.float32), noise, good, len(train))
        assert len(train) == averager.added[unit] > 50
        assert live.reason == offline.reason == "fewer than 3 columns: depth_mm, lateral_mm"
        for name in ("iz_mm", "cv_m_s", "size_fibres"):
            assert live.values[name] == pytest.approx(offline.values[name], rel=1e-4)
            assert live.sds[name] == pytest.approx(offline.sds[name], rel=1e-3)


def test_any_hop_gives_the_same_estimates_to_the_bit(planted_model, planted, decode_all):
    model = planted_model
    found = []
    for hop in (8, 1, 61):
        pipeline = Pipeline(planted.decoder, hop)
        decode_all(pipeline, planted.emg, hop, {5003: 700})
        averager = pipeline.averager
        good = pipeline.drive.good
        found.append([model.estimate(averager.waveform(u), averager.noise(u), good, 50) for u in range(3)])
    assert found[0] == found[1] == found[2]
