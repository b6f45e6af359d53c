"""Training of residual networks with a leak: what it minimises, where it ends, and how depth is raised."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnlib import leaky, tasks
from bnlib.theory.hamiltonian import hamiltonian
from bnlib.training.leaky import _with_sum, continued, train_leaky

KINK, RIDGE = 0.1, 0.003
TASK = tasks.latent_task(jax.random.key(3), 20, rank=1, d_latent=3, d_in=4, d_out=3, n_test=1)
LEAK = np.full(8, 0.4)
START = leaky.init(jax.random.key(4), 4, 5, 3, jnp.asarray(LEAK))
STILL = ((KINK, 1500),)


def trained(**how):
    return train_leaky(START, TASK.X, TASK.Y, RIDGE, **{"stages": STILL} | how)


@pytest.fixture(scope="module")
def fit():
    return trained()


@pytest.fixture(scope="module")
def spaced(fit):
    return train_leaky(fit.net, TASK.X, TASK.Y, RIDGE, stages=((KINK, 2500),), spacing=True)


def test_the_objective_is_the_error_and_the_action(fit):
    error = leaky.apply(fit.net, TASK.X, KINK) - TASK.Y
    mse = float(jnp.sum(error**2) / len(error))
    assert fit.mse == pytest.approx(mse, rel=1e-12)
    assert fit.objective == pytest.approx(mse + RIDGE * float(leaky.action(fit.net)), rel=1e-9)
    np.testing.assert_allclose(fit.states, leaky.states(fit.net, TASK.X, KINK), rtol=1e-12)


def test_it_ends_at_a_stationary_point(fit):
    """The balance of energies holds at stationary weights and biases alone; a start is far from it."""
    assert fit.converged
    assert fit.gradient < 1e-3
    found = [np.abs(hamiltonian(net, TASK.X, TASK.Y, RIDGE, 1e-3, smoothing=KINK).residual) for net in (fit.net, START)]
    assert found[0].max() < 0.02
    assert found[1].max() > 1


def test_a_plain_residual_network_forgets_nothing(fit):
    plain = trained(forget=False)
    h = np.asarray(plain.states)
    post = np.asarray(leaky.rectify(jnp.asarray(h), KINK))
    W, b = map(np.asarray, plain.net.hidden)
    kept = h[1:] - LEAK[:, None, None] * (post[:-1] @ W.swapaxes(1, 2) + b[:, None])
    np.testing.assert_allclose(kept, h[:-1], atol=1e-12)
    assert plain.objective < fit.objective  # dimensions are free


def test_a_trained_spacing_keeps_the_sum_and_lowers_the_objective(fit):
    spaced = train_leaky(fit.net, TASK.X, TASK.Y, RIDGE, stages=((KINK, 300),), spacing=True)
    leak = np.asarray(spaced.net.leak)
    assert leak.sum() == pytest.approx(LEAK.sum(), rel=1e-12)
    assert np.all((leak > 0) & (leak <= 1))
    assert spaced.objective < fit.objective
    change = hamiltonian(fit.net, TASK.X, TASK.Y, RIDGE, 1e-3, smoothing=KINK).H
    assert np.corrcoef(leak, change)[0, 1] < 0  # leaks grow where the objective falls with them


@given(st.integers(0, 2**16))
@settings(max_examples=50)
def test_leaks_keep_their_sum_to_first_order_too(seed):
    rng = np.random.default_rng(seed)
    logits, total = jnp.asarray(rng.normal(size=5) * 3), rng.uniform(0.5, 4.5)
    direction = jnp.asarray(rng.normal(size=5))
    values, along = jax.jvp(lambda a: _with_sum(a, jnp.asarray(total)), (logits,), (direction,))
    ahead, behind = (_with_sum(logits + h * direction, jnp.asarray(total)) for h in (1e-5, -1e-5))
    assert float(values.sum()) == pytest.approx(total, rel=1e-12)
    assert np.all((values > 0) & (values < 1))
    np.testing.assert_allclose(along, (ahead - behind) / 2e-5, atol=1e-7)


@given(st.integers(0, 2**16), st.integers(1, 6))
@settings(max_examples=30)
def test_the_same_leaks_change_nothing_and_split_ones_repeat_their_weights(seed, parts):
    leak = np.random.default_rng(seed).uniform(0.1, 1, 4)
    net = leaky.init(jax.random.key(seed), 2, 3, 2, jnp.asarray(leak))
    same = continued(net, leak)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.all(a == b)), same, net))
    split = continued(net, np.repeat(leak / parts, parts))
    np.testing.assert_array_equal(split.hidden[0], np.repeat(np.asarray(net.hidden[0]), parts, axis=0))


def test_finer_layers_nearly_keep_the_function(fit):
    def distance(parts):
        finer = continued(fit.net, np.repeat(LEAK / parts, parts))
        finest = continued(fit.net, np.repeat(LEAK / 64, 64))
        return float(jnp.linalg.norm(leaky.apply(finer, TASK.X) - leaky.apply(finest, TASK.X)))

    assert distance(8) < 0.25 * distance(1)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"ridge": 0.0}, "ridge must be positive"),
        ({"stages": ()}, "at least one pair"),
        ({"spacing": True, "forget": False}, "A spacing can be trained where the net forgets"),
    ],
)
def test_what_cannot_be_trained_is_said(how, words):
    with pytest.raises(ValueError, match=words):
        train_leaky(START, TASK.X, TASK.Y, **{"ridge": RIDGE} | how)


@pytest.mark.parametrize("leak", [0.5, [0.0, 0.5], [0.5, 1.5]])
def test_leaks_that_cannot_be_are_refused(leak):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        continued(START, leak)
