"""A sweep gives what single trainings give, on however many devices and processes it runs."""

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

import bnlib as bn
import engine
from bnlib.training import sweeps

FEW = {"first_order_steps": 10, "stages": ((0.01, 20),)}


def members():
    """Return trainings with other seeds, ridges, depths, widths and tasks."""
    first, other = engine.data(0), engine.data(1, n=9)
    return [
        (engine.start(0), *first, 0.01),
        (engine.start(1), *first, 0.02),
        (engine.start(2, depth=4, width=5), *other, 0.01),
    ]


CHILD = """
import pickle, sys
import jax
import numpy as np
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
process, processes, port, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
if processes > 1:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", processes, process)
import test_sweeps as t
results = getattr(t, sys.argv[5])(t.Path(folder))
t.Path(folder, f"{sys.argv[5]}.{process}").write_bytes(pickle.dumps(results))
"""


def in_processes(count, function, folder, devices=1):
    """Run a function of this module in new processes of one JAX run and return what each returns."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = Path(__file__).parent
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, [here, here.parents[1], here.parents[2]])),
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "1",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(i), str(count), str(port), str(folder), function.__name__],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(count)
    ]
    try:
        for child in children:
            _, errors = child.communicate(timeout=240)
            assert child.returncode == 0, errors
    finally:
        for child in children:
            child.kill()
            child.wait()
    return [pickle.loads((folder / f"{function.__name__}.{i}").read_bytes()) for i in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("processes")


def eight_devices(folder):
    """Train one by one, on all devices, and on two of them in the other order; say which devices were used."""
    devices = jax.devices()
    assert len(devices) == 8
    single = [engine.bits(bn.train(*member, **FEW)) for member in members()]
    everywhere = [engine.bits(result) for result in bn.sweep(members(), **FEW)]
    subset = [engine.bits(result) for result in bn.sweep(members()[:2], mesh=Mesh(devices[1::-1], "m"), **FEW)]
    # An array that was put on one device must not tie the training to it.
    tied = jax.device_put(members()[1][0], devices[0])
    untied = [engine.bits(r) for r in bn.sweep([members()[0], (tied, *members()[1][1:])], **FEW)]
    used = []
    sweeps.train = lambda *_, **__: used.append(jax.config.jax_default_device.id)
    bn.sweep(members() * 4, **FEW)
    bn.sweep(members(), mesh=Mesh(np.array(devices[2:6]).reshape(2, 2), ("a", "b")), **FEW)
    return single, everywhere, subset, untied, used


@pytest.fixture(scope="module")
def on_eight(folder):
    return in_processes(1, eight_devices, folder, devices=8)[0]


def test_eight_devices_give_what_single_trainings_give(on_eight):
    single, everywhere, subset, untied, used = on_eight
    assert len({str(bits) for bits in single}) == 3
    assert everywhere == single
    assert subset == untied == single[:2]
    assert sorted(used[:12]) == sorted([*range(8), *range(4)])
    assert sorted(used[12:]) == [2, 3, 4]


def two_processes(folder):
    """Return what this process gets from sweeps that it shares with the other one."""
    assert jax.process_count() == 2
    mine = jax.devices()[0].process_index
    results = {
        "all": bn.sweep(members(), **FEW),
        "one member": bn.sweep(members()[:1], **FEW),
        "devices of one process": bn.sweep(members()[:1], mesh=Mesh(jax.devices()[:1], "m"), **FEW),
    }
    steep = jax.tree.map(lambda a: a * 1e12, members()[1][0])
    with pytest.raises(sweeps.SweepError) as failed:
        bn.sweep([members()[0], (steep, *members()[1][1:])], **FEW)
    assert (failed.value.indices, list(failed.value.results)) == ([1], [0])
    results["error"] = str(failed.value.exceptions[0])
    return {name: r if isinstance(r, str) else [engine.bits(m) for m in r] for name, r in results.items()}, mine


def test_two_processes_give_what_single_trainings_give(folder, on_eight):
    single = on_eight[0]
    for results, first in in_processes(2, two_processes, folder):
        assert first == 0
        assert results == {
            "all": single,
            "one member": single[:1],
            "devices of one process": single[:1],
            "error": "Member 1: Training diverged: the objective is not finite at step 0; "
            "scale X and Y, or lower learning_rate.",
        }


def distance(a, b):
    """Return the relative distance of two networks."""
    pairs = list(zip(*map(jax.tree.leaves, (a, b)), strict=True))
    return np.sqrt(sum(np.sum((x - y) ** 2) for x, y in pairs) / sum(np.sum(x**2) for x, _ in pairs))


def batch():
    X, Y = engine.data()
    return [(engine.start(seed), X, Y, ridge) for seed, ridge in ((0, 0.01), (1, 0.02))]


@pytest.fixture(scope="module")
def alone():
    return [bn.train(*member, **FEW) for member in batch()]


def check_batch(alone, results):
    """Assert that a batch agrees with single trainings up to rounding.

    Both do the same 30 steps with sums in another order. A sum of N=12 terms differs by about sqrt(12) < 4 units of
    2^-24; each step adds such an error, and later steps amplify it as they amplify a change of the start, by a factor
    that is measured. Ten is for safety: errors are not all like the change that was tried.
    """
    for (net, *rest), one, result in zip(batch(), alone, results, strict=True):
        nudged = bn.train(jax.tree.map(lambda a: a * (1 + 1e-4), net), *rest, **FEW)
        amplification = max(1.0, distance(one.net, nudged.net) / 1e-4)
        tolerance = 10 * amplification * 30 * 4 * 2.0**-24
        assert tolerance < 0.05
        assert distance(one.net, result.net) <= tolerance
        assert np.max(np.abs(one.history / result.history - 1)) <= tolerance
        assert result.smoothed_gradient == pytest.approx(one.smoothed_gradient, rel=0.05)
        assert [a.dtype for a in jax.tree.leaves(result.net)] == [a.dtype for a in jax.tree.leaves(one.net)]
        assert (result.collapsed, result.trials) == (one.collapsed, one.trials)


@pytest.fixture(scope="module")
def batched():
    return bn.sweep(batch(), batched=True, depth=None, polish=(), checkpoint=None, **FEW)


def test_a_batch_agrees_with_single_trainings(alone, batched):
    check_batch(alone, batched)


def test_members_in_another_order_are_caught(alone, batched):
    with pytest.raises(AssertionError):
        check_batch(alone, batched[::-1])


@pytest.mark.parametrize(
    "single", [{"depth": 6}, {"shallow": ((0.0, 5),)}, {"polish": ((0.01, 20),)}, {"checkpoint": "run.npz"}]
)
def test_a_batch_with_what_is_for_single_members_is_refused(single):
    (name,) = single
    with pytest.raises(ValueError, match=f"A batch cannot have {name}: say batched=False"):
        bn.sweep(batch(), batched=True, **single, **FEW)


def test_shapes_and_slopes_make_the_batches():
    X, Y = engine.data()
    starts = [engine.start(0), engine.start(0, depth=4), engine.start(0, slope=1.0), engine.start(1)]
    group = [(net, X, Y, 0.1) for net in starts] + [(engine.start(2), X[:5], Y[:5], 0.1)]
    *layers, (W, b) = starts[0].layers
    group.append((bn.from_layers([*layers, (W[:1], b[:1])]), X, Y[:, :1], 0.1))  # its output has another dimension
    group.append((engine.start(0, width=7), X, Y, 0.1))
    assert sweeps._batches(group, 1) == [(0, [0, 3]), (0, [1]), (0, [2]), (0, [4]), (0, [5]), (0, [6])]
    assert sweeps._batches(group[:5], 2) == [(0, [0]), (1, [1]), (0, [2]), (1, [3]), (0, [4])]


def changed(**changes):
    net, X, Y, ridge = batch()[1]
    given = {"net": net, "X": X, "Y": Y, "ridge": ridge} | changes
    return [batch()[0], (given["net"], given["X"], given["Y"], given["ridge"])]


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(
    ("group", "settings", "message"),
    [
        ([], {}, "members must hold at least one"),
        (changed(Y=np.zeros((3, 2))), {}, "X and Y must have the same length, but they have 12 and 3 rows"),
        (changed(X=np.full((12, 3), np.inf)), {}, "X must be finite"),
        (changed(ridge=-1.0), {}, "ridge must be a finite number >= 0, but it is -1.0"),
        (changed(ridge=float("nan")), {}, "ridge must be a finite number >= 0, but it is nan"),
        (changed(), {"dtype": np.float16}, "dtype must be float32"),
        (changed(), {"stages": ((0.1, 0),)}, "stages must be pairs"),
        (changed(), {"first_order_steps": 1.5}, "first_order_steps must be an integer >= 0"),
        (changed(), {"memory": 0}, "memory must be an integer >= 1"),
    ],
)
def test_bad_members_are_refused_before_the_first_is_trained(monkeypatch, group, settings, message, batched):
    monkeypatch.setattr(sweeps, "run_phase", lambda *_: pytest.fail("trained"))
    monkeypatch.setattr("bnlib.training.trajectory.run_phase", lambda *_: pytest.fail("trained"))
    with pytest.raises(ValueError, match=message):
        bn.sweep(group, batched=batched, **FEW | settings)


def test_a_batch_reports_what_a_training_reports():
    steep = jax.tree.map(lambda a: a * 1e12, engine.start(1))
    with pytest.raises(sweeps.SweepError) as failed:
        bn.sweep(changed(net=steep), batched=True, **FEW)
    assert (failed.value.indices, list(failed.value.results)) == ([1], [0])
    assert "for ridge 0.02: the objective is not finite at step 0; scale" in str(failed.value.exceptions[0])
    with (
        pytest.warns(UserWarning, match="expect a constant function"),
        pytest.warns(UserWarning, match="collapsed to a constant function, from about step"),
    ):
        results = bn.sweep(changed(ridge=50.0), batched=True, **FEW)
    assert [r.collapsed for r in results] == [False, True]
    with pytest.warns(UserWarning, match="All rows of Y are equal"):
        bn.sweep(changed(Y=np.full((12, 2), 0.1)), batched=True, **FEW)


def test_a_sweep_takes_the_cross_entropy():
    members = [(engine.start(seed), *engine.CLASSES["data"], 0.01 * (1 + seed)) for seed in range(2)]
    single = [bn.train(*member, loss="cross-entropy", **engine.SHORT) for member in members]
    swept, batched = (bn.sweep(members, loss="cross-entropy", batched=flag, **engine.SHORT) for flag in (False, True))
    assert engine.bits(swept) == engine.bits(single)
    for one, other in zip(single, batched, strict=True):
        # Batches round differently, and training amplifies that: the first steps agree, and no more is promised.
        np.testing.assert_allclose(one.history[:10], other.history[:10], rtol=1e-4)
    with pytest.raises(ValueError, match="sum to one"):
        bn.sweep([(engine.start(), *engine.data(), 0.1)], loss="cross-entropy")


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_member_that_diverges_does_not_lose_the_others(bad):
    """Its number is said, and what has finished comes back bit for bit."""
    good = [(engine.start(seed), *engine.data(), 0.01) for seed in range(3)]
    steep = jax.tree.map(lambda a: a * 1e12, good[bad][0])
    with pytest.raises(sweeps.SweepError) as failed:
        bn.sweep([(steep, *m[1:]) if i == bad else m for i, m in enumerate(good)], batched=False, **FEW)
    assert failed.value.indices == [bad]
    assert [str(e).split(":")[0] for e in failed.value.exceptions] == [f"Member {bad}"]
    for i, result in failed.value.results.items():
        assert engine.bits(result) == engine.bits(bn.train(*good[i], **FEW))
    assert sorted([bad, *failed.value.results]) == [0, 1, 2]
    assert failed.value.subgroup(RuntimeError) is not None


def test_members_come_from_a_generator_or_are_refused_by_number():
    assert engine.bits(bn.sweep((m for m in batch()[:1]), **FEW)) == engine.bits(bn.sweep(batch()[:1], **FEW))
    for wrong, said in ((batch()[1][:3], "3 values"), (5, "of type int")):
        with pytest.raises(ValueError, match=rf"Member 1 must be a tuple \(start, X, Y, ridge\), but it is {said}"):
            bn.sweep([batch()[0], wrong], **FEW)
