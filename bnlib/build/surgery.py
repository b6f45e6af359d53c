"""Networks with the same function and another shape."""

import numpy as np

from .. import _checks
from ..networks import Network, from_layers


def widened(net: Network, width: int, *, d_in: int | None = None, d_out: int | None = None) -> Network:
    """Give a network spare neurons, inputs that it ignores and outputs that are zero: all weights there are zero.

    Networks of one shape share their compiled programs.

    Args:
        net: the network.
        width: neurons of each hidden layer, at least as many as there are.
        d_in: number of inputs, at least as many as there are; None for as many.
        d_out: number of outputs, at least as many as there are; None for as many.

    Raises:
        ValueError: a size below that of the network.

    Example:
        >>> net = widened(from_layers([([[2.0]], [1.0]), ([[3.0]], None)]), 4, d_in=2)
        >>> net.d_in, net.width, net.d_out
        (2, 4, 1)

    Source: bnlib.
    """
    sizes = [
        _checks.integer("d_in", net.d_in if d_in is None else d_in, net.d_in),
        *[_checks.integer("width", width, net.width)] * (net.depth - 1),
        _checks.integer("d_out", net.d_out if d_out is None else d_out, net.d_out),
    ]
    layers = []
    for (W, b), before, after in zip(_checks.on_host(net).layers, sizes, sizes[1:], strict=False):
        rows, columns = W.shape
        layers.append((np.pad(W, ((0, after - rows), (0, before - columns))), np.pad(b, (0, after - rows))))
    return from_layers(layers, negative_slope=net.negative_slope)
