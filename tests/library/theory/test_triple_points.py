"""Classes on a square: cells and neighbours by hand, triple points of Voronoi cells, circles, and cuts to rank one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import bnlib as bn
import reference
from bnlib.build.low_rank import rank_one_cut
from bnlib.theory.regions import scores
from bnlib.theory.triple_points import (
    classes_around,
    classes_on_square,
    neighbouring_classes,
    square,
    three_arcs,
    three_class_cells,
    triple_points,
)

SEEDS = st.integers(0, 2**32 - 1)
SIDE = 2.0
REGULAR = np.array([[0.0, 1.0], [3**0.5 / 2, -0.5], [-(3**0.5) / 2, -0.5]])


def voronoi(sites, centre):
    """Scores <site, x - centre>, through two neurons that stay positive in the square."""
    C = np.asarray(sites, float)
    return bn.from_layers([(np.eye(2), np.full(2, 9.0)), (C, -C @ (np.asarray(centre) + 9.0))])


def stripes(delta):
    """Scores -t, delta, t of the code t = x + 0.3 y: a middle class of half width delta."""
    return bn.from_layers([([[1.0, 0.3]], [9.0]), ([[-1.0], [0.0], [1.0]], [9.0, delta, -9.0])])


def crossed(width, seed):
    """Draw a classifier of four classes through one narrow layer, whose scores have one size over the square."""
    rng = np.random.default_rng(seed)
    layers = reference.layers(bn.random_network(rng, (2, 8, 8, width, 8, 4), bias=0.5))
    layers[2] = (layers[2][0], layers[2][1] + 1.0)
    F = scores(bn.from_layers(layers), rng.uniform(-SIDE, SIDE, size=(200, 2)))
    size = np.where(F.std(0) > 1e-6, F.std(0), 1.0)
    W, b = layers[-1]
    layers[-1] = (W / size[:, None], (b - F.mean(0)) / size + 0.3 * rng.normal(size=4))
    return bn.from_layers(layers)


@given(arrays(int, (4, 5), elements=st.integers(0, 3)))
def test_cells_and_neighbours_agree_with_loops(c):
    cells = sum(len(set(c[i : i + 2, j : j + 2].ravel().tolist())) > 2 for i in range(3) for j in range(4))
    assert three_class_cells(c) == cells
    across = {(int(a), int(b)) for row in c for a, b in pairwise(row)}
    down = {(int(a), int(b)) for column in c.T for a, b in pairwise(column)}
    assert neighbouring_classes(c) == {tuple(sorted(pair)) for pair in across | down if pair[0] != pair[1]}


def test_classes_stand_where_their_nodes_are():
    net = voronoi(REGULAR, [0.0, 0.0])
    ticks, nodes = square(SIDE, 4)
    c = classes_on_square(net, SIDE, 4)
    for i in range(5):
        for j in range(5):
            assert nodes[5 * i + j].tolist() == [ticks[j], ticks[i]]
            assert c[i, j] == scores(net, [[ticks[j], ticks[i]]])[0].argmax()


def check_voronoi(sites, centre, n=40):
    """Assert one triple point where all scores are equal if that lies in the square, and none if not."""
    found = triple_points(voronoi(sites, centre), SIDE, n).points
    assert len(found) == (np.abs(centre).max() < SIDE)
    for x in found:
        np.testing.assert_allclose(x, centre, atol=1e-9)


@settings(max_examples=50)
@given(arrays(float, (3, 2), elements=st.floats(-2, 2)), arrays(float, 2, elements=st.floats(-3, 3)))
def test_voronoi_cells_have_one_triple_point(sites, centre):
    assume(abs(np.linalg.det(sites[1:] - sites[0])) > 0.1)
    assume(np.all(np.abs(np.abs(centre) - SIDE) > 1e-3))
    assume(np.abs(centre[:, None] - np.linspace(-SIDE, SIDE, 41)).min() > 1e-4)  # not on a node of the grid
    check_voronoi(sites, centre)


def test_sites_on_a_line_have_none():
    with pytest.raises(AssertionError):
        check_voronoi(np.array([[-1.0, -0.5], [0.0, 0.0], [1.0, 0.5]]), np.array([0.113, 0.217]))


def test_a_point_below_a_fourth_score_does_not_count():
    sites = np.r_[REGULAR, [[0.0, 0.0]]]
    first, (C, b) = reference.layers(voronoi(sites, [0.113, 0.217]))
    level, lowered, raised = (bn.from_layers([first, (C, b + np.array([0, 0, 0, c]))]) for c in (0.0, -0.3, 0.3))
    assert triple_points(level, SIDE, 41).points == []  # four equal scores are no transversal triple point
    assert len(triple_points(lowered, SIDE, 41).points) == 1
    found = triple_points(raised, SIDE, 41).points
    assert len(found) == 3  # the corners of the cell of the fourth
    for x in found:
        f = np.sort(scores(raised, [x])[0])
        assert f[3] - f[1] < 1e-9
        assert f[1] - f[0] > 0.1


def check_line(net, seed):
    """Assert no certified triple point, and no circle of three arcs."""
    assert triple_points(net, SIDE, 60).points == []
    rng = np.random.default_rng(seed)
    for _ in range(10):
        assert not three_arcs(net, rng.uniform(-1, 1, size=2), rng.uniform(0.1, 1.0))[1]


@pytest.mark.parametrize("seed", range(8))
def test_one_neuron_excludes_triple_points_and_arcs(seed):
    check_line(crossed(1, seed), seed)


def test_two_neurons_allow_them():
    caught = 0
    for seed in range(8):
        try:
            check_line(crossed(2, seed), seed)
        except AssertionError:
            caught += 1
    assert caught >= 2


def test_bisection_finds_a_thin_class_that_samples_step_over():
    deceived = 0
    for delta in np.geomspace(1e-3, 1e-1, 30):
        seen, kept = three_arcs(stripes(delta), [0.2, 0.0], 1.0)
        assert not kept
        deceived += seen
    assert deceived
    word = classes_around(stripes(1e-6), [0.2, 0.0], 1.0)
    assert sorted(word) == [0, 1, 1, 2]
    assert classes_around(stripes(1e-6), [0.2, 0.0], 1.0, halvings=0) == [0, 2]


def check_cut(net, cut, X):
    """Assert that the scores of the cut network are a function of its code, layer by layer."""
    s = bn.weight_singular_values(cut.net)
    at = cut.code.depth - 1
    assert s[at, 1] <= 1e-12 * s[at, 0]
    h = np.maximum(scores(bn.from_layers(reference.layers(net)[:at]), X), 0) if at else np.asarray(X)
    W, _ = reference.layers(cut.net)[at]
    code = scores(cut.code, X)
    (u,) = np.linalg.lstsq(code, h @ W[:, : h.shape[1]].T, rcond=None)[0]
    np.testing.assert_allclose(code * u, h @ W[:, : h.shape[1]].T, atol=1e-9)


@given(SEEDS)
@settings(max_examples=10)
def test_a_cut_network_passes_through_its_code(seed):
    rng = np.random.default_rng(seed)
    net, X = bn.random_network(rng, (2, 6, 6, 3)), rng.normal(size=(40, 2))
    cut = rank_one_cut(net)
    s = bn.weight_singular_values(net)
    assert cut.code.depth - 1 == np.argmin(s[:, 1] / s[:, 0])
    check_cut(net, cut, X)
    with pytest.raises(AssertionError):
        check_cut(net, cut._replace(net=net), X)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="inputs have dimension 3"):
        triple_points(bn.from_layers([(np.eye(3), None)]), SIDE)
    with pytest.raises(ValueError, match="nothing to cut"):
        rank_one_cut(bn.from_layers([(np.ones((1, 3)), None)]))
