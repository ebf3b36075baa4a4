"""The cores that PyTorch computes with."""

import os

import pytest
import torch

from myodrive.models.inversion.fit import use_available_cores


@pytest.fixture
def asked(monkeypatch):
    """The numbers of threads that PyTorch was asked for, on a process that may use three cores."""
    numbers = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 5, 6}, raising=False)
    monkeypatch.setattr(torch, "set_num_threads", numbers.append)
    return numbers


def test_pytorch_gets_the_cores_of_the_process(asked, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    use_available_cores()
    assert asked == [3]


def test_what_the_environment_says_stays(asked, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    use_available_cores()
    assert asked == []
