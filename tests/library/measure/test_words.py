"""Words under the numbers of a report: each follows from the numbers by its rule, and each rule is true."""

import math
import re
from decimal import Decimal

import jax
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import bnlib as bn
from bnlib.measure import words
from bnlib.theory.root_spectra import spectrum_certificate
from bnlib.theory.spectra import middle, rank_of_spectra
from bnlib.training import outcome
from strategies import FIXED_X, fixed_net

X = np.abs(np.random.default_rng(0).normal(size=(40, 4)))


def network(*rows, X=X):
    """Report on a network with diagonal weights, one row of singular values a layer."""
    return bn.report(bn.from_layers([(np.diag(np.array(row, float)), None) for row in rows]), X)


ONE, HALF, ALL = [1.0, 0, 0, 0], [1.0, 1.0, 0, 0], [1.0] * 4


@pytest.mark.parametrize(
    ("rows", "kind", "sentence"),
    [
        ([HALF] * 6, "bottleneck", "All middle layers keep 2 of 4 dimensions, with a gap: a bottleneck."),
        ([HALF] * 3, "bottleneck", "The middle layer keeps 2 of 4 dimensions, with a gap: a bottleneck."),
        ([ALL] * 6, "absent", "All middle layers keep 4 of 4 dimensions: no bottleneck in the weights."),
        ([[1, 0.8, 0.6, 0.4]] * 6, "absent", "No middle layer has a gap of 1/2 or more: no bottleneck in the weights."),
        (
            [ALL, ALL, HALF, ALL, ALL, ALL],
            "partial",
            "1 of 2 middle layers has a gap, at rank 2: a partial ",
        ),
        (
            [ALL, ALL, ONE, HALF, ALL, ALL],
            "partial",
            "2 of 2 middle layers have a gap, at rank 1 to 2: a",
        ),
        ([[0.0] * 4] * 6, "collapsed", "No dimension is left in the middle layers: the function is constant on these "),
        (
            [[0.4] * 4] * 6,
            "undecided",
            "No singular value of the middle layers is above 1/2: a rank of zero, ",
        ),
        ([[1.0, 0.4, 0.4, 0]] * 6, "bottleneck", "All middle layers keep 1 of 4 dimensions, with a gap: a bottleneck."),
    ],
)
def test_bottlenecks_of_built_networks(rows, kind, sentence):
    r = network(*rows)
    assert r.bottleneck == kind
    assert r.words["bottleneck"].startswith(sentence)
    assert ("undecided" in r.words["bottleneck"]) == (kind in ("partial", "undecided"))


def test_features_that_do_not_follow_the_weights_leave_the_rank_undecided():
    r = network(ALL, [1, 1, 0.45, 0.45], [1, 1, 0.45, 0.45], ALL, X=np.eye(4))
    assert not r.decided
    assert r.bottleneck == "undecided"
    assert "no features there lie near as few: undecided" in r.words["bottleneck"]


def test_a_rank_above_that_of_the_map_is_none_of_the_function():
    """A fresh network of orthogonal weights with one neuron switched off keeps far more than its three outputs have."""
    ends = np.ones((16, 8)) / 16, np.ones((3, 16)) / 16
    off = np.diag([1.0] * 15 + [0.0])
    net = bn.from_layers([(ends[0], None), (off, None), (off, None), (ends[1], None)])
    r = bn.report(net, np.ones((5, 8)))
    assert (r.rank, r.decided) == (15, True)
    assert r.bottleneck == "undecided"
    assert r.words["bottleneck"].endswith("more than the output has (3): undecided.")


def test_a_bottleneck_as_wide_as_an_end_is_said_to_be():
    assert words.bottleneck([3, 3], [1.0, 1.0], 20, True, (3, 8)).endswith("no narrower than the input.")
    assert words.bottleneck([3, 3], [1.0, 1.0], 20, True, (8, 3)).endswith("no narrower than the output.")
    assert words.bottleneck([2, 2], [1.0, 1.0], 20, True, (8, 3)).endswith("with a gap: a bottleneck.")


values = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.6, 0.9, 1.0, 1.5, 2.0])
spectra = st.lists(st.lists(values, min_size=4, max_size=4), min_size=3, max_size=8)


def judged(rows, *, most=4):
    """Return the kind that the module sees in a network of these spectra, and the numbers it sees it in."""
    s = -np.sort(-np.array(rows), axis=1)
    found = rank_of_spectra(s, np.full((len(s) - 1, 4), [1.0, 0, 0, 0]))
    within = np.pad(s, ((0, 0), (0, 1)))[middle(len(s))]
    counts = [int(np.sum(row > 0.5)) for row in within]
    gaps = [float(row[k - 1] - row[k]) if k else 1 - float(row[0]) for k, row in zip(counts, within, strict=True)]
    return words.kind(counts, gaps, 4, found.decided, most), counts, gaps, found


@given(spectra)
def test_kinds_agree_with_the_rank_that_is_decided(rows):
    kind, counts, gaps, found = judged(rows)
    if kind == "bottleneck":
        assert found.decided
        assert 0 < found.rank < 4
    if found.decided and 0 < found.rank < 4:
        assert kind == "bottleneck"
    assert (kind == "absent") == all(k == 4 or gap < 0.5 for k, gap in zip(counts, gaps, strict=True))
    assert kind == words.kind(counts[::-1], gaps[::-1], 4, found.decided, 4)


@pytest.mark.parametrize(
    ("lower", "sentence"), [(50.0, "Most of the norm (50 %)"), (49.99, "Less than half of the norm (49 %)")]
)
def test_the_certified_share_is_rounded_down(lower, sentence):
    assert words.norm(100.0, lower).startswith(sentence)
    assert "(100 %)" in words.norm(3.0, 3.0)
    assert "(99 %)" in words.norm(1.0, 0.9999)
    assert words.norm(0.0, 0.0) == "The norm is zero: the network is the zero function."


def test_balance_has_the_tolerance_of_a_converged_training():
    for outgoing in ([9, 4, 1, 1], [9, 4, 1, 0.9], [9, 4, 1]):
        net = bn.from_layers([([[10.0]], None), (np.array([outgoing], float).T, None)])
        points = np.zeros((1, 1))
        converged = outcome.summarise(net, np.ones(100), 0.0, points, np.zeros((1, len(outgoing))), 0.0, 0.0).converged
        said = words.balance(outcome.relative_imbalance(net))
        assert said.startswith("Balanced") == converged
    assert words.balance(0.49999).startswith("Not balanced")
    assert words.balance(0.5).startswith("Far from balanced")


def test_it_is_the_relative_imbalance_that_counts():
    """All weights times t change A_i and B_i by the same factor, and their ratio by none."""
    said = []
    for t in (1e-3, 1.0, 1e3):
        W = t * np.eye(2)
        r = bn.report(bn.from_layers([(W, None), (W, None), (0.8 * W, None)]), np.ones((3, 2)))
        said.append(r.words["balance"])
        assert r.relative_imbalance == pytest.approx(0.36)
    assert set(said) == {"Not balanced to a hundredth: no stationary point of a penalised loss."}


@pytest.mark.parametrize("ridge", [1e-3, 1.0])
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_imbalance_bounds_the_gradient_of_the_penalised_loss(ridge, scale):
    """What stands beside UNBALANCED, on a network with gradients of its own."""
    (W, b), *rest = fixed_net().layers
    net = bn.from_layers([(scale * W, scale * b), *rest])
    Y = np.ones((len(FIXED_X), net.d_out))

    def objective(layers):
        n = bn.from_layers(layers)
        return ((bn.apply(n, FIXED_X) - Y) ** 2).sum(1).mean() + ridge * bn.squared_norm(n)

    grad = jax.grad(objective)([(W, b) for W, b in net.layers])
    shares, size = [], 0.0
    for (W, b), (V, _), (dW, db), (dV, _) in zip(net.layers, net.layers[1:], grad, grad[1:], strict=False):
        into, out = (W**2).sum(1) + b**2, (V**2).sum(0)
        gradient = (dW**2).sum(1) + db**2 + (dV**2).sum(0)
        shares += list(zip(np.abs(into - out), np.sqrt(gradient) / (2 * ridge * np.sqrt(into + out)), strict=True))
        size = max(size, float(into.max()))
    worst, share = max(shares)
    r = float(worst) / size
    assert r == pytest.approx(outcome.relative_imbalance(net))
    assert share >= r / (2 + r) * (1 - 1e-9)


@given(st.integers(1, 3), spectra)
def test_the_theorem_proves_as_many_layers_as_is_said(k, rows):
    """Any layers with these spectra are at least this far from partial isometries, so the right side is no less."""
    s = -np.sort(-np.array(rows), axis=1)
    total = float(np.sum((s - (np.arange(4) < k)) ** 2))
    said = words.theorem(total, total, len(s), k, k)
    exactly = int(np.sum(np.sum(s > 0.5, axis=1) == k))
    if found := re.match(r"At least (\d+) of (\d+)", said):
        assert 1 <= int(found[1]) <= exactly
        assert total < len(s) / 4
    else:
        assert said.startswith("Both sides are large")
        assert total >= len(s) / 4


@given(spectra, st.integers(0, 4))
@example([[0.6, 0, 0, 0], [0.5, 0, 0, 0], [0.5, 0, 0, 0]], 1)  # near one another, on both sides of 1/2
@example([[1.0, 0.9, 0, 0], [1.0, 1.0, 0, 0], [0.9, 0.9, 0.1, 0]], 2)
@example([[1.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], 1)
def test_the_count_of_the_one_spectrum_is_that_of_every_layer(rows, kept):
    """Any layers with these spectra: the least radius that they allow is said, and its count is theirs."""
    s = -np.sort(-np.array(rows), axis=1)
    roots = np.where(np.arange(4) < kept, np.mean(s, axis=0), 0.0)
    radius = float(np.sqrt(np.sum((s - roots) ** 2)))
    said = words.spectrum(roots.tolist(), radius, range(2, 2 + len(s)))
    counts = set(np.sum(s > 0.5, axis=1).tolist())
    span = f"layers 3 to {2 + len(s)}"
    if found := re.fullmatch(rf"All singular values of {span} are within (\S+) of one spectrum[.:] (.*)\.", said):
        assert radius <= float(found[1]) <= 1.1 * radius + 1e-300
        assert radius < 0.5
        if exactly := re.fullmatch(r"in each exactly (1(?= is)|[02-4](?= are)) (?:is|are) above 1/2", found[2]):
            assert counts == {int(exactly[1])}
        else:
            assert found[2] == "How many are above 1/2 stays open"
            assert np.min(np.abs(roots - 0.5)) <= radius
    else:
        assert said == f"The optimality gap of {span} is too large to tie them to one spectrum."
        assert radius >= 0.5


def test_the_middle_layers_of_a_report_are_tied_to_one_spectrum():
    layers = [(1.1 * np.eye(3), -0.2 * np.ones(3)) for _ in range(7)]
    layers[3] = (np.diag([1.1, 1.1, 1.2]), -0.2 * np.ones(3))
    net, points = bn.from_layers(layers), np.concatenate([-9.0 * np.ones((1, 3)), 9.0 + np.abs(FIXED_X)])
    assert spectrum_certificate(net, points[0], (2, 5)).radius > 1
    r = bn.report(net, points)
    c = spectrum_certificate(net, points[1], (2, 5))
    assert r.radius == pytest.approx(float(c.radius))  # at the best input; at the first no neuron is active
    assert r.spread == pytest.approx(c.distances.max())
    np.testing.assert_allclose(r.roots, c.roots)
    assert 0.05 < r.spread <= r.radius < 0.12
    assert "in each exactly 3 are above 1/2. [gap-spectrum]" in " ".join(str(r).split())
    assert r.words["spectrum"].startswith("All singular values of layers 3 to 5 are within 0.12 of one")
    shallow = bn.report(fixed_net(), FIXED_X)
    assert (shallow.roots, shallow.radius, shallow.spread) == (None, None, None)
    assert "spectrum" not in shallow.words
    assert "gap-spectrum" not in str(shallow)


def test_sides_of_the_theorem():
    assert words.theorem(0.0, 0.0, 8, 2, 2).startswith("At least 8 of 8 layers have exactly 2")
    assert words.theorem(0.0, -1e-15, 8, 2, 2).startswith("At least 8 of 8")
    assert words.theorem(0.0, 1.99, 8, 2, 2).startswith("At least 1 of 8")
    assert (
        words.theorem(1.99, 2.0, 8, 2, 2)
        == "The left side is small (below L/4 = 2), the right side too large to prove it."
    )
    assert words.theorem(2.0, 2.0, 8, 2, 2) == "Both sides are large (above L/4 = 2): it says little here."
    assert words.theorem(2.0, 2.0, 8, 2, 3).endswith("It stands at k = 2, the rank of a Jacobian.")
    assert words.theorem(None, None, 8, 0, 2).endswith("a Jacobian vanishes.")
    assert words.theorem(None, None, 8, 0, 0).endswith("the bottleneck rank is zero.")


def test_the_sharpness_is_bounded_by_the_kernel():
    r = bn.report(fixed_net(), FIXED_X)
    bound = float(r.words["kernel"].rpartition(" ")[2].rstrip("."))
    assert 2 * r.ntk_trace <= bound <= 2.2 * r.ntk_trace
    assert bn.sharpness(fixed_net(), FIXED_X) <= 2 * r.ntk_trace


@given(st.floats(1e-9, 1e9))
def test_the_bound_of_the_sharpness_is_never_rounded_down(trace):
    said = Decimal(words.kernel(trace, 5).rpartition(" ")[2].rstrip("."))
    assert Decimal(2 * trace) <= said <= Decimal(2 * trace) * Decimal("1.1")


@pytest.mark.parametrize(
    ("ranks", "counts", "inputs", "sentence"),
    [
        ([2, 2], [2, 2], 9, "The middle features have as many dimensions as the weights keep (2)."),
        (
            [2, 3],
            [9, 9],
            9,
            "The middle features lie near 2 to 3 dimensions, fewer than the weights keep (9): low",
        ),
        ([2, 3], [3, 3], 9, "The middle features lie near 2 to 3 dimensions, the weights keep 3."),
        ([3, 3], [2, 2], 9, "The middle features lie near 3 dimensions, the weights keep 2."),
        ([4, 5], [9, 9], 5, "5 inputs span no more than 5 dimensions: the features need more of them."),
    ],
)
def test_features(ranks, counts, inputs, sentence):
    assert words.features(ranks, counts, inputs).startswith(sentence)


def test_the_words_stand_under_their_numbers():
    r = bn.report(fixed_net(), FIXED_X)
    text = " ".join(str(r).replace("=> ", "").split())
    for sentence in r.words.values():
        assert sentence in text
    before = [text.index(sentence) for sentence in r.words.values()]
    assert before == sorted(before)
    assert text.index("squared norm") < before[0] < text.index("largest imbalance") < before[1]


def test_what_is_not_finite_is_no_certificate():
    assert words.theorem(math.nan, math.nan, 8, 2, 2).startswith("Both sides")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("bottleneck", 6, 83, 0.016), "A bottleneck of rank 6, decided; 83 % of the norm is certified."),
        (("absent", 9, 22, 0.4), "No bottleneck in the weights; 22 % of the norm is certified."),
        (("partial", 3, 62, 0.28), "A partial bottleneck, undecided; 62 % of the norm is certified."),
        (("undecided", 15, 9, 0.0), "A rank of 15, undecided; 9 % of the norm is certified."),
        (("collapsed", 0, None, 0.0), "No dimension is left: the function is constant on these inputs."),
        (("no middle", None, 50, None), "No middle layers, and so no bottleneck rank; 50 % of the norm is certified."),
    ],
)
def test_verdicts(given, said):
    assert words.verdict(*given) == said
    far = words.verdict(*given[:3], words.UNBALANCED)
    assert far == f"{said} It is far from balanced: training with a penalty would change it."


def test_the_verdict_is_that_of_the_sentences():
    for rows in ([HALF] * 6, [ALL] * 6, [ALL, ALL, ONE, HALF, ALL, ALL], [[0.0] * 4] * 6, [[0.4] * 4] * 6):
        r = network(*rows)
        assert str(r).startswith(r.verdict[:60].rpartition(" ")[0])
        assert ("undecided" in r.verdict) == (r.bottleneck in ("partial", "undecided"))
        assert (f"rank {r.rank}, decided" in r.verdict) == (r.bottleneck == "bottleneck")
        share = re.search(r"\d+ %", r.verdict)
        assert (share and share[0]) == ((m := re.search(r"\d+ %", r.words["norm"])) and m[0])
