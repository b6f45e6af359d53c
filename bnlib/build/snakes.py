r"""A snake through the rows of a grid: the identity through a code of dimension one, with the least possible slopes.

The domain is :math:`[0,1]\times[0,\frac{n-1}n]^{k-1}`, with the rows at :math:`x_i\in\{0,\frac1n,\dots,\frac{n-1}n\}`
for i >= 2. The snake runs through row after row, forwards and backwards in turn.
"""

import numpy as np

from .. import _checks
from ..networks import Network, from_layers
from .interpolants import curve_layers


def corners(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of the snake and its length up to each of them.

    Args:
        n: rows in each direction, at least 2.
        k: dimension of the grid.

    Returns:
        Points (C, k) and lengths (C,), where C is twice the number of rows.

    Example:
        >>> corners(2, 2)[0].tolist(), corners(2, 2)[1].tolist()
        ([[0.0, 0.0], [1.0, 0.0], [1.0, 0.5], [0.0, 0.5]], [0.0, 1.0, 1.5, 2.5])

    Source: J23; claim tsp; chapter curve.
    """
    n, k = _size(n, k)
    P = np.array([[0.0], [1.0]])
    for _ in range(1, k):
        P = back_and_forth(P, np.arange(n) / n)
    return P, np.append(0.0, np.cumsum(np.linalg.norm(np.diff(P, axis=0), axis=1)))


def back_and_forth(layer: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Stack the points of a layer at several heights, every second time in reverse order.

    Args:
        layer: points (C, k).
        heights: next coordinate of each copy, (n,).

    Returns:
        Points (n C, k + 1).

    Example:
        >>> back_and_forth(np.array([[0.0], [1.0]]), np.array([0.0, 0.5])).tolist()
        [[0.0, 0.0], [1.0, 0.0], [1.0, 0.5], [0.0, 0.5]]

    Source: J23, book; claims tsp, narrow-minima; chapters curve, narrow.
    """
    return np.concatenate(
        [np.column_stack([layer[:: (-1) ** j], np.full(len(layer), height)]) for j, height in enumerate(heights)]
    )


def code(n: int, k: int) -> Network:
    r"""Build the code of the snake: on the rows it is the length of the snake up to the point.

    .. math:: g_i=c+v+2\sum_{j=0}^{n-2}\big(\sigma(T(nv-j)-\bar c_j)-\sigma(T(nv-j-1))\big)

    with c the code of the coordinates before v = x_i, T its largest value and :math:`\bar c_j` equal to c for even j
    and to T-c for odd j. There are two layers for each coordinate after the first.

    Args:
        n: rows in each direction, at least 2.
        k: dimension of the grid, at least 2.

    Returns:
        A network from R^k to R.

    Example:
        >>> from bnlib import apply
        >>> apply(code(2, 2), [[0.0, 0.0], [1.0, 0.0], [0.0, 0.5]]).ravel().tolist()
        [0.0, 1.0, 2.5]

    Source: J23; claim tsp; chapter curve.
    """
    n, k = _size(n, k, 2)
    layers, T = [], 1.0
    for later in reversed(range(k - 1)):  # the number of coordinates that wait
        into, bias, out = [[1.0, 1.0]], [0.0], [1.0]
        for j in range(n - 1):
            into += [[(-1.0) ** (j + 1), T * n], [0.0, T * n]]
            bias += [-T * j - T * (j % 2), -T * (j + 1)]
            out += [2.0, -2.0]
        m = len(out)
        W, V = np.zeros((m + later, 2 + later)), np.zeros((1 + later, m + later))
        W[:m, :2], V[0, :m] = into, out
        W[m:, 2:] = V[1:, m:] = np.eye(later)
        layers += [(W, np.array(bias + [0.0] * later)), (V, None)]
        T = n * T + (n - 1) / n
    return from_layers(layers)


def curve(n: int, k: int) -> Network:
    """Build the snake itself, run through at unit speed, with one neuron for each corner but the last.

    Args:
        n: rows in each direction, at least 2.
        k: dimension of the grid.

    Returns:
        A network from R to R^k.

    Example:
        >>> from bnlib import apply
        >>> apply(curve(2, 2), [[0.5], [1.5], [2.0]]).tolist()
        [[0.5, 0.0], [1.0, 0.5], [0.5, 0.5]]

    Source: J23; claim tsp; chapter curve.
    """
    P, t = corners(n, k)
    return from_layers(curve_layers(t, P))


def grid(n: int, k: int) -> np.ndarray:
    """Return n points on each row, (n**k, k), of which no two are nearer than 1/n.

    Example:
        >>> grid(2, 2).tolist()
        [[0.0, 0.0], [0.0, 0.5], [1.0, 0.0], [1.0, 0.5]]

    Source: J23; claim tsp; chapter curve.
    """
    n, k = _size(n, k)
    ticks = [np.arange(n) / (n - 1), *[np.arange(n) / n] * (k - 1)]
    return np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1).reshape(-1, k)


def steepest(n: int, k: int) -> float:
    r"""Return the largest norm of the Jacobian of the snake behind its code.

    .. math:: \max\|Jf\|_{op}=\Big(1+\sum_{i=2}^k(2n^{i-1}+2n^{i-2}-1)^2\Big)^{1/2}

    Args:
        n: rows in each direction, at least 2.
        k: dimension of the grid.

    Example:
        >>> steepest(2, 2) == 26**0.5
        True

    Source: J23; claim tsp; chapter curve.
    """
    n, k = _size(n, k)
    return float((1 + sum((2 * n ** (i - 1) + 2 * n ** (i - 2) - 1) ** 2 for i in range(2, k + 1))) ** 0.5)


def _size(n: int, k: int, least: int = 1) -> tuple[int, int]:
    return _checks.integer("n", n, 2), _checks.integer("k", k, least)
