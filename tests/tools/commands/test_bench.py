"""`myodrive bench`."""

import pytest

from myodrive.stream.session import onnxruntime
from myodrive.tools import bench_throughput

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
