"""Faults in a stored notebook, whose cells are found by what they print: running the chapter again moves nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

from scripts.chapters.freshness import outputs_hash
from scripts.chapters.notebook import notebook_text
from scripts.chapters.verdicts import read_verdicts
from scripts.faults.fault import Edit, MutantError

CHAPTER = "next_order"
CLAIM = "r2-linear"


def on_notebook(change: Callable[[NotebookNode], None], *, sealed: bool = False) -> Edit:
    """Change a stored notebook; sealed, it gets the hash of its changed outputs too."""

    def edit(text: str, root: Path) -> str:
        notebook = nbformat.reads(text, as_version=4)
        change(notebook)
        if sealed:
            notebook.metadata["bnlib"]["outputs"] = outputs_hash(notebook)
        return notebook_text(notebook)

    return edit


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def data(output: NotebookNode) -> NotebookNode:
    """Return what a cell's value is shown as; nothing of what was printed."""
    return output.get("data", NotebookNode())


def verdict_cell(notebook: NotebookNode, claim: str = CLAIM) -> NotebookNode:
    for cell in code(notebook):
        for output in cell.outputs:
            if any(found.id == claim for found in read_verdicts(data(output).get("text/plain", ""))):
                return cell
    raise MutantError(f"no cell shows the verdict of {claim}")


def figures(notebook: NotebookNode) -> list[NotebookNode]:
    found = [o for cell in code(notebook) for o in cell.outputs if "image/png" in o.get("data", {})]
    if len(found) < 2:
        raise MutantError("the chapter has fewer than two figures")
    return found


def reprint(
    pattern: str, new: str, claim: str = CLAIM, kinds: Sequence[str] = ("text/plain",)
) -> Callable[[NotebookNode], None]:
    """Change the verdict that a cell shows, in one place of its text, of its table, or of both."""

    def change(notebook: NotebookNode) -> None:
        for output in verdict_cell(notebook, claim).outputs:
            if all(re.search(pattern, data(output).get(kind, ""), re.M) for kind in kinds):
                for kind in kinds:
                    output["data"][kind] = re.sub(pattern, new, output["data"][kind], count=1, flags=re.M)
                return
        raise MutantError(f"nothing shown matches {pattern!r}")

    return change


def forge(notebook: NotebookNode) -> None:
    """Change the first digit of the first measurement, in the text of the verdict and in its table."""
    for output in verdict_cell(notebook).outputs:
        if found := re.search(r"\[measured ((\d)[^\]]*)", data(output).get("text/plain", "")):
            new = ("8" if found[2] != "8" else "7") + found[1][1:]
            for kind, frame in {"text/plain": "[measured {}]", "text/html": "<td>{}</td>"}.items():
                text = output["data"][kind]
                output["data"][kind] = text.replace(frame.format(found[1]), frame.format(new), 1)
            return
    raise MutantError(f"{CLAIM} has no measurement that starts with a digit")


def spoil(notebook: NotebookNode) -> None:
    """Print a first measurement far outside its tolerance."""
    reprint(r"(\[measured )[^\]]+", r"\g<1>0.5")(notebook)


def forge_plain(notebook: NotebookNode) -> None:
    """Change a digit of something printed that is no verdict."""
    for cell in code(notebook):
        for output in cell.outputs:
            text = output.get("text", "") or output.get("data", {}).get("text/plain", "")
            if "claim" not in cell.metadata.get("tags", []) and (found := re.search(r"\d\.(\d)", text)):
                digit = "8" if found[1] != "8" else "7"
                new = text[: found.start(1)] + digit + text[found.end(1) :]
                if output.get("text"):
                    output["text"] = new
                else:
                    output["data"]["text/plain"] = new
                return
    raise MutantError("no cell prints a number")


def exchange_figures(notebook: NotebookNode) -> None:
    first, second = figures(notebook)[:2]
    first["data"]["image/png"], second["data"]["image/png"] = second["data"]["image/png"], first["data"]["image/png"]


def figure_of(chapter: str) -> Edit:
    def edit(text: str, root: Path) -> str:
        other = nbformat.read(root / "notebooks" / f"{chapter}.ipynb", as_version=4)
        picture = figures(other)[0]["data"]["image/png"]
        return str(
            on_notebook(lambda nb: figures(nb)[0]["data"].__setitem__("image/png", picture))(text, root),
        )

    return edit


def stamp(*keys: str) -> Callable[[NotebookNode], None]:
    """Put another hash into the stamp of a chapter."""

    def change(notebook: NotebookNode) -> None:
        node = notebook.metadata["bnlib"]
        for key in keys[:-1]:
            node = node[key]
        if keys[-1] not in node:
            raise MutantError(f"the stamp has no {'/'.join(keys)}")
        node[keys[-1]] = "0" * 16

    return change


def not_run(notebook: NotebookNode) -> None:
    verdict_cell(notebook)["execution_count"] = None


def cleared(notebook: NotebookNode) -> None:
    cell = verdict_cell(notebook)
    cell["outputs"], cell["execution_count"] = [], None


def counted(notebook: NotebookNode) -> None:
    verdict_cell(notebook)["execution_count"] += 1


def emptied(notebook: NotebookNode) -> None:
    verdict_cell(notebook)["outputs"] = []


def without_verdict(notebook: NotebookNode) -> None:
    notebook.cells.remove(verdict_cell(notebook))


def tagged(*tags: str) -> Callable[[NotebookNode], None]:
    return lambda nb: verdict_cell(nb).metadata.__setitem__("tags", list(tags))


def edited_code(notebook: NotebookNode) -> None:
    verdict_cell(notebook)["source"] += "\n# harmless"


def edited_prose(notebook: NotebookNode) -> None:
    cell = next(c for c in notebook.cells if c.cell_type == "markdown" and len(c.source) > 200)
    cell["source"] = cell.source.replace(" the ", " a ", 1)


def no_alt(notebook: NotebookNode) -> None:
    cell = next(c for c in code(notebook) if "mystnb" in c.metadata)
    cell.metadata["mystnb"]["image"].pop("alt")


def printed(output: NotebookNode) -> Callable[[NotebookNode], None]:
    return lambda nb: verdict_cell(nb).outputs.append(output)


def older(notebook: NotebookNode) -> None:
    cell = code(notebook)[0]
    cell["source"] = re.sub(r"@v[\d.]+", "@v0.0.1", cell.source)


def gone(text: str, root: Path) -> None:
    """Delete the file."""


def paired_code(text: str, root: Path) -> str:
    """Change code in a chapter's text."""
    start = text.index("bn.check(")
    return text[:start] + "bn.check( " + text[start + len("bn.check(") :]


IPYNB, MD = f"notebooks/{CHAPTER}.ipynb", f"notebooks/{CHAPTER}.md"
STORED = ("tests/book/test_notebooks.py", "-k", CHAPTER)
BOTH = ("tests/book/test_ledger.py", "tests/book/test_notebooks.py", "-k", f"{CHAPTER} or test_the_ledger_of_the_book")

# (id, summary, edit, file)
NOTEBOOKS: list[tuple[str, str, Edit, str]] = [
    ("verdict-changed", "holds made partly", on_notebook(reprint(f"^holds  {CLAIM}", f"partly  {CLAIM}")), IPYNB),
    ("verdict-changed-sealed", "the same with a new hash of the outputs",
     on_notebook(reprint(f"^holds  {CLAIM}", f"partly  {CLAIM}"), sealed=True), IPYNB),
    ("verdict-of-another-claim", "verdict under another id, with a new hash",
     on_notebook(reprint(f"^holds  {CLAIM}", "holds  balance"), sealed=True), IPYNB),
    ("verdict-removed", "the cell of a verdict removed", on_notebook(without_verdict, sealed=True), IPYNB),
    ("verdict-emptied", "the outputs of a verdict removed, with a new hash", on_notebook(emptied, sealed=True), IPYNB),
    ("verdict-untagged", "no tag claim", on_notebook(tagged()), IPYNB),
    ("verdict-not-compared", "a tag that keeps the verdict from being compared",
     on_notebook(tagged("claim", "nbval-skip")), IPYNB),
    ("number-changed", "a digit of a measurement", on_notebook(forge), IPYNB),
    ("number-changed-sealed", "the same with a new hash", on_notebook(forge, sealed=True), IPYNB),
    ("number-plain", "a digit of another number", on_notebook(forge_plain), IPYNB),
    ("not-run", "a cell without execution count", on_notebook(not_run, sealed=True), IPYNB),
    ("run-twice", "an execution count too high", on_notebook(counted, sealed=True), IPYNB),
    ("cleared", "a cell cleared, with a new hash", on_notebook(cleared, sealed=True), IPYNB),
    ("figures-exchanged", "two figures exchanged", on_notebook(exchange_figures), IPYNB),
    ("figure-of-another-chapter", "a figure of another chapter", figure_of("cost"), IPYNB),
    ("figure-without-alt", "no alternative text", on_notebook(no_alt), IPYNB),
    ("stale-code", "stale hash of the code", on_notebook(stamp("code")), IPYNB),
    ("stale-library", "stale hash of a module", on_notebook(stamp("library", "theory.costs")), IPYNB),
    ("stale-lock", "stale version of jax", on_notebook(stamp("lock", "jax")), IPYNB),
    ("stale-outputs", "stale hash of the outputs", on_notebook(stamp("outputs")), IPYNB),
    ("no-stamp", "no stamp", on_notebook(lambda nb: nb.metadata.pop("bnlib") and None), IPYNB),
    ("code-edited", "code changed in the notebook alone", on_notebook(edited_code), IPYNB),
    ("prose-edited", "prose changed in the notebook alone", on_notebook(edited_prose), IPYNB),
    ("text-edited", "prose changed in the text alone", lambda text, root: text + "\nAnd more.\n", MD),
    ("text-code-edited", "code changed in the text alone", paired_code, MD),
    ("older-version", "an older version installed on Colab", on_notebook(older), IPYNB),
    ("stderr", "a warning stored", on_notebook(printed(new_output("stream", name="stderr", text="Warning")),
                                               sealed=True), IPYNB),
    ("error", "an error stored", on_notebook(printed(new_output("error", ename="ValueError", evalue="x")),
                                             sealed=True), IPYNB),
    ("missing", "the notebook missing", gone, IPYNB),
]  # fmt: skip
