"""Layers are inserted without a change of the function, and ranks race in the deep network."""

from itertools import pairwise

import jax
import numpy as np
import pytest

import bnlib as bn
import engine
import reference
from bnlib.training import run
from strategies import layers_of_rank

# The race.


def two_features(rank, n=30, dim=4):
    """Return inputs, and targets that are a nonlinear function through R^rank."""
    rng = np.random.default_rng(rank)
    X = rng.normal(size=(n, dim))
    return X, np.abs(X[:, :rank] + 0.5) @ np.linalg.qr(rng.normal(size=(dim, dim)))[0][:rank] * 1.5


def race_start():
    rng = np.random.default_rng(5)
    sizes = [4, *[8] * 4, 4]
    return bn.from_layers([(rng.normal(size=(o, i)) * np.sqrt(2 / i), None) for i, o in pairwise(sizes)])


def check_race(rank):
    """Assert that with a rank counted one too high the rank below it wins, and that it has the lower objective."""
    X, Y = two_features(rank)
    result = bn.train(race_start(), X, Y, 0.01, depth=14, first_order_steps=100, stages=((0.003, 10),) * 3)
    assert [r for r, _ in result.trials] == [rank, rank + 1]
    objectives = dict(result.trials)
    assert objectives[rank] < objectives[rank + 1]
    assert result.history[-1] == objectives[rank]
    assert bn.bottleneck_rank(result.net, X).rank == rank


@pytest.mark.parametrize("rank", [1, 2])
def test_a_rank_counted_too_high_loses_the_race(monkeypatch, rank):
    monkeypatch.setattr(run, "bottleneck_rank", lambda *_: bn.BottleneckRank(rank + 1, 1.0, True))
    check_race(rank)


def test_a_race_without_rivals_is_caught(monkeypatch):
    race = run._race
    monkeypatch.setattr(run, "_race", lambda runs: race({max(runs): runs[max(runs)]}))
    monkeypatch.setattr(run, "bottleneck_rank", lambda *_: bn.BottleneckRank(2, 1.0, True))
    with pytest.raises(AssertionError):
        check_race(1)


def test_the_race_keeps_the_lowest_and_drops_the_slow():
    close = {
        1: engine.Runner(1.4, 1.005),
        2: engine.Runner(1.0, 1.0),
    }  # a short race may end with both inside the margin
    assert run._race(close) == (close[2], ((1, 1.005), (2, 1.0)))
    slow = {1: engine.Runner(1.6, 0.5), 2: engine.Runner(1.0, 1.0)}
    assert run._race(slow) == (slow[2], ((1, 1.6), (2, 1.0)))
    assert slow[1].reached == 1
    equal = {1: engine.Runner(1.0, 1.0, 1.0, 1.0), 2: engine.Runner(1.0, 1.0, 1.0, 1.0)}
    assert run._race(equal)[0] is equal[1]


def test_deep_starts_fall_into_a_trap_that_insertion_avoids():
    """Rank two at depth 24, with few steps of Adam: a start at full depth keeps one dimension, and pays for it."""
    trapped = 0
    for seed in (2, 3):
        task = bn.tasks.latent_task(jax.random.key(seed), 60, rank=2, d_in=10, d_out=10, n_test=10)
        deep, shallow = (bn.init(jax.random.key(10 + seed), 10, 16, 10, depth) for depth in (24, 12))
        direct = bn.train(deep, task.X, task.Y, 0.05 / 24, first_order_steps=100)
        inserted = bn.train(shallow, task.X, task.Y, 0.05 / 24, first_order_steps=100, depth=24)
        assert inserted.net.depth == direct.net.depth == 24
        assert inserted.objective < 0.8 * direct.objective
        assert bn.bottleneck_rank(inserted.net, task.X)[::2] == (2, True)
        trapped += bn.bottleneck_rank(direct.net, task.X).rank == 1
    assert trapped


def test_a_longer_shallow_phase_counts_a_lower_rank():
    """With a small ridge the start keeps dimensions that it does not need for a long time."""
    task = bn.tasks.latent_task(jax.random.key(1), 60, rank=2, d_in=10, d_out=10, n_test=10)
    start = bn.init(jax.random.key(3), 10, 16, 10, 8)
    counted = []
    for iterations in (1, 400):
        how = {"first_order_steps": 50, "stages": ((0.003, 5),), "shallow": ((0.01, iterations),), "depth": 12}
        counted.append(max(rank for rank, _ in bn.train(start, task.X, task.Y, 0.002, **how).trials))
    assert counted[1] < counted[0]


# The insertion.


def exact_rank(seed, rank, slope):
    """Return a network and inputs whose middle representation has exactly the given rank, spread over all neurons."""
    rng = np.random.default_rng(seed)
    layers = [*layers_of_rank(rng, rank), (rng.normal(size=(2, 6)), rng.normal(size=2))]
    return bn.from_layers(layers, negative_slope=slope), rng.normal(size=(9, 3))


def check_insertion(deepened, net, X, rank, more):
    """Assert the same function on X, and a squared norm that grows by the rank with every layer."""
    deep = deepened(net, net.depth + more, rank=rank, X=X)
    assert deep.depth == net.depth + more
    np.testing.assert_allclose(bn.apply(deep, X), bn.apply(net, X), rtol=1e-10, atol=1e-10)
    assert reference.squared_norm(deep) - reference.squared_norm(net) == pytest.approx(more * rank, abs=1e-10)


@pytest.mark.parametrize("slope", [0.0, 1.0])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_inserted_layers_of_the_exact_rank_keep_the_function(rank, slope):
    for seed in range(3):
        check_insertion(bn.deepen, *exact_rank(seed, rank, slope), rank, 1 + seed)


@pytest.mark.parametrize("change", [-1, 1])
def test_inserted_layers_of_another_rank_are_caught(change):
    with pytest.raises(AssertionError):
        check_insertion(
            lambda net, d, rank, X: bn.deepen(net, d, rank=rank + change, X=X), *exact_rank(0, 2, 0.0), 2, 3
        )


def test_inserting_in_another_place_is_caught():
    def at_the_end(net, depth, rank, X):
        deep = bn.deepen(bn.from_layers(net.layers[:-1]), depth - 1, rank=rank, X=X)
        return bn.from_layers([*deep.layers[:1], *deep.layers[-1:] * 3, *net.layers[-1:]])

    with pytest.raises(AssertionError):
        check_insertion(at_the_end, *exact_rank(0, 2, 0.0), 2, 1)
