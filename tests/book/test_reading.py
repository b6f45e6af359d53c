"""What is measured of a chapter, as far as it needs no browser; `make site` has the rest."""

import json

from scripts.chapters.book import ROOT, Book
from scripts.pages.reading import STORED, defined
from scripts.pages.status_page import reading_table
from small_book import HEAD

CHAPTER = (
    HEAD
    + """
# A title

```{code-cell} ipython3
%env NPROC=1
class Law:
    def value(self):
        return 1
```

A function in the text, `def f(x)`, is none of its code.

```{code-cell} ipython3
:tags: [hide-input]

def outer():
    def inner(): ...
```
"""
)
ROW = {"share": 20.5, "cut": 3, "tallest": 30, "defined": 4, "blocks": 5, "figures": 2, "head": 4.0}


def test_functions_and_classes_are_counted(tmp_path):
    path = tmp_path / "small.md"
    path.write_text(CHAPTER, encoding="utf-8")
    assert defined(path, ROOT) == 4


def test_the_table_shows_before_and_now():
    kept = {"before": {"law": ROW}, "now": {"law": ROW | {"share": 9.0, "cut": 0}, "new": ROW}}
    table = reading_table(kept)
    assert "| [](../notebooks/law.ipynb) | 20.5 → 9 | 3 → 0 | 30 → 30 |" in table
    assert "| [](../notebooks/new.ipynb) | 20.5 | 3 | 30 | 4 | 5 | 2 | 4 |" in table
    assert reading_table({"before": {"law": ROW}}) == ""


def test_every_chapter_was_measured():
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    assert all(set(row) == set(ROW) for rows in stored.values() for row in rows.values())
    assert list(stored["now"]) == [path.stem for path in Book(ROOT).chapters]
