"""ONNX Runtime on the live path: one fixed block in, the sources of all units out, no memory taken per call."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .decoder_file import BLOCK
from .errors import DecoderError, OptionError, ProviderError
from .onnx_runtime import onnxruntime

WARM_UP_RUNS = 50  # the first runs plan memory and pack the filters; p50 is reached within a few

_INSTALL_CUDA = 'install "onnxruntime-gpu[cuda,cudnn]"'

_EXECUTION_PROVIDERS: dict[str, tuple[str, dict[str, str]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    # TF32 keeps 10 bits of the mantissa: sources would differ from those the thresholds were set on
    "cuda": ("CUDAExecutionProvider", {"use_tf32": "0"}),
}


class SourceSession:
    """Runs the decoder graph on one block of BLOCK rows, with memory bound beforehand.

    The block's shape never changes: each row of `sources` then depends on that row of `window` alone, bit for bit,
    so a block anchored to the sample count gives the same sources at any hop.

    Parameters
    ----------
    model : bytes
        The ONNX graph, input ``window`` of float32 (BLOCK, width), output ``sources`` of float32 (BLOCK, units).
    width : int
        Columns of the window: extension * channels, or the rank when the graph stands behind the whitening stage.
    units : int
        Columns of the sources.
    provider : {"cpu", "cuda"}
        Where to run. What was asked for is what runs, or ProviderError says why not.

    Attributes
    ----------
    window : ndarray of float32, shape (BLOCK, width)
        To be filled in place before `run`.
    sources : ndarray of float32, shape (BLOCK, units)
        Filled in place by `run`.
    provider : str
        ONNX Runtime's name of the provider that runs, e.g. "CPUExecutionProvider".

    Raises
    ------
    ProviderError
        CUDA is not built in, lacks a library or finds no device.
    DecoderError
        The graph is not one ONNX Runtime can run on such a block.

    Notes
    -----
    ``session.set_denormal_as_zero`` stays off. ONNX Runtime applies it once per process, to the floating-point mode
    of the thread that makes the first session and of every thread started from there: NumPy and Numba would then
    round differently in `run` and in `decode`, depending on who made a session first (seen with 1.31.1).
    """

    window: NDArray[np.float32]
    sources: NDArray[np.float32]
    provider: str

    def __init__(self, model: bytes, width: int, units: int, provider: str = "cpu") -> None:
        self.window = np.zeros((BLOCK, width), np.float32)
        self.sources = np.zeros((BLOCK, units), np.float32)
        self._session = _open(model, provider)
        self.provider = self._session.get_providers()[0]
        _check_signature(self._session, self.window.shape, self.sources.shape)
        # Bound to the arrays' own memory: on the CPU the graph reads and writes it, on a GPU it copies to and from it.
        self._binding = self._session.io_binding()
        self._binding.bind_input("window", "cpu", 0, np.float32, self.window.shape, self.window.ctypes.data)
        self._binding.bind_output("sources", "cpu", 0, np.float32, self.sources.shape, self.sources.ctypes.data)
        try:
            for _ in range(WARM_UP_RUNS):
                self.run()
        except Exception as error:  # ONNX Runtime raises plain and its own exceptions, by build
            if provider == "cuda":
                raise ProviderError(
                    f"CUDA fails on the first block ({_first_line(error)}): update its driver or choose provider cpu"
                ) from error
            raise DecoderError(f"the decoder's graph cannot be run ({_first_line(error)}): calibrate again") from error

    def run(self) -> None:
        """Fill `sources` from `window`. Takes no memory; passing RunOptions here would cost 28 us a call."""
        self._session.run_with_iobinding(self._binding)


def _open(model: bytes, provider: str) -> onnxruntime.InferenceSession:
    if provider not in _EXECUTION_PROVIDERS:
        raise OptionError(f'no provider "{provider}" is known: choose {" or ".join(_EXECUTION_PROVIDERS)}')
    name, settings = _EXECUTION_PROVIDERS[provider]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # 7 us of arithmetic: a second thread costs more than it takes over
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4  # fatal: matrices that ride along give warnings, errors are raised as well
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if provider == "cuda":
        return _open_on_cuda(model, options, name, settings)
    try:
        return onnxruntime.InferenceSession(model, options, providers=[(name, settings)])
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        raise DecoderError(f"the decoder's graph cannot be loaded ({_first_line(error)}): calibrate again") from error


def _open_on_cuda(
    model: bytes, options: onnxruntime.SessionOptions, name: str, settings: dict[str, str]
) -> onnxruntime.InferenceSession:
    """A session whose whole graph is on the GPU; ONNX Runtime's own answer to a missing library is the CPU."""
    if name not in onnxruntime.get_available_providers():
        raise ProviderError(
            f"onnxruntime {onnxruntime.__version__} here is built without CUDA: uninstall it and "
            f"{_INSTALL_CUDA}, or choose provider cpu"
        )
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    missing = _preload_cuda()
    with _quiet_logger():
        try:
            session = onnxruntime.InferenceSession(model, options, providers=[(name, settings)])
        except Exception as error:
            raise ProviderError(
                f"CUDA cannot be used ({missing or _first_line(error)}): {_INSTALL_CUDA} "
                "beside NVIDIA's driver, or choose provider cpu"
            ) from error
    session.disable_fallback()  # else a run that fails is repeated on the CPU, in silence
    placed = session.get_providers()[0]
    if placed != name:
        raise ProviderError(
            f"CUDA was asked for and ONNX Runtime took {placed} ({missing or 'no reason given'}): {_INSTALL_CUDA} "
            "beside NVIDIA's driver, or choose provider cpu"
        )
    return session


def _preload_cuda() -> str:
    """Load CUDA and cuDNN from where pip put them; the first complaint, or "".

    `preload_dlls` prints its complaints to stdout, where ``--json`` promises one object and nothing else.
    """
    if not hasattr(onnxruntime, "preload_dlls"):  # before 1.21
        return ""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        onnxruntime.preload_dlls()
    return (printed.getvalue().strip().splitlines() or [""])[0][:200]


@contextlib.contextmanager
def _quiet_logger() -> Iterator[None]:
    """Keep ONNX Runtime's coloured lines about a missing library off the terminal: the error says it."""
    fatal, warning = 4, 2  # 2 is the default; the setting is global and cannot be read
    onnxruntime.set_default_logger_severity(fatal)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(warning)


def _check_signature(
    session: onnxruntime.InferenceSession, window_shape: tuple[int, ...], sources_shape: tuple[int, ...]
) -> None:
    """The graph takes one window and gives one block of sources, of exactly these sizes."""
    for values, name, shape in (
        (session.get_inputs(), "window", window_shape),
        (session.get_outputs(), "sources", sources_shape),
    ):
        found = [(value.name, value.type, tuple(value.shape)) for value in values]
        if found != [(name, "tensor(float)", shape)]:
            declared = ", ".join(f"{value} {kind} {list(size)}" for value, kind, size in found)[:80]
            raise DecoderError(
                f"the decoder's graph has {declared or 'nothing'} where {name} {list(shape)} belongs: calibrate again"
            )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
