"""A limb as a layered cylinder: bone, muscle, fat and skin around one axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.special
from torch import Tensor

from .lead_table import LeadTable, TableNodes

DECAY = 12.0  # orders by which a potential has fallen by e^-DECAY at the skin are left out
MOST_ORDERS = 1200
DEEPEST_MM = 45.0  # below the muscle's surface: as far as is tabulated


@dataclass(frozen=True)
class Cylinder:
    """Bone, anisotropic muscle, fat and skin; electrodes on the skin; fibres along the axis.

    `lateral_mm` of a unit or an electrode is the arc along the skin; depth counts inwards from the muscle's surface.

    Parameters
    ----------
    bone_mm, muscle_mm : float
        Outer radius of the bone (0: none) and of the muscle, mm.
    fat_mm, skin_mm : float
        Thickness, mm; more than 0.
    across_s_m, anisotropy : float
        Conductivity of muscle across its fibres, S/m; that along them over it.
    bone_s_m, fat_s_m, skin_s_m : float
        S/m.
    shallowest_mm : float
        Least depth of fibres below the muscle's surface that is tabulated.
    """

    bone_mm: float = 10.0
    muscle_mm: float = 35.0
    fat_mm: float = 3.0
    skin_mm: float = 2.0
    across_s_m: float = 0.1
    anisotropy: float = 5.0
    bone_s_m: float = 0.02
    fat_s_m: float = 0.05
    skin_s_m: float = 1.0
    shallowest_mm: float = 0.5

    def __post_init__(self) -> None:
        if not (0.0 <= self.bone_mm < self.muscle_mm and self.fat_mm > 0.0 and self.skin_mm > 0.0):
            raise ValueError(
                f"bone {self.bone_mm} mm, muscle {self.muscle_mm} mm, fat {self.fat_mm} mm, skin {self.skin_mm} mm: the"
                " bone's radius must be below the muscle's, and fat and skin have a thickness"
            )

    @property
    def cover_mm(self) -> float:
        """Fat and skin."""
        return self.fat_mm + self.skin_mm

    @property
    def skin_radius_mm(self) -> float:
        """Where the electrodes lie."""
        return self.muscle_mm + self.cover_mm

    def skin_potential(self, depth_mm: np.ndarray, wavenumber: np.ndarray, orders: int) -> np.ndarray:
        """Potential on the skin by angular order and wavenumber of a unit source, Farina, Mesin et al. 2004.

        The potential at angle theta is the sum over orders n of both signs of this times e^(i n theta) / (2 pi).

        Returns
        -------
        ndarray of float64, shape (depths, orders, wavenumbers)
        """
        log_i, log_k, slope_i, slope_k = self._bessel(wavenumber, orders)
        by_bone, by_skin = self._responses(log_i, log_k, slope_i, slope_k)
        ratio = math.sqrt(self.anisotropy)
        source = _log_bessel(ratio * (self.muscle_mm - depth_mm)[:, None] * wavenumber, orders)
        from_outside = np.exp(source[0] + log_k["muscle"][:, None])  # (orders, depths, wavenumbers) I(Rm) K(bm)
        result = by_skin[:, None] * from_outside
        if self.bone_mm:
            result = result + by_bone[:, None] * np.exp(source[1] + log_i["bone, muscle"][:, None])  # I(am) K(Rm)
        return np.swapaxes(result, 0, 1)  # (depths, orders, wavenumbers)

    def lead_field(self, wavenumber: Tensor, reach_mm: float) -> LeadTable:
        """Sum over angular orders, tabulated. See `conductors.LeadField`."""
        along = wavenumber.detach().cpu().numpy().astype(np.float64)  # (wavenumbers,)
        radius = self.skin_radius_mm
        deepest = min(DEEPEST_MM, self.muscle_mm - self.bone_mm - 0.5)
        nodes = TableNodes(self.shallowest_mm, deepest, min(reach_mm, math.pi * radius))
        depth, angle = nodes.depth_mm(), nodes.lateral_mm() / radius
        orders = min(MOST_ORDERS, math.ceil(DECAY / math.log(radius / (self.muscle_mm - depth[0]))))
        potential = self.skin_potential(depth, along, orders)  # (depths, orders, wavenumbers)
        share = np.where(np.arange(orders) == 0, 1.0, 2.0) / (2.0 * math.pi)
        values = (np.cos(angle[:, None] * np.arange(orders)) * share) @ potential  # (depths, laterals, wavenumbers)
        return LeadTable(nodes, values, wavenumber)

    def _bessel(self, wavenumber: np.ndarray, orders: int) -> tuple[dict[str, np.ndarray], ...]:
        """Logarithms of I and K and their logarithmic derivatives at every boundary, each (orders, wavenumbers)."""
        ratio = math.sqrt(self.anisotropy)
        radii = {
            "bone": self.bone_mm,
            "bone, muscle": self.bone_mm * ratio,
            "muscle": self.muscle_mm * ratio,
            "muscle, fat": self.muscle_mm,
            "fat": self.muscle_mm + self.fat_mm,
            "skin": self.skin_radius_mm,
        }
        names = [name for name, value in radii.items() if value > 0.0]
        found = [_log_bessel(radii[name] * wavenumber, orders) for name in names]
        log_i, log_k, slope_i, slope_k = (dict(zip(names, values, strict=True)) for values in zip(*found, strict=True))
        return log_i, log_k, slope_i, slope_k

    def _responses(
        self,
        log_i: dict[str, np.ndarray],
        log_k: dict[str, np.ndarray],
        slope_i: dict[str, np.ndarray],
        slope_k: dict[str, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Potential on the skin per source field at the bone and at the muscle's surface, (orders, wavenumbers).

        Unknowns: bone I; muscle I, K; fat I, K; skin I, K. Each I is normalised at its layer's outer radius and each
        K at its inner one, so that no entry exceeds its layer's conductivity however high the order. Rows: continuous
        potential and radial current at bone-muscle, muscle-fat and fat-skin; no current through the skin.
        """
        a, am, bm, b, c, d = "bone", "bone, muscle", "muscle", "muscle, fat", "fat", "skin"
        muscle = self.across_s_m * math.sqrt(self.anisotropy)  # radial current of a radius stretched by the square root
        fat, skin = self.fat_s_m, self.skin_s_m

        def i_over(x: str, y: str) -> np.ndarray:
            return np.exp(log_i[x] - log_i[y])

        def k_over(x: str, y: str) -> np.ndarray:
            return np.exp(log_k[x] - log_k[y])

        shape = log_i[d].shape
        matrix, right = np.zeros((*shape, 7, 7)), np.zeros((*shape, 7, 2))
        one = np.ones(shape)
        if self.bone_mm:
            inner_i, inner_k = i_over(am, bm), k_over(bm, am)
            matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 0, 2] = one, -inner_i, -one
            matrix[..., 1, 0] = self.bone_s_m * slope_i[a]
            matrix[..., 1, 1], matrix[..., 1, 2] = -muscle * inner_i * slope_i[am], -muscle * slope_k[am]
            right[..., 0, 0] = one / self.across_s_m
            right[..., 1, 0] = math.sqrt(self.anisotropy) * slope_i[am]
        else:  # K is singular on the axis: no bone, no K in muscle
            matrix[..., 0, 0], matrix[..., 1, 2] = one, one
            inner_k = np.zeros(shape)
        matrix[..., 2, 1], matrix[..., 2, 2] = one, inner_k
        matrix[..., 2, 3], matrix[..., 2, 4] = -i_over(b, c), -one
        right[..., 2, 1] = -one / self.across_s_m
        matrix[..., 3, 1], matrix[..., 3, 2] = muscle * slope_i[bm], muscle * inner_k * slope_k[bm]
        matrix[..., 3, 3], matrix[..., 3, 4] = -fat * i_over(b, c) * slope_i[b], -fat * slope_k[b]
        right[..., 3, 1] = -math.sqrt(self.anisotropy) * slope_k[bm]
        matrix[..., 4, 3], matrix[..., 4, 4] = one, k_over(c, b)
        matrix[..., 4, 5], matrix[..., 4, 6] = -i_over(c, d), -one
        matrix[..., 5, 3], matrix[..., 5, 4] = fat * slope_i[c], fat * k_over(c, b) * slope_k[c]
        matrix[..., 5, 5], matrix[..., 5, 6] = -skin * i_over(c, d) * slope_i[c], -skin * slope_k[c]
        matrix[..., 6, 5], matrix[..., 6, 6] = slope_i[d], k_over(d, c) * slope_k[d]
        unknowns = np.linalg.solve(matrix, right)  # (orders, wavenumbers, 7, 2)
        potential = unknowns[..., 5, :] + k_over(d, c)[..., None] * unknowns[..., 6, :]  # (orders, wavenumbers, 2)
        return potential[..., 0], potential[..., 1]


def _log_bessel(x: np.ndarray, orders: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log I_n, log K_n, I_n'/I_n and K_n'/K_n for n < `orders`, each of shape (orders, *x.shape).

    The functions themselves leave the range of floats from order 80 on; their ratios from order to order do not, and
    each is had by the recurrence in its stable direction: downwards for I, upwards for K.
    """
    rise = np.empty((orders + 1, *x.shape))  # I_{n+1} / I_n
    start = orders + 1 + int(2.0 * np.sqrt(40.0 * (orders + 1 + x.max())))
    ratio = np.zeros_like(x)
    for n in range(start, -1, -1):
        ratio = 1.0 / (2.0 * (n + 1) / x + ratio)
        if n <= orders:
            rise[n] = ratio
    growth = np.empty_like(rise)  # K_{n+1} / K_n
    growth[0] = scipy.special.k1e(x) / scipy.special.k0e(x)
    for n in range(1, orders + 1):
        growth[n] = 2.0 * n / x + 1.0 / growth[n - 1]
    log_i, log_k = np.empty((orders, *x.shape)), np.empty((orders, *x.shape))
    log_i[0], log_k[0] = np.log(scipy.special.i0e(x)) + x, np.log(scipy.special.k0e(x)) - x
    log_i[1:] = log_i[0] + np.cumsum(np.log(rise[: orders - 1]), axis=0)
    log_k[1:] = log_k[0] + np.cumsum(np.log(growth[: orders - 1]), axis=0)
    order_over_x = np.arange(orders).reshape(-1, *(1,) * x.ndim) / x
    return log_i, log_k, order_over_x + rise[:orders], order_over_x - growth[:orders]
