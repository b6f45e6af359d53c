"""Execute the book's chapters: the only thing that writes notebooks/*.ipynb.

A chapter is edited as notebooks/NN_slug.md; its notebook keeps the outputs. A chapter whose code, library and
locked versions are those of its stored outputs is not run again: its notebook is only rebuilt from the text.
A run also records its seconds (results/runtimes.json, book/status.md) and its measurements (claims.yml). A chapter
that reads stored results (results/*.json) is stale when they change.

    python -m scripts.chapters.run_notebooks            run what is stale
    python -m scripts.chapters.run_notebooks --all      run everything
    python -m scripts.chapters.run_notebooks --check    change nothing; name what is stale and exit 1
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from jupytext.config import load_jupytext_configuration_file
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from bnlib import claims
from scripts.atomic import write
from scripts.chapters import machines, spreads
from scripts.chapters.freshness import Library, differences, digest, outputs_hash, stamp
from scripts.chapters.machines import Machines
from scripts.chapters.rerun import CELL_TIMEOUT, ENVIRONMENT, QUIET
from scripts.faults import plant as mutants

ROOT = Path(__file__).resolve().parents[2]
VERDICT = re.compile(r"^(?P<verdict>holds|partly|not reproduced)  (?P<id>[\w-]+): .*  \[measured (?P<measured>.*)\]$")
FAULTS_HEAD = """
## Planted faults

`make mutants` plants faults in a copy of the checkout, one at a time, and runs the tests that should see them. A fault
of the library has to be seen by a test of what the code computes: the stamps of the chapters, which any change of a
module makes stale, do not count.

"""
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


class ChapterError(Exception):
    """Why a chapter could not be run or stored, in one sentence."""


@dataclass(frozen=True)
class Book:
    """Where things lie in a checkout."""

    root: Path

    @property
    def chapters(self) -> list[Path]:
        """Every chapter's source, in the order of _toc.yml."""
        toc = yaml.safe_load((self.root / "_toc.yml").read_text(encoding="utf-8"))
        files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
        return [self.root / f"{name}.md" for name in files if name.startswith("notebooks/")]

    @property
    def library(self) -> Library:
        """The library as it is now."""
        return Library(self.root / "bnlib")

    @property
    def lock(self) -> Path:
        """The file that pins every version."""
        return self.root / "requirements.lock"

    @property
    def ledger(self) -> Path:
        """The claims ledger."""
        return self.root / "claims.yml"

    @property
    def runtimes(self) -> Path:
        """Seconds of each chapter's last run."""
        return self.root / "results" / "runtimes.json"

    @property
    def manifests(self) -> dict[str, dict[str, Any]]:
        """What is known of the runs at the papers' scale, by experiment."""
        files = sorted((self.root / "results").glob("*.json"))
        contents = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}
        return {name: content["manifest"] for name, content in contents.items() if "manifest" in content}

    @property
    def faults(self) -> list[dict[str, Any]]:
        """What came of the faults planted by scripts/faults/plant.py."""
        path = self.root / "results" / "mutants.json"
        return json.loads(path.read_text(encoding="utf-8"))["faults"] if path.exists() else []

    @property
    def machines(self) -> Machines:
        """What came of the chapters on other machines."""
        path = self.root / "results" / "machines.json"
        return json.loads(path.read_text(encoding="utf-8"))["machines"] if path.exists() else {}

    @property
    def code(self) -> dict[str, str]:
        """For each chapter with stored outputs, a hash of the code and the library that computed them."""
        stored = {path.stem: read_stored(path) for path in self.chapters}
        stamps = {stem: found.metadata.get("bnlib") for stem, found in stored.items() if found is not None}
        return {stem: digest([kept["code"], kept["library"]]) for stem, kept in stamps.items() if kept}

    @property
    def status(self) -> Path:
        """The page made from the runtimes, the manifests, the machines and the faults."""
        return self.root / "book" / "status.md"


def read_source(path: Path, root: Path) -> nbformat.NotebookNode:
    """Read a chapter's text as a notebook without outputs, with cell ids that depend on its content alone."""
    config = load_jupytext_configuration_file(str(root / "pyproject.toml"))
    written = jupytext.read(path, fmt="md:myst", config=config)
    written.metadata["kernelspec"] = KERNELSPEC
    # Once round, for the header that jupytext adds to a text written by hand.
    notebook = jupytext.reads(source_text(written), fmt="md:myst", config=config)
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        base = digest([cell.cell_type, cell.source])
        seen[base] = seen.get(base, 0) + 1
        cell["id"] = base if seen[base] == 1 else f"{base}-{seen[base]}"
    return notebook


def source_text(notebook: nbformat.NotebookNode) -> str:
    """Return a chapter's text as jupytext writes it, which is the one form that we keep."""
    bare = nbformat.from_dict(notebook)
    bare.metadata.pop("bnlib", None)
    return str(jupytext.writes(bare, fmt="md:myst"))


def notebook_text(notebook: nbformat.NotebookNode) -> str:
    """Return the bytes of a stored notebook: sorted keys, nothing that varies between runs or machines."""
    stored = nbformat.from_dict(notebook)
    stored.metadata["language_info"] = {"name": "python"}
    nbformat.validate(stored)
    return str(nbformat.writes(stored)) + "\n"


def read_stored(path: Path) -> nbformat.NotebookNode | None:
    """Read the notebook paired with a chapter's text; None when there is none yet."""
    stored = path.with_suffix(".ipynb")
    try:
        return nbformat.read(stored, as_version=4) if stored.exists() else None
    except nbformat.reader.NotJSONError as error:
        raise ChapterError(f"{stored.name} is no notebook: delete it to have the chapter run anew") from error


def stale_reasons(stored: nbformat.NotebookNode | None, wanted: dict[str, Any]) -> list[str]:
    """Say why a chapter must be run again; an empty list when its stored outputs stand."""
    if stored is None or "bnlib" not in stored.metadata:
        return ["it was never run"]
    reasons = differences(stored.metadata["bnlib"], wanted)
    if stored.metadata["bnlib"].get("outputs") != outputs_hash(stored):
        reasons.append("its stored outputs were edited")
    return reasons


def rebuild(notebook: nbformat.NotebookNode, stored: nbformat.NotebookNode) -> None:
    """Carry stored outputs over to a chapter of the same code, in place."""
    old = [cell for cell in stored.cells if cell.cell_type == "code"]
    new = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, kept in zip(new, old, strict=True):
        cell.outputs, cell.execution_count = kept.outputs, kept.execution_count
    notebook.metadata["bnlib"] = stored.metadata["bnlib"]


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run every cell in a fresh kernel, in place."""
    # Stored outputs are those of the quick scale with figures inline, whatever the caller's shell says.
    os.environ["BNLIB_SCALE"] = "quick"
    os.environ.pop("MPLBACKEND", None)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name=KERNELSPEC["name"],
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=QUIET,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        print(error.traceback, file=sys.stderr)
        raise ChapterError(f"a cell failed with {error.ename}: {error.evalue}") from error
    except CellTimeoutError as error:
        raise ChapterError(f"a cell ran for more than {CELL_TIMEOUT} s") from error
    except DeadKernelError as error:
        raise ChapterError("its kernel died, most often for want of memory") from error
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)


def measurements(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Return what a notebook's verdict lines say was measured, by claim."""
    found: dict[str, str] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for line in output.get("text", "").splitlines():
                if match := VERDICT.match(line):
                    found[match["id"]] = match["measured"]
    return found


def record_measurements(ledger: Path, found: dict[str, str]) -> None:
    """Put measurements into the ledger, each into its record's `measured:` line, and touch nothing else."""
    lines = ledger.read_text(encoding="utf-8").splitlines(keepends=True) if found else []
    current, left = None, dict(found)
    for number, line in enumerate(lines):
        if match := re.match(r"  - id: (\S+)", line):
            current = match[1]
        elif line.startswith("    measured:") and current in left:
            # A JSON string is a double-quoted YAML string.
            lines[number] = f"    measured: {json.dumps(left.pop(current), ensure_ascii=False)}\n"
    if left:
        raise ChapterError(f"{ledger.name} has no record with a `measured:` line for {', '.join(sorted(left))}")
    if found:
        write(ledger, "".join(lines))


def machine() -> dict[str, Any]:
    """Describe this machine as far as a running time depends on it."""
    return {
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "jax": version("jax"),
    }


def status_page(
    runtimes: dict[str, dict[str, Any]],
    manifests: dict[str, dict[str, Any]],
    faults: list[dict[str, Any]] | None = None,
    others: str = "",
) -> str:
    """Return the page of running times, runs at the papers' scale, other machines (their table) and planted faults."""
    rows = "".join(
        f"| [](../notebooks/{chapter}.ipynb) | {run['seconds']:.0f} | {run['cpus']} | {run['platform']} "
        f"| {run['python']} | {run['jax']} |\n"
        for chapter, run in sorted(runtimes.items())
    )
    stored = "".join(
        f"| `{name}` | {state(entry)} | {len(entry['seeds'])} | {sum(r['seconds'] for r in entry['runs']) / 60:.0f} "
        f"| {', '.join(sorted({r['device'] for r in entry['runs']}))} |\n"
        for name, entry in sorted(manifests.items())
    )
    return (
        "# Where the numbers come from\n\n"
        "Outputs and figures of this site were computed by the code beside them. This page says how long that took,\n"
        "what was computed once and stored, on which other machines the verdicts are the same, and which mistakes the\n"
        "tests are known to catch. Scripts write it.\n\n"
        "## Chapters at quick scale\n\n"
        "`scripts/chapters/run_notebooks.py` runs a chapter in a fresh kernel that imports and compiles everything anew.\n"
        "This site shows those runs, outputs included. Seconds are those of the clock, and other work may have shared the\n"
        "machine.\n\n"
        "| Chapter | Seconds | CPUs | Platform | Python | JAX |\n| :-- | --: | --: | :-- | :-- | :-- |\n"
        + rows
        + "\n## Runs at the papers' scale\n\n"
        "`scripts/runs/paper_scale.py` makes these and keeps singular values, norms and diagnostics in `results/`. What\n"
        "is pending waits for someone with the time: the same command runs what is left.\n\n"
        "| Experiment | Trainings | Seeds | Minutes | Device |\n| :-- | :-- | --: | --: | :-- |\n"
        + stored
        + others
        + (FAULTS_HEAD + mutants.table(faults) if faults else "")
    )


def state(manifest: dict[str, Any]) -> str:
    """Say how much of an experiment is stored."""
    stored, planned = manifest["stored"], manifest["planned"]
    return "pending" if not stored else f"all {planned}" if stored == planned else f"{stored} of {planned}"


def record_runtime(book: Book, chapter: Path, seconds: float) -> None:
    """Store a chapter's seconds and rewrite the status page; chapters that are gone are dropped."""
    stored = json.loads(book.runtimes.read_text(encoding="utf-8")) if book.runtimes.exists() else {}
    stored[chapter.stem] = {"seconds": round(seconds, 1), **machine()}
    names = {path.stem for path in book.chapters}
    kept = {name: run for name, run in sorted(stored.items()) if name in names}
    write(book.runtimes, json.dumps(kept, indent=1) + "\n")
    write_status(book)


def write_status(book: Book) -> None:
    """Write the status page from what is stored."""
    runtimes = json.loads(book.runtimes.read_text(encoding="utf-8"))
    write(book.status, status_page(runtimes, book.manifests, book.faults, elsewhere(book)))


def elsewhere(book: Book) -> str:
    """Return what the status page says of other machines and of the room of the checks."""
    if not (kept := book.machines):
        return ""
    return machines.table(kept, book.code) + spreads.table(spreads.rooms(kept, book.code, claims.load(book.ledger)))


def record_machine(
    book: Book, machine: str, stem: str, cells: int, differing: Sequence[str], measured: Mapping[str, str]
) -> None:
    """Store what came of one chapter on one machine, and write the status page."""
    with alone(book):
        stored = book.machines
        stored.setdefault(machine, {})[stem] = machines.entry(book.code[stem], cells, differing, measured)
        text = json.dumps({"machines": stored}, indent=1, sort_keys=True, ensure_ascii=False)
        write(book.root / "results" / "machines.json", text + "\n")
        write_status(book)


def check_chapter(book: Book, path: Path) -> list[str]:
    """Say what is wrong with a stored chapter; an empty list when it stands."""
    notebook = read_source(path, book.root)
    stored = read_stored(path)
    reasons = stale_reasons(stored, stamp(notebook, book.library, book.lock, book.manifests))
    if not reasons and stored is not None:
        rebuild(notebook, stored)
        same_text = source_text(notebook) == path.read_text(encoding="utf-8")
        if not same_text or notebook_text(notebook) != path.with_suffix(".ipynb").read_text(encoding="utf-8"):
            reasons.append("its notebook and its text differ")
    return reasons


def run_chapter(book: Book, path: Path, force: bool) -> None:
    """Bring one chapter's notebook up to date, running it only when it is stale or when told to."""
    notebook = read_source(path, book.root)
    wanted = stamp(notebook, book.library, book.lock, book.manifests)
    stored = read_stored(path)
    reasons = ["told to"] if force else stale_reasons(stored, wanted)
    if reasons:
        print(f"{path.stem}: running ({'; '.join(reasons)})", flush=True)
        start = time.perf_counter()
        execute(notebook, path.parent)
        seconds = time.perf_counter() - start
        notebook.metadata["bnlib"] = {**wanted, "outputs": outputs_hash(notebook)}
        print(f"{path.stem}: {seconds:.0f} s", flush=True)
    elif stored is not None:
        rebuild(notebook, stored)
        print(f"{path.stem}: outputs stand", flush=True)
    with alone(book):
        if reasons:
            record_measurements(book.ledger, measurements(notebook))
        write(path, source_text(notebook))
        write(path.with_suffix(".ipynb"), notebook_text(notebook))
        if reasons:
            record_runtime(book, path, seconds)


@contextmanager
def alone(book: Book) -> Iterator[None]:
    """Keep other runs in this checkout from storing: the ledger and the running times are read, changed and written."""
    folder = os.open(book.root / "notebooks", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run or check chapters; return the exit status."""
    parser = argparse.ArgumentParser(description="Execute the book's chapters and store their outputs.")
    parser.add_argument("chapters", nargs="*", type=Path, help="sources or notebooks (default: every chapter)")
    parser.add_argument("--all", action="store_true", help="run chapters even when their outputs stand")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 and name stale chapters")
    options = parser.parse_args(arguments)

    book = Book(root)
    paths = [path.resolve().with_suffix(".md") for path in options.chapters] or book.chapters
    failed = False
    for path in paths:
        try:
            if not path.exists():
                raise ChapterError("there is no such chapter")
            if not options.check:
                run_chapter(book, path, options.all)
            elif reasons := check_chapter(book, path):
                raise ChapterError(f"{'; '.join(reasons)} (`make reproduce` brings it up to date)")
        except (ChapterError, SyntaxError) as error:
            print(f"{path.stem}: {error}.", file=sys.stderr, flush=True)
            failed = True
        except OSError as error:
            print(f"{path.stem}: it could not be stored ({error.strerror}).", file=sys.stderr, flush=True)
            failed = True
    if not options.check and book.runtimes.exists():
        write_status(book)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
