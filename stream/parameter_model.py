"""From a unit's average waveform to where it lies and how fast it conducts: the parameter model on one array.

Where nothing can be said there is no number, and the reason: too few discharges, too much noise, too few channels, or
an answer beyond what the model has seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .average_window import SNR_WINDOW_S, snr_db, window_samples
from .decoder_file import FilterSettings
from .errors import MismatchError, ParameterModelError
from .geometry import Geometry
from .onnx_runtime import onnxruntime
from .parameter_file import FEWEST_COLUMNS, ParameterFile, fullest_column, misfit
from .spectrum import spectrum_matrix

FEWEST_SPIKES = 20  # averaged; below, the noise left in the waveform is of the size of small units
FEW_SPIKES = f"fewer than {FEWEST_SPIKES} discharges averaged"
MOST_AT_ONCE = 64  # waveforms a graph call takes: bounds its memory
INPUTS = {"waveform": 3, "noise_sd": 2, "place": 3, "present": 2, "to_spectrum": 2}  # dimensions
OUTPUTS = ("mean", "sd")
ZONE = "iz_mm"  # further out than a spacing beyond the electrodes it is a guess, and an overconfident one


@dataclass(frozen=True)
class Estimate:
    """What a waveform tells; None where there is no number, with `reason`.

    Attributes
    ----------
    values, sds : dict of str to float or None
        Every parameter that the model reports, in the unit of its name, and its standard deviation.
    reason : str or None
    snr_db : float or None
        Of the waveform over the channels used.
    """

    values: dict[str, float | None]
    sds: dict[str, float | None]
    reason: str | None
    snr_db: float | None


class ParameterModel:
    """A parameter model made ready for one array.

    Parameters
    ----------
    file : ParameterFile
    fs_hz : float
    geometry : Geometry
        Of the channels that are decoded.
    filter_settings : FilterSettings
        Of the decoder.
    montage : str
    window : (int, int), optional
        Samples of a waveform before the discharge and from it on; by default those of the live average.

    Attributes
    ----------
    names : list of str
        Columns of what `means_and_sds` gives.
    reported : list of str

    Raises
    ------
    MismatchError
        The model was not trained for such an array; `parameter_file.misfit` says so without an exception.
    ParameterModelError
        ONNX Runtime cannot run it.
    """

    def __init__(
        self,
        file: ParameterFile,
        fs_hz: float,
        geometry: Geometry,
        filter_settings: FilterSettings,
        montage: str,
        window: tuple[int, int] | None = None,
    ) -> None:
        reason = misfit(file.info, fs_hz, geometry, filter_settings, montage, window)
        if reason:
            raise MismatchError(f'the parameter model "{file.path}" does not fit: {reason}')
        self.file = file
        self.names = file.info.names
        self.reported = file.info.reported
        self._fs_hz = fs_hz
        self._samples = sum(window_samples(fs_hz) if window is None else window)
        self._geometry = geometry
        self._place = np.stack([geometry.along_mm(), geometry.across_mm()], axis=1).astype(np.float32)  # (channels, 2)
        self._to_spectrum = spectrum_matrix(
            file.info.frequencies_hz, fs_hz, self._samples, filter_settings.sections
        )  # (samples, 2 frequencies)
        self._reach_mm = float(np.abs(self._place[:, 0]).max()) + geometry.ied_mm
        self._column = {name: file.info.names.index(name) for name in self.reported}
        self._session = _open(file)
        self._try()

    def estimate(
        self,
        waveform: NDArray[np.float32],
        noise_variance: NDArray[np.float64],
        good: NDArray[np.bool_],
        spikes: int,
    ) -> Estimate:
        """What one unit's average tells.

        Parameters
        ----------
        waveform : ndarray of float32, shape (channels, samples), uV
        noise_variance : ndarray of float64, shape (channels,), uV^2
            Of a sample of the average; channels where it is NaN are left out.
        good : ndarray of bool, shape (channels,)
        spikes : int
            Discharges averaged.
        """
        trained = self.file.info.trained
        present = self._present(waveform[None], noise_variance[None], good)[0]
        ratio = snr_db(np.ascontiguousarray(waveform[present].T), noise_variance[present], self._fs_hz)
        left, rows = int(present.sum()), fullest_column(self._geometry, present)
        checks = [
            (spikes < FEWEST_SPIKES, FEW_SPIKES),
            (not good.any(), "all channels are bad"),
            (left == 0, "the noise of the average is not known yet"),
            (rows < trained.rows[0], f"fewer than {trained.rows[0]} good electrodes in a column"),
            (left < trained.channels[0], f"fewer than {trained.channels[0]} good channels"),
            (not ratio >= trained.snr_db[0], f"more noise than the model was trained for ({trained.snr_db[0]:g} dB)"),
        ]
        reason = next((found for wrong, found in checks if wrong), None)
        if reason is not None:
            return self._nothing(reason, ratio)
        mean, sd = (one[0] for one in self.means_and_sds(waveform[None], noise_variance[None], good))
        if not (np.isfinite(mean).all() and np.isfinite(sd).all() and (sd > 0.0).all()):
            return self._nothing("the model's answer is no number", ratio)
        return self._told(mean, sd, present, ratio)

    def means_and_sds(
        self, waveforms: NDArray[np.float32], noise_variance: NDArray[np.float64], good: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the network says of any number of waveforms, unjudged.

        Parameters
        ----------
        waveforms : ndarray of float32, shape (n, channels, samples), uV
        noise_variance : ndarray of float64, shape (n, channels), uV^2
            Less noise than the model was trained with is raised to the least it knows; channels with NaN are absent.
        good : ndarray of bool, shape (channels,) or (n, channels)

        Returns
        -------
        mean, sd : ndarray of float32, shape (n, names)
        """
        size = len(self._geometry), self._samples
        if waveforms.shape[1:] != size:
            raise ValueError(f"waveforms of {waveforms.shape[1:]} channels and samples, expected {size}")
        parts = []
        good = np.broadcast_to(good, noise_variance.shape)
        for first in range(0, len(waveforms), MOST_AT_ONCE):
            some = slice(first, first + MOST_AT_ONCE)
            parts.append(self._run(waveforms[some], noise_variance[some], good[some]))
        empty = np.zeros((0, len(self.names)), np.float32)
        mean, sd = zip(*parts, strict=True) if parts else ((empty,), (empty,))
        return np.concatenate(mean), np.concatenate(sd)

    def _run(
        self, waveforms: NDArray[np.float32], noise_variance: NDArray[np.float64], good: NDArray[np.bool_]
    ) -> list[NDArray[np.float32]]:
        present = self._present(waveforms, noise_variance, good)  # (n, channels)
        waveform = np.where(present[:, :, None], waveforms, np.float32(0.0))  # (n, channels, samples) uV
        noise = np.where(present, noise_variance, 0.0)
        noise += self._noise_to_add(waveform, noise, present)[:, None] * present
        feed = {
            "waveform": np.ascontiguousarray(waveform, np.float32),
            "noise_sd": np.sqrt(noise).astype(np.float32),
            "place": np.ascontiguousarray(np.broadcast_to(self._place, (len(waveform), *self._place.shape))),
            "present": present.astype(np.float32),
            "to_spectrum": self._to_spectrum,
        }
        found: list[NDArray[np.float32]] = self._session.run(OUTPUTS, feed)  # gives the interpreter to other threads
        return found

    def _present(
        self, waveforms: NDArray[np.float32], noise_variance: NDArray[np.float64], good: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Channels that can be used, shape (n, channels)."""
        total = waveforms.sum(axis=2)  # no number if any sample is none
        return good & np.isfinite(noise_variance) & (noise_variance >= 0.0) & np.isfinite(total)

    def _noise_to_add(
        self, waveform: NDArray[np.float32], noise: NDArray[np.float64], present: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Variance that brings each waveform to the best ratio the model knows, (n,) uV^2; 0 where it has noise enough.

        Averages of long recordings have less noise than any that it was trained on.
        """
        channels = np.maximum(present.sum(axis=1), 1)
        power = noise.sum(axis=1) / channels
        energy = np.einsum("nct,nct->n", waveform, waveform, dtype=np.float64) / channels
        signal = np.maximum(energy - waveform.shape[2] * power, 0.0) / (SNR_WINDOW_S * self._fs_hz)
        least = signal * 10.0 ** (-self.file.info.trained.snr_db[1] / 10.0)
        return np.maximum(least - power, 0.0)

    def _told(
        self, mean: NDArray[np.float32], sd: NDArray[np.float32], present: NDArray[np.bool_], ratio: float
    ) -> Estimate:
        """The reported ones, without what the array cannot tell and what the model has not seen."""
        info = self.file.info
        values: dict[str, float | None] = {}
        sds: dict[str, float | None] = {}
        beyond, flat, off = [], [], False
        is_grid = len(np.unique(self._geometry.col[present])) >= FEWEST_COLUMNS
        for name, column in self._column.items():
            value, own_sd = float(mean[column]), float(sd[column])
            low, high = info.trained.ranges.get(name, (-math.inf, math.inf))
            if name in info.grids_only and not is_grid:
                flat.append(name)
            elif name == ZONE and not abs(value) <= self._reach_mm:
                off = True
            elif not low - own_sd <= value <= high + own_sd:
                beyond.append(name)
            else:
                values[name], sds[name] = value, own_sd
                continue
            values[name] = sds[name] = None
        reasons = []
        if beyond:
            reasons.append(f"beyond what the model was trained for: {', '.join(beyond)}")
        if off:
            reasons.append("the innervation zone lies off the array")
        if flat:
            reasons.append(f"fewer than {FEWEST_COLUMNS} columns: {', '.join(flat)}")
        return Estimate(values, sds, "; ".join(reasons) or None, ratio if math.isfinite(ratio) else None)

    def _nothing(self, reason: str, ratio: float) -> Estimate:
        nothing: dict[str, float | None] = dict.fromkeys(self.reported)
        return Estimate(nothing, dict(nothing), reason, ratio if math.isfinite(ratio) else None)

    def _try(self) -> None:
        """Run it once, on noise: what it gives has the right size, and the first waveform pays for no first touch."""
        channels = len(self._geometry)
        noise = np.random.default_rng(0).normal(0.0, 1.0, (1, channels, self._samples)).astype(np.float32)
        path = self.file.path
        try:
            found = self.means_and_sds(noise, np.ones((1, channels)), np.ones(channels, np.bool_))
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            raise ParameterModelError(
                f'the parameter model "{path}" cannot be run ({_first_line(error)}): choose another, or none'
            ) from error
        if any(one.shape != (1, len(self.names)) for one in found):
            sizes = " and ".join(str(list(one.shape[1:])) for one in found)
            raise ParameterModelError(
                f'the parameter model "{path}" names {len(self.names)} parameters and gives {sizes}: choose another'
            )


def _open(file: ParameterFile) -> onnxruntime.InferenceSession:
    """A session on one CPU core, whose inputs and outputs are those of a parameter model."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the live loop has the other cores
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised as well
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(file.raw, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ParameterModelError(
            f'the parameter model "{file.path}" cannot be loaded ({_first_line(error)}): choose another, or none'
        ) from error
    inputs = {one.name: (one.type, len(one.shape)) for one in session.get_inputs()}
    outputs = {one.name: (one.type, len(one.shape)) for one in session.get_outputs()}
    asked = {name: ("tensor(float)", dimensions) for name, dimensions in INPUTS.items()}
    given = dict.fromkeys(OUTPUTS, ("tensor(float)", 2))
    if inputs != asked or outputs != given:
        declared = ", ".join([*inputs, "->", *outputs])[:120]
        raise ParameterModelError(f'the graph of "{file.path}" is another ({declared}): choose a parameter model')
    return session


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
