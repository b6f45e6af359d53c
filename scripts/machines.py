"""What came of the chapters on other machines: a record for each chapter and machine, and the table made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# A machine is described by six words; under each, by chapter, {"code", "verdicts", "wrong"}.
Machines = dict[str, dict[str, dict[str, Any]]]

HEAD = """
## Other machines

`scripts/colab_check.py --record` runs the chapters with other versions, on other processors, with other threads, or
trains in float64 what they train in float32. A chapter counts when its code and library are still those that ran.
Its verdicts should be those of this site. "all instructions" are all that the processor has.

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
    trained = "float64" if float64 else "float32"
    cells = [python, facts["jax"], facts["device"], isa.group(1) if isa else "all", environment["NPROC"], trained]
    return " | ".join(cells)


def described(machine: str) -> str:
    """Return a machine's cells in words: more columns would not fit on the page."""
    python, jax, device, instructions, threads, trained = machine.split(" | ")
    threads += " thread" if threads == "1" else " threads"
    return f"Python {python}, JAX {jax}, {device}, {instructions} instructions, {threads}, trained in {trained}"


def table(machines: Machines, code: Mapping[str, str]) -> str:
    """Return a row for each machine, and below the table what differs there; empty when nothing is stored.

    Args:
        machines: the records.
        code: by chapter, what its stored outputs were computed with.
    """
    rows, left = [], []
    for machine, chapters in sorted(machines.items()):
        now = {stem: entry for stem, entry in chapters.items() if code.get(stem) == entry["code"]}
        verdicts = sum(len(entry["verdicts"]) for entry in now.values())
        wrong = [f"{stem}: {reason}" for stem, entry in sorted(now.items()) for reason in entry["wrong"]]
        rows.append(f"| {described(machine)} | {len(now)} of {len(code)} | {verdicts} | {len(wrong)} |\n")
        left += [f"- {described(machine)}: {reason}\n" for reason in wrong]
    head = "| Machine | Chapters | Verdicts | Differing |\n| :-- | --: | --: | --: |\n"
    text = HEAD + head + "".join(rows) + ("\nDiffering:\n\n" + "".join(left) if left else "")
    return text if machines else ""
