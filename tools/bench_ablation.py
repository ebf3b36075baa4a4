"""What each part of the informed autoencoder buys: short trainings that differ in one thing, on the same test units."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import box
from rich.table import Table

from ..models.encoder.batches import make_batch
from ..models.encoder.draws import draw_shard
from ..models.encoder.losses import Decoder
from ..models.encoder.quantities import CV, IZ
from ..models.encoder.training import SHAPES, Training, TrainSettings
from ..models.inversion.fit import use_available_cores
from .bench_params_sets import UnitSet, drawn_set

VARIANTS = {
    "everything": {},
    "no physics loss": {"physics": 0.0},
    "no true values": {"supervised": 0.0, "physics": 1.0},
    "no alignment": {"aligned": False},
}
ARRAYS, SNRS_DB = ("16x1", "13x5"), (20.0, 0.0)
FIRST_SEED = 1_400  # of the test sets: those of `bench params` begin at 1000
SHARD_SEED = 1_500  # of the muscles in which reconstructions are compared
SHARDS, SHARD_UNITS = 6, 16


def ablation(
    steps: int, units: int, seed: int, progress: Callable[[float, str], None] = lambda share, note: None
) -> dict[str, object]:
    """Train every variant for `steps` from the same seed, and test it.

    Parameters
    ----------
    steps, units : int
        Units in each test set.
    seed : int
        Of the test sets.
    """
    use_available_cores()
    sets = {
        (name, snr_db): drawn_set(name, units, snr_db, seed + number)
        for number, (name, snr_db) in enumerate((name, snr_db) for name in ARRAYS for snr_db in SNRS_DB)
    }
    rows = []
    for number, (variant, changes) in enumerate(VARIANTS.items()):

        def so_far(share: float, note: str, number: int = number, variant: str = variant) -> None:
            progress((number + share) / len(VARIANTS), f"{variant}: {note}")

        with tempfile.TemporaryDirectory() as folder:
            training = Training(replace(TrainSettings(), steps=steps, average=0.98, **changes), Path(folder), "cpu")
            training.run(so_far)
        rows.append({"variant": variant, "steps": steps, "seconds": training.seconds, **_tested(training, sets)})
    return {"rows": rows, "n": units, "seed": seed}


def _tested(training: Training, sets: dict[tuple[str, float], UnitSet]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for (name, snr_db), units in sets.items():
        geometry = units.array.geometry
        waveform = torch.as_tensor(np.stack([average.waveform for average in units.averages]))
        noise_sd = torch.as_tensor(np.stack([average.noise for average in units.averages])).float().sqrt()
        place = torch.as_tensor(np.stack([geometry.along_mm(), geometry.across_mm()], axis=1)).float()
        place = place.expand(len(units), -1, -1)
        present = torch.ones_like(noise_sd)
        with torch.no_grad():
            mean = training.encoder(waveform, noise_sd, place, present, training.to_spectrum)[0].numpy()
        found[f"iz_{name}_{snr_db:g}db"] = float(np.abs(mean[:, IZ] - units.zones_mm).mean())
        found[f"cv_{name}_{snr_db:g}db"] = float(np.abs(mean[:, CV] - units.speeds_m_s).mean())
    found["residue_db"] = _residue_db(training)
    return found


def _residue_db(training: Training) -> float:
    """Power that the physics' reconstruction leaves of clean waveforms, median over units of some muscles."""
    generator = torch.Generator().manual_seed(SHARD_SEED)
    left = []
    for _ in range(SHARDS):
        shard = draw_shard(generator, units=SHARD_UNITS)
        rows, columns = SHAPES[0] if shard.waveform.shape[1] >= SHAPES[0][0] else SHAPES[1]
        batch = make_batch([shard], rows, columns, SHARD_UNITS, training.receiver, generator)
        with torch.no_grad():
            guess = training.encoder.passes(
                batch.waveform, batch.noise_sd, batch.place, batch.present, training.to_spectrum
            )[-1][0]
            left.append(Decoder(shard, rows, columns, training.receiver).residue(guess, batch.clean))
    return 10.0 * float(torch.cat(left).median().log10())


def table(rows: list[dict[str, Any]]) -> Table:
    """For a person."""
    shown = Table(title=f"After {rows[0]['steps']} steps: mean absolute errors", box=box.SIMPLE_HEAD, padding=(0, 1))
    shown.add_column("trained with", no_wrap=True)
    for name in ARRAYS:
        for snr_db in SNRS_DB:
            shown.add_column(f"{name}\n{snr_db:g} dB\nIZ mm", justify="right", no_wrap=True)
            shown.add_column("\n\nCV m/s", justify="right", no_wrap=True)
    shown.add_column("left\nby the physics\ndB", justify="right", no_wrap=True)
    shown.add_column("\n\nmin", justify="right", no_wrap=True)
    for row in rows:
        cells = []
        for name in ARRAYS:
            for snr_db in SNRS_DB:
                cells += [f"{row[f'iz_{name}_{snr_db:g}db']:.2f}", f"{row[f'cv_{name}_{snr_db:g}db']:.3f}"]
        shown.add_row(row["variant"], *cells, f"{row['residue_db']:.1f}", f"{row['seconds'] / 60:.0f}")
    return shown
