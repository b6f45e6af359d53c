"""What one network shows: the same numbers as the functions behind them, and the distance from partial isometries."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
from bnlib.measure._given import inputs_of
from bnlib.measure.layer_ranks import dimensions
from bnlib.measure.snapshots import nearest_isometry, snapshot
from strategies import FIXED_X, fixed_net, with_spectrum

SEEDS = st.integers(0, 2**32 - 1)


def test_a_snapshot_agrees_with_the_report():
    found, report = snapshot(fixed_net(), FIXED_X), bn.report(fixed_net(), FIXED_X)
    for name in ("depth", "width", "d_in", "d_out", "inputs", "rank", "gap", "decided", "squared_norm", "lower_bound"):
        assert getattr(found, name) == getattr(report, name), name
    assert found.relative_imbalance == report.relative_imbalance
    np.testing.assert_array_equal(found.weights, report.weights)
    np.testing.assert_array_equal(found.representations, report.representations)
    assert dimensions(found.representations).tolist() == [rank.rank for rank in report.representation_ranks]
    assert snapshot(fixed_net(), FIXED_X, bound=False).lower_bound is None


def test_dimensions_at_a_tenth_exactly_and_of_nothing():
    s = np.array([[1.0, 0.0, 0.0], [np.sqrt(99.0), 1.0, 0.0], [np.sqrt(98.0), 1.0, 1.0], [0.0, 0.0, 0.0]])
    assert dimensions(s).tolist() == [1, 1, 2, 0]


def test_two_layers_have_no_rank_and_one_layer_is_refused():
    found = snapshot(bn.from_layers([(np.eye(3), None)] * 2), FIXED_X)
    assert (found.rank, found.gap, found.decided, found.isometry) == (None, None, None, None)
    assert found.representations.shape == (1, 3)
    with pytest.raises(ValueError, match="one layer"):
        snapshot(bn.from_layers([(np.eye(3), None)]), FIXED_X)


def test_one_neuron_has_no_rank_below_its_width():
    assert snapshot(bn.from_layers([(np.eye(1), None)] * 3), [[1.0]]).isometry is None


def check_distance(distance, seed):
    """Assert that no partial isometry is nearer than a distance, and that one is at it; each layer has the same W."""
    rng = np.random.default_rng(seed)
    W, k = rng.choice([0.2, 1.0]) * rng.normal(size=(4, 5)), int(rng.integers(1, 4))  # at 0.2 not the largest rank
    s = np.linalg.svd(W, compute_uv=False)
    found = distance(np.tile(s, (3, 1)), k)
    U, _, Vt = np.linalg.svd(W, full_matrices=False)
    best = U[:, : found.rank] @ Vt[: found.rank]
    assert found.distance == pytest.approx(np.linalg.norm(W - best))
    for rank in range(1, k + 1):
        assert found.distance <= np.linalg.norm(W - U[:, :rank] @ Vt[:rank]) + 1e-9
        for _ in range(5):
            other = with_spectrum(np.ones(rank), (4, 5), int(rng.integers(2**31)))
            assert found.distance <= np.linalg.norm(W - other) + 1e-9


@given(SEEDS)
@settings(max_examples=25)
def test_no_partial_isometry_is_nearer(seed):
    check_distance(nearest_isometry, seed)


def to_its_own_rank(weights, most):
    """Take the rank that is there, whatever it is, as a distance from the singular values above one half."""
    found = nearest_isometry(weights, most)
    return found._replace(distance=float(np.sqrt(np.mean(np.sum((weights - (weights > 0.5)) ** 2, axis=1)))))


def in_the_mean(weights, most):
    found = nearest_isometry(weights, most)
    return found._replace(distance=found.distance / np.sqrt(weights.shape[1]))


def to_the_largest(weights, most):
    first, found = nearest_isometry(weights, 1), nearest_isometry(weights, most)
    return found._replace(distance=first.distance + 1e-3)


@pytest.mark.parametrize("broken", [to_its_own_rank, in_the_mean, to_the_largest])
def test_a_wrong_distance_is_caught(broken):
    def check(seeds):
        for seed in seeds:
            check_distance(broken, seed)

    check_distance(nearest_isometry, 0)
    with pytest.raises(AssertionError):
        check(range(5))


def test_the_theorem_counts_this_distance_at_least():
    """The left side of the theorem is a sum of squared distances from partial isometries of rank k."""
    net = fixed_net()
    for k in (1, 2, 3):
        terms = bn.bottleneck_certificate(net, FIXED_X, k).per_layer
        s = bn.weight_singular_values(net)
        least = np.sum((s - (np.arange(1, s.shape[1] + 1) <= k)[None, :]) ** 2, axis=1)
        assert np.all(terms >= least[None, :] - 1e-9)
        found = nearest_isometry(s, k)
        assert found.distance**2 <= np.mean(least[bn.middle(net.depth)]) + 1e-9


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(3), "must have shape"),
        (np.zeros((0, 3)), "must have shape"),
        (np.ones((2, 3), np.uint8), "raw pixels"),
        (np.ones((2, 3), complex), "must be real"),
        (np.full((2, 3), np.nan), "finite"),
    ],
)
def test_inputs_are_refused_in_one_sentence(X, message):
    for refuse in (inputs_of, lambda X: snapshot(fixed_net(), X), lambda X: bn.report(fixed_net(), X)):
        with pytest.raises(ValueError, match=message):
            refuse(X)


def test_inputs_of_another_dimension_are_refused():
    for refuse in (snapshot, bn.report):
        with pytest.raises(ValueError, match=r"^X must have shape \(N, 3\) with N >= 1, but its shape is \(5, 2\)"):
            refuse(fixed_net(), FIXED_X[:5, :2])


def test_inputs_in_64_bits_are_measured_as_such_in_every_session():
    """In 32 bits the first inputs would be those without the difference, and the second infinite."""
    net = bn.from_layers([(np.eye(3), None)] * 3)
    X = np.abs(FIXED_X)
    for x64 in (False, True):
        with jax.enable_x64(x64):
            one, two = (snapshot(net, inputs).representations for inputs in (X, X + 1e-12))
            assert 0 < np.max(np.abs(one - two)) < 1e-11
            np.testing.assert_allclose(snapshot(net, 1e50 * X).representations, 1e50 * one, rtol=1e-12)
            np.testing.assert_allclose(bn.report(net, 1e50 * X).representations, 1e50 * one, rtol=1e-12)
