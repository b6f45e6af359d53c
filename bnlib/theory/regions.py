"""Affine pieces of a network: value, derivative and distance to the next kink, and pieces along a closed curve."""

from typing import Any, NamedTuple

import numpy as np

from .. import _checks
from ..networks import Network, activations


class AffinePiece(NamedTuple):
    """Hold value (m,) and Jacobian (m, d) of a network at a point, and the least absolute pre-activation."""

    value: np.ndarray
    jacobian: np.ndarray
    distance: float


def scores(net: Network, X: Any) -> np.ndarray:
    """Evaluate a network in float64 with NumPy: nothing is compiled, so inputs may come in any number.

    Args:
        net: the network.
        X: inputs (N, d_in).

    Returns:
        (N, d_out) float64.

    Example:
        >>> from bnlib import from_layers
        >>> scores(from_layers([([[2.0]], [1.0]), ([[3.0]], None)]), [[1.0], [-1.0]]).tolist()
        [[9.0], [0.0]]

    Source: bnlib.
    """
    h = np.asarray(X, float)
    if h.ndim != 2 or h.shape[1] != net.d_in:
        raise ValueError(f"X must have shape (N, {net.d_in}), but its shape is {h.shape}.")
    *hidden, (W, b) = _layers(net)
    for V, c in hidden:
        z = h @ V.T + c
        h = np.where(z > 0, z, net.negative_slope * z)
    return h @ W.T + b


def affine_piece(net: Network, x: Any) -> AffinePiece:
    r"""Return the affine function that a network is near a point, and how far its neurons are from their kinks.

    Near x the network is :math:`y\mapsto f(x)+J(y-x)`, as long as no pre-activation changes its sign. Neurons without
    weights and bias, which only fill up a layer, are not counted.

    Args:
        net: the network.
        x: the point, (d_in,).

    Returns:
        f(x), J and the least absolute pre-activation of a neuron, infinite at depth 1.

    Raises:
        ValueError: a point of another shape.

    Example:
        >>> from bnlib import from_layers
        >>> piece = affine_piece(from_layers([([[2.0]], [1.0]), ([[3.0]], None)]), [1.0])
        >>> piece.value.tolist(), piece.jacobian.tolist(), float(piece.distance)
        ([9.0], [[6.0]], 3.0)

    Source: bnlib.
    """
    h = np.asarray(x, float)
    if h.shape != (net.d_in,):
        raise ValueError(f"x must have shape ({net.d_in},), but its shape is {h.shape}.")
    *hidden, (W, b) = _layers(net)
    J, nearest = np.eye(len(h)), np.inf
    for V, c in hidden:
        alive = np.any(V != 0, axis=1) | (c != 0)
        z = V @ h + c
        nearest = min(nearest, np.abs(z[alive]).min(initial=np.inf))
        slope = np.where(z > 0, 1.0, net.negative_slope)
        h, J = slope * z, slope[:, None] * (V @ J)
    return AffinePiece(W @ h + b, W @ J, float(nearest))


def pieces_along(net: Network, loop: Any) -> int:
    """Count the arcs of a closed, finely sampled curve on which no neuron changes between active and inactive.

    Changes between two samples count once, so a coarse sample counts too few pieces.

    Args:
        net: a network of depth at least 2.
        loop: points (N, d_in), in order; the last is followed by the first.

    Returns:
        The number of samples at which some neuron is not what it was at the one before.

    Example:
        >>> from bnlib import from_layers
        >>> t = 2 * np.pi * np.arange(101) / 101 + 0.01
        >>> fold = from_layers([([[1.0, 0.0], [-1.0, 0.0]], None), ([[1.0, 1.0]], None)])
        >>> pieces_along(fold, np.c_[np.cos(t), np.sin(t)])
        2

    Source: J23; claim symmetry; chapter symmetry.
    """
    if net.depth < 2:
        raise ValueError("Pieces are counted by hidden neurons; a network of depth 1 has none.")
    active = np.asarray(activations(net, _checks.points("loop", loop, net.d_in)).pre) > 0
    return int(np.sum(np.any(active != np.roll(active, 1, axis=1), axis=(0, 2))))


def _layers(net: Network) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.asarray(W, float), np.asarray(b, float)) for W, b in net.layers]
