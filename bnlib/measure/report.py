"""What the theory says about somebody's own trained network, in one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import jax
import numpy as np

from .. import _checks
from ..leaky import LeakyNetwork
from ..networks import Network
from . import _blocks
from ._given import floats_of, inputs_of
from .leaky_measures import leaky_measures
from .leaky_report import LeakyReport, read_leaky
from .measures import Measures, measures
from .readers import Layout, Reading, read
from .shown import Shown


@dataclass(frozen=True, repr=False)
class Report(Measures, Shown):
    """Hold what ``report`` measures: ``print(report)`` is a page of text, and in a notebook it shows itself.

    The numbers are the attributes of ``bnlib.measure.measures.Measures``; ``verdict`` and ``words`` say what they mean.

    Attributes:
        reading: how the network was read from arrays; None where it was given as a ``Network`` without outputs.
    """

    reading: Reading | None = None

    def _facts(self) -> list[tuple[str, str]]:
        return _blocks.facts(self)

    def _blocks(self) -> list[_blocks.Block]:
        return _blocks.blocks(self)


@overload
def report(net: LeakyNetwork, X: Any, *, outputs: Any = None) -> LeakyReport: ...
@overload
def report(
    net: Any,
    X: Any,
    *,
    outputs: Any = None,
    layers: Sequence[str] | None = None,
    layout: Layout | None = None,
    negative_slope: float | None = None,
    skip: float,
) -> LeakyReport: ...
@overload
def report(
    net: Any,
    X: Any,
    *,
    outputs: Any = None,
    layers: Sequence[str] | None = None,
    layout: Layout | None = None,
    negative_slope: float | None = None,
    skip: None = None,
) -> Report: ...
def report(
    net: Any,
    X: Any,
    *,
    outputs: Any = None,
    layers: Sequence[str] | None = None,
    layout: Layout | None = None,
    negative_slope: float | None = None,
    skip: float | None = None,
) -> Report | LeakyReport:
    """Measure a trained network on inputs X: norm and its lower bound, rank by layer, both sides of the theorem.

    Everything is computed in float64, and ranks are judged in the type of the weights, whatever that of the session.
    Below depth 3 there is no middle, and so neither a bottleneck rank nor the theorem.

    Args:
        net: a ReLU network, a ``LeakyNetwork``, or parameters as ``from_arrays`` takes them.
        X: inputs (N, d_in), typically training or test data, as the network sees them.
        outputs: what the model itself returns for X, (N, d_out). The network that is read is compared with it; it
            settles what names and shapes of the parameters leave open.
        layers, layout, negative_slope: how the parameters are read, as for ``from_arrays``.
        skip: share of its values before the activation that every square hidden layer keeps and adds to its result;
            None for a plain network.

    Returns:
        A ``Report``, and a ``LeakyReport`` of a ``LeakyNetwork`` or with skip.

    Raises:
        ValueError: inputs of the wrong shape or of integers, parameters of no ReLU network, or of one that has other
            outputs, a plain residual network (skip=1), NaN or infinity, or numbers that overflow.

    Example:
        >>> from bnlib import from_layers
        >>> r = report(from_layers([(np.eye(2), None)] * 4), [[1.0, 2.0], [2.0, 1.0]])
        >>> r.verdict
        'No bottleneck in the weights; 100 % of the norm is certified.'

    Source: J23, book; claims weights-theorem, schatten-bound, ntk-identity; chapters weights, cost, tangent_kernel.
    """
    X = floats_of(X)
    reading = None
    how: dict[str, Any] = {"layers": layers, "layout": layout, "negative_slope": negative_slope}
    how["d_in"] = inputs_of(X).shape[1] if outputs is not None or X.ndim == 2 else None
    if isinstance(net, LeakyNetwork) or skip is not None:
        net, reading = read_leaky(net, X, outputs, skip, **how)
    elif not isinstance(net, Network) or outputs is not None:
        reading = read(net, X, outputs, **how)
        net = reading.net
    _usable(net)
    X = inputs_of(X, net.d_in)
    try:
        if isinstance(net, LeakyNetwork):
            return LeakyReport(**vars(leaky_measures(net, X, reading.dtype if reading else None)), reading=reading)
        return Report(**vars(measures(net, X)), reading=reading)
    except (FloatingPointError, np.linalg.LinAlgError) as error:
        raise ValueError(
            "The network's values on X are too large for float64; scale X or the weights. Where they are moderate, a "
            "decomposition failed by chance: call again."
        ) from error


def _usable(net: Network | LeakyNetwork) -> None:
    """Refuse an ensemble, and NaN or infinity among the parameters."""
    if net.last[0].ndim != 2:
        raise ValueError(
            f"net is an ensemble of {len(net.last[0])} networks, one beside the other in every array; pass one, as "
            "jax.tree.map(lambda a: a[0], net)."
        )
    if isinstance(net, LeakyNetwork):
        _checks.finite("The leaky network", *jax.tree.leaves(net))
        return
    for i, (W, b) in enumerate(net.layers, 1):
        _checks.finite(f"W of layer {i}", W)
        _checks.finite(f"b of layer {i}", b)
