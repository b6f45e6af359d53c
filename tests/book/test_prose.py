"""The prose must keep up with the code: its examples run and it names what exists."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import bnlib

ROOT = Path(__file__).resolve().parents[2]


# What has a page of its own nowhere: the command line, and a second name of a module.
UNDOCUMENTED = {"__main__", "plotting"}


def public_modules(root):
    paths = [path.relative_to(root / "bnlib").with_suffix("") for path in (root / "bnlib").rglob("*.py")]
    named = {".".join(path.parts) for path in paths if not any(part.startswith("_") for part in path.parts)}
    return named - UNDOCUMENTED


def documented_modules(root):
    text = (root / "book" / "api.md").read_text(encoding="utf-8")
    return re.findall(r"^\.\. automodule:: bnlib\.([\w.]+)$", text, re.M)


def test_the_library_page_has_every_public_module_once():
    assert sorted(documented_modules(ROOT)) == sorted(public_modules(ROOT))


def test_a_forgotten_module_is_found(tmp_path):
    (tmp_path / "book").mkdir()
    for name in (
        "__init__",
        "__main__",
        "_checks",
        "plotting",
        "theory/__init__",
        "theory/costs",
        "theory/ntk",
        "_in/x",
    ):
        path = tmp_path / "bnlib" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "book" / "api.md").write_text("```{eval-rst}\n.. automodule:: bnlib.theory.costs\n   :members:\n```\n")
    assert public_modules(tmp_path) - set(documented_modules(tmp_path)) == {"theory.ntk"}


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
