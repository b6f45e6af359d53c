"""The repository's address and tag stand in many files: one command sets them all, and sees where they disagree."""

import shutil
import subprocess

import pytest

from notebook_checks import ROOT
from scripts.chapters import run_notebooks
from scripts.chapters.book import Book
from scripts.chapters.installing import installing_cell
from scripts.pages import address
from scripts.pages.address import Address, AddressError, strangers, texts
from small_book import add, store

HERE = Address("jane", "book", "1.2.3")
README = """\
[online](https://jane.github.io/book/notebooks/a_law.html), or
[in Colab](https://colab.research.google.com/github/jane/book/blob/main/notebooks/a_law.ipynb).
The repository is <https://github.com/jane/book>, also git@github.com:jane/book.git.
Its site is https://jane.github.io/book. Not ours is https://docs.github.com/en/pages.

    git clone https://github.com/jane/book.git
    cd book
    pip install "bnlib[plot] @ git+https://github.com/jane/book@v1.2.3"
"""
WRONG = {
    "a fork": ("<https://github.com/jane/book>", "<https://github.com/jane/fork>", "3: the repository is jane/fork"),
    "another owner": ("jane/book@", "joe/book@", "8: the repository is joe/book"),
    "another notebook": ("google.com/github/jane/book", "google.com/github/joe/x", "2: the repository is joe/x"),
    "another site": ("//jane.github.io/book/", "//joe.github.io/book/", "1: the site is joe.github.io/book"),
    "another tag": ("v1.2.3", "v1.2.4", "8: the tag is v1.2.4"),
    "a branch": ("@v1.2.3", "@main", "8: the tag is main"),
    "another folder": ("cd book", "cd books", "7: the folder is books"),
}


@pytest.fixture
def published(book):
    """A book in small at jane/book, version 1.2.3."""
    root = book.root
    (root / "pyproject.toml").write_text(
        '[project]\nversion = "1.2.3"\n\n[project.urls]\nRepository = "https://github.com/jane/book"\n\n'
        '[tool.jupytext]\nformats = "ipynb,md:myst"\nnotebook_metadata_filter = "kernelspec,jupytext,-all"\n'
        'cell_metadata_filter = "tags,mystnb,-all"\n\n[tool.mypy]\npython_version = "3.11"\n'
    )
    (root / "README.md").write_text(README)
    (root / "CITATION.cff").write_text(
        "cff-version: 1.2.0\nversion: 1.2.3\nrepository-code: https://github.com/jane/book\n"
    )
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## 2.0.0rc1 (unreleased)\n\n## 1.2.3\n")
    (root / "_config.yml").write_text("repository:\n  url: https://github.com/jane/book\nversion: 7\n")
    package = root / "bnlib" / "__init__.py"
    package.write_text(f'__version__ = "1.2.3"\n{package.read_text()}')
    store(book, add(book, "a_law", installing_cell("https://github.com/jane/book", "v1.2.3"), "import bnlib as bn"))
    return book


def contents(root):
    return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_sound_book_has_no_stranger(published, capsys):
    assert strangers(texts(published.root), HERE) == []
    assert address.main(["--check"], published.root) == 0
    assert capsys.readouterr().out == "The repository is https://github.com/jane/book, its tag v1.2.3.\n"


@pytest.mark.parametrize(("old", "new", "line"), WRONG.values(), ids=WRONG)
def test_a_place_that_disagrees_is_named(published, capsys, old, new, line):
    path = published.root / "README.md"
    path.write_text(README.replace(old, new))
    assert address.main(["--check"], published.root) == 1
    assert capsys.readouterr().err == f"Not as in pyproject.toml:\nREADME.md:{line}\n"
    before = contents(published.root)
    assert address.main(["--repo", "joe/new"], published.root) == 1
    assert capsys.readouterr().err.startswith(f"Nothing was changed: README.md:{line}: mend it, or name it in OTHERS")
    assert contents(published.root) == before


@pytest.mark.parametrize(("name", "old"), [("CITATION.cff", "version: 1.2.3"), ("bnlib/__init__.py", '"1.2.3"')])
def test_another_version_is_named(published, name, old):
    path = published.root / name
    path.write_text(path.read_text().replace(old, old.replace("1.2.3", "1.2.4")))
    assert [line.partition(":")[0] for line in strangers(texts(published.root), HERE)] == [name]


def test_the_address_is_set_everywhere_and_no_chapter_runs(published, monkeypatch, capsys):
    monkeypatch.setattr(run_notebooks, "execute", lambda *_: pytest.fail("a chapter was run"))
    root = published.root
    assert address.main(["--repo", "joe/deep.ranks", "--tag", "v2.0.0rc1"], root) == 0
    assert "https://github.com/joe/deep.ranks, its tag v2.0.0rc1" in capsys.readouterr().out
    assert Address.read(root) == Address("joe", "deep.ranks", "2.0.0rc1")
    assert strangers(texts(root), Address.read(root)) == []
    assert not any("jane" in text or "1.2.3" in text for name, text in texts(root).items() if name != "CHANGELOG.md")
    wanted = README.replace("jane", "joe").replace("joe/book", "joe/deep.ranks").replace("io/book", "io/deep.ranks")
    wanted = wanted.replace("cd book", "cd deep.ranks").replace("1.2.3", "2.0.0rc1")
    assert (root / "README.md").read_text() == wanted
    assert (root / "_config.yml").read_text().endswith("version: 7\n")
    assert "git+https://github.com/joe/deep.ranks@v2.0.0rc1" in (root / "notebooks" / "a_law.ipynb").read_text()
    (chapter,) = Book(root).chapters
    assert run_notebooks.check_chapter(Book(root), chapter) == []
    before = contents(root)
    assert address.main(["--repo", "joe/deep.ranks"], root) == 0
    assert contents(root) == before


def test_after_a_kill_the_same_command_finishes(published, monkeypatch):
    wrote = []

    def killed(path, text):
        wrote.append(path)
        if len(wrote) == 3:
            raise KeyboardInterrupt
        path.write_text(text)

    with monkeypatch.context() as patch:
        patch.setattr(address, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            address.main(["--repo", "joe/new"], published.root)
    assert Address.read(published.root) == HERE
    assert address.main(["--repo", "joe/new"], published.root) == 0
    assert strangers(texts(published.root), Address("joe", "new", "1.2.3")) == []


REFUSED = {
    "no owner": (["--repo", "book"], "REPO is 'book': write it as owner/name"),
    "a whole address": (["--repo", "https://github.com/jane/book"], "write it as owner/name"),
    "a space": (["--repo", "jane/my book"], "write it as owner/name"),
    "a clone's address": (["--repo", "jane/book.git"], "write it as owner/name"),
    "a double hyphen": (["--repo", "ja--ne/book"], "write it as owner/name"),
    "a user's page": (["--repo", "jane/jane.github.io"], "choose a name without github.io"),
    "a tag without v": (["--tag", "1.2.3"], "TAG is '1.2.3': write it as v and a version"),
    "a tag in words": (["--tag", "vnext"], "write it as v and a version"),
    "a tag without changes": (["--tag", "v3.0.0"], "CHANGELOG.md has no heading for 3.0.0"),
    "nothing": ([], "name REPO=owner/name, TAG=v0.2.0, or both"),
}


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_malformed_is_refused_in_one_sentence(published, capsys, arguments, sentence):
    before = contents(published.root)
    assert address.main(arguments, published.root) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.startswith("Nothing was changed: ")
    assert said.count("\n") == 1
    assert contents(published.root) == before


def test_a_stale_chapter_is_run_first(published, capsys):
    path = published.root / "notebooks" / "a_law.md"
    path.write_text(path.read_text().replace("import bnlib as bn", "import bnlib as bn\nbn.fit(1)"))
    before = contents(published.root)
    assert address.main(["--repo", "joe/new"], published.root) == 1
    assert "these chapters are stale, so run `make reproduce` first: a_law" in capsys.readouterr().err
    assert contents(published.root) == before


def test_an_address_of_others_stays(published, monkeypatch):
    path = published.root / "README.md"
    path.write_text(README + "<https://github.com/somebody/else>\n")
    monkeypatch.setattr(address, "OTHERS", frozenset({"somebody/else"}))
    assert strangers(texts(published.root), HERE) == []
    address.move(published.root, "joe/new", None)
    assert path.read_text().endswith("<https://github.com/somebody/else>\n")


def test_a_truth_that_is_no_address_is_refused(published):
    path = published.root / "pyproject.toml"
    path.write_text(path.read_text().replace("github.com/jane/book", "example.org/jane/book"))
    with pytest.raises(AddressError, match=r"write https://github\.com/owner/name there"):
        Address.read(published.root)


def test_every_tracked_file_that_names_the_repository_is_looked_at():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no Git checkout")
    here = Address.read(ROOT)
    command = ["git", "-C", str(ROOT), "grep", "-lIF", "-e", here.values["repository"], "-e", here.values["site"]]
    named = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    written = {f"notebooks/{path.stem}.ipynb" for path in Book(ROOT).chapters}
    assert {
        name for name in named - written - texts(ROOT).keys() if not name.startswith(("tests/", "scripts/"))
    } == set()
