"""The step that makes a decoder of the recorded contraction."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from typing import Any

from ...export.decoder import write_decoder
from ...models.calibration import Calibration, CalibrationInput, CalibrationSettings, calibrate
from ...models.separation import SearchSettings
from ...stream.errors import OptionError
from ...stream.parameter_file import read_parameter_file
from ..calibration_source import from_file
from ..commands.calibrate import BMISS, unit_fields
from ..extras import pip_install
from ..interrupt import first_interrupt_asks
from ..parameters import SHIPPED
from .checking import Progress
from .folder import ALL_DECODER, DECODER, RECORDING, SessionFolder


def check_method(method: str) -> None:
    """Refuse a method that cannot run here, before a person has worked for it.

    Raises
    ------
    OptionError
    """
    if method == BMISS and importlib.util.find_spec("torch") is None:
        raise OptionError(f"--method bmiss needs PyTorch: {pip_install('train')}, or take --method cbss")


def recorded(folder: SessionFolder, say: Callable[[str], None]) -> CalibrationInput:
    """The recorded contraction, its channels named by their places in the stream.

    Raises
    ------
    OptionError
        There is none yet.
    """
    where = folder.needs("record", "recorded contraction").settings
    bad = [channel for channel in folder.chosen.bad or [] if channel in where["index"]]
    source = from_file(str(folder.path / RECORDING), None, None, bad=bad, say=say)
    if source.index != where["index"]:
        raise OptionError(f'"{folder.path / RECORDING}" is not what was recorded here: record again')
    return source


def calibrate_recorded(
    folder: SessionFolder, method: str, seed: int, progress: Progress, say: Callable[[str], None]
) -> tuple[dict[str, Any], Calibration]:
    """Find the units; write the decoder of all, and the same as the one to go live with until units are reviewed.

    Returns
    -------
    dict
        As `session calibrate --json` says it.
    Calibration

    Raises
    ------
    CalibrationError, OptionError
    """
    check_method(method)
    started, chosen = time.perf_counter(), folder.chosen
    source = recorded(folder, say)
    bad = tuple(channel for channel in chosen.bad or [] if channel in source.index)
    settings = CalibrationSettings(search=SearchSettings(seed=seed), bad=bad, mains_hz=chosen.mains)
    created_by: dict[str, object] = {
        "program": "myodrive", "version": metadata.version("myodrive"), "source": f"session of {chosen.subject}",
    }  # fmt: skip
    if method == BMISS:
        found = _by_inversion(source, settings, progress, say, created_by)
    else:
        found = calibrate(source, settings, lambda share, units: progress(share, f"{units} units"), created_by)
    for name in (ALL_DECODER, DECODER):
        sha256 = write_decoder(
            folder.path / name, found.info, windows=found.windows, responses=found.responses,
            waveforms=found.waveforms, **found.matrices,
        )  # fmt: skip
    left_out = {str(channel): why for channel, why in sorted(found.left_out.items())}
    result = {
        "decoder": str(folder.path / DECODER), "sha256": sha256,
        "units": [unit_fields(unit) for unit in found.info.units], "left_out": left_out, "notes": list(found.notes),
    }  # fmt: skip
    kept = {"units": len(found.info.units), "sha256": sha256, "left_out": left_out}
    folder.finish("calibrate", time.perf_counter() - started, {"method": method, "seed": seed}, kept)
    return result, found


def _by_inversion(
    source: CalibrationInput,
    settings: CalibrationSettings,
    progress: Progress,
    say: Callable[[str], None],
    created_by: dict[str, object],
) -> Calibration:
    """By inversion of the muscle; the first Ctrl-C ends its search with what it has found."""
    from ...models.bmiss.calibration import INVERSION, BmissCalibrationSettings
    from ...models.bmiss.calibration import calibrate as calibrate_by_inversion

    encoder = read_parameter_file(SHIPPED) if SHIPPED.is_file() else None
    inversion = replace(INVERSION, seed=settings.search.seed)
    how = BmissCalibrationSettings(common=settings, inversion=inversion, encoder=encoder)
    with first_interrupt_asks(say) as wish:

        def tell(share: float, units: int) -> None:
            progress(share, f"{units} units")
            wish.check()

        return calibrate_by_inversion(source, how, tell, created_by)
