"""A corridor in closed form has the function of the layers that it stands for, at the least price they can have."""

from dataclasses import replace
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.build import corridors
from bnlib.build.corridors import Compressed, compress, evaluate, expand, nearest_place, pad, price, straighten
from strategies import layers_of_rank

SEEDS = st.integers(0, 2**32 - 1)
RANKS = st.sampled_from([1, 2])


def example(seed, k, length=5):
    """Return a compressed network and inputs; codes are positive before and after, so at k <= 2 also between."""
    rng = np.random.default_rng(seed)
    head = bn.from_layers(
        [(rng.normal(size=(5, 3)), rng.normal(size=5)), (rng.normal(size=(k, 5)), rng.uniform(size=k))]
    )
    tail = bn.from_layers(
        [(rng.normal(size=(4, k)), rng.normal(size=4)), (rng.normal(size=(2, 4)), rng.normal(size=2))]
    )
    A, B = (np.eye(k) + rng.uniform(0.05, 1.0, size=(k, k)) for _ in range(2))
    growth, b = rng.normal(size=k), rng.uniform(size=k)
    net = Compressed(head, jnp.asarray(A), jnp.asarray(growth), (jnp.asarray(B), jnp.asarray(b)), tail, length)
    return net, rng.normal(size=(9, 3))


def by_hand(net, X):
    """Evaluate the definition in NumPy."""
    code = np.maximum(reference.values(net.head, X), 0.0)
    M = np.asarray(net.out[0]) @ np.diag(np.exp(net.growth)) @ np.asarray(net.into)
    return reference.values(net.tail, np.maximum(code @ M.T + np.asarray(net.out[1]), 0.0)), M


def price_by_hand(net, length):
    ends = reference.squared_norm(net.head) + reference.squared_norm(net.tail) + float(np.sum(net.out[1] ** 2))
    s = reference.singular_values(by_hand(net, np.zeros((1, 3)))[1])
    return ends + length * float(np.sum(s ** (2 / length)))


def check_expansion(expand, net, X, depth):
    """Assert depth, function, and the squared norm that is the least price of the corridor."""
    deep = expand(net, X, depth)
    assert deep.depth == depth
    np.testing.assert_allclose(reference.values(deep, X), by_hand(net, X)[0], rtol=1e-9, atol=1e-10)
    length = depth - net.head.depth - net.tail.depth
    assert reference.squared_norm(deep) == pytest.approx(price_by_hand(net, length), rel=1e-10)


@given(SEEDS, RANKS, st.integers(7, 60))
@settings(max_examples=25)
def test_expanded_networks(seed, k, depth):
    check_expansion(expand, *example(seed, k), depth)


@pytest.mark.parametrize(
    "broken",
    [
        lambda net: replace(net, growth=net.growth / 2),
        lambda net: replace(net, growth=net.growth * (net.length - 2)),
        lambda net: replace(net, out=(net.out[0], 0 * net.out[1])),
        lambda net: replace(net, into=net.into.T + jnp.eye(2)),
    ],
    ids=["half the growth", "growth per layer", "no bias", "another map"],
)
def test_another_corridor_is_caught(broken):
    with pytest.raises(AssertionError):
        check_expansion(lambda net, X, depth: expand(broken(net), X, depth), *example(0, 2), 20)


def test_layers_that_share_the_growth_unevenly_cost_more():
    def at_the_front(net, X, depth):
        deep = expand(net, X, depth).layers
        i = net.head.depth
        return bn.from_layers([*deep[:i], (2 * deep[i][0], None), (deep[i + 1][0] / 2, None), *deep[i + 2 :]])

    with pytest.raises(AssertionError):
        check_expansion(at_the_front, *example(0, 2), 20)


def test_codes_outside_of_the_orthant_are_caught(monkeypatch):
    """Along the singular vectors the code has both signs: without an isometry the ReLU cuts it."""
    monkeypatch.setattr(corridors, "orthant_isometry", lambda codes, **_: np.eye(codes.shape[1]))
    monkeypatch.setattr(corridors, "negative_part", lambda *_: 0.0)
    with pytest.raises(AssertionError):
        check_expansion(expand, *example(0, 2), 20)


@given(SEEDS, RANKS)
@settings(max_examples=25)
def test_evaluate_and_price(seed, k):
    net, X = example(seed, k)
    np.testing.assert_allclose(evaluate(net, X), by_hand(net, X)[0], rtol=1e-11, atol=1e-11)
    inner = np.diag(np.exp(np.asarray(net.growth) / 3))
    listed = [*net.head.layers, (net.into, None), *[(inner, None)] * 3, net.out, *net.tail.layers]
    assert float(price(net)) == pytest.approx(reference.squared_norm(bn.from_layers(listed)), rel=1e-12)


@given(SEEDS, RANKS, st.integers(3, 40))
@settings(max_examples=25)
def test_straightening_keeps_the_function_at_the_least_price(seed, k, length):
    net, X = example(seed, k, length)
    straight = straighten(net)
    assert straight.length == length
    np.testing.assert_allclose(evaluate(straight, X), by_hand(net, X)[0], rtol=1e-9, atol=1e-10)
    assert float(price(straight)) == pytest.approx(price_by_hand(net, length), rel=1e-11)
    assert float(price(straight)) <= float(price(net)) * (1 + 1e-12)


def saved(seed, k, length, noise):
    """Return by how much layers near the cheapest ones, or far, are below the least price of their own map."""
    rng = np.random.default_rng(seed)
    sizes = [k, *rng.integers(k, 6, size=length - 1), k]
    root = np.diag(rng.uniform(0.5, 2.0, size=k))
    layers = [
        (np.pad(root, ((0, o - k), (0, i - k))) + noise * rng.normal(size=(o, i)), noise * rng.normal(size=o))
        for i, o in pairwise(sizes)
    ]
    net = bn.from_layers(layers)
    M = reference.jacobian(net, rng.uniform(1.0, 2.0, size=k))
    return length * np.sum(reference.singular_values(M) ** (2 / length)) / reference.squared_norm(net) - 1


@given(SEEDS, st.integers(1, 3), st.integers(2, 8), st.floats(-5, 0.5))
@settings(max_examples=60)
def test_no_layers_with_the_same_map_are_cheaper(seed, k, length, size):
    """Mixing, more neurons, kinks and biases included: wherever the layers are affine, their product is M."""
    assert saved(seed, k, length, 10**size) <= 1e-12


def test_the_price_of_the_cheapest_layers_is_nearly_reached():
    assert all(saved(seed, 1 + seed % 3, 2 + seed % 7, 1e-5) > -1e-7 for seed in range(21))


@given(SEEDS, st.floats(0.2, 3.0), st.floats(0.2, 3.0))
@settings(max_examples=50)
def test_plane_codes_that_fit_at_both_ends_fit_between(seed, g, h):
    """An inner product is a sum of two exponentials of the layer: it changes its sign at most once."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(6, 2))
    powers = [(Z * np.array([g, h])[None, :] ** layer) for layer in range(9)]
    ends = np.minimum(powers[0] @ powers[0].T, powers[-1] @ powers[-1].T)
    for inner in powers[1:-1]:
        assert np.all((inner @ inner.T)[ends > 1e-9] > 0)


def test_frames_that_change_on_the_way():
    """Codes between 10 and 60 degrees that end between 83 and 90: one quadrant about their middle does not serve."""
    angles = np.radians([10.0, 35.0, 60.0])
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    one = bn.from_layers([(np.eye(2), None)])
    net = Compressed(one, jnp.eye(2), jnp.log(jnp.array([1.0, 50.0])), (jnp.eye(2), jnp.zeros(2)), one, 8)
    deep = expand(net, X, 12)
    np.testing.assert_allclose(reference.values(deep, X), X * np.array([[1.0, 50.0]]), rtol=1e-10, atol=1e-10)
    inner = [W for W, _ in reference.layers(deep)[2:-2]]
    assert any(not np.allclose(W, W.T) for W in inner)


def exact_rank(seed, rank):
    """Return a network of depth 5 and inputs whose hidden layers 2 and 3 have the rank, with a linear map between."""
    rng = np.random.default_rng(seed)
    layers = [
        *layers_of_rank(rng, rank),
        (rng.normal(size=(6, 6)), rng.normal(size=6)),
        (rng.normal(size=(2, 6)), rng.normal(size=2)),
    ]
    return bn.from_layers(layers), rng.normal(size=(9, 3))


def check_compression(compress, net, X, rank, place, depth=20):
    """Assert the function on the data, the number of gains and the depth."""
    found = compress(net, X, rank, depth, place=place)
    assert (found.depth, len(found.growth)) == (depth, rank)
    np.testing.assert_allclose(evaluate(found, X), bn.apply(net, X), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(bn.apply(expand(found, X), X), bn.apply(net, X), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("place", [(2, 2), (3, 3), (2, 3), None])
@pytest.mark.parametrize("rank", [1, 2])
def test_compressed_networks_of_the_exact_rank_keep_the_function(rank, place):
    for seed in range(3):
        check_compression(compress, *exact_rank(seed, rank), rank, place)


def test_compressing_where_the_representation_has_more_is_caught():
    with pytest.raises(AssertionError):
        check_compression(lambda *a, **k: compress(*a, **k | {"place": (4, 4), "cut": 1.0}), *exact_rank(0, 2), 2, None)
    with pytest.raises(AssertionError):
        check_compression(
            lambda net, X, r, d, place: compress(net, X, r - 1, d, place=place), *exact_rank(0, 2), 2, None
        )


def test_rounding_does_not_choose_between_layers_of_the_rank():
    assert nearest_place(np.array([[1.0, 0.3], [1.0, 1e-17], [2.0, 0.0]]), 1) == (2, 2)


def test_a_corridor_between_two_layers_is_cheaper_than_one_beside_them():
    net, X = exact_rank(1, 2)
    assert float(price(compress(net, X, 2, 20, place=(2, 3)))) < float(price(compress(net, X, 2, 20, place=(2, 2))))


@given(SEEDS, RANKS)
@settings(max_examples=10)
def test_padding_changes_nothing_and_is_dropped_again(seed, k):
    net, X = example(seed, k)
    padded = pad(net, k + 1, k + 2)
    np.testing.assert_allclose(evaluate(padded, X), evaluate(net, X), rtol=1e-12, atol=1e-12)
    assert float(price(padded)) == pytest.approx(float(price(net)), rel=1e-12)
    assert len(straighten(padded).growth) == k
    check_expansion(lambda _, X, depth: expand(padded, X, depth), net, X, 20)


def test_a_code_that_fits_no_orthant():
    """Positive codes in space whose projections to a plane lie 102 degrees apart; and codes that a corridor spreads."""
    codes = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.5], [3.0, 3.0, 3.0]])
    net = bn.from_layers([(codes.T, None), (np.eye(3), None), (np.eye(3), None)])
    with pytest.raises(ValueError, match=r"The code of hidden layer 1 does not fit the corridor.*m <= 4"):
        compress(net, np.eye(4), 2, 20, place=(1, 1))
    assert compress(net, np.eye(4), 2, 20, place=(1, 1), cut=0.5).into.shape == (2, 2)
    one, eye = bn.from_layers([(np.eye(2), None)]), jnp.eye(2)
    opening = Compressed(one, jnp.array([[1.0, -0.9], [-0.9, 1.0]]), jnp.zeros(2), (eye, jnp.zeros(2)), one, 9)
    with pytest.raises(ValueError, match="The code of hidden layer 2 does not fit the corridor"):
        expand(opening, np.eye(2))


def test_bad_input():
    net, X = exact_rank(0, 2)
    with pytest.raises(ValueError, match="A corridor of width 1 is narrower than the rank 2"):
        compress(net, X, 2, 20, width=1)
    with pytest.raises(ValueError, match="The representation in hidden layer 2 has a rank below 3"):
        compress(net, X, 3, 20, place=(2, 2))
    with pytest.raises(ValueError, match="has a rank below 7"):
        compress(net, X, 7, 20)
    with pytest.raises(ValueError, match="depth must be an integer >= 5"):
        compress(net, X, 2, 4)
    with pytest.raises(ValueError, match="between hidden layers 2 and 2 the depth must be at least 9"):
        compress(net, X, 2, 8, place=(2, 2))
    with pytest.raises(ValueError, match=r"place must be hidden layers 1 <= a <= b <= 4, but it is \(3, 2\)"):
        compress(net, X, 2, 20, place=(3, 2))
    with pytest.raises(ValueError, match="Only ReLU networks of depth at least 3"):
        compress(bn.from_layers([(np.eye(2), None)] * 2), np.eye(2), 1, 20)
    with pytest.raises(ValueError, match="Only ReLU networks of depth at least 3"):
        compress(bn.from_layers([(np.eye(2), None)] * 3, negative_slope=1.0), np.eye(2), 1, 20)
    small, X = example(0, 2)
    with pytest.raises(ValueError, match="depth must be an integer >= 7"):
        expand(small, X, 6)
    with pytest.raises(ValueError, match="rank and width must be at least 2 and 2, but they are 1 and 2"):
        pad(small, 1, 2)
    with pytest.raises(ValueError, match="The corridor is zero"):
        straighten(replace(small, into=0 * small.into))


def test_a_wider_corridor_is_padded():
    net, X = exact_rank(0, 2)
    found = compress(net, X, 2, 20, width=5)
    assert found.into.shape == (2, 5)
    np.testing.assert_allclose(evaluate(found, X), bn.apply(net, X), rtol=1e-8, atol=1e-8)
