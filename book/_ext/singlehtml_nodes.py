"""Let the single page use the handlers of HTML: sphinx-exercise registers some for it alone, which hide the rest."""

from __future__ import annotations

from typing import Any


def fall_back(app: Any) -> None:
    """Fill what the single page lacks from what HTML has."""
    handlers = app.registry.translation_handlers
    handlers["singlehtml"] = {**handlers.get("html", {}), **handlers.get("singlehtml", {})}


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", fall_back)
    return {"parallel_read_safe": True}
