"""What the theory says about a residual network with a leak, and how such a network is read from somebody's arrays."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from ..leaky import LeakyNetwork, leaky_network
from ..networks import Network
from . import _leaky_blocks
from ._blocks import Block
from ._comparison import PLAIN_RESIDUAL
from ._given import is_number
from .leaky_measures import LeakyMeasures
from .readers import Reading, read
from .shown import Shown


@dataclass(frozen=True, repr=False)
class LeakyReport(LeakyMeasures, Shown):
    """Hold what ``report`` measures of a leaky network: ``print(report)`` is a page of text; a notebook shows it.

    The numbers are the attributes of ``bnlib.measure.leaky_measures.LeakyMeasures``; ``verdict`` and ``words`` say what
    they mean.

    Attributes:
        reading: how the network was read from arrays; None where it was given as a ``LeakyNetwork`` without outputs.

    Example:
        >>> from bnlib import leaky, report
        >>> net = leaky.leaky_network((np.eye(2), None), (np.stack([np.eye(2)] * 4), None), (np.eye(2), None), 0.5)
        >>> report(net, [[1.0, 2.0], [2.0, 1.0]]).verdict
        'No bottleneck in the weights; 100 % of the action is certified.'

    Source: JK24, book.
    """

    reading: Reading | None = None

    def _facts(self) -> list[tuple[str, str]]:
        return _leaky_blocks.facts(self)

    def _blocks(self) -> list[Block]:
        return _leaky_blocks.blocks(self)


def read_leaky(net: Any, X: Any, outputs: Any, skip: Any, **how: Any) -> tuple[LeakyNetwork, Reading | None]:
    r"""Return a leaky network as it is given, or as its parameters are read, and how it was read.

    Parameters are those of :math:`h_l=sh_{l-1}+M_l\sigma(h_{l-1})+c_l` for every square hidden layer: the leak is
    :math:`1-s`, and :math:`W_l=M_l/(1-s)`, :math:`b_l=c_l/(1-s)`. Hidden layers that are not square keep nothing.

    Args:
        net: a ``LeakyNetwork``, or parameters as ``from_arrays`` takes them.
        X, outputs: inputs, and what the model returns for them; None for no comparison.
        skip: the share s of its state that a square hidden layer keeps; None for a ``LeakyNetwork``.
        how: d_in, layers, layout and negative_slope as for ``from_arrays``, or None for them.

    Raises:
        ValueError: a share of 1, of a plain residual network, or outside [0, 1); a slope other than 0; no square hidden
            layer; parameters that cannot be read, or that have other outputs.

    Example:
        >>> net, reading = read_leaky([np.eye(2)] * 4, None, None, 0.75, layout="out_in")
        >>> net.leak.tolist(), net.hidden[0][0].tolist()
        ([0.25, 0.25], [[4.0, 0.0], [0.0, 4.0]])

    Source: JK24.
    """
    if isinstance(net, LeakyNetwork):
        given = {name for name, value in {**how, "skip": skip}.items() if value is not None and name != "d_in"}
        if given:
            raise ValueError(f"{sorted(given)[0]} is that of the LeakyNetwork itself; leave it out.")
        return net, None if outputs is None else _compared(net, X, outputs)
    share = _share(skip)
    if (isinstance(net, Network) and net.negative_slope) or how.get("negative_slope"):
        raise ValueError("A network with skip must have ReLU, of slope 0 on negative numbers.")
    reading = read(net, X, outputs, skip=share, **_relu(net, how))
    kept = np.array(reading.skips)
    if len(kept) < 3 or (share and not np.any(kept)):
        raise ValueError("skip needs a square hidden layer between the first layer and the last, and there is none.")
    said = f"square hidden layers keep {share:g} of their state: the leak is {1 - share:g}, and W = M / {1 - share:g}"
    return _leaky(reading.net, 1.0 - kept[1:-1]), replace(reading, said=(*reading.said, said))


def _relu(net: Any, how: dict[str, Any]) -> dict[str, Any]:
    """Return how parameters are read; those of a ``Network`` have a slope of their own."""
    return how if isinstance(net, Network) else {**how, "negative_slope": 0.0}


def _share(skip: Any) -> float:
    if is_number(skip) and skip == 1:
        raise ValueError(f"With skip=1 this is a plain residual network, which report refuses: {PLAIN_RESIDUAL}.")
    if not is_number(skip) or not 0 <= skip < 1:
        raise ValueError(f"skip must be a number in [0, 1), the share of the state that is kept, but it is {skip!r}.")
    return float(skip)


def _leaky(net: Network, leak: np.ndarray) -> LeakyNetwork:
    """Return stored matrices with their leaks, in float64: dividing by the leak would round them anew."""
    assert net.first is not None
    assert net.hidden is not None
    first, (M, c), last = jax.tree.map(lambda a: np.asarray(a, np.float64), (net.first, net.hidden, net.last))
    with jax.enable_x64(True):
        return leaky_network(first, (M / leak[:, None, None], c / leak[:, None]), last, leak)


def _compared(net: LeakyNetwork, X: Any, outputs: Any) -> Reading:
    """Return the reading of a network that needs none, compared with the model's outputs."""
    first, (W, b), last, leak = jax.tree.map(
        lambda a: np.asarray(a, np.float64), (net.first, net.hidden, net.last, net.leak)
    )
    with jax.enable_x64(True):
        stored = Network(first, (leak[:, None, None] * W, leak[:, None] * b), last)
    return replace(read(stored, X, outputs, skip=(0.0, *(1.0 - leak), 0.0)), dtype=str(net.last[0].dtype))
