"""Complete what sphinx-tippy does: tips may hold formulas, are never half a build old, and leave nothing behind.

It knows only the pages of the present build, so all are written anew when one was read, and it gives each page's
script a new name every time, so the old ones are taken away.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def note(app: Any, env: Any, docnames: list[str]) -> None:
    """Remember whether any page is read."""
    env.tips_changed = bool(docnames)


def rewrite(app: Any, env: Any) -> list[str]:
    """Return the pages to write: all or none."""
    return sorted(env.found_docs) if env.tips_changed else []


def load_mathjax(app: Any, pagename: str, *_: Any) -> None:
    """Let a page without formulas have MathJax: its tips may have some."""
    app.env.get_domain("math").data["has_equations"][pagename] = True


def clear(app: Any, exception: Exception | None) -> None:
    """Remove the scripts of earlier builds, and the empty answers of services that nobody asks."""
    for data in getattr(app.env, "tippy_data", {"pages": {}})["pages"].values():
        script = data["js_path"]
        stem = script.name.split(".")[0]
        for old in set(script.parent.glob(f"{stem}.*.js")) - {script}:
            old.unlink()
    for name in ("wiki", "doi", "rtd"):
        Path(app.outdir, f"tippy_{name}_cache.json").unlink(missing_ok=True)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx, around sphinx-tippy."""
    app.connect("env-before-read-docs", note)
    app.connect("env-updated", rewrite)
    app.connect("html-page-context", load_mathjax, priority=440)
    app.connect("build-finished", clear, priority=900)
    return {"parallel_read_safe": True}
