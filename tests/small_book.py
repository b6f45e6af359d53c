"""A book in small, with a library of its own, and cells that nbval must let pass or not."""

import shutil
import textwrap

import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook, new_output

from notebook_checks import ROOT
from scripts.chapters import freshness
from scripts.chapters.book import Book
from scripts.chapters.notebook import notebook_text, read_source, source_text

HEAD = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""
# One room, and a plain module that passes on what stands in it.
MODULES = {
    "__init__": (
        "from .a import fit\nfrom bnlib.b import rank as rank_of\nfrom .d import draw\nfrom .room import sink\n"
        "TITLE = '1'\n"
    ),
    "a": '"""Doc."""\nfrom . import c\n\ndef fit(x):\n    """Doc."""\n    return c.inner(x) + 1.0\n',
    "b": "def rank(x):\n    return 2\n",
    "c": "def inner(x):\n    return x\n",
    "d": "STYLE = 'book.mplstyle'\n\ndef draw():\n    from bnlib.b import rank\n    return rank(0)\n",
    "passed": "from .room.shallow import *\n",
    "room/__init__": "from .deep import sink\nfrom bnlib.room.shallow import swim\n",
    "room/deep": "from ..c import inner\n\ndef sink(x):\n    return inner(x)\n",
    "room/shallow": "def swim(x):\n    return x\n",
}
LEDGER = """\
claims:
  - id: a-law
    status: reproduced
    measured: ""  # filled by a run
  - id: b-law
    status: open
    measured: "kept"
"""


def chapter(*cells):
    blocks = [f"```{{code-cell}} ipython3\n{cell}\n```\n" for cell in cells]
    return HEAD + "\n# A title\n\n" + "\nSome text.\n\n".join(blocks)


@pytest.fixture
def book(tmp_path):
    """A book in small, with a library of its own."""
    package = tmp_path / "bnlib"
    (package / "room").mkdir(parents=True)
    for name, source in MODULES.items():
        (package / f"{name}.py").write_text(source)
    (package / "book.mplstyle").write_text("lines.linewidth: 1\n")
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "requirements.lock").write_text("jax==1.0 \\\n    --hash=x\nnumpy==2.0\noptax==3.0\n")
    (tmp_path / "claims.yml").write_text(LEDGER)
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump({"parts": [{"chapters": []}]}))
    return Book(tmp_path)


def add(book, name, *cells):
    """Write a chapter, put it at the end of the contents, and return where it is."""
    contents = yaml.safe_load((book.root / "_toc.yml").read_text())
    contents["parts"][-1]["chapters"].append({"file": f"notebooks/{name}"})
    (book.root / "_toc.yml").write_text(yaml.safe_dump(contents))
    path = book.root / "notebooks" / f"{name}.md"
    path.write_text(chapter(*cells))
    return path


def store(book, path):
    """Store a chapter as if it had been run."""
    notebook = read_source(path, book.root)
    stamp = freshness.stamp(notebook, book.library, book.lock, book.manifests)
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.execution_count = number
        cell.outputs = [new_output("stream", name="stdout", text=f"output {number}\n")]
    notebook.metadata["bnlib"] = {**stamp, "outputs": freshness.outputs_hash(notebook)}
    path.write_text(source_text(notebook))
    path.with_suffix(".ipynb").write_text(notebook_text(notebook))


# What nbval lets pass.


def text(outcome, measured, count=3):
    """Return a verdict as it was printed."""
    return (
        f"{outcome}  a: 2 of 2 checks\n  holds  x: x is at most 2.0  [measured {measured}]\n"
        f"  holds  y: rank is between 1 and 4  [measured {count}]\n"
    )


def verdict(outcome, measured, count=3):
    """Return code that prints it."""
    return "print('" + text(outcome, measured, count).rstrip().replace("\n", "\\n") + "')"


GOOD = {
    "rounding": ("print('norm 34.095768, 3 layers')", "norm 34.095772, 3 layers\n", []),
    "padding": ("print('[ 1.5  2. ]')", "[1.5 2. ]\n", []),
    "exponent": ("print(1e-7)", "3e-07\n", []),
    # By no more than its distance to the bound, 0.5 here.
    "measurement": (verdict("holds", "1.01"), text("holds", "1.5"), ["claim"]),
    "count": (verdict("holds", "1.5", 2), text("holds", "1.5", 3), ["claim"]),
}
BAD = {
    "number": ("print('norm 34.195772')", "norm 34.095772\n", []),
    "integer": ("print('rank 3')", "rank 2\n", []),
    "word": ("print('rises 1.0')", "falls 1.0\n", []),
    "stated": (verdict("holds", "1.5").replace("most 2.0", "most 2.1"), text("holds", "1.5"), ["claim"]),
    "name": (verdict("holds", "1.5").replace("x: x", "z: x"), text("holds", "1.5"), ["claim"]),
    "verdict": (verdict("partly", "1.5"), text("holds", "1.5"), ["claim"]),
    "mark": (verdict("holds", "1.5").replace("  holds  x", "  fails  x"), text("holds", "1.5"), ["claim"]),
    "another measurement": (verdict("holds", "0.98"), text("holds", "1.5"), ["claim"]),
    "another count": (verdict("holds", "1.5", 0), text("holds", "1.5", 2), ["claim"]),
    "no number": (verdict("holds", "nan"), text("holds", "1.5"), ["claim"]),
    "fewer checks": (verdict("holds", "1.5").rpartition("\\n")[0] + "')", text("holds", "1.5"), ["claim"]),
    "exact": ("print('norm 34.095768')", "norm 34.095772\n", ["nbval-exact"]),
    "more": ("print('norm 1.0')\nprint('more')", "norm 1.0\n", []),
    "value": ("1.25", "norm 1.0\n", []),
}


def sample(cells):
    """Return a notebook of cells, each with the text that it had printed."""
    return new_notebook(
        cells=[
            new_code_cell(
                textwrap.dedent(code),
                execution_count=number,
                metadata={"tags": tags},
                outputs=[new_output("stream", name="stdout", text=text)],
            )
            for number, (code, text, tags) in enumerate(cells.values(), start=1)
        ]
    )
