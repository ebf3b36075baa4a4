"""Disk, shared memory and open files."""

import os
from dataclasses import replace

import pytest

from myodrive.tools.doctor import storage as s

FINE = s.DiskSeen()


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (replace(FINE, free_gb=1.0), "make room"), (replace(FINE, mb_s=3.0), "SSD"),
        (replace(FINE, longest_s=6.0), "SSD"), (replace(FINE, failure="Read-only file system"), "--record"),
    ],
)  # fmt: skip
def test_a_disk_that_is_full_slow_or_closed_is_a_note(seen, word):
    found = s.judge_disk(seen)
    assert found.level == "note"
    assert word in found.remedy


def test_a_disk_with_room_is_in_order():
    assert s.judge_disk(FINE).level == "ok"


def test_trying_a_disk_leaves_nothing_behind(tmp_path):
    seen = s.see_disk(str(tmp_path))
    assert seen.failure == ""
    assert seen.mb_s > 0
    assert os.listdir(tmp_path) == []


def test_a_folder_that_does_not_exist_is_no_crash(tmp_path):
    assert s.see_disk(str(tmp_path / "none")).failure


def test_trying_a_disk_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(s, "TRIED_S", 1e-9)
    assert s.see_disk(str(tmp_path)).mb_s > 0


def test_too_little_shared_memory_is_a_note():
    assert "--shm-size" in s.judge_shared_memory(s.LimitsSeen(shared=64 << 10)).remedy
    assert s.judge_shared_memory(s.LimitsSeen(shared=1 << 30)).level == "ok"
    assert s.judge_shared_memory(s.LimitsSeen(shared=None)).level == "ok"


@pytest.mark.parametrize(("files", "level"), [(64, "problem"), (1024, "ok"), (0, "ok")])
def test_few_open_files_are_a_problem(files, level):
    assert s.judge_open_files(s.LimitsSeen(files=files)).level == level


def test_this_machines_limits_are_seen():
    assert s.see_limits().files >= 0
