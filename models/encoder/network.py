"""The encoder: from a unit's average waveform at any rectangular array to its parameters and their uncertainty.

Channels are tokens that know their place, so that one network serves every array and missing channels are simply not
there. A first look over all of them guesses; then, twice, every channel's waveform is shifted by the delay that the
guess predicts for it, delay + |z - IZ| / CV, and what is still out of line corrects the guess. A small error of the
velocity is then a small slope over the channels, which a network sees at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .quantities import CV, DELAY, IZ, LATERAL, NAMES, SIZE, middles, scales

WAVES_MM = (200.0, 100.0, 50.0, 25.0, 12.5)  # of the sines that tell a token its place
SAME_COLUMN_MM = 0.5
PLACE_MM, EXTENT_MM = 25.0, 100.0
SLOWEST_M_S, FASTEST_M_S = 1.2, 9.0
LEAST_SD, MOST_SD = 2e-3, 6.0  # of a quantity's scale
PASSES = 2


class Block(nn.Module):
    """Attention over the channels, then a small network on each."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_network = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_qkv, self.to_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.network = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(approximate="tanh"), nn.Linear(2 * width, width)
        )

    def forward(self, token: Tensor, hidden: Tensor) -> Tensor:
        """`token` (batch, channels, width); `hidden` (batch, 1, 1, channels) is added to the attention."""
        batch, channels, width = token.shape
        qkv = self.to_qkv(self.before_attention(token)).reshape(batch, channels, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (batch, heads, channels, width / heads)
        alike = query @ key.transpose(-1, -2) / math.sqrt(width / self.heads) + hidden
        mixed = (alike.softmax(-1) @ value).transpose(1, 2).reshape(batch, channels, width)
        token = token + self.to_out(mixed)
        result: Tensor = token + self.network(self.before_network(token))
        return result


class Readout(nn.Module):
    """A few questions asked of all channels, and what follows from the answers."""

    def __init__(self, width: int, questions: int, outputs: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.question = nn.Linear(width, questions)
        self.network = nn.Sequential(
            nn.Linear(questions * width, 2 * width), nn.GELU(approximate="tanh"), nn.Linear(2 * width, outputs)
        )

    def forward(self, token: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (batch, outputs), and how much each question looks at each channel (batch, questions, channels)."""
        token = self.before(token)
        look = (self.question(token).transpose(1, 2) + hidden[:, 0]).softmax(-1)  # (batch, questions, channels)
        return self.network((look @ token).flatten(1)), look


class Encoder(nn.Module):
    """See the module.

    Parameters
    ----------
    frequencies_hz : sequence of float
        Of the spectra that `forward` computes with `to_spectrum`.
    width, heads, first_blocks, blocks, questions : int
    aligned : bool
        Without it the passes see the waveforms as they are: for the ablation.
    """

    def __init__(
        self,
        frequencies_hz: Sequence[float],
        width: int = 128,
        heads: int = 4,
        first_blocks: int = 2,
        blocks: int = 3,
        questions: int = 4,
        aligned: bool = True,
    ) -> None:
        super().__init__()
        self.settings = {
            "width": width, "heads": heads, "first_blocks": first_blocks, "blocks": blocks, "questions": questions,
            "aligned": aligned,
        }  # fmt: skip
        self.aligned = aligned
        self.frequencies_hz = tuple(float(f) for f in frequencies_hz)
        bins, count = len(self.frequencies_hz), len(NAMES)
        self.register_buffer("radians", 2e-3 * math.pi * torch.tensor(self.frequencies_hz))  # per ms
        self.register_buffer("waves", 2.0 * math.pi / torch.tensor(WAVES_MM))
        self.register_buffer("middle", middles())
        self.register_buffer("scale", scales())
        self.register_buffer("relative", torch.tensor([i for i in range(count) if i not in (IZ, LATERAL)]))
        # Set by `calibration.calibrate_uncertainty`: by how much standard deviations are multiplied, and what tokens
        # look like in training; the further a unit's are from that, the larger its standard deviations.
        self.register_buffer("spread", torch.ones(count))
        self.register_buffer("usual", torch.zeros(width))
        self.register_buffer("whiten", torch.zeros(width, width))
        place = 2 + 4 * len(WAVES_MM)
        self.first_token = nn.Linear(2 * bins + place + 2, width)
        self.first = nn.ModuleList(Block(width, heads) for _ in range(first_blocks))
        self.first_readout = Readout(width, questions, count)
        self.token = nn.Linear(2 * bins + place + 3 + count + width, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.readout = Readout(width, questions, 2 * count)

    def forward(
        self, waveform: Tensor, noise_sd: Tensor, place: Tensor, present: Tensor, to_spectrum: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Means and standard deviations of every quantity, each (batch, quantities), the size in fibres.

        Parameters
        ----------
        waveform : Tensor, shape (batch, channels, samples), uV
        noise_sd : Tensor, shape (batch, channels), uV
            Of a waveform's sample.
        place : Tensor, shape (batch, channels, 2), mm
            Along and across the fibres.
        present : Tensor, shape (batch, channels)
            1, or 0 for a channel that is not there.
        to_spectrum : Tensor, shape (samples, 2 frequencies)
            `stream.spectrum.spectrum_matrix`.
        """
        found, look = self.passes_and_look(waveform, noise_sd, place, present, to_spectrum)
        guess, log_sd = found[-1]
        mean = guess * self.scale + self.middle
        strange = ((look - self.usual) @ self.whiten).square().sum(dim=1, keepdim=True)  # (batch, 1): 1 at the limit
        sd = log_sd.exp() * self.scale * self.spread * (1.0 + (strange - 1.0).relu())
        size = mean[:, SIZE : SIZE + 1].exp()
        mean = torch.cat([mean[:, :SIZE], size, mean[:, SIZE + 1 :]], dim=1)
        sd = torch.cat([sd[:, :SIZE], size * sd[:, SIZE : SIZE + 1], sd[:, SIZE + 1 :]], dim=1)
        return mean, sd

    def passes(
        self, waveform: Tensor, noise_sd: Tensor, place: Tensor, present: Tensor, to_spectrum: Tensor
    ) -> list[tuple[Tensor, Tensor]]:
        """Standardised guess and logarithm of its standard deviation after each pass, each (batch, quantities)."""
        return self.passes_and_look(waveform, noise_sd, place, present, to_spectrum)[0]

    def passes_and_look(
        self, waveform: Tensor, noise_sd: Tensor, place: Tensor, present: Tensor, to_spectrum: Tensor
    ) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """The passes, and the mean of the last one's tokens, shape (batch, width)."""
        spectrum, noise, size = self._spectra(waveform, noise_sd, place, present, to_spectrum)
        hidden = ((present - 1.0) * 1e4)[:, None, None, :]  # (batch, 1, 1, channels)
        there = present[..., None]
        token = self.first_token(torch.cat([spectrum, self._where(place), noise], dim=2))
        for block in self.first:
            token = block(token, hidden)
        guess, look = self.first_readout(token, hidden)
        zone = (look[:, :1] @ place[..., :1])[:, 0]  # (batch, 1) mm: a place on the array is a mean of its places
        side = (look[:, 1:2] @ place[..., 1:])[:, 0]  # (batch, 1)
        anchor = torch.zeros_like(guess)
        anchor = anchor + nn.functional.pad(zone / self.scale[IZ], (IZ, len(NAMES) - 1 - IZ))
        anchor = anchor + nn.functional.pad(side / self.scale[LATERAL], (LATERAL, len(NAMES) - 1 - LATERAL))
        of_size = nn.functional.pad(size, (SIZE, len(NAMES) - 1 - SIZE))  # (batch, quantities)
        guess = guess + anchor + of_size
        extent = (place * there).abs().amax(dim=1) / EXTENT_MM  # (batch, 2)
        found = [(guess, torch.zeros_like(guess))]
        for _ in range(PASSES):
            guess = guess.detach()
            value = guess * self.scale + self.middle
            away = place - torch.stack([value[:, IZ], value[:, LATERAL]], dim=1)[:, None]  # (batch, channels, 2) mm
            velocity = value[:, CV, None].clamp(SLOWEST_M_S, FASTEST_M_S)
            lag = value[:, DELAY, None] + away[..., 0].abs() / velocity  # (batch, channels) ms
            aligned = self._advanced(spectrum, lag) if self.aligned else spectrum
            known = torch.cat([(guess - of_size)[:, self.relative], extent], dim=1)  # (batch, quantities)
            known = known.clamp(-6.0, 6.0)[:, None].expand(-1, place.shape[1], -1)
            looks = [aligned, self._where(away), away[..., :1].abs() / PLACE_MM, noise, known, token]
            closer = self.token(torch.cat(looks, dim=2)) * there
            for block in self.blocks:
                closer = block(closer, hidden)
            step, log_sd = self.readout(closer, hidden)[0].chunk(2, dim=1)
            guess = guess + step
            found.append((guess, log_sd.clamp(math.log(LEAST_SD), math.log(MOST_SD))))
        look = (self.readout.before(closer) * there).sum(1) / there.sum(1).clamp(min=1.0)  # (batch, width)
        return found, look

    def _spectra(
        self, waveform: Tensor, noise_sd: Tensor, place: Tensor, present: Tensor, to_spectrum: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Spectra on a common scale, without what a column sees at once; the noise in them; logarithm of the scale."""
        there = present[..., None]
        spectrum = (waveform * there) @ to_spectrum  # (batch, channels, 2 frequencies)
        same = (place[:, :, None, 1] - place[:, None, :, 1]).abs() < SAME_COLUMN_MM
        same = same * present[:, None]  # (batch, channels, channels)
        spectrum = (spectrum - same @ spectrum / same.sum(2, keepdim=True).clamp(min=1.0)) * there
        bins = spectrum.shape[2]
        power = spectrum.square().sum(dim=(1, 2)) / (present.sum(1).clamp(min=1.0) * bins)  # (batch,)
        scale = power.clamp(min=1e-12).sqrt()[:, None]
        per_sample = (to_spectrum.square().sum() / bins).sqrt()  # noise of a spectrum's part, for 1 uV a sample
        noise = (noise_sd * per_sample / scale).clamp(1e-4, 1e3).log() * present  # (batch, channels)
        mean = noise.sum(1, keepdim=True) / present.sum(1, keepdim=True).clamp(min=1.0)
        return spectrum / scale[..., None], torch.stack([noise - mean, mean.expand_as(noise)], dim=2), scale.log()

    def _where(self, place: Tensor) -> Tensor:
        """What tells a token its place, shape (batch, channels, 2 + 4 waves)."""
        phase = (place[..., None] * self.waves).flatten(2)  # (batch, channels, 2 waves)
        return torch.cat([place / PLACE_MM, phase.sin(), phase.cos()], dim=2)

    def _advanced(self, spectrum: Tensor, lag_ms: Tensor) -> Tensor:
        """Spectra of the waveforms `lag_ms` (batch, channels) earlier."""
        turn = lag_ms[..., None] * self.radians  # (batch, channels, frequencies)
        cos, sin = turn.cos(), turn.sin()
        real, imaginary = spectrum.chunk(2, dim=2)
        return torch.cat([real * cos - imaginary * sin, real * sin + imaginary * cos], dim=2)
