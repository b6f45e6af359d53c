"""Run the chapters as other machines would, and compare every cell with what is stored, as the tests do.

Another machine rounds otherwise. BNLIB_PERTURB multiplies the arrays of networks, tasks and constructions by
1 + 4 eps N(0, 1); OPENBLAS_CORETYPE chooses the kernels of NumPy's matrix products, --xla_cpu_max_isa the instructions
of JAX's, and NPROC its threads. A cell that prints something else on one of them is at fault.

    python scripts/perturb.py                       every chapter on every machine
    python scripts/perturb.py --machines seed-1 AVX2 notebooks/03_linear.ipynb
    python scripts/perturb.py --record              keep what came of it for the status page
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from comparison import compared, differing, printed
from machines import named
from run_notebooks import CELL_TIMEOUT, ROOT, Book, measurements, record_machine

# As scripts/run_notebooks.py starts its kernels.
QUICK = {
    "BNLIB_SCALE": "quick",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "NPROC": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class Rerun(NamedTuple):
    """Hold how many cells were compared, those that print something else, and what the claims measured."""

    cells: int
    differing: list[str]
    measured: dict[str, str]
    shown: str = ""


@dataclass(frozen=True)
class Elsewhere:
    """Hold one machine: its name on the command line, its row in the table, and what the kernels see of it."""

    name: str
    words: str
    environment: dict[str, str]


def other_processor(name: str, blas: str, words: str, threads: int) -> Elsewhere:
    """Return a processor with other instructions and other kernels of matrix products, on some threads."""
    many = "true" if threads > 1 else "false"
    environment = {
        "OPENBLAS_CORETYPE": blas,
        "OPENBLAS_NUM_THREADS": str(threads),
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={many} --xla_cpu_max_isa={name}",
        "NPROC": str(threads),
    }
    return Elsewhere(name, words, environment)


MACHINES = (
    *(Elsewhere(f"seed-{i}", f"Arrays moved by rounding, seed {i}", {"BNLIB_PERTURB": str(i)}) for i in range(1, 6)),
    other_processor("SSE4_2", "Nehalem", "BLAS of Nehalem, SSE4.2 instructions, 1 thread", 1),
    other_processor("AVX", "Sandybridge", "BLAS of Sandy Bridge, AVX instructions, 2 threads", 2),
    other_processor("AVX2", "Haswell", "BLAS of Haswell, AVX2 instructions, 2 threads", 2),
    other_processor("AVX512", "SkylakeX", "BLAS of Skylake X, AVX-512 instructions, 1 thread", 1),
)


def available() -> list[Elsewhere]:
    """Return the machines that this processor can stand in for."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    return [machine for machine in MACHINES if machine.name != "AVX512" or "avx512f" in flags]


def rerun(path: Path, environment: dict[str, str]) -> Rerun:
    """Run one stored chapter in a fresh kernel with some environment, past failing cells, and compare its cells."""
    stored = nbformat.read(path, as_version=4)
    notebook = copy.deepcopy(stored)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        allow_errors=True,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        client.execute(env=os.environ | QUICK | environment)
    except (CellTimeoutError, DeadKernelError) as error:
        return Rerun(len(compared(stored)), [str(error).strip().rpartition("\n")[2]], {})
    numbers = list(differing(stored, notebook))
    before, now = dict(compared(stored)), dict(compared(notebook))
    shown = "".join(f"--- Cell {n}, stored\n{text(before[n])}--- now\n{text(now[n])}" for n in numbers)
    return Rerun(len(compared(stored)), [f"Cell {n}" for n in numbers], measurements(notebook), shown)


def text(cell: nbformat.NotebookNode) -> str:
    """Return what a cell shows: its texts and its errors."""
    errors = [f"{o['ename']}: {o['evalue']}\n" for o in cell.outputs if o["output_type"] == "error"]
    return "".join(printed(cell) + errors)


def main(arguments: list[str] | None = None) -> int:
    """Compare chapters on machines, print a line for each pair, and return 1 when a cell differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("chapters", nargs="*", type=Path, help="notebooks or texts (default: every chapter)")
    parser.add_argument("--machines", nargs="+", choices=[m.name for m in MACHINES], help="default: all available")
    parser.add_argument("--record", action="store_true", help="keep what came of it, for the status page")
    parser.add_argument("--verbose", action="store_true", help="show what differing cells printed before and now")
    parser.add_argument("--jobs", type=int, default=2, help="chapters at a time")
    options = parser.parse_args(arguments)
    if options.record and not named(ROOT):
        parser.error("what ran could not be named: commit bnlib, claims.yml and notebooks before --record")
    book = Book(ROOT)
    paths = [path.resolve().with_suffix(".ipynb") for path in options.chapters or book.chapters]
    machines = [m for m in available() if not options.machines or m.name in options.machines]

    def one(task: tuple[Elsewhere, Path]) -> int:
        machine, path = task
        begin = time.monotonic()
        found = rerun(path, machine.environment)
        seconds = time.monotonic() - begin
        words = ", ".join(found.differing) or "ok"
        print(f"{machine.name:8} {path.stem:22} {seconds:5.0f} s {found.cells:4d} cells  {words}", flush=True)
        if options.verbose and found.shown:
            print(found.shown, flush=True)
        if options.record:
            record_machine(book, machine.words, path.stem, found.cells, found.differing, found.measured)
        return len(found.differing)

    with ThreadPoolExecutor(options.jobs) as pool:
        differing = sum(pool.map(one, [(machine, path) for machine in machines for path in paths]))
    print(f"{differing} cells differ, of {len(paths)} chapters on {len(machines)} machines.")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
