"""What a reader sees of a chapter's code is short enough to read, and no line is cut at the edge of the page."""

import pytest
from nbformat.v4 import new_code_cell

from scripts.chapters.book import ROOT, Book
from scripts.chapters.format_cells import formatted
from scripts.chapters.notebook import read_source
from scripts.pages.reading import TALLEST, WIDEST

FOLDED = ("hide-input", "hide-cell", "remove-input")


def faults(cells):
    """List the visible cells that are too long, and the lines that are too wide of any cell that the page has."""
    for cell in cells:
        tags = set(cell.metadata.get("tags", ()))
        if cell.cell_type == "code" and cell.source and "remove-cell" not in tags:
            lines = cell.source.splitlines()
            if len(lines) > TALLEST and not set(FOLDED) & tags:
                yield f"{len(lines)} visible lines: {lines[0]}"
            yield from (f"{len(line)} characters: {line}" for line in lines if len(line) > WIDEST)


@pytest.mark.parametrize("path", Book(ROOT).chapters, ids=lambda path: path.stem)
def test_cells_are_short(path):
    assert list(faults(read_source(path, ROOT).cells)) == []


@pytest.mark.parametrize("path", Book(ROOT).chapters, ids=lambda path: path.stem)
def test_code_is_formatted(path):
    assert formatted(path) == path.read_text(encoding="utf-8"), "`make format` brings it into form"


def test_long_cells_are_found():
    long, wide = new_code_cell("x\n" * 16), new_code_cell("x" * 79)
    folded = new_code_cell("x\n" * 16, metadata={"tags": ["hide-input"]})
    named = new_code_cell("x\n" * 16, metadata={"tags": ["nbval-ignore-output"]})
    assert len(list(faults([long, named, new_code_cell("x\n" * 15), folded]))) == 2
    assert list(faults([wide])) == [f"79 characters: {'x' * 79}"]


def test_code_that_is_not_formatted_is_found(tmp_path):
    text = Book(ROOT).chapters[0].read_text(encoding="utf-8").replace("import bnlib as bn\n", "import  bnlib as bn\n")
    path = tmp_path / "small.md"
    path.write_text(text, encoding="utf-8")
    assert "import  bnlib" in text
    assert "import  bnlib" not in formatted(path)
