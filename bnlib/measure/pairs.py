"""Two networks on the same inputs, side by side: what each shows, how far their functions and features are apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import _checks
from ..networks import Network, activations, apply, in_float64
from ._given import inputs_of, network_of
from ._written import as_figure, as_json, percent, plotting, said
from .layer_ranks import above_half, dimensions
from .readers import Layout
from .snapshots import Snapshot, snapshot

MOST_INPUTS = 1000  # of the similarity, at equal distances: both networks' features of all layers are held at once
LONGEST = 14  # characters of a name


@dataclass(frozen=True)
class Comparison:
    """Hold what ``compare`` measures; ``print`` shows a table and ``plot()`` a figure.

    Attributes:
        names: of the two networks.
        a, b: what each of them shows on the inputs.
        difference: largest difference of an output; None where the networks have outputs of different dimensions.
        spread: largest distance of an output from its mean over the inputs, of either network.
        similarity: (L_a - 1, L_b - 1) linear CKA of their hidden layers; NaN where a layer is constant.
        compared: number of inputs behind the similarity, at most 1000.
        notes: what a reader has to know of how the networks were read.

    Source: bnlib.
    """

    names: tuple[str, str]
    a: Snapshot
    b: Snapshot
    difference: float | None
    spread: float
    similarity: np.ndarray
    compared: int
    notes: tuple[str, ...] = ()

    @property
    def nearer(self) -> str | None:
        """Name of the network that is nearer to a bottleneck; None where neither is, or one has no middle.

        It is the one whose middle layers are nearer to partial isometries of one rank, which is below the width and at
        most the dimensions of inputs and outputs: ``nearest_isometry`` has the formula. It may still be far from one.
        """
        found = [s.isometry for s in (self.a, self.b)]
        if found[0] is None or found[1] is None or found[0].distance == found[1].distance:
            return None
        return self.names[int(found[1].distance < found[0].distance)]

    @property
    def pairs(self) -> list[tuple[int, int, float]]:
        """Hidden layers with their similarity: those of one number, or where depths differ, of each of a the best."""
        found = []
        for i, row in enumerate(self.similarity):
            j = i if self.a.depth == self.b.depth or np.all(np.isnan(row)) else int(np.nanargmax(row))
            found.append((i + 1, min(j, len(row) - 1) + 1, float(row[min(j, len(row) - 1)])))
        return found

    @property
    def words(self) -> dict[str, str]:
        """What the numbers say, one or two sentences each."""
        return {"bottleneck": self._bottleneck(), "function": self._function(), "features": self._features()}

    def _bottleneck(self) -> str:
        left, right = self.a.isometry, self.b.isometry
        if left is None or right is None:
            return "Nothing is said of a bottleneck: it needs a depth of 3 and a width of 2 or more."
        who = f"{self.nearer} is" if self.nearer else "Neither is"
        where = [f"{at.distance:.2g} from partial isometries of rank {at.rank}" for at in (left, right)]
        decided = [
            f"{name} (rank {s.rank})"
            for name, s in zip(self.names, (self.a, self.b), strict=True)
            if s.decided and s.rank in range(1, s.most + 1)
        ]
        return (
            f"{who} nearer to a bottleneck: the middle weights of {self.names[0]} are {where[0]}, those of "
            f"{self.names[1]} {where[1]}. A bottleneck is decided for {' and '.join(decided) or 'none of them'}."
        )

    def _function(self) -> str:
        if self.difference is None:
            return f"Their outputs have {self.a.d_out} and {self.b.d_out} dimensions and are not compared."
        if self.difference == 0:
            return "Their outputs are equal on these inputs."
        if self.spread == 0:
            return f"Both are constant on these inputs, and differ by {self.difference:.2g}."
        return (
            f"Their outputs differ by up to {self.difference:.2g}, "
            f"{self.difference / self.spread:.2g} of the largest distance of an output from its mean."
        )

    def _features(self) -> str:
        values = [value for *_, value in self.pairs if np.isfinite(value)]
        if not values:
            return "The features of one of them are constant in every layer, and not compared."
        few = self.compared <= max(self.a.width, self.b.width)
        return f"The linear CKA of their features is {min(values):.2f} to {max(values):.2f}." + (
            " With no more inputs than neurons it is large for any two networks." if few else ""
        )

    def __str__(self) -> str:
        """Return a table of at most 70 characters a line, and under it what it says."""
        sizes = [
            line
            for name, s in zip(self.names, (self.a, self.b), strict=True)
            for line in (f"{name}:", f"  {s.size}, {s.inputs} inputs")
        ]
        blocks = [
            [line for note in self.notes for line in said(note)],
            sizes,
            [f"{'':24}{self.names[0]:>16}{self.names[1]:>16}", *self._rows()],
            self._layers(),
            [line for sentence in self.words.values() for line in said(sentence)],
        ]
        return "\n\n".join("\n".join(block) for block in blocks if block)

    def _rows(self) -> list[str]:
        rows = {
            "squared norm": [f"{s.squared_norm:.4g}" for s in (self.a, self.b)],
            "  at least": [f"{s.lower_bound:.4g}" for s in (self.a, self.b)],
            "  certified": [percent(s.squared_norm, s.lower_bound or 0.0) for s in (self.a, self.b)],
            "imbalance, relative": [f"{s.relative_imbalance:.2g}" for s in (self.a, self.b)],
            "bottleneck rank": [
                "-" if s.rank is None else f"{s.rank}{'' if s.decided else ' undecided'}" for s in (self.a, self.b)
            ],
            "  gap": ["-" if s.gap is None else f"{s.gap:.2g}" for s in (self.a, self.b)],
            "distance to isometries": [
                "-" if at is None else f"{at.distance:.2g}, rank {at.rank}" for at in (self.a.isometry, self.b.isometry)
            ],
        }
        return [f"{name:24}{left:>16}{right:>16}" for name, (left, right) in rows.items()]

    def _layers(self) -> list[str]:
        """Return the counts by layer, and the similarity of features."""
        columns = []
        for s in (self.a, self.b):
            columns += [above_half(s.weights).tolist(), dimensions(s.representations).tolist()]
        heads = [f"{name:>{LONGEST}}" for name in self.names]
        lines = [
            "values of weights > 1/2, dimensions of features > 1/10, linear CKA",
            f"layer{heads[0]:>20}{heads[1]:>20}{'CKA':>10}{'of layers':>13}",
        ]
        pairs = {
            first: (f"{value:.2f}" if np.isfinite(value) else "-", f"{first}, {second}")
            for first, second, value in self.pairs
        }
        for i in range(max(self.a.depth, self.b.depth)):
            cells = [f"{column[i]:d}" if i < len(column) else "" for column in columns]
            value, of = pairs.get(i + 1, ("", ""))
            lines.append(f"{i + 1:5}{cells[0]:>12}{cells[1]:>8}{cells[2]:>12}{cells[3]:>8}{value:>10}{of:>13}".rstrip())
        return lines

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the comparison as JSON, all numbers in full; what is not finite is null.

        Args:
            path: file to write it to as well, in one step; None for none.

        Raises:
            ValueError: the file cannot be written.
        """
        sides = {
            name: vars(s) | {"isometry": s.isometry and s.isometry._asdict()}
            for name, s in (("a", self.a), ("b", self.b))
        }
        return as_json(vars(self) | sides | {"nearer": self.nearer, "words": self.words}, path)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the singular values of the weights of both, and the similarity of their features; needs matplotlib.

        Args:
            path: file to store the figure in as well, in the format that its suffix names; None for none.

        Raises:
            ValueError: an unknown format, the file cannot be written, or matplotlib is missing.
        """
        style = plotting()
        style.use_style()
        fig, axes = style.plt.subplot_mosaic([["a", "b"], ["both", "both"]], figsize=(6.0, 5.6), height_ratios=[3, 2])
        axes["b"].sharey(axes["a"])
        for which, name, s in (("a", self.names[0], self.a), ("b", self.names[1], self.b)):
            highlight = s.rank if s.rank is not None and s.rank < s.width else 0
            drawn = s.weights.copy()
            drawn[0, s.d_in :] = drawn[-1, s.d_out :] = np.nan  # the ends have no more
            style.spectra_by_layer(axes[which], drawn, highlight=highlight)
            axes[which].set(xlabel="layer", title=name, ylim=(0, None))
        axes["a"].set_ylabel("singular value")
        layers, values = [pair[0] for pair in self.pairs], [pair[2] for pair in self.pairs]
        axes["both"].plot(layers, values, color=style.COLORS[0], marker="o")
        whose = "" if self.a.depth == self.b.depth else f" of {self.names[0]}, with the most similar of the other"
        axes["both"].set(xlabel=f"hidden layer{whose}", ylabel="linear CKA", ylim=(-0.03, 1.03))
        axes["both"].xaxis.get_major_locator().set_params(integer=True)
        return as_figure(fig, path)


def compare(
    a: Any,
    b: Any,
    X: Any,
    *,
    names: tuple[str, str] = ("a", "b"),
    layers: Sequence[str] | None = None,
    layout: Layout | None = None,
    negative_slope: float | None = None,
) -> Comparison:
    """Compare two networks on the same inputs X: norms, ranks, spectra, functions and features.

    Args:
        a, b: networks of depth at least 2, or parameters as ``report`` takes them. Their sizes may differ.
        X: inputs (N, d_in), as both networks see them.
        names: what they are called, at most 14 characters each.
        layers, layout, negative_slope: how the parameters are read, as for ``from_arrays``; the same for both.

    Raises:
        ValueError: what ``report`` refuses, or names that are equal or too long.

    Example:
        >>> from bnlib import from_layers
        >>> full, low = (from_layers([(np.diag([1.0, s]), None)] * 4) for s in (0.6, 0.0))
        >>> found = compare(full, low, [[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]], names=("full", "low"))
        >>> found.nearer, (found.a.rank, found.b.rank), round(found.difference, 4)
        ('low', (2, 1), 0.3888)

    Source: J23, kornblith2019; claims weights-theorem, weights-corollary; chapter weights.
    """
    names = (str(names[0]), str(names[1]))
    if names[0] == names[1] or not all(0 < len(name) <= LONGEST for name in names):
        raise ValueError(f"names must be two different ones of at most {LONGEST} characters, but they are {names}.")
    points = inputs_of(X)
    how = {"layers": layers, "layout": layout, "negative_slope": negative_slope}
    nets, notes = [], []
    for name, given in zip(names, (a, b), strict=True):
        try:
            net, left_open = network_of(given, points.shape[1], **how)
            nets.append((net, snapshot(net, points)))
        except ValueError as error:
            raise ValueError(f"At '{name}': {error}") from error
        notes += [f"{name}: {note}" for note in left_open]
    (first, left), (second, right) = nets
    some = points[np.linspace(0, len(points) - 1, min(len(points), MOST_INPUTS)).astype(int)]
    spread, difference = _functions(first, second, points)
    return Comparison(names, left, right, difference, spread, _similarity(first, second, some), len(some), tuple(notes))


def _functions(a: Network, b: Network, X: np.ndarray) -> tuple[float, float | None]:
    """Return the largest distance of an output of either network from its mean, and the largest difference of both."""
    ya, yb = (np.concatenate(list(in_float64(apply, net, X))) for net in (a, b))
    spread = max(float(np.max(np.abs(y - y.mean(0, keepdims=True)))) for y in (ya, yb))
    return spread, float(np.max(np.abs(ya - yb))) if a.d_out == b.d_out else None


def _similarity(a: Network, b: Network, X: np.ndarray) -> np.ndarray:
    """Return the similarity of all pairs of hidden layers."""
    first, second = (_checks.float64(activations)(net, X).post for net in (a, b))
    return np.array([[linear_cka(A, B) for B in second] for A in first])


def linear_cka(A: Any, B: Any) -> float:
    r"""Return the linear centred kernel alignment of two representations.

    .. math:: \frac{\|\bar A^T\bar B\|_F^2}{\|\bar A^T\bar A\|_F\,\|\bar B^T\bar B\|_F}

    where the bar takes the mean over inputs away. It is between 0 and 1, and 1 for representations that differ by a
    rotation, a scale and a shift. With fewer inputs than neurons it is large for any two networks.

    Args:
        A, B: representations (N, w_a) and (N, w_b) of the same inputs in the same order.

    Returns:
        The similarity; NaN where one of the two is constant, up to rounding.

    Example:
        >>> A = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
        >>> round(linear_cka(A, 3.0 * A[:, ::-1] + 1.0), 9)
        1.0

    Source: kornblith2019.
    """
    centred = []
    for M in (np.asarray(A, np.float64), np.asarray(B, np.float64)):
        M = M / (np.max(np.abs(M)) or 1.0)  # squares of large numbers overflow
        deviation = M - M.mean(0, keepdims=True)
        size = np.linalg.norm(deviation)
        if size <= len(M) * np.finfo(np.float64).eps * np.linalg.norm(M):
            return float("nan")
        centred.append(deviation / size)
    A, B = centred
    return float(np.sum((A.T @ B) ** 2) / (np.linalg.norm(A.T @ A) * np.linalg.norm(B.T @ B)))
