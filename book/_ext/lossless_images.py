"""Store the figures of the site in fewer bytes, pixel for pixel the same.

Figures of notebooks are PNG images with a channel of transparency that they do not use. As lossless WebP they take half
of the bytes. The pages and their tips are led to the new names.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from PIL import Image


def shrink(path: Path) -> Path:
    """Replace a PNG image by a lossless WebP image of the same pixels where that is smaller.

    Args:
        path: the image.

    Returns:
        The path of what is kept.
    """
    target = path.with_suffix(".webp")
    with Image.open(path) as image:
        if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
            image = image.convert("RGB")
        image.save(target, "WEBP", lossless=True, exact=True, quality=80, method=4)
    worse = path if target.stat().st_size < path.stat().st_size else target
    worse.unlink()
    return target if worse == path else path


def shrink_all(app: Any, exception: Exception | None) -> None:
    """Rewrite the figures of a site that was built, and what names them."""
    if exception is not None or app.builder.name != "html":
        return
    site = Path(app.outdir)
    for path in (site / "_images").glob("*.png"):
        shrink(path)
    kept = {path.stem for path in (site / "_images").glob("*.webp")}

    def renamed(match: re.Match[str]) -> str:
        return f"_images/{match[1]}.webp" if match[1] in kept else match[0]

    for path in (*site.rglob("*.html"), *(site / "_static" / "tippy").rglob("*.js")):
        text = path.read_text(encoding="utf-8")
        if (new := re.sub(r"_images/([^\"'\\/ ]+)\.png", renamed, text)) != text:
            path.write_text(new, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx, to run when all files are there."""
    app.connect("build-finished", shrink_all, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
