"""A run that is killed and started again ends as if nothing had happened; a file that is not its own is refused."""

import errno
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

import bnlib as bn
import engine
from bnlib.training import TrainResult, checkpoints, phases, trajectory


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory):
    """Keep compiled programs in a folder, so that a process that starts again does not compile them again."""
    folder = tmp_path_factory.mktemp("compiled")
    settings = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield {name.upper(): str(value) for name, value in settings.items()}
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture(autouse=True)
def short_phases(monkeypatch):
    monkeypatch.setattr(phases, "CHUNK", engine.CHUNK)


def plain(path=None, **changes):
    X, Y = engine.data()
    given = {"net": engine.start(), "X": X, "Y": Y, "ridge": engine.RIDGE, "checkpoint": path}
    return bn.train(**given | engine.SHORT | changes)


deepened = partial(plain, **engine.INSERTED)


def swept(path=None):
    X, Y = engine.data()
    members = [(engine.start(seed), X, Y, ridge) for seed, ridge in ((1, engine.RIDGE), (2, 0.02))]
    return bn.sweep(members, batched=False, checkpoint=path, **engine.SHORT)


RUNS = {"plain": plain, "deepened": deepened, "swept": swept}
# Checkpoints that each writes: 3 chunks of Adam and 3 stages; or 3 + 1 shallow, 2 of two ranks, 1 of polish.
SAVES = {"plain": 6, "deepened": 9, "swept": 12}


@pytest.fixture(scope="module")
def uninterrupted():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phases, "CHUNK", engine.CHUNK)
        return {name: engine.bits(run()) for name, run in RUNS.items()}


def test_the_inserted_run_races_two_ranks(uninterrupted):
    """Or the tests below would not see the race."""
    assert [rank for rank, _ in deepened().trials] == [1, 2]
    assert len(set(map(str, uninterrupted.values()))) == 3


CHILD = """
import os, pickle, sys, time
import jax
import numpy as np
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_disable_most_optimizations", True)  # as in conftest.py: the bits are compared
import engine, test_checkpoints as t
t.phases.CHUNK = engine.CHUNK
folder, savez, fsync, written = t.Path(sys.argv[1]), np.savez, os.fsync, []

def remember(file, **arrays):
    savez(file, **arrays)
    written[:] = [file.getvalue()]

def slowly(file):  # for a while the file is half written, and for a while it is whole but not renamed
    half = len(written[0]) // 2
    os.ftruncate(file, half)
    print("save", flush=True)
    time.sleep(0.03)
    os.pwrite(file, written[0][half:], half)
    fsync(file)
    time.sleep(0.02)

np.savez, os.fsync = remember, slowly
results = {name: engine.bits(run(folder / f"{name}.npz")) for name, run in t.RUNS.items()}
(folder / "results").write_bytes(pickle.dumps(results))
"""


def start_child(folder, compiled):
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, [here, here.parents[1], here.parents[2]]))
    environment = os.environ | compiled | {"PYTHONPATH": path, "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_a_run_killed_at_random_moments_ends_as_an_uninterrupted_one(tmp_path, compiled, uninterrupted):
    rng = random.Random(0)
    kills, halves = 0, 0
    while kills <= sum(SAVES.values()):
        with start_child(tmp_path, compiled) as child:
            for _ in range(rng.randint(3, 14)):
                child.stdout.readline()
            try:
                child.wait(rng.uniform(0.0, 0.08))
            except subprocess.TimeoutExpired:
                child.kill()
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL
        kills += 1
        halves += bool(list(tmp_path.glob("*.part")))
    assert kills >= 2
    assert halves >= 1
    assert pickle.loads((tmp_path / "results").read_bytes()) == uninterrupted
    assert list(tmp_path.glob("*.part")) == []


class Killed(BaseException):
    """What no handler may catch."""


def killer(original, moment):
    """Return a function that kills at its call of the given number, and does its work at every other."""
    calls = iter(range(10**6))

    def call(*args, **kwargs):
        if next(calls) == moment:
            raise Killed
        return original(*args, **kwargs)

    return call


def check_resumes(name, run, expected, folder, where):
    """Assert that a run killed at each save in turn ends as an uninterrupted one."""
    owner, attribute = where
    for moment in range(SAVES[name]):
        path = folder / f"{moment}.npz"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, attribute, killer(getattr(owner, attribute), moment))
            with pytest.raises(Killed):
                run(path)
        assert engine.bits(run(path)) == expected, moment


MOMENTS = {"before": (checkpoints, "save"), "written": (os, "fsync"), "unnamed": (Path, "replace")}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", RUNS)
def test_a_run_killed_at_any_save_ends_as_an_uninterrupted_one(tmp_path, uninterrupted, name, moment):
    check_resumes(name, RUNS[name], uninterrupted[name], tmp_path, MOMENTS[moment])
    assert list(tmp_path.glob("*.part")) == []


@pytest.mark.parametrize("forgotten", [0, 1, 2, -1], ids=["history", "gradient", "weights", "moments"])
def test_a_checkpoint_that_forgets_something_is_caught(tmp_path, uninterrupted, monkeypatch, forgotten):
    def load(path, run):
        found = checkpoints_load(path, run)
        if found is not None:
            found[1][forgotten] = np.ones_like(found[1][forgotten])
        return found

    checkpoints_load = checkpoints.load
    monkeypatch.setattr(checkpoints, "load", load)
    with pytest.raises(AssertionError):
        check_resumes("plain", plain, uninterrupted["plain"], tmp_path, MOMENTS["before"])


def test_a_finished_run_is_read_back_without_training(tmp_path, uninterrupted, monkeypatch):
    for name, run in RUNS.items():
        run(tmp_path / f"{name}.npz")
    monkeypatch.setattr(trajectory, "run_phase", lambda *_: pytest.fail("trained again"))
    for name, run in RUNS.items():
        assert engine.bits(run(tmp_path / f"{name}.npz")) == uninterrupted[name]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the bytes of a good checkpoint and its content."""
    path = tmp_path_factory.mktemp("good") / "run.npz"
    checkpoints.save(path, "abc", 3, [np.arange(5.0), np.zeros((2, 3), np.float32), np.array(7)])
    return path.read_bytes(), checkpoints.load(path, "abc")


def check_refused(path, content):
    """Assert that a file is refused in one sentence and left as it was, or that nothing is wrong with its arrays."""
    path.write_bytes(content)
    found, said = None, ""
    try:
        found = checkpoints.load(path, "abc")
    except ValueError as error:
        said = str(error)
    assert path.read_bytes() == content
    if found is None:
        assert re.fullmatch(r"'.*' is (not a whole checkpoint \(.*\)|damaged: .*); move it away to start again\.", said)
    return found


def test_a_file_cut_anywhere_is_refused(tmp_path, written):
    whole, _ = written
    for length in range(len(whole)):
        assert check_refused(tmp_path / "run.npz", whole[:length]) is None, length


def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path, written):
    whole, (phase, arrays) = written
    rng = random.Random(1)
    harmless = 0
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= rng.randint(1, 255)
        found = check_refused(tmp_path / "run.npz", bytes(content))
        if found is not None:  # a date or another field of the zip archive that nobody reads
            harmless += 1
            assert (found[0], engine.bits(found[1])) == (phase, engine.bits(arrays)), place
    assert harmless < 0.3 * len(whole)


def test_the_checksum_catches_what_the_archive_does_not(tmp_path, written):
    """Each array is replaced in a valid archive."""
    (tmp_path / "run.npz").write_bytes(written[0])
    with np.load(tmp_path / "run.npz") as archive:
        good = dict(archive)
    for name, array in good.items():
        if name == "header":
            changed = good | {name: np.array([array[0], "2", array[2]])}
        else:
            changed = good | {name: array + np.ones((), array.dtype)}
        np.savez(tmp_path / "run.npz", **changed)
        with pytest.raises(ValueError, match="checksum does not fit"):
            checkpoints.load(tmp_path / "run.npz", "abc")


def foreign(folder):
    """Yield files that are no checkpoints."""
    np.savez(folder / "a.npz", weights=np.zeros(3))
    np.savez(folder / "b.npz", header=np.array(["abc", "1"]))
    np.savez(folder / "c.npz", header=np.zeros(3))
    np.savez(folder / "d.npz", header=np.array(["abc", "1", ""], object), array_0=np.zeros(1))
    np.savez(folder / "e.npz", header=np.array(["abc", "1", ""]), array_0=np.array([{}, None], object))
    np.savez(folder / "f.npz", header=np.array(["abc", "one", ""]))
    np.save(folder / "g.npy", np.zeros(3))
    np.save(folder / "h.npy", np.array([print], object))
    (folder / "i.txt").write_text("my notes\n")
    (folder / "j.bin").write_bytes(b"")
    (folder / "k.pickle").write_bytes(pickle.dumps({"header": 1}))
    return sorted(folder.iterdir())


def test_other_files_are_refused_and_left_alone(tmp_path):
    files = foreign(tmp_path)
    assert len(files) == 11
    for path in files:
        before = path.read_bytes()
        with pytest.raises(ValueError, match=r"not a whole checkpoint|is damaged"):
            plain(path)
        assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == files


X, Y = engine.data()
OTHER_RUNS = {
    "data": {"X": X + 1e-6},
    "targets": {"Y": Y + 1e-6},
    "ridge": {"ridge": 0.011},
    "stages": {"stages": ((0.03, 20), (0.01, 20), (0.0, 21))},
    "start": {"net": engine.start(1)},
    "slope": {"net": engine.start(slope=1.0)},
    "steps": {"first_order_steps": 20},
    "rate": {"learning_rate": 1e-3},
    "memory": {"memory": 7},
    "type": {"dtype": np.float64},
    "rate and memory that read alike": {"learning_rate": 0.0051, "memory": 1},
}


@pytest.mark.parametrize("change", OTHER_RUNS.values(), ids=OTHER_RUNS)
def test_a_checkpoint_of_another_run_is_refused_and_left_alone(tmp_path, monkeypatch, change):
    base = {"learning_rate": 0.00511} if "learning_rate" in change and "memory" in change else {}
    monkeypatch.setattr(trajectory, "run_phase", lambda phase, state, *_: (state, np.ones(phase.steps), None))
    monkeypatch.setattr("bnlib.training.run.summarise", lambda net, *_: TrainResult(net, *[None] * 8))
    path = tmp_path / "run.npz"
    plain(path, **base)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="belongs to a run with other data or settings"):
        plain(path, **change)
    assert path.read_bytes() == before
    # Numbers of other types are the same numbers.
    plain(path, ridge=np.float64(engine.RIDGE), **base)


@pytest.mark.parametrize("change", [{"depth": 7}, {"polish": ((0.02, 20),)}, {"stages": ((0.02, 20), (0.0, 20))}])
def test_another_insertion_is_refused(tmp_path, change):
    deepened(tmp_path / "run.npz")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert {path.name for path in before} == {f"run.{name}.npz" for name in ("shallow", "rank1", "rank2", "polish")}
    with pytest.raises(ValueError, match="belongs to a run with other data or settings"):
        deepened(tmp_path / "run.npz", **change)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def full(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", [(os, "fsync"), (Path, "replace"), (np, "savez")], ids=["fsync", "replace", "savez"])
def test_a_full_disk_stops_no_training_and_is_said_once(tmp_path, uninterrupted, monkeypatch, where):
    for name, run in RUNS.items():
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            patch.setattr(*where, full)
            assert engine.bits(run(tmp_path / "run.npz")) == uninterrupted[name]
        assert len(caught) == (2 if name == "swept" else 1)  # the sweep's two trainings
        for warning in caught:
            assert re.fullmatch(
                r"No checkpoint could be written to '.*' \(No space left on device\); training goes on.",
                str(warning.message),
            )
            assert warning.filename == __file__ or name == "swept"
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_the_last_good_checkpoint(tmp_path, uninterrupted, monkeypatch):
    path = tmp_path / "run.npz"
    calls = iter(range(100))
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: full() if next(calls) >= 2 else fsync(file))
    with pytest.warns(UserWarning, match="No space left on device"):
        assert engine.bits(plain(path)) == uninterrupted["plain"]
    monkeypatch.undo()
    monkeypatch.setattr(phases, "CHUNK", engine.CHUNK)
    with np.load(path) as archive:
        assert archive["header"][1] == "2"
    assert list(tmp_path.iterdir()) == [path]
    assert engine.bits(plain(path)) == uninterrupted["plain"]


def test_a_limit_of_the_system_is_met_in_the_same_way(tmp_path, uninterrupted):
    """The kernel itself refuses the write half way."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "run.npz"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.warns(UserWarning, match="File too large"):
            assert engine.bits(plain(path)) == uninterrupted["plain"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_file_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(trajectory, "run_phase", lambda *_: pytest.fail("trained before"))
    (tmp_path / "file").write_text("")
    message = r"^No checkpoint can be written to '.*' \(No such file or directory\)\.$"
    with pytest.raises(ValueError, match=message):
        plain(tmp_path / "missing" / "run.npz")
    with pytest.raises(ValueError, match="Not a directory"):
        plain(tmp_path / "file" / "run.npz")
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        plain(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that is read-only even for root")
def test_a_read_only_folder_is_refused_at_once():
    with pytest.raises(ValueError, match=r"No checkpoint can be written to '/proc/run\.npz'"):
        plain("/proc/run.npz")


def test_fingerprints_tell_parts_structures_and_types_apart():
    texts = [
        ((1, 12),),
        ((11, 2),),
        (1, 12),
        (112,),
        ([1, 12],),
        (None, 1),
        (1, None),
        (1.0, 12),
        (np.zeros(2),),
        (np.zeros(2, np.float32),),
        (np.zeros((1, 2)),),
        (np.zeros(1), np.zeros(1)),
        (engine.start(),),
        (engine.start(slope=1.0),),
    ]
    assert len({checkpoints.fingerprint(*parts) for parts in texts}) == len(texts)
    assert checkpoints.fingerprint(engine.start()) == checkpoints.fingerprint(engine.start())
