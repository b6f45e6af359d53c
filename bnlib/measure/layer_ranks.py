"""Ranks of one matrix by its singular values: above one half, up to a tenth of the norm, above rounding."""

import math
from typing import NamedTuple

import numpy as np

HALF = 0.5  # a partial isometry of rank k nearest to a matrix has k = number of singular values above it
TENTH = 0.1  # of the norm, which the singular values beyond a dimension may hold
DECIDED = 1e3  # ratio across a numerical rank above which it is decided


class LayerRank(NamedTuple):
    """Hold two ranks of one matrix, each with its gap.

    Attributes:
        rank: of weights the number of singular values above 1/2, as in ``bottleneck_rank``; of a representation the
            dimension of the smallest space that it lies in up to a tenth of its norm.
        gap: s_k - s_(k+1) at k = rank, for a representation divided by s_1; at rank 0 one minus s_1.
        numerical_rank: number of singular values above rounding in the type that stores the weights.
        numerical_gap: ratio across it, of s_k to the larger of s_(k+1) and rounding.
        decided: whether that ratio is above 1000; the numerical rank is undecided otherwise.
    """

    rank: int
    gap: float
    numerical_rank: int
    numerical_gap: float
    decided: bool


def above_half(s: np.ndarray) -> np.ndarray:
    """Return the numbers of singular values above one half, as ``bottleneck_rank`` counts them.

    Args:
        s: (..., m) singular values.

    Example:
        >>> above_half(np.array([[1.0, 0.5], [2.0, 0.6]])).tolist()
        [1, 2]

    Source: J23; claim weights-corollary; chapter weights.
    """
    return np.sum(s > HALF, axis=-1)


def dimensions(s: np.ndarray) -> np.ndarray:
    """Return for each layer the dimension of the smallest space that holds all but a tenth of the norm.

    Args:
        s: (..., m) singular values, decreasing along the last axis.

    Example:
        >>> dimensions(np.array([[1.0, 0.5, 0.05], [1.0, 0.05, 0.05]])).tolist()
        [2, 1]

    Source: J22, J23; claim low-dim-features; chapter features.
    """
    beyond = np.sqrt(np.cumsum(s[..., ::-1] ** 2, axis=-1)[..., ::-1])
    beyond = np.concatenate([beyond, np.zeros_like(beyond[..., :1])], axis=-1)
    return np.argmax(beyond <= TENTH * beyond[..., :1], axis=-1)


def layer_rank(s: np.ndarray, rank: int, scale: float, rounding: float) -> LayerRank:
    """Return the two ranks of a matrix, the first of which is known already.

    Args:
        s: (m,) singular values, decreasing.
        rank: the first of the two.
        scale: what its gap is relative to.
        rounding: size of a singular value that is rounding, relative to the largest.

    Example:
        >>> layer_rank(np.array([2.0, 1.0, 0.0]), rank=2, scale=2.0, rounding=1e-16).numerical_rank
        2

    Source: bnlib.
    """
    lost = rounding >= 1.0  # as of a million inputs in 32 bits: nothing stands above it
    padded, rounding = np.append(s, 0.0), rounding * s[0]
    numerical = int(np.sum(s > rounding))
    ratio = padded[numerical - 1] / max(padded[numerical], rounding) if numerical else math.inf
    gap = (padded[rank - 1] - padded[rank]) / scale if rank else 1.0 - s[0] / scale
    return LayerRank(rank, float(gap), numerical, float(ratio), bool(ratio > DECIDED) and not lost)
