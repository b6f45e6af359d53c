"""Numbers as JSON knows them, sentences as lines, and files that are whole or the old ones."""

import json
import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._writing import write
from . import words as rules

LINE = 70  # characters of a line of text


def said(sentences: str) -> list[str]:
    """Return sentences behind an arrow, in lines of at most ``LINE`` characters; names and percents stay whole."""
    kept = sentences.replace(" %", "\0%")
    lines = textwrap.wrap(kept, LINE, initial_indent="=> ", subsequent_indent="   ", break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines]


def percent(squared_norm: float, lower_bound: float) -> str:
    """Return how much of a norm is certified to be needed, as a cell of a table."""
    share = rules.percent(squared_norm, lower_bound)
    return "-" if share is None else f"{share} %"


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
    """Return the module of the book's figures.

    Raises:
        ValueError: matplotlib is missing.
    """
    try:
        from ..book import plotting
    except ModuleNotFoundError as error:
        raise ValueError(f"Figures need the package {error.name}: pip install {error.name}.") from error
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
