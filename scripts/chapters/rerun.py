"""Run a stored chapter again, in another kernel or under other conditions, and compare its cells."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from scripts.chapters.comparison import compared, differing, printed

CELL_TIMEOUT = 600
# What every kernel of ours sees. Rounding must not depend on the number of processors; and on a busy machine two
# threads of OpenBLAS, which wait actively for each other, can take hundreds of times as long as one.
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "NPROC": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
QUIET = ["--IPKernelApp.log_level=40"]  # no warning that the kernel listens on this machine


@dataclass(frozen=True)
class Rerun:
    """Hold a chapter as stored and as it came out now, the cells added to it, and why it did not reach its end."""

    stored: nbformat.NotebookNode
    now: nbformat.NotebookNode
    added: list[nbformat.NotebookNode]
    trouble: str = ""

    @property
    def differing(self) -> list[int]:
        """Numbers of the compared cells that print something else."""
        return list(differing(self.stored, self.now))

    def shown(self) -> str:
        """Return what the differing cells print now, below what is stored."""
        before, now = dict(compared(self.stored)), dict(compared(self.now))
        parts = (f"--- Cell {n}, stored\n{_text(before[n])}--- now\n{_text(now[n])}" for n in self.differing)
        return "".join(parts)


def _text(cell: nbformat.NotebookNode) -> str:
    return "".join(printed(cell) + [f"{error}\n" for error in errors(cell)])


def errors(cell: nbformat.NotebookNode) -> list[str]:
    """Return the errors that a cell has raised."""
    return [f"{o['ename']}: {o['evalue']}" for o in cell.get("outputs", []) if o["output_type"] == "error"]


def rerun(
    path: Path,
    folder: Path,
    *,
    kernel: str = "python3",
    environment: Mapping[str, str] | None = None,
    first: Sequence[str] = (),
    last: Sequence[str] = (),
) -> Rerun:
    """Run a chapter past failing cells.

    Args:
        path: its notebook.
        folder: where it runs.
        kernel: name of the kernel.
        environment: what the kernel sees beside the environment of this process; None for nothing.
        first: code to run behind the first cell.
        last: code to run at the end.
    """
    stored = nbformat.read(path, as_version=4)
    notebook = copy.deepcopy(stored)
    at = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code") + 1
    added = [nbformat.v4.new_code_cell(source) for source in (*first, *last)]
    notebook.cells = [*notebook.cells[:at], *added[: len(first)], *notebook.cells[at:], *added[len(first) :]]
    client = NotebookClient(
        notebook,
        kernel_name=kernel,
        timeout=CELL_TIMEOUT,
        allow_errors=True,
        coalesce_streams=True,  # a print can arrive in pieces
        extra_arguments=QUIET,
        resources={"metadata": {"path": str(folder)}},
    )
    trouble = ""
    try:
        client.execute(env=os.environ | dict(environment or {}))
    except (CellTimeoutError, DeadKernelError) as error:
        trouble = str(error).strip().rpartition("\n")[2]
    notebook.cells = [cell for cell in notebook.cells if all(cell is not other for other in added)]
    return Rerun(stored, notebook, added, trouble)
