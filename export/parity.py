"""Does the exported graph compute what the PyTorch module does? Asked of every decoder before it is written."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..stream.decoder_file import BLOCK
from ..stream.errors import DecoderError
from ..stream.session import SourceSession

# Of the height of a mean spike, which is 1, or of the row's largest source where that is higher (artefacts).
# float32 sums of 1000 products in two orders differ by 4e-6 to 2e-5 on the two recordings of shared/data, more where
# interference is strong. A threshold stands near 0.5 and a source's own noise is near 0.1: 1e-3 moves no decision,
# and a wrong lag, channel or unit is a hundred times as far off.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class ParityReport:
    """How far ONNX Runtime was from the reference.

    Attributes
    ----------
    max_abs : float
        Largest difference of any source, 1 at a mean spike.
    max_rel : float
        The same relative to the spike height, or to the row's largest source where that exceeds it.
    against : {"torch", "numpy"}
        The reference: the PyTorch module, or the product in double precision where PyTorch is not installed.
    """

    max_abs: float
    max_rel: float
    against: Literal["torch", "numpy"]


def check_parity(model: bytes, windows: NDArray[np.float32], filters: NDArray[np.float32]) -> ParityReport:
    """Run the graph on real windows, block by block as the live path does, and compare.

    Parameters
    ----------
    model : bytes
        The ONNX graph to be written.
    windows : ndarray of float32, shape (n, width), uV
        Extended samples of the recording the decoder was made from; the last block is filled up with zeros.
    filters : ndarray of float32, shape (width, units), 1/uV
        What calibration found, not what stands in `model`: that is what is being checked.

    Raises
    ------
    DecoderError
        The worst difference exceeds `TOLERANCE`, a source is not a number, or there is nothing to compare.
    """
    if len(windows) == 0:
        raise DecoderError("there is no window to check the decoder on: calibrate on a longer recording")
    found = _run_graph(model, windows, filters.shape[1])  # (n, units)
    expected, against = _reference(windows, filters)  # (n, units)
    difference = np.abs(found.astype(np.float64) - expected)
    height = np.maximum(1.0, np.abs(expected).max(axis=1, keepdims=True))  # (n, 1)
    report = ParityReport(float(difference.max()), float((difference / height).max()), against)
    if not report.max_rel <= TOLERANCE:  # also when it is not a number
        raise DecoderError(
            f"the exported graph differs from {against} by {report.max_rel:.2g} of a spike's height, "
            f"more than {TOLERANCE:g}: calibrate again"
        )
    return report


def _run_graph(model: bytes, windows: NDArray[np.float32], units: int) -> NDArray[np.float32]:
    session = SourceSession(model, windows.shape[1], units)
    found = np.empty((len(windows), units), np.float32)
    for start in range(0, len(windows), BLOCK):
        block = windows[start : start + BLOCK]
        session.window[: len(block)] = block
        session.window[len(block) :] = 0
        session.run()
        found[start : start + len(block)] = session.sources[: len(block)]
    return found


def preload() -> None:
    """Import PyTorch where it is installed: a second, better spent beside the search than after it."""
    if importlib.util.find_spec("torch") is not None:
        importlib.import_module("torch")


def _reference(
    windows: NDArray[np.float32], filters: NDArray[np.float32]
) -> tuple[NDArray[np.float64], Literal["torch", "numpy"]]:
    if importlib.util.find_spec("torch") is None:
        return windows.astype(np.float64) @ filters.astype(np.float64), "numpy"
    import torch

    from ..models.decoder import LinearDecoder

    with torch.inference_mode():
        sources = LinearDecoder(torch.tensor(filters)).eval()(torch.tensor(windows))  # (n, units)
    return sources.numpy().astype(np.float64), "torch"
