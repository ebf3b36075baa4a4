"""Write a decoder file: the exported graph filled in, checked on real windows, and put in place whole."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..stream.decoder_file import BLOCK, DecoderInfo, decoder_from_bytes, metadata_of, read_decoder
from ..stream.errors import DecoderError, OptionError
from ..stream.onnx_fields import Array
from ..stream.onnx_file import read_onnx
from .parity import TOLERANCE, check_parity

_TEMPLATE = Path(__file__).with_name("decoder_template.onnx")


def write_decoder(
    path: str | Path,
    info: DecoderInfo,
    *,
    filters: NDArray[np.float32],
    separation_vectors: NDArray[np.float32],
    whitening: NDArray[np.float32],
    inverse_covariance: NDArray[np.float32],
    unit_means: NDArray[np.float32],
    windows: NDArray[np.float32],
    responses: NDArray[np.float32] | None = None,
    waveforms: NDArray[np.float32] | None = None,
) -> str:
    """Write one self-contained decoder file; needs neither PyTorch nor the ``onnx`` package.

    Nothing stands at `path`, and what stood there is kept, until the new file is whole, checked and on the disk.

    Parameters
    ----------
    path : str or Path
        Where to write; an older file there is replaced.
    info : DecoderInfo
        The metadata.
    filters : ndarray of float32, shape (extension * channels, units), 1/uV
        ``whitening @ separation_vectors``, scaled so that a mean spike is 1 high.
    separation_vectors : ndarray of float32, shape (rank, units)
    whitening : ndarray of float32, shape (extension * channels, rank), 1/uV
    inverse_covariance : ndarray of float32, shape (extension * channels, extension * channels), 1/uV^2
    unit_means : ndarray of float32, shape (extension * channels, units), uV
    windows : ndarray of float32, shape (n, extension * channels), uV
        Extended samples of the recording, for the parity check; a few thousand are enough.
    responses : ndarray of float32, shape (units, units, length), optional
        ``responses[k, j, u]`` is source k at sample ``t - before + u`` when unit j alone discharges at sample t. Goes
        with ``info.detector.cancellation`` and ``SCHEMA_WITH_CANCELLATION``.
    waveforms : ndarray of float32, shape (units, length - extension + 1, channels), uV, optional
        That the filters answer with the `responses`; without it bad channels cannot be masked.

    Returns
    -------
    str
        SHA-256 of the file, hexadecimal.

    Raises
    ------
    DecoderError
        Matrices and metadata do not agree, hold values that are not numbers, or fail the parity check.
    OptionError
        The file cannot be written there.
    """
    path = Path(path)
    matrices: dict[str, NDArray[np.float32]] = {
        "filters": np.ascontiguousarray(filters, np.float32),
        "separation_vectors": np.ascontiguousarray(separation_vectors, np.float32),
        "whitening": np.ascontiguousarray(whitening, np.float32),
        "inverse_covariance": np.ascontiguousarray(inverse_covariance, np.float32),
        "unit_means": np.ascontiguousarray(unit_means, np.float32),
    }
    if responses is not None:
        matrices["responses"] = np.ascontiguousarray(responses, np.float32)
    if waveforms is not None:
        matrices["waveforms"] = np.ascontiguousarray(waveforms, np.float32)
    windows = np.ascontiguousarray(windows, np.float32)
    model = _filled(matrices, metadata_of(info))
    decoder = decoder_from_bytes(model, str(path))  # shapes, metadata and numbers, before anything is written
    if windows.ndim != 2 or windows.shape[1] != len(decoder.filters):
        raise DecoderError(
            f'"{path}" would be checked on windows {list(windows.shape)} of another size: calibrate again'
        )
    check_parity(model, windows, matrices["filters"])
    _check_whitened(path, windows, matrices)
    _put_in_place(path, model, decoder.sha256)
    return decoder.sha256


def _filled(matrices: dict[str, NDArray[np.float32]], metadata: dict[str, str]) -> bytes:
    template = read_onnx(_TEMPLATE.read_bytes(), _TEMPLATE.name)
    width, units = matrices["filters"].shape
    initializers: dict[str, Array] = {**matrices}
    return template.with_changes(initializers, metadata, {"window": (BLOCK, width), "sources": (BLOCK, units)})


def _check_whitened(path: Path, windows: NDArray[np.float32], matrices: dict[str, NDArray[np.float32]]) -> None:
    """The live path may take either way to a source, so they must agree."""
    direct = windows @ matrices["filters"]  # (n, units)
    whitened = windows @ matrices["whitening"] @ matrices["separation_vectors"]  # (n, units)
    worst = float((np.abs(direct - whitened) / np.maximum(1.0, np.abs(direct).max(axis=1, keepdims=True))).max())
    if not worst <= TOLERANCE:
        raise DecoderError(
            f'"{path}" would have separation vectors that differ from its filters by {worst:.2g} of a spike\'s height, '
            f"more than {TOLERANCE:g}: calibrate again"
        )


def _put_in_place(path: Path, model: bytes, sha256: str) -> None:
    """Write beside `path`, read back, then rename: the rename is atomic within one folder."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(model)
            file.flush()
            os.fsync(file.fileno())
        if read_decoder(temporary).sha256 != sha256:
            raise DecoderError(f'"{path}" reads back other than it was written: check the disk')
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OptionError(f'"{path}" cannot be written ({error.strerror}): choose another place') from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the rename last through a power cut; Windows cannot open a folder and does not need it."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
