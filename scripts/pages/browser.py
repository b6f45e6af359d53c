"""Find the browser that is installed here, and how it prints."""

from __future__ import annotations

import os
import shutil
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = f"No browser here: install one of {', '.join(BROWSERS)}, or name one in BNLIB_BROWSER."

# Waits until every formula is set.
MATH = "() => window.MathJax && MathJax.startup ? MathJax.startup.promise.then(() => true) : true"
# How a page goes to paper.
PAPER: dict[str, Any] = {
    "format": "A4",
    "margin": {"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"},
    "print_background": True,
    "tagged": True,
    "outline": True,
    "display_header_footer": True,
    "header_template": "<span></span>",
    "footer_template": '<div style="font-size: 8px; width: 100%; text-align: center" class="pageNumber"></div>',
}


def path() -> str | None:
    """Return the path of a Chromium or Chrome, None where there is none."""
    named = [os.environ.get("BNLIB_BROWSER"), *map(shutil.which, BROWSERS)]
    return next((found for found in named if found), None)
