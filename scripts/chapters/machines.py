"""What came of the chapters on other machines: a record for each chapter and machine, and the table made of them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# A machine is described in words; under it, by chapter, {"code", "cells", "differing", "measured"}.
Machines = dict[str, dict[str, dict[str, Any]]]

HEAD = """
## Other machines

Another machine rounds otherwise. `make perturb` runs the chapters with arrays moved by four units in the last place,
with other kernels of NumPy's matrix products, other instructions and other threads;
`scripts/chapters/colab_check.py --record` runs them with other versions, or trains in float64 what they train in float32 (there the verdicts alone are compared).
Every cell should print what it prints on this site: words and counts alike, real numbers within a thousandth, and
measurements so that the verdict stays. A chapter counts when its code and library are still those that ran. "all
instructions" are all that the processor has.

"""


def conditions(facts: Mapping[str, str], environment: Mapping[str, str], float64: bool) -> str:
    """Return what describes a machine: versions, device, instructions, threads and type of the trainings.

    Args:
        facts: the versions of python and jax, and the device, as the kernel has them.
        environment: the kernel's XLA_FLAGS and NPROC.
        float64: whether the trainings were in float64.
    """
    isa = re.search(r"xla_cpu_max_isa=(\w+)", environment["XLA_FLAGS"])
    python = facts["python"].rpartition(".")[0]
    instructions = isa.group(1) if isa else "all"
    threads = environment["NPROC"] + (" thread" if environment["NPROC"] == "1" else " threads")
    trained = "float64" if float64 else "float32"
    return (
        f"Python {python}, JAX {facts['jax']}, {facts['device']}, {instructions} instructions, {threads}, "
        f"trained in {trained}"
    )


def named(root: Path) -> bool:
    """Say whether what runs is what is committed, so that a record of it means something."""
    command = ("git", "-C", str(root), "status", "--porcelain", "--", "bnlib", "claims.yml", "notebooks")
    return not subprocess.run(command, capture_output=True, text=True, check=True).stdout


def entry(code: str, cells: int, differing: Sequence[str], measured: Mapping[str, str]) -> dict[str, Any]:
    """Return the record of one chapter on one machine.

    Args:
        code: hash of what its stored outputs were computed with.
        cells: how many were compared.
        differing: those that printed something else, or what else went wrong, in words.
        measured: by claim, the numbers of its verdict line.
    """
    return {"code": code, "cells": cells, "differing": list(differing), "measured": dict(measured)}


def table(machines: Machines, code: Mapping[str, str]) -> str:
    """Return a row for each machine, and below the table what differs there; empty when nothing is stored.

    Args:
        machines: the records.
        code: by chapter, what its stored outputs were computed with.
    """
    rows, left = [], []
    for machine, chapters in sorted(machines.items()):
        now = {stem: kept for stem, kept in chapters.items() if code.get(stem) == kept["code"]}
        cells = sum(kept["cells"] for kept in now.values())
        wrong = [f"{stem}: {reason}" for stem, kept in sorted(now.items()) for reason in kept["differing"]]
        rows.append(f"| {machine} | {len(now)} of {len(code)} | {cells} | {len(wrong)} |\n")
        left += [f"- {machine}: {reason}\n" for reason in wrong]
    head = "| Machine | Chapters | Cells compared | Differing |\n| :-- | --: | --: | --: |\n"
    text = HEAD + head + "".join(rows) + ("\nDiffering:\n\n" + "".join(left) if left else "")
    return text if machines else ""
