"""A chapter as a text and as a notebook: how each is read and written, and when stored outputs stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext
import nbformat
from jupytext.config import load_jupytext_configuration_file

from scripts.chapters.freshness import differences, digest, outputs_hash

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


class ChapterError(Exception):
    """Why a chapter could not be run or stored, in one sentence."""


def read_source(path: Path, root: Path) -> nbformat.NotebookNode:
    """Read a chapter's text as a notebook without outputs, with cell ids that depend on its content alone."""
    config = load_jupytext_configuration_file(str(root / "pyproject.toml"))
    written = jupytext.read(path, fmt="md:myst", config=config)
    written.metadata["kernelspec"] = KERNELSPEC
    # Once round, for the header that jupytext adds to a text written by hand.
    notebook = jupytext.reads(source_text(written), fmt="md:myst", config=config)
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        base = digest([cell.cell_type, cell.source])
        seen[base] = seen.get(base, 0) + 1
        cell["id"] = base if seen[base] == 1 else f"{base}-{seen[base]}"
    return notebook


def source_text(notebook: nbformat.NotebookNode) -> str:
    """Return a chapter's text as jupytext writes it, which is the one form that we keep."""
    bare = nbformat.from_dict(notebook)
    bare.metadata.pop("bnlib", None)
    return str(jupytext.writes(bare, fmt="md:myst"))


def notebook_text(notebook: nbformat.NotebookNode) -> str:
    """Return the bytes of a stored notebook: sorted keys, nothing that varies between runs or machines."""
    stored = nbformat.from_dict(notebook)
    stored.metadata["language_info"] = {"name": "python"}
    nbformat.validate(stored)
    return str(nbformat.writes(stored)) + "\n"


def read_stored(path: Path) -> nbformat.NotebookNode | None:
    """Read the notebook paired with a chapter's text; None when there is none yet."""
    stored = path.with_suffix(".ipynb")
    try:
        return nbformat.read(stored, as_version=4) if stored.exists() else None
    except nbformat.reader.NotJSONError as error:
        raise ChapterError(f"{stored.name} is no notebook: delete it to have the chapter run anew") from error


def stale_reasons(stored: nbformat.NotebookNode | None, wanted: dict[str, Any]) -> list[str]:
    """Say why a chapter must be run again; an empty list when its stored outputs stand."""
    if stored is None or "bnlib" not in stored.metadata:
        return ["it was never run"]
    reasons = differences(stored.metadata["bnlib"], wanted)
    if stored.metadata["bnlib"].get("outputs") != outputs_hash(stored):
        reasons.append("its stored outputs were edited")
    return reasons


def rebuild(notebook: nbformat.NotebookNode, stored: nbformat.NotebookNode) -> None:
    """Carry stored outputs over to a chapter of the same code, in place."""
    old = [cell for cell in stored.cells if cell.cell_type == "code"]
    new = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, kept in zip(new, old, strict=True):
        cell.outputs, cell.execution_count = kept.outputs, kept.execution_count
    notebook.metadata["bnlib"] = stored.metadata["bnlib"]
