"""The end of training: uncertainty calibrated, model exported, and the card that says what it is and is not."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ..export.parameters import write_parameter_model
from ..models.encoder.batches import SNR_DB
from ..models.encoder.calibration import Calibrated, calibrate_uncertainty
from ..models.encoder.draws import SPACINGS_MM, WIDE
from ..models.encoder.quantities import GRIDS_ONLY, NAMES, REPORTED
from ..models.encoder.training import FREQUENCIES_HZ, LOG, Training
from ..stream.average_window import AFTER_S, BEFORE_S
from .whole_file import written_whole

ROWS, CHANNELS = (5, 32), (5, 320)
EXAMPLES = 4  # of each of the table's shapes' units, in the check of the export


def finish(training: Training, output: Path, progress: Any = lambda share: None) -> dict[str, Any]:
    """Calibrate, export, write the card; returns what `train --json` prints."""
    encoder = training.encoder.cpu()
    calibrated = calibrate_uncertainty(encoder, training.settings.seed, progress)
    training.device = torch.device("cpu")
    batch = training.validation_batches(EXAMPLES)[1]
    examples = (batch.waveform, batch.noise_sd, batch.place, batch.present, training.to_spectrum.cpu())
    created_by = {
        "version": metadata.version("myodrive"), "command": "myodrive train", "settings": asdict(training.settings),
        "network": encoder.settings, "minutes": round(training.seconds / 60, 1), "processes": training.processes,
    }  # fmt: skip
    info = {
        "names": list(NAMES), "reported": list(REPORTED), "grids_only": list(GRIDS_ONLY),
        "frequencies_hz": list(FREQUENCIES_HZ), "window_s": [BEFORE_S, AFTER_S],
        "filter": {"low_hz": 20.0, "high_hz": 500.0}, "montage": "monopolar",
        "trained": {
            "ied_mm": list(SPACINGS_MM), "rows": list(ROWS), "channels": list(CHANNELS), "snr_db": list(SNR_DB),
            "fs_hz_least": 1000.0, "ranges": {name: list(pair) for name, pair in WIDE.items()},
        },
        "created_by": created_by,
    }  # fmt: skip
    difference = write_parameter_model(output, encoder, info, examples)
    card = output.with_suffix(".md")
    last = json.loads((training.folder / LOG).read_text().splitlines()[-1])
    with written_whole(card) as partial:
        partial.write_text(model_card(created_by, calibrated, last, output))
    return {
        "output": str(output), "card": str(card), "bytes": output.stat().st_size, "parity": difference,
        "steps": training.step, "seconds": training.seconds, **asdict(calibrated),
    }  # fmt: skip


def model_card(created_by: dict[str, Any], calibrated: Calibrated, last: dict[str, Any], output: Path) -> str:
    """The card, in Markdown."""
    settings = created_by["settings"]
    lines = [
        f"# {output.name}",
        "From a motor unit's average waveform over the electrodes to its parameters, each with a standard deviation.",
        "",
        "| | |",
        "|---|---|",
        f"| made by | `myodrive train -o {output.name} --seed {settings['seed']} --steps {settings['steps']}`,"
        f" myodrive {created_by['version']} |",
        f"| took | {created_by['minutes']:g} minutes in {created_by['processes']} process(es) |",
        f"| network | {json.dumps(created_by['network'])}, {output.stat().st_size / 1e6:.1f} MB |",
        f"| losses | true parameters {settings['supervised']:g}, reconstruction by the physics"
        f" {settings['physics']:g} |",
        "| data | simulated only: 64 new units a step of Rosenfalck fibres under planar layers and in half-spaces"
        " (models/encoder/draws.py), arrays of 5 to 20 rows and 1 to 8 columns cut from larger ones |",
        "| for | monopolar arrays with 3 to 10 mm between electrodes and at least 5 neighbours along the fibres;"
        " waveforms filtered 20-500 Hz and averaged by the live path, -5 to 30 dB |",
        "| not for | differential montages, arrays across or oblique to the fibres, pinnate muscles, units that are"
        " innervated twice; it has seen no real recording. What it says of fat, anisotropy and the scatter within a"
        " unit is only there to be averaged over |",
        "| licence | Apache-2.0 |",
        "",
        f"Median errors after step {last['step']} on units nobody trained on, spacing 3 to 10 mm, noise -5 to 30 dB:"
        f" IZ {last['iz_16x1']:.2f} / {last['iz_8x8']:.2f} / {last['iz_13x5']:.2f} mm,"
        f" CV {last['cv_16x1']:.3f} / {last['cv_8x8']:.3f} / {last['cv_13x5']:.3f} m/s on 16x1 / 8x8 / 13x5."
        " `myodrive bench params` prints the table of accuracies.",
        "",
        "| quantity | mean absolute error | 90 % intervals that hold | standard deviation was multiplied by |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name}{' (logarithm)' if name == 'size_fibres' else ''} | {calibrated.mae[name]:.3g} |"
        f" {100 * calibrated.cover90[name]:.0f} % | {calibrated.spread[name]:.2f} |"
        for name in NAMES
    ]
    return "\n".join([*lines, ""])
