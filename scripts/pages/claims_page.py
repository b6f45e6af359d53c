"""Write what shows the ledger from claims.yml (`--check`: only compare).

That is book/claims.md, the page of claims, book/_includes/state.md, a line that the first page includes, and a table in
README.md.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bnlib.book.claims import Claim, ClaimError, load
from bnlib.book.verdict import judge
from scripts.chapters.book import ROOT, Book
from scripts.pages.generated import command

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
    "proved here": (
        "bdg-success-line",
        "a theorem with a complete proof in its chapter; its checks look at that theorem",
    ),
    "proved in part": (
        "bdg-success-line",
        "part of the statement is a theorem, proved in its chapter; the rest is observed",
    ),
    "taken from the paper": ("bdg-info-line", "a theorem that a paper proves, used here without a proof of our own"),
    "no proof": ("bdg-primary-line", "nothing here proves it: it is what experiments show"),
}
MARKED = re.compile(r"(<!-- claims -->\n)(.*?)(<!-- end of claims -->)", re.S)
HEAD = """\
% Written by scripts.pages.claims_page from claims.yml: edit that file, then run `make reproduce`.

# The claims and where they stand

Every statement of the book that can be checked has one record in the ledger, `claims.yml`, from which this
page is written. Each has two badges. The first says whether the statement is proved, the second what its checks found.
The two are independent: a theorem is checked like anything else, and an experiment may reproduce what nobody can prove.

"""
TAIL = """
{doc}`running` says how a verdict comes about. The sources are the papers {cite:p}`J23`, {cite:p}`J22`,
{cite:p}`L21` and {cite:p}`JK24`, known here through their abstracts and main results; *book* marks what this book adds.
"""


def escaped(text: str) -> str:
    """Make plain text safe to stand in Markdown."""
    return re.sub(r"([\\`*_\[\]<>$|~{}#])", r"\\\1", " ".join(text.split()))


def badge(words: str, table: Mapping[str, tuple[str, str]], text: str = "") -> str:
    """Write a badge in the colour of its words."""
    return f"{{{table[words][0]}}}`{text or words}`"


def checks(claim: Claim) -> list[str]:
    """Write the lines of a folded table: what is checked, what was measured, and why the bounds are where they are."""
    found = {}
    if claim.measured:
        numbers = {name: claim.measured.get(name) for name in claim.checks}
        found = {row.name: row for row in judge(claim, numbers).rows}
    lines = ["````{dropdown} What is checked, and what was measured", escaped(claim.test), "", escaped(claim.settings)]
    lines += ["", "| check | stated | measured | outcome | why this bound |", "|---|---|---|---|---|"]
    order = sorted(claim.checks, key=lambda name: found[name].passed if name in found else True)
    for name in order:
        rule, row = claim.checks[name], found.get(name)
        mark = "" if row is None else "✓ holds" if row.passed else "✗ fails"
        cells = (rule.label, rule.bound, row.measured if row else "", mark, rule.why)
        lines.append(f"| {' | '.join(escaped(cell) for cell in cells)} |")
    if claim.measured and (note := claim.measured.get("note")):
        lines += ["", f"Measured on {escaped(note)}."]
    if claim.chapter:
        chapter = Path(claim.chapter.partition("#")[0]).with_suffix(".ipynb").as_posix()
        lines += ["", f"Run it again: `.venv/bin/python -m scripts.chapters.run_notebooks --all {chapter}`"]
    if claim.tests:
        lines += ["", f"Tests: `.venv/bin/pytest {' '.join(claim.tests)}`"]
    return [*lines, "````"]


def card(claim: Claim) -> str:
    """Write one claim as a definition list, which wraps at any width."""
    origin = f"*{claim.kind}, {', '.join(claim.source)}*"
    links = [origin]
    if claim.chapter:
        links.append(f"{{ref}}`in its chapter <claim-{claim.id}>`")
    if claim.proved:
        links.append(f"{{ref}}`the proof <{claim.proved.partition('#')[2]}>`")
    lines = [
        f"(claim-page-{claim.id})=",
        f"`{claim.id}` {badge(claim.standing, STANDING)} {badge(claim.status, STATUS)}",
        f": {escaped(claim.statement)}",
        f": {' · '.join(links)}",
    ]
    if claim.deviation:
        lines.append(f": Deviation: {escaped(claim.deviation)}")
    if claim.checks:
        first, *rest = checks(claim)
        lines += [f": {first}", *(f"  {line}".rstrip() for line in rest)]
    return "\n".join(lines) + "\n"


def by_chapter(ledger: Mapping[str, Claim], root: Path) -> dict[str, list[Claim]]:
    """Return the claims of each chapter, chapters and claims in the order of the book; open ones come last."""
    groups: dict[str, list[Claim]] = {}
    for path in Book(root).chapters:
        anchors = re.findall(r"^\(claim-([\w-]+)\)=", path.read_text(encoding="utf-8"), re.M)
        mine = [c for c in ledger.values() if c.chapter and Path(c.chapter.partition("#")[0]).stem == path.stem]
        if mine:
            groups[path.stem] = sorted(mine, key=lambda c: anchors.index(c.id) if c.id in anchors else len(anchors))
    if rest := [claim for claim in ledger.values() if not any(claim in group for group in groups.values())]:
        groups[""] = rest
    return groups


def title(stem: str, root: Path) -> str:
    """Return the title of a chapter."""
    found = re.search(r"^# (.+)$", (root / "notebooks" / f"{stem}.md").read_text(encoding="utf-8"), re.M)
    return found[1].strip() if found else stem


def page(ledger: Mapping[str, Claim], root: Path = ROOT) -> str:
    """Return the whole page for a ledger."""
    text = HEAD
    for table, name, field in ((STANDING, "standing", "standing"), (STATUS, "status", "status")):
        counts = Counter(getattr(claim, field) for claim in ledger.values())
        if unknown := counts.keys() - table.keys():
            raise ClaimError(
                f"The claims ledger has a {name} that is none of {', '.join(table)}: {', '.join(map(str, unknown))}."
            )
        rows = [f"| {badge(word, table)} | {counts[word]} | {table[word][1]} |\n" for word in table if counts[word]]
        text += f"| {name} | claims | meaning |\n|---|---|---|\n" + "".join(rows) + "\n"
    text += TAIL
    for stem, claims in by_chapter(ledger, root).items():
        text += f"\n## {title(stem, root) if stem else 'Open'}\n\n" + "\n".join(map(card, claims))
    return text


def state(ledger: Mapping[str, Claim]) -> str:
    """Return the state of the ledger in one line."""
    counts = Counter(claim.status for claim in ledger.values())
    words = ", ".join(badge(s, STATUS, f"{counts[s]} {s}") for s in STATUS if counts[s])
    return f"% Written by scripts.pages.claims_page from claims.yml.\n\n{words}\n"


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
    return command(
        "scripts.pages.claims_page",
        __doc__,
        lambda root: pages(load(root / "claims.yml"), root),
        refused=(ClaimError,),
        argv=argv,
    )


if __name__ == "__main__":
    sys.exit(main())
