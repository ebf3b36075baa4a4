"""False activations: a muscle at rest, with and without artefacts, decoded as fast as it goes.

The rest is simulated: noise with the spectrum of every channel and the coherence between channels that the quiet
parts of a real recording have. The decoder is one of that recording. What is quiet is what is within a little of its
quietest stretch; of a recording that has no rest, the noise is what is left when its units are taken out.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from ..stream.decoder_file import Decoder, read_decoder
from ..stream.pipeline import Pipeline
from .commands.decode import decode, selected
from .faults import Fault, FaultPlan
from .hdf5_reading import read_recording
from .processes import decoder_of
from .recording import BUNDLED

SEGMENT = 256  # samples of a spectrum
SMOOTHED = 8  # bins to each side: three times as many independent values as channels at the least
FLOOR = 1e-3  # of the mean power of a channel, added to every one: the spectrum of few segments has no full rank
BLOCK = 8192  # samples made at once
HOP = 256
QUIET_S, QUIETEST_S = 0.25, 0.5  # a stretch, and how much rest there must be
QUIET_TIMES = 1.2  # the RMS of the quietest stretch
RESIDUAL_S = 0.02  # around a discharge, that is taken out with its unit's average
EVERY_S = 10.0  # an artefact begins
MINUTES = 6.0  # with each kind of artefact
ARTEFACTS = {
    "cable, 2 mV": "artefact@{at}:1", "cable, 0.5 mV": "artefact@{at}:1,uv=500",
    "mains, 3 mV": "mains@{at}:1,uv=3000", "2 electrodes pop": "pop@{at}:1,channels=9+40",
    "2 electrodes loose": "noise@{at}:0.05,channels=9+40",
}  # fmt: skip
CHUNK = 8
Progress = Callable[[float, str], None]


def rest(
    *,
    hours: float = 1.0,
    minutes: float = MINUTES,
    decoder: str | None = None,
    recording: str = str(BUNDLED),
    seed: int = 0,
    progress: Progress = lambda share, note: None,
) -> dict[str, Any]:
    """Count false discharges and false commands.

    Parameters
    ----------
    hours : float
        Of rest without artefacts.
    minutes : float
        Of rest with each kind of artefact, one every 10 s.
    decoder : str, optional
        One of the recording, instead of calibrating.
    recording : str
    seed : int
    progress : callable, optional
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = decoder_of(recording, decoder, folder, progress)
        used = read_decoder(path)
    played = read_recording(recording)
    emg = selected(played, used)
    noise, seconds, where = quiet(emg, played.fs_hz, used)
    spectrum = cross_spectrum(noise)
    plan: list[tuple[str, str | None, float]] = [("none", None, 3600.0 * hours)]
    plan += [(name, text, 60.0 * minutes) for name, text in ARTEFACTS.items()]
    whole, done, rows = sum(seconds for _, _, seconds in plan), 0.0, []
    for i, (name, text, lasting) in enumerate(plan):

        def show(share: float, note: str = name, done: float = done, lasting: float = lasting) -> None:
            progress((done + share * lasting) / whole, note)

        counted = Counted(used)
        for signal in at_rest(spectrum, lasting, played.fs_hz, seed + i, text):
            counted(signal)
            show(counted.samples / played.fs_hz / lasting)
        counted.close()
        rows.append(
            {
                "artefact": name, "artefacts": artefacts_in(lasting) if text else 0,
                "seconds": counted.samples / played.fs_hz, **counted.summary(),
            }
        )  # fmt: skip
        done += lasting
    return {
        "recording": Path(recording).name, "units": len(used.info.units), "noise": where, "noise_s": seconds,
        "noise_uv": float(noise.std()), "rest": rows, "seconds": time.monotonic() - began,
    }  # fmt: skip


# the noise


def quiet(emg: NDArray[np.float32], fs_hz: float, decoder: Decoder) -> tuple[NDArray[np.float64], float, str]:
    """The noise of a recording, float64 (samples, channels) in uV; of how many seconds, and where from."""
    size = round(QUIET_S * fs_hz)
    stretches = emg[: len(emg) // size * size].reshape(-1, size, emg.shape[1]).astype(np.float64)
    stretches = stretches - stretches.mean(axis=1, keepdims=True)
    rms = np.sqrt(np.square(stretches).mean(axis=(1, 2)))
    still = rms <= QUIET_TIMES * rms.min()
    if still.sum() * size >= QUIETEST_S * fs_hz and rms.min() < 0.5 * np.median(rms):
        return stretches[still].reshape(-1, emg.shape[1]), float(still.sum() * size / fs_hz), "rest"
    left = residual(emg, decoder, fs_hz)
    return left, len(left) / fs_hz, "residual"


def residual(emg: NDArray[np.float32], decoder: Decoder, fs_hz: float) -> NDArray[np.float64]:
    """What is left of a recording when every unit's average is taken out at its discharges."""
    pipeline = Pipeline(decoder, HOP)
    trains = decode(emg, pipeline, HOP)
    pipeline.close()
    left = emg.astype(np.float64) - emg.mean(axis=0)
    half = round(RESIDUAL_S * fs_hz)
    for train in trains.values():
        inside = train[(train >= half) & (train < len(left) - half)]
        if len(inside):
            average = np.mean([left[n - half : n + half] for n in inside], axis=0)
            for n in inside:
                left[n - half : n + half] -= average
    return left


def cross_spectrum(noise: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Roots of the cross-spectral matrices, complex (SEGMENT // 2 + 1, channels, channels), one for each frequency.

    Hann windows that overlap by half, smoothed over frequency; white noise of variance 1 has the unit matrix.
    """
    channels = noise.shape[1]
    window = np.hanning(SEGMENT)
    starts = range(0, len(noise) - SEGMENT + 1, SEGMENT // 2)
    parts = np.fft.rfft([noise[a : a + SEGMENT] * window[:, None] for a in starts], axis=1)
    parts /= np.sqrt(np.sum(window**2))
    raw = np.einsum("sfc,sfd->fcd", parts, parts.conj()) / len(parts)
    bins = len(raw)
    smooth = np.stack([raw[max(1, f - SMOOTHED) : f + SMOOTHED + 1].mean(axis=0) for f in range(bins)])
    power = np.trace(smooth, axis1=1, axis2=2).real / channels
    smooth += (FLOOR * power + 1e-12)[:, None, None] * np.eye(channels)
    return np.asarray(np.linalg.cholesky(smooth), np.complex128)


def at_rest(
    roots: NDArray[np.complex128], seconds: float, fs_hz: float, seed: int, artefact: str | None = None
) -> Iterator[NDArray[np.float32]]:
    """Blocks of noise with these cross-spectra, float32 (samples, channels) in uV, with an artefact every 10 s."""
    channels = roots.shape[1]
    half = BLOCK // 2
    frequency = np.fft.rfftfreq(BLOCK)
    root = roots[np.round(frequency * SEGMENT).astype(int)]
    fade = np.sin(np.pi * (np.arange(BLOCK) + 0.5) / BLOCK)[:, None]  # squares of two that overlap add up to 1
    rng = np.random.default_rng(seed)
    plan = None
    if artefact is not None:
        every = [Fault.parse(artefact.format(at=EVERY_S * (n + 0.5))) for n in range(artefacts_in(seconds))]
        plan = FaultPlan(every, fs_hz, channels, CHUNK, seed)
    held = np.zeros((half, channels))
    first = -half
    while first < seconds * fs_hz:
        draws = rng.normal(size=(2, len(frequency), channels))
        shaped = np.einsum("fcd,fd->fc", root, draws[0] + 1j * draws[1]) * np.sqrt(BLOCK / 2)
        block = np.fft.irfft(shaped, BLOCK, axis=0) * fade
        signal = (held + block[:half]).astype(np.float32)
        held = block[half:]
        if first >= 0:
            if plan is not None:
                signal = plan.spoil(first, signal, np.zeros((artefacts_in(seconds), channels), np.float32))
            yield np.ascontiguousarray(signal)
        first += half


def artefacts_in(seconds: float) -> int:
    """How many artefacts come in so much rest."""
    return int(seconds / EVERY_S)


# what is made of it


class Counted:
    """A pipeline over rest: all that it reports is false."""

    def __init__(self, decoder: Decoder) -> None:
        self.samples = self.discharges = self.trusted = self.activations = 0
        self._units = len(decoder.info.units)
        self._fs = decoder.info.fs_hz
        self._dead_band = decoder.info.command.dead_band
        self._lookahead = decoder.info.detector.lookahead
        self._pipeline = Pipeline(decoder, HOP)
        self._active = False
        self._rows = self._valid = 0

    def __call__(self, signal: NDArray[np.float32]) -> None:
        pipeline = self._pipeline
        for begin in range(0, len(signal), HOP):
            pipeline(signal[begin : begin + HOP], self.samples + begin)
            found = pipeline.detector
            self.discharges += found.count
            decided = found.sample[: found.count] + self._lookahead
            self.trusted += sum(pipeline.valid_at(sample) for sample in decided.tolist())
            for row in range(pipeline.drive.count):
                valid = pipeline.valid_at(int(pipeline.drive.due[row, 0]))
                command, _ = pipeline.drive.command(row, valid)
                active = valid and command > self._dead_band
                self.activations += active and not self._active
                self._active = active
                self._rows += 1
                self._valid += valid
        self.samples += len(signal)

    def summary(self) -> dict[str, float]:
        """Counts, and rates per hour."""
        hours = self.samples / self._fs / 3600.0
        return {
            "held_back": self._pipeline.guard.held_back,
            "discharges": self.discharges, "discharges_per_hour_and_unit": self.discharges / hours / self._units,
            "trusted": self.trusted, "trusted_per_hour_and_unit": self.trusted / hours / self._units,
            "activations": self.activations, "activations_per_hour": self.activations / hours,
            "valid_share": self._valid / max(1, self._rows),
        }  # fmt: skip

    def close(self) -> None:
        """Free what it holds."""
        self._pipeline.close()


def table(result: dict[str, Any]) -> Table:
    """For a person."""
    shown = Table(
        title=f"{result['recording']}, {result['units']} units, noise {result['noise_uv']:.1f} uV from "
        f"{result['noise_s']:.2f} s of {result['noise']}; one artefact every {EVERY_S:g} s",
        box=box.SIMPLE_HEAD,
    )
    for name in (
        "artefact",
        "hours",
        "held back",
        "discharges",
        "/h and unit",
        "of them valid",
        "commands",
        "/h",
        "valid %",
    ):
        shown.add_column(name, justify="left" if name == "artefact" else "right", no_wrap=True)
    for row in result["rest"]:
        shown.add_row(
            row["artefact"], f"{row['seconds'] / 3600:.3f}", str(row["held_back"]), str(row["discharges"]),
            f"{row['discharges_per_hour_and_unit']:.2f}", str(row["trusted"]), str(row["activations"]),
            f"{row['activations_per_hour']:.2f}", f"{100 * row['valid_share']:.1f}",
        )  # fmt: skip
    return shown
