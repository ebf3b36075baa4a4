"""The modified Bessel function K0 with a gradient: PyTorch has the function, not its derivative."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _K0(torch.autograd.Function):
    """K0 with K0' = -K1; usable under `torch.func` (forward mode, vmap) as well as in the backward pass."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.special.modified_bessel_k0(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return -grad * torch.special.modified_bessel_k1(ctx.saved_tensors[0])

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        return -tangent * torch.special.modified_bessel_k1(ctx.saved_tensors[0])


def bessel_k0(x: Tensor) -> Tensor:
    """Modified Bessel function of the second kind and order 0, for x > 0."""
    result: Tensor = _K0.apply(x)
    return result
