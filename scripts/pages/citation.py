"""Write the BibTeX entry of the book, which the first page shows, from CITATION.cff (`--check`: only compare)."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

from scripts.chapters.book import ROOT
from scripts.pages.generated import command

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
    """Write the files, or with `--check` compare them; return the exit status."""
    return command("scripts.pages.citation", __doc__, lambda root: {root / TARGET: bibtex(root)}, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
