"""Codes moved into the positive orthant by an isometry, where every ReLU acts as the identity on them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _checks, _svd

# Rounds of the search at each width, and turns about the axis of the codes from which they start.
ROUNDS, TURNS = 300, 4
# The search aims at a margin inside of the orthant, relative to each code, that falls from round to round.
MARGIN, FALL = 0.1, 0.96


def orthant_isometry(codes: Any, *, widest: int | None = None, cut: float = 1e-12) -> np.ndarray:
    r"""Find an isometry Q of R^k into R^m with :math:`Qz_i\ge 0` for every code, for the smallest m that serves.

    It exists for some m if and only if the matrix of the inner products :math:`\langle z_i,z_j\rangle` is completely
    positive, which needs that none of them is negative. What is returned has been checked. For k at most 2 it is found
    whenever it exists, with m = k. For larger k it is found with m = k when every code is within the angle
    :math:`\arcsin(1/\sqrt k)` of their mean; beyond, a search that alternates between the orthant and the isometries
    may miss it.

    Args:
        codes: z_i as rows (N, k).
        widest: largest m tried, at least k; 2k when None.
        cut: negative part of a Qz_i that is accepted, relative to the longest code.

    Returns:
        Q of shape (m, k).

    Raises:
        ValueError: none is found, with what the best one would cut off; or ``widest`` is below k.

    Example:
        >>> Q = orthant_isometry([[1.0, 1.0], [1.0, -1.0]])
        >>> Q.shape, bool(np.all(np.array([[1.0, 1.0], [1.0, -1.0]]) @ Q.T > -1e-12))
        ((2, 2), True)

    Source: berman2003, groetzner2020, book.
    """
    Z = np.asarray(_checks.matrix("codes", codes), np.float64)
    k = Z.shape[1]
    widest = 2 * k if widest is None else _checks.integer("widest", widest, k)
    size = float(np.max(np.linalg.norm(Z, axis=1)))
    if size == 0.0:
        return np.eye(k)
    Z = Z / size
    least = np.inf
    for width in range(k, widest + 1):
        for start in _starts(Z, width):
            Q = _improved(Z, start, cut)
            if (missing := negative_part(Z, Q)) <= cut:
                return Q
            least = min(least, missing)
    raise ValueError(
        f"No isometry into the positive orthant of R^m was found for these codes of dimension {k} with m <= {widest}: "
        f"the best one cuts off {least:.2g} of the longest code. Codes with a negative inner product have none."
    )


def negative_part(codes: np.ndarray, Q: np.ndarray) -> float:
    """Return the longest negative part of codes (N, k) after an isometry Q (m, k), relative to the longest code.

    Example:
        >>> negative_part(np.array([[-3.0, 4.0]]), np.eye(2))
        0.6

    Source: bnlib.
    """
    size = float(np.max(np.linalg.norm(codes, axis=1)))
    return float(np.max(np.linalg.norm(np.minimum(codes @ Q.T, 0.0), axis=1))) / size if size else 0.0


def _starts(Z: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Yield isometries that turn the axis of the codes to the diagonal of the orthant."""
    k = Z.shape[1]
    axis = Z.sum(axis=0) if k != 2 else _middle_direction(Z)
    rng = np.random.default_rng(0)
    for _ in range(TURNS if k > 2 else 1):
        source, target = (np.column_stack([a, rng.normal(size=(len(a), k - 1))]) for a in (axis, np.ones(width)))
        (S, R), (T, P) = np.linalg.qr(source), np.linalg.qr(target)
        # The first columns are the axis and the diagonal up to sign; the others turn about them.
        yield (T * np.where([R[0, 0] * P[0, 0] < 0, *np.zeros(k - 1)], -1.0, 1.0)[None, :]) @ S.T


def _middle_direction(Z: np.ndarray) -> np.ndarray:
    """Return the direction in the middle of a cone in the plane, whose ends the widest empty arc separates."""
    Z = Z[np.linalg.norm(Z, axis=1) > 1e-12]
    angles = np.sort(np.arctan2(Z[:, 1], Z[:, 0]))
    arcs = np.diff(np.append(angles, angles[0] + 2 * np.pi))
    middle = angles[np.argmax(arcs)] - (2 * np.pi - np.max(arcs)) / 2
    return np.array([np.cos(middle), np.sin(middle)])


def _improved(Z: np.ndarray, Q: np.ndarray, cut: float) -> np.ndarray:
    """Alternate between the nearest codes in the orthant and the isometry that comes nearest to them."""
    sizes = np.linalg.norm(Z, axis=1, keepdims=True)
    for margin in MARGIN * FALL ** np.arange(ROUNDS):  # aiming inside, it arrives in finitely many rounds
        if negative_part(Z, Q) <= cut:
            break
        U, _, Vt = _svd.svd(np.maximum(Z @ Q.T, margin * sizes).T @ Z)
        Q = U @ Vt
    return Q
