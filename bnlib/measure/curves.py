"""Curves along a training: rank, norm with its bound, and imbalance against the step, with the spectra by layer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ._written import as_figure, as_json, percent, plotting, said
from .snapshots import Snapshot

COLUMNS = (
    "rank", "gap", "decided", "squared_norm", "lower_bound", "relative_imbalance", "weights", "representations",
)  # fmt: skip
ROWS = 40  # of a table; more steps are shown at equal distances


@dataclass(frozen=True)
class TrainingCurves:
    """Hold what ``trajectory`` and ``Recorder`` measure at T steps; ``print`` shows a table and ``plot()`` a figure.

    Attributes:
        steps: (T,) increasing.
        names: of the T networks.
        depth, width, d_in, d_out: size of the networks.
        inputs: number of inputs.
        rank, gap, decided: (T,) bottleneck rank, as ``bottleneck_rank`` reads it; None at depth 2.
        squared_norm: (T,) all weights and biases.
        lower_bound: (T,) norm that no network of this depth with the same function near the inputs can go below; None
            where it was not asked for.
        relative_imbalance: (T,) largest difference of A_i and B_i, relative to the largest A_i.
        weights: (T, L, m) singular values of the weights.
        representations: (T, L-1, n) singular values of the hidden representations.
        notes: what a reader has to know of the steps and of how the networks were read.

    Source: bnlib.
    """

    steps: np.ndarray
    names: tuple[str, ...]
    depth: int
    width: int
    d_in: int
    d_out: int
    inputs: int
    rank: np.ndarray | None
    gap: np.ndarray | None
    decided: np.ndarray | None
    squared_norm: np.ndarray
    lower_bound: np.ndarray | None
    relative_imbalance: np.ndarray
    weights: np.ndarray
    representations: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> dict[str, str]:
        """What the curves say, one sentence each."""
        first, last = f"{self.steps[0]:.10g}", f"{self.steps[-1]:.10g}"
        change = f"from {_short(self.squared_norm[0])} to {_short(self.squared_norm[-1])}"
        words = {"rank": self._rank(), "norm": f"The squared norm goes {change}."}
        if self.lower_bound is not None:
            shares = [percent(self.squared_norm[i], self.lower_bound[i]) for i in (0, -1)]
            words["norm"] += f" Certified to be needed: {shares[0]} at step {first}, {shares[1]} at step {last}."
        ends = [f"{self.relative_imbalance[i]:.2g}" for i in (0, -1)]
        return words | {"imbalance": f"The relative imbalance goes from {ends[0]} to {ends[1]}."}

    def _rank(self) -> str:
        """Say from which step on the rank is the last one, and decided."""
        if self.rank is None or self.decided is None:
            return f"Depth {self.depth} has no middle, and so no bottleneck rank."
        since = self._since(self.rank == self.rank[-1])
        if self.rank[-1] == self.width:
            return f"The rank is the width ({self.width}) {since}: no bottleneck."
        if not self.decided[-1]:
            return f"The rank is {self.rank[-1]} {since}, and undecided at the end."
        sure = self._since(self.decided & (self.rank == self.rank[-1]))
        return f"The rank is {self.rank[-1]} {since}, and decided{'' if sure == since else ' ' + sure}."

    def _since(self, holds: np.ndarray) -> str:
        """Return from which step on something holds that holds at the last one."""
        first = len(holds) - int(np.argmin(np.append(holds[::-1], False)))
        return "at every step" if first == 0 else f"from step {self.steps[first]:.10g} on"

    def __str__(self) -> str:
        """Return a table of at most 70 characters a line, and under it what it says."""
        shown = np.unique(np.linspace(0, len(self.steps) - 1, min(len(self.steps), ROWS)).astype(int))
        size = f"depth {self.depth}, width {self.width}, from {self.d_in} to {self.d_out} dimensions"
        blocks = [
            [line for note in self.notes for line in said(note)],
            [f"{size}, {self.inputs} inputs"],
            [
                f"{'step':>10}{'rank':>7}{'gap':>8}{'norm':>11}{'at least':>11}{'certified':>11}{'imbalance':>11}",
                *(self._row(i) for i in shown),
                *([f"({len(shown)} of {len(self.steps)} steps)"] if len(shown) < len(self.steps) else []),
            ],
            [line for sentence in self.words.values() for line in said(sentence)],
        ]
        return "\n\n".join("\n".join(block) for block in blocks if block)

    def _row(self, i: int) -> str:
        """Return a line of the table, with a question mark behind a rank that is undecided."""
        rank, gap, bound, share = "-", "-", "-", "-"
        if self.rank is not None and self.gap is not None and self.decided is not None:
            rank, gap = f"{self.rank[i]}{' ' if self.decided[i] else '?'}", f"{self.gap[i]:.2g}"
        if self.lower_bound is not None:
            bound, share = _short(self.lower_bound[i]), percent(self.squared_norm[i], self.lower_bound[i])
        norm, imbalance = _short(self.squared_norm[i]), f"{self.relative_imbalance[i]:.2g}"
        step = next(s for p in (10, 4) if len(s := f"{self.steps[i]:.{p}g}") <= 10)
        return f"{step:>10}{rank:>7}{gap:>8}{norm:>11}{bound:>11}{share:>11}{imbalance:>11}"

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the curves as JSON, all numbers in full; what is not finite is null.

        Args:
            path: file to write it to as well, in one step; None for none.

        Raises:
            ValueError: the file cannot be written.
        """
        return as_json(vars(self) | {"words": self.words}, path)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw rank, norm with its bound, and imbalance against the step; needs matplotlib.

        A rank that is undecided has an open marker.

        Args:
            path: file to store the figure in as well, in the format that its suffix names; None for none.

        Raises:
            ValueError: an unknown format, the file cannot be written, or matplotlib is missing.
        """
        style = plotting()
        style.use_style()
        kinds = ["rank"] * (self.rank is not None) + ["norm", "imbalance"]
        fig, axes = style.plt.subplots(len(kinds), 1, figsize=(5.0, 0.8 + 2.0 * len(kinds)), sharex=True)
        ax = dict(zip(kinds, axes, strict=True))
        if self.rank is not None and self.decided is not None:
            ax["rank"].step(self.steps, self.rank, where="post", color=style.GREY, linewidth=1.0)
            for decided, face in ((True, style.COLORS[0]), (False, "white")):
                there = self.decided == decided
                look = {"color": style.COLORS[0], "markerfacecolor": face, "linestyle": "", "marker": "o"}
                ax["rank"].plot(
                    self.steps[there], self.rank[there], label="decided" if decided else "undecided", **look
                )
            ax["rank"].set(ylabel="rank", ylim=(-0.06 * max(1, self.rank.max()), None))
            ax["rank"].yaxis.get_major_locator().set_params(integer=True)
            ax["rank"].legend()
        ax["norm"].plot(self.steps, self.squared_norm, color=style.COLORS[1], marker="s", label="squared norm")
        if self.lower_bound is not None:
            look = {"color": style.COLORS[2], "marker": "^", "linestyle": "--"}
            ax["norm"].plot(self.steps, self.lower_bound, label="needed at least", **look)
        ax["norm"].set(ylabel="squared norm", ylim=(0, None))
        ax["norm"].legend()
        ax["imbalance"].plot(self.steps, self.relative_imbalance, color=style.COLORS[3], marker="D")
        if np.all(self.relative_imbalance > 0):
            ax["imbalance"].set_yscale("log")
        ax["imbalance"].set(ylabel="relative\nimbalance", xlabel="step")
        fig.align_ylabels()
        return as_figure(fig, path)


def _short(value: float) -> str:
    """Return a number of at most ten characters."""
    return f"{value:.4g}" if math.isfinite(value) else "-"


def curves_of(
    steps: Sequence[float], names: Sequence[str], snapshots: Sequence[Snapshot], notes: Sequence[str] = ()
) -> TrainingCurves:
    """Put snapshots of networks of one architecture into curves.

    Args:
        steps: increasing, one for each snapshot.
        names: of the networks.
        snapshots: at least one; either all have a lower bound or none has.
        notes: what a reader has to know.

    Example:
        >>> from bnlib import from_layers
        >>> from bnlib.measure.snapshots import snapshot
        >>> nets = [from_layers([(a * np.eye(2), None)] * 3) for a in (2.0, 1.0)]
        >>> curves_of([0, 10], ["start", "end"], [snapshot(net, np.eye(2)) for net in nets]).squared_norm.tolist()
        [24.0, 6.0]

    Source: bnlib.
    """
    first = snapshots[0]
    columns = {
        name: None if getattr(first, name) is None else np.stack([np.asarray(getattr(s, name)) for s in snapshots])
        for name in COLUMNS
    }
    sizes = {name: getattr(first, name) for name in ("depth", "width", "d_in", "d_out", "inputs")}
    return TrainingCurves(np.asarray(steps), tuple(names), **sizes, **columns, notes=tuple(notes))  # type: ignore[arg-type]
