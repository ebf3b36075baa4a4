"""A decoder by inversion: what it finds live, where it says that the units lie, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")

from myodrive.export.decoder import write_decoder
from myodrive.models.bmiss import described
from myodrive.models.bmiss.calibration import INVERSION, BmissCalibrationSettings, calibrate
from myodrive.models.bmiss.muscle_model import MuscleModelError
from myodrive.models.bmiss.table_of_conductor import lead_fields_of
from myodrive.models.calibration import CalibrationSettings
from myodrive.models.forward.planar_layers import PlanarLayers
from myodrive.models.inversion.inverter import Inverted
from myodrive.models.matching import assign
from myodrive.models.recorded import CalibrationInput
from myodrive.models.separation import SearchSettings
from myodrive.stream.decoder_file import SCHEMA_WITH_CANCELLATION, read_decoder
from myodrive.stream.errors import CalibrationError
from myodrive.stream.pipeline import Pipeline
from myodrive.tools.bench_bmiss_world import Settings, make_world
from myodrive.tools.commands.decode import decode

FAT_AND_SKIN_MM = 3.0  # of the simulated muscle: its depths count from the electrodes, a decoder's from the muscle
QUICK = BmissCalibrationSettings(
    inversion=replace(
        INVERSION, rounds=1, proposals=100, candidates=10, looked_at=50, refinements=2, restarts=1, polish=1
    )
)
FEW_STARTS = replace(QUICK, common=CalibrationSettings(search=SearchSettings(rounds=1, starts=8, iterations=3)))


def source_of(world, emg=None, channels=None, **fields):
    emg = world.raw if emg is None else emg
    index = np.arange(len(world.geometry)) if channels is None else channels
    geometry = world.geometry.select(index)
    usual = {"geometry": geometry, "index": index.tolist(), "stream_channels": len(world.geometry)}
    return CalibrationInput(np.ascontiguousarray(emg[:, index]), world.fs_hz, **{**usual, **fields})


@pytest.fixture(scope="module")
def world():
    """Six units under 8 x 5 electrodes for 6.5 s, layers of fat and skin above them, 20 dB of noise."""
    return make_world(Settings("8x5", snr_db=20.0, generator="fat 2 mm", seed=1, units=6, seconds=6.5))


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def found(world, told):
    progress = lambda share, units: told.append((share, units))  # noqa: E731
    return calibrate(source_of(world), QUICK, progress, created_by={"program": "test"})


@pytest.fixture(scope="module")
def decoder(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("bmiss") / "d.onnx"
    write_decoder(
        path, found.info, windows=found.windows, responses=found.responses, waveforms=found.waveforms, **found.matrices
    )
    return read_decoder(path)


@pytest.fixture(scope="module")
def pairs(found, world):
    """Found unit, true unit, how they agree."""
    return assign(found.discharges, world.trains, fs_hz=world.fs_hz, min_f1=0.5).pairs


def test_live_discharges_are_those_of_the_muscle(found, pairs):
    assert len(pairs) == len(found.discharges) >= 5
    assert min(agreement.roa for _, _, agreement in pairs) > 0.9


@pytest.mark.parametrize("hop", [8, 37])
def test_the_file_decodes_to_the_same_discharges_at_any_hop(decoder, found, world, hop):
    pipeline, unguarded = Pipeline(decoder, hop), Pipeline(decoder, hop)
    unguarded.guard.sieve = lambda detector: detector.count
    guarded = decode(world.raw, pipeline, hop)
    trains = decode(world.raw, unguarded, hop)
    assert len(trains) == len(found.discharges)
    for unit, train in trains.items():
        np.testing.assert_array_equal(train, found.discharges[unit])
        assert np.isin(guarded[unit], train).all()
    assert pipeline.guard.held_back == sum(map(len, trains.values())) - sum(map(len, guarded.values()))
    assert pipeline.guard.held_back < 0.02 * sum(map(len, trains.values()))


def test_units_lie_where_they_were_put(decoder, world, pairs):
    for unit, true, _ in pairs:
        parameters = decoder.info.units[unit].parameters
        for name, truth, beyond in (
            ("iz_mm", world.parameters["innervation_zone_mm"], 0.5),
            ("cv_m_s", world.parameters["conduction_velocity_m_s"], 0.1),
            ("lateral_mm", world.parameters["lateral_mm"], 1.0),
            ("depth_mm", world.parameters["depth_mm"] - FAT_AND_SKIN_MM, 2.0),
        ):
            value, sd = parameters[name]["value"], parameters[name]["sd"]
            assert 0.0 < sd < np.ptp(truth)
            assert abs(value - truth[true]) < 2.0 * sd + beyond, (name, unit, value, sd, truth[true])


def test_the_file_says_how_it_was_made(decoder, found):
    info = decoder.info
    assert info.schema == SCHEMA_WITH_CANCELLATION
    assert info.detector.lookahead == 24  # 12 ms
    made_by = info.created_by
    assert (made_by["program"], made_by["method"], made_by["seed"]) == ("test", "bmiss", 0)
    assert made_by["settings"]["inversion"] == msgspec.json.decode(msgspec.json.encode(QUICK.inversion))
    assert made_by["generator"]["kind"] == "physics"
    assert made_by["interrupted"] is False
    assert found.notes == ()


def test_units_are_described_by_their_sources_without_the_others(found):
    for unit, spikes in zip(found.info.units, found.discharges, strict=True):
        assert unit.noise_height < unit.threshold < unit.spike_height == pytest.approx(1.0, abs=0.1)
        assert unit.sil >= QUICK.inversion.min_sil
        assert unit.discharges == len(spikes)
        assert 5.0 < unit.rate_hz < 20.0


def test_progress_goes_up_to_1_with_the_units_found(found, told):
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert told[-1][1] == len(found.discharges)


def test_an_interrupted_search_keeps_what_it_has_found(world, found, monkeypatch):
    monkeypatch.setattr("myodrive.models.bmiss.calibration.by_physics", lambda emg, trains, *rest: [{}] * len(trains))
    asked = []

    def progress(share, units):
        if units >= 2 and not asked:
            asked.append(units)
            raise KeyboardInterrupt

    kept = calibrate(source_of(world), FEW_STARTS, progress)
    assert 1 <= len(kept.discharges) < len(found.discharges)
    assert kept.info.created_by["interrupted"] is True


def test_inversion_finds_what_blind_separation_leaves(world, monkeypatch):
    """Without a blind search, units come from the generator alone."""
    monkeypatch.setattr("myodrive.models.bmiss.calibration.blind_trains", lambda *arguments: [])
    monkeypatch.setattr("myodrive.models.bmiss.calibration.by_physics", lambda emg, trains, *rest: [{}] * len(trains))
    alone = calibrate(source_of(world), QUICK)
    agreed = assign(alone.discharges, world.trains, fs_hz=world.fs_hz, min_f1=0.5).pairs
    assert len(agreed) == len(alone.discharges) >= 3


def test_a_persons_own_muscle_is_what_units_are_placed_in(world, monkeypatch):
    monkeypatch.setattr("myodrive.models.bmiss.described.ENTRIES", 300)
    monkeypatch.setattr("myodrive.models.bmiss.described.STARTS", 2)
    geometry = world.geometry
    fields = lead_fields_of(
        PlanarLayers(fat_mm=2.0, skin_mm=1.0), geometry,
        np.arange(-28.0, 28.1, 4.0), np.arange(1.0, 26.0, 2.0), np.arange(-112.0, 112.1, 2.0),
    )  # fmt: skip
    placed = calibrate(source_of(world), replace(FEW_STARTS, model=fields, model_name="mine.h5"))
    assert placed.info.created_by["generator"] == {"kind": "lead fields", "file": "mine.h5"}
    agreed = assign(placed.discharges, world.trains, fs_hz=world.fs_hz, min_f1=0.5).pairs
    near = [(unit, true) for unit, true, _ in agreed if world.parameters["depth_mm"][true] < 15.0]
    assert len(near) >= 2
    for unit, true in near:
        parameters = placed.info.units[unit].parameters
        for name, truth, tolerance in (
            ("iz_mm", world.parameters["innervation_zone_mm"], 0.5),
            ("cv_m_s", world.parameters["conduction_velocity_m_s"], 0.2),
            ("lateral_mm", world.parameters["lateral_mm"], 0.5),
            ("depth_mm", world.parameters["depth_mm"] - FAT_AND_SKIN_MM, 1.5),
        ):
            assert parameters[name]["value"] == pytest.approx(truth[true], abs=tolerance), (unit, name)


def test_a_model_of_other_electrodes_is_refused_before_the_search(world, cylinder_fields):
    with pytest.raises(MuscleModelError, match="none at"):
        calibrate(source_of(world), replace(QUICK, model=cylinder_fields))


def test_an_end_while_units_are_placed_leaves_the_rest_without_a_place(found, world, monkeypatch):
    """What is known so far stays; the others say why there is nothing."""

    class Placing:
        def __init__(self, *arguments):
            pass

        def invert(self, waveforms, *arguments, **options):
            return [Inverted({"innervation_zone_mm": 7.0}, {"innervation_zone_mm": 0.5}, None, -12.0, None)]

    def progress(share):
        raise KeyboardInterrupt

    monkeypatch.setattr(described, "Inverter", Placing)
    monkeypatch.setattr(described, "BATCH", 1)
    info = found.info
    placed = described.by_physics(
        world.emg, found.discharges, world.geometry, info.filter, info.fs_hz, info.montage, None, progress
    )
    assert placed[0] == {"iz_mm": {"value": 7.0, "sd": 0.5}, "misfit_db": {"value": -12.0}}
    assert len(placed) == len(found.discharges)
    assert all(one["iz_mm"]["value"] is None and "interrupted" in one["reason"] for one in placed[1:])


def test_a_linear_array_leaves_depth_and_the_place_across_open(monkeypatch):
    known = {"iz_mm": {"value": 1.0, "sd": 0.1}, "depth_mm": {"value": 9.0, "sd": 0.1}, "lateral_mm": {"value": 2.0}}
    monkeypatch.setattr(
        "myodrive.models.bmiss.calibration.by_physics", lambda emg, trains, *rest: [dict(known) for _ in trains]
    )
    world = make_world(Settings("16x2", snr_db=20.0, generator="fat 2 mm", seed=2, units=3, seconds=6.5))
    column = np.flatnonzero(world.geometry.col == 0)
    line = calibrate(source_of(world, channels=column), FEW_STARTS)
    assert "depth" in line.notes[0]
    for unit in line.info.units:
        assert unit.parameters["depth_mm"] == unit.parameters["lateral_mm"] == {"value": None}
        assert unit.parameters["iz_mm"] == known["iz_mm"]
        assert "linear" in unit.parameters["reason"]


def test_channels_at_one_place_are_refused(world):
    geometry = replace(world.geometry, row=np.zeros(40, np.int64), col=np.zeros(40, np.int64))
    with pytest.raises(CalibrationError, match="1 different places"):
        calibrate(source_of(world, geometry=geometry), QUICK)


def test_too_short_a_recording_is_refused(world):
    with pytest.raises(CalibrationError, match="at least 5 s"):
        calibrate(source_of(world, emg=world.raw[:9_800]), QUICK)


@pytest.mark.parametrize("size", [0.0, 5.0])
def test_a_recording_without_units_is_refused(world, size):
    noise = np.random.default_rng(0).normal(0.0, size, world.raw.shape).astype(np.float32)
    with pytest.raises(CalibrationError, match=r"motor unit|usable"):
        calibrate(source_of(world, emg=noise), FEW_STARTS)
