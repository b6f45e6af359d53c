"""Numbers as JSON knows them, sentences as lines, and files that are whole or the old ones."""

import json
import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._writing import write

LINE = 70  # characters of a line of text


def said(sentence: str) -> list[str]:
    """Return a sentence behind an arrow, in lines of at most ``LINE`` characters."""
    return textwrap.wrap(sentence, LINE, initial_indent="=> ", subsequent_indent="   ")


def percent(part: float, whole: float) -> str:
    """Return a share in percent, rounded down: this much is certified."""
    return f"{math.floor(100 * part / whole + 1e-9)} %" if whole else "-"


def plain(value: Any) -> Any:
    """Turn a value into what JSON knows, with None for NaN and infinity."""
    if isinstance(value, Mapping):
        return {name: plain(v) for name, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return value if value is None or isinstance(value, str) or math.isfinite(value) else None


def as_json(values: Mapping[str, Any], path: str | Path | None) -> str:
    """Return values as JSON, and store them in a file if there is one.

    Raises:
        ValueError: the file cannot be written.
    """
    text = json.dumps(plain(values), allow_nan=False)
    if path is not None:
        write(path, lambda file: file.write(f"{text}\n".encode()))
    return text


def plotting() -> Any:
    """Return the module of the book's figures, with its style set.

    Raises:
        ValueError: matplotlib is missing.
    """
    try:
        from ..book import plotting
    except ModuleNotFoundError as error:
        raise ValueError(f"Figures need the package {error.name}: pip install {error.name}.") from error
    plotting.use_style()
    return plotting


def as_figure(figure: Any, path: str | Path | None) -> Any:
    """Return a figure, and store it in a file if there is one, in the format that its suffix names.

    Raises:
        ValueError: an unknown format, or the file cannot be written.
    """
    if path is not None:
        suffix = Path(path).suffix[1:] or "png"
        write(path, lambda file: figure.savefig(file, format=suffix))
    return figure
