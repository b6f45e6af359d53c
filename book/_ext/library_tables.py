"""Put tables into the pages of the library: what a module defines, what modules a room has, which names `bn` gives."""

from __future__ import annotations

import pkgutil
from types import ModuleType
from typing import Any


def contents(module: ModuleType) -> list[str]:
    """List the full names in a table: what a module defines, the modules of a room, what the library names at its top.

    Args:
        module: a module of the library, one of its packages, or the library.

    Example:
        >>> from bnlib.theory import constants
        >>> contents(constants)
        ['bnlib.theory.constants.constant_cost']
    """
    name = module.__name__
    if hasattr(module, "__path__") and "." in name:
        found = pkgutil.walk_packages(module.__path__, f"{name}.")
        return [entry.name for entry in found if not entry.ispkg and not entry.name.rpartition(".")[2].startswith("_")]
    homes = {key: str(getattr(value, "__module__", "")) for key, value in vars(module).items()}
    return [
        f"{home}.{key}"
        for key, home in homes.items()
        if not key.startswith("_")
        and getattr(vars(module)[key], "__name__", None) == key
        and (home == name or (home.startswith(f"{name}.") and "." not in name))
    ]


def tabulate(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Append the table to the docstring of a module."""
    if what == "module" and (names := contents(obj)):
        mark = "" if "." in obj.__name__ else "~"  # at the top of the library, where a name lives is a detail
        entries = [f"   {mark}{entry.removeprefix(f'{obj.__name__}.')}" for entry in names]
        lines += ["", ".. autosummary::", "   :nosignatures:", "", *entries, ""]


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", tabulate)
    return {"parallel_read_safe": True}
