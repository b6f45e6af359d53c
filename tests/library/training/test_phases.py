"""Phases: one program for all seeds, ridges and data, and moments that follow the gradient."""

import logging

import jax
import jax.numpy as jnp
import numpy as np

import engine
from bnlib.training import objective, phases
from strategies import FIXED_X, fixed_net

PROGRAMS = ("Compiling jit(quasi_newton)", "Compiling jit(adam)")


def compilations(caplog, function):
    """Count the training programs that are compiled in a call; the small ones around them are no matter of shapes."""
    caplog.clear()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        function()
    return sum(record.getMessage().startswith(PROGRAMS) for record in caplog.records)


def test_seeds_ridges_and_data_share_their_programs(caplog):
    engine.quick()
    before = phases.quasi_newton._cache_size(), phases.adam._cache_size()
    assert compilations(caplog, lambda: engine.quick(engine.start(7), engine.data(2), 0.02)) == 0
    assert compilations(caplog, lambda: engine.quick(stages=((0.2, 20), (0.1, 20)))) == 0
    assert (phases.quasi_newton._cache_size(), phases.adam._cache_size()) == before
    # Control: another shape is another program.
    assert compilations(caplog, lambda: engine.quick(data=engine.data(n=13), first_order_steps=0)) > 0


def test_moments_follow_the_gradient_when_neurons_are_rescaled():
    """The loss does not change, so its gradient at the rescaled network is what the moments have to become."""
    net, Y = fixed_net(0.1), np.sin(FIXED_X)
    slope = jax.jit(jax.grad(lambda net: objective.smoothed_objective(net, jnp.asarray(FIXED_X), Y, 0.0, 0.0)))
    gradient = slope(net)
    adam, *rest = phases.optimiser(10, 1e-3).init(net)
    moments = adam._replace(mu=gradient, nu=jax.tree.map(jnp.square, gradient))
    moved, (after, *_) = jax.jit(phases._rebalanced)(net, (moments, *rest))
    assert not np.allclose(moved.first[0], net.first[0])
    wanted = slope(moved)
    for found, power in ((after.mu, 1), (after.nu, 2)):
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b**power, rtol=1e-9, atol=1e-12)
