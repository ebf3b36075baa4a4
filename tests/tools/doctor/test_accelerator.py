"""Builds of ONNX Runtime and GPUs, made up."""

import pytest

from myodrive.tools.doctor import accelerator as a

CPU = a.RuntimeSeen()
CUDA = a.RuntimeSeen(("onnxruntime-gpu",), "1.31.1", (a.CUDA, "CPUExecutionProvider"))
GPU = a.GpuSeen(("NVIDIA RTX",), driver=True)


@pytest.mark.parametrize(
    "seen",
    [
        a.RuntimeSeen(("onnxruntime", "onnxruntime-gpu")),
        a.RuntimeSeen(failure="ImportError: no such library"),
        a.RuntimeSeen(version="1.20.1"),
        a.RuntimeSeen(providers=("AzureExecutionProvider",)),
    ],
)
def test_a_wrong_onnxruntime_is_a_problem_with_a_remedy(seen):
    found = a.judge_runtime(seen)
    assert found.level == "problem"
    assert found.remedy


def test_both_builds_at_once_are_to_be_uninstalled_both():
    remedy = a.judge_runtime(a.RuntimeSeen(("onnxruntime", "onnxruntime-gpu"))).remedy
    assert "uninstall -y onnxruntime onnxruntime-gpu" in remedy


@pytest.mark.parametrize("seen", [CPU, CUDA])
def test_one_recent_build_is_in_order(seen):
    assert a.judge_runtime(seen).level == "ok"


def test_no_gpu_is_no_fault():
    assert a.judge_gpu(a.GpuSeen(), CUDA).level == "ok"


def test_a_gpu_that_this_build_cannot_use_is_a_note_that_names_the_build():
    found = a.judge_gpu(GPU, CPU)
    assert found.level == "note"
    assert "uninstall -y onnxruntime," in found.remedy
    assert "onnxruntime-gpu[cuda,cudnn]" in found.remedy


def test_missing_cuda_libraries_are_a_note_that_says_which():
    found = a.judge_gpu(a.GpuSeen(GPU.names, True, "libcudnn.so.9 cannot be opened"), CUDA)
    assert found.level == "note"
    assert "libcudnn.so.9" in found.found


def test_a_gpu_that_works_is_in_order():
    assert a.judge_gpu(a.GpuSeen(GPU.names, True, "works"), CUDA).level == "ok"


def test_the_try_on_cuda_prints_one_word_or_the_reason(capsys, tmp_path):
    a.main(str(tmp_path))
    said = capsys.readouterr().out.strip()
    assert said == "works" or "CUDA" in said


def test_this_machines_runtime_is_seen():
    seen = a.see_runtime()
    assert seen.failure == ""
    assert "CPUExecutionProvider" in seen.providers
