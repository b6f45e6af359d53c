"""Every decomposition of the library, and the numerical rank, decided in one place.

NumPy's LAPACK does the work. JAX's own, on a processor, runs on threads that flush subnormal numbers to zero, where
LAPACK returns NaN for finite matrices with tiny columns, such as trained bottlenecks have; and the matrices of a batch
can wait for each other for ever. Calling NumPy back from a compiled program has both faults.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import _checks


class NumericalRank(NamedTuple):
    """Hold a rank, the ratio across it and whether that ratio decides it."""

    rank: int
    gap: float
    decided: bool


def values(A: Any) -> Any:
    """Return the singular values (..., min(m, n)) of matrices (..., m, n), decreasing."""
    return _decompose(lambda A: np.linalg.svd(A, compute_uv=False), A)


def svd(A: Any) -> Any:
    """Return U (..., m, r), s (..., r) and V^T (..., r, n) of matrices (..., m, n), r = min(m, n)."""
    return _decompose(lambda A: tuple(np.linalg.svd(A, full_matrices=False)), A)


def eigh(A: Any) -> Any:
    """Return the eigenvalues, increasing, and the eigenvectors of symmetric matrices (..., n, n)."""
    return _decompose(lambda A: tuple(np.linalg.eigh(A)), A)


def qr(A: Any) -> Any:
    """Return Q (..., m, r) and R (..., r, n) of matrices (..., m, n), r = min(m, n), in compiled programs too.

    Those draw networks: their matrices have independent normal entries, for which the processor's QR is sound.
    """
    return tuple(jnp.linalg.qr(A)) if _checks.is_traced(A) else _decompose(lambda A: tuple(np.linalg.qr(A)), A)


def triangle(blocks: Iterable[Any]) -> Any:
    """Return a matrix with the singular values and right singular vectors of one that comes in blocks of rows.

    It has at most as many rows as a block and n more, and only two blocks are held at a time: of the rows before, the
    triangle of their QR decomposition is enough. Leading axes are a stack.
    """
    A: Any = None
    for block in map(np.asarray, blocks):
        A = block if A is None else np.concatenate([np.linalg.qr(A, mode="r"), block], axis=-2)
    return A


def untraced(*trees: Any) -> None:
    """Raise ValueError inside of a program that is being compiled."""
    if _checks.is_traced(*trees):
        raise ValueError(
            "A decomposition cannot be part of a compiled program, where it may return NaN or never end: call it "
            "outside of jit, vmap and grad. It takes stacked matrices as they are, and the certificates take stacked "
            "networks."
        )


def _decompose(how: Callable, A: Any) -> Any:
    untraced(A)
    found = how(np.asarray(A))
    if not all(np.all(np.isfinite(part)) for part in jax.tree.leaves(found)):
        raise FloatingPointError(f"A matrix of shape {A.shape[-2:]} could not be decomposed: it holds NaN or infinity.")
    return found


def tolerance(s: Any, shape: tuple[int, ...], factors: int = 1) -> Any:
    """Return the size below which a singular value is rounding: ``factors * max(m, n) * eps * s_1``, last axis.

    Rounding adds up over the ``factors`` matrices of a product. Where large ones cancel, more of it can be left:
    ``numerical_rank`` then takes the size of the terms.
    """
    return factors * max(shape[-2:]) * jnp.finfo(s.dtype).eps * s[..., :1]


def numerical_rank(A: Any, size: float | None = None) -> NumericalRank:
    """Count the singular values above rounding; the rank is decided when none of those lies within 1e3 of it.

    Args:
        A: matrix.
        size: what its rounding is relative to; s_1 when None. Where the terms of a product BC or of a sum B + C cancel,
            rounding is as large as they were: take the norm of abs(B) abs(C) or of abs(B) + abs(C).
    """
    s = np.asarray(values(A))
    scale = s[:1] if size is None else np.maximum(s[:1], size)
    tol = float(tolerance(scale, A.shape)[0])
    rank = int(np.sum(s > tol))
    if rank == 0:
        return NumericalRank(0, float("inf"), True)
    below = max(float(s[rank]) if rank < len(s) else 0.0, tol)
    gap = float(s[rank - 1]) / below
    return NumericalRank(rank, gap, gap > 1e3)


def powers(s: Any, p: float, shape: tuple[int, ...], factors: int = 1) -> Any:
    """Return ``s**p`` with singular values that are rounding sent to zero: (1e-16)**(2/40) is 0.16, not 0."""
    keep = s > tolerance(s, shape, factors)
    return jnp.where(keep, jnp.where(keep, s, 1.0) ** p, 0.0)
