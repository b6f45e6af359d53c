"""The phases of a training in turn: divergence with its step, a checkpoint of its own loss, and the bar."""

import os
import sys

import jax
import numpy as np
import pytest

import engine
from bnlib.training import trajectory


def test_divergence_is_reported_with_its_step():
    with pytest.raises(RuntimeError, match="not finite at step 0"):
        engine.quick(jax.tree.map(lambda a: 1e20 * a, engine.start()))


def test_a_later_divergence_is_reported_with_its_step():
    with pytest.raises(
        RuntimeError, match=rf"^Training diverged: the objective is not finite at step [1-9]\d?; {trajectory.WAY}\.$"
    ):
        engine.quick(learning_rate=1e30)


@pytest.mark.parametrize(("flat", "rounds"), [(float("inf"), 1), (0.0, 3)])
def test_rounds_of_polishing_end_when_the_gradient_is_small(tmp_path, monkeypatch, flat, rounds):
    monkeypatch.setattr(trajectory, "FLAT", flat)
    plain = engine.quick()
    polish = {"polish": ((0.01, 20),) * 3 + ((0.0, 20),), "checkpoint": tmp_path / "run.npz"}
    first, again = (engine.quick(**polish) for _ in range(2))
    assert len(first.history) == len(plain.history) + 20 * (rounds + 1)
    assert np.array_equal(first.history, again.history)


def test_a_checkpoint_of_the_other_loss_is_refused(tmp_path):
    engine.quick(**engine.CLASSES, checkpoint=tmp_path / "run.npz")
    with pytest.raises(ValueError, match="belongs to a run with other data or settings"):
        engine.quick(**engine.CLASSES | {"loss": "squared"}, checkpoint=tmp_path / "run.npz")


def test_a_bar_is_drawn_in_a_terminal(monkeypatch):
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        engine.quick()
        monkeypatch.undo()
    drawn = os.read(leader, 10_000).decode()
    os.close(leader)
    assert drawn.count("\r[") == 4  # one chunk of Adam and three stages
    assert drawn.split("\r")[1].startswith("[#####               ] 1/4  objective ")
    assert drawn.endswith("\n")
    assert drawn.count("\n") == 1


def test_nothing_is_printed_elsewhere(capfd):
    engine.quick()
    assert tuple(capfd.readouterr()) == ("", "")
