"""Take the picture of the first page and of the README from the opening chapter (`--check`: only compare).

Its networks start as deep as they are: no layer was inserted. The words for those who cannot see it are the chapter's.
"""

from __future__ import annotations

import argparse
import base64
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat

from scripts.chapters.book import ROOT

SOURCE, NAME, TARGET = "notebooks/opening.ipynb", "fig-opening-weights", "book/_static/bottleneck.png"


class Picture(NamedTuple):
    """Hold a stored figure: its bytes, and the words for those who cannot see it."""

    image: bytes
    alt: str


def picture(root: Path = ROOT) -> Picture:
    """Read the figure from the stored chapter.

    Raises:
        ValueError: the chapter has no such figure, or more than one.
    """
    cells = nbformat.read(root / SOURCE, as_version=4).cells
    shown = [cell for cell in cells if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == NAME]
    stored = [output.get("data", {}) for cell in shown for output in cell.outputs]
    images = [data["image/png"] for data in stored if "image/png" in data]
    if len(images) != 1:
        raise ValueError(f"{SOURCE} stores {len(images)} pictures named {NAME}, not one: run `make reproduce`.")
    return Picture(base64.b64decode(images[0]), shown[0].metadata["mystnb"]["image"]["alt"])


def main(argv: list[str] | None = None) -> int:
    """Write the picture, or with `--check` compare it; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the picture is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    args = parser.parse_args(argv)
    target, image = args.root / TARGET, picture(args.root).image
    if target.exists() and target.read_bytes() == image:
        return 0
    if args.check:
        print(f"{TARGET} is not what {SOURCE} stores: run `python -m scripts.pages.landing_figure`.", file=sys.stderr)
        return 1
    draft = target.with_suffix(".draft")
    draft.write_bytes(image)
    draft.replace(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
