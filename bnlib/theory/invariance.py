"""What hidden layers keep of the input: variance along group orbits, principal components, decoded quantities."""

from collections.abc import Iterator
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np

from .. import _checks, _svd
from ..networks import Network, activations, activations_by_rows, apply, jacobian

# Standard deviation, relative to that of the first component, below which a component counts as rounding.
RESOLUTION = 1e-6


class Components(NamedTuple):
    """Hold principal components by layer: scores (L-1, N, k) and shares (L-1, k) of the variance, decreasing."""

    scores: np.ndarray
    shares: np.ndarray


class Price(NamedTuple):
    """Hold the least number of affine pieces on an orbit, and the variation there relative to the largest rho."""

    pieces: float
    variation: float


@_checks.float64
def orbit_share(net: Network, orbits: Any) -> np.ndarray:
    r"""Return the share of the variance of each layer that lies along orbits.

    .. math:: \frac{\frac1n\sum_i\operatorname{Var}_j\,\alpha_l(x_{ij})}{\operatorname{Var}_{ij}\,\alpha_l(x_{ij})}

    with variances of vectors summed over coordinates. The rest of the variance lies between the means of the orbits.

    Args:
        net: the network.
        orbits: inputs (n, m, d_in), m points on each of n orbits of a group.

    Returns:
        (L,): one share for each hidden layer and, last, for the output; 0 where nothing varies.

    Raises:
        ValueError: orbits of another shape.

    Example:
        >>> from bnlib import from_layers
        >>> mirrored = [[[1.0], [-1.0]], [[2.0], [-2.0]]]
        >>> orbit_share(from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)]), mirrored).round(9)
        array([0.9, 0. ])

    Source: J23; claim symmetry; chapter symmetry.
    """
    orbits = _checks.floating("orbits", orbits)
    if orbits.ndim != 3 or 0 in orbits.shape or orbits.shape[2] != net.d_in:
        raise ValueError(f"orbits must have shape (n, m, {net.d_in}) with n, m >= 1, but its shape is {orbits.shape}.")
    n, m, _ = orbits.shape
    X = _checks.points("orbits", orbits.reshape(n * m, -1), net.d_in)
    hidden = [] if net.depth == 1 else list(np.asarray(activations(net, X).post))
    shares = []
    for A in [*hidden, np.asarray(apply(net, X))]:
        total = A.var(axis=0).sum()
        along = A.reshape(n, m, -1).var(axis=1).mean(axis=0).sum()
        # What rounding makes of a constant is no variance.
        shares.append(along / total if total > 1e-24 * np.mean(A**2) * A.shape[1] else 0.0)
    return np.array(shares)


@_checks.float64
def principal_components(net: Network, X: Any, k: int, at: Any = None) -> Components:
    """Return the leading principal components of every hidden layer.

    Args:
        net: a network of depth at least 2.
        X: inputs (N, d_in) that define mean and directions.
        k: how many, at most the width.
        at: inputs whose scores are wanted; X when None.

    Returns:
        Scores at the wanted inputs, and shares of the variance at X.

    Raises:
        ValueError: depth 1, or k out of range.

    Example:
        >>> from bnlib import from_layers
        >>> net = from_layers([([[3.0], [4.0]], None), ([[1.0, 1.0]], None)])
        >>> np.abs(principal_components(net, [[1.0], [3.0]], 1).scores.ravel()).round(9)
        array([5., 5.])

    Source: J23; claim symmetry; chapter symmetry.
    """
    if net.depth < 2:
        raise ValueError("Principal components are taken of hidden layers; depth 1 has none.")
    X = _checks.points("X", X, net.d_in)
    if (k := _checks.integer("k", k, 1)) > net.width:
        raise ValueError(f"k is {k}, but the width is {net.width}.")
    mean = sum(A.sum(axis=1, keepdims=True) for A in _hidden(net, X)) / len(X)
    # Eigenvectors of the covariance: there may be far more points than neurons.
    covariance = sum(np.swapaxes(A - mean, 1, 2) @ (A - mean) for A in _hidden(net, X)) / len(X)
    values, vectors = _svd.eigh(covariance)
    values, vectors = values[:, ::-1].clip(0), vectors[:, :, ::-1]
    total = values.sum(axis=1, keepdims=True)
    at = X if at is None else _checks.points("at", at, net.d_in)
    return Components(
        np.concatenate([(B - mean) @ vectors[:, :, :k] for B in _hidden(net, at)], axis=1),
        np.divide(values[:, :k], total, out=np.zeros_like(values[:, :k]), where=total > 0),
    )


def _hidden(net: Network, X: Any) -> Iterator[np.ndarray]:
    """Yield the hidden representations (L-1, n, width) of blocks of n inputs."""
    return (np.asarray(acts.post) for acts in activations_by_rows(net, X))


@_checks.float64
def decoded(
    net: Network, X: Any, targets: Any, X_test: Any, targets_test: Any, *, components: int, degree: int
) -> np.ndarray:
    r"""Return how much of some quantities can be read off every hidden layer, on points the reader has not seen.

    Least squares on all monomials up to a degree in the leading principal components, each divided by its standard
    deviation and left out if that is below a millionth of the largest. The fit is to one sample, the score
    :math:`R^2=1-\sum(y-\hat y)^2/\sum(y-\bar y)^2` on the other.

    Args:
        net: a network of depth at least 2.
        X, X_test: inputs (N, d_in) to fit and (M, d_in) to score.
        targets, targets_test: the quantities there, (N, m) and (M, m).
        components: how many principal components the reader sees.
        degree: degree of its polynomials.

    Returns:
        (L-1, m): 1 for what is determined, about 0 or below for what is not seen. An angle goes in as cosine and sine.

    Raises:
        ValueError: shapes that do not fit, NaN, targets_test that do not vary, or no more points than monomials.

    Example:
        >>> from bnlib import from_layers
        >>> net = from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)])
        >>> x = np.linspace(-1, 1, 40)[:, None]
        >>> decoded(net, x, x**2, x, x**2, components=2, degree=2).round(6)
        array([[1.]])

    Source: J23; claim symmetry; chapter symmetry.
    """
    degree = _checks.integer("degree", degree, 1)
    Y, Y_test = (np.asarray(_checks.floating("targets", a)) for a in (targets, targets_test))
    for inputs, values in ((X, Y), (X_test, Y_test)):
        if values.ndim != 2 or len(values) != len(inputs) or values.shape[1] != Y.shape[1]:
            raise ValueError(
                f"targets must have shape (N, m), one row for each input, but {len(inputs)} inputs have targets "
                f"of shape {values.shape}."
            )
    scores = principal_components(net, X, components).scores
    tests = principal_components(net, X, components, X_test).scores
    powers = [c for d in range(1, degree + 1) for c in combinations_with_replacement(range(components), d)]
    if len(Y) <= len(powers) + 1:
        raise ValueError(f"A reader with {len(powers) + 1} monomials needs more points to fit than {len(Y)}.")
    _checks.finite("targets", Y, Y_test)
    spread = np.sum((Y_test - Y_test.mean(0)) ** 2, axis=0)
    if not np.all(spread > 0):
        raise ValueError("Every column of targets_test must vary, or there is nothing to score.")
    found = []
    for fit, test in zip(scores, tests, strict=True):
        size = fit.std(axis=0)
        size = np.where(size > RESOLUTION * size.max(initial=0.0), size, np.inf)
        A, B = (np.stack([np.ones(len(z)), *((z / size)[:, c].prod(axis=1) for c in map(list, powers))], 1)
                for z in (fit, test))  # fmt: skip
        weights = np.linalg.lstsq(A, Y, rcond=None)[0]
        found.append(1 - np.sum((Y_test - B @ weights) ** 2, axis=0) / spread)
    return np.array(found)


@_checks.float64
def fewest_pieces(net: Network, orbit: Any, tangent: Any, output: int = 0) -> Price:
    r"""Return how many affine pieces one output must have on a circular orbit, given how little it varies there.

    With the gradients B of the pieces and :math:`\rho=\sqrt{(Bx)^2+(BAx)^2}`, which is constant on each, let
    :math:`\varepsilon` be the variation of the output and T the length of the part of the orbit on which
    :math:`\rho\ge r`. For every :math:`r>\varepsilon` there are at least

    .. math:: \frac{T}{2\arccos(1-\varepsilon/r)}

    pieces. The bound is the best over the quantiles r of rho at 0, 5, ..., 90 %; lengths are shares of the sample.

    Args:
        net: the network.
        orbit: points :math:`x=e^{tA}x_0` at even t around the circle, (N, d_in), with A^T A = I and A^2 = -I.
        tangent: Ax at these points.
        output: number of the output.

    Returns:
        The bound, 0 where no part of the orbit has a rho above the variation, and variation / largest rho.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> from bnlib.build.polygons import folded_polygon
        >>> t = 2 * np.pi * (np.arange(999) + 0.5) / 999
        >>> x, Ax = np.c_[np.cos(t), np.sin(t)], np.c_[-np.sin(t), np.cos(t)]
        >>> round(fewest_pieces(folded_polygon(3), x, Ax).pieces, 1)
        8.0

    Source: J23; claim symmetry; chapter symmetry.
    """
    X = np.asarray(_checks.points("orbit", orbit, net.d_in))
    T = np.asarray(_checks.points("tangent", tangent, net.d_in))
    if X.shape != T.shape:
        raise ValueError(f"orbit and tangent must have the same shape, but they have {X.shape} and {T.shape}.")
    values = np.asarray(apply(net, X))[:, output]
    J = np.asarray(jacobian(net, X))[:, output]
    rho = np.hypot(np.sum(J * X, axis=1), np.sum(J * T, axis=1))
    variation, best = np.ptp(values), 0.0
    for level in np.quantile(rho, np.linspace(0, 0.9, 19)):
        if level > variation:
            share = np.mean(rho >= level * (1 - 1e-9))
            best = max(best, float(np.pi * share / np.arccos(1 - variation / level)))
    return Price(best, float(variation / max(np.max(rho), 1e-300)))
