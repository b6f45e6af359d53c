"""Let the icons come from the style sheet and its fonts alone.

The theme loads them a second time as a script of 1.5 MB, which replaces each icon by a drawing of the same form.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

TAG = re.compile(r'\s*<script src="[^"]*/fontawesome/[^"]*/js/all\.min\.js[^"]*"></script>')


def drop_script(app: Any, exception: Exception | None) -> None:
    """Remove the script from a site that was built, and from the pages that load it."""
    if exception is not None or app.builder.name != "html":
        return
    site = Path(app.outdir)
    for page in sorted(site.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        if (kept := TAG.sub("", text)) != text:
            page.write_text(kept, encoding="utf-8")
    for folder in sorted((site / "_static" / "vendor" / "fontawesome").glob("*/js")):
        shutil.rmtree(folder)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", drop_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
