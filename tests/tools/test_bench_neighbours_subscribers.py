"""Subscribers that stand still account for every message."""

import os

import pytest

from myodrive.tools import bench_neighbours_subscribers as bench
from myodrive.tools.bench_neighbours_pipeline import silent


@pytest.mark.skipif(os.name != "posix", reason="no process can be stopped here")
def test_stopped_subscribers_account_for_every_message(monkeypatch):
    monkeypatch.setattr(bench, "STOPPED_MESSAGES", 20_000)
    monkeypatch.setattr(bench, "CATCH_UP_S", 1.0)
    found = bench.held_by_stopped(4, silent)
    assert found["all_accounted_for"]
    assert found["missed"] > 0
