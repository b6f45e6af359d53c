"""Write the three pages for researchers: concordance, all results, open problems (`--check`: only compare)."""

from __future__ import annotations

import sys
from pathlib import Path

from bnlib.book.claims import ClaimError
from scripts.pages import concordance, open_problems, results
from scripts.pages.generated import command
from scripts.pages.research import ResearchError, Sources

PAGES = {"concordance": concordance.page, "results": results.page, "open_problems": open_problems.page}


def pages(root: Path) -> dict[Path, str]:
    """Return the text of each page, by its file."""
    sources = Sources(root)
    return {root / "book" / f"{name}.md": page(sources) for name, page in PAGES.items()}


def main(argv: list[str] | None = None) -> int:
    """Write the files, or with `--check` compare them; return the exit status."""
    return command("scripts.pages.research_pages", __doc__, pages, refused=(ClaimError, ResearchError), argv=argv)


if __name__ == "__main__":
    sys.exit(main())
