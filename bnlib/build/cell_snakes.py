r"""A snake through the centres of the cells of a grid, smooth at the data: fits of rank one on which descent can run.

The data are the N = n^k centres of the cells of the unit cube, and the target is the identity. All kinks of code and
curve keep a distance from the data, so that the loss is smooth near the parameters, and all values are positive, so
that identity layers may stand anywhere. The snake of the module ``snakes`` has its kinks at the data. Layers are pairs
(W, b), with a ReLU behind each but the last of a network.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _checks
from ..networks import Network, from_layers
from .interpolants import curve_layers
from .snakes import back_and_forth

MARGIN = 1 / 8  # of the spacing, between a data point and the next kink of code or curve
FLAT = 1 / 4  # of the spacing, between a data point and the next ramp of a staircase

Layers = list[tuple[np.ndarray, np.ndarray]]


def points(n: int, k: int) -> np.ndarray:
    """List the centres of the cells in the order of the snake: every second row, or layer, backwards.

    Args:
        n: cells in each direction.
        k: dimension of the cube.

    Returns:
        (n**k, k).

    Example:
        >>> points(2, 2).tolist()
        [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]

    Source: J23, book; claim narrow-minima; chapter narrow.
    """
    n, k = _checks.integer("n", n, 1), _checks.integer("k", k, 1)
    if k == 1:
        return (np.arange(n)[:, None] + 0.5) / n
    return back_and_forth(points(n, k - 1), points(n, 1)[:, 0])


def path_length(n: int, k: int) -> float:
    r"""Return the length of the shortest open path through the centres, :math:`\ell_N=(N-1)/n` with N = n^k.

    Example:
        >>> path_length(2, 2)
        1.5

    Source: J23, book; claim narrow-minima; chapter narrow.
    """
    return (n**k - 1) / n


def codes(n: int, k: int) -> np.ndarray:
    """Return the code of each of the centres, (n**k,), increasing along the snake.

    Example:
        >>> codes(2, 2).tolist()
        [0.75, 1.25, 1.75, 2.25]

    Source: J23, book; claim narrow-minima; chapter narrow.
    """
    t, size = points(n, 1)[:, 0], 1
    for _ in range(1, k):
        # A layer is run through in its own direction or backwards, and in both cases its codes are the same.
        t, size = (size * (np.arange(n)[:, None] + 0.5) + t[None]).ravel(), size * (n + 1)
    return t


def encoder(n: int, k: int) -> Layers:
    r"""List the layers of the code, two for each dimension beyond the first and one for the code itself.

    .. math:: g(x)=|x_1-w(x_2)|+n\,x_2

    for k = 2, with the wave w equal to 0 near the first row, 1 near the second, 0 near the third, and linear between.
    In higher dimensions the code of the layer stands in place of x_1, and the length of its interval in place of 1.

    Args:
        n: cells in each direction.
        k: dimension of the cube.

    Example:
        >>> from bnlib import apply
        >>> apply(from_layers(encoder(2, 2)), points(2, 2)).ravel().tolist()
        [0.75, 1.25, 1.75, 2.25]

    Source: J23, book; claim narrow-minima; chapter narrow.
    """
    layers: Layers = []
    mix, length = np.eye(k), 1.0  # mix: from the last neurons to (code, next x, ...)
    for left in range(k - 1, 0, -1):
        knots = [(j + 0.5 + e) / n for j in range(n - 1) for e in (MARGIN, 1 - MARGIN)]
        change = np.array([(-1) ** (j + e) for j in range(n - 1) for e in (0, 1)])
        wave = np.array([1.0, *np.zeros(left), *(-length * n / (1 - 2 * MARGIN) * change)])
        carry = np.eye(left + 1)
        copies = np.vstack([carry, np.tile(carry[1], (len(knots), 1))])
        layers.append((copies @ mix, np.array([*np.zeros(left + 1), *np.negative(knots)])))
        layers.append((np.vstack([wave, -wave, np.eye(len(wave))[1 : left + 1]]), np.zeros(left + 2)))
        mix = np.eye(left, left + 2, 2)
        mix[0] = [1, 1, length * n, *np.zeros(left - 1)]
        length *= n + 1
    return [*layers, (mix, np.zeros(1))]


def decoder(n: int, k: int) -> Layers:
    """List the two layers of the curve through the centres at their codes, straight along each row of n points.

    Args:
        n: cells in each direction, at least 2.
        k: dimension of the cube.

    Example:
        >>> from bnlib import apply
        >>> apply(from_layers(decoder(2, 2)), codes(2, 2)[:, None]).tolist()
        [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]

    Source: J23, book; claim narrow-minima; chapter narrow.
    """
    n = _checks.integer("n", n, 2)
    t, Y = codes(n, k), points(n, k)
    knots: list[float] = []
    corners: list[np.ndarray] = []
    for first in range(0, len(t), n):
        last = first + n - 1
        dt, dY = (t[first + 1] - t[first]) * MARGIN, (Y[first + 1] - Y[first]) * MARGIN
        knots += [t[first] - dt, t[last] + dt]
        corners += [Y[first] - dY, Y[last] + dY]
    return curve_layers(np.array(knots), np.array(corners), stops=True)


def staircase(n: int, k: int) -> Layers:
    """List the layers that round every coordinate to the centre of its cell, with ramps midway between two centres.

    Near a centre the map is constant: a network that ends in it does not show its data the layers before.

    Args:
        n: cells in each direction, at least 2.
        k: dimension of the cube.

    Example:
        >>> from bnlib import apply
        >>> apply(from_layers(staircase(2, 1)), [[0.0], [0.3], [0.5], [0.9]]).ravel().tolist()
        [0.25, 0.25, 0.5, 0.75]

    Source: book; claim narrow-rates; chapter narrow.
    """
    n = _checks.integer("n", n, 2)
    knots = [(j + 0.5 + e) / n for j in range(n - 1) for e in (FLAT, 1 - FLAT)]
    change = [(-1) ** e / (1 - 2 * FLAT) for _ in range(n - 1) for e in (0, 1)]
    copies = np.kron(np.eye(k), np.ones((len(knots), 1)))
    return [(copies, np.tile(np.negative(knots), k)), (np.kron(np.eye(k), np.array(change)), np.full(k, 0.5 / n))]


def identities(k: int, count: int) -> Layers:
    """List identity layers of width k, which change nothing that is positive.

    Example:
        >>> len(identities(2, 3))
        3

    Source: bnlib.
    """
    return [(np.eye(k), np.zeros(k))] * count


def carried(n: int, k: int, depth: int, *, tail: int = 0, behind: Sequence[Any] = ()) -> int:
    """Return how many identity layers of width one stand between code and curve in ``network``.

    Example:
        >>> carried(4, 2, 20, tail=6)
        9

    Source: J23, book; claim narrow-minima; chapter narrow.
    """
    return depth - len(encoder(n, k)) - 2 - len(behind) - tail


def network(
    n: int, k: int, depth: int, *, tail: int = 0, behind: Sequence[Any] = (), width: int | None = None
) -> Network:
    """Build code, identity layers of width one, curve, perhaps one more map, and a tail of identities.

    Args:
        n: cells in each direction, at least 2.
        k: dimension of the cube.
        depth: number of weight matrices.
        tail: identity layers at the end, where balancing can amplify.
        behind: layers of a map behind the curve, such as ``staircase``.
        width: width of the hidden layers, filled up with neurons of zeros, so that networks of all sizes share compiled
            programs; None for the least.

    Raises:
        ValueError: a depth or width that is too small.

    Example:
        >>> from bnlib import apply
        >>> net = network(2, 2, 10, tail=1)
        >>> net.depth, bool(abs(apply(net, points(2, 2)) - points(2, 2)).max() < 1e-5)
        (10, True)

    Source: J23, book; claim narrow-minima; chapter narrow.
    """
    tail = _checks.integer("tail", tail, 0)
    between = carried(n, k, depth := _checks.integer("depth", depth, 1), tail=tail, behind=behind)
    if between < 0:
        raise ValueError(f"depth must be at least {depth - between} for these layers, but it is {depth}.")
    layers = [*encoder(n, k), *identities(1, between), *decoder(n, k), *behind, *identities(k, tail)]
    return widened(layers, width)


def widened(layers: Sequence[Any], width: int | None) -> Network:
    """Build a network of a given width from its layers, with neurons of zeros.

    Args:
        layers: pairs (W, b).
        width: width of the hidden layers, None for the least.

    Raises:
        ValueError: a layer that is wider.

    Example:
        >>> widened(identities(2, 4), 5).width
        5

    Source: bnlib.
    """
    least = max(len(b) for _, b in layers[:-1])
    width = least if width is None else _checks.integer("width", width, least)
    sizes = [layers[0][0].shape[1], *[width] * (len(layers) - 1), layers[-1][0].shape[0]]
    return from_layers(
        [
            (np.pad(W, ((0, after - W.shape[0]), (0, before - W.shape[1]))), np.pad(b, (0, after - len(b))))
            for (W, b), before, after in zip(layers, sizes, sizes[1:], strict=False)
        ]
    )
