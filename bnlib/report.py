"""What the theory says about somebody's own trained network, in one call."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import _checks
from .certificates import bottleneck_certificate
from .constructions import balance_residual
from .costs import lower_bound, squared_norm
from .networks import Network, from_torch_state
from .ntk import ntk_trace
from .spectra import bottleneck_rank, representation_singular_values, weight_singular_values


@dataclass(frozen=True)
class Report:
    """Hold what ``report`` measures; ``str(report)`` is a page of text and ``report.plot()`` a picture.

    Attributes:
        depth, width: size of the network.
        squared_norm: all weights and biases.
        lower_bound: norm that no network of this depth with the same function near the inputs can go below.
        imbalance: largest difference of A_i and B_i over hidden neurons.
        rank, gap, decided: bottleneck rank, read in the middle layers.
        lhs, rhs: the two sides of the bottleneck theorem at that rank, medians over the inputs; None at rank 0
            or where the Jacobian has lower rank.
        ntk_trace: mean of Tr Theta(x, x) over the inputs.
        weights: (L, m) singular values of the weights.
        representations: (L-1, m) singular values of the hidden representations.
    """

    depth: int
    width: int
    squared_norm: float
    lower_bound: float
    imbalance: float
    rank: int
    gap: float
    decided: bool
    lhs: float | None
    rhs: float | None
    ntk_trace: float
    weights: np.ndarray
    representations: np.ndarray

    def __str__(self) -> str:
        """Return the report as text."""
        v = asdict(self)
        sides = (
            "bottleneck theorem   not evaluated (rank 0, or a Jacobian of lower rank)"
            if self.lhs is None
            else "bottleneck theorem   {lhs:.4g} <= {rhs:.4g}   at k = {rank}, medians over inputs".format(**v)
        )
        return "\n".join(
            [
                "depth {depth}, width {width}".format(**v),
                "squared norm         {squared_norm:.4g}   at least {lower_bound:.4g} for this function".format(**v),
                "largest imbalance    {imbalance:.3g}".format(**v),
                "bottleneck rank      {rank}   gap {gap:.3g}".format(**v) + ("" if self.decided else "   undecided"),
                sides,
                "tangent kernel       mean trace {ntk_trace:.4g}, per layer {0:.4g}".format(
                    self.ntk_trace / self.depth, **v
                ),
            ]
        )

    def plot(self) -> Any:
        """Draw the singular values of weights and representations by layer; needs matplotlib."""
        from . import plotting

        plotting.use_style()
        fig, (left, right) = plotting.panels(2, sharey=False)
        plotting.spectra_by_layer(left, self.weights, highlight=self.rank)
        plotting.spectra_by_layer(right, self.representations, highlight=self.rank)
        left.set(xlabel="layer", ylabel="singular value", title="Weights")
        right.set(xlabel="hidden layer", title="Representations")
        left.legend()
        return fig


def report(net: Network, X: Any) -> Report:
    """Measure a trained network on inputs X: norm and its lower bound, rank by layer, both sides of the theorem.

    Args:
        net: a ReLU network of depth at least 3.
        X: inputs (N, d_in), typically training or test data.

    Raises:
        ValueError: depth below 3, or inputs of the wrong shape.

    Example:
        >>> from bnlib import from_layers
        >>> r = report(from_layers([(np.eye(2), None)] * 4), [[1.0, 2.0], [2.0, 1.0]])
        >>> r.rank, r.decided, r.squared_norm
        (2, True, 8.0)

    Source: theory ids weights-theorem, schatten-bound, ntk-identity.
    """
    X = _checks.points("X", X, net.d_in)
    rank, gap, decided = bottleneck_rank(net, X)
    try:
        certificate = bottleneck_certificate(net, X, rank) if rank else None
    except ValueError:  # the Jacobian at some input has lower rank than the weights
        certificate = None
    return Report(
        depth=net.depth,
        width=net.width,
        squared_norm=float(_checks.float64(squared_norm)(net)),
        lower_bound=lower_bound(net, X),
        imbalance=float(np.max(np.abs(_checks.float64(balance_residual)(net)))),
        rank=rank,
        gap=gap,
        decided=decided,
        lhs=None if certificate is None else float(np.median(certificate.lhs)),
        rhs=None if certificate is None else float(np.median(certificate.rhs)),
        ntk_trace=float(np.mean(ntk_trace(net, X))),
        weights=weight_singular_values(net),
        representations=representation_singular_values(net, X),
    )


def load_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays of an npz file without unpickling anything.

    Args:
        path: file written by ``numpy.savez``.

    Raises:
        ValueError: a missing, truncated or foreign file, or one that holds Python objects.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "weights.npz")
        >>> np.savez(file, **{"0.weight": np.eye(2)})
        >>> list(load_arrays(file))
        ['0.weight']

    Source: bnlib.
    """
    try:
        with Path(path).open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is not an npz archive")
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # a damaged file can end in any error of zipfile, zlib, tokenize or numpy
        raise ValueError(f"Cannot read arrays from '{path}': {' '.join(str(error).split())}.") from error


def load_network(path: str | Path) -> Network:
    """Read a network from an npz file with ``<number>.weight`` and ``<number>.bias`` arrays.

    Raises:
        ValueError: an unreadable file, or arrays that do not form a multilayer perceptron.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "weights.npz")
        >>> np.savez(file, **{"0.weight": np.eye(2), "2.weight": np.eye(2)})
        >>> load_network(file).depth
        2

    Source: bnlib.
    """
    return from_torch_state(load_arrays(path))
