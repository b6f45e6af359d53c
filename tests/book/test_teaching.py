"""The plan of lectures is complete: every lecture says what to show, draw, prove, set and leave out."""

import re

import pytest

from notebook_checks import ROOT
from scripts.chapters.book import Book
from sheet_checks import labels

PARTS = ["Aim", "Show", "Draw", "Prove", "Set", "Leave out"]
# What a part must link to, and how often at least.
LINKS = {"Show": (r"\{numref\}`fig-", 2), "Prove": (r"\{prf:ref\}`", 1), "Set": (r"\{ref\}`", 3)}
PAGE = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
EXERCISES = {label for path in Book(ROOT).chapters for label in labels(path.read_text(encoding="utf-8"))}


def faults(page, exercises):
    """List what is wrong with the plan of six lectures.

    Args:
        page: the text of the page.
        exercises: the labels of all exercises.
    """
    (plan,) = re.findall(r"^## Six lectures\n(.*?)^## ", page, re.M | re.S)
    lectures = re.split(r"^### ", plan, flags=re.M)[1:]
    if [lecture[:3] for lecture in lectures] != [f"{number}. " for number in range(1, 7)]:
        yield "there are not six lectures in order"
    for lecture in lectures:
        found = re.findall(r"^- \*\*([\w ]+)\.\*\* (.*?)(?=^- |^\*\*|\Z)", lecture, re.M | re.S)
        if [name for name, _ in found] != PARTS:
            yield f"lecture {lecture[0]} has the parts {', '.join(name for name, _ in found)}"
        for name, text in found:
            pattern, least = LINKS.get(name, ("", 0))
            if len(re.findall(pattern, text)) < least:
                yield f"lecture {lecture[0]} has fewer than {least} links under {name}"
            if name == "Set":
                wrong = [label for label in re.findall(r"\{ref\}`([^`]*)`", text) if label not in exercises]
                yield from (f"lecture {lecture[0]} sets {label}, which is no exercise" for label in wrong)


def test_the_plan_is_complete():
    assert list(faults(PAGE, EXERCISES)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("### 6. ", "### 7. ", "there are not six lectures in order"),
        ("- **Draw.**", "- **Paint.**", "lecture 1 has the parts Aim, Show, Paint, Prove, Set, Leave out"),
        ("{prf:ref}`thm-linear-cost`", "it", "lecture 2 has fewer than 1 links under Prove"),
        ("{numref}`fig-rank-depth`, {numref}`fig-rank-annulus`", "two", "lecture 3 has fewer than 2 links under Show"),
        ("{ref}`ex-weights-k`", "{ref}`claim-edge`", "lecture 4 sets claim-edge, which is no exercise"),
        (", {ref}`ex-two-weights`", "", "lecture 5 has fewer than 3 links under Set"),
    ],
)
def test_a_gap_in_the_plan_is_seen(old, new, fault):
    page = PAGE.replace(old, new).replace("then the expansion, {prf:ref}", "the expansion, ")
    assert fault in list(faults(page, EXERCISES))
