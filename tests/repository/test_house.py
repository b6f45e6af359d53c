"""The house of the code: floors and rooms, no circle, small files, and nothing that two chapters define."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from notebook_checks import ROOT
from scripts.chapters.book import Book
from scripts.chapters.notebook import read_source
from small_book import add

# What stands on each floor of the library: imports run downwards only.
FLOORS = (
    ("_checks", "_rounding", "_svd", "_writing", "leaky", "networks", "rings", "tasks"),
    ("theory",),
    ("build",),
    ("training",),
    ("wide",),
    ("measure",),
    ("experiments",),
    ("book", "plotting"),
    ("", "__main__"),  # the library's own names and its command line
)
# A report can draw itself, as spectra, curves and pairs can, and loads Matplotlib only then.
STAIRS = {("measure._drawing", "book.plotting"), ("measure._written", "book.plotting")}
MOST_LINES, MOST_LINES_OF_INIT = 400, 40


def modules(package):
    """Return the files of a package by their dotted names inside it, a package under its own name."""
    paths = sorted(package.rglob("*.py"))
    parts = [path.relative_to(package).with_suffix("").parts for path in paths]
    return {".".join(p for p in part if p != "__init__"): path for part, path in zip(parts, paths, strict=True)}


def asked_for(node, name, path, package):
    """Yield the dotted names inside the package that an import asks for."""
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[1:] for alias in node.names if alias.name.split(".")[0] == package.name)
    elif isinstance(node, ast.ImportFrom):
        asked = node.module.split(".") if node.module else []
        if node.level:
            here = [*name.split("."), ""] if path.name == "__init__.py" and name else name.split(".")
            yield from ([*here[: -node.level], *asked, alias.name] for alias in node.names)
        elif asked and asked[0] == package.name:
            yield from ([*asked[1:], alias.name] for alias in node.names)


def imports(package):
    """Yield (importer, imported, whether inside a function) for the modules of a package."""
    found = modules(package)
    for name, path in found.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        late = {inner for function in functions for inner in ast.walk(function)}
        for node in ast.walk(tree):
            for asked in asked_for(node, name, path, package):
                # The last part may be a name in the module before it.
                dotted = ".".join(asked)
                yield name, dotted if dotted in found else ".".join(asked[:-1]), node in late


def upwards(root):
    """Name the imports of the library that run upwards, and modules on no floor."""
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    for name in modules(root / "bnlib"):
        if name.split(".")[0] not in floor:
            yield f"bnlib.{name} stands on no floor"
    for importer, imported, late in imports(root / "bnlib"):
        low, high = (floor.get(name.split(".")[0], 0) for name in (importer, imported))
        if high > low and not (late and (importer, imported) in STAIRS):
            yield f"bnlib.{importer} imports bnlib.{imported}, which stands above it"


def circles(root):
    """Name a circle of imports in the library, and one in the scripts."""
    for package in (root / "bnlib", root / "scripts"):
        graph = {}
        for importer, imported, _ in imports(package):
            graph.setdefault(importer, set()).add(imported)
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            yield " -> ".join(f"{package.name}.{name}" for name in error.args[1])


def long_files(root):
    """Name the files that are too long to hold one idea."""
    for path in sorted([*(root / "bnlib").rglob("*.py"), *(root / "scripts").rglob("*.py")]):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        most = MOST_LINES_OF_INIT if path.name == "__init__.py" else MOST_LINES
        if lines > most:
            yield f"{path.relative_to(root).as_posix()} has {lines} lines, more than {most}"


def inits_that_define(root):
    """Name what an `__init__` holds beside its docstring, imports and dunder names."""
    for path in sorted([*(root / "bnlib").rglob("__init__.py"), *(root / "scripts").rglob("__init__.py")]):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            dunder = isinstance(node, ast.Assign) and all(
                isinstance(target, ast.Name) and target.id.startswith("__") for target in node.targets
            )
            if not (docstring or dunder or isinstance(node, ast.Import | ast.ImportFrom)):
                yield f"{path.relative_to(root).as_posix()} defines something: {ast.unparse(node).splitlines()[0]}"


def defined_twice(root):
    """Name the functions and classes that more than one chapter defines."""
    found = {}
    for path in Book(root).chapters:
        cells = [cell.source for cell in read_source(path, root).cells if cell.cell_type == "code"]
        tree = ast.parse("\n".join(map(TransformerManager().transform_cell, cells)))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.setdefault(node.name, {})[path.stem] = None
    for name, chapters in sorted(found.items()):
        if len(chapters) > 1:
            yield f"{name} is defined in {', '.join(chapters)}: it belongs to the library"


CHECKS = (upwards, circles, long_files, inits_that_define, defined_twice)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_house_stands(check):
    assert list(check(ROOT)) == []


# A sound house in small, and what breaks it.

HOUSE = {
    "bnlib/__init__.py": '"""A library."""\n\nfrom .theory.costs import cost\n\n__version__ = "1"\n',
    "bnlib/__main__.py": "from .measure.report import plot\n",
    "bnlib/networks.py": "import numpy as np\n",
    "bnlib/theory/__init__.py": "from .costs import cost\n",
    "bnlib/theory/costs.py": "from bnlib.networks import apply\nfrom .. import networks\ncost = 1\n",
    "bnlib/measure/report.py": "from ..theory import costs\nfrom ._drawing import plot\n",
    "bnlib/measure/_drawing.py": "def plot():\n    from ..book import plotting\n",
    "bnlib/book/plotting.py": "import matplotlib\n",
    "scripts/__init__.py": "",
    "scripts/atomic.py": "import os\n",
    "scripts/pages/page.py": "from scripts.atomic import write\nfrom scripts import atomic\n",
}


@pytest.fixture
def house(book):
    """A house in small around the book in small, whose library stands on no floors."""
    for path in (book.root / "bnlib").rglob("*.py"):
        path.unlink()
    for name, text in HOUSE.items():
        build(book.root, name, text)
    return book


def build(root, name, text):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_sound_house_passes(house, check):
    add(house, "a_law", "%matplotlib inline\ndef f():\n    pass", "def f():\n    pass")
    add(house, "b_law", "class g:\n    def f(self):\n        pass")
    assert list(check(house.root)) == []


UP = "bnlib.{} imports bnlib.{}, which stands above it"
BROKEN = [
    (upwards, "bnlib/networks.py", "from .theory import costs\n", [UP.format("networks", "theory.costs")]),
    (upwards, "bnlib/networks.py", "import bnlib.theory.costs\n", [UP.format("networks", "theory.costs")]),
    (upwards, "bnlib/networks.py", "from bnlib.theory import cost\n", [UP.format("networks", "theory")]),
    (upwards, "bnlib/networks.py", "def f():\n    from . import theory\n", [UP.format("networks", "theory")]),
    (upwards, "bnlib/theory/costs.py", "from bnlib import cost\n", [UP.format("theory.costs", "")]),
    (upwards, "bnlib/theory/__init__.py", "from ..measure import report\n", [UP.format("theory", "measure.report")]),
    (upwards, "bnlib/measure/_drawing.py", "from ..book import plotting\n",
     [UP.format("measure._drawing", "book.plotting")]),
    (upwards, "bnlib/measure/other.py", "def f():\n    from ..book.plotting import style\n",
     [UP.format("measure.other", "book.plotting")]),
    (upwards, "bnlib/attic.py", "", ["bnlib.attic stands on no floor"]),
    (circles, "bnlib/theory/costs.py", "def f():\n    from . import cost\n",
     ["bnlib.theory -> bnlib.theory.costs -> bnlib.theory"]),
    (circles, "scripts/atomic.py", "from scripts.pages.page import x\n",
     ["scripts.atomic -> scripts.pages.page -> scripts.atomic"]),
    (long_files, "bnlib/networks.py", "x = 1\n" * 401, ["bnlib/networks.py has 401 lines, more than 400"]),
    (long_files, "scripts/atomic.py", "x = 1\n" * 401, ["scripts/atomic.py has 401 lines, more than 400"]),
    (long_files, "scripts/__init__.py", "import x\n" * 41, ["scripts/__init__.py has 41 lines, more than 40"]),
    (inits_that_define, "bnlib/theory/__init__.py", "def f():\n    pass\n",
     ["bnlib/theory/__init__.py defines something: def f():"]),
    (inits_that_define, "scripts/__init__.py", "ROOT = 1\n", ["scripts/__init__.py defines something: ROOT = 1"]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "name", "text", "found"), BROKEN)
def test_a_broken_house_is_seen(house, check, name, text, found):
    build(house.root, name, text)
    said = list(check(house.root))
    # A circle can be told from any place in it.
    assert [set(problem.split(" -> ")) for problem in said] == [set(problem.split(" -> ")) for problem in found]


def test_what_two_chapters_define_is_seen(house):
    add(house, "a_law", "def f():\n    pass", "class Parameters:\n    pass")
    add(house, "b_law", "x = 1", "def f(x):\n    return x")
    add(house, "c_law", "def g():\n    def f():\n        pass", "class Parameters:\n    pass")
    assert list(defined_twice(house.root)) == [
        "Parameters is defined in a_law, c_law: it belongs to the library",
        "f is defined in a_law, b_law: it belongs to the library",
    ]


def test_every_check_has_a_fault():
    assert {check for check, *_ in BROKEN} | {defined_twice} == set(CHECKS)
