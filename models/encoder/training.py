"""Training of the encoder: fresh units every step, both losses, checkpoints that resume, any number of processes."""

from __future__ import annotations

import json
import math
import os
import pickle
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...stream.errors import OptionError
from ...stream.spectrum import spectrum_matrix
from .batches import Batch, Receiver, make_batch
from .draws import FS_HZ, Shard, draw_shard
from .losses import Decoder, quantity_weights, reconstruction, supervised
from .network import Encoder
from .quantities import CV, IZ, NAMES, middles, scales

FREQUENCIES_HZ = tuple(k / 0.055 for k in range(1, 28))  # 18 to 491 Hz: the averages' window is 55 ms long
SHAPES = ((16, 1), (8, 8), (13, 5))  # of the table; one step sees each, and one drawn
TOKENS = 3072  # channels x units of one part of a step
ROWS, COLUMNS = (5, 20), (1, 8)
VALIDATION_SEED = 1_000_000  # added to the seed
CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"


@dataclass(frozen=True)
class TrainSettings:
    """How an encoder is trained.

    Attributes
    ----------
    seed, steps : int
    supervised, physics : float
        Weights of the two losses; 0 leaves one out.
    aligned : bool
        See `Encoder`.
    learning_rate : float
    shards : int
        Muscles that are drawn from at a time; every step one is replaced.
    physics_units : int
        Units reconstructed in a step.
    average : float
        Of the weights over the steps: what is validated and exported is their running mean.
    """

    seed: int = 1
    steps: int = 3300
    supervised: float = 1.0
    physics: float = 0.1
    aligned: bool = True
    learning_rate: float = 1.5e-3
    shards: int = 96
    physics_units: int = 12
    average: float = 0.998


class Training:
    """One training run, in one or in several processes.

    Parameters
    ----------
    settings : TrainSettings
    folder : Path
        For the checkpoint and the log; a run that was interrupted there goes on.
    device : str, optional
        By default a GPU where there is one.

    Raises
    ------
    OptionError
        The folder holds a run of other settings or a damaged one, or there is no GPU where one was asked for.
    """

    def __init__(self, settings: TrainSettings, folder: Path, device: str | None = None) -> None:
        self.settings, self.folder = settings, folder
        self.device = _device(device)
        self.rank, self.processes = _join_processes(self.device)
        torch.manual_seed(settings.seed)
        self.encoder = Encoder(FREQUENCIES_HZ, aligned=settings.aligned).to(self.device)
        self.averaged = {name: value.clone() for name, value in self.encoder.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.encoder.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
        )
        self.receiver = Receiver(self.device)
        self.to_spectrum = to_spectrum(self.receiver).to(self.device)
        self.weight = quantity_weights().to(self.device)
        self.middle, self.scale = middles().to(self.device), scales().to(self.device)
        self.step, self.seconds = 0, 0.0
        self._shards: deque[Shard] = deque(maxlen=settings.shards)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).exists():
            self._resume()
        for number in range(self.step - settings.shards + 1, self.step):  # those a run without a break would hold
            self._shards.append(self._shard(number))

    def run(self, progress: Callable[[float, str], None] = lambda share, note: None, every: int = 100) -> None:
        """Train to the end; the checkpoint is written every `every` steps.

        Parameters
        ----------
        progress : callable
            Takes the share done and a note.
        every : int
        """
        began, before = time.monotonic(), self.seconds
        losses: list[dict[str, float]] = []
        while self.step < self.settings.steps:
            losses.append(self._one_step())
            self.step += 1
            self.seconds = before + time.monotonic() - began
            mean = losses[-1]
            progress(self.step / self.settings.steps, f"step {self.step}, loss {mean['loss']:.3f}")
            if self.step % every == 0 or self.step == self.settings.steps:
                entry = {name: sum(one[name] for one in losses) / len(losses) for name in losses[0]}
                losses.clear()
                if self.rank == 0:
                    self._note({"step": self.step, "seconds": round(self.seconds, 1), **entry, **self.validate()})
                    self._save()
        self.encoder.load_state_dict(self.averaged)

    def validate(self, units: int = 96) -> dict[str, float]:
        """Median absolute errors of IZ (mm) and CV (m/s) of averaged weights on units nobody trains on."""
        trained = {name: value.clone() for name, value in self.encoder.state_dict().items()}
        self.encoder.load_state_dict(self.averaged)
        found: dict[str, float] = {}
        for (rows, columns), batch in zip(SHAPES, self.validation_batches(units), strict=True):
            with torch.no_grad():
                mean, _ = self.encoder(batch.waveform, batch.noise_sd, batch.place, batch.present, self.to_spectrum)
            error = (mean - batch.truth).abs().median(dim=0).values
            found[f"iz_{rows}x{columns}"], found[f"cv_{rows}x{columns}"] = float(error[IZ]), float(error[CV])
        self.encoder.load_state_dict(trained)
        return {name: round(value, 4) for name, value in found.items()}

    def validation_batches(self, units: int) -> list[Batch]:
        """One batch for each of the table's shapes."""
        generator = torch.Generator().manual_seed(self.settings.seed + VALIDATION_SEED)
        shards = [draw_shard(generator, self.device) for _ in range(8)]
        return [make_batch(shards, *shape, units, self.receiver, generator) for shape in SHAPES]

    def _one_step(self) -> dict[str, float]:
        settings = self.settings
        generator = self._generator(self.step)
        self._shards.append(self._shard(self.step))
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(self.step / settings.steps, self.step)
        self.optimizer.zero_grad()
        rows = int(torch.randint(ROWS[0], ROWS[1] + 1, (1,), generator=generator))
        columns = int(torch.randint(COLUMNS[0], COLUMNS[1] + 1, (1,), generator=generator))
        shapes = (*SHAPES, (rows, columns))
        told = {"supervised": 0.0, "physics": 0.0}
        if settings.supervised:
            for rows, columns in shapes:
                batch = make_batch(
                    self._shards, rows, columns, max(1, TOKENS // (rows * columns)), self.receiver, generator
                )
                passes = self._passes(batch)
                loss = supervised(passes, (batch.truth - self.middle) / self.scale, self.weight) / len(shapes)
                (settings.supervised * loss).backward()  # type: ignore[no-untyped-call]
                told["supervised"] += float(loss.detach())
        if settings.physics:
            shape = SHAPES[self.step % len(SHAPES)]
            loss = self._physics(shape, settings.physics_units if settings.supervised else 32, generator)
            (settings.physics * loss).backward()  # type: ignore[no-untyped-call]
            told["physics"] = float(loss.detach())
        self._share_gradients()
        told["norm"] = float(torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0))
        self.optimizer.step()
        decay = min(settings.average, (self.step + 1) / (self.step + 10))
        for name, parameter in self.encoder.named_parameters():
            self.averaged[name].lerp_(parameter.detach(), 1.0 - decay)
        return {"loss": settings.supervised * told["supervised"] + settings.physics * told["physics"], **told}

    def _passes(self, batch: Batch) -> list[tuple[Tensor, Tensor]]:
        return self.encoder.passes(batch.waveform, batch.noise_sd, batch.place, batch.present, self.to_spectrum)

    def _physics(self, shape: tuple[int, int], units: int, generator: torch.Generator) -> Tensor:
        """Reconstruction of units of one muscle: all passes' guesses, through that muscle's physics."""
        fits = [s for s in self._shards if s.waveform.shape[1] >= shape[0] and s.waveform.shape[2] >= shape[1]]
        shard = fits[int(torch.randint(len(fits), (1,), generator=generator))]
        batch = make_batch([shard], *shape, units, self.receiver, generator)
        decoder = Decoder(shard, *shape, self.receiver)
        return reconstruction(decoder, self._passes(batch)[-1][0], batch.clean)

    def _shard(self, number: int) -> Shard:
        return draw_shard(self._generator(number, 1), self.device)

    def _generator(self, number: int, kind: int = 0) -> torch.Generator:
        """Draws of one step of one process: nothing depends on what was drawn before."""
        seed = ((self.settings.seed * 64 + self.rank) * 10_000_000 + number + self.settings.shards) * 2 + kind
        return torch.Generator().manual_seed(seed)

    def _share_gradients(self) -> None:
        if self.processes == 1:
            return
        for parameter in self.encoder.parameters():
            if parameter.grad is not None:
                torch.distributed.all_reduce(parameter.grad)
                parameter.grad /= self.processes

    def _note(self, entry: dict[str, Any]) -> None:
        with (self.folder / LOG).open("a") as log:
            log.write(json.dumps(entry) + "\n")

    def _save(self) -> None:
        state = {
            "settings": asdict(self.settings), "names": NAMES, "step": self.step, "seconds": self.seconds,
            "encoder": self.encoder.state_dict(), "averaged": self.averaged, "optimizer": self.optimizer.state_dict(),
        }  # fmt: skip
        partial = self.folder / (CHECKPOINT + ".part")
        torch.save(state, partial)
        os.replace(partial, self.folder / CHECKPOINT)

    def _resume(self) -> None:
        try:
            state = torch.load(self.folder / CHECKPOINT, map_location=self.device, weights_only=True)
            settings = state["settings"]
        except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
            raise OptionError(
                f'"{self.folder / CHECKPOINT}" is damaged or another program\'s: remove it, or give another folder'
            ) from error
        if settings != asdict(self.settings):
            raise OptionError(
                f"{self.folder} holds a run with other settings ({settings}): give another folder, or the same"
                " options to go on with it"
            )
        self.encoder.load_state_dict(state["encoder"])
        self.averaged = {name: value.to(self.device) for name, value in state["averaged"].items()}
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]


def to_spectrum(receiver: Receiver) -> Tensor:
    """The encoder's last input at the training rate, shape (samples, 2 frequencies)."""
    return torch.as_tensor(spectrum_matrix(FREQUENCIES_HZ, FS_HZ, receiver.samples, receiver.sections))


def _schedule(done: float, step: int, warm: int = 100) -> float:
    """Share of the learning rate: up over the first steps, then down a cosine."""
    return min(1.0, (step + 1) / warm) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, done)))


def _device(asked: str | None) -> torch.device:
    """What was asked for, by default a GPU where there is one: under torchrun each process its own."""
    if asked not in (None, "cuda"):
        return torch.device(asked)
    if torch.cuda.is_available():
        return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
    if asked is None:
        return torch.device("cpu")
    raise OptionError("PyTorch finds no GPU here: train on another machine, or on the CPU")


def _join_processes(device: torch.device) -> tuple[int, int]:
    """Rank and number of processes; more than one under torchrun."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return torch.distributed.get_rank(), torch.distributed.get_world_size()
