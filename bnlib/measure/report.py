"""What the theory says about somebody's own trained network, in one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import _checks
from .._writing import write
from ..networks import Network
from . import _drawing, _html, _text
from ._given import floats_of, inputs_of
from ._written import as_figure, as_json
from .measures import Measures, measures
from .readers import Layout, Reading, read


@dataclass(frozen=True, repr=False)
class Report(Measures):
    """Hold what ``report`` measures: ``print(report)`` is a page of text, and in a notebook it shows itself.

    The numbers are the attributes of ``bnlib.measure.measures.Measures``; ``verdict`` and ``words`` say what they mean.

    Attributes:
        reading: how the network was read from arrays; None where it was given as a ``Network`` without outputs.
    """

    reading: Reading | None = None

    def __str__(self) -> str:
        """Return the report as text of at most 70 characters a line."""
        return self.text()

    __repr__ = __str__

    def text(self, *, numerical: bool = False) -> str:
        """Return the report as text of at most 70 characters a line.

        First the verdict; then the numbers, each with its meaning, and under them what they say, with the claims of the
        book behind it; the layers; and what to try.

        Args:
            numerical: show the numerical ranks as well, with the ratio across each and a question mark where it does
                not decide: training makes singular values small and not zero, so they mostly say little.
        """
        return _text.text(self, *self._read(), numerical)

    def to_html(self, path: str | Path | None = None, *, numerical: bool = False) -> str:
        """Return the report as a page that needs nothing else, with its figure where matplotlib is installed.

        Args:
            path: file to write it to as well, in one step; None for none.
            numerical: show the numerical ranks as well, as ``text`` does.

        Raises:
            ValueError: the file cannot be written.
        """
        whole = _html.page(self, self._fragment(numerical))
        if path is not None:
            write(path, lambda file: file.write(whole.encode()))
        return whole

    def _repr_html_(self) -> str:
        """Return the report as a notebook shows it."""
        return self._fragment(numerical=False)

    def _fragment(self, numerical: bool) -> str:
        try:
            figures, caption = _drawing.panels(self), _drawing.caption(self)
        except ValueError as error:
            figures, caption = {}, str(error)
        return _html.fragment(self, *self._read(), figures, caption, numerical)

    def _read(self) -> tuple[str, str]:
        """Return how the network was read, and what of it is open."""
        return (str(self.reading), self.reading.warning) if self.reading else ("", "")

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the report as JSON, all numbers in full; what is not finite is null.

        The singular values are ``weights`` and ``representations``, one list a layer; the ranks are objects with the
        names of ``LayerRank``. ``verdict``, ``bottleneck`` and ``words`` say what the numbers mean.

        Args:
            path: file to write it to as well, in one step; None for none.

        Raises:
            ValueError: the file cannot be written.
        """
        said = {name: getattr(self, name) for name in ("certified_gap", "verdict", "bottleneck", "words")}
        ranks = {
            name: [rank._asdict() for rank in getattr(self, name)] for name in ("weight_ranks", "representation_ranks")
        }
        reading = self.reading and self.reading.record()
        return as_json({**vars(self), **ranks, "reading": reading, **said}, path)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the singular values of weights and representations by layer; needs matplotlib.

        Args:
            path: file to store the figure in as well, in the format that its suffix names; None for none.

        Raises:
            ValueError: an unknown format, the file cannot be written, or matplotlib is missing.
        """
        return as_figure(_drawing.spectra(self), path)


def report(
    net: Any,
    X: Any,
    *,
    outputs: Any = None,
    layers: Sequence[str] | None = None,
    layout: Layout | None = None,
    negative_slope: float | None = None,
) -> Report:
    """Measure a trained network on inputs X: norm and its lower bound, rank by layer, both sides of the theorem.

    Everything is computed in float64, and ranks are judged in the type of the weights, whatever that of the session.
    Below depth 3 there is no middle, and so neither a bottleneck rank nor the theorem.

    Args:
        net: a ReLU network, or its parameters as ``from_arrays`` takes them.
        X: inputs (N, d_in), typically training or test data, as the network sees them.
        outputs: what the model itself returns for X, (N, d_out). The network that is read is compared with it; it
            settles what names and shapes of the parameters leave open.
        layers, layout, negative_slope: how the parameters are read, as for ``from_arrays``.

    Raises:
        ValueError: inputs of the wrong shape or of integers, parameters of no plain ReLU network, or of one that has
            other outputs, NaN or infinity, or numbers that overflow.

    Example:
        >>> from bnlib import from_layers
        >>> r = report(from_layers([(np.eye(2), None)] * 4), [[1.0, 2.0], [2.0, 1.0]])
        >>> r.verdict
        'No bottleneck in the weights; 100 % of the norm is certified.'

    Source: J23, book; claims weights-theorem, schatten-bound, ntk-identity; chapters weights, cost, tangent_kernel.
    """
    X = floats_of(X)
    reading = None
    if not isinstance(net, Network) or outputs is not None:
        how: dict[str, Any] = {"layers": layers, "layout": layout, "negative_slope": negative_slope}
        d_in = inputs_of(X).shape[1] if outputs is not None or X.ndim == 2 else None
        reading = read(net, X, outputs, d_in=d_in, **how)
        net = reading.net
    _usable(net)
    X = inputs_of(X, net.d_in)
    try:
        return Report(**vars(measures(net, X)), reading=reading)
    except (FloatingPointError, np.linalg.LinAlgError) as error:
        raise ValueError("The network's values on X are too large for float64; scale X or the weights.") from error


def _usable(net: Network) -> None:
    """Refuse an ensemble, and NaN or infinity among the parameters."""
    if net.last[0].ndim != 2:
        raise ValueError(
            f"net is an ensemble of {len(net.last[0])} networks, one beside the other in every array; pass one, as "
            "jax.tree.map(lambda a: a[0], net)."
        )
    for i, (W, b) in enumerate(net.layers, 1):
        _checks.finite(f"W of layer {i}", W)
        _checks.finite(f"b of layer {i}", b)
