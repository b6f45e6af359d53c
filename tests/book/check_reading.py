"""A reader of a built chapter gets pictures first, little code and no line that is cut: `make site`."""

import pytest

from scripts.chapters.book import Book
from scripts.pages.reading import DESK, SHARE, TALLEST, measure
from site_visits import ROOT, SITE, need

CHAPTERS = [path.stem for path in Book(ROOT).chapters]
HEAD = 1.25  # screens: a title of two lines, the question, and two pictures with their captions

need(*(f"notebooks/{chapter}.html" for chapter in CHAPTERS))


@pytest.fixture
def page(browser):
    found = browser.new_page(viewport=DESK)
    yield found
    found.close()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_code_leaves_room_for_the_chapter(page, chapter):
    facts = measure(page, SITE / "notebooks" / f"{chapter}.html")
    assert facts["cut"] == []
    assert max(facts["lines"], default=0) <= TALLEST
    assert facts["share"] < SHARE
    assert facts["head"] <= HEAD


def test_a_chapter_that_is_all_code_is_found(page, tmp_path):
    cell = "<div class='cell_input'><pre style='width: 600px; overflow: auto'>{}</pre></div>"
    figure = "<figure style='height: 1200px'></figure>"
    code = cell.format("x\n" * 20) + "<details>" + cell.format("x" * 200) + "</details>"
    (tmp_path / "bad.html").write_text(f"<article style='font: 14px monospace'>{figure}{code}{figure}</article>")
    facts = measure(page, tmp_path / "bad.html")
    assert facts["lines"] == [20]
    assert facts["cut"] == ["x" * 200]
    assert 5 < facts["share"] < 50
    assert facts["head"] > HEAD
    assert facts["figures"] == 2
