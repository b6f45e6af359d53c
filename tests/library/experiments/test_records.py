"""What the book keeps of a trained network, and the files that hold it."""

import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

import bnlib as bn
import reference
from bnlib import experiments
from bnlib.experiments import Setting, measurements, planets, records, symmetry
from bnlib.training import outcome
from notebook_checks import ROOT


def test_a_record_holds_what_loops_over_layers_and_points_give():
    setting = Setting("affine-law", 1, 8, 8, 6, 15, 0.002, 1)
    rng, data = np.random.default_rng(0), experiments.task(setting)
    sizes = [20, *[6] * 7, 20]
    net = bn.from_layers([(rng.normal(size=(o, i)) / np.sqrt(i / 2), rng.normal(size=o)) for i, o in pairwise(sizes)])
    result = outcome.summarise(net, np.ones(200), 0.0, data.X, data.Y, setting.ridge, 0.0)
    record = experiments.measure(setting, result)

    layers = reference.layers(result.net)
    np.testing.assert_allclose(record["layer_norms"], [np.sum(W**2) + b @ b for W, b in layers], rtol=1e-4)
    errors = [
        np.array(reference.forward(result.net, x)[0][-1]) - y for x, y in zip(data.X_test, data.Y_test, strict=True)
    ]
    assert record["test_mse"] == pytest.approx(np.mean(np.square(errors).sum(1)), rel=1e-4)
    post = [reference.forward(result.net, x)[1] for x in data.X[: experiments.KEPT]]
    for quarter, found in enumerate(record["kernels"], 1):
        A = np.array([alpha[setting.depth * quarter // 4] for alpha in post])  # alpha_l is entry l
        np.testing.assert_allclose(found, (A @ A.T)[np.triu_indices(len(A))], rtol=1e-4)
    assert len(record["kernels"]) == 3
    assert record["left"] < record["right"]


def test_a_wheel_finds_the_results_beside_the_library(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "__file__", str(tmp_path / "bnlib" / "experiments" / "records.py"))
    assert experiments.folder() == tmp_path / "results"
    (tmp_path / "bnlib" / "results").mkdir(parents=True)
    assert experiments.folder() == tmp_path / "bnlib" / "results"


@pytest.mark.parametrize("name", experiments.NAMES)
def test_stored_results_are_whole_and_of_the_plan(name):
    content = json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))
    stored = experiments.load(name)
    assert content["manifest"]["planned"] == len(experiments.plan(name))
    assert content["manifest"]["stored"] == len(stored) == len(content["records"])
    assert bool(content["manifest"]["runs"]) == bool(stored)
    assert all(np.isfinite(r["squared_norm"]) and r.get("lower_bound", 0.0) <= r["squared_norm"] for r in stored)


def test_the_symmetry_record_tells_what_a_layer_keeps():
    """A net that copies its inputs keeps the phase, a constant one nothing."""
    copies = bn.from_layers([(np.vstack([np.eye(4), -np.eye(4)]), None), (np.ones((1, 8)), None)])
    constant = bn.from_layers([(np.zeros((8, 4)), np.ones(8)), (np.ones((1, 8)), None)])
    kept, nothing = (symmetry.kept(net, 2) for net in (copies, constant))
    assert kept["orbit_share"][0] > 0.8
    assert nothing["orbit_share"] == [0, 0]
    _, _, phase = kept["decoded_linearly"][0]
    assert phase > 0.9
    assert np.max(nothing["decoded"]) <= 0
    assert np.shape(kept["codes"]) == (1, 200, 2)
    assert np.shape(kept["component_shares"]) == (1, 4)


def test_the_record_of_planets_tells_what_a_layer_keeps():
    """A net that copies the positions keeps the phase and the size, a constant one nothing."""
    copies = bn.from_layers([(np.vstack([np.eye(6), -np.eye(6)]), None), (np.ones((1, 12)), None)])
    constant = bn.from_layers([(np.zeros((12, 6)), np.ones(12)), (np.ones((1, 12)), None)])
    kept, similar, nothing = (planets.kept(*pair) for pair in ((copies, 2), (copies, 1), (constant, 1)))
    assert kept["orbit_share"][0] > 0.8
    assert similar["orbit_share"][0] > kept["orbit_share"][0], "size counts as lost where only the shape matters"
    assert nothing["orbit_share"] == [0, 0]
    assert kept["decoded_linearly"][0][2] > 0.9
    eccentricity, size, _ = similar["decoded_linearly"][0]
    assert size > eccentricity, "the size is close to a linear function of |x|, the eccentricity is not"
    assert np.max(nothing["decoded"]) <= 0
    assert "codes" not in kept


def test_records_keep_five_digits():
    found = measurements.five_digits({"a": [1 / 3, 12345678.0, 7, None, True]})
    assert found == {"a": [0.33333, 12346000.0, 7, None, True]}


def test_the_theorem_is_taken_where_the_jacobian_has_its_rank_whatever_its_size(monkeypatch):
    """At the last point one of the two neurons is dead."""
    given, X = [], np.array([[1.0, 2.0], [2.0, 1.0], [1.0, -1.0]])

    def certificate(net, some, k):
        given.append(some)
        return SimpleNamespace(lhs=np.ones(2), rhs=np.ones(2), per_layer=np.ones((2, 3)))

    stubs = {"bottleneck_certificate": certificate, "ntk_trace": lambda *_: np.ones(3), "sharpness": lambda *_: 1.0}
    for name, stub in stubs.items():
        monkeypatch.setattr(measurements, name, stub)
    for size in (1.0, 1e-9):
        net = bn.from_layers([(np.eye(2), None), (np.eye(2), None), (size * np.eye(2), None)])
        found = measurements.certified(Setting("fig-j23", 2, 3, 3, 2, 3, 0.01, 1), net, SimpleNamespace(X=X))
        assert found["full_rank"] == pytest.approx(2 / 3)
        np.testing.assert_array_equal(given[-1], X[:2])
