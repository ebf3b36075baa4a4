"""What training minimises: the waveform that the physics makes of an estimate, and the estimate itself."""

from __future__ import annotations

import torch
from torch import Tensor

from ..forward.electrodes import Electrodes
from ..forward.fibres import quadrature_deviates
from ..forward.waveform import WaveformModel
from .batches import Receiver
from .draws import REACH_MM, Shard, large_array, window
from .quantities import DELAY, NAMES, QUANTITIES, as_units, middles, scales

WEIGHTS = {"iz_mm": 2.0, "cv_m_s": 2.0}  # the quantities the project is judged by; others weigh 1 or less
SELDOM_SEEN = ("ap_scale", "cv_sd_m_s", "radius_mm", "fat_mm", "anisotropy", "iz_spread_mm")
SELDOM_WEIGHT = 0.5
ROUGH_WEIGHTS = (0.5, 0.5)  # of the first guess and of the pass before the last
DECODER_FIBRES = 10
RESIDUE = 0.01  # share of power below which a better reconstruction counts for little
OUTERMOST = 3.5  # scales from the middle: where the decoder's parameters are held


def quantity_weights() -> Tensor:
    """Shape (quantities,)."""
    return torch.tensor([WEIGHTS.get(q.name, SELDOM_WEIGHT if q.name in SELDOM_SEEN else 1.0) for q in QUANTITIES])


def supervised(passes: list[tuple[Tensor, Tensor]], target: Tensor, weight: Tensor) -> Tensor:
    """Likelihood of the true quantities in the last pass, and distance from them in those before.

    The likelihood's gradient is weighted by the square root of the variance (beta-NLL, Seitzer et al. 2022), so that
    what is uncertain is learnt too.

    Parameters
    ----------
    passes : list of (guess, log_sd), each Tensor (batch, quantities), standardised
    target : Tensor, shape (batch, quantities), standardised
    weight : Tensor, shape (quantities,)
    """
    guess, log_sd = passes[-1]
    error = guess - target
    likelihood = 0.5 * (error * torch.exp(-log_sd)).square() + log_sd
    loss = (likelihood * log_sd.detach().exp().clamp(max=2.0) * weight).mean()
    for (rough, _), share in zip(passes[:-1], ROUGH_WEIGHTS, strict=True):
        distance = torch.nn.functional.smooth_l1_loss(rough, target, reduction="none", beta=0.1)
        loss = loss + share * (distance * weight).mean()
    return loss


class Decoder:
    """The autoencoder's other half: the physics of one shard's muscle at an array cut from its own.

    Parameters
    ----------
    shard : Shard
    rows, columns : int
    receiver : Receiver
    """

    def __init__(self, shard: Shard, rows: int, columns: int, receiver: Receiver) -> None:
        geometry = large_array(rows, columns, shard.ied_mm)
        device = shard.waveform.device
        electrodes = Electrodes.from_geometry(geometry, "monopolar")
        self._model = WaveformModel(shard.conductor, electrodes, window(), reach_mm=REACH_MM, device=device)
        self._receiver = receiver
        self._deviates = quadrature_deviates(DECODER_FIBRES).to(device)
        self._columns = columns
        self._middle, self._scale = middles().to(device), scales().to(device)
        self._free = torch.tensor([name not in ("iz_mm", "lateral_mm", "size_fibres") for name in NAMES], device=device)

    def __call__(self, guess: Tensor) -> Tensor:
        """Waveforms (batch, channels, samples) of standardised estimates, of any size."""
        held = torch.where(self._free, guess.clamp(-OUTERMOST, OUTERMOST), guess.clamp(-25.0, 25.0))
        values = held * self._scale + self._middle
        least = torch.tensor([1.5 if q.name == "cv_m_s" else 0.0 for q in QUANTITIES], device=guess.device)
        positive = torch.tensor([q.name not in ("iz_mm", "lateral_mm", "size_fibres") for q in QUANTITIES])
        values = torch.where(positive.to(guess.device), torch.maximum(values, least + 0.02), values)
        units = as_units(values).with_(fibres=torch.full_like(values[:, 0], 200.0))
        return self._receiver(self._model(units, self._deviates), values[:, DELAY])

    def residue(self, guess: Tensor, clean: Tensor) -> Tensor:
        """Share of a waveform's power that the reconstruction leaves, without what a column sees at once: (batch,)."""
        made, seen = (self._own_part(waveform) for waveform in (self(guess), clean))
        gain = (made * seen).sum((1, 2, 3)) / made.square().sum((1, 2, 3)).clamp(min=1e-12)  # (batch,)
        left = seen - gain.clamp(min=0.0)[:, None, None, None] * made
        return left.square().sum((1, 2, 3)) / seen.square().sum((1, 2, 3)).clamp(min=1e-12)

    def _own_part(self, waveform: Tensor) -> Tensor:
        by_column = waveform.unflatten(1, (-1, self._columns))  # (batch, rows, columns, samples)
        return by_column - by_column.mean(1, keepdim=True)


def reconstruction(decoder: Decoder, guess: Tensor, clean: Tensor) -> Tensor:
    """Loss of reconstructing `clean` waveforms from standardised estimates through the physics."""
    return (decoder.residue(guess, clean) + RESIDUE).log().mean()
