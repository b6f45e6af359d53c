"""Plant faults in a copy of the checkout, one after the other, and see whether the tests catch them.

The faults are listed in scripts/faults/catalogue.py, each with the tests that should see it. First those tests must
pass on the copy as it is. A fault is caught when one of them fails. What came of it is stored in results/mutants.json,
with hashes of the lines that the fault changed and of the test that caught it, and the status page shows it.

    python -m scripts.faults.plant                  plant every fault and store what came of it
    python -m scripts.faults.plant --new            plant those of which nothing is stored, or another edit or test
    python -m scripts.faults.plant ID [ID ...]      plant these and store nothing
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from scripts.atomic import write
from scripts.chapters.book import ROOT, Book
from scripts.chapters.rerun import ENVIRONMENT
from scripts.faults.catalogue import FAULTS
from scripts.faults.fault import Fault, MutantError, mutated, planted
from scripts.faults.records import made, record, same, test_hash

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "_build", "__pycache__", ".*_cache", ".hypothesis", ".checkpoints")
# Seconds for the tests of one fault, many times what they need: a slow machine must not pass for a caught fault.
LIMIT = 180
OPTIONS = [
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
    "-x",
    "-q",
    "--no-header",
    "--tb=no",
    "--hypothesis-profile=mutants",
]
OPTIONS += [word for plugin in ("cacheprovider", "xdist", "nbval") for word in ("-p", f"no:{plugin}")]

# What the tests and the library import from elsewhere, and what takes longest.
PRELOADED: tuple[str, ...] = (
    "pytest",
    "hypothesis",
    "numpy",
    "jax.numpy",
    "jax.scipy.linalg",
    "jax.flatten_util",
    "optax",
    "yaml",
)
PRELOADED += ("scipy.integrate", "scipy.linalg", "scipy.optimize", "nbformat.v4", "jupytext", "nbclient", "jsonschema")
PRELOADED += ("matplotlib.pyplot", "packaging.requirements")


def environment(root: Path) -> dict[str, str]:
    """Return variables under which the copy's library comes before the installed one, and tests draw the same data."""
    # Byte code is judged by size and second of its source, which a fault may share with the text before it.
    fixed = {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "CI": "true"}
    return {**os.environ, **ENVIRONMENT, **fixed}


class Copy:
    """Run tests in a copy of the checkout, whose library is the one that they import."""

    def __init__(self, target: Path, root: Path = ROOT, preload: Sequence[str] = PRELOADED) -> None:
        shutil.copytree(root, target, ignore=LEFT_OUT)
        self.root = target
        env = environment(target)
        asks = [sys.executable, "-c", "import bnlib; print(bnlib.__file__)"]
        found = subprocess.run(asks, cwd=target, env=env, capture_output=True, text=True, check=True).stdout.strip()
        if Path(found) != target / "bnlib" / "__init__.py":
            raise MutantError(f"the copy's tests would import {found}, not the copy's library")
        server = [sys.executable, str(Path(__file__).with_name("forkserver.py")), *preload]
        self.server = subprocess.Popen(
            server, cwd=target, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def _answer(self) -> str:
        assert self.server.stdout is not None
        if not (line := self.server.stdout.readline()):
            raise MutantError("the process that runs the tests has died")
        return line

    def outcome(self, checks: Sequence[str], limit: int = LIMIT) -> tuple[str | None, float]:
        """Run tests; return the first one that failed, None when all passed, and the seconds.

        Raises:
            MutantError: pytest found no test or took the arguments for wrong, or the time was up.
        """
        start = time.perf_counter()
        assert self.server.stdin is not None
        print(json.dumps([[*OPTIONS, *checks], limit]), file=self.server.stdin, flush=True)
        status, output = json.loads(self._answer())
        seconds = time.perf_counter() - start
        if status == 0:
            return None, seconds
        if status == -signal.SIGALRM:
            raise MutantError(f"its tests took more than {limit} s")
        failed = re.search(r"^(?:FAILED|ERROR) ([^\s\[]+)", output, re.M)
        if status not in (1, 2) or failed is None:
            raise MutantError(f"pytest ended with status {status}: {output.strip().rpartition(chr(10))[2]}")
        return failed[1], seconds

    def close(self) -> None:
        """End the process that runs the tests."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait()


def run(
    faults: Sequence[Fault],
    root: Path = ROOT,
    refused: list[str] | None = None,
    preload: Sequence[str] = PRELOADED,
) -> Iterator[dict[str, Any]]:
    """Plant faults one after the other and yield a record for each.

    Args:
        faults: the faults.
        root: the checkout to copy.
        refused: takes a sentence for each fault that cannot be judged; None to raise it.
        preload: modules imported once, before the tests.

    Raises:
        MutantError: a fault cannot be planted, tests fail without a fault, or they take too long.
    """
    passing: set[tuple[str, ...]] = set()
    with tempfile.TemporaryDirectory() as folder, closing(Copy(Path(folder).resolve() / "copy", root, preload)) as copy:
        for fault in faults:
            try:
                texts = mutated(fault, copy.root)
                if fault.checks not in passing:
                    failed, _ = copy.outcome(fault.checks, 4 * LIMIT)
                    if failed:
                        raise MutantError(f"{failed} fails without any fault")
                    passing.add(fault.checks)
                with planted(texts, copy.root):
                    by, seconds = copy.outcome(fault.checks)
            except MutantError as error:
                if refused is None:
                    raise MutantError(f"{fault.id}: {error}") from error
                refused.append(f"{fault.id}: {error}.")
                print(refused[-1], file=sys.stderr, flush=True)
                continue
            print(f"{'caught' if by else 'SURVIVED':8}  {fault.id}  {seconds:.1f} s  {by or ''}", flush=True)
            came = {"caught": by is not None, "by": by, "test": test_hash(by, copy.root), "seconds": round(seconds, 1)}
            yield record(fault, copy.root) | came


def main(arguments: list[str] | None = None) -> int:
    """Plant faults; return 0 when each was caught or has its reason."""
    parser = argparse.ArgumentParser(description="Plant faults in a copy of the checkout and see what the tests catch.")
    parser.add_argument("ids", nargs="*", help="faults to plant (default: all, and store what came of it)")
    parser.add_argument("--new", action="store_true", help="only those of which nothing is stored, or no catch")
    options = parser.parse_args(arguments)

    if unknown := set(options.ids) - {fault.id for fault in FAULTS}:
        print(f"There is no fault named {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 1
    start = time.perf_counter()
    kept = {r["id"]: r for r in Book(ROOT).faults} if options.new else {}
    known = {f.id for f in FAULTS if f.id in kept and same(f, kept[f.id]) and (kept[f.id]["caught"] or f.reason)}
    chosen = [f for f in FAULTS if (f.id in options.ids if options.ids else f.id not in known)]
    refused: list[str] = []
    done: dict[str, dict[str, Any]] = {}
    for entry in run(chosen, refused=refused):
        done[entry["id"]] = entry
        if not options.ids:  # after each, so that a kill loses one at most
            records = [done.get(f.id) or kept[f.id] for f in FAULTS if f.id in done or f.id in known]
            stored = {"made": made(records), "faults": records}
            write(ROOT / "results" / "mutants.json", json.dumps(stored, indent=1, ensure_ascii=False) + "\n")
    caught = sum(r["caught"] for r in done.values())
    print(f"{caught} of {len(done)} faults caught in {time.perf_counter() - start:.0f} s.")
    return 0 if not refused and all(r["caught"] or r["reason"] for r in done.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
