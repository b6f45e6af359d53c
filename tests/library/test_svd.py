"""Decompositions: right for what trained bottlenecks look like, finite, in compiled programs, in blocks of rows."""

import os
import re
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnlib as bn
from bnlib import _svd, networks
from bnlib.theory import spectra
from notebook_checks import ROOT
from strategies import FIXED_X, fixed_net, with_spectrum

WIDTH = 200


def woken(seed, n=500):
    """Return a representation of rank three and its singular values: two neurons, and many equal ones that barely woke.

    With about every second seed JAX's decomposition on a processor returns NaN.
    """
    rng = np.random.default_rng(seed)
    A = np.full((n, WIDTH), 1.1e-9)
    A[:, 0], A[:, 1] = 0.0056 * rng.uniform(size=n), 4e-5 * rng.uniform(size=n)
    # Equal columns count as one, times the root of their number.
    return A, np.linalg.svd(A[:, :3] * np.sqrt([1, 1, WIDTH - 2]), compute_uv=False)


MEASURED = {
    "values": lambda A: _svd.values(A)[:3],
    "singular_values": lambda A: bn.singular_values(A)[:3],
    "factors": lambda A: _svd.svd(A)[1][:3],
    "stacked": lambda A: bn.singular_values(np.stack([2 * A, A]))[1, :3],
    "triangle": lambda A: _svd.values(_svd.triangle([A[:300], A[300:450], A[450:]]))[:3],
    "weights": lambda A: bn.weight_singular_values(bn.from_layers([(A, None)]))[0, :3],
    "representations": lambda A: bn.representation_singular_values(as_codes(), A)[1, :3] * np.sqrt(len(A)),
    "report": lambda A: bn.report(as_codes(), A).representations[2, :3] * np.sqrt(len(A)),
    "schatten": lambda A: [bn.schatten(A, 0.5)],
    "cost": lambda A: [bn.linear_cost(A, 4)],
    "lower bound": lambda A: [bn.lower_bound(bn.from_layers([(A, None), (np.eye(len(A)), None)]), np.ones((1, WIDTH)))],
    "expansion": lambda A: bn.linear_expansion(A),
    "determinant": lambda A: [bn.pseudo_determinant(A, 3, log=True)],
    "linear network": lambda A: [bn.squared_norm(bn.linear_network(A, 4))],
    "inserted layers": lambda A: [bn.apply(bn.deepen(as_codes(), 6, rank=3, X=A), A).sum()],
}


def as_codes():
    """Return a network whose hidden representations are its inputs, if these are not negative."""
    return bn.from_layers([*[(np.eye(WIDTH), None)] * 3, (np.ones((1, WIDTH)), None)])


def expected(name, A, s):
    logs = np.log(s)
    return {
        "schatten": [np.sum(s**0.5)],
        "cost": [4 * np.sum(s**0.5)],
        "lower bound": [2 * np.sum(s)],
        "expansion": [3, 2 * logs.sum(), 2 * np.sum(logs**2)],
        "determinant": [logs.sum()],
        "linear network": [4 * np.sum(s**0.5)],
        "inserted layers": [A.sum()],
    }.get(name, s)


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize("seed", [0, 2, 4])
def test_a_bottleneck_of_barely_woken_neurons_is_read_right(name, seed):
    A, s = woken(seed)
    # An absolute error of eps s_1 sqrt(n) is 3e-14, and the third value is 3e-7.
    np.testing.assert_allclose(MEASURED[name](A), expected(name, A, s), rtol=1e-6, atol=1e-14)


def test_rank_and_components_of_barely_woken_neurons():
    A, _ = woken(0)
    assert bn.bottleneck_rank(as_codes(), A).rank == WIDTH  # of the weights
    found = bn.principal_components(as_codes(), A, 3)
    centred = np.linalg.svd((A - A.mean(0))[:, :2], compute_uv=False) ** 2
    np.testing.assert_allclose(found.shares[0, :2], centred / centred.sum(), rtol=1e-6)
    assert [layer.numerical_rank for layer in bn.report(as_codes(), A).representation_ranks] == [3, 3, 3]


def test_factors_rebuild_their_matrix_and_types_stay():
    A = with_spectrum([3.0, 2.0, 1e-9], (5, 4))
    for dtype in (np.float64, np.float32):
        M = A.astype(dtype)
        eps = 20 * np.finfo(dtype).eps
        (U, s, Vt), (values, vectors) = _svd.svd(M), _svd.eigh(M @ M.T)
        assert {a.dtype for a in (U, s, Vt, values, vectors)} == {np.dtype(dtype)}
        np.testing.assert_allclose((U * s) @ Vt, M, atol=eps)
        np.testing.assert_allclose((vectors * values) @ vectors.T, M @ M.T, atol=10 * eps)
        assert np.all(np.diff(values) >= 0)
        assert np.all(np.diff(s) <= 0)
        for Q, R in (_svd.qr(M), jax.jit(_svd.qr)(M)):
            assert {Q.dtype, R.dtype} == {np.dtype(dtype)}
            np.testing.assert_allclose(Q @ R, M, atol=eps)


def test_what_is_not_finite_is_an_error_and_no_rank():
    bad = np.array([[1.0, 0.0], [np.nan, 1.0]])
    for call in (_svd.values, _svd.svd, _svd.qr, _svd.eigh):
        with pytest.raises((FloatingPointError, np.linalg.LinAlgError)):
            call(bad)
    with pytest.raises(ValueError, match="A must be finite"):
        bn.singular_values(bad)
    with pytest.raises(ValueError, match="a non-empty matrix or a stack of such"):
        bn.singular_values(np.ones(3))
    ones, some = np.ones((4, 2)), np.ones((3, 2))
    for weights, representations in ((ones * np.nan, some), (ones, np.where(some > 0, np.inf, 0))):
        with pytest.raises(ValueError, match="must be finite"):
            spectra.rank_of_spectra(weights, representations)


def test_blocks_of_rows_give_what_all_rows_give(monkeypatch):
    net, at = fixed_net(), FIXED_X[:5]
    X = np.random.default_rng(0).normal(size=(40, 3))
    measures = (
        lambda: bn.representation_singular_values(net, X),
        lambda: bn.representation_singular_values(net, at[:2], pre=True),  # fewer inputs than neurons
        lambda: bn.nonlinearity_ratio(net, X),
        lambda: np.abs(bn.principal_components(net, X, 2).scores),
        lambda: np.abs(bn.principal_components(net, X, 2, at).scores),
        lambda: [bn.lower_bound(net, inputs) for inputs in (X, X[::-1])],  # the largest first, or last
        lambda: bn.apply(bn.deepen(net, 5, rank=2, X=X), at),
    )
    whole = [measure() for measure in measures]
    monkeypatch.setattr(networks, "ROWS", 7)
    for before, measure in zip(whole, measures, strict=True):
        np.testing.assert_allclose(measure(), before, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("wide", [True, False])
def test_rows_keep_64_bits_in_a_session_of_32(wide):
    net, X = fixed_net(), np.asarray(FIXED_X, np.float64) + 1e-9  # a shift that 32 bits lose
    for measure in (bn.representation_singular_values, bn.nonlinearity_ratio):
        with jax.enable_x64(wide):
            change = np.abs(measure(net, X) - measure(net, X.astype(np.float32))).max()
        assert 1e-11 < change < 1e-6


def test_no_decomposition_goes_another_way():
    other = re.compile(r"(jnp|jax\.numpy|jax\.scipy)\.linalg\.(?!norm\(|solve_triangular)\w+|initializers\.orthogonal")
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "bnlib").rglob("*.py")}
    texts |= {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob("*.md")}
    assert {name for name, text in texts.items() if other.search(text)} == {"_svd.py"}
    assert all(other.search(text) for text in ("jnp.linalg.svd(A)", "jax.scipy.linalg.svd", "jnp.linalg.qr"))


def test_a_plain_session_does_not_wait_for_ever():
    """With JAX's own decompositions of a batch, each can wait for the other's thread."""
    program = """
        import jax, numpy as np
        import bnlib as bn
        net = bn.init(jax.random.key(0), 4, 6, 4, 8)
        for i in range(25):
            X = np.random.default_rng(i).normal(size=(64, 4))
            bn.bottleneck_certificate(net, X, 1, any_rank=True)
            bn.representation_singular_values(net, X)
            bn.principal_components(net, X, 2)
        print("done")
    """
    plain = {name: value for name, value in os.environ.items() if name not in ("NPROC", "XLA_FLAGS")}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=plain, timeout=600)
    assert done.stdout == "done\n"


def test_traced_networks_are_moved_as_others_are(monkeypatch):
    def build(W):
        return bn.from_layers([(W, None), (W, None)]).first[0]

    W = jnp.eye(3)
    monkeypatch.setenv("BNLIB_PERTURB", "3")
    first = build(W)
    for moved in (first, jax.jit(build)(W)):
        assert 0 < float(jnp.max(jnp.abs(moved - W))) < 30 * np.finfo(float).eps
        assert np.array_equal(moved == 0, W == 0)
    assert np.array_equal(build(W), first)
    monkeypatch.setenv("BNLIB_PERTURB", "4")
    assert not np.array_equal(build(W), first)
