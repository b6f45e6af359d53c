"""Write the three pages for researchers: concordance, all results, open problems (`--check`: only compare)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bnlib.book.claims import ClaimError
from scripts.atomic import write
from scripts.pages import concordance, open_problems, results
from scripts.pages.research import ROOT, ResearchError, Sources

PAGES = {"concordance": concordance.page, "results": results.page, "open_problems": open_problems.page}


def pages(root: Path) -> dict[Path, str]:
    """Return the text of each page, by its file."""
    sources = Sources(root)
    return {root / "book" / f"{name}.md": page(sources) for name, page in PAGES.items()}


def main(argv: list[str] | None = None) -> int:
    """Write the pages, or with `--check` compare them; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    args = parser.parse_args(argv)
    try:
        texts = pages(args.root)
    except (ClaimError, ResearchError) as error:
        print(error, file=sys.stderr)
        return 1
    old = {target: text for target, text in texts.items() if not target.exists() or target.read_text("utf-8") != text}
    for target, text in old.items():
        if args.check:
            name = target.relative_to(args.root).as_posix()
            print(f"{name} is out of date: run `python -m scripts.pages.research_pages`.", file=sys.stderr)
        else:
            write(target, text)
    return int(bool(old) and args.check)


if __name__ == "__main__":
    sys.exit(main())
