"""The bench of artefacts: what counts as false, where faults lie, and its rows on a small recording."""

import numpy as np
import pytest
from rich.console import Console

from myodrive.stream.decoder_file import read_decoder
from myodrive.tools import bench_artefacts as bench
from myodrive.tools.hdf5_reading import read_recording


def a_decoding(*discharges, valid=True):
    unit, sample = np.array(discharges, np.int64).reshape(-1, 2).T
    return bench.Decoded(unit, sample, np.full(len(unit), valid), np.ones(100, np.bool_))


def test_false_is_what_the_same_unit_did_not_do_without_the_fault():
    clean = a_decoding((0, 100), (0, 300), (1, 500))
    spoiled = a_decoding((0, 101), (0, 297), (0, 200), (1, 100), (1, 502), (2, 300))
    assert bench.false_ones(clean, spoiled, 2).tolist() == [False, True, True, True, False, True]
    assert bench.false_ones(clean, a_decoding(), 2).tolist() == []
    assert bench.false_ones(a_decoding(), spoiled, 2).all()


def test_a_fault_comes_every_few_seconds_and_stays_where_it_belongs():
    emg = np.random.default_rng(0).normal(0.0, 10.0, (24_000, 16)).astype(np.float32)
    for text in bench.FAULTS.values():
        spoiled, within = bench.with_fault(emg, 2000.0, text, 3)
        begins = np.flatnonzero(np.diff(within.astype(int)) == 1) + 1
        assert begins.tolist() == [4000, 12_000, 20_000]
        assert (spoiled[within] != emg[within]).any()
        left = spoiled.copy()
        left[within] = emg[within]
        fading = bench.with_fault(emg, 2000.0, text, 3)[0]
        assert np.array_equal(fading, spoiled)  # seeded
        if not text.startswith("pop"):  # a step decays
            assert np.array_equal(left, emg)


def test_the_guard_spares_most_false_discharges_and_no_true_ones(decoder_path, muscle_path):
    decoder = read_decoder(decoder_path)
    recording = read_recording(muscle_path)
    emg = np.ascontiguousarray(recording.emg[:, decoder.info.channels.index])
    clean = bench.decoded(emg, decoder, guarded=False)
    guarded = bench.decoded(emg, decoder)
    assert len(clean.unit) * 0.99 <= len(guarded.unit) <= len(clean.unit)
    text = "noise@{at}:1,channels={four}"
    spoiled, within = bench.with_fault(emg, recording.fs_hz, text, 0)
    false = [
        int((bench.false_ones(clean, found, 2) & within[found.sample]).sum())
        for found in (bench.decoded(spoiled, decoder, guarded=False), bench.decoded(spoiled, decoder))
    ]
    assert false[1] < 0.3 * false[0]


def test_the_whole_bench_on_a_recording(muscle_path, monkeypatch):
    monkeypatch.setattr(bench, "FAULTS", {"4 noise": bench.FAULTS["4 noise"]})
    result = bench.artefacts(str(muscle_path))
    (one,) = result["sets"]
    (row,) = one["rows"]
    assert row["guarded_false_per_s"] < row["without_false_per_s"]
    assert row["guarded_false_valid_per_s"] <= row["guarded_false_per_s"]
    assert 0 <= row["guarded_valid_share"] < 1
    assert one["valid_share_without_fault"] == pytest.approx(1.0, abs=0.05)
    console = Console(width=120, record=True)
    console.print(*bench.tables(result))
    assert "4 noise" in console.export_text()
