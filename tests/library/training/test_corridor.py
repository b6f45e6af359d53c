"""Training through a corridor minimises what training at full depth does, at a price that depth does not raise."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnlib as bn
from bnlib.build.corridors import Compressed, evaluate, expand, pad, price, straighten
from bnlib.training import corridor
from bnlib.training.corridor import objective, quasi_newton, train_through
from bnlib.training.objective import smoothed_objective

TASK = bn.tasks.latent_task(jax.random.key(1), 60, rank=2, d_in=10, d_out=10, n_test=10)
START = bn.init(jax.random.key(3), 10, 16, 10, 6)
RIDGE = 0.01
# Stages of one length share a compiled program.
SHORT = {
    "first_order_steps": 200,
    "shallow": ((0.003, 50),) * 2,
    "stages": ((0.003, 50),) * 3,
    "rounds": ((0.003, 50),) * 3,
}


def example(seed=0, length=6):
    rng = np.random.default_rng(seed)
    head = bn.from_layers(
        [(rng.normal(size=(5, 3)), rng.normal(size=5)), (rng.normal(size=(2, 5)), rng.uniform(size=2))]
    )
    tail = bn.from_layers(
        [(rng.normal(size=(4, 2)), rng.normal(size=4)), (rng.normal(size=(2, 4)), rng.normal(size=2))]
    )
    A, B = (jnp.asarray(np.eye(2) + rng.uniform(size=(2, 2))) for _ in range(2))
    net = Compressed(head, A, jnp.asarray(rng.normal(size=2)), (B, jnp.asarray(rng.uniform(size=2))), tail, length)
    return net, *(jnp.asarray(rng.normal(size=(7, d))) for d in (3, 2))


def smooth(z, width):
    return (
        np.where(z > width, z, np.where(z > -width, (z + width) ** 2 / (4 * width), 0.0)) if width else np.maximum(z, 0)
    )


def by_hand(net, X, Y, lam, width):
    def outputs(part, h):
        *hidden, (V, c) = part.layers
        for W, b in hidden:
            h = smooth(h @ np.asarray(W).T + np.asarray(b), width)
        return h @ np.asarray(V).T + np.asarray(c)

    code = smooth(outputs(net.head, np.asarray(X)), width) @ np.asarray(net.into).T * np.exp(net.growth)
    found = outputs(net.tail, smooth(code @ np.asarray(net.out[0]).T + np.asarray(net.out[1]), width))
    return float(np.mean(np.sum((found - np.asarray(Y)) ** 2, axis=1)) + lam * price(net))


@pytest.mark.parametrize("width", [0.0, 0.3])
def test_the_objective(width):
    net, X, Y = example()
    found = objective(net, X, Y, jnp.array(0.1), jnp.array(width))
    assert float(found) == pytest.approx(by_hand(net, X, Y, 0.1, width), rel=1e-12)


def check_gradient(objective):
    """Assert that the derivative along random directions is that of differences, for every part of the network."""
    net, X, Y = example(1)
    lam, width, rng = jnp.array(0.1), jnp.array(0.3), np.random.default_rng(2)
    slope = jax.grad(objective)(net, X, Y, lam, width)
    leaves, structure = jax.tree.flatten(net)
    for i, leaf in enumerate(leaves):
        step = [1e-6 * rng.normal(size=a.shape) if i == j else np.zeros(a.shape) for j, a in enumerate(leaves)]
        ends = [
            by_hand(
                jax.tree.unflatten(structure, [a + sign * s for a, s in zip(leaves, step, strict=True)]), X, Y, 0.1, 0.3
            )
            for sign in (1, -1)
        ]
        expected = float(jnp.vdot(jax.tree.leaves(slope)[i], step[i]))
        assert (ends[0] - ends[1]) / 2 == pytest.approx(expected, rel=1e-5, abs=1e-13), (
            f"leaf {i} of shape {leaf.shape}"
        )


def test_the_gradient():
    check_gradient(objective)


def test_a_price_without_the_number_of_layers_is_caught():
    with pytest.raises(AssertionError):
        check_gradient(lambda net, *rest: objective(replace(net, length=3), *rest))


def test_the_objective_is_that_of_the_expanded_network():
    net, X, Y = example()
    lam, none = jnp.array(0.1), jnp.array(0.0)
    deep = smoothed_objective(expand(net, X, 40), X, Y, lam, none)
    assert float(objective(straighten(net, 40), X, Y, lam, none)) == pytest.approx(float(deep), rel=1e-10)


def test_a_step_takes_the_same_operations_at_any_depth():
    programs = [
        str(jax.make_jaxpr(jax.grad(objective))(*example(length=n), jnp.array(0.1), jnp.array(0.0))) for n in (5, 500)
    ]
    assert len(set(map(len, [p.replace("498.0", "3.0") for p in programs]))) == 1


def test_a_gain_of_zero_stays_zero():
    net, X, Y = example()
    padded = pad(net, 3, 4)
    found, *_ = quasi_newton(padded, X, Y, jnp.array(0.1), jnp.array(0.01), 3)
    assert float(found.growth[2]) == float(padded.growth[2])
    assert not np.any(found.into[2])
    assert not np.any(found.out[0][:, 2])
    same, *_ = quasi_newton(net, X, Y, jnp.array(0.1), jnp.array(0.01), 3)
    np.testing.assert_allclose(evaluate(found, X), evaluate(same, X), rtol=1e-5, atol=1e-6)


def test_training_through_a_corridor():
    """It keeps the rank of the task, ends balanced, and no higher than with inserted layers of full width."""
    result = train_through(START, TASK.X, TASK.Y, RIDGE, depth=20, **SHORT)
    assert result.net.depth == 20
    ranks = dict(result.trials)
    assert len(ranks) == 2
    assert ranks[2] < 0.9 * ranks[3]
    assert result.net.width == START.width
    assert bn.bottleneck_rank(result.net, TASK.X)[::2] == (2, True)
    assert result.converged
    assert not result.collapsed
    assert result.objective == pytest.approx(result.loss + RIDGE * float(bn.squared_norm(result.net)), rel=1e-6)
    stages = SHORT["stages"] + SHORT["rounds"]
    how = {"first_order_steps": 200, "shallow": SHORT["shallow"], "stages": stages}
    inserted = bn.train(START, TASK.X, TASK.Y, RIDGE, depth=20, **how)
    assert result.objective <= 1.01 * inserted.objective


def test_polishing_ends_when_a_round_gains_nothing(monkeypatch):
    monkeypatch.setattr(corridor, "SETTLED", 1.0)
    short = train_through(START, TASK.X, TASK.Y, RIDGE, depth=20, **SHORT)
    assert len(short.history) == 200 + 100 + 150 + 50 + 100


def test_bad_input():
    X, Y = TASK.X, TASK.Y
    with pytest.raises(ValueError, match="depth must be an integer >= 6"):
        train_through(START, X, Y, RIDGE, depth=5)
    with pytest.raises(ValueError, match="stages must not be empty"):
        train_through(START, X, Y, RIDGE, depth=20, stages=())
    with pytest.raises(ValueError, match="A corridor needs a ReLU network of depth at least 3"):
        train_through(bn.init(jax.random.key(0), 10, 4, 10, 2), X, Y, RIDGE, depth=20)
    with pytest.raises(ValueError, match="the depth must be at least"):
        train_through(START, X, Y, RIDGE, depth=8, first_order_steps=0, shallow=((0.003, 50),))


def test_an_objective_that_is_not_finite_is_said(monkeypatch):
    monkeypatch.setattr(corridor, "quasi_newton", lambda net, *_, **__: (net, np.array([0.0, np.nan]), np.nan))
    with pytest.raises(RuntimeError, match="Training diverged: the objective is not finite at step 301"):
        train_through(START, TASK.X, TASK.Y, RIDGE, depth=20, **SHORT)
