"""Networks that fit any data through a code of dimension one."""

from typing import Any

import numpy as np

from .. import _checks
from ..networks import Network, from_layers
from .constructions import padded

DIRECTIONS = 200


def rank_one_interpolant(X: Any, Y: Any, depth: int, *, direction: Any = None, tail: int = 0) -> Network:
    r"""Fit data by a curve through all targets, run along by a linear code.

    .. math:: f=h\circ g,\qquad g(x)=\langle w,x\rangle+c\ge0,\qquad h(g(x_i))=y_i,

    with h piecewise linear between consecutive codes, one neuron for each of the N-1 pieces. The targets must not be
    negative, so that the ReLUs of the layers behind the curve do nothing. Balancing the result shares the steepness of
    the curve among all layers.

    Args:
        X: inputs (N, d), N at least 2.
        Y: targets (N, m), not negative.
        depth: number of weight matrices, at least 3 + tail.
        direction: w of shape (d,), for which all codes must differ; None for the one with the least steep curve among
            some that are drawn with a fixed seed.
        tail: identity layers behind the curve, where balancing can amplify.

    Raises:
        ValueError: equal codes, negative targets, or dimensions or a depth that do not fit.

    Example:
        >>> net = rank_one_interpolant([[0.0], [1.0], [2.0]], [[1.0], [0.0], [1.0]], 6)
        >>> net.depth, net.width
        (6, 2)

    Source: J22, J23, book; claims tsp, depth-window; chapters curve, window.
    """
    X, Y = np.asarray(_checks.matrix("X", X)), np.asarray(_checks.matrix("Y", Y))
    _checks.equal_lengths(X, Y)
    if len(X) < 2 or Y.min() < 0:
        raise ValueError(f"There must be at least two points, and no negative target, but Y is {Y.tolist()!r:.60}.")
    tail = _checks.integer("tail", tail, 0)
    depth = _checks.integer("depth", depth, 3 + tail)
    if direction is None:
        drawn = np.random.default_rng(0).normal(size=(DIRECTIONS, X.shape[1]))
        direction = min(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), key=lambda w: steepness(X @ w, Y))
    w = np.asarray(direction, float)
    if w.shape != X.shape[1:]:
        raise ValueError(f"direction must have shape {X.shape[1:]}, but it has shape {w.shape}.")
    code = X @ w - (X @ w).min()
    if not np.isfinite(steepness(code, Y)):
        raise ValueError("The code does not separate the inputs: two of them have the same value in this direction.")
    order = np.argsort(code)
    carry = (np.eye(Y.shape[1]), None)
    g = from_layers([(w[None], [-(X @ w).min()])])
    h = from_layers([*curve_layers(code[order], Y[order]), *[carry] * tail])
    return padded(h, g, depth, domain=X)


def curve_layers(t: np.ndarray, P: np.ndarray, *, stops: bool = False) -> list[tuple[np.ndarray, np.ndarray]]:
    r"""List the two layers of a curve that is at the given points at the given times, and straight between them.

    .. math:: h(t)=p_1+\sum_j(v_j-v_{j-1})\,\sigma(t-t_j),\qquad v_j=\frac{p_{j+1}-p_j}{t_{j+1}-t_j},\qquad v_0=0

    Args:
        t: increasing times (C,), at least two.
        P: points (C, m).
        stops: whether the curve stands still after the last point; otherwise it runs on.

    Returns:
        Two pairs (W, b), with one neuron for each piece, and one more for a stop.

    Example:
        >>> from bnlib import apply
        >>> h = from_layers(curve_layers(np.array([0.0, 1.0]), np.array([[0.0], [2.0]]), stops=True))
        >>> apply(h, [[0.5], [3.0]]).ravel().tolist()
        [1.0, 2.0]

    Source: J22, J23, book; claims tsp, depth-window, narrow-minima; chapters curve, window, narrow.
    """
    speed = np.diff(P, axis=0) / np.diff(t)[:, None]
    still = np.zeros((1, P.shape[1]))
    turns = np.diff(speed, axis=0, prepend=still, append=still[: int(stops)])
    return [(np.ones((len(turns), 1)), -t[: len(turns)]), (turns.T, P[0])]


def steepness(code: Any, Y: Any) -> float:
    """Return the largest speed of the piecewise linear curve with value y_i at code t_i; infinite for equal codes.

    Example:
        >>> steepness(np.array([0.0, 2.0, 1.0]), np.array([[0.0], [1.0], [3.0]]))
        3.0

    Source: J23; claim tsp; chapter curve.
    """
    order = np.argsort(code)
    gaps = np.diff(code[order])
    steps = np.linalg.norm(np.diff(np.asarray(Y)[order], axis=0), axis=1)
    return float(np.max(np.divide(steps, gaps, out=np.full_like(steps, np.inf), where=gaps > 0)))
