"""What every stored notebook must satisfy, checked without a kernel: each check lists what is wrong."""

import functools
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

from scripts.chapters.freshness import outputs_hash
from scripts.chapters.installing import installing_cell
from scripts.chapters.verdicts import read_verdicts

ROOT = Path(__file__).resolve().parents[1]
MAX_BYTES = 3_000_000
# The verdict that a chapter must show for a record of each status; open records have none.
VERDICTS = {
    "certified": "holds",
    "reproduced": "holds",
    "partly": "partly",
    "not reproduced": "not reproduced",
}
TIMING = re.compile(r"\bperf_counter\b|\btime\.(time|monotonic)\b|\btimeit\b|^\s*%+time", re.M)
ABSOLUTE_PATH = re.compile(r"(?:^|[\s\"'(=:])(?:/[\w.+-]+){2,}|\b[A-Z]:\\\w", re.M)


@dataclass(frozen=True)
class Project:
    """What notebooks are checked against."""

    version: str
    url: str
    ledger: dict[str, dict]

    @classmethod
    @functools.cache
    def here(cls) -> "Project":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        claims = yaml.safe_load((ROOT / "claims.yml").read_text(encoding="utf-8"))["claims"]
        ledger = {record["id"]: record for record in claims}
        return cls(project["version"], project["urls"]["Repository"], ledger)

    def first_cell(self) -> str:
        """The cell that installs the library where it is missing, on Colab for one."""
        return installing_cell(self.url, f"v{self.version}")


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def output_texts(cell):
    """List an output's texts: what it printed and its representations, pictures left out."""
    for output in cell.outputs:
        yield output.get("text", "")
        for kind, value in output.get("data", {}).items():
            if not kind.startswith("image/") or kind == "image/svg+xml":
                yield value if isinstance(value, str) else str(value)


def check_counts(notebook, project):
    counts = [cell.execution_count for cell in code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"its cells were not run once and in order: the execution counts are {counts}"


def check_first_cell(notebook, project):
    first = code(notebook)[0] if code(notebook) else None
    if first is None or re.sub(r"\n+", "\n", first.source) != re.sub(r"\n+", "\n", project.first_cell()):
        yield f"its first code cell is not the one that installs v{project.version} from {project.url}"
    elif "remove-cell" not in tags(first) or first.outputs:
        yield "its first code cell must have the tag remove-cell and no output"


def check_verdicts(notebook, project):
    found = 0
    for cell in code(notebook):
        texts = list(output_texts(cell))
        lines = [
            line for text in texts for line in text.splitlines() if re.match(r"(holds|partly|not repro\w+)  ", line)
        ]
        verdicts = [found for text in texts for found in read_verdicts(text) if found.measured]
        if lines and "claim" not in tags(cell):
            yield "a cell prints a verdict without the tag claim"
        if lines and {"nbval-ignore-output", "nbval-skip", "raises-exception"} & set(tags(cell)):
            yield "a cell with a verdict is kept from being compared"
        if "claim" in tags(cell) and not lines:
            yield "a cell with the tag claim prints no verdict"
        found += len(lines)
        for line in set(lines) - {verdict.text.splitlines()[0] for verdict in verdicts}:
            yield f"this verdict is malformed: {line}"
        for verdict in verdicts:
            record = project.ledger.get(verdict.id)
            if record is None:
                yield f"the claim {verdict.id} is not in the ledger"
            elif verdict.outcome != VERDICTS.get(record["status"]):
                yield f"{verdict.id} is '{verdict.outcome}' here and '{record['status']}' in the ledger"
            elif verdict.record != record["measured"]:
                yield f"{verdict.id} is {verdict.record} here and {record['measured']} in the ledger"
    if not found:
        yield "it has no verdict"


def check_figures(notebook, project):
    for number, cell in enumerate(code(notebook), start=1):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            mystnb = cell.metadata.get("mystnb", {})
            figure, image = mystnb.get("figure", {}), mystnb.get("image", {})
            values = {"name": figure.get("name"), "caption": figure.get("caption"), "alt": image.get("alt")}
            missing = [key for key, value in values.items() if not value]
            if missing:
                yield f"the figure of code cell {number} has no {', '.join(missing)}"


def check_outputs(notebook, project):
    for number, cell in enumerate(code(notebook), start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"code cell {number} stores an error: {output.ename}"
            if output.get("name") == "stderr":
                yield f"code cell {number} stores stderr"
            # The table of a verdict is held to its text by the tests of the ledger.
            shown = {"text/html"} if "claim" in tags(cell) and output.output_type == "execute_result" else set()
            uncompared = {"text/html", "image/svg+xml", "application/javascript"} & set(output.get("data", {})) - shown
            if uncompared:
                yield f"code cell {number} stores {', '.join(uncompared)}, which differs between machines"
        for text in output_texts(cell):
            if match := ABSOLUTE_PATH.search(text):
                yield f"code cell {number} stores an absolute path: {match.group().strip()}"


def check_timing(notebook, project):
    for number, cell in enumerate(code(notebook), start=1):
        if TIMING.search(cell.source) and "nbval-ignore-output" not in tags(cell):
            yield f"code cell {number} measures time, which is never the same twice"
        if cell.source.lstrip().startswith("%%"):
            yield f"code cell {number} is a cell magic, whose code the freshness stamp cannot read"


def check_reals(notebook, project):
    """A real number printed without point or exponent looks like a count, which every machine must print alike."""
    for number, cell in enumerate(code(notebook), start=1):
        prints = any(output.get("name") == "stdout" for output in cell.outputs)  # what is drawn is not compared
        if not prints or "nbval-ignore-output" in tags(cell):
            continue
        if match := re.search(r":[^{}\"']*(\.0[f%]|\.\d+g)", cell.source):
            yield f"code cell {number} prints with {match.group()}: give a digit behind the point, or print an integer"


def check_hash(notebook, project):
    if notebook.metadata.get("bnlib", {}).get("outputs") != outputs_hash(notebook):
        yield "its stored outputs are not those that `make reproduce` wrote"


def check_size(notebook, project):
    size = len(nbformat.writes(notebook).encode())
    if size > MAX_BYTES:
        yield f"it has {size:,} bytes, more than {MAX_BYTES:,}"


CHECKS = [
    check_counts,
    check_first_cell,
    check_verdicts,
    check_figures,
    check_outputs,
    check_timing,
    check_reals,
    check_hash,
    check_size,
]
