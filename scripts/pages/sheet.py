"""Print the exercises of all chapters without their solutions and hints, for a course: `make sheet`.

The exercises are taken from the built site, where theorems and exercises have their numbers; links lead to the site as
it is published. `_build/sheet/` gets a page and its print: exercises.html and exercises.pdf, or with `--solutions`
solutions.html and solutions.pdf.
"""

from __future__ import annotations

import argparse
import copy
import html
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from bs4 import BeautifulSoup, Tag
from playwright.sync_api import sync_playwright

from scripts.atomic import write
from scripts.chapters.book import ROOT, Book
from scripts.pages import browser
from scripts.pages.address import Address

HINTS = ".admonition.hint, .admonition.dropdown, details.sd-dropdown"
FURNITURE = "a.headerlink, button, script"
STYLE = """
body { font: 11pt/1.45 Georgia, 'Liberation Serif', serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, .admonition-title { font-family: Helvetica, 'Liberation Sans', sans-serif; break-after: avoid; }
h2 { margin-top: 2em; font-size: 1.2em; }
a { color: inherit; text-decoration-color: #999; }
.admonition-title { font-weight: 600; margin: 1.4em 0 0.2em; }
.solution { border-left: 2px solid #999; padding-left: 0.8rem; }
.exercise { break-inside: avoid; }
pre { font-size: 0.8em; white-space: pre-wrap; overflow-wrap: anywhere; }
img { max-width: 100%; }
summary, .admonition.dropdown > .admonition-title > button { display: none; }
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{static}/pygments.css">
<style>{style}</style>
<script>window.MathJax = {{"options": {{"processHtmlClass": "math", "ignoreHtmlClass": "sheet"}}}}</script>
<script defer src="{static}/mathjax/tex-chtml.js"></script>
</head>
<body class="sheet">
<h1>{title}</h1>
<p>From <em>The bottleneck book</em>, <a href="{site}">{site}</a>. Numbers and links are those of the book.</p>
{chapters}
</body>
</html>
"""


class SheetError(Exception):
    """Why no sheet was made, in one sentence."""


def exercises(page: Tag, solutions: bool) -> Iterator[Tag]:
    """Yield copies of a page's exercises in order, each with the code cell that stands directly behind it.

    Where they are wanted, its hints and its solutions follow.

    Args:
        page: a chapter of the built site.
        solutions: whether solutions and hints are wanted.
    """
    for found in page.select("div.exercise, div.hint, div.solution"):
        asked = "exercise" in found["class"]
        if found.find_parent(class_=["exercise", "solution"]) or not (asked or solutions):
            continue
        box = copy.copy(found)
        behind = found.find_next_sibling()
        if asked and behind is not None and "cell" in behind.get_attribute_list("class"):
            box.extend(copy.copy(code) for code in behind.select(".cell_input"))
        for unwanted in box.select(FURNITURE if solutions else f"{FURNITURE}, {HINTS}, .solution"):
            unwanted.decompose()
        for section in box.select("section"):
            section.unwrap()  # all of them have the same id
        for details in box.select("details"):
            details["open"] = ""
        yield box


def relinked(box: Tag, page: str, site: str, root: str, here: set[str]) -> Tag:
    """Let the links of an exercise lead to the published site, or to an exercise of the sheet, in place.

    Args:
        box: an exercise or a solution.
        page: the page that it comes from, as in notebooks/cost.html.
        site: the address of the published site, with a slash at its end.
        root: where the built site lies, as seen from the sheet.
        here: the ids of the exercises on the sheet.
    """
    for link in box.select("a[href]"):
        target = urljoin(page, str(link["href"]))
        if not urlsplit(target).scheme:
            anchor = target.partition("#")[2]
            link["href"] = f"#{anchor}" if anchor in here else site + target
    for image in box.select("img[src]"):
        image["src"] = f"{root}/{urljoin(page, str(image['src']))}"
    return box


def sheet(book: Book, built: Path, folder: Path, solutions: bool) -> str:
    """Return the sheet as a page of HTML.

    Args:
        book: its contents give the order of the chapters.
        built: the folder of the built site.
        folder: where the sheet will lie.
        solutions: whether it has the solutions and hints.
    """
    site = f"https://{Address.read(book.root).values['site']}/"
    root = os.path.relpath(built, folder).replace(os.sep, "/")
    found = []
    for path in book.chapters:
        page = f"notebooks/{path.stem}.html"
        if not (built / page).exists():
            raise SheetError(f"there is no {page} in the built site: run `make book` first")
        soup = BeautifulSoup((built / page).read_text(encoding="utf-8"), "html.parser")
        title = soup.select_one("article h1")
        if title is None:
            raise SheetError(f"{page} has no title: run `make book` again")
        for link in title.select("a.headerlink"):
            link.decompose()
        found.append((page, title.get_text().strip(), list(exercises(soup, solutions))))
    here = {str(box["id"]) for *_, boxes in found for box in boxes if box.has_attr("id")}
    chapters = [
        f'<h2><a href="{site}{page}">{html.escape(title)}</a></h2>\n'
        + "\n".join(str(relinked(box, page, site, root, here)) for box in boxes)
        for page, title, boxes in found
        if boxes
    ]
    return PAGE.format(
        title="Exercises and their solutions" if solutions else "Exercises",
        static=f"{root}/_static",
        style=STYLE,
        site=site,
        chapters="\n".join(chapters),
    )


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Make the sheet, print it and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--solutions", action="store_true", help="with solutions and hints, for the lecturer")
    options = parser.parse_args(arguments)
    folder = root / "_build" / "sheet"
    target = folder / ("solutions.html" if options.solutions else "exercises.html")
    try:
        write(target, sheet(Book(root), root / "_build" / "html", folder, options.solutions))
    except SheetError as error:
        print(f"No sheet was made: {error}.", file=sys.stderr)
        return 1
    executable = browser.path()
    if executable is None:
        print(f"The sheet is written, but not printed: {target}. {browser.MISSING}", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = chromium.new_page()
        page.goto(target.as_uri(), wait_until="load")
        page.evaluate(browser.MATH)
        page.pdf(path=target.with_suffix(".pdf"), **browser.PAPER)
        chromium.close()
    print(f"The sheet is printed: {target.with_suffix('.pdf')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
