"""Write the page of open problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.pages.research import Sources, folded

HEAD = """\
% Written by scripts.pages.research_pages from book/_data/open_problems.yml: edit that file, then run `make reproduce`.

# Open problems

What this book leaves open and finds worth an answer: {count} problems in {groups} groups. For each one the page says
what is known, what would decide it, and which experiment of the book bears on it. What is left open by a single chapter
stands there, under *What is not shown*.
"""


def card(problem: Mapping[str, Any], sources: Sources) -> str:
    """Write one problem under a heading of its own."""
    lines = [f"### {problem['title']}", "", folded(problem["question"]), ""]
    lines += [f"- **Known.** {folded(problem['known'])}", f"- **What would decide it.** {folded(problem['decide'])}"]
    if "bears" in problem:
        lines.append(f"- **What bears on it.** {folded(problem['bears'])}")
    lines.append(f"- **In the book.** {', '.join(map(sources.place, problem['where']))}")
    if evidence := list(map(sources.evidence, problem.get("claims", []))):
        lines.append(f"- **Claims.** {' · '.join(evidence)}")
    return "\n".join(lines) + "\n"


def page(sources: Sources) -> str:
    """Return the whole page."""
    groups = sources.data("open_problems")["groups"]
    text = HEAD.format(count=sum(len(group["problems"]) for group in groups), groups=len(groups))
    for group in groups:
        text += f"\n## {group['title']}\n\n" + "\n".join(card(problem, sources) for problem in group["problems"])
    return text
