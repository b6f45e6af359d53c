r"""Piecewise linear maps of an interval at the least gain: convex, concave and rising ones, and what two layers cost.

A map is given by its slopes, in their order, and by the kinks between them. Its gain is the least product
:math:`\prod_l\|W_l\|_F` of a network that computes it on an interval [0, a].
"""

from typing import Any

import numpy as np

from .. import _checks
from ..networks import Network, from_layers
from .balancing import balance


def two_layer_gain(slopes: Any) -> float:
    r"""Return the least gain of two layers with free biases, :math:`V+\mathrm{dist}(-s_0,[-V_-,V_+])`.

    :math:`V=V_++V_-` is the sum of the rises and falls of the slope, and :math:`s_0` the first slope.

    Args:
        slopes: slopes in their order, (N,).

    Example:
        >>> [two_layer_gain(s) for s in ([-1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0, 1.0])]
        [2.0, 2.0, 4.0]

    Source: book; claims gain-closed, gain-open; chapter gain.
    """
    steps = np.diff(_slopes(slopes))
    return float(np.abs(steps).sum() + abs(slopes[0] + _leftward(slopes[0], steps)))


def two_layers(slopes: Any, kinks: Any, start: float) -> list[Any]:
    """Return two layers of that gain which compute the map with the given value at 0.

    Args:
        slopes: slopes in their order, (N,), not all zero.
        kinks: where the slope changes, increasing and positive, (N - 1,).
        start: value at 0.

    Returns:
        Pairs of weights and biases. A change of the slope is the work of a neuron that looks right, or left.

    Raises:
        ValueError: kinks that are not increasing or positive, or not one fewer than the slopes.

    Example:
        >>> from bnlib import apply
        >>> apply(from_layers(two_layers([-1.0, 1.0], [0.5], 0.5)), [[0.0], [0.25], [1.0]]).tolist()
        [[0.5], [0.25], [0.5]]

    Source: book; claim gain-closed; chapter gain.
    """
    s, kinks = _pieces(slopes, kinks)
    steps = np.diff(s)
    left = _leftward(s[0], steps)
    looks_left = np.zeros(len(steps))
    for i in np.flatnonzero(steps * left > 0):  # the first changes of this sign, until they add up
        looks_left[i] = np.sign(left) * min(abs(steps[i]), abs(left - looks_left.sum()))
    right, straight = steps - looks_left, s[0] + left
    neurons = [(c, 1.0, -t) for c, t in zip(right, kinks, strict=True)]
    neurons += [(c, -1.0, t) for c, t in zip(looks_left, kinks, strict=True)] + [(straight, 1.0, 0.0)]
    rounding = 1e-15 * np.abs(s).max()
    c, sign, shift = np.array([neuron for neuron in neurons if abs(neuron[0]) > rounding]).T
    root = np.sqrt(np.abs(c))
    value = start - float(looks_left @ kinks)
    return [((root * sign)[:, None], root * shift), ((np.sign(c) * root)[None], [value])]


def bend(slopes: Any, kinks: Any, depth: int, *, start: float = 0.0) -> Network:
    r"""Build a map of [0, a] with values >= 0 at its gain if that is known, in the middle of a chain, and balance it.

    Convex and concave maps have two layers. A rising map has its flanks, before the first local maximum of the slopes
    and behind the last one, removed; a convex and a concave map of gain 1 put them back. Its gain is known if the other
    local maxima add up to no more than the local minima between the first and the last. Balancing finds the scale at
    which the code passes the bend.

    Args:
        slopes: slopes in their order, (N,): increasing, decreasing, or none of them negative.
        kinks: where the slope changes, increasing and positive, (N - 1,).
        depth: number of weight matrices, at least 2, and 6 for a rising map with flanks.
        start: value at 0, at which and beyond which the map must not be negative.

    Raises:
        ValueError: slopes of another kind, a negative value at 0 or at a kink, or fewer layers than are needed.

    Example:
        >>> from bnlib import apply
        >>> apply(bend([1.0, 0.0, 1.0], [0.3, 0.6], 9), [[0.5], [1.0]]).round(9).tolist()
        [[0.3], [0.7]]

    Source: book; claims gain-free, gain-closed; chapter gain.
    """
    s, kinks = _pieces(slopes, kinks)
    depth = _checks.integer("depth", depth, 2)
    knots = start + np.cumsum([0.0, *s[:-1] * np.diff(kinks, prepend=0.0)])
    if (least := knots.min()) < -1e-12 * np.abs(knots).max():
        raise ValueError(f"The map has the value {least:.3g} at 0 or at a kink, and a ReLU would cut it: raise start.")
    falls, rises = np.diff(s) <= 0, np.diff(s) >= 0
    if np.all(falls) or np.all(rises):
        parts = two_layers(s, kinks, start)
    elif np.all(s >= 0):
        parts = _rising(s, kinks, start)
    else:
        raise ValueError("The slopes must increase, decrease, or be none of them negative: other gains are not known.")
    if len(parts) > depth:
        raise ValueError(f"This map needs {len(parts)} layers, but depth is {depth}.")
    before = (depth - len(parts)) // 2
    one: Any = (np.eye(1), None)
    return balance(from_layers([one] * before + parts + [one] * (depth - before - len(parts))))


def beside(f: Network, g: Network) -> Network:
    """Put two networks of equal depth on separate inputs: the result maps (x, y) to (f(x), g(y)).

    Args:
        f, g: networks of the same depth and activation.

    Raises:
        ValueError: depths or activations that differ.

    Example:
        >>> from bnlib import apply
        >>> half, double = (from_layers([([[c]], None), ([[1.0]], None)]) for c in (0.5, 2.0))
        >>> apply(beside(half, double), [[4.0, 4.0]]).tolist()
        [[2.0, 8.0]]

    Source: book; claim gain-closed; chapter gain.
    """
    if (f.depth, f.negative_slope) != (g.depth, g.negative_slope):
        raise ValueError(
            f"f and g must have the same depth and activation, but they have {(f.depth, f.negative_slope)} and "
            f"{(g.depth, g.negative_slope)}."
        )
    layers = []
    for (V, b), (W, c) in zip(_checks.on_host(f).layers, _checks.on_host(g).layers, strict=True):
        corner = np.zeros((len(V), W.shape[1]), V.dtype)
        other = np.zeros((len(W), V.shape[1]), V.dtype)
        layers.append((np.block([[V, corner], [other, W]]), np.concatenate([b, c])))
    return from_layers(layers, negative_slope=f.negative_slope)


def shear(slopes: Any, kinks: Any, depth: int) -> Network:
    r"""Build :math:`(x_1,\,x_2+g(x_1))` on the positive quadrant, where its values are not negative, and balance it.

    Args:
        slopes: slopes of g in their order, (N,), not all zero; g vanishes at 0.
        kinks: where the slope changes, increasing and positive, (N - 1,).
        depth: number of weight matrices, at least 2.

    Example:
        >>> from bnlib import apply
        >>> apply(shear([0.0, 0.5], [0.5], 6), [[1.0, 1.0]]).round(9).tolist()
        [[1.0, 1.25]]

    Source: book; claim gain-closed; chapter gain.
    """
    depth = _checks.integer("depth", depth, 2)
    (V, b), (W, c) = two_layers(slopes, kinks, 0.0)
    two: list[Any] = [
        (np.block([[np.eye(2)], [V, np.zeros_like(V)]]), np.concatenate([[0.0, 0.0], b])),
        (np.block([np.eye(2), np.concatenate([np.zeros_like(W), W])]), [0.0, c[0]]),
    ]
    before = (depth - 2) // 2
    plane: Any = (np.eye(2), None)
    return balance(from_layers([plane] * before + two + [plane] * (depth - 2 - before)))


def crossing(kappa: float, other: float, aside: float, depth: int) -> Network:
    r"""Build :math:`z\cdot x+\kappa\,\sigma(n\cdot x)+\kappa'\sigma(-n\cdot x)` on the plane, with no bias, balanced.

    The unit vector is :math:`n=(1,-1)/\sqrt2`, and :math:`z=(1,1)\,|z|/\sqrt2`. With
    :math:`\kappa=\kappa'=|z|=1/\sqrt2` it is max(x, y) where x + y >= 0.

    .. math:: \|\theta\|^2=L\,(|z|+\kappa+\kappa')^{2/L}

    Args:
        kappa, other: the two slopes across the crease, positive.
        aside: norm of z, the slope along it, not negative.
        depth: number of weight matrices, at least 2.

    Example:
        >>> from bnlib import apply
        >>> apply(crossing(2**-0.5, 2**-0.5, 2**-0.5, 5), [[3.0, 2.0]]).round(9).tolist()
        [[3.0]]

    Source: book; claim gain-closed; chapter gain.
    """
    depth = _checks.integer("depth", depth, 2)
    root = np.sqrt([_checks.number(n, a) for n, a in (("aside", aside), ("kappa", kappa), ("other", other))])
    rows = root[:, None] * np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]]) / 2**0.5
    return balance(from_layers([(rows, None), (root[None], None)] + [(np.eye(1), None)] * (depth - 2)))


def _slopes(slopes: Any) -> np.ndarray:
    s = np.asarray(slopes, np.float64)
    if s.ndim != 1 or not np.any(s):
        raise ValueError("slopes must be numbers, not all of them zero: a constant has no gain.")
    _checks.finite("slopes", s)
    return s


def _pieces(slopes: Any, kinks: Any) -> tuple[np.ndarray, np.ndarray]:
    s, kinks = _slopes(slopes), np.asarray(kinks, np.float64)
    if kinks.shape != (len(s) - 1,) or np.any(np.diff(kinks, prepend=0.0) <= 0):
        raise ValueError(f"Between {len(s)} slopes there must be {len(s) - 1} kinks, positive and increasing.")
    _checks.finite("kinks", kinks)
    return s, kinks


def _leftward(first: float, steps: np.ndarray) -> float:
    """Return how much of the changes of the slope, added up, neurons that look left should make."""
    return float(np.clip(-first, steps.clip(max=0).sum(), steps.clip(min=0).sum()))


def _rising(s: np.ndarray, kinks: np.ndarray, start: float) -> list[Any]:
    """Return the layers of a rising map: its middle, and then the flanks that rise to it and fall from it."""
    falls = np.flatnonzero(np.diff(s) < 0)
    rises = np.flatnonzero(np.diff(s) > 0)
    first, last = int(falls[0]), int(rises[-1]) + 1  # the first and the last local maximum of the slopes
    if last < first:  # there is but one
        last = first
    widths = np.diff(kinks, prepend=0.0)
    parts = [two_layers(s[first : last + 1], kinks[first:last], 0.0)]
    if first:  # there the middle, continued, has the first of its slopes
        parts.append(two_layers(np.append(s[:first] / s[first], 1.0), s[first] * kinks[:first], 0.0))
    if last < len(s) - 1:
        codes = float(s[:last] @ widths[:last]) + s[last] * np.cumsum(widths[last:])
        parts.append(two_layers(np.append(1.0, s[last + 1 :] / s[last]), codes, 0.0))
    W, b = parts[-1][1]
    parts[-1][1] = (W, [b[0] + start])
    return [layer for part in parts for layer in part]
