"""The prose must keep up with the code: its examples run and it names what exists."""

import ast
import importlib
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import bnlib

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("library_tables", ROOT / "book" / "_ext" / "library_tables.py")
tables = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tables)

# What has a place on no page: the command line, and a second name of a module.
UNDOCUMENTED = {"__main__", "plotting"}


def public_modules(root):
    paths = [path.relative_to(root / "bnlib").with_suffix("") for path in (root / "bnlib").rglob("*.py")]
    named = {".".join(path.parts) for path in paths if not any(part.startswith("_") for part in path.parts)}
    return named - UNDOCUMENTED


def documented_modules(root):
    """List (page, module) for the modules whose members the pages of the library show."""
    for page in sorted((root / "book" / "library").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"^\.\. automodule:: bnlib\.([\w.]+)\n   :members:$", text, re.M):
            yield page.stem, name


def misplaced(root):
    """Name what is wrong with the pages of the library: each public module stands once, on the page of its room."""
    found = list(documented_modules(root))
    names = [name for _, name in found]
    yield from (f"{name} stands on no page" for name in sorted(public_modules(root) - set(names)))
    yield from (f"{name} stands on several pages" for name in sorted({n for n in names if names.count(n) > 1}))
    for page, name in found:
        if page != (name.partition(".")[0] if "." in name else "networks"):
            yield f"{name} stands on the page of {page}"
    front = (root / "book" / "api.md").read_text(encoding="utf-8")
    for page in sorted({page for page, _ in found}):
        table = f"automodule:: bnlib.{page}\n" if page != "networks" else "   networks\n"
        if f"{{doc}}`library/{page}`" not in front or table not in front:
            yield f"the first page of the library does not lead to {page}"


def test_the_pages_of_the_library_have_every_public_module_once():
    assert list(misplaced(ROOT)) == []


def test_the_first_page_of_the_library_names_the_modules_without_a_room():
    front = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^   (\w+)$", front, re.M))
    assert named == {name for name in public_modules(ROOT) if "." not in name}


@pytest.fixture
def library(tmp_path):
    """A library in small with the pages that show it."""
    modules = ("__init__", "__main__", "_checks", "plotting", "networks", "theory/__init__", "theory/costs", "_in/x")
    for name in modules:
        path = tmp_path / "bnlib" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "book" / "library").mkdir(parents=True)
    front = "{doc}`library/networks`\n   networks\n{doc}`library/theory`\n.. automodule:: bnlib.theory\n"
    (tmp_path / "book" / "api.md").write_text(front)
    for page, name in (("networks", "networks"), ("theory", "theory.costs")):
        text = f".. automodule:: bnlib.{name}\n   :members:\n"
        (tmp_path / "book" / "library" / f"{page}.md").write_text(text)
    return tmp_path


def test_pages_of_the_library_that_lack_something_are_found(library):
    assert list(misplaced(library)) == []
    (library / "bnlib" / "theory" / "ntk.py").touch()
    assert list(misplaced(library)) == ["theory.ntk stands on no page"]
    page = library / "book" / "library" / "networks.md"
    page.write_text(page.read_text() + ".. automodule:: bnlib.theory.ntk\n   :members:\n")
    assert list(misplaced(library)) == ["theory.ntk stands on the page of networks"]
    page.write_text(".. automodule:: bnlib.networks\n   :members:\n" * 2)
    (library / "book" / "api.md").write_text("{doc}`library/networks`\n   networks\n")
    assert list(misplaced(library)) == [
        "theory.ntk stands on no page",
        "networks stands on several pages",
        "the first page of the library does not lead to theory",
    ]


def defined(path):
    """Name the public functions and classes that a file of the library defines; one with overloads is one."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {n.name for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")}


def test_tables_of_the_library_are_complete():
    for name in public_modules(ROOT):
        module = importlib.import_module(f"bnlib.{name}")
        listed = [entry.removeprefix(f"bnlib.{name}.") for entry in tables.contents(module)]
        assert sorted(listed) == sorted(defined(Path(module.__file__))), name
    top = tables.contents(bnlib)
    assert {"bnlib.theory.costs.linear_cost", "bnlib.training.run.train"} <= set(top)
    assert all(name.rpartition(".")[2] in vars(bnlib) for name in top)


def test_the_table_of_a_room_lists_its_modules():
    assert "bnlib.wide.infinite.layers" in tables.contents(importlib.import_module("bnlib.wide"))
    assert not [name for name in tables.contents(importlib.import_module("bnlib.theory")) if "._" in name]


def test_the_example_of_the_readme_runs():
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["net"].depth == 8


def test_the_notation_page_names_what_exists():
    text = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`bn\.(\w+)", text))
    assert len(named) > 10
    assert [name for name in sorted(named) if not hasattr(bnlib, name)] == []


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"]
    assert citation["repository-code"] == project["urls"]["Repository"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("status", ["certified", "reproduced", "partly", "not reproduced", "open"])
def test_each_status_is_explained(status):
    assert f"| {status} |" in (ROOT / "book" / "running.md").read_text(encoding="utf-8")
