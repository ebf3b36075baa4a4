"""ONNX Runtime and the GPU: which build is installed, and whether it reaches a GPU that is there."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ..processes import python_command
from .asking import answer_of, text_of
from .finding import Finding, note, ok, problem

BUILDS = (
    "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-silicon",
    "onnxruntime-qnn",
)  # fmt: skip
LEAST = (1, 22)
CUDA = "CUDAExecutionProvider"
CUDA_S = 6.0
CUDA_PACKAGE = '"onnxruntime-gpu[cuda,cudnn]"'


@dataclass(frozen=True)
class RuntimeSeen:
    """`builds` are the installed packages that own the module; `failure` is why it cannot be imported."""

    builds: tuple[str, ...] = ("onnxruntime",)
    version: str = "1.31.1"
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    failure: str = ""


@dataclass(frozen=True)
class GpuSeen:
    """The GPUs of NVIDIA: `names`, whether the `driver` is loaded, and `cuda`: "works", why not, "" if not tried."""

    names: tuple[str, ...] = ()
    driver: bool = False
    cuda: str = ""


def see_runtime() -> RuntimeSeen:
    """Import ONNX Runtime as the live path does."""
    builds = tuple(name for name in BUILDS if _installed(name))
    try:
        from ...stream.onnx_runtime import onnxruntime

        return RuntimeSeen(builds, onnxruntime.__version__, tuple(onnxruntime.get_available_providers()))
    except Exception as error:  # two builds over each other fail in many ways
        return RuntimeSeen(builds, "", (), f"{type(error).__name__}: {str(error)[:160]}")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def see_gpu(runtime: RuntimeSeen) -> GpuSeen:
    """Look for NVIDIA's GPUs; where one and CUDA are there, try it in a process of its own."""
    listed = answer_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    names = tuple(line.strip() for line in listed.splitlines() if line.strip())
    driver = bool(names or text_of("/proc/driver/nvidia/version") or Path("/dev/nvidia0").exists())
    if os.name == "nt":
        driver = driver or (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvcuda.dll").exists()
    cuda = _try_cuda() if driver and CUDA in runtime.providers else ""
    return GpuSeen(names, driver, cuda)


def _try_cuda() -> str:
    with tempfile.TemporaryDirectory() as folder:
        command = [str(word) for word in python_command(__name__, folder)]
        return answer_of(*command, timeout_s=CUDA_S).strip() or f"no answer within {CUDA_S:g} s"


def judge_runtime(seen: RuntimeSeen) -> Finding:
    """Whether one build of ONNX Runtime is there, whole and recent enough."""
    name = "onnxruntime"
    if len(seen.builds) > 1:
        return problem(
            name, f"{' and '.join(seen.builds)} are both installed, and overwrite each other",
            f"pip uninstall -y {' '.join(seen.builds)}, then pip install one of them",
        )  # fmt: skip
    if seen.failure:
        return problem(name, f"it cannot be imported ({seen.failure})", "pip install --force-reinstall onnxruntime")
    kinds = ", ".join(one.removesuffix("ExecutionProvider") for one in seen.providers)
    found = f"{seen.version} ({seen.builds[0] if seen.builds else 'not from pip'}), built with {kinds}"
    if tuple(int(part) for part in seen.version.split(".")[:2] if part.isdigit()) < LEAST:
        return problem(name, found, f"pip install --upgrade {seen.builds[0] if seen.builds else 'onnxruntime'}")
    if "CPUExecutionProvider" not in seen.providers:
        return problem(name, found, "this build has no CPU provider: install onnxruntime in its place")
    return ok(name, found)


def judge_gpu(gpu: GpuSeen, runtime: RuntimeSeen) -> Finding:
    """Whether `--provider cuda` would work; without a GPU nothing is amiss."""
    if not gpu.driver:
        return ok("gpu", "no NVIDIA GPU seen; the live path wants none")
    found = ", ".join(gpu.names) or "NVIDIA's driver is loaded"
    if CUDA not in runtime.providers:
        old = runtime.builds[0] if runtime.builds else "onnxruntime"
        return note(
            "gpu", f"{found}, but this onnxruntime is built without CUDA",
            f"to use it pip uninstall -y {old}, then pip install {CUDA_PACKAGE}",
        )  # fmt: skip
    if gpu.cuda == "works":
        return ok("gpu", f"{found}, `run --provider cuda` works")
    return note(
        "gpu", f"{found}, but CUDA cannot be used ({gpu.cuda or 'not tried'})",
        f"to use it pip install {CUDA_PACKAGE} and a driver that is new enough for it",
    )  # fmt: skip


def main(folder: str) -> None:
    """In a process of its own: run a small decoder on the GPU, and print "works" or why not."""
    from ...stream.errors import MyodriveError
    from ...stream.session import SourceSession
    from ..synthetic_decoder import synthetic_decoder

    decoder = synthetic_decoder(Path(folder) / "decoder.onnx", 16, 4, 2048.0, 0)
    width, units = decoder.filters.shape
    try:
        SourceSession(decoder.model.raw, width, units, "cuda")
        print("works")
    except MyodriveError as error:
        print(str(error)[:300])


if __name__ == "__main__":
    main(sys.argv[1])
