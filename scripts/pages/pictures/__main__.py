"""Draw the picture at the head of each chapter into book/_static/pictures, or with `--check` compare them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.atomic import write
from scripts.chapters.book import ROOT, Book
from scripts.pages.pictures.catalogue import PICTURES

FOLDER = Path("book", "_static", "pictures")


def files(root: Path = ROOT) -> dict[Path, str]:
    """Return the text of the picture of every chapter of a book."""
    chapters = [path.stem for path in Book(root).chapters]
    if missing := [stem for stem in chapters if stem not in PICTURES]:
        raise ValueError(
            f"No picture is drawn for {', '.join(missing)}: add it to scripts/pages/pictures/catalogue.py."
        )
    return {root / FOLDER / f"{stem}.svg": PICTURES[stem]().svg() for stem in chapters}


def main(argv: list[str] | None = None) -> int:
    """Write the pictures, or with `--check` name those that are stale; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a picture is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    args = parser.parse_args(argv)
    try:
        drawn = files(args.root)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    present = set((args.root / FOLDER).glob("*.svg"))
    stale = {path for path, text in drawn.items() if path not in present or path.read_text("utf-8") != text}
    extra = present - drawn.keys()
    if args.check:
        if stale | extra:
            names = ", ".join(sorted(path.name for path in stale | extra))
            print(f"{names}: stale, run `python -m scripts.pages.pictures`.", file=sys.stderr)
        return int(bool(stale | extra))
    for path in sorted(stale):
        write(path, drawn[path])
    for path in extra:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
