"""`myodrive bench`."""

import importlib

import pytest

from myodrive.stream.session import onnxruntime
from myodrive.tools import bench_throughput
from myodrive.tools.commands import bench

from ...parameter_graph import parameter_model_bytes

SMALL = ("bench", "throughput", "--channels", "8", "--units", "2", "--seconds", "1")


@pytest.fixture(autouse=True)
def unconfined(monkeypatch):
    """The process keeps its cores: other tests run in it."""
    monkeypatch.setattr(bench_throughput, "confine", lambda cores: False)


def test_throughput_is_one_object_on_stdout(myodrive):
    told = myodrive(*SMALL, "--json").json
    assert told["bench"] == "throughput"
    assert (told["channels"], told["units"], told["hop"], told["cores"]) == (8, 2, 8, 1)
    assert len(told["realtime_factors"]) == 5
    assert told["realtime_factor"] == sorted(told["realtime_factors"])[2] > 0
    assert set(told["stage_us_per_hop"]) == {"filter", "watch", "decode", "detect", "drive"}


def test_without_json_it_prints_lines(myodrive):
    said = myodrive(*SMALL, "--whitening", "staged")
    assert said.code == 0
    assert said.out == ""
    assert "realtime_factor:" in said.err


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--units", "0"), "--units 0"),
        (("--units", "100000000"), "--units 100000000"),
        (("--channels", "3"), "--channels 3"),
        (("--channels", "1000000"), "--channels 1000000"),
        (("--cores", "0"), "--cores 0"),
        (("--cores", "100000"), "--cores 100000"),
        (("--seconds", "0"), "--seconds 0"),
        (("--seconds", "nan"), "--seconds nan"),
    ],
)
def test_sizes_out_of_range_are_refused(myodrive, options, word):
    assert myodrive("bench", "throughput", *options, "--json").refused(word)


def test_every_measurement_is_named_in_the_help(myodrive):
    said = myodrive("bench", "--help").out
    (choices,) = {part.split("}")[0] for part in "".join(said.split()).split("{") if part.startswith("latency,")}
    assert {"neighbours", "channels", "faults", "soak", "rest", "recording"} <= set(choices.split(","))


@pytest.mark.parametrize(
    ("name", "module", "options", "asked"),
    [
        ("faults", "bench_faults", ("--deaths", "3"), {"deaths": 3}),
        ("soak", "bench_soak", ("--minutes", "2", "--units", "5"), {"minutes": 2.0, "units": 5}),
        ("rest", "bench_rest", ("--hours-equivalent", "0.5", "--seed", "4"), {"hours": 0.5, "seed": 4}),
        ("recording", "bench_recording", ("--kills", "6", "--stopped", "0"), {"kills": 6, "stopped_s": 0.0}),
    ],
)
def test_what_is_asked_for_reaches_the_measurement(myodrive, monkeypatch, name, module, options, asked):
    measured = importlib.import_module(f"myodrive.tools.{module}")
    got = {}
    monkeypatch.setattr(measured, name, lambda **given: got.update(given) or {"seconds": 1.0})
    assert myodrive("bench", name, *options, "--json").json == {"bench": name, "seconds": 1.0}
    assert {word: got[word] for word in asked} == asked


def test_cuda_is_refused_where_there_is_none(myodrive, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert myodrive(*SMALL, "--provider", "cuda", "--json").refused("without CUDA")


def test_a_recording_that_is_not_there_is_said_once(process, tmp_path):
    bench = process("bench", "calibration", "--recording", tmp_path / "missing.h5")
    out, err = bench.communicate(timeout=60)
    lines = [line for line in err.decode().splitlines() if "myodrive" in line]
    assert (bench.returncode, out) == (1, b"")
    assert len(lines) == 1
    assert "missing.h5" in lines[0]


def test_latency_counts_every_message_of_its_own_stream(process, muscle_path, decoder_path):
    import msgspec

    bench = process(
        "bench", "latency", "--seconds", "1", "--units", "6", "--recording", muscle_path, "--decoder", decoder_path,
        "--json",
    )  # fmt: skip
    out, err = bench.communicate(timeout=90)
    assert bench.returncode == 0, err
    told = msgspec.json.decode(out)
    assert told["spikes"] > 0
    assert told["samples_lost"] == 0
    for name in ("peak_to_subscriber_ms", "relay_ms"):
        assert 0 < told[name]["p50"] <= told[name]["p99"] <= told[name]["max"]
    assert told["peak_to_subscriber_ms"]["p50"] > told["lookahead_ms"]


@pytest.fixture
def one_row(monkeypatch):
    """The table of accuracies with one row, whose estimator is a classical one."""
    pytest.importorskip("torch")
    from myodrive.tools import bench_params, bench_params_estimators

    monkeypatch.setattr(bench_params, "ROWS", (bench_params.Row("16x1", 20.0, usual=True),))
    monkeypatch.setattr(bench_params, "FIRST_SEED", 352)
    monkeypatch.setattr(bench_params_estimators, "physics", lambda file=None: bench_params_estimators.classical)


def test_accuracies_are_rows_in_one_object_on_stdout(myodrive, one_row):
    told = myodrive("bench", "params", "--units", "3", "--params", "none", "--json").json
    assert told["bench"] == "params"
    row = told["rows"][0]
    fields = ("iz_mae_mm", "cv_mae_m_s", "iz_cover90", "cv_cover90", "iz_cover90_interval", "cv_cover90_interval")
    for prefix in ("", "classical_", "constant_"):
        assert {f"{prefix}{name}" for name in fields} <= set(row)
    assert (row["array"], row["snr_db"], row["input"], row["conductor"]) == ("16x1", 20.0, "muap", "planar")
    assert (row["split"], row["n"], row["seed"]) == ("matched", 3, 352)
    assert row["ms_a_unit"] > 0.0


def test_accuracies_are_a_table_for_a_person_with_the_parameter_model_asked_for(myodrive, one_row, tmp_path):
    path = tmp_path / "parameters.onnx"
    path.write_bytes(parameter_model_bytes())
    said = myodrive("bench", "params", "--units", "2", "--params", path)
    assert said.code == 0
    assert "16x1" in said.out
    assert "live" in said.out


def test_a_parameter_model_that_is_not_there_is_refused_before_anything_is_measured(myodrive, one_row, tmp_path):
    assert myodrive("bench", "params", "--params", tmp_path / "missing.onnx").refused("missing.onnx")


def test_accuracies_need_pytorch_and_say_so(myodrive, monkeypatch):
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: None)
    assert myodrive("bench", "params", "--json").refused("PyTorch", "[train]")
