"""Data on a circle, on an arc and in an annulus: a loop needs a code of two dimensions, an arc one."""

from typing import NamedTuple

import numpy as np

from . import _checks


class Ring(NamedTuple):
    """Hold points in R^d with their targets and codes.

    Attributes:
        X: inputs (n, d).
        Y: targets (n, d).
        codes: by rank 1 and 2, codes (n, 1) and (n, 2) from which the targets follow; none is negative. On a loop the
            one of rank 1 is torn between the last point and the first.
        fine: points (N, d) of the whole curve, or the inputs in an annulus.
    """

    X: np.ndarray
    Y: np.ndarray
    codes: dict[int, np.ndarray]
    fine: np.ndarray


def on_circle(angle: np.ndarray) -> np.ndarray:
    """Return the points (N, 2) of the unit circle at angles (N,).

    Example:
        >>> on_circle(np.array([0.0])).tolist()
        [[1.0, 0.0]]

    Source: bnlib.
    """
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def in_annulus(rng: np.random.Generator, n: int) -> np.ndarray:
    r"""Draw points (n, 2) of the annulus :math:`1/2\le\max(|x_1|,|x_2|)\le1`, uniformly.

    Example:
        >>> bool((np.abs(in_annulus(np.random.default_rng(0), 50)).max(axis=1) >= 0.5).all())
        True

    Source: book; chapter rank.
    """
    points = rng.uniform(-1, 1, size=(10 * n, 2))  # three quarters of them remain
    return points[np.abs(points).max(axis=1) >= 0.5][:n]


def circle(rng: np.random.Generator, n: int, d: int, degrees: float = 0.0) -> Ring:
    """Place n points at equal distances on a unit circle in R^d from which an arc is cut; targets are the inputs.

    The plane of the circle and the middle of the cut are random.

    Args:
        rng: the random numbers.
        n: number of points.
        d: dimension of the space around them, at least 2.
        degrees: width of the cut; 0 for the whole circle, where the last point and the first are neighbours.

    Example:
        >>> ring = circle(np.random.default_rng(0), 12, 5)
        >>> ring.X.shape, np.linalg.norm(ring.X, axis=1).round(9).max()
        ((12, 5), np.float64(1.0))

    Source: book; chapter rank.
    """
    Q = _plane(rng, d)
    turn = rng.uniform(0, 2 * np.pi)
    gap = np.deg2rad(degrees) if degrees else 2 * np.pi / _checks.integer("n", n, 3)
    t = np.linspace(0, 1, n)
    U = on_circle(turn + t * (2 * np.pi - gap))
    fine = on_circle(turn + np.linspace(0, 2 * np.pi - gap * (degrees > 0), 20_001))
    return Ring(U @ Q.T, U @ Q.T, {1: 2 * t[:, None], 2: U + 1}, fine @ Q.T)


def annulus(rng: np.random.Generator, n: int, d: int) -> Ring:
    r"""Draw n points of the annulus in a random plane of R^d; targets are :math:`\min(\max(2x,-1),1)` there.

    The map has Jacobians of rank one, and goes round a loop. The code of rank 1 is the angle, torn at the widest gap.

    Args:
        rng: the random numbers.
        n: number of points.
        d: dimension of the space around them, at least 2.

    Example:
        >>> annulus(np.random.default_rng(0), 12, 5).codes[2].shape
        (12, 2)

    Source: J22, book; claim rank-gap; chapter rank.
    """
    Q = _plane(rng, d)
    rng.uniform()  # the angle that a circle has
    U = in_annulus(rng, _checks.integer("n", n, 3))
    V = np.clip(2 * U, -1, 1)
    angle = np.arctan2(U[:, 1], U[:, 0])
    order = np.sort(angle)
    gaps = np.diff(np.append(order, order[0] + 2 * np.pi))
    start, gap = order[(np.argmax(gaps) + 1) % n], np.max(gaps)
    t = np.minimum(np.mod(angle - start, 2 * np.pi) / (2 * np.pi - gap), 1.0)
    return Ring(U @ Q.T, V @ Q.T, {1: 2 * t[:, None], 2: V + 1}, U @ Q.T)


def _plane(rng: np.random.Generator, d: int) -> np.ndarray:
    """Draw an isometry (d, 2) of the plane into R^d."""
    return np.linalg.qr(rng.normal(size=(_checks.integer("d", d, 2), 2)))[0]
