"""Training batches: arrays cut out of shards, seen as the live path sees a unit, with what spoils real averages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...stream.average_window import window_samples
from ...stream.spectrum import filter_response
from ..bandpass import design_filter
from .draws import FS_HZ, Shard, window
from .quantities import DELAY, IZ, LATERAL, NAMES, SIZE

PERIOD = 256  # of the transform that delays and filters
DELAYS_MS = (0.5, 22.0)  # from the averages' window's start to the innervation
SNR_DB = (-5.0, 30.0)
SNR_WINDOW_S = 0.04
COLOURED_SHARE = 0.5  # of waveforms whose noise is in part what other units leave in an average
UNEVEN_SHARE, UNEVEN = 0.3, 0.4  # of waveforms whose channels are noisy to different degrees; SD of the logarithm
BAD_SHARE, MOST_BAD = 0.3, 0.2  # of waveforms with channels missing, and of their channels at most
LATERAL_REACH_MM = 8.0  # a unit is seen by arrays that end no further from it
LOW, HIGH = NAMES.index("half_length_low_mm"), NAMES.index("half_length_high_mm")


@dataclass(frozen=True)
class Batch:
    """What the encoder gets, and what it should say.

    Attributes
    ----------
    waveform, clean : Tensor, shape (batch, channels, samples), uV
        With and without noise.
    noise_sd, present : Tensor, shape (batch, channels)
    place : Tensor, shape (batch, channels, 2), mm
    truth : Tensor, shape (batch, quantities)
    """

    waveform: Tensor
    clean: Tensor
    noise_sd: Tensor
    place: Tensor
    present: Tensor
    truth: Tensor


class Receiver:
    """Delays and filters as the live path does.

    Parameters
    ----------
    device : torch.device or str
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        frequency = np.fft.rfftfreq(PERIOD, 1.0 / FS_HZ)
        self.sections = design_filter(FS_HZ).sections
        response = filter_response(self.sections, frequency, FS_HZ)
        self._response = torch.as_tensor(response, dtype=torch.complex64, device=device)
        self._radians = torch.as_tensor(2e-3 * np.pi * frequency, dtype=torch.float32, device=device)  # per ms
        self.samples = sum(window_samples(FS_HZ))
        self._start_ms = window().start_ms

    def __call__(self, waveform: Tensor, delay_ms: Tensor) -> Tensor:
        """Waveforms (batch, channels, time) in the averages' window, `delay_ms` (batch,) after its start."""
        turn = torch.exp(-1j * self._radians * (delay_ms + self._start_ms)[:, None]) * self._response
        return torch.fft.irfft(torch.fft.rfft(waveform, PERIOD) * turn[:, None], PERIOD)[..., : self.samples]


def cut(
    shards: Sequence[Shard], rows: int, columns: int, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Units of random shards under arrays of one shape.

    Parameters
    ----------
    shards : sequence of Shard
        Those with larger arrays are used.
    rows, columns, count : int

    Returns
    -------
    waveform : Tensor, shape (count, rows x columns, time), uV
    truth : Tensor, shape (count, quantities)
        Places from the cut array's centre.
    place : Tensor, shape (count, rows x columns, 2), mm
    """
    large = [shard for shard in shards if shard.waveform.shape[1] >= rows and shard.waveform.shape[2] >= columns]
    which = torch.randint(len(large), (count,), generator=generator).tolist()
    chance = torch.rand(count, 5, generator=generator).tolist()
    waveforms, truths, places = [], [], []
    for number, (unit, row_chance, column_chance, mirror_z, mirror_x) in zip(which, chance, strict=True):
        shard = large[number]
        units, all_rows, all_columns, _ = shard.waveform.shape
        i = int(unit * units)
        truth = shard.truth[i].clone()
        margin = -1.0 if shard.table else 1.5  # spacings that the zone may lie beyond the array
        first_row = _place(float(truth[IZ]) / shard.ied_mm + (all_rows - 1) / 2, rows, all_rows, margin, row_chance)
        reach = LATERAL_REACH_MM / shard.ied_mm
        first_column = _place(
            float(truth[LATERAL]) / shard.ied_mm + (all_columns - 1) / 2, columns, all_columns, reach, column_chance
        )
        seen = shard.waveform[i, first_row : first_row + rows, first_column : first_column + columns]
        truth[IZ] -= (first_row + (rows - 1) / 2 - (all_rows - 1) / 2) * shard.ied_mm
        truth[LATERAL] -= (first_column + (columns - 1) / 2 - (all_columns - 1) / 2) * shard.ied_mm
        if mirror_z < 0.5:
            seen = seen.flip(0)
            truth[IZ] *= -1.0
            truth[[LOW, HIGH]] = truth[[HIGH, LOW]]
        if mirror_x < 0.5:
            seen = seen.flip(1)
            truth[LATERAL] *= -1.0
        waveforms.append(seen.reshape(rows * columns, -1))
        truths.append(truth)
        places.append(shard.ied_mm)
    waveform = torch.stack(waveforms)
    row, col = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    grid = torch.stack([row.flatten() - (rows - 1) / 2, col.flatten() - (columns - 1) / 2], dim=1)  # (channels, 2)
    place = torch.tensor(places)[:, None, None] * grid  # (count, channels, 2)
    return waveform, torch.stack(truths), place.to(waveform)


def _place(at: float, size: int, whole: int, margin: float, chance: float) -> int:
    """First of `size` places of `whole` such that `at` lies among them, or not further than `margin` beyond."""
    low = max(0, int(np.ceil(at - margin - (size - 1))))
    high = min(whole - size, int(np.floor(at + margin)))
    if low > high:  # too far out for any
        return min(max(round(at - (size - 1) / 2), 0), whole - size)
    return low + int(chance * (high - low + 1))


def make_batch(
    shards: Sequence[Shard], rows: int, columns: int, count: int, receiver: Receiver, generator: torch.Generator
) -> Batch:
    """A batch of arrays of one shape, with noise, other units' residue, uneven and missing channels."""
    waveform, truth, place = cut(shards, rows, columns, count, generator)
    device = waveform.device

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).to(device)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    delay = DELAYS_MS[0] + (DELAYS_MS[1] - DELAYS_MS[0]) * random(count)
    truth[:, DELAY] = delay
    clean = receiver(waveform, delay)
    mean_square = clean.square().sum(dim=(1, 2)) / (clean.shape[1] * SNR_WINDOW_S * FS_HZ)
    snr_db = SNR_DB[0] + (SNR_DB[1] - SNR_DB[0]) * random(count)
    sd = (mean_square * 10.0 ** (-snr_db / 10.0)).sqrt()  # (count,)
    uneven = torch.where(random(count, 1) < UNEVEN_SHARE, UNEVEN, 0.0) * normal(count, clean.shape[1])
    share = random(count) * (random(count) < COLOURED_SHARE)  # of the noise's power that is other units'
    white = (sd * (1.0 - share).sqrt())[:, None] * uneven.exp()  # (count, channels)
    residue = _residue(clean, random)
    size = residue.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp(min=1e-9)
    residue = residue / size * (sd * share.sqrt())[:, None, None]
    noise_sd = (white.square() + residue.square().mean(2)).sqrt()  # (count, channels)
    noisy = clean + white[..., None] * normal(*clean.shape) + residue
    most = MOST_BAD * random(count, 1) * (random(count, 1) < BAD_SHARE)
    present = (random(count, clean.shape[1]) >= most).float()
    # A gain of the amplifier and the number of fibres are one: neither scale means anything.
    gain = (4.0 * random(count) - 2.0).exp()
    truth[:, SIZE] += gain.log()
    gain = gain[:, None, None]
    return Batch(
        noisy * present[..., None] * gain, clean * gain, noise_sd * present * gain[..., 0], place, present, truth
    )


def _residue(clean: Tensor, random: Callable[..., Tensor]) -> Tensor:
    """What averaging leaves of other units: some of the batch's other waveforms, at random times."""
    count, _, samples = clean.shape
    residue = torch.zeros_like(clean)
    for _ in range(3):
        others = clean[random(count).argsort()]
        others = others / others.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp(min=1e-9)
        first = int(random(1) * samples)
        residue = residue + others.roll(first, dims=2) * (random(count) - 0.5)[:, None, None]
    return residue
