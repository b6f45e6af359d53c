"""The report on residual networks with a leak: its numbers, its words, and how a user's network is read."""

import json
import re

import jax
import matplotlib.figure
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import second_leaky as second
from bnlib import leaky
from bnlib.__main__ import main
from bnlib.measure import leaky_words
from bnlib.measure.leaky_measures import PARTS
from bnlib.theory.leaky_bounds import leaky_lower_bound, residual_bound
from bnlib.theory.leaky_certificates import leaky_certificate
from readings import DIFFERS, layers_of, state

SEEDS = st.integers(0, 2**32 - 1)
NAMES = ["0", "2", "4", "6", "8"]
RNG = np.random.default_rng(5)
STACK = layers_of(RNG, 4, 9, 9, 9, 9, 2)
X = RNG.normal(size=(30, 4))


def user(layers, X, skip):
    """Return the outputs of a model whose square hidden layers add a share of their state to what they make of it."""
    h = X
    for i, (W, b) in enumerate(layers):
        z = np.maximum(h, 0) @ W.T + b if i else h @ W.T + b
        square = 0 < i < len(layers) - 1 and W.shape[0] == W.shape[1]
        h = z + skip * h if square else z
    return h


def kept_dimensions(leak, steps=12, width=6, rank=2):
    """Return a network that keeps its first coordinates: partial isometries, and nothing else."""
    P = np.diag((np.arange(width) < rank) * 1.0)
    return leaky.leaky_network((P[:, :4], None), (np.stack([P] * steps), None), (P[:3], None), leak)


@settings(max_examples=10)
@given(SEEDS)
def test_numbers_are_those_of_the_theory(seed):
    net, X = second.draw(np.random.default_rng(seed), low=0.2)
    r = bn.report(net, X)
    assert (r.steps, r.width, r.d_in, r.d_out, r.inputs) == (net.steps, net.width, net.d_in, net.d_out, len(X))
    assert r.effective_depth == pytest.approx(float(net.effective_depth))
    assert r.action == pytest.approx(second.action(net))
    s = bn.singular_values([second.product(second.factors(net, x)) for x in X])
    assert r.lower_bound == pytest.approx(float(np.max(leaky_lower_bound(s, net.leak))), rel=1e-9)
    every = np.cumsum(r.effective_depth + 2 + 2 * np.log(np.maximum(s, 1e-300)), axis=1)
    assert r.dimension_bound == pytest.approx(max(0.0, np.max(every)), rel=1e-9)
    if r.dimension_bound > 1e-6:
        assert r.dimension_k == 1 + np.unravel_index(np.argmax(every), every.shape)[1]
    assert r.dimension_bound <= r.lower_bound * (1 + 1e-9) <= r.action * (1 + 2e-9)
    h = np.swapaxes([second.forward(net, x)[0] for x in X], 0, 1) / np.sqrt(len(X))
    np.testing.assert_allclose(r.states, bn.singular_values(h), atol=1e-12)
    np.testing.assert_allclose(r.representations, bn.singular_values(np.maximum(h, 0)), atol=1e-12)
    np.testing.assert_allclose(r.weights[1:-1], bn.singular_values(net.hidden[0]), rtol=1e-12)
    if r.k:
        c = leaky_certificate(net, X, r.k)
        assert list(r.parts) == list(PARTS)
        assert r.parts["excess"] == pytest.approx(float(np.median(c.excess)), rel=1e-9)
        assert r.parts["motion"] == pytest.approx(float(np.median(np.sum(c.motion, 1))), rel=1e-9)
        assert r.parts["spectra"] <= 2 * r.parts["excess"] * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_at_leak_one_it_agrees_with_the_plain_report(seed):
    net = bn.random_network(np.random.default_rng(seed), (3, *[5] * (2 + seed), 2))
    X = np.random.default_rng(seed + 9).normal(size=(12, 3))
    r, plain = bn.report(leaky.from_network(net), X), bn.report(net, X)
    for name in ("width", "d_in", "d_out", "rank", "gap", "decided", "k", "middle", "bottleneck", "dtype"):
        assert getattr(r, name) == getattr(plain, name), name
    assert r.steps + 2 == r.effective_depth + 2 == plain.depth
    assert r.action == pytest.approx(plain.squared_norm, rel=1e-12)
    assert r.lower_bound == pytest.approx(plain.lower_bound, rel=1e-9)
    assert r.certified_gap >= plain.certified_gap * (1 - 1e-9)  # the plain report sees pairs of inputs as well
    np.testing.assert_allclose(r.weights, plain.weights, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(r.representations, plain.representations, rtol=1e-9, atol=1e-12)
    for name in ("weight_ranks", "representation_ranks"):
        assert [a.rank for a in getattr(r, name)] == [a.rank for a in getattr(plain, name)]
    if r.parts:
        assert r.parts["excess"] == pytest.approx(plain.rhs, rel=1e-9)
        assert r.parts["motion"] == 0
    assert r.verdict.split(";")[0].rstrip(".") == plain.verdict.split(";")[0].split(".")[0]
    assert "plain network of depth" in r.words["depth"]
    assert "Every certificate of a plain network applies" in r.words["certificates"]


def test_a_bottleneck_and_what_is_proved_of_it():
    X = np.abs(np.random.default_rng(0).normal(size=(20, 4)))
    r = bn.report(kept_dimensions(0.5), X)
    assert r.bottleneck == "bottleneck"
    assert r.verdict == "A bottleneck of rank 2, decided; 100 % of the action is certified."
    sure = float(re.search(r"at least ([\d.]+) in all, of 8 with both ends, have exactly 2", r.words["theorem"])[1])
    assert sure == 8.0
    assert "What does not apply" in r.words["certificates"]


def test_leaks_of_less_than_a_layer_tell_no_rank():
    X = np.abs(np.random.default_rng(0).normal(size=(20, 4)))
    r = bn.report(kept_dimensions(0.05), X)
    assert r.bottleneck == "undecided"
    assert "bottleneck" not in r.verdict
    assert r.words["bottleneck"].startswith("The leaks are too small")
    assert "as in a plain residual network" in r.words["depth"]


@settings(max_examples=50)
@given(SEEDS, st.floats(0.0, 0.3), st.floats(0.1, 1.0))
def test_the_sentence_on_the_theorem_holds(seed, noise, leak):
    rng = np.random.default_rng(seed)
    net = kept_dimensions(leak, steps=20)
    moved = jax.tree.map(lambda a: a + noise * rng.normal(size=a.shape) / 6, (net.first, net.hidden, net.last))
    net = leaky.LeakyNetwork(*moved, net.leak)
    c = leaky_certificate(net, np.abs(rng.normal(size=4)), 2)
    parts = {"excess": float(c.excess), "spectra": float(np.sum(c.spectra))}
    sure = re.search(r"at least ([\d.]+) in all", leaky_words.theorem(parts, float(net.effective_depth), 2, 2))
    weights = [net.first[0], *net.hidden[0], net.last[0]]
    counts = np.array([np.sum(bn.singular_values(W) > 0.5) for W in weights])
    leaks = np.pad(np.asarray(net.leak), 1, constant_values=1.0)
    if sure:
        assert np.sum(leaks[counts == 2]) >= float(sure[1]) - 1e-9


def test_the_sentence_on_the_theorem_rounds_down_and_keeps_to_its_limit():
    near = {"excess": 0.26, "spectra": 0.1}
    assert leaky_words.theorem(near, 8.0, 2, 2).startswith(
        "Layers with leaks of at least 7.9 in all, of 10 with both ends, have exactly 2"
    )
    assert "too large (above 1.25) to prove it" in leaky_words.theorem({"excess": 1.25, "spectra": 2.4}, 8.0, 2, 2)
    assert "says little here" in leaky_words.theorem({"excess": 1.25, "spectra": 2.5}, 8.0, 2, 2)
    assert leaky_words.theorem(near, 8.0, 2, 3).endswith("It stands at k = 2, the rank of a Jacobian.")
    assert leaky_words.theorem(None, 8.0, 0, 0).endswith("the bottleneck rank is zero.")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_user_s_network_is_read_with_its_skip(dtype):
    layers = [(W.astype(dtype), b.astype(dtype)) for W, b in STACK]
    r = bn.report(state(layers, *NAMES), X, outputs=user(layers, X, 0.75), skip=0.75)
    hidden = [np.stack([layer[part] for layer in layers[1:-1]]).astype(float) / 0.25 for part in (0, 1)]
    net = leaky.leaky_network(
        tuple(a.astype(float) for a in layers[0]), hidden, tuple(a.astype(float) for a in layers[-1]), 0.25
    )
    np.testing.assert_allclose(leaky.apply(net, X), user(layers, X, 0.75), rtol=1e-6, atol=1e-6)
    expected = bn.report(net, X)
    assert r.action == pytest.approx(expected.action, rel=1e-12)
    assert r.lower_bound == pytest.approx(expected.lower_bound, rel=1e-9)
    np.testing.assert_allclose(r.weights, expected.weights, rtol=1e-12)
    assert (r.dtype, expected.dtype) == (np.dtype(dtype).name, "float64")
    assert r.reading.difference < 1e-5
    assert "keep 0.75 of their state: the leak is 0.25, and W = M / 0.25" in " ".join(str(r).split())
    alone = bn.report(state(layers, *NAMES), X, skip=0.75)
    assert (alone.action, alone.reading.difference) == (r.action, None)


def test_outputs_settle_orientations_and_orders_of_a_network_with_skips():
    layers = layers_of(np.random.default_rng(1), 6, 6, 6, 6, 6, bias=False)
    given = [W.T for W, _ in layers]
    at = np.random.default_rng(2).normal(size=(30, 6))
    Y = user([(W, 0.0) for W, _ in layers], at, 0.5)
    assert bn.report(given, at, outputs=Y, skip=0.5).reading.layout == "in_out"


def test_hidden_layers_that_are_not_square_keep_nothing():
    layers = layers_of(np.random.default_rng(1), 4, 8, 8, 5, 5, 2)
    Y = user(layers, X, 0.5)
    r = bn.report(state(layers, *NAMES), X, outputs=Y, skip=0.5)
    assert r.leak.tolist() == [0.5, 1.0, 0.5]
    expected = sum(np.sum(W**2) + np.sum(b**2) for W, b in layers)
    expected += sum(np.sum(layers[i][0] ** 2) + np.sum(layers[i][1] ** 2) for i in (1, 3))  # 1/0.5 of each in all
    assert r.action == pytest.approx(expected)


@pytest.mark.parametrize(
    ("skip", "how", "message"),
    [
        (0.75, {"skip": 0.7}, DIFFERS),
        (0.75, {"skip": 0.0}, DIFFERS),
        (0.75, {}, f"{DIFFERS}.*All hidden layers are square: .* give skip=s"),
        (0.0, {"skip": 0.1}, DIFFERS),
        (1.0, {}, f"{DIFFERS}.*skip connections around square layers; without a leak.*residual_bound.*bn.spectra"),
        (1.0, {"skip": 0.9}, f"{DIFFERS}.*residual_bound.*bn.spectra"),
        (0.75, {"skip": 0.75, "negative_slope": 0.1}, "A network with skip must have ReLU"),
    ],
)
def test_wrong_readings_are_refused(skip, how, message):
    with pytest.raises(ValueError, match=message):
        bn.report(state(STACK, *NAMES), X, outputs=user(STACK, X, skip), **how)


def test_another_slope_is_refused():
    h = X @ STACK[0][0].T + STACK[0][1]
    for W, b in STACK[1:-1]:
        h = 0.75 * h + np.where(h > 0, h, 0.2 * h) @ W.T + b
    Y = np.where(h > 0, h, 0.2 * h) @ STACK[-1][0].T + STACK[-1][1]
    with pytest.raises(ValueError, match=DIFFERS):
        bn.report(state(STACK, *NAMES), X, outputs=Y, skip=0.75)


def test_a_plain_residual_network_is_refused_with_what_remains_valid():
    with pytest.raises(ValueError, match="skip=1") as refused:
        bn.report(state(STACK, *NAMES), X, skip=1)
    said = str(refused.value)
    assert re.fullmatch(r"[^.]*(\.(?=\w)[^.]*)*\.", said)  # one sentence
    for name in ("residual_bound", "bnlib.theory.leaky_bounds", "bn.spectra", "above 1/2 is no rank"):
        assert name in said
    J = np.eye(9)
    for W, _ in STACK[1:-1]:  # what it names can be called
        J = (np.eye(9) + W) @ J
    assert float(residual_bound(J, 3, matrices=1)) <= sum(np.sum(W**2) for W, _ in STACK[1:-1])
    assert len(bn.spectra(state(STACK, *NAMES)).weights) == 5


@pytest.mark.parametrize(
    ("net", "how", "message"),
    [
        (STACK, {"skip": 1.5}, r"skip must be a number in \[0, 1\)"),
        (STACK, {"skip": -0.1}, r"skip must be a number in \[0, 1\)"),
        (STACK, {"skip": "a"}, r"skip must be a number in \[0, 1\)"),
        (STACK, {"skip": True}, r"skip must be a number in \[0, 1\)"),
        (layers_of(RNG, 4, 9, 2), {"skip": 0.5}, "skip needs a square hidden layer"),
        (layers_of(RNG, 4, 9, 5, 2), {"skip": 0.5}, "skip needs a square hidden layer"),
        (kept_dimensions(0.5), {"skip": 0.5}, "skip is that of the LeakyNetwork itself"),
        (kept_dimensions(0.5), {"layout": "out_in"}, "layout is that of the LeakyNetwork itself"),
        (bn.from_layers([(np.eye(4), None)] * 4, negative_slope=0.1), {"skip": 0.5}, "must have ReLU"),
    ],
)
def test_what_is_no_leaky_network_is_refused(net, how, message):
    with pytest.raises(ValueError, match=message):
        bn.report(net, X, **how)


def test_a_record_is_compared_with_outputs():
    net, at = second.draw(np.random.default_rng(3), count=30)
    Y = np.asarray(leaky.apply(net, at))
    assert bn.report(net, at, outputs=Y).reading.difference < 1e-12
    assert bn.report(net, at).reading is None
    wrong = leaky.LeakyNetwork(net.first, net.hidden, net.last, 0.99 * net.leak)
    with pytest.raises(ValueError, match=DIFFERS):
        bn.report(wrong, at, outputs=Y)
    bad = leaky.LeakyNetwork(net.first, net.hidden, net.last, np.nan * net.leak)
    with pytest.raises(ValueError, match="must be finite"):
        bn.report(bad, at)


def test_a_network_that_is_known_by_its_layers_takes_a_skip():
    r = bn.report(bn.from_layers(STACK), X, skip=0.75)
    assert r.action == pytest.approx(bn.report(state(STACK, *NAMES), X, skip=0.75).action)


def test_everything_is_computed_in_64_bits_whatever_the_session():
    net, at = second.draw(np.random.default_rng(4), count=20)
    short = jax.tree.map(lambda a: np.asarray(a, np.float32), net)
    with jax.enable_x64(False):
        found = bn.report(short, at)
    wide = bn.report(jax.tree.map(lambda a: np.asarray(a, np.float64), short), at)
    assert (found.dtype, wide.dtype) == ("float32", "float64")
    for name in ("action", "lower_bound", "dimension_bound", "effective_depth"):
        assert getattr(found, name) == pytest.approx(getattr(wide, name), rel=1e-13), name
    assert found.parts == pytest.approx(wide.parts, rel=1e-9)
    np.testing.assert_allclose(found.representations, wide.representations, rtol=1e-9, atol=1e-12)


def test_text_page_json_and_figure(tmp_path):
    net, at = second.draw(np.random.default_rng(6), count=20, layers=6)
    r = bn.report(net, at, outputs=leaky.apply(net, at))
    for numerical in (False, True):
        text = r.text(numerical=numerical)
        assert text.startswith(r.verdict[:40])
        assert all(len(line) <= 70 for line in text.splitlines() if "http" not in line)
        assert ("numerical" in text) == numerical
    for words in ("effective depth", "action", "optimality gap", "off active", "What does not apply"):
        assert words in str(r)
        assert words in r._repr_html_()
    r.to_html(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    stored = json.loads(r.to_json(tmp_path / "r.json"))
    assert stored["leak"] == r.leak.tolist()
    assert stored["parts"] == r.parts
    assert (stored["verdict"], stored["bottleneck"], stored["words"]) == (r.verdict, r.bottleneck, r.words)
    assert len(stored["weights"]) == len(stored["weight_ranks"]) == net.steps + 2
    assert isinstance(r.plot(tmp_path / "r.png"), matplotlib.figure.Figure)


def test_command_line(tmp_path, capsys):
    weights, inputs, outputs = (tmp_path / f"{name}.npz" for name in ("weights", "inputs", "outputs"))
    np.savez(weights, **state(STACK, *NAMES))
    np.savez(inputs, X=X)
    np.savez(outputs, Y=user(STACK, X, 0.75))
    line = ["report", str(weights), "--inputs", str(inputs), "--outputs", str(outputs)]
    assert main([*line, "--skip", "0.75", "--html", str(tmp_path / "r.html")]) == 0
    shown = capsys.readouterr().out
    assert shown == f"{bn.report(weights, X, outputs=user(STACK, X, 0.75), skip=0.75)}\n"
    assert "effective depth" in shown
    assert main(line) == 2
    assert "give skip=s" in capsys.readouterr().err
