"""The soak, for a few seconds."""

from myodrive.tools import bench_soak as bench


def test_a_short_soak_loses_nothing_and_says_how_it_went():
    result = bench.soak(minutes=0.05, channels=16, units=4)
    assert result["samples_in"] > 3 * 2000
    assert (result["samples_lost"], result["gaps"], result["reconnects"]) == (0, 0, 0)
    assert result["messages_heard"] > 100
    assert result["messages_missed"] == 0
    assert len(result["samples"]) >= 5
    assert all(one["rss_bytes"] > 0 for one in result["samples"])
    assert result["samples"][-1]["samples_in"] > result["samples"][0]["samples_in"]
    assert set(result["latency_ms"]) == {"p50", "p99", "p999", "max"}
    assert result["memory_growth_percent"] < 50
