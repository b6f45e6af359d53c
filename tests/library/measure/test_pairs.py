"""Two networks side by side: distances that are what their formulas say, and the right one called nearer."""

import json

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
from bnlib.measure.pairs import linear_cka
from bnlib.measure.representations import alignment_distance
from strategies import fixed_net

SEEDS = st.integers(0, 2**32 - 1)
X = np.random.default_rng(1).normal(size=(9, 3))


def check_similarity(similarity, seed):
    """Assert that a similarity is the alignment of centred kernels, and does not see what CKA does not."""
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(7, 4)), rng.normal(size=(7, 3))
    Q = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    value = similarity(A, B)
    assert value == pytest.approx(1 - alignment_distance(A @ A.T, B @ B.T), abs=1e-10)
    assert 0 <= value <= 1 + 1e-12
    assert similarity(B, A) == pytest.approx(value, abs=1e-10)
    assert similarity(1e200 * (A @ Q) + 1e200, B) == pytest.approx(value, abs=1e-10)
    assert similarity(A, A @ Q) == pytest.approx(1.0, abs=1e-10)


@given(SEEDS)
@settings(max_examples=25)
def test_similarity(seed):
    check_similarity(linear_cka, seed)


def uncentred(A, B):
    A, B = A / np.linalg.norm(A), B / np.linalg.norm(B)
    return float(np.sum((A.T @ B) ** 2) / (np.linalg.norm(A.T @ A) * np.linalg.norm(B.T @ B)))


@pytest.mark.parametrize(
    "broken", [uncentred, lambda A, B: linear_cka(A, B) ** 0.5, lambda A, B: linear_cka(A[::-1], B)]
)
def test_a_wrong_similarity_is_caught(broken):
    with pytest.raises(AssertionError):
        check_similarity(broken, 0)


def test_a_constant_representation_has_no_similarity():
    rows = np.tile([[0.1, 0.3, 0.7]], (50, 1))
    assert np.any(rows / 0.7 != np.mean(rows / 0.7, axis=0)[None, :])  # its mean is rounded
    assert np.isnan(linear_cka(rows, np.random.default_rng(0).normal(size=(50, 2))))
    assert np.isnan(linear_cka(np.zeros((5, 2)), np.eye(5)))


def test_a_network_is_equal_to_itself():
    found = bn.compare(fixed_net(), fixed_net(), X)
    assert (found.difference, found.nearer) == (0.0, None)
    np.testing.assert_allclose(np.diag(found.similarity), 1.0, atol=1e-12)
    assert "Neither is nearer" in str(found)
    assert "Their outputs are equal" in str(found)


def test_numbers_are_those_of_each_and_of_both():
    a, b = fixed_net(), fixed_net(0.5)
    found = bn.compare(a, bn.to_torch_state(b), X, negative_slope=None)
    assert found.a.squared_norm == pytest.approx(float(bn.squared_norm(a)))
    assert found.b.squared_norm == found.a.squared_norm
    leaky = bn.compare(a, b, X)
    values = [np.asarray(bn.apply(net, X)) for net in (a, b)]
    assert leaky.difference == pytest.approx(np.max(np.abs(values[0] - values[1])))
    spread = max(np.max(np.abs(v - v.mean(0, keepdims=True))) for v in values)
    assert leaky.spread == pytest.approx(spread)
    features = [np.asarray(bn.activations(net, X).post) for net in (a, b)]
    for i, A in enumerate(features[0]):
        for j, B in enumerate(features[1]):
            assert leaky.similarity[i, j] == pytest.approx(1 - alignment_distance(A @ A.T, B @ B.T), abs=1e-9)


def diagonal(*values, depth=4):
    return bn.from_layers([(np.diag(values), None)] * depth)


@pytest.mark.parametrize(
    ("near", "far"),
    [
        ((1.0, 1.0, 0.0), (1.0, 1.0, 0.6)),
        ((1.0, 0.0, 0.0), (1.0, 1.0, 0.9)),
        ((1.1, 0.0, 0.0), (1.0, 1.0, 1.0)),  # full rank is no bottleneck, however exact
        ((0.9, 0.9, 0.1), (2.0, 2.0, 2.0)),
    ],
)
def test_the_nearer_one_is_named_in_either_order(near, far):
    points = np.abs(X) + 0.1
    assert bn.compare(diagonal(*near), diagonal(*far), points, names=("near", "far")).nearer == "near"
    found = bn.compare(diagonal(*far), diagonal(*near), points, names=("far", "near"))
    assert found.nearer == "near"
    assert found.words["bottleneck"].startswith("near is nearer to a bottleneck")
    assert f"far (rank {len(far)})" not in found.words["bottleneck"]  # though a full rank may be decided


def test_networks_of_different_sizes():
    deep = bn.from_layers([(W, None) for W in (np.ones((4, 3)), *[np.eye(4)] * 4, np.ones((2, 4)))])
    found = bn.compare(fixed_net(), deep, X)
    assert found.similarity.shape == (2, 5)
    assert found.difference is None
    assert [first for first, *_ in found.pairs] == [1, 2]
    assert "3 and 2 dimensions" in str(found)
    for first, second, value in found.pairs:
        assert value == np.max(found.similarity[first - 1]) == found.similarity[first - 1, second - 1]


def test_shallow_constant_and_few():
    two = bn.compare([np.eye(3)] * 2, [np.eye(3)] * 2, X, layout="out_in")
    assert two.nearer is None
    assert "needs a depth of 3" in str(two)
    dead = bn.from_layers([(np.zeros((3, 3)), None)] * 3)
    zero = bn.compare(dead, dead, X)
    assert "not compared" in zero.words["features"]
    assert json.loads(zero.to_json())["similarity"] == [[None, None]] * 2
    ones = bn.from_layers([(np.zeros((3, 3)), np.ones(3))] * 3)
    assert "Both are constant" in bn.compare(dead, ones, X).words["function"]
    assert "no more inputs than neurons" in bn.compare(fixed_net(), fixed_net(), X[:3]).words["features"]


def test_text_and_json(tmp_path):
    found = bn.compare(fixed_net(), fixed_net(0.5), X, names=("fourteen chars", "another one 14"))
    assert max(map(len, str(found).splitlines())) <= 70
    assert found.to_json(tmp_path / "c.json") + "\n" == (tmp_path / "c.json").read_text()
    stored = json.loads((tmp_path / "c.json").read_text())
    assert stored["names"] == ["fourteen chars", "another one 14"]
    assert stored["a"]["isometry"]["rank"] == found.a.isometry.rank
    assert (stored["nearer"], stored["words"]) == (found.nearer, found.words)
    huge = bn.compare(diagonal(1e20, 1e20), diagonal(1e-20, 0.0), X[:, :2])
    assert max(map(len, str(huge).splitlines())) <= 70


def test_the_similarity_takes_a_thousand_inputs_at_equal_distances():
    many = np.random.default_rng(0).normal(size=(2001, 3))
    found = bn.compare(fixed_net(), fixed_net(0.5), many)
    some = many[np.linspace(0, 2000, 1000).astype(int)]
    assert (found.compared, found.a.inputs) == (1000, 2001)
    np.testing.assert_allclose(found.similarity, bn.compare(fixed_net(), fixed_net(0.5), some).similarity, rtol=1e-9)


@pytest.mark.parametrize("names", [("a", "a"), ("", "b"), ("a", "a name that is too long")])
def test_names_that_a_table_cannot_show(names):
    with pytest.raises(ValueError, match="names must be two different ones"):
        bn.compare(fixed_net(), fixed_net(), X, names=names)


def test_what_cannot_be_compared_is_named():
    with pytest.raises(ValueError, match=r"^At 'b': "):
        bn.compare(fixed_net(), [np.ones((4, 2)), np.ones((2, 4))], X)
    with pytest.raises(ValueError, match=r"^At 'old': .*one layer"):
        bn.compare([np.eye(3)], fixed_net(), X, names=("old", "new"))
    square = list(np.random.default_rng(0).normal(size=(3, 3, 3)))
    assert str(bn.compare(square, fixed_net(), X)).startswith("=> a: More than one reading")


def test_the_figure_shows_both(tmp_path):
    matplotlib.use("agg")
    figure = bn.compare(fixed_net(), fixed_net(0.5), X, names=("one", "two")).plot(tmp_path / "pair.png")
    assert [axis.get_title() for axis in figure.axes] == ["one", "two", ""]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert (tmp_path / "pair.png").exists()
    matplotlib.pyplot.close("all")
