"""Chapters on other machines: how they are compared, which machines there are, and how much room the checks have."""

import math
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest

from scripts.chapters import comparison, machines, perturb, rerun, spreads
from scripts.chapters.verdicts import measurements
from scripts.pages.status_page import rooms_table
from small_book import BAD, GOOD, sample

CLAIM = "print('holds  a-law: 1 of 1 checks\\n  holds  x: x is at most 2  [measured {}]')"


def test_chapters_on_other_machines_are_compared_as_nbval_does(tmp_path):
    # What is shown for interest only is not compared; a cell that raises differs, whatever it had printed.
    others = {
        "ignored": ("print('rank 3')", "rank 2\n", ["nbval-ignore-output"]),
        "raises": ("print('rank 2')\nraise KeyError('no')", "rank 2\n", []),
        "seed": ("import os\nprint('seed', os.environ['BNLIB_PERTURB'])", "seed 7\n", []),
        "claim": (CLAIM.format(1.5), CLAIM.format(1.25)[7:-2].replace("\\n", "\n") + "\n", ["claim"]),
    }
    path = tmp_path / "sample.ipynb"
    nbformat.write(sample(GOOD | BAD | others), path)
    run = rerun.rerun(path, tmp_path, environment={"BNLIB_PERTURB": "7"})
    wrong = [*range(len(GOOD), len(GOOD) + len(BAD)), len(GOOD) + len(BAD) + 1]
    assert run.differing == wrong
    assert len(comparison.compared(run.stored)) == len(GOOD) + len(BAD) + 3
    assert measurements(run.now) == {"a": {"x": "1.5"}, "a-law": {"x": "1.5"}}
    assert "--- Cell 6, stored\nrank 2\n--- now\nrank 3\n" in run.shown()
    assert "KeyError: 'no'" in run.shown()
    assert run.trouble == ""


def test_added_cells_run_in_their_place_and_are_not_compared(tmp_path):
    path = tmp_path / "sample.ipynb"
    nbformat.write(sample({"first": ("x = print(1)", "1\n", []), "second": ("print(x)", "2\n", [])}), path)
    run = rerun.rerun(path, tmp_path, first=["x = 2"], last=["print('end', x)"])
    assert run.differing == []
    assert [comparison.printed(cell) for cell in run.added] == [[], ["end 2\n"]]


def test_a_kernel_that_dies_is_told(tmp_path):
    path = tmp_path / "sample.ipynb"
    nbformat.write(sample({"dies": ("import os\nos._exit(1)", "", [])}), path)
    assert "died" in rerun.rerun(path, tmp_path).trouble


def test_machines_have_names_and_what_they_need():
    names = [machine.name for machine in perturb.MACHINES]
    assert len(set(names)) == len(names) == 9
    assert {machine.name for machine in perturb.available()} >= {"seed-1", "SSE4_2", "AVX"}
    assert len({str(machine.environment) for machine in perturb.MACHINES}) == 9
    assert all(
        machine.environment.keys() <= rerun.ENVIRONMENT.keys() | {"BNLIB_PERTURB", "OPENBLAS_CORETYPE"}
        for machine in perturb.MACHINES
    )


def checks(**bounds):
    return SimpleNamespace(checks={name: SimpleNamespace(low=low, high=high) for name, (low, high) in bounds.items()})


def seen(*values):
    return dict(zip(("close", "far", "still"), map(str, values), strict=True)) | {"note": "3 seeds"}


def test_the_room_of_a_check_is_counted_in_spreads():
    claim = checks(close=(-math.inf, 1.0), far=(0.0, math.inf), still=(2.0, 2.0))
    claim.measured = seen(0.9, 5, 2)
    shown = (seen(0.8, 5.1, 2), seen(1, 4.9, 2), seen(0.9, 5, 2))
    stored = {f"m{i}": {"x_law": machines.entry("c1", 3, [], {"a-law": row})} for i, row in enumerate(shown)}
    stored["old"] = {"x_law": machines.entry("c0", 3, [], {"a-law": seen(100, 100, 100)})}
    close, far, still = spreads.rooms(stored, {"x_law": "c1"}, {"a-law": claim})
    assert close.room == pytest.approx(0.1 / np.std([0.8, 1.0, 0.9, 0.9], ddof=1))
    assert (close.bound, far.bound, still.bound) == (1.0, 0.0, 2.0)
    assert far.room == pytest.approx(5 / np.std([5.1, 4.9, 5, 5], ddof=1))
    assert still.room == math.inf
    page = rooms_table([close, far, still])
    assert "3 checks were measured; 2 have room, these have not:" in page
    assert "| `a-law` | close | 0.9 | 1 | 1.2 |" in page
    assert "| far |" not in page
    assert rooms_table([far]).endswith("1 checks were measured; 1 have room.\n")
    assert rooms_table([]) == ""
    # What is not finite on one machine has no room.
    stored["m0"]["x_law"]["measured"]["a-law"] = seen("inf", 5, 2)
    assert spreads.rooms(stored, {"x_law": "c1"}, {"a-law": claim})[0].room == 0
    # Two machines say nothing of a spread.
    assert spreads.rooms({"m0": stored["m0"], "m1": stored["m1"]}, {"x_law": "c1"}, {"a-law": claim}) == []
