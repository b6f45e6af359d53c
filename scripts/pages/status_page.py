"""Write book/status.md, where the numbers come from, from what is stored in results/ (`--check`: only compare)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from bnlib.book import claims
from scripts.chapters.book import Book, Machines
from scripts.chapters.spreads import ENOUGH, Room, rooms
from scripts.pages.generated import command
from scripts.pages.speed import speed_tables

HEAD = """\
# Where the numbers come from

Outputs and figures of this site were computed by the code beside them. This page says how long that took,
what was computed once and stored, on which other machines the verdicts are the same, how fast training is, and which
mistakes the tests are known to catch. Scripts write it.
"""
RUNTIMES = """
## Chapters at quick scale

`python -m scripts.chapters.run_notebooks` runs a chapter in a fresh kernel that imports and compiles everything anew.
This site shows those runs, outputs included. Seconds are those of the clock, and other work may have shared the
machine.

| Chapter | Seconds | CPUs | Platform | Python | JAX |
| :-- | --: | --: | :-- | :-- | :-- |
"""
EXPERIMENTS = """
## Runs at the papers' scale

`python -m scripts.runs.paper_scale` makes these and keeps singular values, norms and diagnostics in `results/`. What
is pending waits for someone with the time: the same command runs what is left.

| Experiment | Trainings | Seeds | Minutes | Device |
| :-- | :-- | --: | --: | :-- |
"""
MACHINES = """
## Other machines

Another machine rounds otherwise. `make perturb` runs the chapters with arrays moved by four units in the last place,
with other kernels of NumPy's matrix products, other instructions and other threads;
`python -m scripts.chapters.colab_check --record` runs them with other versions, or trains in float64 what they train in
float32 (there the outcomes of the verdicts alone are compared). Every cell should print what it prints on this site:
words and counts alike, real numbers within a thousandth, and each measurement of a verdict within its distance to the
nearest bound of its check. A chapter counts when its code and library are still those that ran. "all instructions" are
all that the processor has.

| Machine | Chapters | Cells compared | Differing |
| :-- | --: | --: | --: |
"""
ROOMS = f"""
## Room of the checks

A verdict should not hang on rounding. For every check, the distance of its measurement from the nearest bound is taken
in units of its standard deviation over the machines above. A check has room from {ENOUGH:.0f} such units on.

"""
CLOSE = """\
, these have not:

| Claim | Check | Measured | Bound | Room |
| :-- | :-- | --: | --: | --: |
"""
READING = """
## What a reader gets

`make reading` opens every chapter at 1280 by 900 pixels, with everything folded that can be. Code is the share of the
page's height that visible code takes. Cut are the code cells, folded ones too, with a line wider than the column.
Tallest is the longest visible cell, in lines. Defined are functions and classes. Printed are visible blocks of text.
Pictures is how many screens it takes to the end of the second picture. Where a chapter was edited for its readers in
November 2026, the first number is that before.

| Chapter | Code, % | Cut | Tallest | Defined | Printed | Figures | Pictures |
| :-- | --: | --: | --: | --: | --: | --: | --: |
"""
FAULTS = """
## Planted faults

`make mutants` plants faults in a copy of the checkout, one at a time, and runs the tests that should see them. A fault
of the library has to be seen by a test of what the code computes: the stamps of the chapters, which any change of a
module makes stale, do not count.

| Planted in | Faults | Caught |
| :-- | --: | --: |
"""


def page(book: Book) -> str:
    """Return the whole page: times, runs at the papers' scale, other machines, speed of training and planted faults."""
    runtimes, code = book.runtimes, book.code
    text = HEAD + runtimes_table({path.stem: runtimes[path.stem] for path in book.chapters if path.stem in runtimes})
    text += experiments_table(book.manifests)
    text += reading_table(book.reading)
    if kept := book.machines:
        text += machines_table(kept, code) + rooms_table(rooms(kept, code, claims.load(book.ledger)))
    return text + speed_tables(book.benchmarks) + faults_table(book.faults)


def runtimes_table(runtimes: Mapping[str, dict[str, Any]]) -> str:
    """Return the section of running times, a row for each chapter."""
    rows = (
        f"| [](../notebooks/{chapter}.ipynb) | {run['seconds']:.0f} | {run['cpus']} | {run['platform']} "
        f"| {run['python']} | {run['jax']} |\n"
        for chapter, run in runtimes.items()
    )
    return RUNTIMES + "".join(rows)


def experiments_table(manifests: Mapping[str, dict[str, Any]]) -> str:
    """Return the section of runs at the papers' scale, a row for each experiment."""
    rows = (
        f"| `{name}` | {state(entry)} | {len(entry['seeds'])} | {sum(r['seconds'] for r in entry['runs']) / 60:.0f} "
        f"| {', '.join(sorted({r['device'] for r in entry['runs']}))} |\n"
        for name, entry in sorted(manifests.items())
    )
    return EXPERIMENTS + "".join(rows)


def reading_table(kept: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Return the section of what a reader gets, a row for each chapter; empty before a site was measured.

    Args:
        kept: the measures by chapter, of the site "before" and of the site "now".
    """
    if "now" not in kept:
        return ""
    old, new = kept.get("before", {}), kept["now"]
    keys = ("share", "cut", "tallest", "defined", "blocks", "figures", "head")
    rows = (
        f"| [](../notebooks/{chapter}.ipynb) | "
        + " | ".join(f"{old[chapter][key]:g} → {now[key]:g}" if chapter in old else f"{now[key]:g}" for key in keys)
        + " |\n"
        for chapter, now in new.items()
    )
    return READING + "".join(rows)


def state(manifest: Mapping[str, Any]) -> str:
    """Say how much of an experiment is stored."""
    stored, planned = manifest["stored"], manifest["planned"]
    return "pending" if not stored else f"all {planned}" if stored == planned else f"{stored} of {planned}"


def machines_table(machines: Machines, code: Mapping[str, str]) -> str:
    """Return the section of other machines, a row for each, and below the table what differs there.

    Args:
        machines: the records.
        code: by chapter, in the order of the book, what its stored outputs were computed with.
    """
    rows, left = [], []
    for machine, chapters in sorted(machines.items()):
        now = {stem: chapters[stem] for stem in code if stem in chapters and code[stem] == chapters[stem]["code"]}
        cells = sum(kept["cells"] for kept in now.values())
        wrong = [f"{stem}: {reason}" for stem, kept in now.items() for reason in kept["differing"]]
        rows.append(f"| {machine} | {len(now)} of {len(code)} | {cells} | {len(wrong)} |\n")
        left += [f"- {machine}: {reason}\n" for reason in wrong]
    return MACHINES + "".join(rows) + ("\nDiffering:\n\n" + "".join(left) if left else "")


def rooms_table(found: Sequence[Room]) -> str:
    """Return the section of the room of checks; empty when nothing was measured on enough machines."""
    if not found:
        return ""
    close = sorted((r for r in found if r.room < ENOUGH), key=lambda r: r.room)
    text = ROOMS + f"{len(found)} checks were measured; {len(found) - len(close)} have room"
    rows = (f"| `{r.claim}` | {r.check} | {r.value:.4g} | {r.bound:.4g} | {r.room:.1f} |\n" for r in close)
    return text + (CLOSE + "".join(rows) if close else ".\n")


def faults_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the section of planted faults, a row for each kind, and below the table those that survive."""
    if not records:
        return ""
    kinds = dict.fromkeys(r["kind"] for r in records)
    groups = [(kind, [r for r in records if r["kind"] == kind]) for kind in kinds] + [("all", list(records))]
    rows = (f"| {kind} | {len(group)} | {sum(r['caught'] for r in group)} |\n" for kind, group in groups)
    left = [f"- {r['summary'].capitalize()}: {r['reason']}\n" for r in records if not r["caught"]]
    return FAULTS + "".join(rows) + ("\nNot caught:\n\n" + "".join(left) if left else "")


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with `--check` compare them; return the exit status."""
    return command(
        "scripts.pages.status_page", __doc__, lambda root: {Book(root).status: page(Book(root))}, argv=arguments
    )


if __name__ == "__main__":
    sys.exit(main())
