"""Latency as a histogram of fixed size: recording a value allocates nothing."""

from __future__ import annotations

import math

import numpy as np

from .messages import Latency

PER_DECADE = 40  # bins; a bin's edges differ by 6 %
SMALLEST_MS = 1e-3
DECADES = 8  # 1 us to 100 s


class LatencyHistogram:
    """Counts latencies in logarithmic bins; quantiles are the upper edge of their bin."""

    def __init__(self) -> None:
        self._counts = np.zeros(PER_DECADE * DECADES, np.int64)
        self._total = 0
        self._max = 0.0

    def record(self, milliseconds: float) -> None:
        """Count one latency, ms."""
        place = PER_DECADE * math.log10(max(SMALLEST_MS, milliseconds) / SMALLEST_MS)
        self._counts[int(min(place, len(self._counts) - 1))] += 1
        self._total += 1
        self._max = max(self._max, milliseconds)

    def quantile(self, share: float) -> float:
        """Latency not exceeded by `share` of the values, ms; 0 while there are none."""
        if self._total == 0:
            return 0.0
        place = int(np.searchsorted(np.cumsum(self._counts), share * self._total))
        return min(self._max, _upper_edge(place))

    def summary(self) -> Latency:
        """What goes into a status message."""
        used = np.flatnonzero(self._counts)
        return Latency(
            p50=self.quantile(0.5),
            p99=self.quantile(0.99),
            p999=self.quantile(0.999),
            max=self._max,
            hist=[(_upper_edge(int(place)), int(self._counts[place])) for place in used],
        )


def _upper_edge(place: int) -> float:
    return float(SMALLEST_MS * 10.0 ** ((place + 1) / PER_DECADE))
