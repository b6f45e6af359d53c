"""The numbers of a report on a residual network with a leak: what is measured of it at some inputs."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from .. import _checks, _svd, leaky
from ..leaky import LeakyNetwork
from ..networks import by_rows
from ..theory.leaky_bounds import leaky_lower_bound
from ..theory.leaky_certificates import leaky_certificate
from ..theory.spectra import middle, rank_of_spectra
from . import leaky_words
from . import words as rules
from .layer_ranks import LayerRank, above_half, dimensions, layer_rank
from .measures import CERTIFIED, rows_at_once, spaced

PARTS = ("weights", "biases", "motion", "off_active", "slack", "excess", "spectra")


@dataclass(frozen=True, repr=False)
class LeakyMeasures:
    r"""Hold what ``leaky_measures`` returns: numbers of a leaky network, and what they say by stated rules.

    Layers are counted with the first and the last, which have leak 1.

    Attributes:
        steps, width, inputs: number N of layers with a leak, size of the states, and number of inputs.
        d_in, d_out: dimensions of inputs and outputs.
        dtype: type of the weights; everything is computed in float64.
        leak: (N,) leaks.
        effective_depth: their sum.
        action: all squared weights and biases, those of a layer times its leak.
        dimension_bound: the largest :math:`k(\tilde L+2)+2\log|J|_k` over all k and inputs, below the action.
        dimension_k: the k of it.
        lower_bound: what ``leaky_lower_bound`` says at the best input, below the action and above the last bound.
        rank, gap, decided: bottleneck rank, read in the middle layers, its gap, and whether it is decided.
        k: rank at which the theorem is evaluated: the bottleneck rank, or the lowest rank of a Jacobian below it.
        parts: medians over at most 100 of the inputs of what ``leaky_certificate`` finds at k, added over the layers,
            by name: the five parts, ``excess``, their sum, and ``spectra``; None where k is 0.
        weights: (N + 2, m) singular values of the weights, :math:`W_l` and not :math:`\kappa_lW_l`.
        states: (N + 1, m) singular values of the states h_0..h_N.
        representations: (N + 1, m) those of what the next layer sees of them, which is max(h, 0).
        weight_ranks: ``LayerRank`` of each of the N + 2 weight matrices.
        representation_ranks: ``LayerRank`` of each of the N + 1 representations.
        state_dimensions: dimension of the states h_0..h_N, up to a tenth of their norm.

    Source: bnlib.
    """

    steps: int
    width: int
    inputs: int
    d_in: int
    d_out: int
    dtype: str
    leak: np.ndarray
    effective_depth: float
    action: float
    dimension_bound: float
    dimension_k: int
    lower_bound: float
    rank: int
    gap: float
    decided: bool
    k: int
    parts: dict[str, float] | None
    weights: np.ndarray
    states: np.ndarray
    representations: np.ndarray
    weight_ranks: tuple[LayerRank, ...]
    representation_ranks: tuple[LayerRank, ...]
    state_dimensions: tuple[int, ...]

    @property
    def certified_gap(self) -> float:
        """What no leaky network with these leaks and this function near the inputs can save more than."""
        return self.action - self.lower_bound

    @property
    def middle(self) -> list[int]:
        """Indices of the middle third of the layers."""
        return middle(self.steps + 2)

    @property
    def bottleneck(self) -> rules.Kind:
        """What the weights of the middle layers show, by the rules of ``bnlib.measure.words.kind``.

        It is undecided where the leaks add up to less than one layer: nothing is proved of such weights.
        """
        if self.effective_depth < leaky_words.LEAST:
            return "undecided"
        counts, gaps = self._middle()
        return rules.kind(counts, gaps, self.width, self.decided, min(self.d_in, self.d_out))

    @property
    def verdict(self) -> str:
        """What all numbers together say, in one sentence or two."""
        share = rules.percent(self.action, self.lower_bound)
        return rules.verdict(self.bottleneck, self.rank, share, None, of="action")

    @property
    def words(self) -> dict[str, str]:
        """What the numbers say of this network, one sentence or two for each block of the text."""
        counts, gaps = self._middle()
        features = [self.representation_ranks[i].rank for i in self.middle]
        return {
            "depth": leaky_words.depth(self.effective_depth, self.steps),
            "norm": rules.norm(self.action, self.lower_bound, of="action"),
            "bottleneck": leaky_words.bottleneck(
                self.effective_depth, counts, gaps, self.width, self.decided, (self.d_in, self.d_out)
            ),
            "theorem": leaky_words.theorem(self.parts, self.effective_depth, self.k, self.rank),
            "features": rules.features(features, counts, self.inputs),
            "certificates": leaky_words.certificates(bool(np.all(self.leak == 1))),
        }

    def _middle(self) -> tuple[list[int], list[float]]:
        """Return ranks and gaps of the middle layers."""
        ranks = [self.weight_ranks[i] for i in self.middle]
        return [r.rank for r in ranks], [r.gap for r in ranks]


def leaky_measures(net: LeakyNetwork, X: Any, stored: str | None = None) -> LeakyMeasures:
    """Measure a leaky network on inputs X, in float64.

    Spectra and bounds are taken over all inputs, in blocks, the theorem at no more than 100 of them.

    Args:
        net: a leaky network.
        X: inputs (n, d_in).
        stored: type of the weights as they were stored, which judges numerical ranks; None for that of the network.

    Raises:
        ValueError: inputs of the wrong shape, or NaN or infinity among them.

    Example:
        >>> net = leaky.leaky_network((np.eye(2), None), (np.stack([np.eye(2)] * 4), None), (np.eye(2), None), 0.5)
        >>> found = leaky_measures(net, np.array([[1.0, 2.0], [2.0, 1.0]]))
        >>> found.effective_depth, found.action, round(found.lower_bound, 9), found.bottleneck
        (2.0, 8.0, 8.0, 'absent')

    Source: JK24, book.
    """
    X = np.asarray(X)
    layers = [net.first[0], *np.asarray(net.hidden[0]), net.last[0]]
    weights = _padded([_svd.values(W) for W in map(_wide, layers)])
    h, representations = _spectra(net, X)
    rank, gap, decided = rank_of_spectra(weights, representations)
    bounds = [_bounds(net, block) for block in by_rows(X)]
    dimension_bound, dimension_k = max(found[0] for found in bounds)
    some = spaced(X, CERTIFIED)
    k = min(rank, _least_rank(net, some))
    dtype = stored or str(net.last[0].dtype)
    eps, count = float(jnp.finfo(dtype).eps), max(len(X), net.width)
    return LeakyMeasures(
        steps=net.steps,
        width=net.width,
        inputs=len(X),
        d_in=net.d_in,
        d_out=net.d_out,
        dtype=dtype,
        leak=_wide(net.leak),
        effective_depth=float(np.sum(_wide(net.leak))),
        action=float(_checks.float64(leaky.action)(net)),
        dimension_bound=dimension_bound,
        dimension_k=dimension_k,
        lower_bound=max(found[1] for found in bounds),
        rank=rank,
        gap=gap,
        decided=decided,
        k=k,
        parts=_parts(net, some, k) if k else None,
        weights=weights,
        states=h,
        representations=representations,
        weight_ranks=tuple(
            layer_rank(s, rank, 1.0, eps * max(W.shape))
            for s, rank, W in zip(weights, above_half(weights).tolist(), layers, strict=True)
        ),
        representation_ranks=tuple(
            layer_rank(s, rank, s[0] or 1.0, eps * layer * count)
            for layer, (s, rank) in enumerate(
                zip(representations, dimensions(representations).tolist(), strict=True), 1
            )
        ),
        state_dimensions=tuple(dimensions(h).tolist()),
    )


def _wide(a: Any) -> np.ndarray:
    return np.asarray(a, np.float64)


def _padded(rows: list[np.ndarray]) -> np.ndarray:
    most = max(len(s) for s in rows)
    return np.stack([np.pad(s, (0, most - len(s))) for s in rows])


def _spectra(net: LeakyNetwork, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the singular values of the states over the root of the number of inputs, and of what layers see of them.

    A block of inputs is in float64 at a time.
    """
    states, root = _checks.float64(leaky.states), np.sqrt(len(X))
    found = _svd.values(_svd.triangle(states(net, block) for block in by_rows(X)))
    seen = _svd.values(_svd.triangle(np.maximum(states(net, block), 0.0) for block in by_rows(X)))
    return found / root, seen / root


@_checks.float64
def _bounds(net: LeakyNetwork, X: Any) -> tuple[tuple[float, int], float]:
    """Return the largest k (L + 2) + 2 log |J|_k at inputs X with its k, and the largest bound by singular values."""
    s = _jacobian_values(net, X)
    kept = s > _svd.tolerance(s, (net.d_out, net.d_in), net.steps + 2)
    worth = net.effective_depth + 2.0 + 2.0 * np.log(s, where=kept, out=np.full_like(s, -np.inf))
    sums = np.sum(np.maximum(worth, 0.0), axis=-1)
    best = int(np.argmax(sums))
    k = int(np.sum(worth[best] > 0))
    return (float(sums[best]), k), float(np.max(leaky_lower_bound(s, np.asarray(net.leak))))


@_checks.float64
def _least_rank(net: LeakyNetwork, X: Any) -> int:
    """Return the lowest numerical rank of a Jacobian, as ``leaky_certificate`` counts it."""
    s = _jacobian_values(net, X)
    return int(np.min(np.sum(s > _svd.tolerance(s, (net.d_out, net.d_in), net.steps + 2), axis=-1)))


def _jacobian_values(net: LeakyNetwork, X: Any) -> np.ndarray:
    """Return the singular values of the Jacobians at inputs X, at no more at once than arrays may have entries."""
    rows = rows_at_once(net, 1, len(X))
    return np.concatenate([_svd.values(leaky.jacobian(net, X[i : i + rows])) for i in range(0, len(X), rows)])


def _parts(net: LeakyNetwork, X: np.ndarray, k: int) -> dict[str, float]:
    """Return the medians over inputs of the parts of the certificate at k, added over the layers."""
    rows = rows_at_once(net, net.steps + 2, len(X))
    found = [leaky_certificate(net, X[i : i + rows], k) for i in range(0, len(X), rows)]
    each = {name: np.concatenate([getattr(c, name) for c in found]) for name in PARTS}
    return {name: float(np.median(a.sum(axis=-1) if a.ndim > 1 else a)) for name, a in each.items()}
