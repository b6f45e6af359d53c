"""Training: deterministic, balanced, and able to reach a bottleneck."""

import logging
import os
import sys
import warnings
from functools import cache, partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

import bnlib as bn
import engine
import reference
from bnlib.networks import affine, fold_layers
from bnlib.training import lbfgs
from bnlib.training import run as training
from strategies import FIXED_X, fixed_net

SHORT = {"first_order_steps": 50, "stages": ((0.01, 75), (0.0, 75))}  # of equal length: one program


@pytest.fixture(scope="module")
def small():
    task = bn.tasks.latent_task(jax.random.key(1), 40, rank=1)
    return bn.init(jax.random.key(2), 20, 12, 20, 5), task


def test_training_is_deterministic_and_reports_what_it_returns(small):
    start, task = small
    first, second = (bn.train(start, task.X, task.Y, 0.003, **SHORT) for _ in range(2))
    assert np.array_equal(first.history, second.history)
    assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (first.net, second.net)), strict=True))
    residual = np.asarray(bn.apply(first.net, task.X)) - np.asarray(task.Y)
    assert first.mse == pytest.approx(np.mean(np.sum(residual**2, axis=1)), rel=1e-4)
    assert first.objective == pytest.approx(first.mse + 0.003 * float(bn.squared_norm(first.net)), rel=1e-6)
    # Balancing can only help, and single precision can only blur.
    assert first.objective <= first.history[-1] * (1 + 1e-5)
    assert np.max(np.abs(bn.balance_residual(first.net))) < 1e-5
    assert len(first.history) == 200
    assert {a.dtype for a in jax.tree.leaves(first.net)} == {jnp.dtype("float32")}


@pytest.fixture(scope="module")
def deep():
    """Return a start, a task and what the book's recipe makes of them."""
    task, start = bn.tasks.latent_task(jax.random.key(3), 60, rank=1), bn.init(jax.random.key(4), 20, 20, 20, 10)
    return start, task, bn.train(start, task.X, task.Y, 0.003)


def test_training_reaches_a_bottleneck(deep):
    start, task, result = deep
    assert bn.bottleneck_rank(result.net, task.X)[::2] == (1, True)
    assert result.converged
    assert not result.collapsed
    # Control: nothing but the ridge removes directions.
    free = bn.train(start, task.X, task.Y, 0.0)
    assert bn.bottleneck_rank(free.net, task.X).rank > 5


def test_adam_alone_stalls_above_the_bottleneck(deep):
    """The chapter's claim in small: usual settings leave Adam at more norm and a higher rank, and L-BFGS goes on."""
    start, task, trained = deep
    ridge, steps = 0.003, 4000  # more than the 2,500 of ``train``

    def objective(parameters):
        h = task.X
        for i, (W, b) in enumerate(parameters):
            h = h @ W.T + b[None]
            h = jnp.maximum(h, 0) if i < start.depth - 1 else h
        squares = sum(jnp.sum(a**2) for a in jax.tree.leaves(parameters))
        return jnp.mean(jnp.sum((h - task.Y) ** 2, axis=1)) + ridge * squares

    adam = optax.adam(optax.warmup_cosine_decay_schedule(0.0, 1e-3, steps // 10, steps, 1e-6))

    def step(carry, _):
        parameters, state = carry
        updates, state = adam.update(jax.grad(objective)(parameters), state)
        return (optax.apply_updates(parameters, updates), state), None

    parameters = [(jnp.asarray(W), jnp.asarray(b)) for W, b in start.layers]
    with jax.numpy_dtype_promotion("standard"):
        (parameters, _), _ = jax.lax.scan(step, (parameters, adam.init(parameters)), length=steps)
    stalled = bn.from_layers(parameters)
    continued = bn.train(stalled, task.X, task.Y, ridge, first_order_steps=0)
    assert objective(parameters) > 1.05 * trained.objective
    assert bn.bottleneck_rank(stalled, task.X).rank > bn.bottleneck_rank(trained.net, task.X).rank == 1
    assert continued.objective < 0.95 * objective(parameters)


@pytest.mark.parametrize(("flat", "rounds"), [(float("inf"), 1), (0.0, 3)])
def test_rounds_of_polishing_end_when_the_gradient_is_small(small, tmp_path, monkeypatch, flat, rounds):
    monkeypatch.setattr(training, "FLAT", flat)
    start, task = small
    plain = bn.train(start, task.X, task.Y, 0.003, **SHORT)
    polish = {"polish": ((0.01, 20),) * 3 + ((0.0, 20),), "checkpoint": tmp_path / "run.npz"}
    first, again = (bn.train(start, task.X, task.Y, 0.003, **SHORT, **polish) for _ in range(2))
    assert len(first.history) == len(plain.history) + 20 * (rounds + 1)
    assert np.array_equal(first.history, again.history)


def test_collapse_to_a_constant_is_reported(small):
    start, task = small
    with (
        pytest.warns(UserWarning, match="expect a constant function"),
        pytest.warns(UserWarning, match="collapsed to a constant function, from about step"),
    ):
        assert bn.train(start, task.X, task.Y, 5.0, **SHORT).collapsed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ridge": -0.1}, "ridge must be a finite number >= 0"),
        ({"ridge": float("nan")}, "ridge must be a finite number >= 0"),
        ({"Y": np.ones((3, 20))}, "X and Y must have the same length, but they have 40 and 3 rows"),
        ({"Y": np.ones((40, 2))}, r"Y must have shape \(N, 20\)"),
        ({"X": np.full((40, 20), np.nan)}, "X must be finite"),
        ({"ridge": float("inf")}, "ridge must be a finite number >= 0, but it is inf"),
        ({"ridge": "0.1"}, "ridge must be a finite number >= 0, but it is '0.1'"),
        ({"ridge": [0.1, 0.2]}, "ridge must be a finite number >= 0"),
        ({"Y": np.full((40, 20), np.inf)}, "Y must be finite"),
        ({"first_order_steps": -1}, "first_order_steps must be an integer >= 0"),
        ({"first_order_steps": 2.5}, "first_order_steps must be an integer >= 0, but it is 2.5"),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number >= 0, but it is nan"),
        ({"depth": 4}, "depth must be an integer >= 5, but it is 4"),
        ({"depth": 6.5}, r"depth must be an integer >= 5, but it is 6\.5"),
        ({"depth": 6, "stages": ()}, "stages must not be empty when layers are inserted"),
        ({"memory": 0}, "memory must be an integer >= 1, but it is 0"),
        ({"memory": True}, "memory must be an integer >= 1, but it is True"),
        ({"stages": ((0.1, 0),)}, "stages must be pairs of a width >= 0 and a number of iterations >= 1"),
        ({"stages": ((-0.1, 5),)}, "stages must be pairs"),
        ({"stages": ((float("nan"), 5),)}, "stages must be pairs"),
        ({"stages": (0.1, 5)}, "stages must be pairs"),
        ({"stages": ((0.1, 5, 7),)}, "stages must be pairs"),
        ({"stages": 5}, "stages must be pairs"),
        ({"polish": ((0.1, 2.5),)}, "polish must be pairs"),
        ({"depth": 6, "shallow": ((0.1, 0),)}, "shallow must be pairs"),
        ({"dtype": np.float16}, "dtype must be float32, or float64 with jax_enable_x64 on, but it is float16"),
        ({"dtype": int}, "dtype must be float32, or float64 with jax_enable_x64 on, but it is int"),
    ],
)
def test_bad_input_is_refused_before_training(small, monkeypatch, change, message):
    monkeypatch.setattr(training, "run_phase", lambda *_: pytest.fail("trained"))
    start, task = small
    with pytest.raises(ValueError, match=message) as refusal:
        bn.train(start, **{"X": task.X, "Y": task.Y, "ridge": 0.1, **SHORT, **change})
    assert str(refusal.value).endswith(".")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("depth", "slope"), [(1, 0.0), (2, 0.0), (5, 0.1)])
def test_networks_that_take_no_layers_are_refused_before_training(monkeypatch, depth, slope):
    monkeypatch.setattr(training, "run_phase", lambda *_: pytest.fail("trained"))
    with pytest.raises(ValueError, match=f"of depth at least 3, but this one has depth {depth} and slope {slope}"):
        bn.train(engine.start(depth=depth, slope=slope), *engine.data(), 0.1, depth=7)


def test_a_start_with_nan_is_refused():
    net = jax.tree.map(lambda a: a * np.nan, engine.start())
    with pytest.raises(ValueError, match="net must be finite"):
        bn.train(net, *engine.data(), 0.1)


def test_float64_without_x64_is_refused():
    X, Y = engine.data()
    with jax.enable_x64(False), pytest.raises(ValueError, match="float64 with jax_enable_x64 on, but it is float64"):
        bn.train(engine.start(), X, Y, 0.1, dtype=np.float64)


def quick(net=None, data=None, ridge=engine.RIDGE, **settings):
    """Train a small network; equal settings share their compiled programs."""
    return bn.train(engine.start() if net is None else net, *(data or engine.data()), ridge, **engine.SHORT | settings)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
def test_constant_targets_are_said_and_nothing_else(value):
    """The mean of 0.1 rounds; a variance of rounding would be called a collapse."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = quick(data=(engine.data()[0], np.full((engine.N, engine.D_OUT), value)))
    assert [str(w.message) for w in caught] == ["All rows of Y are equal, so a constant function fits them."]
    assert caught[0].filename == __file__
    assert not result.collapsed
    assert np.isfinite(result.objective)


def test_without_a_ridge_nothing_is_foreseen():
    result = quick(ridge=0)  # any warning would be an error
    assert result.objective == pytest.approx(result.mse)
    assert result.mse < 0.5 * training.foresee(jnp.asarray(engine.data()[1]), 0.0, 3)
    assert np.isfinite(result.smoothed_gradient)
    assert not result.collapsed


def test_decrease_is_that_of_the_last_stage_of_the_recipe():
    """The last of INSERTED has 100 iterations: value 101 from the end is of another objective."""
    history = np.concatenate([np.full(50, 9.0), np.linspace(2.0, 1.0, 100)])
    net, (X, Y) = engine.start(), engine.data()

    def decrease(history):
        return training.summarise(net, history, 0.0, jnp.asarray(X), jnp.asarray(Y), 0.1, 0.0).decrease

    assert decrease(history) == pytest.approx(1.0)
    assert decrease(history[-99:]) == np.inf
    assert decrease(np.zeros(100)) == 0.0
    assert decrease(np.append(np.ones(99), 0.0)) > 1e300


def test_a_later_divergence_is_reported_with_its_step():
    with pytest.raises(RuntimeError, match=r"^Training diverged: the objective is not finite at step [1-9]\d?\.$"):
        quick(learning_rate=1e30)


def test_a_failed_search_is_recovered(monkeypatch):
    """In single precision a search fails along every direction but the gradient's, in a band of values.

    The memory is cleared, short steps along the gradient cross the band, and the end is as good as without failures.
    When those fail too, the objective stays in the band: the failures are not harmless by themselves.
    """
    X, Y, net = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (*engine.data(), engine.start()))
    flat, unravel = ravel_pytree(net)
    search = lbfgs._weak_wolfe

    def failing(always):
        def fail(value_and_grad, point, d, start):
            new, ok = search(value_and_grad, point, d, start)
            along = -jnp.vdot(d, point.g) > 0.9999 * jnp.linalg.norm(d) * jnp.linalg.norm(point.g)
            failed = (point.f > 0.15) & (point.f < 0.25) & (jnp.asarray(always) | ~along)
            return jax.tree.map(lambda a, b: jnp.where(failed, b, a), new, point), ok & ~failed

        return fail

    def minimum():
        lam, width = jnp.asarray(0.01, jnp.float32), jnp.asarray(0.01, jnp.float32)

        def objective(v):
            return training.smoothed_objective(unravel(v), X, Y, lam, width)

        return jax.jit(lambda v: lbfgs.minimize(objective, v, 300, 20))(flat)

    free = minimum()
    monkeypatch.setattr(lbfgs, "_weak_wolfe", failing(False))
    recovered = minimum()
    monkeypatch.setattr(lbfgs, "_weak_wolfe", failing(True))
    stuck = minimum()
    assert free.failures == 0
    assert recovered.failures > 0
    assert np.all(np.diff(recovered.history) <= 1e-6)
    assert recovered.history[-1] <= 1.01 * free.history[-1]
    assert stuck.history[-1] > 0.15


def test_a_search_that_fails_by_itself_is_recovered():
    """Single precision on a piecewise linear objective: after each failure the objective still falls."""

    @jax.jit
    def absolute(A, b):
        return lbfgs.minimize(lambda v: jnp.sum(jnp.abs(A @ v - b)), jnp.zeros(8, jnp.float32), 300, 10)

    failures = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        A, b = (jnp.asarray(rng.normal(size=size), jnp.float32) for size in ((40, 8), (40,)))
        found = absolute(A, b)
        still = np.flatnonzero(np.diff(found.history) == 0)
        assert found.history[-1] < found.history[still[0]]
        assert np.all(np.diff(found.history) <= 1e-5)
        failures += int(found.failures)
    assert failures > 0


# Inserted layers.


def two_features(rank, n=30, dim=4):
    """Return inputs, and targets that are a nonlinear function through R^rank."""
    rng = np.random.default_rng(rank)
    X = rng.normal(size=(n, dim))
    return X, np.abs(X[:, :rank] + 0.5) @ np.linalg.qr(rng.normal(size=(dim, dim)))[0][:rank] * 1.5


def race_start():
    rng = np.random.default_rng(5)
    sizes = [4, *[8] * 4, 4]
    return bn.from_layers([(rng.normal(size=(o, i)) * np.sqrt(2 / i), None) for i, o in pairwise(sizes)])


def check_race(rank):
    """Assert that with a rank counted one too high the rank below it wins, and that it has the lower objective."""
    X, Y = two_features(rank)
    result = bn.train(race_start(), X, Y, 0.01, depth=14, first_order_steps=100, stages=((0.003, 10),) * 3)
    assert [r for r, _ in result.trials] == [rank, rank + 1]
    objectives = dict(result.trials)
    assert objectives[rank] < objectives[rank + 1]
    assert result.history[-1] == objectives[rank]
    assert bn.bottleneck_rank(result.net, X).rank == rank


@pytest.mark.parametrize("rank", [1, 2])
def test_a_rank_counted_too_high_loses_the_race(monkeypatch, rank):
    monkeypatch.setattr(training, "bottleneck_rank", lambda *_: bn.BottleneckRank(rank + 1, 1.0, True))
    check_race(rank)


def test_a_race_without_rivals_is_caught(monkeypatch):
    race = training._race
    monkeypatch.setattr(training, "_race", lambda runs: race({max(runs): runs[max(runs)]}))
    monkeypatch.setattr(training, "bottleneck_rank", lambda *_: bn.BottleneckRank(2, 1.0, True))
    with pytest.raises(AssertionError):
        check_race(1)


def test_the_race_keeps_the_lowest_and_drops_the_slow():
    close = {
        1: engine.Runner(1.4, 1.005),
        2: engine.Runner(1.0, 1.0),
    }  # a short race may end with both inside the margin
    assert training._race(close) == (close[2], ((1, 1.005), (2, 1.0)))
    slow = {1: engine.Runner(1.6, 0.5), 2: engine.Runner(1.0, 1.0)}
    assert training._race(slow) == (slow[2], ((1, 1.6), (2, 1.0)))
    assert slow[1].reached == 1
    equal = {1: engine.Runner(1.0, 1.0, 1.0, 1.0), 2: engine.Runner(1.0, 1.0, 1.0, 1.0)}
    assert training._race(equal)[0] is equal[1]


def test_deep_starts_fall_into_a_trap_that_insertion_avoids():
    """Rank two at depth 24, with few steps of Adam: a start at full depth keeps one dimension, and pays for it."""
    trapped = 0
    for seed in (2, 3):
        task = bn.tasks.latent_task(jax.random.key(seed), 60, rank=2, d_in=10, d_out=10, n_test=10)
        deep, shallow = (bn.init(jax.random.key(10 + seed), 10, 16, 10, depth) for depth in (24, 12))
        direct = bn.train(deep, task.X, task.Y, 0.05 / 24, first_order_steps=100)
        inserted = bn.train(shallow, task.X, task.Y, 0.05 / 24, first_order_steps=100, depth=24)
        assert inserted.net.depth == direct.net.depth == 24
        assert inserted.objective < 0.8 * direct.objective
        assert bn.bottleneck_rank(inserted.net, task.X)[::2] == (2, True)
        trapped += bn.bottleneck_rank(direct.net, task.X).rank == 1
    assert trapped


def test_a_longer_shallow_phase_counts_a_lower_rank():
    """With a small ridge the start keeps dimensions that it does not need for a long time."""
    task = bn.tasks.latent_task(jax.random.key(1), 60, rank=2, d_in=10, d_out=10, n_test=10)
    start = bn.init(jax.random.key(3), 10, 16, 10, 8)
    counted = []
    for iterations in (1, 400):
        how = {"first_order_steps": 50, "stages": ((0.003, 5),), "shallow": ((0.01, iterations),), "depth": 12}
        counted.append(max(rank for rank, _ in bn.train(start, task.X, task.Y, 0.002, **how).trials))
    assert counted[1] < counted[0]


def exact_rank(seed, rank, slope):
    """Return a network and inputs whose middle representation has exactly the given rank, spread over all neurons."""
    rng = np.random.default_rng(seed)
    layers = [
        (rng.normal(size=(6, 3)), rng.normal(size=6)),
        (np.pad(rng.normal(size=(rank, 6)), ((0, 6 - rank), (0, 0))), np.pad(rng.uniform(size=rank), (0, 6 - rank))),
        (rng.uniform(0.1, 1.0, size=(6, 6)), np.zeros(6)),  # non-negative: the ReLU does nothing here
        (rng.normal(size=(2, 6)), rng.normal(size=2)),
    ]
    return bn.from_layers(layers, negative_slope=slope), rng.normal(size=(9, 3))


def check_insertion(deepened, net, X, rank, more):
    """Assert the same function on X, and a squared norm that grows by the rank with every layer."""
    deep = deepened(net, net.depth + more, rank=rank, X=X)
    assert deep.depth == net.depth + more
    np.testing.assert_allclose(bn.apply(deep, X), bn.apply(net, X), rtol=1e-10, atol=1e-10)
    assert reference.squared_norm(deep) - reference.squared_norm(net) == pytest.approx(more * rank, abs=1e-10)


@pytest.mark.parametrize("slope", [0.0, 1.0])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_inserted_layers_of_the_exact_rank_keep_the_function(rank, slope):
    for seed in range(3):
        check_insertion(bn.deepen, *exact_rank(seed, rank, slope), rank, 1 + seed)


@pytest.mark.parametrize("change", [-1, 1])
def test_inserted_layers_of_another_rank_are_caught(change):
    with pytest.raises(AssertionError):
        check_insertion(
            lambda net, d, rank, X: bn.deepen(net, d, rank=rank + change, X=X), *exact_rank(0, 2, 0.0), 2, 3
        )


def test_inserting_in_another_place_is_caught():
    def at_the_end(net, depth, rank, X):
        deep = bn.deepen(bn.from_layers(net.layers[:-1]), depth - 1, rank=rank, X=X)
        return bn.from_layers([*deep.layers[:1], *deep.layers[-1:] * 3, *net.layers[-1:]])

    with pytest.raises(AssertionError):
        check_insertion(at_the_end, *exact_rank(0, 2, 0.0), 2, 1)


# What is printed, and what is compiled.


def test_a_bar_is_drawn_in_a_terminal(monkeypatch):
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        quick()
        monkeypatch.undo()
    drawn = os.read(leader, 10_000).decode()
    os.close(leader)
    assert drawn.count("\r[") == 4  # one chunk of Adam and three stages
    assert drawn.split("\r")[1].startswith("[#####               ] 1/4  objective ")
    assert drawn.endswith("\n")
    assert drawn.count("\n") == 1


def test_nothing_is_printed_elsewhere(capfd):
    quick()
    assert tuple(capfd.readouterr()) == ("", "")


PROGRAMS = ("Compiling jit(quasi_newton)", "Compiling jit(_adam)")


def compilations(caplog, function):
    """Count the training programs that are compiled in a call; the small ones around them are no matter of shapes."""
    caplog.clear()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        function()
    return sum(record.getMessage().startswith(PROGRAMS) for record in caplog.records)


def test_seeds_ridges_and_data_share_their_programs(caplog):
    quick()
    before = training.quasi_newton._cache_size(), training._adam._cache_size()
    assert compilations(caplog, lambda: quick(engine.start(7), engine.data(2), 0.02)) == 0
    assert compilations(caplog, lambda: quick(stages=((0.2, 20), (0.1, 20)))) == 0
    assert (training.quasi_newton._cache_size(), training._adam._cache_size()) == before
    # Control: another shape is another program.
    assert compilations(caplog, lambda: quick(data=engine.data(n=13), first_order_steps=0)) > 0


def test_divergence_is_reported_with_its_step(small):
    start, task = small
    steep = jax.tree.map(lambda a: a * jnp.asarray(1e12, a.dtype), start)
    with pytest.raises(RuntimeError, match="not finite at step 0"):
        bn.train(steep, task.X, task.Y, 0.1, **SHORT)


def test_a_rise_of_the_objective_is_not_convergence(small):
    start, task = small
    rate = {"first_order_steps": 100, "stages": (), "learning_rate": 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the steps are far too large
        result = bn.train(bn.train(start, task.X, task.Y, 0.003, **SHORT).net, task.X, task.Y, 0.003, **rate)
    assert result.history[-1] > 1.01 * result.history[0]
    assert result.decrease < 0
    assert not result.converged


def test_the_imbalance_is_that_of_the_end_of_the_run():
    X, Y = engine.data()
    start = engine.start()
    neurons = [(w @ w + b * b, v @ v) for _, _, w, b, v in reference.hidden_neurons(start)]
    expected = max(abs(a - b) for a, b in neurons) / max(a for a, _ in neurons)
    still = np.ones(200)
    found = training.summarise(start, still, 0.0, jnp.asarray(X), jnp.asarray(Y), 0.01, 0.0)
    assert expected > 0.1
    assert found.imbalance == pytest.approx(expected, rel=1e-9)
    assert (found.decrease, found.converged) == (0.0, False)
    balanced = training.summarise(bn.balance(start), still, 0.0, jnp.asarray(X), jnp.asarray(Y), 0.01, 0.0)
    assert balanced.imbalance < 1e-9
    assert balanced.converged


def test_no_steps_return_the_balanced_start(small):
    start, task = small
    result = bn.train(start, task.X, task.Y, 0.003, first_order_steps=0, stages=(), dtype=jnp.float64)
    assert len(result.history) == 0
    assert {a.dtype for a in jax.tree.leaves(result.net)} == {jnp.dtype("float64")}
    assert not result.converged
    np.testing.assert_allclose(bn.apply(result.net, task.X), bn.apply(start, task.X), atol=1e-9)
    for a, b in zip(jax.tree.leaves(result.net), jax.tree.leaves(bn.balance(start)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_training_a_linear_network_reaches_the_closed_form():
    """At slope 1 the ridge finds the matrix that minimises |A - T|^2 + ridge L |A|_{2/L}^{2/L}, value by value."""
    targets, ridge = np.array([3.0, 2.0]), 0.05
    start = bn.init(jax.random.key(0), 2, 6, 2, 3, negative_slope=1.0)
    X = np.sqrt(2.0) * np.vstack([np.eye(2), -np.eye(2)])  # symmetric, so that biases do not help
    result = bn.train(start, X, X * targets, ridge, dtype=jnp.float64)
    s = np.linspace(0.5, 3.0, 250_001)
    least = sum(np.min((s - t) ** 2 + 3 * ridge * s ** (2 / 3)) for t in targets)
    assert result.objective == pytest.approx(least, rel=1e-8)
    norm = float(bn.squared_norm(result.net))
    assert norm == pytest.approx(bn.linear_cost(np.asarray(bn.jacobian(result.net, X[0])), 3), rel=1e-6)


def plain_risk(net, X, Y, width, loss):
    """The definition, differentiated by JAX."""

    def step(h, layer, _):
        z = affine(layer, h)
        ramp = (z + width) ** 2 / jnp.where(width > 0, 4 * width, 1.0)
        relu = jnp.where(z > width, z, jnp.where(z > -width, ramp, 0.0))
        return net.negative_slope * z + (1.0 - net.negative_slope) * relu, None

    h, _ = fold_layers(step, X, net)
    F = affine(net.last, h)
    if loss == "squared":
        return jnp.mean(jnp.sum((F - Y) ** 2, axis=1))
    return jnp.mean(jnp.sum(Y * (jnp.log(jnp.sum(jnp.exp(F), axis=1, keepdims=True)) - F), axis=1))


def probabilities(n, classes, seed=0):
    """Return rows of probabilities, the first ones certain."""
    Y = np.random.default_rng(seed).dirichlet(np.ones(classes), size=n)
    Y[: n // 2] = np.eye(classes)[np.arange(n // 2) % classes]
    return Y


def derivatives(risk, depth, slope, loss):
    """Return a random vector of parameters, and a program for the risk there and its first two derivatives."""
    rng = np.random.default_rng(depth)
    sizes = [3, *[5] * (depth - 1), 4]
    layers = [(rng.normal(size=(o, i)) * np.sqrt(2 / i), 0.1 * rng.normal(size=o)) for i, o in pairwise(sizes)]
    X = rng.normal(size=(12, 3))
    Y = rng.normal(size=(12, 4)) if loss == "squared" else probabilities(12, 4)
    flat, unravel = ravel_pytree(bn.from_layers(layers, negative_slope=slope))

    @jax.jit
    def program(v, width):
        def value(u):
            return risk(unravel(u), X, Y, width, loss)

        return *jax.value_and_grad(value)(v), jax.hessian(value)(v)

    return flat, program


plain_derivatives = cache(partial(derivatives, plain_risk))


def check_derivatives(risk, depth, slope, widths=(0.0, 0.05, 0.5), loss="squared"):
    (flat, ours), (_, plain) = derivatives(risk, depth, slope, loss), plain_derivatives(depth, slope, loss)
    for width in map(jnp.asarray, widths):
        (value, *rest), (plain_value, *plain_rest) = ours(flat, width), plain(flat, width)
        np.testing.assert_allclose(value, plain_value, rtol=1e-12)
        for a, b in zip(rest, plain_rest, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("depth", "slope"), [(1, 0.0), (2, 0.2), (5, 0.0), (5, 0.2), (5, 1.0)])
def test_the_written_gradient_is_that_of_the_definition(depth, slope):
    check_derivatives(training._risk, depth, slope)


@pytest.mark.parametrize(("depth", "slope"), [(1, 0.0), (5, 0.2)])
def test_the_written_gradient_of_the_cross_entropy_is_that_of_the_definition(depth, slope):
    check_derivatives(training._risk, depth, slope, loss="cross-entropy")


def test_a_wrong_slope_is_caught(monkeypatch):
    monkeypatch.setattr(training, "_slope", lambda h, width, s: jnp.where(h > 0, 1.0, s))
    with pytest.raises(AssertionError):
        check_derivatives(training._risk, 5, 0.0)


@pytest.mark.parametrize("mistake", ["factor", "targets", "axis"])
def test_a_wrong_gradient_of_the_cross_entropy_is_caught(monkeypatch, mistake):
    entrywise = training.entrywise

    def wrong(z, y, loss):
        value, _ = entrywise(z, y, loss)
        error = jax.nn.softmax(z, axis=1 if mistake == "axis" else 0) - (0.9 if mistake == "targets" else 1.0) * y
        return value, error if mistake == "factor" else error / 2

    monkeypatch.setattr(training, "entrywise", wrong)
    with pytest.raises(AssertionError):
        check_derivatives(training._risk, 1, 0.0, widths=(0.0,), loss="cross-entropy")


# The cross-entropy.

CLASSES = {"data": (engine.data()[0], probabilities(engine.N, engine.D_OUT)), "loss": "cross-entropy"}


def cross_entropy(net, X, Y):
    F = np.asarray(bn.apply(net, X), float)
    return float(np.mean(np.log(np.exp(F).sum(1)) - np.sum(Y * F, axis=1)))


def entropy(Y):
    return float(-np.mean(np.sum(Y * np.log(np.where(Y > 0, Y, 1.0)), axis=1)))


def check_shift(loss, shift):
    net, (X, Y) = engine.start(), map(jnp.asarray, CLASSES["data"])
    W, b = net.last
    moved = type(net)(net.first, net.hidden, (W, b + shift))
    values = [float(training._error(n, X, Y, loss)) for n in (net, moved)]
    assert values[1] == pytest.approx(values[0], rel=1e-9, abs=1e-9)


@given(st.floats(-1e3, 1e3))
def test_the_cross_entropy_does_not_see_a_common_shift_of_scores(shift):
    check_shift("cross-entropy", shift)


def test_the_squared_loss_sees_it():
    with pytest.raises(AssertionError):
        check_shift("squared", 0.1)


def test_large_scores_do_not_overflow():
    X, Y = map(jnp.asarray, CLASSES["data"])
    net = jax.tree.map(lambda a: 1e3 * a, engine.start())
    risk = jax.jit(jax.value_and_grad(training._risk), static_argnums=4)
    value, slope = risk(net, X, Y, jnp.zeros(()), "cross-entropy")
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(a)) for a in jax.tree.leaves(slope))


def test_training_with_the_cross_entropy_reports_it():
    X, Y = CLASSES["data"]
    result = quick(**CLASSES, ridge=0.001)
    assert result.loss == pytest.approx(cross_entropy(result.net, X, Y), rel=1e-6)
    assert result.objective == pytest.approx(result.loss + 0.001 * float(bn.squared_norm(result.net)), rel=1e-6)
    constant = entropy(Y.mean(0, keepdims=True))
    assert entropy(Y) < result.loss < constant - 0.1
    assert not result.collapsed
    assert training.foresee(jnp.asarray(Y), 0.0, 3, "cross-entropy") == pytest.approx(constant - entropy(Y))


def test_collapse_is_measured_from_the_best_constant():
    """The loss of soft targets cannot reach zero, so that a fixed share of the constant's loss would be no measure."""
    X, _ = CLASSES["data"]
    with pytest.warns(UserWarning, match="of Y, so one dimension costs"), pytest.warns(UserWarning, match="collapsed"):
        result = quick(**CLASSES, ridge=5.0)
    assert result.collapsed
    soft = np.where(X[:, :1] > 0, [[0.51, 0.49]], [[0.49, 0.51]])  # 99.98 % of its constant's loss is out of reach
    assert not quick(data=(X, soft), loss="cross-entropy", ridge=0.0).collapsed
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert not quick(data=(X, np.full((engine.N, 2), 0.5)), loss="cross-entropy").collapsed
    assert [str(w.message) for w in caught] == ["All rows of Y are equal, so a constant function fits them."]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "hinge"}, "loss must be one of 'squared', 'cross-entropy', but it is 'hinge'"),
        ({"loss": None}, "loss must be one of"),
        ({"data": engine.data()}, "For the cross-entropy the rows of Y must be >= 0 and sum to one, but row 0 has"),
        ({"data": (engine.data()[0], np.full((engine.N, 2), 0.49))}, "row 0 has the sum 0.98"),
        ({"data": (engine.data()[0], np.tile([1.5, -0.5], (engine.N, 1)))}, "row 0 has the entry -0.5"),
    ],
)
def test_what_is_no_loss_or_no_probability_is_refused(monkeypatch, change, message):
    monkeypatch.setattr(training, "run_phase", lambda *_: pytest.fail("trained"))
    with pytest.raises(ValueError, match=message) as refusal:
        quick(**CLASSES | change)
    assert str(refusal.value).endswith(".")


def test_a_checkpoint_of_the_other_loss_is_refused(tmp_path):
    quick(**CLASSES, checkpoint=tmp_path / "run.npz")
    with pytest.raises(ValueError, match="belongs to a run with other data or settings"):
        quick(**CLASSES | {"loss": "squared"}, checkpoint=tmp_path / "run.npz")


def test_a_sweep_takes_the_cross_entropy():
    members = [(engine.start(seed), *CLASSES["data"], 0.01 * (1 + seed)) for seed in range(2)]
    single = [bn.train(*member, loss="cross-entropy", **engine.SHORT) for member in members]
    swept, batched = (bn.sweep(members, loss="cross-entropy", batched=flag, **engine.SHORT) for flag in (False, True))
    assert engine.bits(swept) == engine.bits(single)
    for one, other in zip(single, batched, strict=True):
        # Batches round differently, and training amplifies that: the first steps agree, and no more is promised.
        np.testing.assert_allclose(one.history[:10], other.history[:10], rtol=1e-4)
    with pytest.raises(ValueError, match="sum to one"):
        bn.sweep([(engine.start(), *engine.data(), 0.1)], loss="cross-entropy")


# Adam's moments.


def test_moments_follow_the_gradient_when_neurons_are_rescaled():
    """The loss does not change, so its gradient at the rescaled network is what the moments have to become."""
    net, Y = fixed_net(0.1), np.sin(FIXED_X)
    slope = jax.jit(jax.grad(lambda net: training.smoothed_objective(net, jnp.asarray(FIXED_X), Y, 0.0, 0.0)))
    gradient = slope(net)
    adam, *rest = training.optimiser(10, 1e-3).init(net)
    moments = adam._replace(mu=gradient, nu=jax.tree.map(jnp.square, gradient))
    moved, (after, *_) = jax.jit(training._rebalanced)(net, (moments, *rest))
    assert not np.allclose(moved.first[0], net.first[0])
    wanted = slope(moved)
    for found, power in ((after.mu, 1), (after.nu, 2)):
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b**power, rtol=1e-9, atol=1e-12)
