"""The numbers of a report: what is measured of one network at some inputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from .. import _checks, _svd
from ..build.balancing import balance_residual
from ..leaky import LeakyNetwork
from ..networks import Network, jacobian
from ..theory.certificates import bottleneck_certificate
from ..theory.costs import lower_bound, squared_norm
from ..theory.gains import gain_bound
from ..theory.ntk import ntk_trace
from ..theory.root_spectra import spectrum_certificate
from ..theory.spectra import middle, rank_of_spectra, representation_singular_values, weight_singular_values
from ..training.outcome import relative_imbalance
from . import words as rules
from .layer_ranks import LayerRank, above_half, dimensions, layer_rank

# The theorem keeps an L-fold chain of frames for every input: more inputs would need minutes and gigabytes.
CERTIFIED = 100
# All pairs of this many inputs are compared: two thousand pairs.
PAIRED = 64
# Any input ties the middle layers to one spectrum; each costs a decomposition of the size of a weight matrix.
TIED = 10
# Numbers that an array over inputs may have, and the most inputs that are measured at once.
ENTRIES, ROWS = 2**24, 2048


@dataclass(frozen=True, repr=False)
class Measures:
    """Hold what ``measures`` returns: numbers of a network, and what they say by the rules of ``bnlib.measure.words``.

    Attributes:
        depth, width, inputs: size of the network, and number of inputs.
        d_in, d_out: dimensions of inputs and outputs.
        dtype: type of the weights; everything is computed in float64.
        squared_norm: all weights and biases.
        lower_bound: norm that no network of this depth with the same function near the inputs can go below, by the
            Jacobian at one input.
        pair_bound: such a norm by the Jacobians at pairs of at most 64 of the inputs, taken at equal distances; never
            below that of the same inputs one by one. None for a single input.
        imbalance: largest difference of A_i and B_i over hidden neurons; None at depth 1, which has none.
        relative_imbalance: the same relative to the largest A_i.
        rank, gap: bottleneck rank, read in the middle layers, and its gap; None below depth 3, which has none.
        decided: whether that rank is decided.
        k: rank at which the theorem is evaluated: the bottleneck rank, or the lowest rank of a Jacobian below it.
        lhs, rhs: the two sides of the bottleneck theorem at k, medians over at most 100 of the inputs, taken at equal
            distances; None where k is 0.
        roots: the one spectrum of the middle layers, at that of at most 10 inputs which ties them to it best; None
            where there are fewer than two such layers.
        radius: what no singular value of the middle layers is farther from it than, by their optimality gap.
        spread: largest distance of the singular values of one of them that is measured, at most the radius.
        ntk_trace: mean of Tr Theta(x, x) over the same inputs as both sides.
        weights: (L, m) singular values of the weights.
        representations: (L-1, m) singular values of the hidden representations.
        weight_ranks: ``LayerRank`` of each of the L weight matrices.
        representation_ranks: ``LayerRank`` of each of the L-1 hidden representations.
    """

    depth: int
    width: int
    inputs: int
    d_in: int
    d_out: int
    dtype: str
    squared_norm: float
    lower_bound: float
    pair_bound: float | None
    imbalance: float | None
    relative_imbalance: float | None
    rank: int | None
    gap: float | None
    decided: bool
    k: int
    lhs: float | None
    rhs: float | None
    roots: np.ndarray | None
    radius: float | None
    spread: float | None
    ntk_trace: float
    weights: np.ndarray
    representations: np.ndarray
    weight_ranks: tuple[LayerRank, ...]
    representation_ranks: tuple[LayerRank, ...]

    @property
    def bound(self) -> float:
        """The larger of ``lower_bound`` and ``pair_bound``."""
        return max(self.lower_bound, self.pair_bound or 0.0)

    @property
    def certified_gap(self) -> float:
        """The optimality gap: what no network of this depth with this function near the inputs can save more than."""
        return self.squared_norm - self.bound

    @property
    def middle(self) -> list[int]:
        """Indices of the middle third of the layers; none below depth 3."""
        return middle(self.depth) if self.depth > 2 else []

    @property
    def bottleneck(self) -> rules.Kind:
        """What the weights of the middle layers show, by the rules of ``bnlib.measure.words.kind``."""
        counts, gaps = self._middle()
        return rules.kind(counts, gaps, self.width, self.decided, min(self.d_in, self.d_out))

    @property
    def verdict(self) -> str:
        """What all numbers together say, in one sentence or two."""
        share = rules.percent(self.squared_norm, self.bound)
        return rules.verdict(self.bottleneck, self.rank, share, self.relative_imbalance)

    @property
    def words(self) -> dict[str, str]:
        """What the numbers say of this network, one sentence or two for each block of the text."""
        counts, gaps = self._middle()
        hidden = self.middle or range(self.depth - 1)
        features = [self.representation_ranks[i].rank for i in hidden]
        return {
            "norm": rules.norm(self.squared_norm, self.bound, self.lower_bound),
            "balance": rules.balance(self.relative_imbalance),
            "bottleneck": rules.bottleneck(counts, gaps, self.width, self.decided, (self.d_in, self.d_out)),
            "theorem": rules.theorem(self.lhs, self.rhs, self.depth, self.k, self.rank),
            **self._spectrum_words(),
            "kernel": rules.kernel(self.ntk_trace, min(self.inputs, CERTIFIED)),
            "features": rules.features(features, counts, self.inputs),
        }

    def _spectrum_words(self) -> dict[str, str]:
        """Return what ties the middle layers to one spectrum, where there are two of them or more."""
        if self.roots is None or self.radius is None:
            return {}
        return {"spectrum": rules.spectrum(self.roots.tolist(), self.radius, self.middle)}

    def _middle(self) -> tuple[list[int], list[float]]:
        """Return ranks and gaps of the middle layers."""
        ranks = [self.weight_ranks[i] for i in self.middle]
        return [r.rank for r in ranks], [r.gap for r in ranks]


def measures(net: Network, X: Any) -> Measures:
    """Measure a network on inputs X, as ``report`` does, in float64.

    Spectra and the lower bound are taken over all inputs, the theorem and the tangent kernel over at most 100, in
    blocks: no array over all inputs is made. Below depth 3 there is no bottleneck rank, and so no theorem.

    Args:
        net: a network.
        X: inputs (N, d_in).

    Raises:
        ValueError: inputs of the wrong shape, or NaN or infinity among them.

    Example:
        >>> from bnlib import from_layers
        >>> found = measures(from_layers([(np.eye(2), None)] * 4), np.array([[1.0, 2.0], [2.0, 1.0]]))
        >>> found.rank, found.bottleneck, found.squared_norm
        (2, 'absent', 8.0)

    Source: J23, book; claims weights-theorem, schatten-bound, ntk-identity; chapters weights, cost, tangent_kernel.
    """
    X = np.asarray(X)
    weights, representations = weight_singular_values(net), representation_singular_values(net, X)
    rank, gap, decided = rank_of_spectra(weights, representations) if net.depth > 2 else (None, None, False)
    some = spaced(X, CERTIFIED)
    few = rows_at_once(net, net.depth, CERTIFIED)
    k = min(rank, *(_least_rank(net, block) for block, _ in _blocks(some, few))) if rank else 0
    lhs, rhs = _sides(net, some, k, few) if k else (None, None)
    roots, radius, spread = _tied(net, spaced(X, TIED), few) if net.depth > 3 else (None, None, None)
    many = few if len(X) <= ROWS else rows_at_once(net, 1, ROWS)
    eps = float(jnp.finfo(net.last[0].dtype).eps)
    counts, features = above_half(weights).tolist(), dimensions(representations).tolist()
    return Measures(
        depth=net.depth,
        width=net.width,
        inputs=len(X),
        d_in=net.d_in,
        d_out=net.d_out,
        dtype=str(net.last[0].dtype),
        squared_norm=float(_checks.float64(squared_norm)(net)),
        lower_bound=max(lower_bound(net, block) for block, _ in _blocks(X, many)),
        pair_bound=_pair_bound(net, X),
        imbalance=_largest_imbalance(net) if net.depth > 1 else None,
        relative_imbalance=relative_imbalance(net) if net.depth > 1 else None,
        rank=rank,
        gap=gap,
        decided=decided,
        k=k,
        lhs=lhs,
        rhs=rhs,
        roots=roots,
        radius=radius,
        spread=spread,
        ntk_trace=float(np.mean(np.concatenate([ntk_trace(net, b)[-new:] for b, new in _blocks(some, few)]))),
        weights=weights,
        representations=representations,
        weight_ranks=tuple(
            layer_rank(s, rank, 1.0, eps * max(W.shape))
            for s, rank, (W, _) in zip(weights, counts, net.layers, strict=True)
        ),
        representation_ranks=tuple(
            layer_rank(s, rank, s[0] or 1.0, eps * layer * max(len(X), net.width))
            for layer, (s, rank) in enumerate(zip(representations, features, strict=True), 1)
        ),
    )


def _pair_bound(net: Network, X: np.ndarray) -> float | None:
    """Return the bound of the norm by pairs of inputs, of so many that the Jacobians of all pairs fit."""
    fit = int(np.sqrt(2 * ENTRIES / (net.d_in * net.d_out)))
    some = spaced(X, min(PAIRED, max(2, fit)))
    return _checks.float64(gain_bound)(net, some) if len(some) > 1 else None


def spaced(X: Any, most: int) -> Any:
    """Return inputs at equal distances, at most so many."""
    return X[np.linspace(0, len(X) - 1, min(len(X), most)).astype(int)]


def rows_at_once(net: Network | LeakyNetwork, arrays: int, most: int) -> int:
    """Return how many inputs are measured at once where a number of arrays holds a matrix for each of them."""
    matrix = max(net.width, net.d_in) * max(net.width, net.d_out)
    return min(most, max(1, ENTRIES // (matrix * arrays)))


def _blocks(X: Any, rows: int) -> Iterator[tuple[Any, int]]:
    """Yield blocks of inputs, and how many of each are new: the last reaches back, so that all have one shape."""
    for start in range(0, len(X), rows):
        first = min(start, max(0, len(X) - rows))
        yield X[first : first + rows], min(rows, len(X) - start)


def _sides(net: Network, X: Any, k: int, rows: int) -> tuple[float, float]:
    """Return the medians of both sides of the bottleneck theorem."""
    found = [(bottleneck_certificate(net, block, k), new) for block, new in _blocks(X, rows)]
    lhs, rhs = (np.concatenate([getattr(c, side)[-new:] for c, new in found]) for side in ("lhs", "rhs"))
    return float(np.median(lhs)), float(np.median(rhs))


def _tied(net: Network, X: Any, rows: int) -> tuple[np.ndarray, float, float]:
    """Return the spectrum of the middle layers at the best of the inputs, its radius and the spread around it."""
    layers = middle(net.depth)
    found = [spectrum_certificate(net, block, (layers[0], layers[-1] + 1)) for block, _ in _blocks(X, rows)]
    roots, radius, distances = (
        np.concatenate([getattr(c, name) for c in found]) for name in ("roots", "radius", "distances")
    )
    best = np.argmin(radius)
    return roots[best], float(radius[best]), float(np.max(distances[best]))


@_checks.float64
def _largest_imbalance(net: Network) -> float:
    return float(np.max(np.abs(balance_residual(_checks.on_host(net)))))


@_checks.float64
def _least_rank(net: Network, X: Any) -> int:
    """Return the lowest numerical rank of a Jacobian, as ``bottleneck_certificate`` counts it."""
    J = np.asarray(jacobian(net, X))
    s = _svd.values(J)
    return int(np.min(np.sum(s > _svd.tolerance(s, J.shape, net.depth), axis=-1)))
