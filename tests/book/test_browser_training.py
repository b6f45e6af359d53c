"""The training of the page of knobs: its code computes what the library computes, and what is said of it is so."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import bnlib as bn
from bnlib.build.balancing import balancing_factors, rescale
from bnlib.theory.spectra import rank_of_spectra
from bnlib.training.objective import smoothed_objective
from bnlib.training.outcome import relative_imbalance
from notebook_checks import ROOT
from scripts.pages import training_figure
from scripts.pages.training_figure import PICTURE, RESULTS, WORKER

needs_node = pytest.mark.skipif(training_figure.node() is None, reason=training_figure.MISSING)

# Trains for `steps`, and tells all before and after one more step, after balancing, and the singular values.
TOLD = """
const trainer = require(process.argv[1])(), { steps, ...options } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const training = trainer.create(options), told = {};
const { shape, theta, moments, gradient } = training, all = () => [theta, moments.m, moments.v].map((a) => [...a]);
for (let t = 0; t < steps; t++) training.advance();
told.reached = training.evaluate();
const { X, Y } = training.data;
Object.assign(told, { layers: shape.layers, X: [...X], Y: [...Y], gradient: [...gradient], before: all() });
told.report = training.report();
training.advance();
told.after = all();
trainer.rebalance(shape, theta, moments.m, moments.v);
console.log(JSON.stringify({ ...told, balanced: all(), imbalance: trainer.imbalance(shape, theta) }));
"""
VALUES = """
const trainer = require(process.argv[1])();
for (const line of require("fs").readFileSync(0, "utf8").trim().split("\\n")) {
  const rows = JSON.parse(line);
  console.log(JSON.stringify(trainer.singularValues(rows.flat(), rows.length, rows[0].length)));
}
"""
SMALL = {"depth": 5, "width": 6, "points": 30, "ridge": 0.01, "steps": 27}


def network(flat, layers):
    """Return a flat vector as a network."""
    flat = np.asarray(flat)
    parts = [(flat[a["W"] : a["b"]].reshape(a["rows"], -1), flat[a["b"] : a["b"] + a["rows"]]) for a in layers]
    return bn.from_layers(parts)


def close(first, second):
    """Return whether two pytrees agree up to rounding."""
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(np.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in pairs)


def faults(root):
    """List where the code of the page computes something else than the library."""
    (told,) = training_figure.run(TOLD, [SMALL], root)

    def at(flat):
        return network(flat, told["layers"])

    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        X, Y = (np.reshape(told[name], (-1, SMALL["points"])).T for name in ("X", "Y"))
        net, mu, nu = map(at, told["before"])
        value, gradient = jax.value_and_grad(smoothed_objective)(net, X, Y, SMALL["ridge"], jnp.zeros(()))
        found = ["objective"] * (not np.isclose(value, told["reached"]["objective"], rtol=1e-12))
        found += ["gradient"] * (not close(gradient, at(told["gradient"])))
        method = optax.adam(5e-3 * (SMALL["steps"] + 1) / 300, b2=0.99)
        adam, rest = method.init(net)
        updates, (adam, _) = method.update(gradient, (adam._replace(count=SMALL["steps"], mu=mu, nu=nu), rest))
        after = optax.apply_updates(net, updates), adam.mu, adam.nu
        found += ["step"] * (not close(after, tuple(map(at, told["after"]))))
        net, mu, nu = map(at, told["after"])
        for parity in (0, 1):
            t = balancing_factors(net, parity)
            net, mu, nu = rescale(net, t), rescale(mu, 1 / t), rescale(nu, 1 / t**2)
        found += ["balance"] * (not close((net, mu, nu), tuple(map(at, told["balanced"]))))
        found += ["imbalance"] * (not np.isclose(relative_imbalance(net), told["imbalance"], rtol=1e-9))
        net, report = at(told["before"][0]), told["report"]
        weights, seen = bn.weight_singular_values(net), bn.representation_singular_values(net, X)
        same = [np.allclose(row[: len(s)], s, atol=1e-9) for row, s in zip(weights, report["spectra"], strict=True)]
        found += ["spectra"] * (not all(same))
        rank, gap, decided = rank_of_spectra(weights, seen)
        read = report["rank"] == rank and np.isclose(report["gap"], gap) and report["decided"] == decided
        return found + ["rank"] * (not read)


@needs_node
def test_the_code_of_the_page_computes_what_the_library_does():
    assert faults(ROOT) == []


@needs_node
@pytest.mark.parametrize(
    ("right", "wrong", "seen"),
    [
        ("g[k] = (2 * error) / N;", "g[k] = error / N;", "gradient"),
        ("if (below[k] <= 0) down[k] = 0;", ";", "gradient"),
        ("- B2 ** t;", "- B1 ** t;", "step"),
        ("[v, -2]", "[v, -1]", "balance"),
        ("into[i] = theta[b + i] ** 2;", "into[i] = 0;", "balance"),
        ("s > 0.5", "s > 1.4", "rank"),
    ],
)
def test_a_fault_in_the_code_of_the_page_is_seen(tmp_path, right, wrong, seen):
    code = (ROOT / WORKER).read_text(encoding="utf-8")
    assert code.count(right) == 1
    (tmp_path / WORKER).parent.mkdir(parents=True)
    (tmp_path / WORKER).write_text(code.replace(right, wrong), encoding="utf-8")
    assert seen in faults(tmp_path)


@needs_node
def test_singular_values_are_those_of_numpy():
    rng = np.random.default_rng(0)
    low = rng.normal(size=(9, 2)) @ rng.normal(size=(2, 7))
    matrices = [
        rng.normal(size=(7, 4)),
        rng.normal(size=(3, 8)),
        low,
        np.eye(5),
        np.zeros((3, 2)),
        np.diag([1e8, 1.0, 1e-8]),
    ]
    found = training_figure.run(VALUES, [A.tolist() for A in matrices])
    for A, s in zip(matrices, found, strict=True):
        exact = np.linalg.svd(A, compute_uv=False)
        assert np.allclose(s, exact, rtol=1e-12, atol=1e-14 * exact[0])
    assert found[-1][-1] == pytest.approx(1e-8, rel=1e-12)  # Jacobi's method keeps small values of graded matrices


@needs_node
def test_a_program_that_fails_says_so():
    with pytest.raises(RuntimeError, match=r"node could not run 'train-worker\.js'"):
        training_figure.run("throw new Error('no')", [{}])


def test_the_stored_trainings_are_those_of_the_code_of_the_page(tmp_path):
    assert training_figure.main(["--check"]) == 0
    for path in (WORKER, RESULTS, PICTURE):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    assert training_figure.stale(tmp_path) == ""
    (tmp_path / PICTURE).write_text("<svg/>", encoding="utf-8")
    assert "training.svg" in training_figure.stale(tmp_path)
    with (tmp_path / WORKER).open("a", encoding="utf-8") as code:
        code.write("// another line\n")
    assert "another 'train-worker.js'" in training_figure.stale(tmp_path)
    content = json.loads((tmp_path / RESULTS).read_text(encoding="utf-8"))
    content["records"][0]["loss"] = 0.5
    (tmp_path / RESULTS).write_text(json.dumps(content), encoding="utf-8")
    assert "checksum" in training_figure.stale(tmp_path)


def test_what_is_said_of_the_training_is_so():
    runs = {(r["target"], r["depth"], r["ridge"], r["seed"]): r for r in training_figure.stored()}
    assert len(runs) == 42

    def of(depth, ridge):
        return [runs[2, depth, ridge, seed] for seed in (0, 1)]

    def middle(r):
        third = r["depth"] // 3
        return np.array(r["spectra"][-1][third : r["depth"] - third])

    for r in of(10, 0.02) + of(12, 0.02):
        assert r["decided"]
        assert r["converged"]
        assert np.all((middle(r)[:, :2] > 1.1) & (middle(r)[:, :2] < 1.3))
        assert np.all(middle(r)[:, 2:] < 0.02)
        assert np.allclose(np.concatenate(r["spectra"][0]), 2**0.5, atol=1e-3)
        assert sum(s > 0.5 for s in r["spectra"][-1][-1]) > 2
    assert runs[2, 10, 0.02, 0]["continued"]["rank"] == 2
    assert 0 <= runs[2, 10, 0.02, 0]["continued"]["fell"] < 1e-3
    for depth in (8, 10, 12):
        for free, held in zip(of(depth, 0.0), of(depth, 0.02), strict=True):
            assert free["loss"] < 0.004
            assert np.all(np.sum(middle(free) > 0.5, axis=1) >= 9)
            assert free["gap"] < 0.25
            assert free["squaredNorm"] >= 5 * held["squaredNorm"]
            assert free["decrease"] > 1e-3
    assert not any(r["converged"] for r in runs.values() if r["ridge"] == 0)
    assert [[(r["rank"], r["decided"]) for r in of(10, 0.01)]] == [[(2, False)] * 2]
    for r in of(10, 0.01):
        third = middle(r)[:, 2]
        assert third[0] < 0.1 < 0.5 < third[-1]
    assert all(np.all(np.sum(middle(r) > 0.5, axis=1)[:-1] == 3) for r in of(8, 0.01))
    assert all(r["rank"] == 2 and r["decided"] for r in of(12, 0.01))
    assert sum(not r["converged"] for depth in (8, 10, 12) for r in of(depth, 0.003)) == 3
    large = [r for depth in (8, 10, 12) for r in of(depth, 0.1)]
    assert [r["collapsed"] for r in large].count(True) == 1
    assert all(r["converged"] and r["objective"] > 2 for r in large if not r["collapsed"])
    assert all(r["rank"] == 1 and r["decided"] for r in runs.values() if r["target"] == 1 and r["ridge"] > 0)
