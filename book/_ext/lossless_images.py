"""Store the figures of the site in fewer bytes, pixel for pixel the same.

Figures of notebooks have a channel of transparency that they do not use, and a quick compression.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image


def shrink(path: Path) -> int:
    """Rewrite a PNG image where that makes it smaller, and return how many bytes were saved.

    Args:
        path: the image.
    """
    before = path.read_bytes()
    with Image.open(io.BytesIO(before)) as image:
        if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
            image = image.convert("RGB")
        after = io.BytesIO()
        image.save(after, "PNG", optimize=True)
    saved = len(before) - len(after.getvalue())
    if saved > 0:
        path.write_bytes(after.getvalue())
    return max(saved, 0)


def shrink_all(app: Any, exception: Exception | None) -> None:
    """Rewrite the figures of a site that was built."""
    if exception is None and app.builder.name == "html":
        for path in sorted((Path(app.outdir) / "_images").glob("*.png")):
            shrink(path)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", shrink_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
