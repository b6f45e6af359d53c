"""Keep "Alias for field number 0" out of the library page: the class's own docstring explains its fields."""

from __future__ import annotations

from typing import Any


def skip_alias(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out a field whose docstring is the one that NamedTuple writes."""
    return True if str(obj.__doc__).startswith("Alias for field number") else None


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("autodoc-skip-member", skip_alias)
    return {"parallel_read_safe": True}
