"""Singular values and the numerical rank, decided in one place."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array


class NumericalRank(NamedTuple):
    """Hold a rank, the ratio across it and whether that ratio decides it."""

    rank: int
    gap: float
    decided: bool


def tolerance(s: Array, shape: tuple[int, ...], factors: int = 1) -> Array:
    """Return the size below which a singular value is rounding: ``factors * max(m, n) * eps * s_1``, last axis.

    Rounding adds up over the ``factors`` matrices of a product. Where large ones cancel, more of it can be left.
    """
    return factors * max(shape[-2:]) * jnp.finfo(s.dtype).eps * s[..., :1]


def numerical_rank(A: Array) -> NumericalRank:
    """Count the singular values above rounding; the rank is decided when none of those lies within 1e3 of it."""
    s = np.asarray(jnp.linalg.svd(A, compute_uv=False))
    tol = float(tolerance(jnp.asarray(s), A.shape)[0])
    rank = int(np.sum(s > tol))
    if rank == 0:
        return NumericalRank(0, float("inf"), True)
    below = max(float(s[rank]) if rank < len(s) else 0.0, tol)
    gap = float(s[rank - 1]) / below
    return NumericalRank(rank, gap, gap > 1e3)


def powers(s: Array, p: float, shape: tuple[int, ...], factors: int = 1) -> Array:
    """Return ``s**p`` with singular values that are rounding sent to zero: (1e-16)**(2/40) is 0.16, not 0."""
    keep = s > tolerance(s, shape, factors)
    return jnp.where(keep, jnp.where(keep, s, 1.0) ** p, 0.0)
