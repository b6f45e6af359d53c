"""Write generated files, or compare them: what the command of every such page does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.atomic import write
from scripts.chapters.book import ROOT

# By file its text; None for a file that should not be there.
Texts = Mapping[Path, str | None]


def stale(texts: Texts) -> list[Path]:
    """List the files that are not as they should be."""
    return [path for path, text in texts.items() if (path.read_text("utf-8") if path.exists() else None) != text]


def command(
    name: str,
    summary: str | None,
    texts: Callable[[Path], Texts],
    refused: tuple[type[Exception], ...] = (),
    argv: list[str] | None = None,
) -> int:
    """Write what is stale, or with `--check` name it; return the exit status.

    Args:
        name: the script, as `python -m` runs it.
        summary: its docstring, whose first line is its help.
        texts: what the files of a repository should hold.
        refused: exceptions of ``texts`` that say in a sentence what is wrong with its sources.
        argv: the arguments, those of the process by default.
    """
    parser = argparse.ArgumentParser(description=(summary or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    args = parser.parse_args(argv)
    try:
        wanted = texts(args.root)
    except refused as error:
        print(error, file=sys.stderr)
        return 1
    old = stale(wanted)
    for path in old:
        text = wanted[path]
        if args.check:
            print(f"{path.relative_to(args.root).as_posix()} is out of date: run `python -m {name}`.", file=sys.stderr)
        elif text is None:
            path.unlink()
        else:
            write(path, text)
    return int(bool(old) and args.check)
