"""How the calibration search runs and what it keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from .firing import FiringLimits


@dataclass(frozen=True)
class SearchSettings:
    """How the search runs and what it keeps.

    Parameters
    ----------
    extension : int, optional
        Samples stacked per extended sample of the live filters; None: `live_extension`.
    search_extension : int, optional
        The same during the search; None: the smaller of `extension` and 1000 / channels.
    ridge : float
        Regularisation of the live filters, as a share of the mean of the smaller half of the eigenvalues.
    contrast : str
        "skew", "logcosh" or "kurtosis".
    rounds : int
        Most rounds; the search ends earlier when a round finds nothing new.
    starts : int
        Separation vectors per round.
    iterations : int
        Fixed-point steps of each.
    refinements : int
        Times a vector is replaced by the mean at its spikes.
    active_share : float
        Share of the samples, the most active, that the fixed point sees.
    cap : float
        Samples more active than this share of all are scaled down to it: leftovers of a subtraction are few and
        large, and would own the contrast.
    max_rank : int
        Most eigenvalues kept in the search.
    polish : int
        Times all units are detected again, the others subtracted, in each round.
    search_sil : float
        Least silhouette on the residual of a unit that is subtracted.
    min_agreement : float
        Least rate of agreement of a frozen filter's discharges with the unit's train as the search left it.
    limits : FiringLimits
        What a frozen filter's source must meet.
    peel_s : float, s
        Waveforms are subtracted within +-peel_s of a discharge.
    edge_s : float, s
        Start and end of the recording that nothing is learnt from (filter transients).
    seed : int
        Kept with the decoder; this search draws nothing at random.
    """

    extension: int | None = None
    search_extension: int | None = None
    ridge: float = 0.2
    contrast: str = "skew"
    rounds: int = 4
    starts: int = 128
    iterations: int = 6
    refinements: int = 4
    active_share: float = 0.4
    cap: float = 0.99
    max_rank: int = 512
    polish: int = 1
    search_sil: float = 0.85
    min_agreement: float = 0.8
    limits: FiringLimits = field(default_factory=FiringLimits)
    peel_s: float = 0.025
    edge_s: float = 1.0
    seed: int = 0
