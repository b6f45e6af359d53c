"""The chapter on gains: what its proofs use of one layer, bounds from above, numbers in its text, stored verdicts."""

import re

import nbformat
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import bnlib as bn
import reference
from bnlib.book.claims import load
from bnlib.book.verdict import judge
from bnlib.build import bends
from bnlib.build.balancing import balance
from bnlib.theory.gains import alternating_sum, area_gain, steiner, weight_product
from notebook_checks import ROOT
from scripts.chapters.verdicts import rejudge, stored_verdicts

SEEDS = st.integers(0, 2**32 - 1)
ONE = (np.eye(1), None)
FOLD = bends.two_layers([-1.0, 1.0], [0.5], 0.5)
TEXT = re.sub(r"\s+", " ", (ROOT / "notebooks" / "gain.md").read_text(encoding="utf-8"))


# One layer of each proof.


def layer(rng):
    """Draw the weights of a layer, its masks at two inputs, and the derivatives of two directions before it."""
    W = rng.normal(size=(6, 4)) * rng.uniform(0, 1, size=(6, 1)) ** 3
    masks = rng.integers(0, 2, size=(2, 6, 1))
    a = rng.normal(size=(2, 4, 2))
    if rng.integers(2):  # nearly equal derivatives, as behind few layers
        a[1] = a[0] + 0.1 * a[1]
    return W, masks, a


def tree_functional(a, b):
    gaps = [np.sum(c**2) for c in (a, b, a - b)]
    return max(*gaps, sum(gaps) / 2)


def check_tree(W, masks, a, functional=tree_functional, last=steiner):
    """Assert that a masked layer raises the functional, and the last one the tree, by its norm at most."""
    square, before = np.sum(W**2), functional(*a[..., 0])
    assert functional(*(masks * (W @ a))[..., 0]) <= square * before * (1 + 1e-9)
    assert last(*(W @ a)[..., 0]) <= np.sqrt(square * before) * (1 + 1e-9)


@given(SEEDS)
def test_a_layer_of_the_tree(seed):
    check_tree(*layer(np.random.default_rng(seed)))


@pytest.mark.parametrize(
    ("other", "broken"),
    [
        (-1.0, {"functional": lambda a, b: max(np.sum(a**2), np.sum(b**2))}),
        (1.0, {"last": lambda u, v: np.linalg.norm(u) + np.linalg.norm(v)}),
    ],
)
def test_a_tree_of_less_or_more_is_caught(other, broken):
    one = np.ones((1, 1))
    case = one, np.ones((2, 1, 1)), np.stack([one, other * one])
    check_tree(*case)
    with pytest.raises(AssertionError):
        check_tree(*case, **broken)


def check_area(W, masks, a, share=0.5):
    assert area_gain(*(masks * (W @ a))) <= share * np.sum(W**2) * area_gain(*a) * (1 + 1e-9)


@given(SEEDS)
def test_a_layer_of_areas(seed):
    check_area(*layer(np.random.default_rng(seed)))


def test_a_layer_of_areas_is_sharp_where_a_fold_stands_beside_the_identity():
    """Two neurons are active at one input each, and one at both."""
    W, masks = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2**0.5]]), np.array([[[1], [0], [1]], [[0], [1], [1]]])
    a = np.stack([np.eye(2), np.eye(2)])
    assert area_gain(*(masks * (W @ a))) == pytest.approx(np.sum(W**2) / 2 * area_gain(*a))
    check_area(W, masks, a)
    with pytest.raises(AssertionError):
        check_area(W, masks, a, share=0.49)


def contraction(rng):
    U, _, Vt = np.linalg.svd(rng.normal(size=(3, 3)))
    return U * rng.uniform(0, 1, 3) ** rng.choice([0.0, 0.2, 1.0]) @ Vt


def check_contractions(A, B, less=1.0):
    """Assert Tr A B^T <= k - 1 + the product of the signed least singular values."""
    least = [np.sign(np.linalg.det(M)) * np.linalg.svd(M, compute_uv=False)[-1] for M in (A, B)]
    assert np.trace(A @ B.T) <= len(A) - less + least[0] * least[1] + 1e-12


@given(SEEDS)
def test_two_contractions(seed):
    rng = np.random.default_rng(seed)
    A, B = contraction(rng), contraction(rng)
    check_contractions(A, B)
    check_contractions(A, A @ np.diag([1, 1, -1]))


def test_contractions_of_opposite_orientation_are_no_further_apart():
    check_contractions(np.eye(3), np.diag([1.0, 1.0, -1.0]))
    with pytest.raises(AssertionError):
        check_contractions(np.eye(3), np.diag([1.0, 1.0, -1.0]), less=1.1)


def corner_of(u, v):
    """Return three neurons of least gain whose slopes are u and v: on everywhere, on one side, on the other."""
    ends = np.stack([0 * u, u, v])
    z = minimize(lambda z: np.linalg.norm(z - ends, axis=1).sum(), (u + v) / 3, method="Nelder-Mead").x
    root = np.linalg.norm(z - ends, axis=1)[:, None] ** 0.5
    slopes = np.stack([z, u - z, z - v])  # the last neuron falls
    return bn.from_layers([(root * [[1.0], [1.0], [-1.0]], root[:, 0] * [1.0, 0.0, 0.0]), ((slopes / root).T, None)])


@settings(max_examples=20)
@given(st.floats(5, 115))
def test_a_corner_costs_what_the_tree_says(degrees):
    turn = np.deg2rad(degrees)
    u, v = np.array([1.0, 0.0]), np.array([np.cos(turn), np.sin(turn)])
    assert float(steiner(u, v)) == pytest.approx(2 * np.sin(turn / 2 + np.pi / 6))
    net = corner_of(u, v)
    slopes = [reference.jacobian(net, [t])[:, 0] for t in (0.5, -0.5)]
    np.testing.assert_allclose(slopes, [u, v], atol=1e-4)
    assert weight_product(net) == pytest.approx(float(steiner(u, v)), rel=1e-4)


# Networks between two chains, and what is proved of them in advance.


def stated(n, P, B, rho, chains=2 * np.e, biases=1.0):
    logs = np.log(rho) ** 2 + np.log(P / rho) ** 2
    return 2 * np.log(P) + biases * rho**2 * B + chains / n * logs


def check_chains(core, P, n, rho, **broken):
    """Assert the bound for the network of the proof, and for the balanced one."""
    scale = np.cumprod([np.linalg.norm(W) for W, _ in core])
    assert scale[-1] == pytest.approx(P)
    shifts = [np.zeros(len(W)) if b is None else np.asarray(b) for W, b in core]
    B = sum(np.sum((b / s) ** 2) for b, s in zip(shifts, scale, strict=True))
    divided = [(W / np.linalg.norm(W), rho * b / s) for (W, _), b, s in zip(core, shifts, scale, strict=True)]
    before, behind = [([[rho ** (1 / n)]], None)] * n, [([[(P / rho) ** (1 / n)]], None)] * n
    net = bn.from_layers(before + divided + behind)
    T = np.linspace(0, 1, 21)[:, None]
    np.testing.assert_allclose(reference.values(net, T), reference.values(bn.from_layers(core), T), atol=1e-9)
    bound = stated(n, P, B, rho, **broken)
    assert reference.squared_norm(net) - net.depth <= bound + 1e-9
    assert reference.squared_norm(balance(bn.from_layers([ONE] * n + core + [ONE] * n))) - net.depth <= bound + 1e-9


@settings(max_examples=30)
@given(SEEDS, st.integers(2, 60), st.floats(-1, 1))
def test_two_chains_cost_no_more_than_is_stated(seed, n, share):
    rng = np.random.default_rng(seed)
    slopes = np.sort(rng.uniform(-1.5, 1.5, rng.integers(2, 5)))
    assume(abs(slopes).max() > 0.1)
    kinks = np.sort(rng.uniform(0.05, 0.95, len(slopes) - 1))
    P = float(alternating_sum(slopes))
    rho = np.exp(share * n / 2)
    assume(abs(np.log(P / rho)) <= n / 2)
    check_chains(bends.two_layers(slopes, kinks, 2.0), P, n, rho)


@pytest.mark.parametrize(("n", "rho", "broken"), [(40, 40**-0.5, {"chains": 1.0}), (400, 1.0, {"biases": 0.5})])
def test_too_low_a_bound_of_two_chains_is_caught(n, rho, broken):
    check_chains(FOLD, 2.0, n, rho)
    with pytest.raises(AssertionError):
        check_chains(FOLD, 2.0, n, rho, **broken)


def shear_bound(n, epsilon, tau, delta, chains=8 * np.e, neuron=1.0):
    return chains * np.log(epsilon) ** 2 / n + neuron * epsilon * (epsilon**2 + tau**2 + delta**2)


def check_shear(n, tau, delta, **broken):
    excess = float(bn.squared_norm(bends.shear([0.0, delta], [tau], 2 * n + 2))) - 2 * (2 * n + 2)
    assert -1e-9 <= excess <= shear_bound(n, 1 / n, tau, delta, **broken)


@settings(max_examples=15)
@given(st.sampled_from([3, 15, 63]), st.floats(0.1, 0.9), st.floats(-1.0, 1.0))
def test_a_shear_costs_no_more_than_is_stated(n, tau, delta):
    assume(abs(delta) > 1e-3)
    check_shear(n, tau, delta)


def test_too_low_a_bound_of_a_shear_is_caught():
    check_shear(63, 0.5, 0.5)
    with pytest.raises(AssertionError):
        check_shear(63, 0.5, 0.5, chains=0.5)


def beyond_log2(g, B):
    return 2 / g * (1 - B + B * np.sqrt(1 + 4 * g**2)) + 2 * np.log(g) - 2 + (1 - 2 * B) ** 2


def test_the_formula_of_the_identity_is_that_of_its_networks():
    """At a share B that is given, balance finds the scale g."""
    B, T = 0.21, np.linspace(-1, 1, 9)[:, None]
    core = [([[1.0]], [1.0]), ([[1.0], [-1.0]], [0.0, 2.0]), ([[1 - B, -B]], [2 * B - 1])]
    depths, excess = np.array([32, 64, 128, 256]), []
    for L in depths:
        net = balance(bn.from_layers([core[0], *[ONE] * (L - 3), *core[1:]]))
        np.testing.assert_allclose(reference.values(net, T), T, atol=1e-9)
        excess.append(reference.squared_norm(net) - L - np.log(2))
    limit = np.polyfit(1 / depths, excess, 3)[-1]
    assert limit == pytest.approx(min(beyond_log2(g, B) for g in np.linspace(0.5, 1.5, 10001)), abs=1e-4)


# What the text says in numbers.


def behind(n):
    """The excess of the fold behind n of 62 layers of one neuron."""
    net = balance(bn.from_layers([ONE] * n + FOLD + [ONE] * (62 - n)))
    return reference.squared_norm(net) - 64 - np.log(4)


def least_identity():
    return minimize(lambda z: beyond_log2(np.exp(z[0]), z[1]), [0.0, 0.2]).fun


STEINER_POINT = np.cos(np.pi / 4) - np.sin(np.pi / 4) / 3**0.5
NUMBERS = {  # what stands before each number, and the number itself
    r"both sides of the bracket go to \$\\log4=": lambda: np.log(4),
    r"the least slack is \$\\log4-1=": lambda: np.log(4) - 1,
    r"It rises a little, from ": lambda: behind(31),
    r"It rises a little, from \d\.\d+ to ": lambda: behind(2),
    r"behind 8 layers the excess is ": lambda: behind(8),
    r"Behind 54 layers it is ": lambda: behind(54),
    r"At \$s=-0\.5\$ the coefficient lies between ": lambda: 2 * np.log(2.5),
    r"At \$s=-0\.5\$ the coefficient lies between \d\.\d+ and ": lambda: 2 * np.log(3),
    r"For \$s\\ge0\$ it is \$2\\log\(2-s\)\$: about ": lambda: 2 * np.log(1.1),
    r"\\sin45\^\\circ/\\sqrt3=": lambda: STEINER_POINT,
    r"the length is \$2\\sin75\^\\circ=": lambda: 2 * np.sin(np.deg2rad(75)),
    r"so the share is ": lambda: STEINER_POINT / (2 * np.sin(np.deg2rad(75))),
    r"between \$\\log2\$ and \$\\log2\+": lambda: np.ceil(20 * least_identity()) / 20,
}


def check_number(text, words, number):
    """Assert that a number of the text is the given one, to its last digit."""
    (said,) = re.findall(words + r"(\d+\.\d+)", text)
    assert abs(float(said) - number) <= 0.51 * 10.0 ** -len(said.split(".")[1])


@pytest.mark.parametrize("words", NUMBERS)
def test_the_text_says_what_is_computed(words):
    number = NUMBERS[words]()
    check_number(TEXT, words, number)
    with pytest.raises(AssertionError):
        check_number(TEXT, words, number + 0.05)


# Stored verdicts.

VERDICTS = {
    found.id: found for found in stored_verdicts(nbformat.read(ROOT / "notebooks" / "gain.ipynb", as_version=4))
}
LEDGER = load()
WRONG = {  # a number that an error would give, by claim and check
    ("gain-free", "broken"): 0.0,
    ("gain-principle", "broken"): 0.0,
    ("gain-alternation", "attacked"): -1e-6,
    ("gain-steiner", "sharp"): 0.1,
    ("gain-crease", "broken"): 0.0,
    ("gain-area", "broken"): 0.0,
    ("gain-orientation", "broken"): 0.3863,
    ("gain-closed", "below"): -1e-6,
    ("gain-closed", "room"): 0.1,
    ("gain-rate", "growth"): 1.0,
    ("gain-open", "identity"): 0.9,
}


def test_every_claim_of_the_chapter_has_a_verdict_that_its_numbers_earn():
    assert len(VERDICTS) == 10
    for found in VERDICTS.values():
        assert rejudge(found, LEDGER).outcome == found.outcome == "holds"


@pytest.mark.parametrize(("claim", "check"), WRONG, ids="-".join)
def test_a_wrong_number_loses_its_verdict(claim, check):
    measured = VERDICTS[claim].measured | {check: str(WRONG[claim, check])}
    assert judge(LEDGER[claim], measured, "").outcome != "holds"
