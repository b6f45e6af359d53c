"""How a report is shown: as text, as a page, in a notebook, and as a figure."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from .._writing import write
from . import _drawing, _html, _text
from ._blocks import Block
from ._written import as_figure, as_json
from .readers import Reading


class Shown(ABC):
    """Show what is measured of a network; ``Report`` and ``LeakyReport`` are of this kind."""

    reading: Reading | None

    @property
    def _measured(self) -> Any:
        """The numbers, which stand beside these methods in one object."""
        return self

    @abstractmethod
    def _facts(self) -> list[tuple[str, str]]:
        """Return the size of the network and its type, each under its name."""

    @abstractmethod
    def _blocks(self) -> list[Block]:
        """Return the blocks of the report, without the layers."""

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
        return _text.text(self._measured, self._facts(), self._blocks(), *self._read(), numerical)

    def to_html(self, path: str | Path | None = None, *, numerical: bool = False) -> str:
        """Return the report as a page that needs nothing else, with its figure where matplotlib is installed.

        Args:
            path: file to write it to as well, in one step; None for none.
            numerical: show the numerical ranks as well, as ``text`` does.

        Raises:
            ValueError: the file cannot be written.
        """
        whole = _html.page(self._measured, self._fragment(numerical))
        if path is not None:
            write(path, lambda file: file.write(whole.encode()))
        return whole

    def _repr_html_(self) -> str:
        """Return the report as a notebook shows it."""
        return self._fragment(numerical=False)

    def _fragment(self, numerical: bool) -> str:
        try:
            figures, caption = _drawing.panels(self._measured), _drawing.caption(self._measured)
        except ValueError as error:
            figures, caption = {}, str(error)
        return _html.fragment(self._measured, self._facts(), self._blocks(), *self._read(), figures, caption, numerical)

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
        return as_figure(_drawing.spectra(self._measured), path)
