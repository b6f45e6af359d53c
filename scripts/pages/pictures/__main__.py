"""Draw the picture at the head of each chapter into book/_static/pictures, or with `--check` compare them."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.chapters.book import ROOT, Book
from scripts.pages.generated import Texts, command
from scripts.pages.pictures.catalogue import PICTURES

FOLDER = Path("book", "_static", "pictures")


def files(root: Path = ROOT) -> Texts:
    """Return the text of the picture of every chapter of a book, and None for a picture of no chapter."""
    chapters = [path.stem for path in Book(root).chapters]
    if missing := [stem for stem in chapters if stem not in PICTURES]:
        raise ValueError(
            f"No picture is drawn for {', '.join(missing)}: add it to scripts/pages/pictures/catalogue.py."
        )
    drawn = {root / FOLDER / f"{stem}.svg": PICTURES[stem]().svg() for stem in chapters}
    return dict.fromkeys((root / FOLDER).glob("*.svg")) | drawn


def main(argv: list[str] | None = None) -> int:
    """Draw the pictures, or with `--check` compare them; return the exit status."""
    return command("scripts.pages.pictures", __doc__, files, refused=(ValueError,), argv=argv)


if __name__ == "__main__":
    sys.exit(main())
