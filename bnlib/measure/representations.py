"""Comparing representations: distances of kernels, which no rotation changes, and pictures turned to fit each other."""

from typing import Any, NamedTuple

import numpy as np

from .. import _svd


class Plane(NamedTuple):
    """Hold what ``principal_plane`` returns: points (N, 2) in the unit square, and the share of the variance."""

    points: np.ndarray
    share: float


def kernel_distance(K: Any, M: Any) -> float:
    r"""Return :math:`\|K-M\|_F/(\|K\|_F\|M\|_F)^{1/2}`.

    Args:
        K, M: kernels (N, N) on the same inputs, in the same order.

    Example:
        >>> kernel_distance(np.eye(3), 4 * np.eye(3))
        1.5

    Source: J23; claim depth-convergence; chapter features.
    """
    K, M = np.asarray(K), np.asarray(M)
    return float(np.linalg.norm(K - M) / np.sqrt(np.linalg.norm(K) * np.linalg.norm(M)))


def shape_distance(K: Any, M: Any) -> float:
    r"""Return the distance of the kernels divided by their traces, which does not see their scale.

    Args:
        K, M: kernels (N, N) on the same inputs, in the same order.

    Example:
        >>> shape_distance(np.eye(3), 4 * np.eye(3))
        0.0

    Source: J23; claim depth-convergence; chapter features.
    """
    return kernel_distance(K / np.trace(K), M / np.trace(M))


def alignment_distance(K: Any, M: Any) -> float:
    r"""Return one minus the linear centred kernel alignment (CKA), the cosine of HKH and HMH.

    It sees neither the scale nor the mean: :math:`H=I-\frac1N\mathbf 1\mathbf 1^T`.

    Args:
        K, M: kernels (N, N) on the same inputs, in the same order.

    Example:
        >>> round(alignment_distance(np.eye(3), 4 * np.eye(3) + 1), 9)
        0.0

    Source: kornblith2019.
    """
    K, M = (A - A.mean(0) - A.mean(1)[:, None] + A.mean() for A in map(np.asarray, (K, M)))
    return float(1 - np.sum(K * M) / (np.linalg.norm(K) * np.linalg.norm(M)))


def principal_plane(A: Any, previous: Any = None) -> Plane:
    """Project points to their two principal components, and turn the picture to fit a previous one.

    Args:
        A: points (N, d), with N and d at least 2.
        previous: picture (N, 2) of the same points; None for no turn.

    Returns:
        The picture, scaled so that its largest coordinate is one, and the share of the variance that it holds.

    Example:
        >>> picture = principal_plane([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
        >>> picture.points.shape, round(picture.share, 9)
        ((3, 2), 1.0)

    Source: bnlib.
    """
    A = np.asarray(A) - np.asarray(A).mean(0)
    U, s, _ = _svd.svd(A)
    flat = U[:, :2] * s[:2]
    if previous is not None:  # the orthogonal matrix that fits best
        P, _, Qt = _svd.svd(flat.T @ previous)
        flat = flat @ P @ Qt
    return Plane(flat / np.abs(flat).max(), float(np.sum(s[:2] ** 2) / np.sum(s**2)))
