"""Ensembles are balanced as their members are, and members come out as they went in."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
from bnlib.build.ensembles import balance_ensemble, one_of


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_an_ensemble_is_balanced_and_keeps_its_functions(seed):
    rng = np.random.default_rng(seed)
    nets, X = bn.random_ensemble(rng, 4, (3, 6, 6, 6, 2)), rng.normal(size=(7, 3))
    calm = balance_ensemble(nets)
    for i in range(4):
        before, after = one_of(nets, i), one_of(calm, i)
        norm = float(bn.squared_norm(before))
        assert np.max(np.abs(bn.balance_residual(after))) < 1e-5 * norm
        np.testing.assert_allclose(bn.apply(after, X), bn.apply(before, X), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(bn.squared_norm(after), bn.squared_norm(bn.balance(before)), rtol=1e-6)


def test_too_few_sweeps_are_seen_in_the_residual():
    nets = bn.random_ensemble(np.random.default_rng(0), 2, (3, 6, 6, 6, 2))
    residual = [float(jnp.max(jnp.abs(bn.balance_residual(one_of(balance_ensemble(nets, n), 0))))) for n in (1, 120)]
    assert residual[0] > 1e3 * residual[1]


def test_members_are_those_of_the_stack():
    nets = bn.random_ensemble(np.random.default_rng(0), 3, (3, 6, 6, 2))
    parts = [one_of(nets, i) for i in range(3)]
    stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *parts)
    for a, b in zip(jax.tree.leaves(stacked), jax.tree.leaves(nets), strict=True):
        assert np.array_equal(a, b)
