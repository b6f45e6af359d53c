"""What the chapter on residual networks with a leak adds: its stored runs, its spacings, and what it says of flows."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.scipy.linalg import expm

from bnlib import leaky
from bnlib.experiments.records import checksum
from bnlib.theory import hamiltonian as mechanics
from bnlib.theory.potential import cost_of_identity
from scripts.runs import leaky_depths, leaky_steps

SEEDS = st.integers(0, 2**16)


# The stored runs.


def read(path: Path):
    stored = json.loads(path.read_text(encoding="utf-8"))
    return stored["manifest"], stored["records"]


@pytest.mark.parametrize("run", [leaky_depths, leaky_steps], ids=lambda run: run.__name__)
def test_the_stored_runs_are_whole(run):
    manifest, records = read(run.STORED)
    assert manifest["sha256"] == checksum(records)
    assert {record["seed"] for record in records} == set(range(run.SEEDS))
    for name, value in {"width": run.WIDTH, "n": run.POINTS, "ridge": run.RIDGE, "key": run.KEY}.items():
        assert manifest["settings"][name] == value
    counts = {seed: sum(record["seed"] == seed for record in records) for seed in range(run.SEEDS)}
    assert set(counts.values()) == {
        1 + len(leaky_depths.DEPTHS) + len(leaky_depths.FINER) if run is leaky_depths else 9
    }


def test_a_number_changed_by_hand_shows():
    manifest, records = read(leaky_steps.STORED)
    assert checksum([records[0] | {"test": records[0]["test"] + 1e-9}, *records[1:]]) != manifest["sha256"]


def test_stored_trainings_obey_the_bottleneck_theorem():
    """The identity holds at any parameters; each part is at most the excess."""
    for record in read(leaky_depths.STORED)[1]:
        if record["depth"]:
            assert record["identity"] < 1e-10
            assert max(record["parts"].values()) <= record["excess"]
            assert record["objective"] == pytest.approx(record["mse"] + leaky_depths.RIDGE * record["action"], rel=1e-6)


def test_the_lower_objective_counts():
    for record in read(leaky_depths.STORED)[1]:
        if "ways" in record:
            assert record["objective"] == min(record["ways"].values())


def test_dimensions_are_those_that_the_next_layer_sees():
    states = np.stack([np.diag([1.0, 0.5, 0.2]), np.diag([1.0, 0.5, 0.05]), np.diag([1.0, -5.0, -5.0])])
    assert leaky_depths.dimensions(states) == [3, 2, 1]


# Spacings.


@given(SEEDS, st.floats(0.5, 7.5))
@settings(max_examples=60)
def test_spacings_keep_their_sum_and_their_cap(seed, total):
    wanted = np.random.default_rng(seed).uniform(0.01, 10, 8)
    leak = leaky_steps.within(wanted, total)
    assert leak.sum() == pytest.approx(total, rel=1e-12)
    assert np.all((leak > 0) & (leak <= 1))
    below = leak < 1
    np.testing.assert_allclose(leak[below] / wanted[below], (leak[below] / wanted[below]).mean(), rtol=1e-9)


def test_an_adaptive_spacing_is_small_where_the_state_moves():
    h = np.cumsum([1.0, 0.5, 0.1, 0.1, 0.5])[:, None, None] * np.ones((5, 3, 2))
    leak = leaky_steps.adaptive(h, np.full(4, 0.5))
    assert leak[0] < leak[1]
    assert leak[3] < leak[2]
    assert leak.sum() == pytest.approx(2.0)


def test_an_irregular_spacing_is_small_at_both_ends():
    leak = leaky_steps.irregular(8, 4.0)
    assert leak.sum() == pytest.approx(4.0)
    np.testing.assert_allclose(leak, leak[::-1])
    assert np.all(np.diff(leak[:4]) > 0)


# Laws and exercises.


def drawn(seed):
    rng = np.random.default_rng(seed)
    pairs = [(rng.normal(size=s), 0.3 * rng.normal(size=s[:-1])) for s in ((4, 3), (5, 4, 4), (2, 4))]
    return leaky.leaky_network(*pairs, rng.uniform(0.05, 1, 5)), rng.normal(size=(6, 3)), rng.normal(size=(6, 2))


def check_neurons(law, net, X, Y):
    left, right = law(net, X, Y)
    np.testing.assert_allclose(left, right, atol=1e-10 * np.abs(left).max())


@given(SEEDS)
@settings(max_examples=25)
def test_the_laws_hold_and_broken_ones_fail(seed):
    net, X, Y = drawn(seed)
    check_neurons(mechanics.neuron_law, net, X, Y)
    gradient = jax.grad(mechanics.mean_loss)(net, jnp.asarray(X), jnp.asarray(Y))
    stated = mechanics.spacing_law(net, X, Y)
    np.testing.assert_allclose(gradient.leak, stated, atol=1e-10 * np.abs(stated).max())

    def without_biases(net, X, Y):
        left, right = mechanics.neuron_law(net, X, Y)
        return left, right - np.asarray(gradient.hidden[1]) * np.asarray(net.hidden[1])

    with pytest.raises(AssertionError):
        check_neurons(without_biases, net, X, Y)


@given(SEEDS)
@settings(max_examples=25)
def test_linear_weights_only_rotate(seed):
    """The solution of exercise ex-leaky-flow, differentiated."""
    rng = np.random.default_rng(seed)
    A, B, depth, t = rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), 2.0, rng.uniform(0, 1)
    turning, start = jnp.asarray((A - A.T) / 2), jnp.asarray(B + B.T)

    def weights(t):
        turn = expm(2 * depth * t * turning)
        return turning + turn @ start @ turn.T

    W, change = jax.jvp(weights, (jnp.asarray(t),), (jnp.asarray(1.0),))
    np.testing.assert_allclose(change, depth * (W @ W.T - W.T @ W), atol=1e-10)
    assert float(jnp.linalg.norm(W)) == pytest.approx(float(jnp.linalg.norm(weights(0.0))), rel=1e-12)
    swapped = depth * (W.T @ W - W @ W.T)
    assert float(jnp.abs(change - swapped).max()) > 1e-3


@pytest.mark.parametrize("entry", [0.0, 0.1, 0.2, 0.3])
def test_the_cost_of_identity_of_one_entry(entry):
    """The solution of exercise ex-leaky-coi; at no negative entry it is the rank."""
    Z = [[1.0, 0.0, 0.3], [-entry, 0.3, 0.0], [0.0, 0.5, 0.3]]
    stated = 2 + 2 * entry**2 + (1 - 5 / 3 * entry) ** 2
    assert cost_of_identity(Z) == pytest.approx(stated, rel=1e-12)
    assert (stated < 3) == (entry > 0)


def test_deleting_a_dimension_is_free_at_leak_one_only():
    """The solution of exercise ex-leaky-delete."""
    u = np.array([0.6, 0.8])
    for leak in (0.25, 0.5, 1.0):
        W = -(1 - leak) / leak * np.outer(u, u)
        np.testing.assert_allclose(((1 - leak) * np.eye(2) + leak * W) @ u, 0, atol=1e-15)
        assert leak * np.sum(W**2) == pytest.approx((1 - leak) ** 2 / leak)
