"""The pipeline: what makes a chapter stale, what a run writes, and what nbval lets pass."""

import json
import os
import re

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook

from notebook_checks import ROOT
from scripts.atomic import write
from scripts.chapters import run_notebooks
from scripts.chapters.installing import installing_cell, installs
from scripts.pages import status_page
from small_book import BAD, GOOD, LEDGER, MODULES, add, chapter, sample, store

ALL = {name.replace("/", ".").removesuffix(".__init__") for name in MODULES} - {"__init__"}
ROOM = {"room", "room.deep", "room.shallow"}


def reach(book, *cells):
    return book.library.reach(new_notebook(cells=[new_code_cell(cell) for cell in cells]))


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("import bnlib as bn\nbn.fit(1)", {"a", "c"}),
        ("import bnlib as bn\nbn.rank_of(1)", {"b"}),
        ("import bnlib\nbnlib.c.inner(1)", {"c"}),
        ("import bnlib.c", {"c"}),
        ("import bnlib.c as c", {"c"}),
        ("from bnlib import fit as f", {"a", "c"}),
        ("from bnlib import c", {"c"}),
        ("from bnlib.b import rank", {"b"}),
        ("import bnlib as bn\nbn.draw()", {"d", "b"}),
        ("import bnlib as bn\nbn.TITLE, bn.__version__", set()),
        ("%pip install bnlib\nprint('bnlib')", set()),
        ("import bnlib as bn\nbn.nowhere", ALL),
        ("import bnlib as bn\ngetattr(bn, 'f' + 'it')", ALL),
        ("from bnlib import *", ALL),
        # Of a room, what is named counts, and not the rest of it.
        ("from bnlib import sink", {"room.deep", "c"}),
        ("from bnlib.room import sink", {"room.deep", "c"}),
        ("from bnlib.room import swim as s", {"room.shallow"}),
        ("from bnlib.room import deep", {"room.deep", "c"}),
        ("from bnlib.room.shallow import swim", {"room.shallow"}),
        ("import bnlib.room.shallow", {"room.shallow"}),
        ("import bnlib.room.shallow\nbnlib.room.shallow.swim(bnlib.b.rank(0))", {"room.shallow", "b"}),
        ("import bnlib.room as r\nr.swim(1)", {"room.shallow"}),
        ("import bnlib.room.shallow as s\ns.swim(1)", {"room.shallow"}),
        ("import bnlib as bn\nbn.room.sink(1)", {"room.deep", "c"}),
        ("import bnlib as bn\nbn.room.shallow.swim(1)", {"room.shallow"}),
        ("from bnlib import room\nroom.swim(1)", {"room.shallow"}),
        ("from bnlib import passed\npassed.swim(1)", {"passed", "room.shallow"}),
        ("import bnlib as bn\nbn.passed.swim(1)", {"passed", "room.shallow"}),
        # Where a room is handed around, or lacks the name, all of it counts, or all that there is.
        ("from bnlib import room\ngetattr(room, 'swim')", ROOM | {"c"}),
        ("import bnlib as bn\nprint(bn.room)", ROOM | {"c"}),
        ("from bnlib.room import *", ALL),
        ("from bnlib.room import nowhere", ALL),
    ],
)
def test_reach(book, code, modules):
    assert reach(book, code) == modules


def test_reach_across_cells(book):
    assert reach(book, "import bnlib as bn", "%matplotlib inline\nbn.rank_of(1)") == {"b"}


def stale(book):
    """Name the chapters that are stale, as `--check` does."""
    return {path.stem: reasons for path in book.chapters if (reasons := run_notebooks.check_chapter(book, path))}


CODE = {
    "d_law": "bn.draw()",
    "a_law": "bn.fit(1)",
    "b_law": "bn.rank_of(1)",
    "deep_law": "bn.sink(1)",
    "shallow_law": "bn.passed.swim(1)",
}


@pytest.fixture
def stored(book):
    """Fresh chapters: one reaches a and c, one only b, one d and through it b, two a module each of the room."""
    for name, code in CODE.items():
        store(book, add(book, name, "import bnlib as bn", code))
    assert stale(book) == {}
    return book


@pytest.mark.parametrize(
    ("module", "chapters"),
    [
        ("a", {"a_law"}),
        ("b", {"b_law", "d_law"}),
        ("c", {"a_law", "deep_law"}),
        ("d", {"d_law"}),
        ("__init__", set()),
        ("room/deep", {"deep_law"}),
        ("room/shallow", {"shallow_law"}),
        ("room/__init__", set()),
    ],
)
def test_code_change_makes_stale_exactly_the_chapters_that_reach_it(stored, module, chapters):
    path = stored.root / "bnlib" / f"{module}.py"
    path.write_text(path.read_text() + "\nNEW = 1\n")
    assert stale(stored).keys() == chapters
    assert all(reasons == [f"the library changed in {module.replace('/', '.')}"] for reasons in stale(stored).values())


def test_a_name_that_a_room_takes_from_elsewhere_makes_stale_who_uses_it(stored):
    edit(stored.root / "bnlib" / "room" / "__init__.py", "from .deep import sink", "from .shallow import swim as sink")
    assert stale(stored).keys() == {"deep_law"}


def test_number_changed_in_a_module(stored):
    path = stored.root / "bnlib" / "a.py"
    path.write_text(path.read_text().replace("1.0", "1.5"))
    assert stale(stored).keys() == {"a_law"}


def test_prose_changes_make_nothing_stale(stored):
    path = stored.root / "bnlib" / "a.py"
    path.write_text("# A comment.\n" + path.read_text().replace("Doc.", "Other words."))
    assert stale(stored) == {}


def test_data_file_counts_for_the_module_that_names_it(stored):
    (stored.root / "bnlib" / "book.mplstyle").write_text("lines.linewidth: 2\n")
    assert stale(stored).keys() == {"d_law"}


def test_results_count_for_the_chapter_that_loads_them(stored):
    def store_results(name, checksum):
        path = stored.root / "results" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        manifest = {"sha256": checksum, "planned": 2, "stored": 1, "seeds": [0], "runs": []}
        path.write_text(json.dumps({"manifest": manifest, "records": []}))

    path = add(stored, "r_law", "import bnlib as bn", 'r = bn.fit.load("a-law")')
    store_results("a-law", "1")
    store(stored, path)
    assert stale(stored) == {}
    store_results("b-law", "2")
    assert stale(stored) == {}
    store_results("a-law", "2")
    assert stale(stored) == {"r_law": ["the results of a-law changed"]}
    assert "| `a-law` | 1 of 2 | 1 |" in status_page.page(stored)


def test_locked_version_makes_every_chapter_stale(stored):
    stored.lock.write_text(stored.lock.read_text().replace("jax==1.0", "jax==1.1"))
    assert stale(stored) == {name: ["jax went from 1.0 to 1.1"] for name in CODE}


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("suffix", "old", "new", "reason"),
    [
        (".md", "bn.fit(1)", "bn.fit(2)", "its code changed"),
        (".ipynb", "bn.fit(1)", "bn.fit(2)", "notebook and its text differ"),
        (".md", "Some text.", "Other text.", "notebook and its text differ"),
        (".ipynb", "Some text.", "Other text.", "notebook and its text differ"),
        (".ipynb", "output 1", "output 7", "outputs were edited"),
        (
            ".md",
            "```{code-cell} ipython3\nbn",
            "```{code-cell} ipython3\n---\nmystnb:\n  image:\n    alt: Text\n---\nbn",
            "notebook and its text differ",
        ),
        (".md", "```{code-cell} ipython3\nbn", "```{code-cell} ipython3\n:tags: [claim]\n\nbn", "differ"),
    ],
)
def test_drift_between_pairs_is_caught(stored, suffix, old, new, reason):
    edit(stored.root / "notebooks" / f"a_law{suffix}", old, new)
    found = stale(stored)
    assert found.keys() == {"a_law"}
    assert any(reason in text for text in found["a_law"])


def test_prose_is_taken_over_without_a_run(stored, monkeypatch):
    monkeypatch.setattr(run_notebooks, "execute", lambda *_: pytest.fail("a fresh chapter was run"))
    edit(stored.root / "notebooks" / "a_law.md", "Some text.", "Other text.")
    assert run_notebooks.main([], stored.root) == 0
    text = (stored.root / "notebooks" / "a_law.ipynb").read_text()
    assert "Other text." in text
    assert "output 1" in text
    assert stale(stored) == {}


def test_another_address_in_the_installing_cell_makes_nothing_stale(book):
    """What the cell does besides installing does."""
    cell = installing_cell("https://github.com/jane/book", "v1.2.3")
    path = add(book, "a_law", cell, "import bnlib as bn")
    store(book, path)
    edit(path, "jane/book", "joe/other-book")
    edit(path, "v1.2.3", "v2.0.0rc1")
    assert stale(book) == {"a_law": ["its notebook and its text differ"]}
    assert run_notebooks.main([], book.root) == 0
    assert stale(book) == {}
    assert "joe/other-book@v2.0.0rc1" in path.with_suffix(".ipynb").read_text()
    edit(path, "%env NPROC=1", "%env NPROC=2")
    assert stale(book) == {"a_law": ["its code changed"]}


@pytest.mark.parametrize("more", ["\nx = 1", "\n    x = 1", " --pre", "\n    %pip install more"])
def test_a_cell_that_does_more_than_install_is_code(more):
    cell = installing_cell("https://github.com/jane/book", "v1.2.3")
    assert installs(cell)
    assert installs(cell.replace("\n\n", "\n"))
    assert not installs(cell + more)
    assert not installs("x = 1\n" + cell)


def test_check_names_stale_chapters_and_changes_nothing(stored, capsys):
    edit(stored.root / "notebooks" / "b_law.md", "rank_of(1)", "rank_of(2)")
    before = {path: path.read_bytes() for path in stored.root.rglob("*") if path.is_file()}
    assert run_notebooks.main(["--check"], stored.root) == 1
    assert "b_law: its code changed" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in stored.root.rglob("*") if path.is_file()}


def test_unknown_chapter_is_one_sentence(book, capsys):
    assert run_notebooks.main(["notebooks/no_law.md"], book.root) == 1
    assert capsys.readouterr().err == "no_law: there is no such chapter.\n"


def test_broken_notebook_file_is_one_sentence(stored, capsys):
    (stored.root / "notebooks" / "a_law.ipynb").write_text("{")
    assert run_notebooks.main(["--check"], stored.root) == 1
    assert "a_law: a_law.ipynb is no notebook" in capsys.readouterr().err


def test_running_times_keep_the_order_of_the_book(stored, monkeypatch, capsys):
    monkeypatch.setattr(run_notebooks, "execute", lambda *_: None)
    for name in ("shallow_law", "a_law", "d_law"):
        run_notebooks.main(["--all", str(stored.root / "notebooks" / f"{name}.md")], stored.root)
    assert list(stored.runtimes) == ["d_law", "a_law", "shallow_law"]
    shown = re.findall(r"notebooks/(\w+)\.ipynb", status_page.page(stored))
    assert shown == ["d_law", "a_law", "shallow_law"]


def test_the_status_page_tool_checks_and_writes(stored, capsys):
    arguments = ["--root", str(stored.root)]
    assert status_page.main(["--check", *arguments]) == 1
    assert "`python -m scripts.pages.status_page`" in capsys.readouterr().err
    assert not stored.status.exists()
    assert status_page.main(arguments) == 0
    assert stored.status.read_text() == status_page.page(stored)
    assert status_page.main(["--check", *arguments]) == 0


# Runs in a real kernel.

VERDICT = r"holds  a-law: 1 of 1 checks  [\u00a0]\n  holds  slope: slope is 2.0 +/- 0.1  [measured 1.98]"


def test_run_writes_everything_and_the_same_bytes_again(book, capsys):
    path = add(book, "a_law", "x = 1", "x = 1", f'print("{VERDICT}")')
    assert run_notebooks.main([], book.root) == 0
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [1, 2, 3]
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert stale(book) == {}

    assert book.ledger.read_text() == LEDGER.replace('""  # filled by a run', '{"slope": "1.98", "note": "\u00a0"}')
    assert yaml.safe_load(book.ledger.read_text())["claims"][0]["measured"] == {"slope": "1.98", "note": "\u00a0"}
    assert book.runtimes["a_law"].keys() == {"seconds", "cpus", "platform", "python", "jax"}

    capsys.readouterr()
    before = path.read_bytes(), path.with_suffix(".ipynb").read_bytes()
    assert run_notebooks.main([], book.root) == 0
    assert "outputs stand" in capsys.readouterr().out
    assert run_notebooks.main(["--all"], book.root) == 0
    assert before == (path.read_bytes(), path.with_suffix(".ipynb").read_bytes())


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('so far')\nraise ValueError('no')", "a cell failed with ValueError: no"),
        ("import os\nos._exit(1)", "its kernel died"),
        (
            r'print("holds  z-law: 1 of 1 checks\n  holds  x: x is at most 1  [measured 1]")',
            "claims.yml has no record with a `measured:` line for z-law",
        ),
        ("x = (", "was never closed"),
    ],
)
def test_failed_run_leaves_everything_as_it_was(book, capsys, code, reason):
    path = add(book, "a_law", "x = 1")
    store(book, path)
    path.write_text(chapter(code))
    before = {path: path.read_bytes() for path in book.root.rglob("*") if path.is_file()}
    assert run_notebooks.main([], book.root) == 1
    assert re.fullmatch(rf"a_law: .*{re.escape(reason)}.*\.", capsys.readouterr().err.splitlines()[-1])
    assert before == {path: path.read_bytes() for path in book.root.rglob("*") if path.is_file()}


def test_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


# What nbval lets pass.


def test_nbval_tolerates_rounding_and_nothing_else(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    pytester.makeconftest((ROOT / "conftest.py").read_text())
    for name, cells in {"good": GOOD, "bad": BAD}.items():
        nbformat.write(sample(cells), pytester.path / f"{name}.ipynb")
    result = pytester.runpytest_subprocess("--nbval", "--nbval-current-env")
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["failed"]) == (len(GOOD), len(BAD))
    result.stdout.no_fnmatch_line("*good.ipynb*Cell*FAILED*")
