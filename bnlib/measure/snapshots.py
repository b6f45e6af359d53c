"""What one network shows on some inputs: its norm and the bound of it, rank, imbalance, spectra by layer."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import _checks
from ..networks import Network
from ..theory.costs import lower_bound, squared_norm
from ..theory.spectra import middle, rank_of_spectra, representation_singular_values, weight_singular_values
from ..training.outcome import relative_imbalance
from ._given import inputs_of


class Isometry(NamedTuple):
    """Hold a rank, and the distance of the middle layers from partial isometries of this rank."""

    rank: int
    distance: float


@dataclass(frozen=True)
class Snapshot:
    """Hold what ``snapshot`` measures.

    Attributes:
        depth, width, d_in, d_out: size of the network.
        inputs: number of inputs.
        rank, gap, decided: bottleneck rank, as ``bottleneck_rank`` reads it; None at depth 2, which has no middle.
        squared_norm: all weights and biases.
        lower_bound: norm that no network of this depth with the same function near the inputs can go below; None
            where it was not asked for.
        relative_imbalance: largest difference of A_i and B_i, relative to the largest A_i.
        weights: (L, m) singular values of the weights.
        representations: (L-1, n) singular values of the hidden representations.
    """

    depth: int
    width: int
    d_in: int
    d_out: int
    inputs: int
    rank: int | None
    gap: float | None
    decided: bool | None
    squared_norm: float
    lower_bound: float | None
    relative_imbalance: float
    weights: np.ndarray
    representations: np.ndarray

    @property
    def size(self) -> str:
        """Depth, width and dimensions in words."""
        return f"depth {self.depth}, width {self.width}, from {self.d_in} to {self.d_out} dimensions"

    @property
    def most(self) -> int:
        """Largest rank of a bottleneck: at most the dimensions of inputs and outputs, and below the width."""
        return min(self.d_in, self.d_out, self.width - 1)

    @property
    def isometry(self) -> Isometry | None:
        """Partial isometries that the middle layers are nearest to, by ``nearest_isometry``; None at depth 2."""
        return nearest_isometry(self.weights, self.most) if self.depth > 2 and self.most > 0 else None


def snapshot(net: Network, X: Any, *, bound: bool = True) -> Snapshot:
    """Measure a network on inputs, in float64.

    Args:
        net: a network of depth at least 2.
        X: inputs (N, d_in).
        bound: take the lower bound of the norm as well, which needs the Jacobian at every input.

    Raises:
        ValueError: depth 1, or inputs of another shape, of integers, or with NaN or infinity.

    Example:
        >>> from bnlib import from_layers
        >>> s = snapshot(from_layers([(np.eye(2), None)] * 4), [[1.0, 2.0], [2.0, 1.0]])
        >>> s.rank, s.decided, s.squared_norm, s.weights.shape
        (2, True, 8.0, (4, 2))

    Source: J23; claims weights-corollary, schatten-bound, balance; chapters weights, cost.
    """
    points = inputs_of(X, net.d_in)
    if net.depth < 2:
        raise ValueError("This network has one layer, and so no hidden one; give whole networks, not their layers.")
    weights, representations = weight_singular_values(net), representation_singular_values(net, points)
    rank, gap, decided = rank_of_spectra(weights, representations) if net.depth > 2 else (None, None, None)
    return Snapshot(
        depth=net.depth,
        width=net.width,
        d_in=net.d_in,
        d_out=net.d_out,
        inputs=len(points),
        rank=rank,
        gap=gap,
        decided=decided,
        squared_norm=float(_checks.float64(squared_norm)(net)),
        lower_bound=lower_bound(net, points) if bound else None,
        relative_imbalance=relative_imbalance(net),
        weights=weights,
        representations=representations,
    )


def nearest_isometry(weights: np.ndarray, most: int) -> Isometry:
    r"""Return the rank k of the partial isometries that the middle layers are nearest to, and their distance.

    .. math:: D_k^2=\frac1{|M|}\sum_{l\in M}\sum_i\bigl(s_i(W_l)-1[i\le k]\bigr)^2

    over the middle layers M. The inner sum is the least squared distance of the l-th weight matrix from a partial
    isometry of rank k; it is what the left side of the bottleneck theorem counts at least.

    Args:
        weights: (L, m) singular values of the weights, decreasing along rows.
        most: largest rank that is tried, at least 1.

    Returns:
        The k of 1, ..., ``most`` with the smallest distance, and that distance.

    Example:
        >>> nearest_isometry(np.array([[3.0, 0.0], [1.0, 0.5], [2.0, 2.0]]), 2)
        Isometry(rank=1, distance=0.5)

    Source: J23; claims weights-theorem, weights-corollary; chapter weights.
    """
    s = weights[middle(len(weights))]
    ranks = np.arange(1, most + 1)
    ideal = (np.arange(1, s.shape[1] + 1)[None, :] <= ranks[:, None]).astype(float)
    distances = np.sqrt(np.mean(np.sum((s[None] - ideal[:, None]) ** 2, axis=2), axis=1))
    best = int(np.argmin(distances))
    return Isometry(best + 1, float(distances[best]))
