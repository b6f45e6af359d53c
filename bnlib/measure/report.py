"""What the theory says about somebody's own trained network, in one call."""

import json
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from .. import _checks, _svd
from ..build.balancing import balance_residual
from ..networks import Network, jacobian
from ..theory.certificates import bottleneck_certificate
from ..theory.costs import lower_bound, squared_norm
from ..theory.ntk import ntk_trace
from ..theory.spectra import middle, rank_of_spectra, representation_singular_values, weight_singular_values
from ..training.outcome import relative_imbalance
from . import words as rules
from ._arrays import array_of
from .readers import Layout, Reading, read

# The theorem keeps an L-fold chain of frames for every input: more inputs would need minutes and gigabytes.
CERTIFIED = 100
DRAWN = 8  # singular values of each layer in the figure


class LayerRank(NamedTuple):
    """Hold two ranks of one matrix, each with its gap.

    Attributes:
        rank: of weights the number of singular values above 1/2, as in ``bottleneck_rank``; of a representation the
            dimension of the smallest space that it lies in up to a tenth of its norm.
        gap: s_k - s_(k+1) at k = rank, for a representation divided by s_1; at rank 0 one minus s_1.
        numerical_rank: number of singular values above rounding in the type that stores the weights.
        numerical_gap: ratio across it, of s_k to the larger of s_(k+1) and rounding.
        decided: whether that ratio is above 1000; the numerical rank is undecided otherwise.
    """

    rank: int
    gap: float
    numerical_rank: int
    numerical_gap: float
    decided: bool


@dataclass(frozen=True)
class Report:
    """Hold what ``report`` measures; ``str(report)`` is a page of text and ``report.plot()`` a picture.

    Attributes:
        depth, width, inputs: size of the network, and number of inputs.
        d_in, d_out: dimensions of inputs and outputs.
        squared_norm: all weights and biases.
        lower_bound: norm that no network of this depth with the same function near the inputs can go below.
        imbalance: largest difference of A_i and B_i over hidden neurons.
        relative_imbalance: the same relative to the largest A_i.
        rank, gap, decided: bottleneck rank, read in the middle layers.
        k: rank at which the theorem is evaluated: the bottleneck rank, or the lowest rank of a Jacobian below it.
        lhs, rhs: the two sides of the bottleneck theorem at k, medians over at most 100 of the inputs, taken at equal
            distances; None where k is 0.
        ntk_trace: mean of Tr Theta(x, x) over the same inputs.
        weights: (L, m) singular values of the weights.
        representations: (L-1, m) singular values of the hidden representations.
        weight_ranks: ``LayerRank`` of each of the L weight matrices.
        representation_ranks: ``LayerRank`` of each of the L-1 hidden representations.
        reading: how the network was read from arrays; None where it was given as a ``Network`` without outputs.
    """

    depth: int
    width: int
    inputs: int
    d_in: int
    d_out: int
    squared_norm: float
    lower_bound: float
    imbalance: float
    relative_imbalance: float
    rank: int
    gap: float
    decided: bool
    k: int
    lhs: float | None
    rhs: float | None
    ntk_trace: float
    weights: np.ndarray
    representations: np.ndarray
    weight_ranks: tuple[LayerRank, ...]
    representation_ranks: tuple[LayerRank, ...]
    reading: Reading | None = None

    @property
    def certified_gap(self) -> float:
        """The optimality gap: what no network of this depth with this function near the inputs can save more than."""
        return self.squared_norm - self.lower_bound

    @property
    def bottleneck(self) -> rules.Kind:
        """What the weights of the middle layers show, by the rules of ``bnlib.measure.words.kind``."""
        counts, gaps = self._middle()
        return rules.kind(counts, gaps, self.width, self.decided, min(self.d_in, self.d_out))

    @property
    def words(self) -> dict[str, str]:
        """What the numbers say of this network, one sentence or two for each block of the text."""
        counts, gaps = self._middle()
        features = [self.representation_ranks[i].rank for i in middle(self.depth)]
        return {
            "norm": rules.norm(self.squared_norm, self.lower_bound),
            "balance": rules.balance(self.relative_imbalance),
            "bottleneck": rules.bottleneck(counts, gaps, self.width, self.decided, (self.d_in, self.d_out)),
            "theorem": rules.theorem(self.lhs, self.rhs, self.depth, self.k, self.rank),
            "kernel": rules.kernel(self.ntk_trace),
            "features": rules.features(features, counts, self.inputs),
        }

    def _middle(self) -> tuple[list[int], list[float]]:
        """Return ranks and gaps of the middle layers."""
        ranks = [self.weight_ranks[i] for i in middle(self.depth)]
        return [r.rank for r in ranks], [r.gap for r in ranks]

    def __str__(self) -> str:
        """Return the report as text of at most 70 characters a line."""
        return self.text()

    def text(self, *, numerical: bool = False) -> str:
        """Return the report as text of at most 70 characters a line: numbers, and under them what they say.

        Args:
            numerical: show the numerical ranks as well, with the ratio across each and a question mark where it does
                not decide: training makes singular values small and not zero, so they mostly say little.
        """
        size = f"depth {self.depth}, width {self.width}, from {self.d_in} to {self.d_out} dimensions"
        sides = "not evaluated" if self.lhs is None else f"{self.lhs:.4g} <= {self.rhs:.4g}   at k = {self.k}, medians"
        said = {name: _lines(sentence) for name, sentence in self.words.items()}
        reps = [_columns(rank, numerical) for rank in self.representation_ranks] + [""]  # the output is no hidden layer
        warning = self.reading.warning if self.reading else ""
        blocks = [
            *([_lines(warning)] if warning else []),
            [f"{size}, {self.inputs} inputs"],
            *([[str(self.reading)]] if self.reading else []),
            [
                f"squared norm         {self.squared_norm:.4g}",
                f"  at least           {self.lower_bound:.4g}   at this depth, for this function",
                f"  optimality gap     {self.certified_gap:.4g}",
                *said["norm"],
            ],
            [
                f"largest imbalance    {self.imbalance:.3g}   relative {self.relative_imbalance:.2g}",
                *said["balance"],
            ],
            [
                f"bottleneck rank      {self.rank}   gap {self.gap:.3g}{'' if self.decided else '   undecided'}",
                f"  read in            {_span(middle(self.depth))}",
                *said["bottleneck"],
            ],
            [f"bottleneck theorem   {sides}", *said["theorem"]],
            [
                f"tangent kernel       mean trace {self.ntk_trace:.4g}, per layer {self.ntk_trace / self.depth:.4g}",
                *said["kernel"],
            ],
            [
                *_heads(numerical),
                *(
                    f"{layer:5d}{_columns(weight, numerical)}  {rep}".rstrip()
                    for layer, (weight, rep) in enumerate(zip(self.weight_ranks, reps, strict=True), 1)
                ),
                *said["features"],
            ],
        ]
        return "\n\n".join("\n".join(block) for block in blocks)

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the report as JSON, all numbers in full; what is not finite is null.

        The singular values are ``weights`` and ``representations``, one list a layer; the ranks are objects with the
        names of ``LayerRank``. ``bottleneck`` and ``words`` say what the numbers mean.

        Args:
            path: file to write it to as well, in one step; None for none.

        Raises:
            ValueError: the file cannot be written.
        """
        values = {name: _plain(value) for name, value in vars(self).items()}
        values |= {"certified_gap": _plain(self.certified_gap), "bottleneck": self.bottleneck, "words": self.words}
        text = json.dumps(values, allow_nan=False)
        if path is not None:
            _replace(Path(path), lambda part: part.write_text(text + "\n", encoding="utf-8"))
        return text

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the singular values of weights and representations by layer; needs matplotlib.

        Args:
            path: file to store the figure in as well, in the format that its suffix names; None for none.

        Raises:
            ValueError: an unknown format, the file cannot be written, or matplotlib is missing.
        """
        try:
            from ..book import plotting
        except ModuleNotFoundError as error:
            raise ValueError(f"Figures need the package {error.name}: pip install {error.name}.") from error

        plotting.use_style()
        fig, (left, right) = plotting.panels(2, sharey=False)
        # The rank is in colour where it tells some values from others.
        highlight = self.rank if self.rank < self.width else 0
        plotting.spectra_by_layer(left, self.weights, highlight=highlight, shown=DRAWN)
        plotting.spectra_by_layer(right, self.representations, highlight=highlight, shown=DRAWN)
        left.set(xlabel="layer", ylabel="singular value", title="Weights")
        right.set(xlabel="hidden layer", title="Representations")
        right.legend(title=f"{min(DRAWN, self.width)} of {self.width} drawn")
        if path is not None:
            suffix = Path(path).suffix[1:] or "png"
            _replace(Path(path), lambda part: fig.savefig(part, format=suffix))
        return fig


def _span(layers: list[int]) -> str:
    first, last = layers[0] + 1, layers[-1] + 1
    return f"layer {first}" if first == last else f"layers {first} to {last}"


def _lines(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, 70, initial_indent="=> ", subsequent_indent="   ")


def _heads(numerical: bool) -> tuple[str, str]:
    if numerical:
        return (
            "rank by layer   of the weights                of the features",
            "layer    >1/2     gap   numerical     >1/10     gap   numerical",
        )
    return "rank by layer   of the weights   of the features", "layer    >1/2     gap     >1/10     gap"


def _columns(rank: LayerRank, numerical: bool) -> str:
    shown = f"{rank.rank:8d}{rank.gap:8.2g}"
    mark = " " if rank.decided else "?"
    return shown + (f"{rank.numerical_rank:7d}{mark}{rank.numerical_gap:7.0e}" if numerical else "")


def _plain(value: Any) -> Any:
    """Turn a value into what JSON knows, with None for NaN and infinity."""
    if isinstance(value, Reading):
        return {name: _plain(v) for name, v in value.record().items()}
    if isinstance(value, LayerRank):
        return {name: _plain(v) for name, v in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    return value if value is None or isinstance(value, str) or math.isfinite(value) else None


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Write to a temporary file and rename it, so that a file of that name is whole or the old one."""
    part = path.with_name(path.name + ".part")
    try:
        write(part)
        part.replace(path)
    except (OSError, ValueError) as error:
        part.unlink(missing_ok=True)
        raise ValueError(f"Cannot write '{path}': {getattr(error, 'strerror', None) or error}.") from error


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

    Args:
        net: a ReLU network of depth at least 3, or its parameters as ``from_arrays`` takes them.
        X: inputs (N, d_in), typically training or test data, as the network sees them.
        outputs: what the model itself returns for X, (N, d_out). The network that is read is compared with it; it
            settles what names and shapes of the parameters leave open.
        layers, layout, negative_slope: how the parameters are read, as for ``from_arrays``.

    Raises:
        ValueError: depth below 3, inputs of the wrong shape or of integers, parameters of no plain ReLU network, or of
            one that has other outputs.

    Example:
        >>> from bnlib import from_layers
        >>> r = report(from_layers([(np.eye(2), None)] * 4), [[1.0, 2.0], [2.0, 1.0]])
        >>> r.rank, r.decided, r.squared_norm
        (2, True, 8.0)

    Source: J23, book; claims weights-theorem, schatten-bound, ntk-identity; chapters weights, cost, tangent_kernel.
    """
    given = array_of("X", X)
    X = _checks.floating("X", given)
    if not jnp.issubdtype(given.dtype, jnp.floating):
        raise ValueError("X holds integers, such as raw pixels; give the floating-point inputs that the network sees.")
    reading = None
    if not isinstance(net, Network) or outputs is not None:
        if outputs is not None and X.ndim != 2:
            raise ValueError(f"X must have shape (N, d_in), but its shape is {X.shape}.")
        reading = read(
            net,
            given,
            outputs,
            d_in=X.shape[1] if X.ndim == 2 else None,
            layers=layers,
            layout=layout,
            negative_slope=negative_slope,
        )
        net = reading.net
    X = _checks.points("X", X, net.d_in)
    weights, representations = weight_singular_values(net), representation_singular_values(net, X)
    rank, gap, decided = rank_of_spectra(weights, representations)
    some = X[np.linspace(0, len(X) - 1, min(len(X), CERTIFIED)).astype(int)]
    k = min(rank, _least_rank(net, some))
    certificate = bottleneck_certificate(net, some, k) if k else None
    eps = float(jnp.finfo(net.last[0].dtype).eps)
    return Report(
        depth=net.depth,
        width=net.width,
        inputs=len(X),
        d_in=net.d_in,
        d_out=net.d_out,
        squared_norm=float(_checks.float64(squared_norm)(net)),
        lower_bound=lower_bound(net, X),
        imbalance=float(np.max(np.abs(_checks.float64(balance_residual)(net)))),
        relative_imbalance=relative_imbalance(net),
        rank=rank,
        gap=gap,
        decided=decided,
        k=k,
        lhs=None if certificate is None else float(np.median(certificate.lhs)),
        rhs=None if certificate is None else float(np.median(certificate.rhs)),
        ntk_trace=float(np.mean(ntk_trace(net, some))),
        weights=weights,
        representations=representations,
        weight_ranks=tuple(
            _layer_rank(s, int(np.sum(s > 0.5)), 1.0, eps * max(W.shape))
            for s, (W, _) in zip(weights, net.layers, strict=True)
        ),
        representation_ranks=tuple(
            _layer_rank(s, _dimension(s), s[0] or 1.0, eps * layer * max(len(X), net.width))
            for layer, s in enumerate(representations, 1)
        ),
        reading=reading,
    )


@_checks.float64
def _least_rank(net: Network, X: Any) -> int:
    """Return the lowest numerical rank of a Jacobian, as ``bottleneck_certificate`` counts it."""
    J = jacobian(net, X)
    s = _svd.values(J)
    return int(jnp.min(jnp.sum(s > _svd.tolerance(s, J.shape, net.depth), axis=-1)))


def _dimension(s: np.ndarray) -> int:
    """Return the least k with the norm of s beyond the first k at most a tenth of the whole."""
    beyond = np.sqrt(np.append(np.cumsum(s[::-1] ** 2)[::-1], 0.0))
    return int(np.argmax(beyond <= 0.1 * beyond[0]))


def _layer_rank(s: np.ndarray, rank: int, scale: float, rounding: float) -> LayerRank:
    """Return the ranks of a matrix by its decreasing singular values s; rounding is relative to the largest."""
    padded, rounding = np.append(s, 0.0), rounding * s[0]
    numerical = int(np.sum(s > rounding))
    ratio = padded[numerical - 1] / max(padded[numerical], rounding) if numerical else math.inf
    gap = (padded[rank - 1] - padded[rank]) / scale if rank else 1.0 - s[0] / scale
    return LayerRank(rank, float(gap), numerical, float(ratio), bool(ratio > 1e3))
