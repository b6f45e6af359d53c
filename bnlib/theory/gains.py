r"""Gains: lower bounds of the product of the norms of the layers that see a function at two points or more.

The gain of a network is :math:`P(\theta)=\prod_l\|W_l\|_F`. By the inequality of the means
:math:`\|\theta\|^2\ge L\,P^{2/L}\ge L+2\log P`, so every lower bound of P is one of the cost. All bounds here hold for
the products of weights and masks that ``jacobian`` returns, kinks included, and for slopes of the activation in [0, 1].
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from .. import _checks, _svd
from ..networks import Network, in_float64, jacobian
from .costs import lower_bound, r1_bracket

MOST = 2000  # inputs of which all pairs are compared
PAIRS = 4096  # compared at a time
HALVINGS = 44  # of a segment, until its ends differ by a few hundred roundings


class Gains(NamedTuple):
    r"""Hold lower bounds of gains: of :math:`\prod_l\|W_l\|_F`, and in ``area`` of :math:`\prod_l\frac12\|W_l\|_F^2`.

    Attributes:
        alternation: the largest alternating sum of derivatives along a line, 0 if inputs have several dimensions.
        steiner: the largest Steiner tree over pairs of inputs.
        area: the largest area, or difference of areas, over pairs of inputs; 0 if there is but one input or output.
    """

    alternation: float
    steiner: float
    area: float


def weight_product(net: Network) -> float:
    r"""Return the gain of a network, :math:`P(\theta)=\prod_l\|W_l\|_F`, without its biases.

    Example:
        >>> from bnlib import from_layers
        >>> weight_product(from_layers([([[2.0]], [1.0]), ([[3.0]], None)]))
        6.0

    Source: book; claim gain-alternation; chapter gain.
    """
    return float(np.prod([np.linalg.norm(np.asarray(W, np.float64)) for W, _ in net.layers]))


def alternating_sum(slopes: Any) -> Any:
    r"""Return the largest alternating sum of some of the slopes, :math:`\max_{i_1<i_2<\dots}|s_{i_1}-s_{i_2}+\dots|`.

    Args:
        slopes: slopes in their order along a line, (N,) or (N, k) for k functions.

    Returns:
        A number, or (k,).

    Raises:
        ValueError: no slope, or NaN or infinity.

    Example:
        >>> float(alternating_sum([1.0, 0.0, 1.0]))
        2.0

    Source: book; claims gain-principle, gain-alternation; chapter gain.
    """
    xp, slopes = _arrays(slopes=slopes)
    if slopes.ndim not in (1, 2) or len(slopes) == 0:
        raise ValueError(f"slopes must have shape (N,) or (N, k) with N >= 1, but their shape is {slopes.shape}.")
    plus = minus = xp.zeros_like(slopes[0])  # the largest sums whose last sign is + or -
    for s in slopes:
        plus, minus = xp.maximum(plus, minus + s), xp.maximum(minus, plus - s)
    return xp.maximum(plus, minus)


def steiner(u: Any, v: Any) -> Any:
    r"""Return the length of the shortest network that joins the points 0, u and v of a space.

    It is the sum of the two shorter sides if an angle of the triangle has 120 degrees or more, and otherwise

    .. math:: \sqrt{\tfrac12(|u|^2+|v|^2+|u-v|^2)+2\sqrt3\,\mathrm{area}}

    Args:
        u, v: points (..., d).

    Returns:
        Lengths (...).

    Example:
        >>> round(float(steiner([1.0, 0.0], [0.5, 3**0.5 / 2])), 9)  # of an equilateral triangle: the root of 3
        1.732050808

    Source: book; claim gain-steiner; chapter gain.
    """
    xp, u, v = _arrays(u=u, v=v)
    if u.shape[-1:] != v.shape[-1:] or u.ndim == 0:
        raise ValueError(f"u and v must be points of one space, but their shapes are {u.shape} and {v.shape}.")
    sides = [xp.linalg.norm(side, axis=-1) for side in xp.broadcast_arrays(u, v, u - v)]
    a, b, c = xp.sort(xp.stack(sides), axis=0)
    square = xp.sum(u * u, axis=-1)
    share = xp.sum(u * v, axis=-1) / xp.where(square > 0, square, 1.0)
    height = xp.linalg.norm(v - share[..., None] * u, axis=-1)  # of v over u: no difference of squares
    area = xp.sqrt(square) * height / 2
    wide = c**2 >= a**2 + b**2 + a * b
    return xp.where(wide, a + b, xp.sqrt((a**2 + b**2 + c**2) / 2 + 2 * 3**0.5 * area))


def crease(g: Any, h: Any) -> Any:
    r"""Return :math:`|g-h|+\mathrm{dist}(0,[g,h])`, below the gain of functions with gradients g and h at a facet.

    Args:
        g, h: gradients on the two sides, (..., d).

    Returns:
        Lower bounds of gains (...).

    Example:
        >>> round(float(crease([1.0, 0.0], [0.0, 1.0])) ** 2, 9)  # of max(x, y)
        4.5

    Source: book; claim gain-crease; chapter gain.
    """
    xp, g, h = _arrays(g=g, h=h)
    step = h - g
    square = xp.sum(step * step, axis=-1)
    t = xp.clip(-xp.sum(g * step, axis=-1) / xp.where(square > 0, square, 1.0), 0.0, 1.0)
    return xp.sqrt(square) + xp.linalg.norm(g + t[..., None] * step, axis=-1)


def area_gain(A: Any, B: Any) -> Any:
    r"""Return the largest of two areas and of their difference, as bivectors.

    .. math:: \max\bigl(|a_1\wedge a_2|,\ |b_1\wedge b_2|,\ |a_1\wedge a_2-b_1\wedge b_2|\bigr)

    Args:
        A, B: derivatives at two inputs along the same two orthonormal directions, (..., m, 2).

    Returns:
        Areas (...).

    Example:
        >>> float(area_gain([[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.0, 1.0]]))
        2.0

    Source: book; claim gain-area; chapter gain.
    """
    xp, A, B = _arrays(A=A, B=B)
    if A.ndim < 2 or B.ndim < 2 or A.shape[-2] != B.shape[-2] or {A.shape[-1], B.shape[-1]} != {2}:
        raise ValueError(f"A and B must have shapes (..., m, 2), but their shapes are {A.shape} and {B.shape}.")

    def product(M: Any, N: Any) -> Any:  # of bivectors: the determinant of the inner products
        G = xp.swapaxes(M, -1, -2) @ N
        return G[..., 0, 0] * G[..., 1, 1] - G[..., 0, 1] * G[..., 1, 0]

    one, two = product(A, A), product(B, B)
    return xp.sqrt(xp.maximum(xp.maximum(one, two), one + two - 2 * product(A, B)).clip(0.0))


def alternation(net: Network, line: Any) -> float:
    r"""Return a lower bound of the gain by the derivatives at points of a line, :math:`|\sum_i(-1)^i\partial_vf(x_i)|`.

    For a network of several outputs the sums of its outputs, and those in the directions in which the derivatives lie
    most, are compared.

    Args:
        net: the network.
        line: points on a straight line in their order, (N, d_in); away from kinks the bound is one of the function.

    Raises:
        ValueError: points that lie on no line, or not in their order.

    Example:
        >>> from bnlib import from_layers
        >>> fold = from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)])
        >>> alternation(fold, [[-1.0], [1.0]])
        2.0

    Source: book; claim gain-alternation; chapter gain.
    """
    line = np.asarray(_checks.points("line", line, net.d_in), np.float64)
    if len(line) == 1:
        raise ValueError("line must hold two points or more: at a single one take lower_bound.")
    across = line[-1] - line[0]
    v = across / max(np.linalg.norm(across), np.finfo(float).tiny)
    along = (line - line[0]) @ v
    off = np.linalg.norm(line - line[0] - along[:, None] * v, axis=1).max()
    if off > 1e-9 * np.abs(line).max() or np.min(np.diff(along)) <= 0:
        raise ValueError(
            "line must hold points of one straight line in their order, each once; sort them along it first."
        )
    return _alternation(_jacobians(net, line) @ v)


def facets(net: Network, X: Any, Y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients on both sides of a kink between X and Y, found by bisection.

    Args:
        net: a network with one output, of depth at least 2.
        X, Y: ends of segments (N, d_in); between the ends of each some neuron changes its state.

    Returns:
        Gradients (N, d_in) on the side of X and on the side of Y.

    Raises:
        ValueError: several outputs, depth 1, or a segment between whose ends no neuron changes.

    Example:
        >>> from bnlib import from_layers
        >>> fold = from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)])
        >>> [g.tolist() for g in facets(fold, [[-1.0]], [[2.0]])]
        [[[-1.0]], [[1.0]]]

    Source: book; claim gain-crease; chapter gain.
    """
    if net.d_out != 1 or net.depth == 1:
        raise ValueError("A facet is a kink of a scalar function: the network must have one output and a hidden layer.")
    X, Y = (np.asarray(_checks.points(name, A, net.d_in), np.float64) for name, A in (("X", X), ("Y", Y)))
    at_X = _active(net, X)
    if len(same := np.flatnonzero(np.all(at_X == _active(net, Y), axis=1))):
        raise ValueError(f"No neuron changes between row {same[0]} of X and of Y, so no kink can be found there.")
    for _ in range(HALVINGS):
        middle = (X + Y) / 2
        stays = np.all(_active(net, middle) == at_X, axis=1)[:, None]
        X, Y = np.where(stays, middle, X), np.where(stays, Y, middle)
    step = 4 * (Y - X)  # the last ends may lie on the kink itself, where neurons that share it are both inactive
    return _jacobians(net, X - step)[:, 0], _jacobians(net, Y + step)[:, 0]


def gains(net: Network, X: Any) -> Gains:
    r"""Return lower bounds of gains that all pairs of inputs give, and all inputs together where they lie on a line.

    A pair is looked at along the first right singular vectors of both Jacobians and of their difference, and for areas
    along the planes of the first two. Any direction gives a bound; these are where it is large.

    Args:
        net: the network.
        X: inputs (N, d_in), in the interior of the domain and away from kinks; some hundreds at most.

    Raises:
        ValueError: fewer than two inputs, or more than 2000.

    Example:
        >>> from bnlib import from_layers
        >>> fold = from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)])
        >>> gains(fold, [[-1.0], [1.0]])
        Gains(alternation=2.0, steiner=2.0, area=0.0)

    Source: book; claims gain-alternation, gain-steiner, gain-area; chapter gain.
    """
    found, size = _scaled(net, X)
    return Gains(size * found.alternation, size * found.steiner, size * size * found.area)


def _scaled(net: Network, X: Any) -> tuple[Gains, float]:
    """Return the gains of the function divided by a size of its Jacobians, and this size: no square overflows."""
    X = np.asarray(_checks.points("X", X, net.d_in), np.float64)
    if not 2 <= len(X) <= MOST:
        raise ValueError(f"X must hold between 2 and {MOST} inputs, whose pairs are compared, but it holds {len(X)}.")
    line = net.d_in == 1
    J = _jacobians(net, np.unique(X, axis=0) if line else X)
    J /= (size := float(np.max(np.abs(J))) or 1.0)
    frames = np.swapaxes(np.asarray(_svd.svd(J)[2]), -1, -2)
    i, j = np.triu_indices(len(J), 1)
    found = [
        _pairs(J[i[block]], J[j[block]], frames[i[block]], frames[j[block]])
        for block in np.array_split(np.arange(len(i)), len(i) // PAIRS + 1)
    ]
    longest, largest = np.max(found, axis=0)
    return Gains(_alternation(J[..., 0]) if line else 0.0, float(longest), float(largest)), size


def orientation(net: Network, X: Any) -> float:
    r"""Return :math:`kL+\log|\det J(x)\det J(y)|+1` for a map of R^k that turns round between x and y in X.

    .. math:: \|\theta\|^2\ge kL+\log|\det J(x)\det J(y)|+1\quad\text{if }\det J(x)\det J(y)<0

    Args:
        net: a ReLU network with as many outputs as inputs.
        X: inputs (N, d_in).

    Returns:
        The largest of these bounds, minus infinity if no two determinants have opposite signs.

    Raises:
        ValueError: another activation, or another number of outputs.

    Example:
        >>> from bnlib import from_layers
        >>> fold = from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)])
        >>> orientation(fold, [[-1.0], [1.0]])
        3.0

    Source: book; claim gain-orientation; chapter gain.
    """
    if net.negative_slope != 0 or net.d_in != net.d_out:
        raise ValueError("The orientation is that of a ReLU network with as many outputs as inputs.")
    J = _jacobians(net, np.asarray(_checks.points("X", X, net.d_in), np.float64))
    sign, size = np.linalg.slogdet(J)
    if not np.any(sign > 0) or not np.any(sign < 0):
        return -np.inf
    return float(net.d_in * net.depth + size[sign > 0].max() + size[sign < 0].max() + 1)


def gain_bound(net: Network, X: Any) -> float:
    r"""Return a lower bound of the cost of a network's function at its depth that sees pairs of inputs.

    .. math:: \max\bigl(L\,P^{2/L},\ 2L\,G^{1/L},\ \max_{x\in X}L\|J(x)\|_{S_{2/L}}^{2/L}\bigr)

    with P the larger of ``alternation`` and ``steiner``, and G the ``area``, of ``gains``; also ``orientation``, where
    it applies. The last number is that of ``lower_bound``, so this bound is never below it.

    Args:
        net: the network whose function is priced.
        X: inputs (N, d_in), in the interior of the domain and away from kinks.

    Returns:
        A lower bound of :math:`R(f_\theta;\Omega,L)` for every neighbourhood Omega of X.

    Raises:
        ValueError: fewer than two inputs, or more than 2000.

    Example:
        >>> from bnlib import from_layers
        >>> fold = from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)])
        >>> X = [[-1.0], [1.0]]
        >>> round(gain_bound(fold, X), 9), round(lower_bound(fold, X), 9)
        (4.0, 2.0)

    Source: book; claims gain-alternation, gain-steiner, gain-area, gain-orientation; chapter gain.
    """
    (found, size), L = _scaled(net, X), net.depth
    P = max(found.alternation, found.steiner)
    turned = orientation(net, X) if net.negative_slope == 0 and net.d_in == net.d_out else -np.inf
    return max(size ** (2 / L) * max(L * P ** (2 / L), 2 * L * found.area ** (1 / L)), turned, lower_bound(net, X))


def gain_bracket(net: Network, X: Any, rank: int, *, target: Any = None) -> tuple[float, float]:
    r"""Return two numbers with :math:`R(f;\Omega,L)-Lk` between them; the lower one sees pairs of inputs.

    It is ``r1_bracket`` with ``gain_bound`` in place of the bound by single Jacobians.

    Args:
        net: a network that equals f on the domain.
        X: inputs (N, d_in) in the interior of the domain and away from kinks.
        rank: k, the first coefficient of f.
        target: values (N, d_out) of f at X, to be checked; None for f the network's own function.

    Raises:
        ValueError: as for ``r1_bracket`` and ``gains``.

    Example:
        >>> from bnlib import from_layers
        >>> fold = from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)])
        >>> [round(side, 9) for side in gain_bracket(fold, [[-1.0], [1.0]], 1)]
        [2.0, 2.0]

    Source: book; claims gain-closed, r1-bracket; chapters gain, regularity.
    """
    low, high = r1_bracket(net, X, rank, target=target)
    return max(low, gain_bound(net, X) - net.depth * rank), high


def _arrays(**given: Any) -> tuple[Any, ...]:
    """Return the namespace and the arrays: NumPy in float64, or JAX while tracing, for derivatives by the weights."""
    traced = _checks.is_traced(*given.values())
    _checks.finite(" and ".join(given), *given.values())
    if traced:
        return jnp, *map(jnp.asarray, given.values())
    return np, *(np.asarray(a, np.float64) for a in given.values())


def _jacobians(net: Network, X: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(J, np.float64) for J in in_float64(jacobian, net, X)])


def _alternation(slopes: np.ndarray) -> float:
    """Return the largest alternating sum of derivatives (N, d_out) along some unit vector of outputs."""
    _, _, directions = _svd.svd(slopes)
    return float(np.max(alternating_sum(np.concatenate([slopes, slopes @ np.asarray(directions).T], axis=1))))


def _pairs(J: np.ndarray, K: np.ndarray, frames: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """Return the largest Steiner tree and area of pairs of Jacobians (n, m, d), with right frames (n, d, r)."""
    turned = np.swapaxes(np.asarray(_svd.svd(J - K)[2]), -1, -2)
    trees = (steiner((J @ V)[..., 0], (K @ V)[..., 0]) for V in (frames, others, turned))
    longest = max(float(np.max(tree, initial=0.0)) for tree in trees)
    if min(J.shape[1:]) == 1:
        return longest, 0.0
    areas = (area_gain(J @ V[..., :2], K @ V[..., :2]) for V in (frames, others))
    return longest, max(float(np.max(area, initial=0.0)) for area in areas)


def _active(net: Network, X: np.ndarray) -> np.ndarray:
    """Return which neurons of all hidden layers are active at X, (N, neurons)."""
    states, h = [], X
    for W, b in net.layers[:-1]:
        z = h @ np.asarray(W, np.float64).T + np.asarray(b, np.float64)
        states.append(z > 0)
        h = np.where(z > 0, z, net.negative_slope * z)
    return np.concatenate(states, axis=1)
