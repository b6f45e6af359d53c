"""What is measured of a network: at every depth, in blocks, in float64, and nothing twice."""

import logging
import re
from pathlib import Path

import jax
import numpy as np
import pytest

import bnlib as bn
from bnlib.measure import measures
from strategies import FIXED_X, fixed_net


def numbers(r):
    """Return every number of a report by name; the reading is none."""
    return {name: value for name, value in vars(r).items() if name != "reading"}


def agree(one, other, rtol=1e-12):
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, float | np.ndarray) or name.endswith("_ranks"):
            np.testing.assert_allclose(np.array(value, float), np.array(other[name], float), rtol, 1e-14, err_msg=name)
        else:
            assert value == other[name], name


# Blocks.


@pytest.mark.parametrize("few", [1, 4, 5, 10])
def test_blocks_measure_what_the_whole_does(monkeypatch, few):
    X = np.random.default_rng(1).normal(size=(10, 3))
    whole = bn.report(fixed_net(), X)
    monkeypatch.setattr(measures, "rows_at_once", lambda *_: few)
    agree(numbers(whole), numbers(bn.report(fixed_net(), X)))


@pytest.mark.parametrize(("inputs", "rows"), [(10, 4), (8, 4), (3, 4), (1, 4)])
def test_blocks_hold_every_input_once_and_have_one_shape(inputs, rows):
    X = np.arange(inputs)
    found = list(measures._blocks(X, rows))
    np.testing.assert_array_equal(np.concatenate([block[-new:] for block, new in found]), X)
    assert {len(block) for block, _ in found} == {min(rows, inputs)}


@pytest.mark.parametrize(("d_in", "width", "d_out"), [(8, 16, 4), (64, 64, 10), (784, 512, 10), (784, 512, 784)])
def test_a_block_has_no_array_above_the_bound(d_in, width, d_out):
    net = jax.eval_shape(lambda: bn.init(jax.random.key(0), d_in, width, d_out, 8, scheme="he"))
    for arrays, most in ((8, measures.CERTIFIED), (1, measures.ROWS)):
        rows = measures.rows_at_once(net, arrays, most)
        assert 1 <= rows <= most
        largest = max(width * width, d_in * d_out, width * d_out, width * d_in)
        assert rows * arrays * largest <= measures.ENTRIES or rows == 1


def peak(job):
    """Return by how many bytes a job raises the resident memory at its highest."""
    status = Path("/proc/self/status")
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far is forgotten

    def now(name):
        return 1024 * int(re.search(rf"{name}:\s+(\d+) kB", status.read_text())[1])

    before = now("VmRSS")
    job()
    return now("VmHWM") - before


def test_no_second_wide_copy_of_the_inputs_is_made():
    """Inputs of 32 bits cost two copies, which JAX makes to take them over, and a byte for each number: 9 bytes.

    With a copy of 64 bits beside one of 32 they would cost 12. Blocks are four arrays of 64 bits at most.
    """
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux forgets the highest memory so far, and JAX's copies are not NumPy's to count")
    n, d_in = 60_000, 256
    net = bn.from_layers([(np.ones((2, d_in), np.float32) / d_in, None), *[(np.eye(2, dtype=np.float32), None)] * 2])
    X = np.random.default_rng(0).normal(size=(n, d_in)).astype(np.float32)
    blocks = 4 * 8 * measures.ROWS * d_in
    for run in (bn.report, bn.bottleneck_rank):
        run(net, X[: 3 * measures.ROWS])  # compiles
        worst = max(peak(lambda run=run: run(net, X)) for _ in range(2))
        assert worst <= 9 * X.size + blocks, run
        assert peak(lambda run=run: run(net, X.astype(np.float64))) > 9 * X.size + blocks, run


# A second report.


def test_a_second_report_of_the_same_shapes_compiles_nothing(caplog):
    net, X = fixed_net(), np.tile(FIXED_X, (30, 1))
    other = jax.tree.map(lambda a: 1.001 * a, net)  # of the same rank
    bn.report(net, X)
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        bn.report(other, 2 * X)
        assert not [record for record in caplog.records if "ompil" in record.getMessage()]
        bn.report(other, X[:7])
    assert [record for record in caplog.records if "ompil" in record.getMessage()]


# Depth 1 and 2.


def test_depth_two_is_measured_without_a_rank():
    rng = np.random.default_rng(0)
    net = bn.from_layers([(rng.normal(size=(5, 3)), rng.normal(size=5)), (rng.normal(size=(2, 5)), None)])
    r = bn.report(net, FIXED_X)
    assert (r.rank, r.gap, r.decided, r.k, r.lhs, r.bottleneck) == (None, None, False, 0, None, "no middle")
    assert r.squared_norm == pytest.approx(float(bn.squared_norm(net)))
    assert r.lower_bound == bn.lower_bound(net, FIXED_X) <= r.squared_norm
    assert r.imbalance == pytest.approx(np.max(np.abs(bn.balance_residual(net))))
    assert r.ntk_trace == pytest.approx(np.mean(bn.ntk_trace(net, FIXED_X)))
    np.testing.assert_array_equal(r.representations, bn.representation_singular_values(net, FIXED_X))
    assert (len(r.weight_ranks), len(r.representation_ranks)) == (2, 1)
    assert r.verdict.startswith("No middle layers, and so no bottleneck rank; ")
    assert "bottleneck rank    none       no middle layers to read it in" in str(r)
    assert "theorem" not in str(r).partition("what to try")[0].replace("[weights-theorem", "")
    assert r.words["features"].startswith("The hidden features lie near ")


def test_a_fold_is_certified_by_pairs_of_inputs():
    """At each input its slope is one, so that one input certifies half of the norm; two certify all of it."""
    net = bn.from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)])
    r = bn.report(net, [[-1.0], [0.5], [1.0]])
    assert (r.lower_bound, r.pair_bound, r.bound) == pytest.approx((2.0, 4.0, 4.0))
    assert r.certified_gap == pytest.approx(0, abs=1e-12)
    assert "100 % of the norm is certified" in r.verdict
    assert r.words["norm"].endswith("(100 %) is certified to be needed, by pairs of inputs: one alone certifies 50 %.")
    assert "what this function needs, by pairs" in str(r)
    assert "gain-alternation" in str(r)
    one = bn.report(net, [[1.0]])
    assert (one.pair_bound, one.bound) == (None, one.lower_bound)
    assert "by pairs" not in str(one)


def test_pairs_are_of_as_many_inputs_as_fit(monkeypatch):
    net, X = bn.random_network(np.random.default_rng(0), (3, 5, 5, 2), bias=0.5), FIXED_X
    seen = []
    monkeypatch.setattr("bnlib.measure.measures.gain_bound", lambda net, some: seen.append(len(some)) or 1.0)
    bn.report(net, X)
    monkeypatch.setattr("bnlib.measure.measures.PAIRED", 3)
    bn.report(net, X)
    assert seen == [len(X), 3]


def test_depth_one_has_its_norm_as_its_bound():
    W = np.random.default_rng(0).normal(size=(2, 3))
    r = bn.report([(W, None)], FIXED_X)
    assert r.lower_bound == pytest.approx(r.squared_norm) == pytest.approx(np.sum(W**2))
    assert (r.imbalance, r.relative_imbalance, r.representations.shape[0]) == (None, None, 0)
    assert "There is no hidden neuron that could be out of balance." in str(r)
    assert r.words["features"] == "There are no hidden features."


def test_a_block_of_a_larger_model_is_measured_by_its_names():
    rng = np.random.default_rng(0)
    state = {}
    for block in range(2):
        for name, shape in (("fc1", (8, 3)), ("fc2", (3, 8))):
            state[f"h.{block}.mlp.{name}.weight"] = rng.normal(size=shape)
            state[f"h.{block}.mlp.{name}.bias"] = rng.normal(size=shape[0])
    r = bn.report(state, FIXED_X, layers=["h.1.mlp.fc1", "h.1.mlp.fc2"])
    own = bn.from_layers([(state[f"h.1.mlp.{n}.weight"], state[f"h.1.mlp.{n}.bias"]) for n in ("fc1", "fc2")])
    assert (r.depth, r.d_in, r.d_out) == (2, 3, 3)
    agree(numbers(r), numbers(bn.report(own, FIXED_X)))


# Types, and what no number can be said of.


def state():
    """Weights with a second singular value that is rounding in 32 bits and a number in 64."""
    return {f"{2 * i}.weight": np.diag([1.0, 1e-10]) for i in range(4)}


@pytest.mark.parametrize("x64", [False, True])
def test_float64_weights_are_judged_in_float64_in_every_session(tmp_path, capsys, x64):
    from bnlib.__main__ import main

    X = np.array([[1.0, 2.0], [2.0, 1.0]])
    near = X + 1e-12  # in 32 bits it is X
    np.savez(tmp_path / "w.npz", **state())
    np.savez(tmp_path / "x.npz", X=X)
    with jax.enable_x64(x64):
        r = bn.report(state(), X)
        assert main(["report", str(tmp_path / "w.npz"), "--inputs", str(tmp_path / "x.npz")]) == 0
    assert capsys.readouterr().out == f"{r}\n"
    assert r.dtype == "float64"
    assert [rank.numerical_rank for rank in r.weight_ranks] == [2] * 4
    with jax.enable_x64(x64):
        assert 0 < abs(bn.report(state(), near).ntk_trace - r.ntk_trace) < 1e-9
    narrow = bn.report({name: W.astype(np.float32) for name, W in state().items()}, X)
    assert (narrow.dtype, narrow.weight_ranks[0].numerical_rank) == ("float32", 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [("W", 2), ("b", 3), ("W", 1)])
def test_a_network_with_nan_or_infinity_is_refused_by_its_layer(value, where):
    layers = [[np.array(W), np.array(b)] for W, b in fixed_net().layers]
    layers[where[1] - 1]["Wb".index(where[0])].flat[0] = value
    (first, *middle, last) = [tuple(layer) for layer in layers]
    hidden = tuple(np.stack(part) for part in zip(*middle, strict=True))
    with pytest.raises(ValueError, match=rf"^{where[0]} of layer {where[1]} must be finite, but it contains NaN"):
        bn.report(bn.Network(first, hidden, last), FIXED_X)


def test_an_ensemble_is_refused_with_a_way_out():
    net = jax.tree.map(lambda a: np.stack([a, a]), fixed_net())
    with pytest.raises(ValueError, match="net is an ensemble of 2 networks"):
        bn.report(net, FIXED_X)


def test_numbers_that_overflow_are_one_sentence():
    net = bn.from_layers([(1e200 * np.eye(3), None)] * 4)
    with pytest.raises(ValueError, match="too large for float64; scale X or the weights"):
        bn.report(net, np.abs(FIXED_X))
