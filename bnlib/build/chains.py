"""Maps of the line as deep chains of one or two neurons a layer, of known norm."""

import numpy as np

from .. import _checks
from ..networks import Network, from_layers
from .balancing import balance
from .constructions import deepen


def hinge(depth: int, kink: float = 0.5) -> Network:
    r"""Build :math:`x\mapsto\sigma(x-c)` for x >= 0 with the bias spread over the layers.

    .. math:: \|\theta\|^2=L+\frac{c^2}{L-1}

    Args:
        depth: L >= 2.
        kink: c >= 0.

    Example:
        >>> from bnlib import apply
        >>> apply(hinge(5), [[0.25], [1.0]]).tolist()
        [[0.0], [0.5]]

    Source: J23, book; claims r1-bracket, r2-linear; chapters regularity, next_order.
    """
    depth = _checks.integer("depth", depth, 2)
    return from_layers([([[1.0]], [-kink / (depth - 1)])] * (depth - 1) + [([[1.0]], None)])


def fold(depth: int) -> Network:
    r"""Build :math:`x\mapsto|x|`, balanced: every layer has the squared norm :math:`4^{1/L}`.

    Args:
        depth: L >= 2.

    Example:
        >>> from bnlib import squared_norm
        >>> round(float(squared_norm(fold(2))), 9)
        4.0

    Source: book; claim r1-bracket; chapters regularity, next_order.
    """
    depth = _checks.integer("depth", depth, 2)
    g = 4 ** (0.5 / depth)
    two = [([[g / 2**0.5], [-g / 2**0.5]], None), ([[g / 2**0.5, g / 2**0.5]], None)]
    return from_layers([*two, *[([[g]], None)] * (depth - 2)])


def ramp(depth: int, factor: float = 1.0) -> Network:
    r"""Build :math:`x\mapsto c(x+1)` on [-1, 1] at its cost :math:`L\,(2c^2)^{1/L}`, balanced.

    Args:
        depth: L >= 1.
        factor: c > 0.

    Example:
        >>> from bnlib import apply
        >>> apply(ramp(3, 2.0), [[-1.0], [0.5]]).round(9).tolist()
        [[0.0], [3.0]]

    Source: book; chapter regularity.
    """
    step = (2 * factor**2) ** (0.5 / _checks.integer("depth", depth, 1))
    first = step / 2**0.5
    return from_layers([([[first]], [first]), *[([[step]], None)] * (depth - 1)])


def bent(first: float, second: float, kink: float, depth: int) -> Network:
    """Build the map of x >= 0 that rises with one slope up to a kink and with another beyond it, balanced.

    Args:
        first: slope before the kink, not negative.
        second: slope beyond the kink, not negative.
        kink: where the slope changes, not negative.
        depth: number of weight matrices, at least 3.

    Example:
        >>> from bnlib import apply
        >>> apply(bent(0.5, 1.5, 0.5, 8), [[0.5], [1.0]]).round(9).tolist()
        [[0.25], [1.0]]

    Source: J23, book; claim linear-r1; chapter regularity.
    """
    base = [([[1.0], [1.0]], [0.0, -kink]), ([[first, second - first]], None), (np.eye(1), None)]
    return balance(deepen(from_layers(base), depth))
