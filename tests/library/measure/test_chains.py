"""Orders in which layers chain, against all permutations of a few layers."""

from itertools import islice, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnlib.measure._chains import Bounds, chains, exchanged, follows
from bnlib.measure._comparison import agreement, nearest, truth, values_of
from bnlib.measure.readers import read
from models import leaky, mlp

WALKS = st.lists(st.integers(1, 3), min_size=2, max_size=6)
ENDS = st.sampled_from([None, 1, 2])


def keeps_ties(order, shapes):
    return all(i < j or shapes[i] != shapes[j] for n, i in enumerate(order) for j in order[n + 1 :])


@given(WALKS, st.randoms(use_true_random=False), ENDS, ENDS)
def test_chains_are_all_orders_that_follow_with_ties_as_stored(walk, random, d_in, d_out):
    shapes = list(zip(walk[1:], walk[:-1], strict=True))
    random.shuffle(shapes)
    every = {o for o in permutations(range(len(shapes))) if follows([shapes[i] for i in o], d_in, d_out)}
    found = list(chains(shapes, d_in, d_out))
    assert len(found) == len(set(found))
    assert set(found) == {order for order in every if keeps_ties(order, shapes)}
    reverse = set(chains(shapes, d_in, d_out, reverse=True))
    assert reverse - set(found) <= {tuple(range(len(shapes)))[::-1]}
    assert reverse <= every
    exchange = {other for order in found for other in exchanged(order, shapes, 10_000)}
    assert exchange == every


def test_a_deep_chain_is_found_at_once():
    shapes = [(16, 16)] * 300
    assert next(chains([*shapes, (16, 8)], 8)) == (300, *range(300))
    assert len(list(islice(exchanged(range(301), [*shapes, (16, 8)], 7), 20))) == 7


def test_arrays_that_form_no_chain_end_the_search():
    assert list(chains([(2, 1), (4, 3)])) == []
    assert list(chains([(2, 1), (1, 2), (4, 3), (3, 4)])) == []
    assert list(chains([(2, 1)], d_in=2)) == []


def test_the_nearest_reading_is_the_model_and_nothing_else():
    """What is a twentieth of a slope, a tenth in one weight, or one swap away is no agreement."""
    rng = np.random.default_rng(3)
    layers = [(rng.normal(size=(4, 4)), rng.normal(size=4)) for _ in range(3)]
    X = rng.normal(size=(50, 4))
    known = truth(X, mlp(layers, leaky(0.1))(X))

    def found(candidates, slopes=(0.1,), given=known):
        trial = nearest(candidates, slopes, given, Bounds())
        return trial, agreement(trial, given)

    near, form = found([(layers, "right")], [0.0, 0.1])
    assert (near.slope, near.what, form.name) == (0.1, "right", "float32")
    assert near.difference < 1e-12
    assert np.array_equal(values_of(layers, 0.1, X), mlp(layers, leaky(0.1))(X))
    changed = [(W.copy(), b) for W, b in layers]
    changed[1][0][0, 0] += 0.1
    for wrong in (changed, layers[::-1], [(W.T, b) for W, b in layers]):
        assert found([(wrong, "wrong")])[1] is None
        assert found([(wrong, "wrong"), (layers, "right")])[0].what == "right"
    assert found([(layers, "right")], given=truth(X, mlp(layers, leaky(0.15))(X)))[1] is None
    assert nearest([], [0.0], known, Bounds()) is None


def test_a_difference_in_one_row_of_many_is_seen():
    rng = np.random.default_rng(3)
    layers = [(rng.normal(size=(4, 4)), rng.normal(size=4)) for _ in range(3)]
    X = rng.normal(size=(5000, 4))
    Y = mlp(layers)(X)
    Y[4001] += 1.0
    with pytest.raises(ValueError, match="differs from them by"):
        read(layers, X, Y)
