"""Damaged files are counted, and a reader that falls silent is ended."""

import time

from myodrive.tools import bench_neighbours_files as bench
from myodrive.tools.bench_neighbours_pipeline import silent


def test_damaged_files_are_counted(tmp_path):
    found = bench.files_read(tmp_path, 12, silent)
    for kind in ("decoder", "parameters", "recording", "session"):
        assert found[kind]["files"] == found[kind]["read"] + found[kind]["refused"] == 3
        assert found[kind]["otherwise"] == {}
        assert found[kind]["killed_the_reader"] == 0


def test_a_silent_reader_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "FILE_S", 0.1)
    monkeypatch.setattr(bench, "PATIENCE_S", 0.0)
    monkeypatch.setattr(bench, "_told", lambda *rest: True)
    began = time.monotonic()
    found = bench._of_one_kind("recording", bench.BUNDLED, 2, tmp_path, lambda share: None)
    assert found["killed_the_reader"] == found["of_these_told_in_one_sentence"] == 2
    assert time.monotonic() - began < 60
