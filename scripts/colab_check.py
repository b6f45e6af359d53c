"""Run chapters as a Colab user does: a Python with Colab's usual packages, no bnlib, and nothing of this checkout.

The chapter's own first cell installs bnlib; Git is told to fetch the last commit of this checkout, tagged with the
version, in place of the published repository. Each chapter runs from top to bottom in an empty folder; `bnlib.check`
raises where a verdict is not that of the ledger, and jax must be the one that was there before.

    python scripts/colab_check.py                         every chapter, with the oldest supported jax
    python scripts/colab_check.py --jax newest 03_linear  one chapter, with the newest

The verdicts should be the same on other machines, too. XLA_FLAGS=--xla_cpu_max_isa=AVX2 stands in for an older
processor, `taskset -c 0` for one core, and --python for another Python.
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
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from run_notebooks import CELL_TIMEOUT, ROOT, Book

UV = Path(sys.executable).with_name("uv")
# What Colab has beside jax and the chapters use.
USUAL = ("numpy", "matplotlib", "scipy", "scikit-learn", "scikit-image", "optax", "pyyaml", "ipykernel", "pip")
NOT_TRIED = 3  # exit status
LAST_CELL = "import jax\nprint(jax.__version__)"


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
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}", "--IPKernelApp.log_level=40"]
    folder.mkdir(parents=True)
    spec = {"argv": argv, "display_name": "Colab", "language": "python", "env": environment}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


def execute(path: Path, folder: Path) -> str:
    """Run one chapter and return the version of jax that it ended with."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(LAST_CELL))
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_name="colab", timeout=CELL_TIMEOUT, resources=where).execute()
    return str(notebook.cells[-1].outputs[-1].text).strip()


def main(arguments: list[str] | None = None) -> int:
    """Run the chapters, print a line for each, and return 1 when one failed, 3 when none could be tried."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("chapters", nargs="*", help="stems, as in 03_linear; all when none is named")
    parser.add_argument("--jax", default="oldest", help="a version, oldest (the default) or newest")
    parser.add_argument("--python", default=sys.executable, help="version or path of a Python (default: this one)")
    options = parser.parse_args(arguments)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    jax = oldest(project["dependencies"]) if options.jax == "oldest" else options.jax
    stems = options.chapters or [path.stem for path in Book(ROOT).chapters]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="colab-") as temporary:
        folder = Path(temporary)
        environment = publish(folder / "published.git", project)
        environment |= {"JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu"), "BNLIB_SCALE": "quick"}
        environment |= {"XLA_FLAGS": os.environ.get("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")}
        environment |= {"NPROC": os.environ.get("NPROC", "1")}
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
            try:
                version = execute(ROOT / "notebooks" / f"{stem}.ipynb", empty)
                result = "ok" if jax in (version, "newest") else f"jax was replaced by {version}"
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                result = str(error).strip().rpartition("\n")[2]
                print(error, file=sys.stderr)
            failed += result != "ok"
            print(f"{stem:22} {time.monotonic() - begin:5.0f} s  {result}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
