"""Write the BibTeX entry of the book, which the first page shows, from CITATION.cff (`--check`: only compare)."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import yaml

from scripts.atomic import write
from scripts.chapters.book import ROOT

TARGET = "book/_includes/cite.bib"


def bibtex(root: Path = ROOT) -> str:
    """Return the entry: authors, title, version and address of CITATION.cff, and the year of the site's copyright."""
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    fields = {
        "title": f"{{{citation['title']}}}",
        "author": " and ".join(map(author, citation["authors"])),
        "year": str(config["copyright"]),
        "version": str(citation["version"]),
        "url": citation["repository-code"],
    }
    rows = "".join(f"  {name:<7} = {{{value}}},\n" for name, value in fields.items())
    key = "_".join(re.findall(r"[a-z]+", citation["title"].partition(":")[0].lower()))
    return f"@software{{{key},\n{rows}}}\n"


def author(entry: dict[str, str]) -> str:
    """Write an author as BibTeX reads it: a person by both names, others as one name in braces.

    Example:
        >>> author({"family-names": "Noether", "given-names": "Emmy"}), author({"name": "The authors"})
        ('Noether, Emmy', '{The authors}')
    """
    if "name" in entry:
        return f"{{{entry['name']}}}"
    return f"{entry['family-names']}, {entry['given-names']}"


def main(argv: list[str] | None = None) -> int:
    """Write the entry, or with `--check` compare it; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the entry is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    args = parser.parse_args(argv)
    target, text = args.root / TARGET, bibtex(args.root)
    if not args.check:
        write(target, text)
    elif not target.exists() or target.read_text(encoding="utf-8") != text:
        print(f"{TARGET} is not what CITATION.cff says: run `python -m scripts.pages.citation`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
