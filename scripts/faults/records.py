"""What is stored of a planted fault: its edit and the test that caught it, so that a change of either shows."""

from __future__ import annotations

import ast
import difflib
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scripts.chapters.book import ROOT
from scripts.chapters.freshness import canonical, digest
from scripts.faults.fault import Fault, MutantError, mutated

# What is written anew by every run: the lines that a fault changes there are not those of the next run.
WRITTEN = ("results/", "book/", "notebooks/")


def record(fault: Fault, root: Path = ROOT) -> dict[str, Any]:
    """Return what is stored of a fault whatever comes of it.

    Raises:
        MutantError: the fault cannot be planted.
    """
    fields = ("id", "kind", "summary", "reason")
    stored = {name: getattr(fault, name) for name in fields}
    return stored | {"checks": list(fault.checks), "edit": edit_hash(fault, root)}


def edit_hash(fault: Fault, root: Path) -> str:
    """Hash the lines that a fault takes away and puts in, but for files that every run writes anew."""
    lasting = tuple(edit for edit in fault.edits if not edit[0].startswith(WRITTEN))
    changed = {}
    for name, after in mutated(replace(fault, edits=lasting), root).items():
        before = (root / name).read_text(encoding="utf-8").splitlines()
        lines = difflib.unified_diff(before, (after or "").splitlines(), n=0, lineterm="")
        changed[name] = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    return digest(changed)


def test_hash(test: str | None, root: Path) -> str | None:
    """Hash the code of a test, or of its file where that failed as a whole; None for no test, or one that is gone."""
    if test is None:
        return None
    name, _, function = test.partition("::")
    path = root / name
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
    return digest(canonical(found[0] if found else tree)) if found or not function else None


def same(fault: Fault, stored: dict[str, Any], root: Path = ROOT) -> bool:
    """Tell whether a stored record is of this very fault, and the test that caught it still the same."""
    try:
        now = record(fault, root)
    except MutantError:
        return False
    return (now | {"test": test_hash(stored["by"], root)}).items() <= stored.items()


def made(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Say by what the records were made."""
    return {
        "command": "python -m scripts.faults.plant",
        "commit": commit(),
        "seconds": round(sum(r["seconds"] for r in records)),
        "versions": {"python": platform.python_version(), **{n: version(n) for n in ("jax", "numpy", "pytest")}},
    }


def commit(root: Path = ROOT) -> str:
    """Return the commit of a checkout, with a plus sign when files differ from it; empty without git."""
    try:
        git = ["git", "-C", str(root)]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + ("+" if changed else "")
