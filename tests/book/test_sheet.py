"""The sheet of exercises, made from two small pages; the site's own sheet is looked at by `make site`."""

import pytest

from scripts.chapters.book import Book
from scripts.pages import browser
from scripts.pages import sheet as maker
from scripts.pages.sheet import SheetError, sheet
from sheet_checks import faults, labels

CHAPTERS = {
    "a_law": "```{exercise} One\n:label: ex-one\n\nShow it.\n```\n\n```{solution} ex-one\nClear.\n```\n\n"
    "````{exercise-start} Two\n:class: starred\n:label: ex-two\n````\n\n```{exercise-end}\n```\n",
    "b_law": "# No exercise\n",
    "c_law": "```{exercise}\n:label: three\n\nSay why.\n```\n",
}
PAGES = {
    "a_law": """<article><h1>1. The <em>law</em><a class="headerlink" href="#x">#</a></h1>
<div class="exercise admonition" id="ex-one"><p class="admonition-title">Exercise 1.1 (One)</p>
<section id="exercise-content"><p>Show that <span class="math">\\(x &lt; 1\\)</span> by <a href="#thm">Theorem 1.1</a>,
with <a href="../book/bibliography.html#id1">[J]</a>, <a href="https://example.org/">this</a> and
<a href="c_law.html#three">Exercise 3.1</a>. <img alt="A line." src="../_images/line.png"/></p>
<div class="hint admonition"><p class="admonition-title">Hint</p><p>Look at the smallest singular value first.</p></div>
<div class="tip dropdown admonition"><p>Then divide by the largest singular value.</p></div></section></div>
<div class="solution dropdown admonition" id="notebooks/a_law-solution-1"><p class="admonition-title">Solution</p>
<section id="solution-content"><p>Both sides are equal for a partial isometry.</p></section></div>
<div class="exercise admonition" id="ex-two"><p class="admonition-title">Exercise 1.2 (Two)</p>
<section id="exercise-content"><div class="cell_input"><button>Copy</button><pre>predict = ...</pre></div></section>
</div>
</article>""",
    "b_law": "<article><h1>2. No exercise</h1></article>",
    "c_law": """<article><h1>3. More</h1><div class="exercise admonition" id="three">
<p class="admonition-title">Exercise 3.1</p><section id="exercise-content"><p>Say why.</p></section></div>
<div class="cell docutils container"><div class="cell_input"><pre>ridge = 0.002  # change this</pre></div>
<div class="cell_output"><pre>the rank is 2</pre></div></div>
<div class="dropdown hint admonition"><p class="admonition-title">Hint</p>
<p>A dimension costs the depth times the ridge.</p></div></article>""",
}


@pytest.fixture
def site(tmp_path):
    """The chapters and the pages that were built of them."""
    built = tmp_path / "_build" / "html" / "notebooks"
    built.mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nversion = "1.2.3"\n[project.urls]\nRepository = "https://github.com/jane/book"\n'
    )
    entries = [f"      - file: notebooks/{name}\n" for name in CHAPTERS]
    (tmp_path / "_toc.yml").write_text("parts:\n  - chapters:\n" + "".join(entries))
    for name, page in PAGES.items():
        (tmp_path / "notebooks" / f"{name}.md").write_text(CHAPTERS[name])
        (built / f"{name}.html").write_text(page)
    return Book(tmp_path)


def make(book, solutions=False):
    return sheet(book, book.root / "_build" / "html", book.root / "_build" / "sheet", solutions)


def test_labels_of_plain_and_gated_exercises_are_found():
    assert [labels(text) for text in CHAPTERS.values()] == [["ex-one", "ex-two"], [], ["three"]]


def test_the_sheet_has_each_exercise_once_and_no_solution(site):
    made = make(site)
    assert list(faults(made, CHAPTERS.values(), PAGES.values())) == []
    for said in (
        "Show that",
        "predict = ...",
        "Say why.",
        "# change this",
        '<img alt="A line." src="../html/_images/line.png"/>',
    ):
        assert said in made
    for unsaid in (
        "smallest singular",
        "largest singular",
        "partial isometry",
        "Copy",
        "No exercise",
        "headerlink",
        "is 2",
        "costs",
    ):
        assert unsaid not in made


def test_links_lead_to_the_published_site_and_within_the_sheet(site):
    made = make(site)
    home = "https://jane.github.io/book/"
    assert f'<h2><a href="{home}notebooks/a_law.html">1. The law</a></h2>' in made
    for href in (
        f"{home}notebooks/a_law.html#thm",
        f"{home}book/bibliography.html#id1",
        "https://example.org/",
        "#three",
    ):
        assert f'href="{href}"' in made


def test_the_lecturers_sheet_has_solutions_and_hints(site):
    made = make(site, solutions=True)
    for said in ("smallest singular", "largest singular", "partial isometry", "costs the depth", "# change this"):
        assert made.count(said) == 1


BROKEN = {
    "with solutions": (lambda book: make(book, solutions=True), "a solution"),
    "with what a solution says": (
        lambda book: make(book).replace("Say why.", "Both sides are equal for a partial isometry."),
        "says what a solution says: Both sides",
    ),
    "with a hint": (
        lambda book: make(book).replace("Say why.", "Look at the smallest singular value first."),
        "says what a solution says: Look at",
    ),
    "without an exercise": (lambda book: make(book).replace('id="ex-two"', 'id="x"'), "ex-two stands there 0 times"),
    "with another exercise": (lambda book: make(book).replace('id="ex-two"', 'id="x"'), "x is no exercise"),
    "with an exercise twice": (lambda book: make(book).replace('"ex-two"', '"ex-one"'), "ex-one stands there 2 times"),
    "with a link to nowhere": (lambda book: make(book).replace('"#three"', '"c_law.html"'), "a link to c_law.html"),
}


@pytest.mark.parametrize(("broken", "fault"), BROKEN.values(), ids=BROKEN)
def test_a_broken_sheet_is_seen(site, broken, fault):
    found = list(faults(broken(site), CHAPTERS.values(), PAGES.values()))
    assert any(line.startswith(fault) for line in found), found


def test_without_a_site_it_says_what_to_do(site, capsys):
    (site.root / "_build" / "html" / "notebooks" / "b_law.html").unlink()
    with pytest.raises(SheetError, match="run `make book` first"):
        make(site)
    assert maker.main([], site.root) == 1
    assert "No sheet was made: there is no notebooks/b_law.html" in capsys.readouterr().err
    assert not (site.root / "_build" / "sheet").exists()


def test_without_a_browser_the_page_is_written(site, monkeypatch, capsys):
    monkeypatch.setattr(browser, "path", lambda: None)
    assert maker.main([], site.root) == 1
    assert "The sheet is written, but not printed" in capsys.readouterr().err
    assert (site.root / "_build" / "sheet" / "exercises.html").read_text() == make(site)
