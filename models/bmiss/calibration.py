"""A decoder by inversion: units found in what others leave, taken out of each other live, each with its place.

By turns, blind separation finds units that stand out, and the inversion of a generator those that do not; what is found
is taken out of the EMG before the next turn. After every turn the decoder is made, and units that it does not find
again are dropped. So an end at any time leaves a decoder of what has been found.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...stream.decoder_file import (
    SCHEMA_WITH_CANCELLATION,
    DecoderInfo,
    DetectorSettings,
    FilterSettings,
    Unit,
    WhiteningSettings,
)
from ...stream.errors import CalibrationError
from ...stream.geometry import Geometry
from ...stream.parameter_file import ParameterFile
from ...stream.pipeline import SETTLE_S
from ..activity import active_stretch
from ..bandpass import design_filter
from ..calibration import PARITY_WINDOWS, REFRACTORY_S, Calibration, CalibrationSettings
from ..extension import extend
from ..measured import lag_s, levels, liveliest, matrices_of
from ..recorded import CalibrationInput, Prepared, prepare
from ..separation import NOTHING_FOUND, for_length
from .described import Parameters, by_muscle_model, by_physics, placing_generator, without_cross_section
from .freezing import FreezeSettings, Frozen, freeze
from .generator import Generator
from .held import Held, blind_trains
from .search import invert
from .settings import BmissSettings
from .told import Progress, Told
from .usual import MuscleModel, description, generator_for, is_linear

SHORTEST_S = 5.0
EDGE_S = 1.0  # start and end of the recording that nothing is learnt from
STRIDE = 8  # samples
BLIND, INVERTED = "blind", "inverted"
STEPS = ((BLIND, 0.0, 0.1), (BLIND, 0.1, 0.15), (BLIND, 0.15, 0.2), (INVERTED, 0.2, 0.7), (BLIND, 0.7, 0.75))
FROZEN_SHARE = 0.75  # of the progress, when all units are found
INVERSION = BmissSettings(rounds=2, blind=0)  # blind separation has steps of its own


@dataclass(frozen=True)
class BmissCalibrationSettings:
    """How to calibrate by inversion.

    Parameters
    ----------
    common : CalibrationSettings
        Filter, bad channels, and the blind search.
    inversion : BmissSettings
    lookahead_ms : float
        That a decision waits for others that explain it better, 4 to 32 ms. On 64 channels 8 ms and more find the
        same: of a real recording 26 units at any, of the hybrid one 27, 31, 31 and 32 at 4, 8, 12 and 32 ms, of 40
        simulated units at 20 dB 20, 27, 27 and 29.
    inverted_s : float, s
        Of the recording, the most active, in which the inversion searches; discharges are then found in all of it.
    model : LeadFields or WaveformTable, optional
        Of the person's own muscle.
    model_name : str
        What it is called.
    encoder : ParameterFile, optional
        Guesses that the units' parameters start from.
    """

    common: CalibrationSettings = field(default_factory=CalibrationSettings)
    inversion: BmissSettings = INVERSION
    lookahead_ms: float = 12.0
    inverted_s: float = 20.0
    model: MuscleModel | None = None
    model_name: str = ""
    encoder: ParameterFile | None = None


def calibrate(
    source: CalibrationInput,
    settings: BmissCalibrationSettings | None = None,
    progress: Progress | None = None,
    created_by: dict[str, object] | None = None,
) -> Calibration:
    """Find the units of a recording, with their places, and all that decoding them live needs.

    Parameters
    ----------
    source : CalibrationInput
    settings : BmissCalibrationSettings, optional
    progress : callable, optional
        Told the share done and the number of units found so far. What it raises as KeyboardInterrupt ends the search:
        a decoder is made of what has been found.
    created_by : dict, optional
        Recorded in the decoder beside method, settings and seed.

    Raises
    ------
    CalibrationError
        The recording is too short, has no places of electrodes, or holds no unit.
    MuscleModelError
        The model does not fit the recording.
    """
    settings = settings or BmissCalibrationSettings()
    common, fs_hz = settings.common, source.fs_hz
    check_recording(source)
    design = design_filter(fs_hz, low_hz=common.low_hz, high_hz=common.high_hz, mains_hz=common.mains_hz)
    recorded = prepare(source, design, common.bad)
    linear = is_linear(recorded.geometry)
    generator = generator_for(recorded.geometry, fs_hz, design, source.montage, settings.model)
    generator(np.arange(len(recorded.geometry)))  # a model that does not fit is refused before the search
    told = Told(progress)
    frozen = _search(recorded.filtered, recorded.geometry, generator, settings, fs_hz, told)
    if frozen is None:
        raise CalibrationError(NOTHING_FOUND)
    trains = [one.spikes for one in frozen.firings]
    power = float(recorded.raw.var(axis=0, dtype=np.float64).sum())
    lags_s = [lag_s(recorded.raw, power, train, fs_hz) for train in trains]
    told.begin(FROZEN_SHARE, 1.0, len(trains))
    if settings.model is not None:
        whole = placing_generator(settings.model, recorded.geometry, fs_hz, design.sections, source.montage)
        parameters = by_muscle_model(
            recorded.filtered, trains, [round(lag * fs_hz) for lag in lags_s], whole, fs_hz, common.search.seed
        )
    else:
        parameters = by_physics(
            recorded.filtered, trains, recorded.geometry, design, fs_hz, source.montage, settings.encoder, told.or_raise
        )  # fmt: skip
    if linear:
        parameters = [without_cross_section(one) for one in parameters]
    made_by = {"method": "bmiss", "settings": _plain(settings), "seed": common.search.seed, **(created_by or {})}
    made_by["generator"] = description(recorded.geometry, settings.model, settings.model_name)
    made_by["interrupted"] = told.ended
    notes = (LINEAR_NOTE.format(columns=len(np.unique(recorded.geometry.col))),) if linear else ()
    told(1.0)
    return _calibration(source, recorded, design, frozen, lags_s, parameters, made_by, notes)


LINEAR_NOTE = (
    "the electrodes make {columns} column(s) along the fibres: depth and the place across the fibres cannot be told "
    "apart and are left open; units are separated all the same"
)


def check_recording(source: CalibrationInput) -> None:
    """Refuse what inversion can make nothing of.

    Raises
    ------
    CalibrationError
    """
    geometry = source.geometry
    places = set(zip(geometry.row.tolist(), geometry.col.tolist(), strict=True))
    if len(places) < len(geometry):
        raise CalibrationError(
            f"{len(geometry)} channels have only {len(places)} different places on the grid, and inversion needs to "
            "know where each electrode is: name the grid with --grid, or calibrate with --method cbss"
        )
    check_length(len(source.emg) / source.fs_hz)


def check_length(seconds: float) -> None:
    """Refuse a recording that is too short to be inverted.

    Raises
    ------
    CalibrationError
    """
    if seconds < SHORTEST_S:
        raise CalibrationError(
            f"the recording is {seconds:.1f} s long and inversion needs at least {SHORTEST_S:.0f} s, better 20 s: "
            "record a longer contraction"
        )


def _search(
    filtered: NDArray[np.float32],
    geometry: Geometry,
    generator: Callable[[NDArray[np.int64]], Generator],
    settings: BmissCalibrationSettings,
    fs_hz: float,
    told: Told,
) -> Frozen | None:
    """Units found by turns, and the decoder of them."""
    edge = round(EDGE_S * fs_hz)
    active = active_stretch(filtered[edge : len(filtered) - edge], fs_hz)
    learnt = slice(edge + active.start, edge + active.stop)
    part = np.ascontiguousarray(filtered[learnt])
    if not part.any():
        return None
    here = liveliest(part, round(settings.inverted_s * fs_hz))
    freezing = _freeze_settings(settings, fs_hz, len(part) / fs_hz)
    held, frozen = Held.none(part.shape[1], fs_hz), None
    pays = True
    for step, low, high in STEPS:
        if told.ended or (step == BLIND and not pays):
            continue
        told.begin(low, high, len(held))
        left = held.left_of(part)
        if step == BLIND:
            more = held.with_trains(part, blind_trains(left, settings.common.search, fs_hz, told), fs_hz)
        else:
            found = invert(left[here], geometry, generator, settings.inversion, fs_hz=fs_hz, progress=told.or_raise)
            more = held.with_inverted(found, here.start).measured(part, fs_hz)
        pays = len(more) > len(held)
        if pays:
            again = freeze(filtered, learnt, more, freezing, fs_hz)
            if again is not None and (frozen is None or len(again.units) >= len(frozen.units)):
                frozen, held = again, more.some(again.units).fired(again.trains(learnt)).measured(part, fs_hz)
    return frozen


def _freeze_settings(settings: BmissCalibrationSettings, fs_hz: float, seconds: float) -> FreezeSettings:
    wait, refractory = math.ceil(1e-3 * settings.lookahead_ms * fs_hz), math.ceil(REFRACTORY_S * fs_hz)
    return FreezeSettings(
        detector=DetectorSettings(lookahead=wait, refractory=refractory),
        stride=min(STRIDE, wait, refractory),
        deaf_until=math.ceil(SETTLE_S * fs_hz),
        ridge=settings.common.search.ridge,
        limits=for_length(settings.common.search.limits, seconds),
        min_sil=settings.inversion.min_sil,
        min_agreement=settings.common.search.min_agreement,
    )


def _plain(settings: BmissCalibrationSettings) -> dict[str, Any]:
    """The settings, as the decoder says them."""
    plain: dict[str, Any] = msgspec.to_builtins({"blind": settings.common.search, "inversion": settings.inversion})
    return plain | {"lookahead_ms": settings.lookahead_ms, "inverted_s": settings.inverted_s}


def _calibration(
    source: CalibrationInput,
    recorded: Prepared,
    design: FilterSettings,
    frozen: Frozen,
    lags_s: list[float],
    parameters: list[Parameters],
    made_by: dict[str, object],
    notes: tuple[str, ...],
) -> Calibration:
    """What goes into the decoder file."""
    fs_hz, filtered, whitening = source.fs_hz, recorded.filtered, frozen.whitening
    units = [
        Unit(
            id=number,
            sil=one.sil,
            pnr_db=one.pnr_db,
            cov_isi=one.cov,
            threshold=one.threshold,
            spike_height=one.level,
            noise_height=float(frozen.noise_height[number]),
            lag_s=lags_s[number],
            discharges=len(one.spikes),
            rate_hz=one.rate_hz,
            parameters=parameters[number],
        )
        for number, one in enumerate(frozen.firings)
    ]
    discharges = [one.spikes for one in frozen.firings]
    info = DecoderInfo(
        schema=SCHEMA_WITH_CANCELLATION,
        fs_hz=fs_hz,
        channels=recorded.channels,
        montage=source.montage,
        filter=design,
        extension=frozen.extension,
        whitening=WhiteningSettings(whitening.method, whitening.rank, whitening.regularisation),
        detector=frozen.detector,
        units=units,
        command=levels(filtered, discharges, fs_hz, frozen.detector),
        created_by=made_by,
        source_sha256=source.source_sha256,
    )
    stretch = liveliest(filtered, PARITY_WINDOWS + frozen.extension)
    return Calibration(
        info=info,
        matrices=matrices_of(whitening.matrix, frozen.filters, frozen.unit_means),
        windows=extend(filtered[stretch], frozen.extension)[frozen.extension :],
        discharges=discharges,
        left_out=recorded.left_out,
        responses=frozen.responses,
        waveforms=frozen.waveforms,
        notes=notes,
    )
