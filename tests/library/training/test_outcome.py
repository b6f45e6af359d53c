"""What a result says of its training: convergence, balance, collapse, and what is foreseen before it."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import bnlib as bn
import engine
import reference
from bnlib.training import outcome


def test_collapse_to_a_constant_is_reported():
    with (
        pytest.warns(UserWarning, match="expect a constant function"),
        pytest.warns(UserWarning, match="collapsed to a constant function, from about step"),
    ):
        assert engine.quick(ridge=5.0).collapsed


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
def test_constant_targets_are_said_and_nothing_else(value):
    """The mean of 0.1 rounds; a variance of rounding would be called a collapse."""
    X, _ = engine.data()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = bn.train(engine.start(), X, np.full((engine.N, engine.D_OUT), value), engine.RIDGE, **engine.SHORT)
    assert [str(w.message) for w in caught] == ["All rows of Y are equal, so a constant function fits them."]
    assert caught[0].filename == __file__
    assert not result.collapsed
    assert np.isfinite(result.objective)


def test_without_a_ridge_nothing_is_foreseen():
    result = engine.quick(ridge=0)  # any warning would be an error
    assert result.objective == pytest.approx(result.mse)
    assert result.mse < 0.5 * outcome.foresee(jnp.asarray(engine.data()[1]), 0.0, 3)
    assert np.isfinite(result.smoothed_gradient)
    assert not result.collapsed


def test_decrease_is_that_of_the_last_stage_of_the_recipe():
    """The last of INSERTED has 100 iterations: value 101 from the end is of another objective."""
    history = np.concatenate([np.full(50, 9.0), np.linspace(2.0, 1.0, 100)])
    net, (X, Y) = engine.start(), engine.data()

    def decrease(history):
        return outcome.summarise(net, history, 0.0, jnp.asarray(X), jnp.asarray(Y), 0.1, 0.0).decrease

    assert decrease(history) == pytest.approx(1.0)
    assert decrease(history[-99:]) == np.inf
    assert decrease(np.zeros(100)) == 0.0
    assert decrease(np.append(np.ones(99), 0.0)) > 1e300


def test_a_rise_of_the_objective_is_not_convergence():
    rate = {"first_order_steps": 100, "stages": (), "learning_rate": 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the steps are far too large
        result = engine.quick(engine.quick().net, **rate)
    assert result.history[-1] > 1.01 * result.history[0]
    assert result.decrease < 0
    assert not result.converged


def test_the_imbalance_is_that_of_the_end_of_the_run():
    X, Y = engine.data()
    start = engine.start()
    neurons = [(w @ w + b * b, v @ v) for _, _, w, b, v in reference.hidden_neurons(start)]
    expected = max(abs(a - b) for a, b in neurons) / max(a for a, _ in neurons)
    still = np.ones(200)
    found = outcome.summarise(start, still, 0.0, jnp.asarray(X), jnp.asarray(Y), 0.01, 0.0)
    assert expected > 0.1
    assert found.imbalance == pytest.approx(expected, rel=1e-9)
    assert (found.decrease, found.converged) == (0.0, False)
    balanced = outcome.summarise(bn.balance(start), still, 0.0, jnp.asarray(X), jnp.asarray(Y), 0.01, 0.0)
    assert balanced.imbalance < 1e-9
    assert balanced.converged


# The cross-entropy.


def cross_entropy(net, X, Y):
    F = np.asarray(bn.apply(net, X), float)
    return float(np.mean(np.log(np.exp(F).sum(1)) - np.sum(Y * F, axis=1)))


def entropy(Y):
    return float(-np.mean(np.sum(Y * np.log(np.where(Y > 0, Y, 1.0)), axis=1)))


def test_training_with_the_cross_entropy_reports_it():
    X, Y = engine.CLASSES["data"]
    result = engine.quick(**engine.CLASSES, ridge=0.001)
    assert result.loss == pytest.approx(cross_entropy(result.net, X, Y), rel=1e-6)
    assert result.objective == pytest.approx(result.loss + 0.001 * float(bn.squared_norm(result.net)), rel=1e-6)
    constant = entropy(Y.mean(0, keepdims=True))
    assert entropy(Y) < result.loss < constant - 0.1
    assert not result.collapsed
    assert outcome.foresee(jnp.asarray(Y), 0.0, 3, "cross-entropy") == pytest.approx(constant - entropy(Y))


def test_collapse_is_measured_from_the_best_constant():
    """The loss of soft targets cannot reach zero, so that a fixed share of the constant's loss would be no measure."""
    X, _ = engine.CLASSES["data"]
    with pytest.warns(UserWarning, match="of Y, so one dimension costs"), pytest.warns(UserWarning, match="collapsed"):
        result = engine.quick(**engine.CLASSES, ridge=5.0)
    assert result.collapsed
    soft = np.where(X[:, :1] > 0, [[0.51, 0.49]], [[0.49, 0.51]])  # 99.98 % of its constant's loss is out of reach
    assert not engine.quick(data=(X, soft), loss="cross-entropy", ridge=0.0).collapsed
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert not engine.quick(data=(X, np.full((engine.N, 2), 0.5)), loss="cross-entropy").collapsed
    assert [str(w.message) for w in caught] == ["All rows of Y are equal, so a constant function fits them."]
