"""Format the code of the chapters in their texts: `make format`. `ruff format --check` says whether it is done.

Ruff knows notebooks, with their magics, and not the form of our texts, so each chapter passes through a notebook.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from scripts.atomic import write
from scripts.chapters.book import ROOT, Book
from scripts.chapters.notebook import read_source, source_text

STYLE = ROOT / "notebooks" / "ruff.toml"


def formatted(path: Path, root: Path = ROOT) -> str:
    """Return a chapter's text with its code formatted.

    Args:
        path: the chapter's text.
        root: the checkout, for the settings of jupytext.

    Raises:
        SystemExit: code that is no Python, with what ruff says of it.
    """
    notebook = read_source(path, root)
    with tempfile.TemporaryDirectory() as folder:
        passing = Path(folder) / f"{path.stem}.ipynb"
        nbformat.write(notebook, passing)
        ruff = [str(Path(sys.executable).with_name("ruff")), "format", "--quiet", "--config", str(STYLE), str(passing)]
        said = subprocess.run(ruff, capture_output=True, text=True)
        if said.returncode:
            raise SystemExit(f"{path.name} can't be formatted: mend its code first. {said.stderr.strip()}")
        changed = nbformat.read(passing, as_version=4)
    for cell, new in zip(notebook.cells, changed.cells, strict=True):
        cell.source = new.source
    return source_text(notebook)


def main() -> None:
    """Format the chapters that are named, or all."""
    for path in [Path(name).resolve() for name in sys.argv[1:]] or Book(ROOT).chapters:
        text = formatted(path)
        if text != path.read_text(encoding="utf-8"):
            write(path, text)
            print(f"{path.stem}: formatted")


if __name__ == "__main__":
    main()
