"""Training: deterministic, able to reach a bottleneck, and refused where its input is bad."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import bnlib as bn
import engine
from bnlib.training import trajectory

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
    monkeypatch.setattr(trajectory, "run_phase", lambda *_: pytest.fail("trained"))
    start, task = small
    with pytest.raises(ValueError, match=message) as refusal:
        bn.train(start, **{"X": task.X, "Y": task.Y, "ridge": 0.1, **SHORT, **change})
    assert str(refusal.value).endswith(".")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("depth", "slope"), [(1, 0.0), (2, 0.0), (5, 0.1)])
def test_networks_that_take_no_layers_are_refused_before_training(monkeypatch, depth, slope):
    monkeypatch.setattr(trajectory, "run_phase", lambda *_: pytest.fail("trained"))
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
