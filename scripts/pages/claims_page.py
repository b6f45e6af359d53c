"""Write what shows the ledger from claims.yml (`--check`: only compare).

That is book/claims.md, the page of claims, book/_includes/state.md, which the first page includes, and a table in
README.md.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from bnlib.book.claims import Claim, ClaimError, load
from scripts.atomic import write

ROOT = Path(__file__).resolve().parents[2]
STATUS = {
    "certified": (
        "bdg-success",
        "an inequality or identity that must hold for every network, checked in float64",
    ),
    "reproduced": ("bdg-primary", "an experiment whose every measured number is inside its stated tolerance"),
    "partly": (
        "bdg-warning",
        "some of the claim's checks pass and some do not; the deviation says which and why",
    ),
    "not reproduced": ("bdg-danger", "none of the claim's checks passes; the deviation says what was seen"),
    "open": ("bdg-muted", "not treated in the book yet"),
}
STANDING = {
    "claimed-in-paper": "claimed in the paper",
    "proved-here": "proved in the book",
    "beyond-the-papers": "goes beyond the papers",
}
MARKED = re.compile(r"(<!-- claims -->\n)(.*?)(<!-- end of claims -->)", re.S)
HEAD = """\
% Written by scripts.pages.claims_page from claims.yml: edit that file, then run `make reproduce`.

# The claims and where they stand

Every statement of the book that can be checked has one record in the ledger, `claims.yml`, from which this
page is written. {doc}`running` says how a verdict comes about. The sources are J23 {cite:p}`J23`, J22
{cite:p}`J22` and L21 {cite:p}`L21`, known here through their abstracts and main results; *book* marks what
this book adds.

| status | claims | meaning |
|---|---|---|
"""


def escaped(text: str) -> str:
    """Make plain text safe to stand in Markdown."""
    return re.sub(r"([\\`*_\[\]<>$|~{}#])", r"\\\1", " ".join(text.split()))


def chapter_link(claim: Claim, root: Path) -> str:
    """Link a claim to its place in its chapter, by the chapter's title."""
    source = root / str(claim.chapter).partition("#")[0]
    title = re.search(r"^# (.+)$", source.read_text(encoding="utf-8"), re.M) if source.exists() else None
    return f"{{ref}}`{title[1].strip() if title else source.stem} <claim-{claim.id}>`"


def card(claim: Claim, root: Path) -> str:
    """Write one claim as a definition list, which wraps at any width."""
    words = STANDING if claim.proved else STANDING | {"proved-here": "its proof is still to come"}
    standing = ", ".join([claim.kind, *claim.source, *(words.get(s, s) for s in claim.standing)])
    lines = [
        f"(claim-page-{claim.id})=",
        f"`{claim.id}` {{{STATUS[claim.status][0]}}}`{claim.status}`",
        f": {escaped(claim.statement)}",
        f": *{escaped(standing)}*",
    ]
    if claim.chapter:
        lines.append(f": Chapter: {chapter_link(claim, root)}")
        chapter = Path(claim.chapter.partition("#")[0]).with_suffix(".ipynb").as_posix()
        lines.append(f": Run it again: `.venv/bin/python -m scripts.chapters.run_notebooks --all {chapter}`")
    if claim.tests:
        lines.append(f": Tests: `.venv/bin/pytest {' '.join(claim.tests)}`")
    if claim.measured:
        lines.append(f": Measured: {escaped(claim.measured)}")
    if claim.deviation:
        lines.append(f": Deviation: {escaped(claim.deviation)}")
    return "\n".join(lines) + "\n"


def page(ledger: Mapping[str, Claim], root: Path = ROOT) -> str:
    """Return the whole page for a ledger."""
    counts = Counter(claim.status for claim in ledger.values())
    if unknown := counts.keys() - STATUS.keys():
        raise ClaimError(
            f"The claims ledger has a status that is none of {', '.join(STATUS)}: {', '.join(map(str, unknown))}."
        )
    rows = [f"| {{{badge}}}`{s}` | {counts[s]} | {meaning} |\n" for s, (badge, meaning) in STATUS.items()]
    parts = []
    for title, claims in groupby(ledger.values(), key=lambda claim: claim.part):
        parts.append(f"\n## {title}\n\n" + "\n".join(card(claim, root) for claim in claims))
    return HEAD + "".join(rows) + "".join(parts)


def state(ledger: Mapping[str, Claim]) -> str:
    """Return the state of every claim in little: one line a part, one badge a claim."""
    counts = Counter(claim.status for claim in ledger.values())
    legend = ", ".join(f"{{{badge}}}`{counts[s]} {s}`" for s, (badge, _) in STATUS.items() if counts[s])
    lines = [
        f"% Written by scripts.pages.claims_page from claims.yml.\n\n{legend}\n\n| part | its claims |\n|---|---|\n"
    ]
    for title, claims in groupby(ledger.values(), key=lambda claim: claim.part):
        badges = (f"{{{STATUS[c.status][0].replace('bdg', 'bdg-ref')}}}`{c.id} <claim-page-{c.id}>`" for c in claims)
        lines.append(f"| {title} | {' '.join(badges)} |\n")
    return "".join(lines)


def miniature(readme: str, ledger: Mapping[str, Claim]) -> str:
    """Return the README with its table of claims written anew, between the two marks."""
    counts = Counter(claim.status for claim in ledger.values())
    rows = [f"| {s} | {counts[s]} | {meaning} |\n" for s, (_, meaning) in STATUS.items() if counts[s]]
    table = "| status | claims | meaning |\n|---|---|---|\n" + "".join(rows)
    return MARKED.sub(lambda m: m[1] + table + m[3], readme)


def pages(ledger: Mapping[str, Claim], root: Path) -> dict[Path, str]:
    """Return the text of every file that shows the ledger."""
    found = {root / "book" / "claims.md": page(ledger, root), root / "book" / "_includes" / "state.md": state(ledger)}
    readme = root / "README.md"
    return found | ({readme: miniature(readme.read_text(encoding="utf-8"), ledger)} if readme.exists() else {})


def main(argv: list[str] | None = None) -> int:
    """Write the files, or with `--check` compare them; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    args = parser.parse_args(argv)
    try:
        texts = pages(load(args.root / "claims.yml"), args.root)
    except ClaimError as error:
        print(error, file=sys.stderr)
        return 1
    old = {target: text for target, text in texts.items() if not target.exists() or target.read_text("utf-8") != text}
    for target, text in old.items():
        name = target.relative_to(args.root).as_posix()
        if args.check:
            print(f"{name} is not what claims.yml says: run `python -m scripts.pages.claims_page`.", file=sys.stderr)
        else:
            write(target, text)
    return int(bool(old) and args.check)


if __name__ == "__main__":
    sys.exit(main())
