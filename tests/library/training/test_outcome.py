"""What a result says of its training: convergence, balance, collapse, and what is foreseen before it."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnlib as bn
import engine
import reference
from bnlib.training import outcome, scaling


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


# Rows of the users' log, each with its own sentence.

X, Y = engine.data()
ROWS = {
    "inputs times 1e6": ({"data": (1e6 * X, Y)}, ["X is not scaled, because its entries reach"]),
    "inputs plus 1e6": ({"data": (1e6 + X, Y)}, ["X is not scaled"]),
    "inputs plus 1e9": ({"data": (1e9 + X, Y)}, ["The cast of X to float32 loses"]),
    "targets plus 1e6": ({"data": (X, 1e6 + Y)}, ["Y is not scaled"]),
    "targets plus 1e9": ({"data": (X, 1e9 + Y)}, ["The cast of Y to float32 loses 100 % of the variance"]),
    "targets times 1e-20": ({"data": (X, 1e-20 * Y), "ridge": 0.0}, ["Y is not scaled, because its rows differ by"]),
    "one step of Adam": ({"first_order_steps": 1, "stages": ()}, ["The network is not trained after 1 step: its loss"]),
    "constant targets": ({"data": (X, np.full_like(Y, 0.1))}, ["All rows of Y are equal"]),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_log_has_its_own_sentence(row):
    settings, expected = ROWS[row]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        engine.quick(**settings)
    said = [str(w.message) for w in caught]
    assert [s[: len(e)] for s, e in zip(said, expected, strict=False)] == expected
    assert all(s.endswith(".") for s in said)
    if row != "inputs plus 1e9":  # where the cast has made all inputs equal, and the function is a constant
        assert not any("collapsed to a constant" in s for s in said)
    assert (row == "constant targets") == any(s.startswith("All rows of Y are equal") for s in said)


def test_a_network_worse_than_a_constant_is_called_so():
    net, steps = engine.start(), np.ones(200)
    with pytest.warns(UserWarning, match="worse than a constant function: its loss is .*; scale X and Y, or train"):
        outcome.summarise(jax.tree.map(lambda a: 9 * a, net), steps, 0.0, jnp.asarray(X), jnp.asarray(Y), 0.0, 0.8)


def test_a_network_as_good_as_a_constant_is_not_called_constant():
    """Its outputs vary as much as the targets, across them: it explains nothing, and is no constant."""
    net = bn.from_layers([([[1.0, 0.0]], [0.0])], negative_slope=1.0)
    points, targets = jnp.array([[0.1, 1.0], [-0.1, 1.0], [0.1, -1.0], [-0.1, -1.0]]), jnp.array([[0.9]] * 4)
    targets = jnp.where(points[:, 1:] > 0, 1.0, -1.0) * 0.3
    with pytest.warns(UserWarning, match="not constant, but no better than a constant function"):
        outcome.summarise(net, np.ones(200), 0.0, points, targets, 0.0, 0.1 * 0.995)


@given(st.integers(0, 15), st.sampled_from([np.float32, np.float64]), st.integers(0, 100))
def test_what_a_cast_loses_is_the_variance_of_its_error(power, dtype, seed):
    """It is at most the square of the spacing of numbers there; float64 loses nothing of float64."""
    A = 10.0**power + np.random.default_rng(seed).normal(size=(20, 2))
    lost = scaling.lost_in_cast(A, dtype)
    centred = A - A.mean(axis=0, keepdims=True)
    spacing = np.spacing(np.max(np.abs(A)).astype(dtype)).astype(float)
    assert np.all(lost * np.mean(centred**2, axis=0) <= spacing**2 * (1 + 1e-6))
    assert dtype != np.float64 or np.all(lost == 0)
    np.testing.assert_allclose(lost, scaling.lost_in_cast(A[:, ::-1], dtype)[::-1])


@pytest.mark.parametrize("size", [1e-12, 1e-3, 1.0, 1e2])
def test_scaled_data_are_not_spoken_of(size):
    assert scaling.warnings_of_scale(X, size * Y, np.float32) == []
    assert scaling.warnings_of_scale(np.full((5, 2), 1e7), np.full((5, 2), 0.1), np.float32) == []


@pytest.mark.parametrize(("rows", "way"), [(np.arange(5), r"np\.eye\(classes\)"), (np.ones(5), r"Y\[:, None\]")])
def test_targets_in_a_row_are_refused_with_the_way_out(rows, way):
    with pytest.raises(ValueError, match=rf"Y must have shape \(N, 2\), but its shape is \(5,\): give {way}"):
        engine.quick(data=(X[:5], rows))
