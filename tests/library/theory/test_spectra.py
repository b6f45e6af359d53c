"""Singular values and ranks that say when they are undecided."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

import bnlib as bn
import reference
from bnlib import _svd
from bnlib.theory.spectra import middle, partial_log_products, participation_ratio, rank_of_spectra
from strategies import FIXED_X, fixed_net, matrices, networks, networks_and_inputs, with_spectrum


@given(networks())
@settings(max_examples=20)
def test_weight_singular_values(net):
    values = bn.weight_singular_values(net)
    for row, (W, _) in zip(values, reference.layers(net), strict=True):
        s = reference.singular_values(W)
        np.testing.assert_allclose(row[: len(s)], s, atol=1e-12)
        assert np.all(row[len(s) :] == 0)


def test_representations_and_nonlinearity():
    net = fixed_net()
    pre = np.stack([np.stack(reference.forward(net, x)[0][:-1]) for x in FIXED_X], axis=1)
    post = np.maximum(pre, 0.0)
    for values, array in ((False, post), (True, pre)):
        s = bn.representation_singular_values(net, FIXED_X, pre=values) * np.sqrt(len(FIXED_X))
        np.testing.assert_allclose(s, np.linalg.svd(array, compute_uv=False), atol=1e-12)
    ratio = np.linalg.norm(pre - post, axis=(1, 2)) / np.linalg.norm(pre, axis=(1, 2))
    np.testing.assert_allclose(bn.nonlinearity_ratio(net, FIXED_X), ratio, rtol=1e-12)
    assert np.all(bn.nonlinearity_ratio(fixed_net(1.0), FIXED_X) == 0)


@pytest.mark.parametrize(("k", "third", "decided"), [(2, 0.1, True), (2, 0.7, False), (1, 0.0, True)])
def test_bottleneck_rank(k, third, decided):
    s = np.array([1.0, 1.0 if k == 2 else 0.0, third])
    last_layers = [np.diag(s)] * 3
    last_layers[1] = np.diag([*s[:2], min(third, 0.2)])  # the layers disagree when the third value is large
    net = bn.from_layers([(np.eye(3), None), *[(W, None) for W in last_layers], (np.eye(3), None)])
    X = np.abs(np.random.default_rng(0).normal(size=(20, 3))) * np.array([1.0, 1.0, 0.01])
    rank, gap, said = bn.bottleneck_rank(net, X)
    assert (rank == k) or not decided
    assert said is decided
    assert gap <= 1.0


def test_rank_needs_a_middle():
    with pytest.raises(ValueError, match="depth 2 has none"):
        bn.bottleneck_rank(bn.from_layers([(np.eye(2), None)] * 2), np.ones((1, 2)))


@given(matrices())
@settings(max_examples=30)
def test_pseudo_determinant(A):
    s = reference.singular_values(A)
    s = s[s > 1e-9]
    assert bn.pseudo_determinant(A) == pytest.approx(np.prod(s), rel=1e-9)
    assert bn.pseudo_determinant(A, 1, log=True) == pytest.approx(np.log(s[0]), abs=1e-12)
    with pytest.raises(ValueError, match=f"numerical rank of A is {len(s)}"):
        bn.pseudo_determinant(A, len(s) + 1)


def test_an_undecided_rank_is_said():
    with pytest.raises(ValueError, match="rank of A is undecided"):
        bn.pseudo_determinant(np.diag([1.0, 1e-14]))
    with pytest.raises(ValueError, match="rank of A is undecided"):
        bn.linear_expansion(jnp.diag(jnp.array([1.0, 1e-14])))


def check_bottleneck_rank(rank_of, net, X, expected):
    rank, gap, decided = rank_of(net, X)
    assert (rank, decided) == expected
    if decided:
        assert gap >= 0.5


def chain(*spectra):
    """Return a chain of diagonal layers between two identities, whose middle layers have the given spectra."""
    return bn.from_layers([(np.eye(3), None), *[(np.diag(s), None) for s in spectra], (np.eye(3), None)])


PLANE = np.abs(np.random.default_rng(0).normal(size=(20, 3))) * np.array([1.0, 1.0, 0.0])
SPACE = np.abs(np.random.default_rng(0).normal(size=(20, 3)))
CASES = {
    "rank 2": (chain([1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 1, 0]), PLANE, (2, True)),
    "rank 2, small rest": (chain([1, 1.2, 0.02], [1, 0.9, 0.02], [1, 1, 0.02], [1, 1, 0]), SPACE, (2, True)),
    "rank 3": (chain(*[[1, 1, 1]] * 4), SPACE, (3, True)),
    "rank 0": (chain(*[[0.01, 0, 0]] * 4), SPACE, (0, False)),
    "gap too small": (chain(*[[1, 0.7, 0.3]] * 4), PLANE, (2, False)),
    "layers disagree": (chain([1, 1, 0], [1, 1, 0], [1, 0, 0], [1, 1, 0]), PLANE, (1, False)),
    "one layer disagrees a little": (chain([1, 1, 0], [1, 0.6, 0.4], [1, 1, 0], [1, 1, 0]), PLANE, (2, False)),
    # The third direction is weak in the weights and so strong in the data that it arrives all the same.
    "data not flat": (chain([1, 1, 1], [1, 1, 0.45], [1, 1, 0.45], [1, 1, 1]), SPACE * [1, 1, 9], (2, False)),
}


@pytest.mark.parametrize(("net", "X", "expected"), CASES.values(), ids=CASES)
def test_bottleneck_rank_is_decided_or_not(net, X, expected):
    check_bottleneck_rank(bn.bottleneck_rank, net, X, expected)


def test_one_flat_representation_in_the_middle_is_enough():
    weights, flat, full = np.ones((6, 2)), np.array([1.0, 1.0, 0.0]), np.ones(3)
    for representations, decided in (([flat, flat, full, flat, flat], True), ([full] * 5, False)):
        found = rank_of_spectra(weights, np.array(representations))
        assert tuple(found) == (2, 1.0, decided)


def spectra(*rows, depth=5):
    """Return the same row for every layer, two as the middle of six layers, or three as they are."""
    if len(rows) == 3:
        return np.array(rows, float)
    ones = np.ones(len(rows[0]))
    return np.array([ones, ones, *rows, ones, ones] if len(rows) == 2 else rows * depth, float)


@pytest.mark.parametrize(
    ("weights", "representations", "expected"),
    [
        # Exactly one half is not above it, a gap of one half and a tenth beyond the space are enough.
        (spectra([1.0, 0.5], depth=6), spectra([1.0, 0.0]), (1, 0.5, True)),
        (spectra([1.0] * 4 + [0.0], depth=6), spectra([9.0, 4.0, 1.0, 1.0, 1.0]), (4, 1.0, True)),
        (spectra([1.0] * 4 + [0.0], depth=6), spectra([9.0, 4.0, 1.0, 1.0, 1.01]), (4, 1.0, False)),
        # Flatness is relative to the size of the representation.
        (spectra([1.0, 0.0], depth=6), spectra([1e-9, 1e-9]), (1, 1.0, False)),
        (spectra([1.0, 0.0], depth=6), spectra([1e9, 1e7]), (1, 1.0, True)),
        # The smallest of equally common ranks, with the smallest gap and the largest value of any layer.
        (spectra([1.0, 0.1], [1.0, 0.2]), spectra([1.0, 0.0]), (1, 0.8, True)),
        (spectra([1.0, 0.0], [1.0, 0.9]), spectra([1.0, 0.0]), (1, 0.1, False)),
        (spectra([0.4, 0.1], [0.2, 0.2]), spectra([0.0, 0.0]), (0, 0.6, True)),
        # The last hidden layer belongs to the middle where the network has depth four.
        (spectra([1.0, 0.0], depth=4), spectra([1.0, 1.0], [1.0, 1.0], [1.0, 0.0]), (1, 1.0, True)),
    ],
)
def test_thresholds_of_the_bottleneck_rank(weights, representations, expected):
    rank, gap, decided = rank_of_spectra(weights, representations)
    assert (rank, decided) == expected[::2]
    assert gap == pytest.approx(expected[1], abs=1e-15)


def test_a_layer_without_any_pre_activation_is_linear():
    assert bn.nonlinearity_ratio(bn.from_layers([(np.zeros((2, 1)), None), (np.ones((1, 2)), None)]), [[1.0]]) == 0


def by_numerical_rank(net, X):
    """Count every singular value that is not rounding: no network in training would have a bottleneck."""
    ranks = [np.linalg.matrix_rank(W) for W, _ in net.layers]
    return bn.BottleneckRank(int(np.median(ranks)), 1.0, True)


def by_last_layers(net, X):
    s = bn.weight_singular_values(net)[-2]
    return bn.BottleneckRank(int(np.sum(s > 0.5)), 1.0, True)


def by_weights_alone(net, X):
    rank, gap, _ = bn.bottleneck_rank(net, PLANE)
    return bn.BottleneckRank(rank, gap, bool(gap >= 0.5))


@pytest.mark.parametrize(
    ("broken", "case"),
    [
        (by_numerical_rank, "rank 2, small rest"),
        (by_numerical_rank, "gap too small"),
        (by_last_layers, "layers disagree"),
        (by_last_layers, "data not flat"),
        (by_weights_alone, "data not flat"),
    ],
)
def test_other_ways_to_read_the_rank_are_caught(broken, case):
    with pytest.raises(AssertionError):
        check_bottleneck_rank(broken, *CASES[case])


def test_middle_third():
    assert middle(3) == [1]
    assert middle(12) == [4, 5, 6, 7]
    for depth in range(3, 40):
        layers = middle(depth)
        assert layers == list(range(layers[0], layers[-1] + 1))
        assert layers[0] == depth - 1 - layers[-1]
        assert depth / 3 <= len(layers) <= depth / 3 + 2


@pytest.mark.parametrize(
    ("spectrum", "rank", "decided"),
    [
        ([3.0, 2.0, 1.0], 3, True),
        ([3.0, 2.0, 0.0], 2, True),
        ([1.0, 1e-9, 0.0], 2, True),
        ([1.0, 1.0, 1e-14], 3, False),
        ([1.0, 1.0, 1e-17], 2, True),
        ([1e-200, 1e-201, 0.0], 2, True),
        ([0.0, 0.0, 0.0], 0, True),
    ],
)
def test_numerical_rank(spectrum, rank, decided):
    found = _svd.numerical_rank(jnp.diag(jnp.array(spectrum)))
    assert (found.rank, found.decided) == (rank, decided)
    assert found.gap > 1
    # Scaling changes nothing.
    assert _svd.numerical_rank(7.0 * jnp.diag(jnp.array(spectrum)))[::2] == (rank, decided)


def test_pseudo_determinant_neither_overflows_nor_takes_rounding_for_rank():
    assert bn.pseudo_determinant(np.diag([1e200, 1e200]), log=True) == pytest.approx(400 * np.log(10))
    A = with_spectrum([2.0, 3.0], (4, 4), seed=2)
    assert bn.pseudo_determinant(A) == pytest.approx(6.0, rel=1e-12)
    assert bn.pseudo_determinant(A, 1) == pytest.approx(3.0, rel=1e-12)
    assert bn.pseudo_determinant(np.zeros((2, 2))) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bn.pseudo_determinant(np.eye(2), 0), "k must be an integer >= 1, but it is 0"),
        (lambda: bn.pseudo_determinant(np.eye(2), 3), "k is 3, but the numerical rank of A is 2"),
        (lambda: bn.pseudo_determinant(np.full((2, 2), np.nan)), "A must be finite"),
        (lambda: bn.pseudo_determinant(np.ones(3)), "A must be a non-empty matrix"),
        (lambda: bn.representation_singular_values(fixed_net(), np.ones((2, 2))), r"X must have shape \(N, 3\)"),
        (lambda: bn.nonlinearity_ratio(fixed_net(), np.full((2, 3), np.inf)), "X must be finite"),
        (lambda: bn.bottleneck_rank(fixed_net(), np.ones(3)), r"X must have shape \(N, 3\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def check_partial_products(products, net, X):
    """Assert that exponentials are products of the leading singular values of the pre-activations' Jacobians."""
    found = products(net, X)
    for n, x in enumerate(X):
        J = np.eye(net.d_in)
        assert np.all(found[n, 0] == 0)
        for i, ((W, _), d) in enumerate(zip(reference.layers(net), reference.masks(net, x), strict=True), start=1):
            expected = np.cumprod(reference.singular_values(W @ J)[: found.shape[2]])
            np.testing.assert_allclose(np.exp(found[n, i]), expected, rtol=1e-8, atol=1e-10 * max(1.0, expected.max()))
            J = d[:, None] * (W @ J)


@given(networks_and_inputs())
@settings(max_examples=30)
def test_partial_log_products(pair):
    check_partial_products(partial_log_products, *pair)


@pytest.mark.parametrize("broken", ["no masks", "shifted", "values for products"])
def test_wrong_partial_products_are_caught(broken):
    def products(net, X):
        A = partial_log_products(fixed_net(1.0) if broken == "no masks" else net, X)
        if broken == "shifted":
            A[:, 1:] = A[:, :-1].copy()
        return np.diff(A, axis=2, prepend=0.0) if broken == "values for products" else A

    check_partial_products(partial_log_products, fixed_net(), FIXED_X)
    with pytest.raises(AssertionError):
        check_partial_products(products, fixed_net(), FIXED_X)


@given(matrices())
def test_participation_ratio(A):
    s = reference.singular_values(A)
    ratio = participation_ratio(A)
    assert 1 - 1e-12 <= ratio <= np.sum(s > 1e-9) + 1e-9
    assert ratio == pytest.approx(np.sum(s**2) ** 2 / np.sum(s**4), rel=1e-12)
    assert participation_ratio(1e-90 * A) == pytest.approx(ratio, rel=1e-12)
    np.testing.assert_allclose(participation_ratio(np.stack([A, 0 * A])), [ratio, 0.0], rtol=1e-12)
