"""Measure what a reader of a chapter gets, on the built site in a browser: `make reading`.

Everything that can be folded is folded, except where lines are measured: a folded line must fit when it is opened. The
measures of a site are kept in results/reading.json as those of now (`--keep now`), and the page of numbers shows them.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager
from playwright.sync_api import Page, ViewportSize, sync_playwright

from scripts.atomic import write
from scripts.chapters.book import ROOT, Book
from scripts.chapters.notebook import read_source
from scripts.pages import browser

DESK = ViewportSize(width=1280, height=900)
STORED = ROOT / "results" / "reading.json"
WIDEST = 78  # characters of a line of code
TALLEST = 15  # lines of a cell that nobody folded
SHARE = 15.0  # percent of a page's height that visible code may take
MEASURE = """() => {
    const article = document.querySelector('article');
    const seen = e => e.checkVisibility() && e.getBoundingClientRect().height > 0;
    const all = (selector, test) => [...article.querySelectorAll(selector)].filter(test);
    const cells = all('div.cell_input', seen);
    const height = e => e.getBoundingClientRect().height;
    const blocks = all('div.cell_output div.output', e => seen(e) && e.querySelector('pre'));
    const figures = all('figure, div.cell_output img', e => seen(e) && !e.parentElement.closest('figure'));
    const outer = e => seen(e) && !e.parentElement.closest('figure, .hero');
    const shown = all('figure, div.hero, div.cell_output img', outer);
    const ends = shown.map(e => e.getBoundingClientRect().bottom + scrollY);
    const facts = {
        share: 100 * cells.reduce((sum, e) => sum + height(e), 0) / height(article),
        height: height(article),
        lines: cells.map(e => e.querySelector('pre').textContent.trimEnd().split('\\n').length),
        blocks: blocks.length,
        figures: figures.length,
        head: ends[1] / innerHeight,
    };
    for (const details of article.querySelectorAll('details')) details.open = true;
    for (const box of article.querySelectorAll('.toggle-hidden')) box.classList.remove('toggle-hidden');
    const cut = e => seen(e) && e.scrollWidth > e.clientWidth + 1;
    facts.cut = all('div.cell_input pre', cut).map(e => e.textContent.trim().split('\\n')[0]);
    return facts;
}"""


def defined(path: Path, root: Path = ROOT) -> int:
    """Return how many functions and classes a chapter defines, nested ones and methods included.

    Args:
        path: the chapter's text.
        root: the checkout, for the settings of jupytext.
    """
    code = (cell.source for cell in read_source(path, root).cells if cell.cell_type == "code")
    trees = (ast.parse(TransformerManager().transform_cell(source)) for source in code)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return sum(isinstance(node, kinds) for tree in trees for node in ast.walk(tree))


def measure(page: Page, built: Path) -> dict[str, Any]:
    """Return the measures of one built chapter.

    Args:
        page: an open page of a browser, as wide as a desk's.
        built: the chapter of the built site.

    Returns:
        share: percent of the article's height taken by code that nobody folded;
        height: of the article, in pixels;
        lines: of each visible cell;
        cut: first lines of the cells, folded ones too, with a line that is cut at the right edge;
        blocks: visible printed outputs;
        figures: visible figures;
        head: screens down to the end of the second picture: that of the theorem and the figure with the message.
    """
    page.goto(built.as_uri(), wait_until="load")
    page.evaluate(browser.MATH)
    facts: dict[str, Any] = page.evaluate(MEASURE)
    return facts


def measured(book: Book, site: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each chapter with what is stored of its measures.

    Args:
        book: the chapters.
        site: the built site.

    Raises:
        SystemExit: where there is no browser or no site.
    """
    if (executable := browser.path()) is None:
        raise SystemExit(browser.MISSING)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = chromium.new_page(viewport=DESK)
        for path in book.chapters:
            built = site / "notebooks" / f"{path.stem}.html"
            if not built.exists():
                raise SystemExit(f"There is no {built.name} in {site}: run `make book` first.")
            facts = measure(page, built)
            yield (
                path.stem,
                {
                    "share": round(facts["share"], 1),
                    "cut": len(facts["cut"]),
                    "tallest": max(facts["lines"], default=0),
                    "defined": defined(path),
                    "blocks": facts["blocks"],
                    "figures": facts["figures"],
                    "head": round(facts["head"], 1),
                },
            )
        chromium.close()


def main() -> None:
    """Print the table, and keep it when a name is given."""
    parser = argparse.ArgumentParser(prog="scripts.pages.reading", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--keep", metavar="NAME", help="keep the measures in results/reading.json under this name")
    kept = parser.parse_args().keep
    rows = {}
    print("chapter            code %  cut  tallest  defined  printed  figures  two figures")
    for stem, row in measured(Book(ROOT), ROOT / "_build" / "html"):
        rows[stem] = row
        print(
            f"{stem:18s} {row['share']:6.1f} {row['cut']:4d} {row['tallest']:8d} {row['defined']:8d}"
            f" {row['blocks']:8d} {row['figures']:8d} {row['head']:12.1f}"
        )
    if kept:
        stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
        write(STORED, json.dumps(stored | {kept: rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
