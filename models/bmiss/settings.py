"""How the inversion searches and what it keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..firing import FiringLimits


@dataclass(frozen=True)
class BmissSettings:
    """How the inversion searches and what it keeps.

    Parameters
    ----------
    rounds : int
        Most rounds; the search ends earlier when a round brings no new unit.
    proposals : int
        Points of the Latin hypercube per round, for every 32 mm of the array's width and 64 at least.
    blind : int
        Starts of a blind search for further proposals, per round and part of the array; 0 for none.
    looked_at : int
        Proposals whose answers are judged, the most contrasting first.
    candidates : int
        Starts that are refined, per round and part of the array.
    refinements, fit_iterations : int
        Turns between discharges and parameters, one at least, and steps of the fit in each.
    lags : int
        Of the prewhitening.
    ridges : tuple of float
        Share of the power left that is taken for white noise when units are looked for, round by round in turn. 0
        parts units best. More forgives a waveform that is not the model's, and a unit so strong that it would be
        whitened away itself.
    candidate_sil, candidate_cov : float
        Least silhouette, and largest coefficient of variation of intervals, of a candidate.
    fewest_discharges : int
        Of a candidate, and of a unit at any time.
    least_likeness : float
        Of a candidate's waveform and the model's.
    restarts : int
        Fits from all over the space of a waveform that is left unexplained; 0 for none.
    astray_share : float
        Of a waveform's power, that may be left unexplained before that.
    polish : int
        Times all units' discharges and waveforms are found anew in each round.
    penalties : tuple of float
        Log-odds that a discharge must overcome, falling: those of a round's pursuits, and last that of the end.
    deflation : bool
        Whether new units are looked for in what the known ones leave, or in the EMG as it was.
    measured : bool
        Whether what the model leaves of a waveform is added to it where it exceeds the noise.
    knots : bool
        Whether discharges given to the wrong one of several units are looked for (`exchange`, `rebuild`).
    joint : bool
        Whether all units' parameters are fitted anew in each round.
    limits : FiringLimits
        What a unit must meet in the end, and the refractory time.
    min_sil : float
        Least silhouette, in the end, of a unit's discharges with all others taken out.
    seed : int
    """

    rounds: int = 12
    proposals: int = 300
    blind: int = 64
    looked_at: int = 300
    candidates: int = 32
    refinements: int = 4
    fit_iterations: int = 4
    lags: int = 6
    ridges: tuple[float, ...] = (0.0, 0.3)
    candidate_sil: float = 0.8
    candidate_cov: float = 0.6
    fewest_discharges: int = 20
    least_likeness: float = 0.3
    restarts: int = 4
    astray_share: float = 0.05
    polish: int = 2
    penalties: tuple[float, ...] = (12.0, 8.0, 6.0)
    deflation: bool = True
    measured: bool = True
    knots: bool = True
    joint: bool = True
    limits: FiringLimits = field(default_factory=FiringLimits)
    min_sil: float = 0.85
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.penalties or not self.ridges or self.refinements < 1:
            raise ValueError("one penalty, one ridge and one turn of refinement are the least")

    @property
    def early_penalties(self) -> tuple[float, ...]:
        """Those of a round."""
        return self.penalties[:-1] or self.penalties
