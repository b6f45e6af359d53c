"""What came of a chapter on another machine: how that is named, and how its record is made and stored."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.atomic import write
from scripts.chapters.book import Book, alone


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


def entry(code: str, cells: int, differing: Sequence[str], measured: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the record of one chapter on one machine.

    Args:
        code: hash of what its stored outputs were computed with.
        cells: how many were compared.
        differing: those that printed something else, or what else went wrong, in words.
        measured: by claim, the numbers of its checks by name.
    """
    return {
        "code": code,
        "cells": cells,
        "differing": list(differing),
        "measured": {claim: dict(numbers) for claim, numbers in measured.items()},
    }


def store(
    book: Book, machine: str, stem: str, cells: int, differing: Sequence[str], measured: Mapping[str, Mapping[str, str]]
) -> None:
    """Store what came of one chapter on one machine; see `entry`."""
    with alone(book):
        stored = book.machines
        stored.setdefault(machine, {})[stem] = entry(book.code[stem], cells, differing, measured)
        text = json.dumps({"machines": stored}, indent=1, sort_keys=True, ensure_ascii=False)
        write(book.root / "results" / "machines.json", text + "\n")
