"""Find the browser that is installed here."""

from __future__ import annotations

import os
import shutil

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = f"No browser here: install one of {', '.join(BROWSERS)}, or name one in BNLIB_BROWSER."


def path() -> str | None:
    """Return the path of a Chromium or Chrome, None where there is none."""
    named = [os.environ.get("BNLIB_BROWSER"), *map(shutil.which, BROWSERS)]
    return next((found for found in named if found), None)
