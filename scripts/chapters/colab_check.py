"""Run chapters as a Colab user does: a Python with Colab's usual packages, no bnlib, and nothing of this checkout.

The chapter's own first cell installs bnlib; Git is told to fetch the last commit of this checkout, tagged with the
version, in place of the published repository. Each chapter runs from top to bottom in an empty folder; `bnlib.check`
raises where a verdict is not that of the ledger, and jax must be the one that was there before.

    python -m scripts.chapters.colab_check                         every chapter, with the oldest supported jax
    python -m scripts.chapters.colab_check --jax newest linear  one chapter, with the newest

Every cell should print the same on other machines, too. XLA_FLAGS=--xla_cpu_max_isa=AVX2 stands in for an older
processor, NPROC=2 XLA_FLAGS=--xla_cpu_multi_thread_eigen=true for a kernel of two threads, and --python for another
Python; --float64 trains in float64 what the chapters train in float32. With --record, what came of it is stored in
results/machines.json, and the status page shows it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat

from scripts.chapters.book import ROOT, Book
from scripts.chapters.comparison import compared
from scripts.chapters.machines import conditions, named, store
from scripts.chapters.rerun import ENVIRONMENT, errors, rerun
from scripts.chapters.verdicts import measurements, stored_verdicts

UV = Path(sys.executable).with_name("uv")
# What Colab has beside jax and the chapters use.
USUAL = ("numpy", "matplotlib", "scipy", "scikit-learn", "scikit-image", "optax", "pyyaml", "ipykernel", "pip")
NOT_TRIED = 3  # exit status
# The second cell, behind the one that installs: the same starts and data, trained in the other type.
DOUBLE = """import jax.numpy as jnp
import bnlib.training
bnlib.training.train.__kwdefaults__["dtype"] = jnp.float64"""
LAST_CELL = """import json, platform, jax
facts = {"python": platform.python_version(), "jax": jax.__version__, "device": jax.devices()[0].device_kind}
print(json.dumps(facts))"""


def oldest(requirements: list[str]) -> str:
    """Return the lower bound of jax in the project's requirements."""
    (bound,) = (re.match(r"jax>=([\d.]+)", r) for r in requirements if r.startswith("jax>="))
    assert bound is not None
    version = bound.group(1)
    return version + ".0" * (2 - version.count("."))


def run(*command: str | Path, **options: object) -> None:
    """Run a command and raise when it fails."""
    subprocess.run([str(c) for c in command], check=True, **options)  # type: ignore[call-overload]


def publish(folder: Path, project: dict, root: Path = ROOT) -> dict[str, str]:
    """Clone the last commit, tag it, and return the environment in which Git finds it at the published address."""
    run("git", "clone", "--quiet", "--bare", root, folder)
    run("git", "-C", folder, "tag", "-f", f"v{project['version']}", stdout=subprocess.DEVNULL)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{folder.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": project["urls"]["Repository"],
    }


def install(venv: Path, jax: str, python: str) -> None:
    """Make a Python with Colab's usual packages and one jax."""
    run(UV, "venv", "--quiet", "--python", python, venv)
    wanted = "jax" if jax == "newest" else f"jax=={jax}"
    run(UV, "pip", "install", "--quiet", "--python", venv / "bin" / "python", wanted, *USUAL)


def kernelspec(folder: Path, python: Path, environment: dict[str, str]) -> None:
    """Describe the kernel of that Python."""
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    folder.mkdir(parents=True)
    spec = {"argv": argv, "display_name": "Colab", "language": "python", "env": environment}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


@dataclass(frozen=True)
class Outcome:
    """Hold what came of one chapter: facts of the machine, how many cells were compared, and what went wrong."""

    facts: dict[str, str]
    cells: int
    wrong: tuple[str, ...]
    measured: dict[str, dict[str, str]]


def verdicts(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Return the verdicts that a notebook's cells have printed, by claim."""
    return {found.id: found.outcome for found in stored_verdicts(notebook)}


def execute(path: Path, folder: Path, float64: bool) -> Outcome:
    """Run one chapter, past failing cells, and compare its cells with the stored ones; in float64 only its verdicts."""
    run = rerun(path, folder, kernel="colab", first=[DOUBLE] if float64 else [], last=[LAST_CELL])
    if run.trouble:
        return Outcome({}, 0, (run.trouble,), {})
    expected, found = verdicts(run.stored), verdicts(run.now)
    # An added cell counts too: one that fails has not set the type of the trainings.
    wrong = [error for cell in (*run.now.cells, *run.added) for error in errors(cell)]
    wrong += [f"no verdict on {claim}" for claim in sorted(expected.keys() - found.keys())]
    if expected != found and not wrong:
        wrong.append("another verdict than the stored one")
    printed = [output["text"] for output in run.added[-1].outputs if output.get("name") == "stdout"]
    facts = json.loads(printed[0]) if printed else {}
    if float64:
        cells = sum("claim" in cell.metadata.get("tags", []) for cell in run.stored.cells)
    else:
        # The first cell installs here and says so; where the outputs were stored it had nothing to do.
        cells = len(compared(run.stored)) - 1
        wrong += [f"Cell {number} prints something else" for number in run.differing if number]
    return Outcome(facts, cells, tuple(wrong), measurements(run.now))


def main(arguments: list[str] | None = None) -> int:
    """Run the chapters, print a line for each, and return 1 when one failed, 3 when none could be tried."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("chapters", nargs="*", help="stems, as in linear; all when none is named")
    parser.add_argument("--jax", default="oldest", help="a version, oldest (the default) or newest")
    parser.add_argument("--float64", action="store_true", help="train in float64 what the chapters train in float32")
    parser.add_argument("--record", action="store_true", help="store what came of it, for the status page")
    parser.add_argument("--python", default=sys.executable, help="version or path of a Python (default: this one)")
    options = parser.parse_args(arguments)
    if options.record and not named(ROOT):
        parser.error("what ran could not be named: commit bnlib, claims.yml and notebooks before --record")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    jax = oldest(project["dependencies"]) if options.jax == "oldest" else options.jax
    book = Book(ROOT)
    stems = options.chapters or [path.stem for path in book.chapters]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="colab-") as temporary:
        folder = Path(temporary)
        environment = publish(folder / "published.git", project)
        environment |= {"BNLIB_SCALE": "quick"}
        environment |= {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()}
        try:
            install(folder / "venv", jax, options.python)
        except subprocess.CalledProcessError:
            print(f"The package index does not give jax {jax} and Colab's usual packages here: nothing was tried.")
            return NOT_TRIED
        os.environ["JUPYTER_PATH"] = str(folder)  # so that nbclient finds the kernel, and ends it after its chapter
        kernelspec(folder / "kernels" / "colab", folder / "venv" / "bin" / "python", environment)
        empty = folder / "content"
        empty.mkdir()
        for stem in stems:
            begin = time.monotonic()
            outcome = execute(ROOT / "notebooks" / f"{stem}.ipynb", empty, options.float64)
            version = outcome.facts.get("jax", jax)
            replaced = () if jax in (version, "newest") else (f"jax was replaced by {version}",)
            wrong = outcome.wrong + replaced
            failed += bool(wrong)
            print(f"{stem:22} {time.monotonic() - begin:5.0f} s  {'; '.join(wrong) or 'ok'}", flush=True)
            if options.record and outcome.facts:
                machine = conditions(outcome.facts, environment, options.float64)
                store(book, machine, stem, outcome.cells, wrong, outcome.measured)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
