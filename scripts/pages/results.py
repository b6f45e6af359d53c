"""Write the list of all numbered statements, with their standing and the calls that compute what they speak of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.pages import concordance
from scripts.pages.claims_page import badge
from scripts.pages.research import ResearchError, Sources, definition, folded
from scripts.pages.statements import Statement

STANDING = {
    "proved here": ("bdg-success-line", "with a complete proof in its chapter"),
    "proved in part": ("bdg-success-line", "a part is proved here, and the sentence says which"),
    "taken": ("bdg-info-line", "proved elsewhere and used here"),
    "open": ("bdg-muted-line", "stated as a conjecture"),
}
HEAD = """\
% Written by scripts.pages.research_pages from the chapters and book/_data/results.yml: edit these, then run
% `make reproduce`.

# All results

Every theorem, proposition, lemma, corollary and conjecture of the book in the order of the chapters, each with its
standing and with the public call of the library that computes what it speaks of, if there is one. {doc}`concordance`
compares them with the papers, and {doc}`open_problems` lists what is missing.

```{container} on-screen
There are two alphabetical lists: {ref}`definitions and theorems <prf-prf>`, and
{doc}`terms and names of the library <../genindex>`.
```

"""
NEW = """
## New here

What goes beyond the four papers, as far as we know them: their abstracts and main statements.

"""


def standing(entry: Mapping[str, Any]) -> str:
    """Return the standing of a statement: proved, unless its entry says otherwise."""
    return str(entry.get("standing", "proved here"))


def faults(data: Mapping[str, Any], sources: Sources) -> Iterator[str]:
    """Yield what is wrong: statements without an entry or the reverse, and proofs that are said to be and are not."""
    entries = data["statements"]
    for label in sources.statements.keys() - entries.keys():
        yield f"{label} of the chapter {sources.statements[label].chapter} has no entry"
    for label in entries.keys() - sources.statements.keys():
        yield f"{label} has an entry, but no chapter has a statement with this label"
    for label in sorted(entries.keys() & sources.statements.keys()):
        entry, statement = entries[label], sources.statements[label]
        elsewhere = "proof" in entry or "follows" in entry
        if statement.proved and elsewhere:
            yield f"{label} has a proof of its own behind it, so its entry must name no other"
        if standing(entry).startswith("proved") and not statement.proved and not elsewhere:
            yield f"{label} is {standing(entry)!r}, but no proof follows it and its entry names none"
        if (standing(entry) == "open") != (statement.kind == "conjecture"):
            yield f"{label} is a {statement.kind}, and a conjecture alone is open"
        if standing(entry) == "taken" and statement.proved:
            yield f"{label} is taken from elsewhere, but a proof follows it"
        for name in entry.get("follows", []):
            if name not in sources.statements:
                yield f"{label} is said to follow from {name}, which is no statement of a chapter"


def card(statement: Statement, entry: Mapping[str, Any], papers: Mapping[str, list[str]], sources: Sources) -> str:
    """Write one statement as a definition list."""
    if proof := entry.get("proof") or statement.proof:
        source = [sources.proof(proof)]
    elif "follows" in entry:
        source = [f"follows from {' and '.join(map(sources.place, entry['follows']))}"]
    else:
        source = []
    if keys := papers.get(statement.label):
        source.append(f"in the {{doc}}`concordance <concordance>` with {', '.join(keys)}")
    words = badge(standing(entry), STANDING)
    text = folded(entry["says"]) + (f" {folded(entry['credit'])}" if "credit" in entry else "")
    lines = [text, " · ".join([words, *source])]
    if "calls" in entry:
        lines.append(f"Call: {', '.join(map(sources.call, entry['calls']))}")
    return definition(f"{sources.place(statement.label)}: {statement.title or statement.kind}", lines)


def page(sources: Sources) -> str:
    """Return the whole page."""
    data = sources.data("results")
    if problem := next(faults(data, sources), None):
        raise ResearchError(f"book/_data/results.yml: {problem}.")
    papers: dict[str, list[str]] = {}
    for paper, entry in concordance.entries(sources.data("concordance")):
        for name in entry["where"]:
            if name in sources.statements and paper not in papers.setdefault(name, []):
                papers[name].append(paper)
    counts = Counter(standing(entry) for entry in data["statements"].values())
    text = HEAD + "| standing | statements | meaning |\n|---|---|---|\n"
    for word, (_, meaning) in STANDING.items():
        if counts[word]:
            text += f"| {badge(word, STANDING)} | {counts[word]} | {meaning} |\n"
    text += NEW
    for item in data["new"]:
        links = [*map(sources.place, item["where"]), *map(sources.evidence, item.get("claims", []))]
        text += f"- {folded(item['says'])} {' · '.join(links)}\n"
    for chapter in sources.chapters.values():
        if chapter.statements:
            text += f"\n## {chapter.title}\n\nIn the chapter {{doc}}`../notebooks/{chapter.slug}`.\n\n"
            text += "\n".join(card(s, data["statements"][s.label], papers, sources) for s in chapter.statements)
    return text
