"""Several runs and several processes at one checkpoint: each finds its own, and none damages that of another."""

import errno
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnlib as bn
import engine
from bnlib.training import checkpoints, locks, trajectory

FEW = {"first_order_steps": 10, "stages": ((0.01, 20),)}


def members():
    X, Y = engine.data()
    return [(engine.start(seed), X, Y, ridge) for seed, ridge in ((0, 0.01), (1, 0.02))]


def beginnings(name, count=9):
    return [f"{name}{k}" for k in range(count)]


def test_a_sweep_finds_the_work_of_its_members_wherever_they_stand(tmp_path, monkeypatch):
    """Row 97: one is added in front, the others are reordered, and one is there twice."""
    first, second = members()
    done = bn.sweep([first, second, first], batched=False, checkpoint=tmp_path / "run.npz", **FEW)
    assert len(list(tmp_path.iterdir())) == 3
    trained, run_phase = [], trajectory.run_phase
    monkeypatch.setattr(trajectory, "run_phase", lambda *given: (trained.append(1), run_phase(*given))[1])
    new = (engine.start(2), *first[1:])
    again = bn.sweep([new, second, first, first], batched=False, checkpoint=tmp_path / "run.npz", **FEW)
    assert len(trained) == 2  # Adam and one stage of the new member
    assert [engine.bits(r) for r in again[1:]] == [engine.bits(r) for r in (done[1], done[0], done[0])]


@pytest.mark.parametrize(
    "longer",
    [
        {"stages": (*FEW["stages"], (0.0, 20))},
        {"polish": ((0.01, 20),)},
    ],
    ids=["stages", "polish"],
)
def test_a_finished_run_is_trained_longer(tmp_path, monkeypatch, longer):
    """Row 98: it ends bit for bit as one that was long from its start, and only what is new is trained."""
    (member, _), path = members(), tmp_path / "run.npz"
    whole = bn.train(*member, **FEW | longer)
    bn.train(*member, checkpoint=path, **FEW)
    trained, run_phase = [], trajectory.run_phase
    monkeypatch.setattr(trajectory, "run_phase", lambda *given: (trained.append(1), run_phase(*given))[1])
    assert engine.bits(bn.train(*member, checkpoint=path, **FEW | longer)) == engine.bits(whole)
    assert len(trained) == 1
    with pytest.raises(ValueError, match="other data or settings"):  # what is shorter is not in the file any more
        bn.train(*member, checkpoint=path, **FEW)


def test_a_finished_run_is_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    """Row 99: and one that is not finished is refused there before it trains."""
    (member, _), path = members(), tmp_path / "run.npz"
    result = bn.train(*member, checkpoint=path, **FEW)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)
    assert engine.bits(bn.train(*member, checkpoint=path, **FEW)) == engine.bits(result)
    monkeypatch.setattr(trajectory, "run_phase", lambda *_: pytest.fail("trained before"))
    with pytest.raises(ValueError, match=r"No checkpoint can be written to .* \(Read-only file system\)"):
        bn.train(*member, checkpoint=path, **FEW | {"polish": ((0.01, 20),)})


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 8)), min_size=1, max_size=8))
def test_the_first_run_keeps_the_file_and_never_goes_back(saves):
    """In any order of saves of two runs the file is whole, of the first of them, and as far as that one came."""
    with tempfile.TemporaryDirectory() as folder:
        path, first, furthest = Path(folder) / "run.npz", saves[0][0], 0
        for name, phase in saves:
            if name == first:
                checkpoints.save(path, beginnings(name), phase, [np.full(3, phase)])
                furthest = max(furthest, phase)
            else:
                with pytest.raises(OSError, match="what lies there now is not of this run"):
                    checkpoints.save(path, beginnings(name), phase, [np.full(3, phase)])
            found, arrays = checkpoints.load(path, beginnings(first))
            assert (found, arrays[0].tolist()) == (furthest, [furthest] * 3)
        assert [p.name for p in path.parent.iterdir()] == ["run.npz"]


def test_a_run_that_another_overtakes_says_so_and_goes_on(tmp_path, monkeypatch):
    """Both start where there is no file; the second to write keeps its result and leaves the file alone."""
    first, second = members()
    path = tmp_path / "run.npz"
    expected = [engine.bits(bn.train(*member, **FEW)) for member in (first, second)]
    run_phase, inner = trajectory.run_phase, []

    def overtaken(*given):
        if not inner:
            inner.append(None)
            inner.append(engine.bits(bn.train(*second, checkpoint=path, **FEW)))
        return run_phase(*given)

    monkeypatch.setattr(trajectory, "run_phase", overtaken)
    with pytest.warns(UserWarning, match="what lies there now is not of this run.; training goes on"):
        assert engine.bits(bn.train(*first, checkpoint=path, **FEW)) == expected[0]
    assert inner[1] == expected[1]
    assert engine.bits(bn.train(*second, checkpoint=path, **FEW)) == expected[1]
    assert list(tmp_path.iterdir()) == [path]


def test_writers_at_once_leave_one_whole_file(tmp_path):
    path, errors = tmp_path / "run.npz", []

    def write(name):
        for phase in range(1, 9):
            try:
                checkpoints.save(path, beginnings(name), phase, [np.full(20000, phase)])
            except OSError as error:
                errors.append(error.errno)

    writers = [threading.Thread(target=write, args=(name,)) for name in "aabb"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    owner = "a" if errors and _of(path, "a") else "b"
    assert checkpoints.load(path, beginnings(owner))[0] == 8
    assert errors == [errno.EEXIST] * 16  # all of the other run, and none of this one
    assert list(tmp_path.iterdir()) == [path]


def _of(path, name):
    try:
        return checkpoints.load(path, beginnings(name)) is not None
    except ValueError:
        return False


HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_lock_of_another_process_is_waited_for_and_falls_with_it(tmp_path):
    pytest.importorskip("fcntl")
    path = tmp_path / "run.npz"
    command = [sys.executable, "-c", HOLDER, f"{path}.lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        holder.stdout.readline()
        with pytest.raises(OSError, match="another process holds its lock"), locks.held(path, patience=0.05):
            pytest.fail("two hold it")
        holder.kill()
    checkpoints.save(path, "abc", 1, [np.zeros(2)])
    assert list(tmp_path.iterdir()) == [path]


def test_without_locks_nothing_of_another_process_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    (tmp_path / "run.npz.1-1.part").write_bytes(b"half")
    checkpoints.save(tmp_path / "run.npz", "abc", 1, [np.zeros(2)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.npz", "run.npz.1-1.part"]
    monkeypatch.undo()
    checkpoints.save(tmp_path / "run.npz", "abc", 2, [np.zeros(2)])
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]
