"""The potential energy of a representation: what it costs to pass it on unchanged, given the activation."""

from typing import Any

import numpy as np

from .. import _checks, _svd


@_checks.float64
def potential(A: Any, gamma: float, *, bias: bool = True) -> float:
    r"""Return the cost of the identity at a representation, where a small miss is allowed.

    .. math:: \mathrm{COI}_\gamma(A)=\mathrm{Tr}\,A(\bar\sigma^T\bar\sigma+\gamma I)^{-1}A^T
              =\min_W\ \|W\|_F^2+\tfrac1\gamma\|A-W\bar\sigma\|_F^2

    with :math:`\bar\sigma=\sigma(A)` and a row of ones below it, for the bias. It estimates the dimension of the
    representation. With gamma 0 it is infinite for almost every A of more inputs than rows.

    Args:
        A: representation (w, n), one column for each input: the transpose of a state from ``leaky.states``.
        gamma: how much a miss weighs, positive.
        bias: whether there is a row of ones.

    Raises:
        ValueError: gamma not positive, or A not a finite non-empty matrix.

    Example:
        >>> round(potential(np.eye(3), 1e-9, bias=False), 6)
        3.0

    Source: JK24, book; claim leaky-potential; chapter leaky.
    """
    A, gamma = np.asarray(_checks.matrix("A", A)), _gamma(gamma)
    return float(regularised_energy(A, *rectified_frame(A, bias), np.asarray(gamma)))


@_checks.float64
def potential_bound(A: Any, gamma: float, *, bias: bool = True) -> float:
    r"""Return a lower bound of the potential of a representation, a stable rank.

    .. math:: \mathrm{COI}_\gamma(A)\ge\max_r\frac{\bigl(\sum_{i\le r}s_i(A)\bigr)^2}{\|\bar\sigma\|_F^2+\gamma r}

    At r the rank of A the numerator is the squared nuclear norm. The row of ones adds n to :math:`\|\bar\sigma\|_F^2`.

    Args:
        A: representation (w, n), one column for each input.
        gamma: how much a miss weighs, positive.
        bias: whether there is a row of ones.

    Raises:
        ValueError: gamma not positive, or A not a finite non-empty matrix.

    Example:
        >>> round(potential_bound([[1.0, 1.0]], 1e-9), 6)  # half of that without the row of ones
        0.5

    Source: JK24, book; claim leaky-potential; chapter leaky.
    """
    A, gamma = np.asarray(_checks.matrix("A", A)), _gamma(gamma)
    sums = np.cumsum(np.asarray(_svd.values(A)))
    squares = np.sum(np.maximum(A, 0.0) ** 2) + bias * A.shape[1]
    return float(np.max(sums**2 / (squares + gamma * np.arange(1, len(sums) + 1))))


@_checks.float64
def cost_of_identity(A: Any, *, bias: bool = False) -> float:
    r"""Return :math:`\mathrm{COI}(A)=\|A\,\sigma(A)^+\|_F^2`, or infinity where no W has :math:`W\sigma(A)=A`.

    Args:
        A: representation (w, n), one column for each input.
        bias: whether a row of ones stands below :math:`\sigma(A)`.

    Returns:
        The cost; for A without a negative entry, and without a bias, the rank of A.

    Raises:
        ValueError: A not a finite non-empty matrix.

    Example:
        >>> round(cost_of_identity([[1.0, 0.0, 0.3], [-0.3, 0.3, 0.0], [0.0, 0.5, 0.3]]), 12)
        2.43

    Source: JK24, book; claim leaky-potential; chapter leaky.
    """
    A = np.asarray(_checks.matrix("A", A))
    s, Vt = rectified_frame(A, bias)
    keep = s > _svd.tolerance(s, (A.shape[0] + bias, A.shape[1]))
    along = A @ Vt[keep].T
    outside = np.linalg.norm(A - along @ Vt[keep])
    if outside > 1e-9 * np.linalg.norm(A):
        return float("inf")
    return float(np.sum((along / s[keep]) ** 2))


def rectified_frame(A: np.ndarray, bias: bool) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the singular values (..., r) and right singular vectors (..., r, n) of :math:`\sigma(A)`.

    Args:
        A: a representation (..., w, n).
        bias: whether a row of ones stands below it.
    """
    rectified = np.maximum(A, 0.0)
    if bias:
        rectified = np.concatenate([rectified, np.ones((*A.shape[:-2], 1, A.shape[-1]))], axis=-2)
    return frame(rectified)


def frame(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the singular values (..., r) and right singular vectors (..., r, n) of stacked matrices."""
    _, s, Vt = _svd.svd(rows)
    return s, Vt


def regularised_energy(M: np.ndarray, s: np.ndarray, Vt: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    r"""Return :math:`\mathrm{Tr}\,M(K+\gamma I)^{-1}M^T` of stacked matrices M (..., w, n), :math:`K=V s^2V^T`.

    The part of M outside of V is divided by gamma alone, without forming K.
    """
    along = M @ np.swapaxes(Vt, -1, -2)
    outside = np.sum((M - along @ Vt) ** 2, axis=(-2, -1))
    return np.sum(along**2 / (s**2 + gamma[..., None])[..., None, :], axis=(-2, -1)) + outside / gamma


def _gamma(gamma: Any) -> float:
    gamma = _checks.number("gamma", gamma)
    if gamma == 0.0:
        raise ValueError("gamma must be positive: without it the energy is infinite for almost every representation.")
    return gamma
