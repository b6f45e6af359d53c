"""One look for all figures of the book: colour-blind safe, readable on a phone, white behind dark pages."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..measure import phases

# Okabe and Ito's palette, which stays distinct under the common forms of colour blindness.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#9a9a9a"
RANKS = ("#d9d9d9", COLORS[5], COLORS[4], COLORS[3])  # 0, 1, 2, and 3 or more


def use_style() -> None:
    """Set the book's figure style for the running session.

    Example:
        >>> use_style()

    Source: bnlib.
    """
    mpl.rcParams.update(
        {
            "figure.figsize": (6.0, 3.6),
            "figure.dpi": 130,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.size": 11.0,
            "axes.titlesize": 11.5,
            "axes.labelsize": 11.0,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#e3e3e3",
            "grid.linewidth": 0.7,
            "axes.axisbelow": True,
            "axes.prop_cycle": cycler(color=COLORS),
            "lines.linewidth": 1.8,
            "lines.markersize": 4.5,
            "legend.frameon": False,
            "legend.fontsize": 10.0,
            "svg.hashsalt": "bnlib",
        }
    )


def panels(n: int, *, sharey: bool = True, height: float = 3.4) -> tuple[Figure, Sequence[Axes]]:
    """Open a figure with n panels side by side, at most as wide as the page.

    Example:
        >>> fig, axes = panels(2)
        >>> len(axes)
        2

    Source: bnlib.
    """
    fig, axes = plt.subplots(1, n, figsize=(min(7.2, 3.6 * n + 1.2), height), sharey=sharey, squeeze=False)
    return fig, list(axes[0])


def spectra_by_layer(
    ax: Axes, values: Any, *, highlight: int, layers: Any = None, shown: int = 8, label: str | None = None
) -> None:
    """Draw singular values against the layer: the first ``highlight`` in colour, the next ones in grey.

    Args:
        ax: axes to draw on.
        values: (layers, m) singular values, decreasing along rows.
        highlight: number of leading values in colour.
        layers: layer numbers; 1, 2, ... when None.
        shown: number of values drawn.
        label: legend entry of the highlighted lines; "largest <number drawn in colour>" when None.

    Example:
        >>> fig, (ax,) = panels(1)
        >>> spectra_by_layer(ax, [[1.0, 0.1], [1.0, 0.2]], highlight=1)

    Source: bnlib.
    """
    values = np.asarray(values)[:, :shown]
    layers = np.arange(1, len(values) + 1) if layers is None else layers
    drawn = values.shape[1]
    labels = {highlight: "the others"} | {0: label or f"largest {min(highlight, drawn) or drawn}"}
    for i in reversed(range(values.shape[1])):
        leading = i < highlight
        ax.plot(
            layers,
            values[:, i],
            color=COLORS[i % len(COLORS)] if leading else GREY,
            marker=MARKERS[i % len(MARKERS)] if leading else None,
            linewidth=1.8 if leading else 1.0,
            zorder=3 if leading else 2,
            label=labels.get(i),
        )


def interval(ax: Axes, x: Any, values: Any, *, color: str, marker: str = "o", label: str | None = None) -> None:
    """Draw the median over the first axis of ``values`` with a band from its smallest to its largest.

    Entries that are NaN are left out, and positions that have no others.

    Args:
        ax: axes to draw on.
        x: (n,) positions.
        values: (seeds, n) measurements.
        color: colour of line and band.
        marker: marker of the line.
        label: legend entry.

    Example:
        >>> fig, (ax,) = panels(1)
        >>> interval(ax, [1, 2], [[1.0, 2.0], [2.0, 3.0]], color=COLORS[0])

    Source: bnlib.
    """
    values = np.asarray(values)
    there = ~np.all(np.isnan(values), axis=0)
    x, values = np.asarray(x)[there], values[:, there]
    ax.fill_between(x, np.nanmin(values, axis=0), np.nanmax(values, axis=0), color=color, alpha=0.18, linewidth=0)
    ax.plot(x, np.nanmedian(values, axis=0), color=color, marker=marker, label=label)


def cell_edges(values: Any) -> np.ndarray:
    """Return the edges of cells about increasing positive values on a logarithmic axis.

    Example:
        >>> cell_edges([1.0, 4.0]).tolist()
        [0.5, 2.0, 8.0]

    Source: bnlib.
    """
    inner = np.sqrt(np.multiply(values[1:], values[:-1]))
    return np.array([values[0] ** 2 / inner[0], *inner, values[-1] ** 2 / inner[-1]])


def phase_diagram(ax: Axes, cells: phases.Diagram) -> None:
    """Draw a phase diagram: cells coloured by rank, with the ranks of all seeds, hatched where they are not clear.

    Args:
        ax: axes to draw on.
        cells: the diagram, whole, with two depths and two columns at least.

    Example:
        >>> from bnlib.measure.phases import Cell
        >>> fig, (ax,) = panels(1)
        >>> phase_diagram(ax, {(L, c): Cell((1,), 0.5, (1,), (0.0,)) for L in (4, 8) for c in (0.1, 0.2)})

    Source: bnlib.
    """
    depths, columns = phases.axes(cells)
    x, y = cell_edges(columns), cell_edges(depths)
    grid = [[cells[L, c].rank for c in columns] for L in depths]
    ax.pcolormesh(x, y, grid, cmap=ListedColormap(RANKS), vmin=-0.5, vmax=3.5, edgecolors="white", linewidth=1)
    for i, L in enumerate(depths):
        for j, c in enumerate(columns):
            cell = cells[L, c]
            if not cell.clear:
                box = (x[j], y[i]), x[j + 1] - x[j], y[i + 1] - y[i]
                ax.add_patch(Rectangle(*box, fill=False, hatch="////", edgecolor="white", linewidth=0))
            text = " or ".join(str(r) if r < 3 else "3+" for r in sorted(set(cell.ranks)))
            ax.text(np.sqrt(x[j] * x[j + 1]), np.sqrt(y[i] * y[i + 1]), text, ha="center", va="center")
    ax.set(xscale="log", yscale="log", ylabel="depth $L$")
    ax.set_xticks(columns, [f"{c:g}" for c in columns])
    ax.set_yticks(depths, [str(L) for L in depths])
    ax.minorticks_off()
    ax.grid(visible=False)
