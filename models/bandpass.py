"""The causal filter of a decoder, designed once at calibration and stored with it."""

from __future__ import annotations

import numpy as np
import scipy

from ..stream.decoder_file import FilterSettings
from ..stream.errors import OptionError

NOTCH_QUALITY = 30.0


def design_filter(
    fs_hz: float,
    *,
    low_hz: float = 20.0,
    high_hz: float = 500.0,
    order: int = 2,
    mains_hz: float | None = None,
    harmonics: int = 3,
) -> FilterSettings:
    """Butterworth band-pass, and notches at the mains frequency and its harmonics when asked for.

    Parameters
    ----------
    fs_hz : float
    low_hz, high_hz : float
        Edges of the pass-band; the upper one is lowered to 0.45 fs where the rate asks for it.
    order : int
        Of each edge.
    mains_hz : float, optional
        50 or 60; None for no notch.
    harmonics : int
        Notches in all, the first at `mains_hz`; those beyond the pass-band are left out.

    Raises
    ------
    OptionError
    """
    high_hz = min(high_hz, 0.45 * fs_hz)
    if not 0 < low_hz < high_hz:
        raise OptionError(
            f"a pass-band from {low_hz:g} to {high_hz:g} Hz is empty at {fs_hz:g} Hz: record at a higher rate"
        )
    sections = [scipy.signal.butter(order, [low_hz, high_hz], "bandpass", fs=fs_hz, output="sos")]
    notches = [] if mains_hz is None else [n * mains_hz for n in range(1, harmonics + 1) if n * mains_hz < high_hz]
    for notch_hz in notches:
        b, a = scipy.signal.iirnotch(notch_hz, NOTCH_QUALITY, fs=fs_hz)
        sections.append(scipy.signal.tf2sos(b, a))
    return FilterSettings(
        low_hz=low_hz, high_hz=high_hz, order=order, notch_hz=notches, sections=np.vstack(sections).tolist()
    )
