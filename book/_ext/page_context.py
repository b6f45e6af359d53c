"""Mend what the theme puts into the site: no scripts of Thebe, which the book does not use, and a valid colour mode.

The theme declares Thebe's constants twice, which is an error in the browser's console, and leaves the mode empty. It
also copies what no reader's browser asks for: maps of its sources, messages in other languages, and fonts in a second
format.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

UNUSED = ("styles/*.map", "scripts/*.map", "vendor/fontawesome/*/webfonts/*.ttf")


def mend(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Drop the scripts and follow the reader's preference for dark or light."""
    scripts = context.get("script_files", [])
    context["script_files"] = [s for s in scripts if "thebe" not in f"{s.filename}{s.attributes}".lower()]
    context["default_mode"] = "auto"


def prune(app: Any, exception: Exception | None) -> None:
    """Remove the theme's files that no page loads, two and a half megabytes."""
    static = Path(app.outdir) / "_static"
    for pattern in UNUSED:
        for path in static.glob(pattern):
            path.unlink()
    shutil.rmtree(static / "locales", ignore_errors=True)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx, after the theme."""
    app.connect("html-page-context", mend, priority=900)
    app.connect("build-finished", prune, priority=900)
    return {"parallel_read_safe": True}
