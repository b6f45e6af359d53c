"""Draw the pictures that stand in print, and without scripts, for the widgets (`--check`: only compare).

A picture is what the widget itself draws at its start, so the two cannot differ. The data of the ladder are a script,
because a page on disk may load one but may not fetch a file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from scripts.atomic import write
from scripts.pages.javascript import evaluate

ROOT = Path(__file__).resolve().parents[2]
FOLDER, WIDTH = "book/_static/widgets", 720
DATA, STORED = "ladder-data", "results/learning-rates.json"


class Picture(NamedTuple):
    """Hold which widget draws a picture, the script of its data, and what its box says."""

    widget: str
    data: str | None = None
    box: dict[str, str] = {}  # noqa: RUF012 - never changed


PICTURES = {
    "cost": Picture("cost"),
    "cone": Picture("cone"),
    "snake": Picture("snake"),
    "snake-cells": Picture("snake", box={"kind": "cells"}),
    "ladder": Picture("ladder", DATA),
}


def ladder_data(root: Path = ROOT) -> str:
    """Return the stored ladder of learning rates as a script."""
    stored: dict[str, Any] = json.loads((root / STORED).read_text(encoding="utf-8"))
    lines = ",\n".join(json.dumps(record, separators=(",", ":")) for record in stored["records"])
    times = json.dumps(stored["manifest"]["times"], separators=(",", ":"))
    return (
        f"// Written by scripts/pages/widget_figures.py from {STORED}.\n"
        f"globalThis.bnlibLadder = {{ times: {times}, records: [\n{lines}\n] }};\n"
    )


def draw(picture: Picture, folder: Path) -> str:
    """Return the picture of a widget at its start."""
    names = ["draw", *([picture.data] if picture.data else []), picture.widget]
    call = (
        f"bnlibWidgets.{picture.widget}.draw"
        f"({{...{json.dumps(picture.box)}, ...bnlibWidgets.defaults('{picture.widget}')}}, {WIDTH}).svg"
    )
    return f"{evaluate([folder / f'{name}.js' for name in names], call)}\n"


def put(path: Path, text: str, check: bool) -> bool:
    """Write a file unless only checking; return whether it was another one."""
    stale = not path.exists() or path.read_text(encoding="utf-8") != text
    if stale and not check:
        write(path, text)
    return stale


def bring_up_to_date(root: Path = ROOT, *, check: bool = False) -> list[str]:
    """Write what is stale, or with ``check`` only look; return the names of the files that were.

    Args:
        root: the repository.
        check: write nothing.
    """
    folder = root / FOLDER
    stale = [f"{DATA}.js"] if put(folder / f"{DATA}.js", ladder_data(root), check) else []
    return stale + [
        f"{name}.svg" for name, picture in PICTURES.items() if put(folder / f"{name}.svg", draw(picture, folder), check)
    ]


def main(argv: list[str] | None = None) -> int:
    """Write what is stale, or with `--check` name it; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    args = parser.parse_args(argv)
    stale = bring_up_to_date(args.root, check=args.check)
    if args.check and stale:
        print(f"{', '.join(stale)}: stale, run `python -m scripts.pages.widget_figures`.", file=sys.stderr)
    return int(args.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
