"""What every volume conductor offers the waveform: its lead field, by wavenumber along the fibres."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class LeadField(Protocol):
    """Potential at the surface of a unit of current in the muscle, bound to one set of wavenumbers."""

    def __call__(self, lateral_mm: Tensor, depth_mm: Tensor) -> Tensor:
        """Fourier transform along z of the potential of a unit point current, 1/(S/m).

        Parameters
        ----------
        lateral_mm, depth_mm : Tensor, shapes that broadcast to (units, fibres, columns), mm
            From the source to the electrode across the fibres; depth of the source below the muscle's surface.

        Returns
        -------
        Tensor, shape (units, columns, fibres, wavenumbers)
            mm x mV per (S/m mm mV), the transform over z in mm of the potential per current.
        """
        ...

    def of_units(self, which: slice) -> LeadField:
        """The lead field of some units of a batch, where the conductor differs between units."""
        ...


class Conductor(Protocol):
    """A volume conductor. Conductivities in S/m, lengths in mm; z along the fibres, x across, y into the muscle.

    Depth always counts from the muscle's surface: what lies above the muscle (fat, skin) comes on top of it.
    """

    @property
    def anisotropy(self) -> Tensor | float:
        """Conductivity of muscle along the fibres over that across them."""
        ...

    @property
    def cover_mm(self) -> float:
        """From the skin's surface to the muscle's, mm."""
        ...

    def lead_field(self, wavenumber: Tensor, reach_mm: float) -> LeadField:
        """The lead field at `wavenumber` (wavenumbers,), rad/mm, > 0, out to `reach_mm` across the fibres."""
        ...
