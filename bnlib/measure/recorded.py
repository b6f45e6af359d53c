"""Spectra of recorded weights and activations of any model: a transformer, a residual network, a convolutional one.

No theorem of the book is about such models. What is left are numbers of one matrix each.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import _recorded_text as text
from ._recordings import Channels, activations_of, weights_of
from ._written import as_figure, as_json, plotting
from .readers import Layout
from .spectrum import Spectrum, measured

DRAWN = 12  # spectra in one figure


@dataclass(frozen=True, eq=False)
class Spectra:
    """Hold what ``spectra`` measures; ``str(spectra)`` is a table with words, and ``spectra.plot()`` a figure.

    Attributes:
        weights: ``Spectrum`` of each weight, by name, in the order given.
        activations: ``Spectrum`` of each array of activations, by name.
        left_out: names of what holds no matrix, such as biases and counters.

    Source: bnlib.
    """

    weights: Mapping[str, Spectrum]
    activations: Mapping[str, Spectrum]
    left_out: tuple[str, ...]

    @property
    def _all(self) -> list[Spectrum]:
        return [*self.weights.values(), *self.activations.values()]

    @property
    def words(self) -> dict[str, str]:
        """What the numbers mean, and which certificates of the book do not apply, a few sentences for each block."""
        return text.words(self._all, self.left_out)

    def __str__(self) -> str:
        """Return the table as text of at most 70 characters a line."""
        return self.text()

    def text(self, *, numerical: bool = False) -> str:
        """Return the table as text of at most 70 characters a line, with words.

        Args:
            numerical: show the numerical rank in place of the participation ratio, with a question mark where it is
                undecided.
        """
        return text.table(self._all, self.left_out, numerical=numerical)

    def to_json(self, path: str | Path | None = None) -> str:
        """Return all numbers as JSON, in full; what is not finite is null.

        Args:
            path: file to write it to as well, in one step; None for none.

        Raises:
            ValueError: the file cannot be written.
        """
        found = {
            part: {name: asdict(spectrum) for name, spectrum in getattr(self, part).items()}
            for part in ("weights", "activations")
        }
        return as_json(found | {"left_out": self.left_out, "words": self.words}, path)

    def plot(self, path: str | Path | None = None, *, names: Sequence[str] | None = None) -> Any:
        """Draw each spectrum on its own axes, what is counted in colour; needs matplotlib.

        Counted are the singular values above 1/2 where that means something, and else the dimension.

        Args:
            path: file to store the figure in as well, in the format that its suffix names; None for none.
            names: whose spectra; the first 12 when None, and the figure says how many there are.

        Raises:
            ValueError: an unknown name, an unknown format, the file cannot be written, or matplotlib is missing.
        """
        shown, style = self._chosen(names), plotting()
        style.use_style()
        rows = math.ceil(len(shown) / 2)
        fig, axes = style.plt.subplots(rows, 2, figsize=(6.0, 0.5 + 1.7 * rows), squeeze=False)
        for ax in axes.flat[len(shown) :]:
            ax.remove()
        for ax, spectrum in zip(axes.flat, shown, strict=False):
            _draw(ax, spectrum, style)
        fig.supylabel("singular value", fontsize=11)
        if names is None and len(shown) < (total := len(self._all)):
            fig.suptitle(f"the first {len(shown)} of {total}")
        return as_figure(fig, path)

    def _chosen(self, names: Sequence[str] | None) -> list[Spectrum]:
        everything = self._all
        if names is None:
            return everything[:DRAWN]
        names = [names] if isinstance(names, str) else names
        chosen = [spectrum for name in names for spectrum in everything if spectrum.name == name]
        _known(names, {spectrum.name for spectrum in everything}, "names")
        if not chosen:
            raise ValueError("names must hold the name of a spectrum, but it is empty.")
        return chosen


def spectra(
    weights: Any = None,
    activations: Any = None,
    *,
    layout: Layout | None = None,
    channels: Channels | None = None,
    scale_free: Collection[str] = (),
) -> Spectra:
    r"""Measure recorded weights and activations of any model, one matrix at a time.

    Weights are matrices (out, in), stacks of such, of which each is measured, and kernels of convolutions, measured as
    the matrix of output channels by input channels times taps. That is not the operator on images, whose norm lies
    between :math:`s_1` and :math:`\sqrt{\text{taps}}\,s_1`. Activations are matrices :math:`A/\sqrt N` with one row for
    each input, token or pixel, and one column for each feature. They are not centred. No more than a block of rows is
    in float64 at a time.

    Args:
        weights: arrays by name, in nested dictionaries or lists, a PyTorch module, or the path of a file that
            ``load_arrays`` reads. Vectors, numbers and text are left out, and listed.
        activations: arrays (N, d), (N, T, d) or those of images by name.
        layout: "out_in" for kernels (out, in, h, w), as in PyTorch, "in_out" for (h, w, in, out), as in Flax and Keras.
            No array says which it is, so kernels need it. A matrix has the same spectrum either way.
        channels: "first" for activations (N, C, H, W), "last" for (N, H, W, C), in which channels are the features.
        scale_free: names of weights, or of stacks, that the function does not depend on the size of, as those before a
            normalisation: their singular values are not compared with 1/2.

    Returns:
        ``Spectra``: numbers by name, with a table, a figure and words.

    Raises:
        ValueError: nothing to measure, an array of no known shape, of integers, or with NaN, or an unknown name.

    Example:
        >>> found = spectra({"up": np.eye(4)[:, :2]}, {"tokens": np.ones((5, 3, 2))})
        >>> found.weights["up"].rank, found.activations["tokens"].dimension
        (2, 1)

    Source: bnlib.
    """
    recordings, left_out = weights_of({} if weights is None else weights, layout)
    acts = activations_of({} if activations is None else activations, channels)
    if not recordings and not acts:
        raise ValueError("There is nothing to measure: give weights={name: matrix} or activations={name: (N, d)}.")
    scale_free = {scale_free} if isinstance(scale_free, str) else set(scale_free)
    known = {r.name for r in recordings} | {r.name.rpartition("[")[0] for r in recordings if r.name.endswith("]")}
    _known(scale_free, known, "scale_free")
    free = {r.name for r in recordings if not scale_free.isdisjoint({r.name, r.name.rpartition("[")[0]})}
    return Spectra(
        weights={r.name: measured(r, scaled=r.kind == "matrix" and r.name not in free) for r in recordings},
        activations={r.name: measured(r, scaled=False) for r in acts},
        left_out=tuple(left_out),
    )


def _known(names: Collection[str], known: Collection[str], argument: str) -> None:
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"{argument} holds '{unknown[0]}', but the names are {text.listed(sorted(known))}.")


def _draw(ax: Any, spectrum: Spectrum, style: Any) -> None:
    s = spectrum.singular_values
    counting, counted = ("1/10", spectrum.dimension) if spectrum.rank is None else (">1/2", spectrum.rank)
    color = style.COLORS[1] if spectrum.kind == "activations" else style.COLORS[0]
    marker = "s" if spectrum.kind == "activations" else "o"
    at = np.arange(1, len(s) + 1)
    ax.plot(at[counted:], s[counted:], color=style.GREY, linestyle="", marker=".")
    label = f"{counting}: {counted} of {len(s)}"
    ax.plot(at[:counted], s[:counted], color=color, linestyle="", marker=marker, label=label)
    if spectrum.rank is not None:
        ax.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
    ax.set_title(text.shortened(spectrum.name, 32), fontsize=9.5)
    ax.set(ylim=(0, None))
    ax.legend(loc="upper right", fontsize=9, handletextpad=0.1)
