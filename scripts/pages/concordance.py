"""Write what the papers state, by content, beside what this book makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.pages.claims_page import badge
from scripts.pages.research import PAPERS, ResearchError, Sources, definition, folded

# In the colours of the claims page, where they fit; outlined, because they do not speak of a claim's checks.
HERE = {
    "same": ("bdg-success-line", "proved here as stated, in our form"),
    "sharper": (
        "bdg-primary-line",
        "proved here with more: constants, weaker hypotheses, finite depth, or the case of equality",
    ),
    "weaker": ("bdg-secondary-line", "proved here under a further hypothesis, or less than stated"),
    "fails": ("bdg-danger-line", "a counterexample is proved or observed here; the note says to which reading"),
    "observed": ("bdg-info-line", "seen or not seen in experiments; nothing is proved about it here"),
    "taken": ("bdg-muted-line", "used here, not proved"),
    "open": ("bdg-muted-line", "a question that is open here"),
}
PROVED = ("same", "sharper", "weaker")
FOUND = ("certified", "reproduced")
THEOREM = ("proved here", "proved in part")
HEAD = """\
% Written by scripts.pages.research_pages from book/_data/concordance.yml: edit that file, then run `make reproduce`.

# Concordance with the papers

What the four papers state, where it stands in this book, and how the two compare. Statements are given by content, in
our words: we know the papers through their abstracts and main statements, and cite neither their numbers nor their
sentences. So *same*, *sharper* and *weaker* compare with the statement as it is written here.

"""


def entries(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every statement with its paper."""
    for paper in data["papers"]:
        for part in paper["parts"]:
            for entry in part["statements"]:
                yield paper["key"], entry


def faults(data: Mapping[str, Any], sources: Sources) -> Iterator[str]:
    """Yield what is wrong: claims of a paper that are missing, and words that ledger or chapters do not bear out."""
    for _, entry in entries(data):
        for name in entry["where"]:
            sources.place(name)  # raises, as the next line, when there is no such thing
        for name in entry.get("claims", []):
            sources.claim(name)
    found = [paper["key"] for paper in data["papers"]]
    if found != list(PAPERS):
        yield f"the papers must be {', '.join(PAPERS)} in this order, not {', '.join(found)}"
    named = {(paper, name) for paper, entry in entries(data) for name in entry.get("claims", [])}
    for claim in sources.ledger.values():
        for paper in claim.source:
            if paper in PAPERS and (paper, claim.id) not in named:
                yield f"the claim {claim.id} has the source {paper}, but no statement of {paper} names it"
    for paper, entry in entries(data):
        for problem in misfits(entry, sources):
            yield f"{paper}, {folded(entry['says'])!r} is {entry['here']!r}, but {problem}"


def misfits(entry: Mapping[str, Any], sources: Sources) -> Iterator[str]:
    """Yield why the word for a statement does not go with what is proved and measured."""
    claims = [sources.claim(name) for name in entry.get("claims", [])]
    results = [sources.statements[name] for name in entry["where"] if name in sources.statements]
    word = entry["here"]
    if word in PROVED and not results:
        yield "it names no statement that is proved here"
    if word in PROVED and claims and all(claim.standing not in THEOREM for claim in claims):
        yield "none of its claims is proved here"
    if word in ("same", "sharper"):
        for claim in claims:
            if claim.status not in FOUND:
                yield f"the claim {claim.id} is {claim.status!r}"
    if word == "fails" and not results and not claims:
        yield "it names neither a proof nor a claim"
    if word == "observed" and claims and all(c.standing == "proved here" and c.status in FOUND for c in claims):
        yield "all of its claims are proved here"
    if word == "open" and not any(result.kind == "conjecture" for result in results):
        yield "it names no conjecture"


def card(entry: Mapping[str, Any], sources: Sources) -> str:
    """Write one statement as a definition list."""
    shown = entry["here"] in (*PROVED, "fails", "open")
    places = [sources.place(name) + (sources.proof_behind(name) if shown else "") for name in entry["where"]]
    lines = [folded(entry["note"]), f"Here: {', '.join(places)}"]
    if evidence := list(map(sources.evidence, entry.get("claims", []))):
        lines.append(f"Evidence: {' · '.join(evidence)}")
    return definition(f"{folded(entry['says'])} {badge(entry['here'], HERE)}", lines)


def page(sources: Sources) -> str:
    """Return the whole page."""
    data = sources.data("concordance")
    if problem := next(faults(data, sources), None):
        raise ResearchError(f"book/_data/concordance.yml: {problem}.")
    counts = Counter((paper, entry["here"]) for paper, entry in entries(data))
    keys = [paper["key"] for paper in data["papers"]]
    text = HEAD + f"| | {' | '.join(keys)} | meaning |\n|---|{'---|' * len(keys)}---|\n"
    for word, (_, meaning) in HERE.items():
        numbers = " | ".join(str(counts[key, word] or "") for key in keys)
        text += f"| {badge(word, HERE)} | {numbers} | {meaning} |\n"
    for paper in data["papers"]:
        text += f"\n## {paper['key']}\n\n{{cite:t}}`{paper['key']}` {folded(paper['known'])}\n"
        for part in paper["parts"]:
            text += f"\n### {part['title']}\n\n" + "\n".join(card(entry, sources) for entry in part["statements"])
    return text
