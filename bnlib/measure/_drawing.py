"""The figures of a report; Matplotlib is loaded only to draw one."""

import io
from typing import Any

from ._measured import Measured
from ._written import plotting

DRAWN = 8  # singular values of each layer


def spectra(m: Measured) -> Any:
    """Draw the singular values of weights and representations by layer, side by side.

    Raises:
        ValueError: matplotlib is missing.
    """
    style = plotting()
    style.use_style()
    fig, (left, right) = style.panels(2, sharey=False)
    _panel(style, left, m, m.weights)
    left.set(xlabel="layer", ylabel="singular value", title="Weights")
    if len(m.representations):
        _panel(style, right, m, m.representations)
    right.set(xlabel="hidden layer", title="Representations")
    (right if len(m.representations) else left).legend(title=f"{min(DRAWN, m.width)} of {m.width} drawn")
    return fig


def panels(m: Measured) -> dict[str, bytes]:
    """Return the same two as SVG, each by itself, so that a narrow page shows one above the other.

    The style of the session and its open figures stay as they are.

    Raises:
        ValueError: matplotlib is missing.
    """
    style = plotting()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    found = {}
    with mpl.rc_context():
        style.use_style()
        for title, values in (("Weights", m.weights), ("Representations", m.representations)):
            if not len(values):
                continue
            fig = Figure(figsize=(3.6, 3.2))
            ax = fig.subplots()
            _panel(style, ax, m, values)
            ax.set(xlabel="layer" if title == "Weights" else "hidden layer", ylabel="singular value", title=title)
            file = io.BytesIO()
            fig.savefig(file, format="svg", metadata={"Date": None})
            found[title] = file.getvalue()
    return found


def caption(m: Measured) -> str:
    """Say what the figures show."""
    drawn = f"The largest {DRAWN} of {m.width}" if m.width > DRAWN else "All"
    coloured = f", the largest {_coloured(m)} in colour" if _coloured(m) else ""
    return f"{drawn} singular values of each layer{coloured}."


def _coloured(m: Measured) -> int:
    """Return the rank where it tells some values from others."""
    return m.rank if m.rank is not None and m.rank < m.width else 0


def _panel(style: Any, ax: Any, m: Measured, values: Any) -> None:
    """Draw the spectra of one side."""
    style.spectra_by_layer(ax, values, highlight=_coloured(m), shown=DRAWN)
    if len(values) < 3:  # points are no lines
        for line in ax.get_lines():
            line.set_marker("o")
        ax.set_xticks(range(1, len(values) + 1))
