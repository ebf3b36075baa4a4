"""A simulated recording as a file: what any recording file holds, the truth, and how it was made."""

from __future__ import annotations

import dataclasses
import json
import os
from importlib import metadata
from typing import TYPE_CHECKING

import h5py
import numpy as np

from .hdf5_writing import write_recording
from .recording import Recording
from .whole_file import written_whole

if TYPE_CHECKING:
    from ..models.simulation.simulator import Simulation

DISCHARGE = "sample at which the action potentials leave the innervation points"
LICENSE = "CC0-1.0"


def write_simulation(path: str | os.PathLike[str], simulation: Simulation) -> None:
    """Write a recording file, whole or not at all; the same simulation gives the same bytes.

    Beside what `recording.write_recording` writes: the attributes `simulation` (JSON: every setting, the seed, the
    version, artefacts) and `discharge_instant`; `muaps` has `first_sample`: sample k of a waveform lies `first_sample`
    + k samples after the discharge.

    Parameters
    ----------
    path : path
    simulation : Simulation
    """
    settings, version = simulation.settings, metadata.version("myodrive")
    made = {
        "program": "myodrive simulate",
        "version": version,
        "settings": dataclasses.asdict(settings),
        "clean_power_uv2": simulation.clean_power,
        "artefacts": [dataclasses.asdict(artefact) for artefact in simulation.artefacts],
    }
    recording = Recording(
        emg=np.ascontiguousarray(simulation.emg.T),
        fs_hz=settings.fs_hz,
        geometry=simulation.geometry,
        muscle="simulated",
        source=f"simulated by myodrive {version}, seed {settings.seed}",
        license=LICENSE,
        force=simulation.force,
        force_unit="%max",
        units=dict(enumerate(simulation.trains)),
        unit_attributes={unit: dict(values) for unit, values in enumerate(simulation.truth)},
        muaps=simulation.muaps,
    )
    with written_whole(path) as temporary:
        write_recording(temporary, recording, compression_level=1)
        with h5py.File(temporary, "r+") as file:
            file.attrs["simulation"] = json.dumps(made)
            file.attrs["discharge_instant"] = DISCHARGE
            file["muaps"].attrs.update(first_sample=simulation.muap_first, fs_hz=float(settings.fs_hz), unit="uV")
