"""Execute the book's chapters: the only thing that writes notebooks/*.ipynb.

A chapter is edited as notebooks/slug.md; its notebook keeps the outputs. A chapter whose code, library and
locked versions are those of its stored outputs is not run again: its notebook is only rebuilt from the text.
A run also records its seconds (results/runtimes.json) and its measurements (claims.yml); the pages that show them have
scripts of their own. A chapter that reads stored results (results/*.json) is stale when they change.

    python -m scripts.chapters.run_notebooks            run what is stale
    python -m scripts.chapters.run_notebooks --all      run everything
    python -m scripts.chapters.run_notebooks --check    change nothing; name what is stale and exit 1
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from scripts.atomic import write
from scripts.chapters.book import ROOT, Book, alone
from scripts.chapters.freshness import outputs_hash, stamp
from scripts.chapters.notebook import (
    KERNELSPEC,
    ChapterError,
    notebook_text,
    read_source,
    read_stored,
    rebuild,
    source_text,
    stale_reasons,
)
from scripts.chapters.rerun import CELL_TIMEOUT, ENVIRONMENT, QUIET
from scripts.chapters.verdicts import measurements


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


def record_measurements(ledger: Path, found: dict[str, dict[str, str]]) -> None:
    """Put measurements into the ledger, each into its record's `measured:` line, and touch nothing else."""
    lines = ledger.read_text(encoding="utf-8").splitlines(keepends=True) if found else []
    current, left = None, dict(found)
    for number, line in enumerate(lines):
        if match := re.match(r"  - id: (\S+)", line):
            current = match[1]
        elif line.startswith("    measured:") and current in left:
            # JSON is YAML, and stays on one line.
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


def record_runtime(book: Book, chapter: Path, seconds: float) -> None:
    """Store a chapter's seconds, in the order of the book; chapters that are gone are dropped."""
    stored = book.runtimes | {chapter.stem: {"seconds": round(seconds, 1), **machine()}}
    kept = {path.stem: stored[path.stem] for path in book.chapters if path.stem in stored}
    write(book.root / "results" / "runtimes.json", json.dumps(kept, indent=1) + "\n")


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
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
