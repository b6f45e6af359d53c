"""The sheet of exercises and the gallery of the built site are whole: `make site`."""

from gallery_checks import faults as faults_of_gallery
from gallery_checks import pages
from notebook_checks import ROOT
from scripts.chapters.book import Book
from scripts.pages.sheet import sheet
from sheet_checks import faults as faults_of_sheet
from site_visits import SITE, need

CHAPTERS = Book(ROOT).chapters

need("book/gallery.html")


def test_the_gallery_shows_every_figure():
    assert list(faults_of_gallery(SITE / "book" / "gallery.html", pages(SITE))) == []


def test_the_sheet_has_every_exercise_and_no_solution():
    made = sheet(Book(ROOT), SITE, ROOT / "_build" / "sheet", solutions=False)
    texts = [path.read_text(encoding="utf-8") for path in CHAPTERS]
    built = [(SITE / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8") for path in CHAPTERS]
    assert list(faults_of_sheet(made, texts, built)) == []
    with_solutions = sheet(Book(ROOT), SITE, ROOT / "_build" / "sheet", solutions=True)
    assert "a solution" in list(faults_of_sheet(with_solutions, texts, built))
