"""Singular values and ranks that say when they are undecided."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

import bnlib as bn
import reference
from strategies import FIXED_X, fixed_net, matrices, networks


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
