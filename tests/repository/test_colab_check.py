"""The simulation of Colab: its jax, its bnlib, what it makes of another verdict, and the record of other machines."""

import os
import subprocess
import sys
import tomllib

import jax.numpy as jnp
import nbformat
import pytest

import bnlib as bn
from notebook_checks import ROOT
from scripts.chapters import colab_check, machines
from scripts.pages.status_page import machines_table

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_oldest_jax_is_the_bound_of_the_project():
    assert colab_check.oldest(["numpy>=2", "jax>=0.8"]) == "0.8.0"
    assert colab_check.oldest(["jax>=0.8.1,<1"]) == "0.8.1"
    assert colab_check.oldest(PROJECT["dependencies"]).count(".") == 2
    with pytest.raises(ValueError, match="not enough values"):
        colab_check.oldest(["jaxlib>=0.8"])


def test_git_finds_this_checkout_at_the_published_address(tmp_path):
    source = tmp_path / "source"
    for command in (["init"], ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "--allow-empty", "-m", "first"]):
        source.mkdir(exist_ok=True)
        subprocess.run(["git", *command], cwd=source, capture_output=True, check=True)
    environment = colab_check.publish(tmp_path / "published.git", PROJECT, source)
    found = subprocess.run(
        ["git", "ls-remote", "--tags", PROJECT["urls"]["Repository"]],
        env=os.environ | environment | {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file"},
        capture_output=True,
        text=True,
        check=True,
    )
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True, check=True).stdout
    assert found.stdout.split() == [head.strip(), f"refs/tags/v{PROJECT['version']}"]


def chapter(path, *cells):
    """Store a chapter of cells, each with the text that it had printed."""
    notebook = nbformat.v4.new_notebook()
    for source, printed in cells:
        outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed)] if printed else []
        notebook.cells.append(nbformat.v4.new_code_cell(source, outputs=outputs))
    nbformat.write(notebook, path)


def test_a_chapter_runs_on_and_its_verdicts_are_compared(tmp_path, monkeypatch):
    colab_check.kernelspec(tmp_path / "kernels" / "colab", sys.executable, {"PYTHONPATH": str(ROOT)})
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    line = "{}  a-law: 1 of 2 checks\n  holds  x: x is at most 1  [measured {}]\n"
    stored = line.format("holds", 0.5)
    path = tmp_path / "chapter.ipynb"

    chapter(path, ("x = 1", ""), (f"print({line.format('holds', 0.4)!r})", stored), ("x = 2", ""))
    good = colab_check.execute(path, tmp_path, float64=False)
    assert (good.cells, good.wrong) == (2, ())
    assert good.facts["python"] == sys.version.split()[0]
    assert good.facts["device"] == "cpu"

    # bn.check prints, then raises; what follows is still run, and a claim that was not reached is named.
    fails = f"print({line.format('partly', 2)!r}); raise ValueError('another outcome')"
    chapter(path, (fails, stored), ("raise KeyError('no')", stored.replace("a-law", "b-law")))
    bad = colab_check.execute(path, tmp_path, float64=True)
    assert bad.cells == 0
    assert bad.wrong == ("ValueError: another outcome", "KeyError: 'no'", "no verdict on b-law")

    # No fact is asked for here, and a new kernel imports JAX for them alone.
    monkeypatch.setattr(colab_check, "LAST_CELL", "print('{}')")
    chapter(path, ("print('installed')", ""), (f"print({line.format('partly', 2)!r})", stored), ("print(2)", "3"))
    wrong = colab_check.execute(path, tmp_path, float64=False).wrong
    assert wrong[0] == "another verdict than the stored one"
    assert wrong[1:] == tuple(f"Cell {number} prints something else" for number in (1, 2))

    # A cell that should have changed the type of the trainings, and did not.
    monkeypatch.setattr(colab_check, "DOUBLE", "raise ImportError('no bnlib')")
    monkeypatch.setattr(colab_check, "LAST_CELL", "import sys; print('a warning', file=sys.stderr)")
    chapter(path, ("x = 1", ""), (f"print({line.format('holds', 0.4)!r})", stored))
    failed = colab_check.execute(path, tmp_path, float64=True)
    assert (failed.wrong, failed.facts) == (("ImportError: no bnlib",), {})


def test_trainings_become_float64(monkeypatch):
    start, X, Y = bn.from_layers([([[1.0]], [0.0])]), [[-1.0], [1.0]], [[-2.0], [2.0]]
    monkeypatch.setattr(bn.training.train, "__kwdefaults__", dict(bn.training.train.__kwdefaults__))
    short = {"first_order_steps": 1, "stages": ((0.0, 1),)}
    assert bn.train(start, X, Y, 0.1, **short).net.last[0].dtype == jnp.float32
    exec(colab_check.DOUBLE, {})
    assert bn.train(start, X, Y, 0.1, **short).net.last[0].dtype == jnp.float64
    assert bn.sweep([(start, X, Y, 0.1)], **short)[0].net.last[0].dtype == jnp.float64


def test_the_table_of_machines_counts_only_what_is_as_it_was():
    flags = {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --other", "NPROC": "2"}
    facts = {"python": "3.12.1", "jax": "0.9.0", "device": "cpu"}
    machine = machines.conditions(facts, flags, float64=True)
    words = "Python 3.12, JAX 0.9.0, cpu, AVX2 instructions, 2 threads, trained in float64"
    assert machine == words
    assert "cpu, all instructions, 1 thread, trained in float32" in machines.conditions(
        facts, {"XLA_FLAGS": "", "NPROC": "1"}, float64=False
    )
    entry = machines.entry("c1", 2, [], {})
    stored = {machine: {"x_law": entry, "y_law": machines.entry("c1", 2, ["no verdict on c"], {}), "z_law": entry}}
    page = machines_table(stored, {"x_law": "c1", "y_law": "c1", "z_law": "changed"})
    assert f"| {words} | 2 of 3 | 4 | 1 |\n" in page
    assert page.endswith(f"Differing:\n\n- {words}: y_law: no verdict on c\n")
