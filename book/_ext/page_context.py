"""Mend what the theme puts into each page: no scripts of Thebe, which the book does not use, and a valid colour mode.

The theme declares Thebe's constants twice, which is an error in the browser's console, and leaves the mode empty.
"""

from __future__ import annotations

from typing import Any


def mend(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Drop the scripts and follow the reader's preference for dark or light."""
    scripts = context.get("script_files", [])
    context["script_files"] = [s for s in scripts if "thebe" not in f"{s.filename}{s.attributes}".lower()]
    context["default_mode"] = "auto"


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx, after the theme."""
    app.connect("html-page-context", mend, priority=900)
    return {"parallel_read_safe": True}
