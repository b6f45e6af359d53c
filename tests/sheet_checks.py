"""What a sheet of exercises must be: every exercise of the chapters once, and none of their solutions or hints."""

import re

from bs4 import BeautifulSoup

LABELS = re.compile(r"^`{3,}\{exercise(?:-start)?\}[^\n]*\n(?::(?!label:)[^\n]*\n)*:label: *(\S+)", re.M)
LONG = 30  # characters; shorter sentences may stand in an exercise and in a solution


def labels(text):
    """List the labels of a chapter's exercises."""
    return LABELS.findall(text)


def passages(page):
    """List what the solutions and hints of a built page say, by paragraph."""
    soup = BeautifulSoup(page, "html.parser")
    found = soup.select(".solution p, .solution pre, .exercise .dropdown p, .hint p")
    texts = {" ".join(passage.get_text().split()) for passage in found}
    return sorted(text for text in texts if len(text) >= LONG)


def faults(sheet, chapters, pages):
    """List what is wrong with a sheet without solutions.

    Args:
        sheet: the sheet, as HTML.
        chapters: the texts of the chapters.
        pages: the built pages of the chapters.
    """
    soup = BeautifulSoup(sheet, "html.parser")
    wanted = [label for text in chapters for label in labels(text)]
    ids = [box["id"] for box in soup.select(".exercise")]
    text = " ".join(soup.get_text().split())
    yield from (f"{label} stands there {ids.count(label)} times" for label in wanted if ids.count(label) != 1)
    yield from (f"{label} is no exercise of a chapter" for label in ids if label not in wanted)
    yield from ("a solution" for _ in soup.select(".solution"))
    yield from (f"says what a solution says: {said}" for page in pages for said in passages(page) if said in text)
    anchors = [link["href"] for link in soup.select("a[href]")]
    known = {f"#{box['id']}" for box in soup.select("[id]")}
    yield from (f"a link to {href}" for href in anchors if not href.startswith("https://") and href not in known)
