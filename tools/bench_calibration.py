"""How long a calibration takes, from the command to the file, and what it finds."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from ..stream.decoder_file import read_decoder
from ..stream.pipeline import Pipeline
from .commands.decode import decode, selected
from .hdf5_reading import read_recording
from .processes import json_of
from .recording import BUNDLED
from .score import score_trains


def calibration(recording: str = str(BUNDLED)) -> dict[str, object]:
    """Calibrate on `recording` as a user would, in a process of its own, and compare with its reference units."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "decoder.onnx")
        started = time.perf_counter()
        found = json_of(["calibrate", recording, "-o", path, "--json"])
        seconds = time.perf_counter() - started
        decoder = read_decoder(path)
    source = read_recording(recording)
    sil = [unit["sil"] for unit in found["units"]]
    result: dict[str, object] = {
        "recording": Path(recording).name, "recorded_s": source.duration_s, "channels": source.channels,
        "seconds": seconds, "units": len(sil), "units_sil_09": sum(value >= 0.9 for value in sil),
        "sil": [min(sil), max(sil)],
    }  # fmt: skip
    if source.units:
        trains = decode(selected(source, decoder), Pipeline(decoder, 64), 64)
        scored = score_trains(trains, source.units, source.fs_hz)
        result["references"] = len(source.units)
        result["roa"] = {str(match.reference): match.roa for match in scored.matches}
        result["recovered_roa"] = scored.recovered_roa
        result["false"] = len(scored.false)
        result["between"] = len(scored.between)
    return result
