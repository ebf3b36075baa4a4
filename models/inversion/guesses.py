"""Starts of the inversion from the network that guesses parameters at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...stream.decoder_file import FilterSettings
from ...stream.geometry import Geometry
from ...stream.parameter_file import ParameterFile, misfit
from ...stream.parameter_model import ParameterModel
from .parameters import as_start


def guesses(
    file: ParameterFile,
    waveforms: NDArray[np.float32],
    noise: NDArray[np.float64],
    fs_hz: float,
    geometry: Geometry,
    design: FilterSettings,
    montage: str,
) -> NDArray[np.float64] | None:
    """A parameter model's guesses, as `Inverter.invert` takes its starts.

    Parameters
    ----------
    file : ParameterFile
    waveforms : ndarray of float32, shape (units, channels, samples), uV
    noise : ndarray of float64, shape (units, channels), uV^2
    fs_hz : float
    geometry : Geometry
        Of the channels.
    design : FilterSettings
    montage : str

    Returns
    -------
    ndarray of float64, shape (units, 1, `parameters.NAMES`), or None
        None where the model was not trained for such an array.
    """
    where = fs_hz, geometry, design, montage
    if misfit(file.info, *where) is not None:
        return None
    model = ParameterModel(file, *where)
    mean, _ = model.means_and_sds(waveforms, noise, np.ones(len(geometry), np.bool_))
    return as_start(model.names, mean.astype(np.float64))[:, None]
