"""Spectra of recorded arrays of any model: exact numbers of built matrices, blocks, kernels, and what is refused."""

import json
import tracemalloc
from itertools import product

import jax
import jax.numpy as jnp
import matplotlib
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnlib as bn
from bnlib.measure import _recordings, words
from bnlib.measure.recorded import DRAWN
from bnlib.theory.spectra import participation_ratio
from models import Tensor, half
from strategies import FIXED_X, fixed_net, with_spectrum

seeds = st.integers(0, 2**32 - 1)


def one(A, **settings):
    """Measure one weight."""
    return bn.spectra({"W": A}, **settings).weights["W"]


def acts(A, **settings):
    """Measure one array of activations."""
    return bn.spectra(activations={"A": A}, **settings).activations["A"]


COUNTS = ("rank", "dimension", "gap_at", "numerical_rank", "decided")
NUMBERS = (*COUNTS, "gap", "numerical_gap", "participation_ratio", "stable_rank", "mean_share")


def numbers(spectrum):
    return {name: getattr(spectrum, name) for name in NUMBERS if getattr(spectrum, name) is not None}


def same(one, other, *, scale=1.0):
    np.testing.assert_allclose(one.singular_values * scale, other.singular_values, rtol=1e-9, atol=1e-12 * scale)
    for name, value in numbers(one).items():
        if name not in ("numerical_gap", "rank"):
            assert value == pytest.approx(getattr(other, name), rel=1e-6, abs=1e-9), name


# Numbers of matrices whose singular values are known.


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 6), seeds)
def test_the_rank_of_a_built_matrix(rows, columns, rank, seed):
    rank = min(rank, rows, columns)
    s = np.sort(np.random.default_rng(seed).uniform(0.6, 3.0, rank))[::-1]
    found = one(with_spectrum(s, (rows, columns), seed))
    assert (found.rank, found.numerical_rank, found.decided) == (rank, rank, True)
    np.testing.assert_allclose(found.singular_values[:rank], s, rtol=1e-10)
    assert len(found.singular_values) == min(rows, columns)


def test_the_numbers_by_hand():
    found = one(np.diag([2.0, 1.0, 0.5, 0.0]))
    assert found.rank == 2  # one half is not above one half
    assert (found.gap, found.gap_at) == (pytest.approx(0.5), 1)
    assert found.participation_ratio == pytest.approx(5.25**2 / (16 + 1 + 1 / 16))
    assert found.stable_rank == pytest.approx(5.25 / 4)
    # Without the third 0.25 of 5.25 is lost, more than a hundredth of the squares.
    assert (found.dimension, found.numerical_rank) == (3, 3)
    assert one(np.diag([1.0, 0.1])).dimension == 1
    assert one(np.diag([1.0, 0.11])).dimension == 2
    assert (one(np.array([[3.0]])).gap, one(np.array([[3.0]])).gap_at) == (0.0, 0)
    full = one(np.eye(3))  # the end of a full matrix is no gap
    assert (full.rank, full.gap) == (3, pytest.approx(0.0))


def test_zeros_have_no_rank():
    for found in (one(np.zeros((3, 2))), acts(np.zeros((3, 2)))):
        assert (found.dimension, found.numerical_rank, found.decided, found.gap) == (0, 0, True, 0.0)
        assert (found.participation_ratio, found.stable_rank, found.mean_share or 0.0) == (0.0, 0.0, 0.0)
    assert "nan" not in str(bn.spectra({"W": np.zeros((3, 2))}, {"A": np.zeros((3, 2))}))


def test_thresholds_are_those_of_a_report():
    net = fixed_net()
    report = bn.report(net, FIXED_X)
    hidden = bn.activations(net, FIXED_X).post
    found = bn.spectra(
        {str(i): W for i, (W, _) in enumerate(net.layers)}, {str(i): np.asarray(A) for i, A in enumerate(hidden)}
    )
    for spectrum, rank in zip(found.weights.values(), report.weight_ranks, strict=True):
        assert (spectrum.rank, spectrum.numerical_rank, spectrum.decided) == (
            rank.rank,
            rank.numerical_rank,
            rank.decided,
        )
    for spectrum, rank, s in zip(
        found.activations.values(), report.representation_ranks, report.representations, strict=True
    ):
        assert spectrum.dimension == rank.rank
        np.testing.assert_allclose(spectrum.singular_values, s, rtol=1e-9, atol=1e-12)
    assert 0 < words.GAP < 1


@given(seeds, st.sampled_from([1e-200, 1e-3, 7.0, 1e150]))
def test_turning_and_scaling_change_no_count(seed, scale):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(7, 4)) * np.geomspace(1, rng.uniform(0.01, 1), 4)
    U, V = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in A.shape)
    same(one(A, scale_free="W"), one(U @ A @ V, scale_free="W"))
    same(one(A), one(A.T))
    same(one(A, scale_free="W"), one(scale * A, scale_free="W"), scale=scale)
    same(acts(A), acts(scale * A), scale=scale)
    same(acts(A), acts(A @ V))
    same(acts(A), acts(A[rng.permutation(7)]))
    same(acts(A), acts(np.concatenate([A, A])))  # by the number of rows


def test_participation_is_that_of_the_theory():
    A = np.random.default_rng(0).normal(size=(9, 5))
    assert one(A).participation_ratio == pytest.approx(float(participation_ratio(A)))


@given(seeds, st.floats(0, 3))
def test_the_mean_is_not_taken_off_but_its_share_is_told(seed, size):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(20, 3))
    A = A - A.mean(0) + size
    found = acts(A)
    assert found.mean_share == pytest.approx(60 * size**2 / np.sum(A**2), abs=1e-12)
    np.testing.assert_allclose(found.singular_values, np.linalg.svd(A, compute_uv=False) / np.sqrt(20), rtol=1e-10)
    few = rng.normal(size=(2, 3)) + size
    assert acts(few).mean_share == pytest.approx(2 * np.sum(few.mean(0) ** 2) / np.sum(few**2))


# Blocks of rows.


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("shape", [(17, 4), (4, 17), (2, 5, 3), (3, 2, 4, 3), (1, 17, 5, 2)])
def test_blocks_say_what_the_whole_says(monkeypatch, rows, shape):
    A = np.random.default_rng(0).normal(size=shape) + 0.5
    monkeypatch.setattr(_recordings, "ROWS", 10**6)
    whole = acts(A, channels="last")
    monkeypatch.setattr(_recordings, "ROWS", rows)
    assert max(len(block) for block in _recordings.blocks(A)) <= max(rows, shape[-1])
    np.testing.assert_array_equal(np.concatenate(list(_recordings.blocks(A))), A.reshape(-1, shape[-1]))
    same(whole, acts(A, channels="last"))
    same(whole, acts(np.moveaxis(A, -1, 1), channels="first") if A.ndim > 3 else acts(A.reshape(-1, shape[-1])))
    if A.ndim == 2:
        same(one(A), one(A.T))


def test_many_rows_are_never_copied_whole():
    rows, d = 400_000, 8
    A = np.broadcast_to(np.arange(d, dtype=np.float16), (rows, d))  # no memory
    tracemalloc.start()
    try:
        found = acts(A)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < rows * d * 8 / 10
    assert (found.dimension, found.mean_share) == (1, pytest.approx(1.0))
    wide = np.broadcast_to(np.arange(d, dtype=np.float32)[:, None], (d, rows))
    tracemalloc.start()
    try:
        assert one(wide).numerical_rank == 1
        assert tracemalloc.get_traced_memory()[1] < rows * d * 8 / 10
    finally:
        tracemalloc.stop()


# Types.


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, np.float32])
def test_narrow_types_are_read_exactly(dtype):
    A = np.random.default_rng(0).normal(size=(5, 4)).astype(dtype)
    found = one(A)
    np.testing.assert_allclose(found.singular_values, np.linalg.svd(A.astype(np.float64), compute_uv=False), rtol=1e-12)
    assert found.dtype == np.dtype(dtype).name
    same(found, one(jnp.asarray(A)))


def test_tensors_keep_the_type_that_stores_them():
    tensor, values = half(np.random.default_rng(0).normal(size=(5, 4)))
    found = one(tensor)
    np.testing.assert_allclose(found.singular_values, np.linalg.svd(values.astype(float), compute_uv=False), rtol=1e-12)
    assert found.dtype == "bfloat16"
    assert one(Tensor(values)).dtype == "float32"


def test_a_coarse_type_decides_no_numerical_rank():
    found = one(np.eye(200).astype(ml_dtypes.bfloat16))
    assert (found.numerical_rank, found.decided) == (0, False)  # 200 roundings are more than the whole
    assert not one(np.diag([1.0, 0.0]).astype(ml_dtypes.bfloat16)).decided
    assert one(np.diag([1.0, 1e-8])).numerical_rank == 2
    assert one(np.diag([1.0, 1e-8]).astype(np.float32)).numerical_rank == 1
    assert "200?" in bn.spectra({"W": np.eye(200, dtype=np.float16)}).text(numerical=True)


# Kernels.


def convolution(K, size, stride, circular):
    """Return the matrix of a convolution (out, in, h, w) on images (in, size, size)."""
    out, inner, h, w = K.shape
    places = range(0, size, stride)
    M = np.zeros((out, len(places), len(places), inner, size, size))
    for (p, i), (q, j) in product(enumerate(places), enumerate(places)):
        for a, b in product(range(h), range(w)):
            x, y = i + a - h // 2, j + b - w // 2
            if circular:
                x, y = x % size, y % size
            if 0 <= x < size and 0 <= y < size:
                M[:, p, q, :, x, y] += K[:, :, a, b]
    return M.reshape(out * len(places) ** 2, -1)


@given(seeds, st.sampled_from([1, 2]), st.booleans(), st.sampled_from([(3, 3), (2, 3), (1, 3)]))
def test_the_norm_of_a_convolution_lies_between_its_bounds(seed, stride, circular, taps):
    rng = np.random.default_rng(seed)
    K = rng.normal(size=(2, 3, *taps)) if seed % 3 else np.ones((2, 3, *taps))
    low, high = one(K, layout="out_in").operator_norm
    norm = np.linalg.norm(convolution(K, 5, stride, circular), 2)
    assert low * (1 - 1e-12) <= norm <= high * (1 + 1e-12)
    assert high == pytest.approx(low * np.sqrt(np.prod(taps)))


def test_the_upper_bound_of_a_convolution_is_met():
    K = np.ones((1, 1, 3, 3))
    assert np.linalg.norm(convolution(K, 4, 1, True), 2) == pytest.approx(one(K, layout="out_in").operator_norm[1])
    W = np.random.default_rng(0).normal(size=(3, 2))
    assert one(W).operator_norm == (pytest.approx(np.linalg.norm(W, 2)),) * 2


@given(seeds, st.integers(1, 3))
def test_outputs_of_a_kernel_of_rank_k_have_k_channels(seed, k):
    rng = np.random.default_rng(seed)
    K = (rng.normal(size=(4, k)) @ rng.normal(size=(k, 18))).reshape(4, 2, 3, 3)
    found = one(K, layout="out_in")
    assert (found.numerical_rank, found.rank, found.taps, found.matrix) == (k, None, 9, (4, 18))
    images = (convolution(K, 4, 1, False) @ rng.normal(size=(32, 10))).reshape(4, 16, 10)
    assert acts(images.transpose(2, 1, 0)).numerical_rank == k


def test_both_layouts_of_a_kernel_agree():
    K = np.random.default_rng(0).normal(size=(6, 5, 3, 2))
    same(one(K, layout="out_in"), one(K.transpose(2, 3, 1, 0), layout="in_out"))
    deep = np.random.default_rng(0).normal(size=(6, 5, 3, 2, 2))
    same(one(deep, layout="out_in"), one(deep.transpose(2, 3, 4, 1, 0), layout="in_out"))
    point = one(K[:, :, :1, :1], layout="out_in")
    assert (point.kind, point.rank) == ("matrix", one(K[:, :, 0, 0]).rank)


# What is read, and under which name.


def test_trees_stacks_and_names():
    rng = np.random.default_rng(0)
    tree = {
        "blocks": [{"up": rng.normal(size=(4, 3)), "bias": np.zeros(4)}, {"up": [[1.0, 2.0], [3.0, 4.0]]}],
        "heads": rng.normal(size=(2, 5, 3)),
        "step": 7,
        "act": np.tanh,
        "none": None,
        "optimizer": {"state": {0: rng.normal(size=(4, 3))}},
        "norm": {"weight": np.ones(3), "count": np.array(3)},
    }
    found = bn.spectra(tree, scale_free=["heads"])
    assert list(found.weights) == ["blocks/0/up", "blocks/1/up", "heads[0]", "heads[1]"]
    assert found.left_out == ("blocks/0/bias", "step", "act", "none", "optimizer", "norm/weight", "norm/count")
    assert [s.rank is None for s in found.weights.values()] == [False, False, True, True]
    np.testing.assert_allclose(
        found.weights["heads[1]"].singular_values, np.linalg.svd(tree["heads"][1], compute_uv=False)
    )
    assert "A number in brackets" in found.words["matrix"]
    assert "blocks/0/bias, step" in found.words["left_out"]


def test_a_file_and_a_state_are_read(tmp_path):
    state = bn.to_torch_state(fixed_net())
    np.savez(tmp_path / "weights.npz", **state)
    from_file, from_state = bn.spectra(tmp_path / "weights.npz"), bn.spectra(state)
    assert list(from_state.weights) == ["0.weight", "2.weight", "4.weight"]
    for name, spectrum in from_state.weights.items():
        same(spectrum, from_file.weights[name])


KERNEL, IMAGES = np.ones((4, 3, 3, 3)), np.ones((2, 3, 4, 4))
REFUSED = [
    ({"weights": {"k": KERNEL}}, "'k' has shape (4, 3, 3, 3), like the kernel of a convolution: give layout='out_in'"),
    ({"activations": {"h": IMAGES}}, "'h' has shape (2, 3, 4, 4): give channels='first'"),
    ({"weights": {"q": np.ones((64, 4, 16))}}, "'q' has shape (64, 4, 16), too many matrices for a stack"),
    ({"weights": {"W": np.array([[1.0, np.nan]])}}, "'W' must be finite, but it contains NaN or infinity."),
    ({"activations": {"h": np.array([[1.0], [-np.inf]])}}, "'h' must be finite, but it contains NaN or infinity."),
    ({"weights": {"W": np.ones((2, 2), np.int8)}}, "'W' holds int8, such as pixels, tokens, masks or quantised"),
    ({"activations": {"t": np.ones((2, 5), np.int64)}}, "or by .astype(float), or leave it out."),
    ({"weights": {"m": np.ones((2, 2), bool)}}, "'m' holds bool"),
    ({"weights": {"W": np.ones((2, 2)) * 1j}}, "'W' is complex; give np.block("),
    ({"weights": {"W": np.ones((2, 2), np.longdouble)}}, "which bnlib would round; give it as float64."),
    ({"weights": {"W": np.ones((0, 2))}}, "'W' is empty: its shape is (0, 2)."),
    ({"weights": {"W": np.array([["a", "b"]])}}, "'W' must hold numbers, but its type is <U1."),
    ({"activations": {"h": np.ones(3)}}, "'h' has shape (3,), but activations have shape (N, d)"),
    ({"activations": {"h": np.ones((2, 2)), "f": np.tanh}}, "'f' in activations is no array; leave it out."),
    ({"weights": np.eye(2)}, "weights must be a dictionary from names to arrays, but it is of the type ndarray"),
    ({"weights": {"b": np.ones(3)}}, "There is nothing to measure"),
    ({}, "There is nothing to measure"),
    ({"weights": {"a/b": np.eye(2), "a": {"b": np.eye(2)}}}, "weights holds two matrices named 'a/b'"),
    ({"weights": {"a": np.ones((1, 2, 2)), "a[0]": np.eye(2)}}, "weights holds two matrices named 'a[0]'"),
    ({"weights": {"W": np.eye(2)}, "scale_free": ["V"]}, "scale_free holds 'V', but the names are W."),
    ({"weights": {"W": np.eye(2)}, "layout": "hwio"}, "layout must be 'out_in' or 'in_out', but it is 'hwio'."),
    ({"activations": {"h": IMAGES}, "channels": 1}, "channels must be 'first' or 'last', but it is 1."),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_what_is_refused_names_the_array_and_the_way_out(given, message):
    with pytest.raises(ValueError, match=r"\.$") as error:
        bn.spectra(**given)
    assert message in str(error.value)


def test_the_ways_out_lead_out():
    assert one(KERNEL, layout="out_in").taps == 9
    assert one(np.ones((4, 3, 1, 3)), layout="out_in").taps == 3
    assert acts(IMAGES, channels="first").matrix == (32, 3)
    assert acts(np.ones((2, 5), np.int64).astype(float)).dimension == 1
    A = np.diag([1.0, 2.0j])
    assert one(np.block([[A.real, -A.imag], [A.imag, A.real]])).singular_values == pytest.approx([2, 2, 1, 1])


def test_a_traced_array_is_refused():
    with pytest.raises(ValueError, match="cannot be part of a compiled program"):
        jax.jit(lambda W: one(W).singular_values)(np.eye(2))


# The text, the file and the figure.


def large():
    rng = np.random.default_rng(0)
    weights = {f"transformer.layers.{i}.feed_forward.{'x' * 9 * i}": rng.normal(size=(5, 4)) for i in range(14)}
    return bn.spectra(weights | {"conv": KERNEL}, {"tokens": np.ones((3, 10, 4))}, layout="out_in")


def test_lines_fit_into_seventy_characters():
    found = large()
    for text in (str(found), found.text(numerical=True)):
        assert max(map(len, text.splitlines())) <= 70
    huge = np.broadcast_to(np.float32(1.0), (10**6, 1))
    assert max(map(len, str(bn.spectra({"W": huge}, {"A": huge})).splitlines())) <= 70


def test_the_text_says_what_does_not_apply():
    found = bn.spectra({"W": np.eye(2)}, {"A": np.ones((4, 2))})
    assert set(found.words) == {"columns", "matrix", "activations", "certificates"}
    assert "the lower bound of the norm, the bottleneck theorem and the bottleneck rank" in found.words["certificates"]
    lines = str(found).splitlines()
    assert lines[1].split() == ["W", "2", "x", "2", "2", "2", "0.00", "1", "2.0"]
    assert next(line for line in lines if line.startswith("A ")).split()[4] == "100%"
    assert " - " in str(bn.spectra({"W": np.eye(2)}, scale_free=["W"]))
    assert "scale is free." in bn.spectra({"W": np.eye(2)}, scale_free=["W"]).words["matrix"]


def test_json_holds_all_numbers(tmp_path):
    found, file = large(), tmp_path / "spectra.json"
    assert found.to_json(file) + "\n" == file.read_text()
    read = json.loads(file.read_text())
    assert list(read["weights"]) == list(found.weights)
    for part in ("weights", "activations"):
        for name, spectrum in getattr(found, part).items():
            np.testing.assert_array_equal(read[part][name]["singular_values"], spectrum.singular_values)
            assert all(read[part][name][number] == value for number, value in numbers(spectrum).items())
    assert read["words"] == found.words
    assert json.loads(bn.spectra({"Z": np.zeros((2, 2))}).to_json())["weights"]["Z"]["numerical_gap"] is None
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(ValueError, match="Cannot write"):
        found.to_json(tmp_path / "missing" / "spectra.json")


def test_the_figure_draws_each_spectrum(tmp_path):
    matplotlib.use("agg")
    found = large()
    fig = found.plot(tmp_path / "spectra.png")
    drawn = [ax for ax in fig.axes if ax.lines]
    assert len(drawn) == DRAWN < len(found.weights) + len(found.activations)
    assert fig.get_suptitle() == f"the first {DRAWN} of 16"
    for ax, spectrum in zip(drawn, found.weights.values(), strict=False):
        grey, counted = (line.get_ydata() for line in ax.lines[:2])
        np.testing.assert_array_equal(np.concatenate([counted, grey]), spectrum.singular_values)
        assert len(counted) == spectrum.rank
    chosen = found.plot(names=["tokens", "conv"])
    assert [ax.get_title() for ax in chosen.axes] == ["tokens", "conv"]
    assert [ax.get_legend().get_texts()[0].get_text() for ax in chosen.axes] == ["1/10: 1 of 4", "1/10: 1 of 4"]
    with pytest.raises(ValueError, match=r"names holds 'tok', but the names are conv, tokens, .* more\."):
        found.plot(names="tok")
    assert [path.name for path in tmp_path.iterdir()] == ["spectra.png"]
    matplotlib.pyplot.close("all")
