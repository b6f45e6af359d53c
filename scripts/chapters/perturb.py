"""Run the chapters as other machines would, and compare every cell with what is stored, as the tests do.

Another machine rounds otherwise. BNLIB_PERTURB multiplies the arrays of networks, tasks and constructions by
1 + 4 eps N(0, 1); OPENBLAS_CORETYPE chooses the kernels of NumPy's matrix products, --xla_cpu_max_isa the instructions
of JAX's, and NPROC its threads. A cell that prints something else on one of them is at fault.

    python -m scripts.chapters.perturb                       every chapter on every machine
    python -m scripts.chapters.perturb --machines seed-1 AVX2 notebooks/linear.ipynb
    python -m scripts.chapters.perturb --record              keep what came of it for the status page
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from scripts.chapters.book import ROOT, Book
from scripts.chapters.comparison import compared
from scripts.chapters.machines import named, store
from scripts.chapters.rerun import ENVIRONMENT, rerun
from scripts.chapters.verdicts import measurements


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
        run = rerun(path, path.parent, environment={"BNLIB_SCALE": "quick"} | ENVIRONMENT | machine.environment)
        seconds = time.monotonic() - begin
        cells, wrong = len(compared(run.stored)), [f"Cell {number}" for number in run.differing]
        wrong = [run.trouble] if run.trouble else wrong
        words = ", ".join(wrong) or "ok"
        print(f"{machine.name:8} {path.stem:22} {seconds:5.0f} s {cells:4d} cells  {words}", flush=True)
        if options.verbose and wrong:
            print(run.shown(), flush=True)
        if options.record:
            store(book, machine.words, path.stem, cells, wrong, measurements(run.now))
        return len(wrong)

    with ThreadPoolExecutor(options.jobs) as pool:
        differing = sum(pool.map(one, [(machine, path) for machine in machines for path in paths]))
    print(f"{differing} cells differ, of {len(paths)} chapters on {len(machines)} machines.")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
