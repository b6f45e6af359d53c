"""Affine pieces of a network: against the library's network, and along closed curves."""

import numpy as np
import pytest
from hypothesis import given, settings

import bnlib as bn
import reference
from bnlib.build.polygons import folded_polygon
from bnlib.theory.invariance import fewest_pieces
from bnlib.theory.regions import affine_piece, pieces_along, scores
from strategies import networks_and_inputs


def circle(n, radius=1.0):
    t = 2 * np.pi * (np.arange(n) + 0.5) / n
    return radius * np.c_[np.cos(t), np.sin(t)], radius * np.c_[-np.sin(t), np.cos(t)]


@given(networks_and_inputs())
@settings(max_examples=30)
def test_scores_are_the_networks(drawn):
    net, X = drawn
    np.testing.assert_allclose(scores(net, X), np.asarray(bn.apply(net, X)), rtol=1e-9, atol=1e-9)


def check_piece(net, x, y, piece):
    """Assert that near x the network is the affine piece, as long as no neuron reaches its kink."""
    np.testing.assert_allclose(scores(net, y[None])[0], piece.value + piece.jacobian @ (y - x), rtol=1e-9, atol=1e-9)


@given(networks_and_inputs(integers=False))
@settings(max_examples=30)
def test_a_network_is_its_piece_up_to_the_next_kink(drawn):
    net, X = drawn
    for x in np.asarray(X, float):
        piece = affine_piece(net, x)
        if not 1e-6 < piece.distance < np.inf:
            continue
        pre = np.abs(np.concatenate(reference.forward(net, x)[0][:-1]))
        assert piece.distance == pytest.approx(pre[pre > 0].min())  # neurons that fill up a layer are at zero
        # A layer multiplies a step by its norm at most.
        reach = piece.distance / np.prod([max(1.0, np.linalg.norm(W)) for W, _ in reference.layers(net)])
        step = np.random.default_rng(0).normal(size=x.shape)
        check_piece(net, x, x + 0.9 * reach * step / np.linalg.norm(step), piece)


def test_behind_a_kink_the_piece_is_another():
    net = bn.from_layers([([[1.0, 0.0]], [-0.5]), ([[1.0]], None)])
    x = np.array([1.0, 0.3])
    piece = affine_piece(net, x)
    assert piece.distance == 0.5
    check_piece(net, x, np.array([0.6, 0.0]), piece)
    with pytest.raises(AssertionError):
        check_piece(net, x, np.array([0.2, 0.0]), piece)


def test_the_distance_leaves_out_neurons_that_fill_up_a_layer():
    net = bn.from_layers([(np.eye(2), [1.0, 1.0]), ([[1.0, 1.0]], [0.5]), ([[1.0]], None)])
    assert affine_piece(net, np.array([1.0, 2.0])).distance == 2.0


@pytest.mark.parametrize("folds", [1, 2, 5])
def test_folded_polygons_are_support_functions_of_the_fewest_pieces(folds):
    net, n = folded_polygon(folds), 2**folds
    x, Ax = circle(4001, radius=1.7)
    corners = 2 * np.pi * (np.arange(n) + 0.5) / n
    exact = np.max(x @ np.stack([np.cos(corners), np.sin(corners)]), axis=1)
    np.testing.assert_allclose(np.asarray(bn.apply(net, x))[:, 0], exact, atol=1e-12)
    if folds > 1:  # two corners make half turns, on which the cosine takes all values from 0 to rho
        found = fewest_pieces(net, x, Ax)
        assert pieces_along(net, x) == n
        assert found.pieces == pytest.approx(n, rel=0.01)
        assert found.variation == pytest.approx(1 - np.cos(np.pi / n), rel=0.01)


def check_price(net, factor=1.0):
    x, Ax = circle(3001)
    assert factor * fewest_pieces(net, x, Ax).pieces <= pieces_along(net, x) * 1.01


@pytest.mark.parametrize("seed", range(8))
def test_networks_have_the_pieces_that_their_variation_asks_for(seed):
    check_price(bn.random_network(np.random.default_rng(seed), (2, 8, 8, 1)))


def test_twice_the_pieces_would_be_too_many():
    with pytest.raises(AssertionError):
        check_price(folded_polygon(4), factor=2.0)


def test_only_the_part_with_slope_asks_for_pieces():
    """A cap, where rho is 1 on a fifth of the circle and 0 elsewhere: one piece of it varies by what it must."""
    cap = bn.from_layers([([[1.0, 0.0]], [-0.8]), ([[1.0]], None)])
    x, Ax = circle(4001)
    assert pieces_along(cap, x) == 2
    assert fewest_pieces(cap, x, Ax).pieces == pytest.approx(1, rel=1e-2)


def test_a_constant_output_has_no_price():
    x, Ax = circle(101)
    constant = bn.from_layers([(np.zeros((1, 2)), [1.0]), ([[1.0]], None)])
    assert fewest_pieces(constant, x, Ax) == (0.0, 0.0)


def test_bad_input_is_refused():
    net = bn.from_layers([(np.eye(2), None)])
    x, Ax = circle(11)
    with pytest.raises(ValueError, match="a network of depth 1 has none"):
        pieces_along(net, x)
    with pytest.raises(ValueError, match=r"X must have shape \(N, 2\)"):
        scores(net, np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"x must have shape \(2,\)"):
        affine_piece(net, x)
    with pytest.raises(ValueError, match="orbit and tangent must have the same shape"):
        fewest_pieces(net, x, Ax[1:])
    with pytest.raises(ValueError, match="folds must be an integer >= 1"):
        folded_polygon(0)
