"""Read verdicts back from what a chapter has printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import nbformat

from bnlib.book.claims import Claim, ClaimError
from bnlib.book.verdict import Verdict, judge

HEAD = re.compile(
    r"^(?P<outcome>holds|partly|not reproduced)  (?P<id>[\w-]+): \d+ of \d+ checks(?:  \[(?P<note>[^\]]+)\])?$"
)
ROW = re.compile(r"^  (?P<mark>holds|fails)  (?P<name>\w+): (?P<stated>.*)  \[measured (?P<measured>[^\]]+)\]$")


class Printed(NamedTuple):
    """Hold a verdict as it was printed: claim, outcome, note, the measurements by name, and all of its lines."""

    id: str
    outcome: str
    note: str
    measured: dict[str, str]
    text: str

    @property
    def record(self) -> dict[str, str]:
        """The measurements with the note, as the ledger keeps them."""
        return self.measured | ({"note": self.note} if self.note else {})


def read_verdicts(text: str) -> Iterator[Printed]:
    """Yield the verdicts in a printed text: a line with the outcome, and below it a line for each check."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if head := HEAD.match(line):
            rows = []
            for below in lines[number + 1 :]:
                if not (row := ROW.match(below)):
                    break
                rows.append(row)
            measured = {row["name"]: row["measured"] for row in rows}
            whole = "\n".join(lines[number : number + 1 + len(rows)])
            yield Printed(head["id"], head["outcome"], head["note"] or "", measured, whole)


def stored_verdicts(notebook: nbformat.NotebookNode) -> Iterator[Printed]:
    """Yield the verdicts that a notebook's cells have printed or returned."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield from read_verdicts(output.get("text", "") or output.get("data", {}).get("text/plain", ""))


def measurements(notebook: nbformat.NotebookNode) -> dict[str, dict[str, str]]:
    """Return what a notebook's verdicts say was measured, by claim and check."""
    return {found.id: found.record for found in stored_verdicts(notebook)}


def rejudge(printed: Printed, ledger: dict[str, Claim]) -> Verdict:
    """Return the verdict that the printed numbers earn: its text is another one where the print was edited.

    Raises:
        ClaimError: the claim is not in the ledger, or its checks ask for other numbers.
    """
    if printed.id not in ledger:
        raise ClaimError(f"This verdict is of a claim that is not in the ledger: {printed.id!r}.")
    return judge(ledger[printed.id], printed.measured, printed.note)
