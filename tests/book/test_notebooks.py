"""Every stored chapter stands: fresh, paired with its text, whole; each check is shown to catch its fault."""

import copy
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from notebook_checks import (
    CHECKS,
    ROOT,
    Project,
    check_counts,
    check_figures,
    check_first_cell,
    check_hash,
    check_outputs,
    check_reals,
    check_size,
    check_timing,
    check_verdicts,
)
from scripts.chapters.book import Book
from scripts.chapters.freshness import outputs_hash
from scripts.chapters.run_notebooks import check_chapter

BOOK = Book(ROOT)
CHAPTERS = BOOK.chapters


def test_there_are_chapters():
    assert CHAPTERS


def test_each_notebook_has_its_text():
    stems = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert stems == {path.stem for path in CHAPTERS}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_is_fresh_and_paired(path):
    assert check_chapter(BOOK, path) == [], "`make reproduce` brings it up to date"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_stored_notebook(path, check):
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    assert list(check(notebook, Project.here())) == []


# A sound notebook in small, and what happens to it below.

PROJECT = Project(
    version="1.2.3",
    url="https://example.org/book",
    ledger={
        "a-law": {"status": "reproduced", "measured": {"slope": "1.98", "note": "8 seeds"}},
        "b-law": {"status": "not reproduced", "measured": {"x": "0.5"}},
        "c-law": {"status": "open", "measured": None},
    },
)
VERDICT = "holds  a-law: 1 of 1 checks  [8 seeds]\n  holds  slope: slope is 2.0 +/- 0.15  [measured 1.98]"


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


@pytest.fixture
def sound():
    figure = {"figure": {"name": "fig-a", "caption": "A line."}, "image": {"alt": "A line."}}
    cells = [
        new_code_cell(PROJECT.first_cell(), metadata={"tags": ["remove-cell"]}, execution_count=1),
        new_code_cell(
            "plt.show()",
            metadata={"mystnb": figure},
            execution_count=2,
            outputs=[new_output("display_data", {"image/png": "aGk=", "text/plain": "<Figure>"})],
        ),
        new_code_cell(
            "print(bn.check())",
            metadata={"tags": ["claim"]},
            execution_count=3,
            outputs=[stream(f"a ratio n/m and https://example.org/a/b\n{VERDICT}\n")],
        ),
    ]
    notebook = new_notebook(cells=cells)
    notebook.metadata["bnlib"] = {"outputs": outputs_hash(notebook)}
    return notebook


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_sound_notebook_passes(sound, check):
    assert list(check(sound, PROJECT)) == []


def says(line):
    return lambda nb: nb.cells[2].outputs.__setitem__(0, stream(line))


def retag(cell, *tags):
    return lambda nb: nb.cells[cell].metadata.__setitem__("tags", list(tags))


def drop(part, key):
    return lambda nb: nb.cells[1].metadata["mystnb"][part].pop(key)


def emit(output):
    return lambda nb: nb.cells[2].outputs.append(output)


def elsewhere(output):
    return lambda nb: nb.cells[1].outputs.append(output)


def source(text):
    return lambda nb: nb.cells[2].__setitem__("source", text)


FAULTS = {
    "a cell not run": (check_counts, lambda nb: nb.cells[1].__setitem__("execution_count", None), "None"),
    "a cell run twice": (check_counts, lambda nb: nb.cells[2].__setitem__("execution_count", 4), "4"),
    "an older version": (
        check_first_cell,
        lambda nb: nb.cells[0].__setitem__("source", nb.cells[0].source.replace("v1.2.3", "v1.2.2")),
        "v1.2.3",
    ),
    "another repository": (
        check_first_cell,
        lambda nb: nb.cells[0].__setitem__("source", nb.cells[0].source.replace("book@", "fork@")),
        "https://example.org/book",
    ),
    "no first cell": (check_first_cell, lambda nb: nb.cells.clear(), "first code cell"),
    "a shown first cell": (check_first_cell, retag(0), "remove-cell"),
    "no verdict": (check_verdicts, lambda nb: nb.cells.pop(2), "it has no verdict"),
    "a claim cell without verdict": (check_verdicts, says("nothing to see"), "prints no verdict"),
    "a verdict without tag": (check_verdicts, retag(2), "without the tag claim"),
    "a verdict kept from comparison": (check_verdicts, retag(2, "claim", "nbval-skip"), "kept from"),
    "a changed verdict": (check_verdicts, says(VERDICT.replace("holds  a", "partly  a")), "'partly' here"),
    "a verdict on an open claim": (
        check_verdicts,
        says("holds  c-law: 1 of 1 checks\n  holds  x: x is 1 +/- 1  [measured 1]"),
        "'open'",
    ),
    "an unknown claim": (check_verdicts, says(VERDICT.replace("a-law", "z-law")), "not in the ledger"),
    "a changed measurement": (
        check_verdicts,
        says(VERDICT.replace("1.98", "1.99")),
        "{'slope': '1.99', 'note': '8 seeds'} here",
    ),
    "no measurement": (check_verdicts, says("holds  a-law: 1 of 1 checks"), "malformed"),
    "no count of checks": (check_verdicts, says(VERDICT.replace("1 of 1 checks", "all")), "malformed"),
    "another note": (check_verdicts, says(VERDICT.replace("8 seeds", "9 seeds")), "'9 seeds'} here"),
    "a figure without name": (check_figures, drop("figure", "name"), "no name"),
    "a figure without caption": (check_figures, drop("figure", "caption"), "no caption"),
    "a figure without alt": (check_figures, drop("image", "alt"), "no alt"),
    "stderr": (check_outputs, emit(stream("warning", "stderr")), "stderr"),
    "an error": (check_outputs, emit(new_output("error", ename="ValueError", evalue="x")), "ValueError"),
    "an HTML table": (check_outputs, emit(new_output("display_data", {"text/html": "<p>"})), "text/html"),
    "HTML of no verdict": (check_outputs, elsewhere(new_output("execute_result", {"text/html": "<p>"})), "text/html"),
    "an absolute path": (check_outputs, emit(stream("saved to /opt/place/file.npz")), "/opt/place/file.npz"),
    "a Windows path": (check_outputs, emit(stream(r"saved to C:\place")), r"C:\p"),
    "a clock": (check_timing, source("start = time.perf_counter()"), "measures time"),
    "a timing magic": (check_timing, source("%timeit f(x)"), "measures time"),
    "a cell magic": (check_timing, source("%%capture\nf(x)"), "cell magic"),
    "a real number like a count": (check_reals, source("print(f'{x:6.0f}')"), "digit behind the point"),
    "a percentage like a count": (check_reals, source("print(f'{x:.0%}')"), "digit behind the point"),
    "a real number at times like a count": (check_reals, source("print(f'{x:.3g}')"), "digit behind the point"),
    "an edited output": (check_hash, says(VERDICT.replace("1.98", "1.99")), "not those that"),
    "a swapped figure": (
        check_hash,
        lambda nb: nb.cells[1].outputs[0].data.__setitem__("image/png", "aG8="),
        "not those that",
    ),
    "no stamp": (check_hash, lambda nb: nb.metadata.clear(), "not those that"),
    "a huge output": (check_size, emit(stream("x" * 3_000_000)), "more than 3,000,000"),
}


@pytest.mark.parametrize(("check", "spoil", "reason"), FAULTS.values(), ids=FAULTS)
def test_fault_is_caught(sound, check, spoil, reason):
    broken = copy.deepcopy(sound)
    spoil(broken)
    found = list(check(broken, PROJECT))
    assert any(re.search(re.escape(reason), problem) for problem in found), found


def test_every_check_has_a_fault():
    assert {check for check, _, _ in FAULTS.values()} == set(CHECKS)
