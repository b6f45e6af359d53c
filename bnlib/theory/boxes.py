"""Interval arithmetic: where a network can map a box, whatever the inputs in it."""

from typing import Any

import numpy as np

from .. import _checks
from ..networks import Network


def image_box(net: Network, low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
    r"""Bound every coordinate of :math:`f_\theta` on the box low <= x <= high, from layer to layer.

    .. math:: \tilde\alpha_l\in[W^+a+W^-b+b_l,\;W^+b+W^-a+b_l]\quad\text{for }\alpha_{l-1}\in[a,b]

    with the positive and negative parts :math:`W^\pm` of the weights. Activations increase, so they map ends to ends.
    The bounds hold for every point of the box; they need not be attained.

    Args:
        net: the network.
        low: least coordinates, (d_in,).
        high: largest coordinates, (d_in,).

    Returns:
        The bounds from below and above, (d_out,) each.

    Raises:
        ValueError: ends of other shapes, or an end from below that lies above the other.

    Example:
        >>> from bnlib import from_layers
        >>> image_box(from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)]), [-1.0], [2.0])
        (array([0.]), array([3.]))

    Source: bnlib; chapter rank.
    """
    low, high = np.asarray(low, float), np.asarray(high, float)
    if low.shape != (net.d_in,) or high.shape != (net.d_in,) or not np.all(low <= high):
        raise ValueError(f"low and high must have shape ({net.d_in},) and be in order, but they are {low} and {high}.")
    layers = _checks.on_host(net).layers
    for layer, (W, b) in enumerate(layers, 1):
        up, down = np.maximum(W, 0), np.minimum(W, 0)
        low, high = up @ low + down @ high + b, up @ high + down @ low + b
        if layer < len(layers):
            low, high = (np.where(z > 0, z, net.negative_slope * z) for z in (low, high))
    return low, high
