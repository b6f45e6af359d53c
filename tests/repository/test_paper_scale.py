"""The papers' experiments: their settings; results stay whole, go on after a kill and come with an estimate."""

import json
import subprocess
import sys
from itertools import pairwise

import jax
import numpy as np
import pytest

import bnlib as bn
import reference
from bnlib.experiments import Setting
from bnlib.experiments import catalogue as experiments
from bnlib.training import outcome, trajectory
from notebook_checks import ROOT
from scripts.chapters.run_notebooks import Book, state, status_page
from scripts.runs import paper_scale

TINY = tuple(Setting("affine-law", 1, 6, 4, 6, 15, 0.002, seed) for seed in range(4))
PROBE = paper_scale.probe


def check_papers_settings(plan):
    j22 = plan("fig-j22")
    assert {(s.rank, s.depth, s.width, s.n) for s in j22} == {(4, 13, 100, 500)}
    assert {s.ridge * s.depth for s in j22} == {0.05}
    assert len(j22) >= 4
    data = experiments.task(j22[0])
    assert data.X.shape == data.Y.shape == (500, 50)

    j23 = plan("fig-j23")
    assert {(s.rank, s.width) for s in j23} == {(2, 200)}
    assert min(s.n for s in j23) >= 1000
    assert max(s.depth for s in j23) == 25
    assert len({s.depth for s in j23}) > 2
    assert len({s.ridge for s in j23}) > 2
    data = experiments.task(j23[0])
    assert (data.X.shape[1], data.Y.shape[1], data.latent.shape[1]) == (20, 20, 8)

    law = [s for s in plan("affine-law") if s.ridge == 0.002]
    assert {(s.width, s.n) for s in law} == {(40, 150)}
    assert {(s.rank, s.depth, s.seed) for s in law} == {
        (k, L, seed) for k in (1, 2, 3) for L in (6, 8, 10, 12, 16, 20, 24) for seed in range(8)
    }
    control = [s for s in plan("affine-law") if s.ridge != 0.002]
    assert np.ptp([s.ridge * s.depth for s in control]) < 1e-15
    assert {s.depth for s in control} == {6, 8, 10, 12, 16, 24}

    assert {(s.depth, s.width, s.ridge) for s in plan("symmetry")} == {(25, 200, 0.0002)}


def test_experiments_have_the_papers_settings():
    check_papers_settings(experiments.plan)
    for field, value in {"ridge": 0.05, "depth": 12, "width": 50, "n": 100}.items():
        with pytest.raises(AssertionError):
            check_papers_settings(lambda name, f=field, v=value: [s._replace(**{f: v}) for s in experiments.plan(name)])


@pytest.mark.parametrize("name", experiments.NAMES)
def test_every_setting_can_be_trained_and_is_planned_once(name):
    for quick in (False, True):
        plan = experiments.plan(name, quick=quick)
        assert len(set(plan)) == len(plan) > 0
        for setting in plan:
            assert setting.quick == quick
            # Nothing deeper than eight layers starts at its full depth. No start is below half of it, two fifths where
            # the start is trained for longer, or a quarter of depths that are reached by insertion alone; those of the
            # phase diagrams need not find the rank.
            share = 0.4 if "shallow" in experiments.schedule(setting) else 0.25 if name == "affine-law-deep" else 0.5
            least = 6 if name.startswith("phase") else share * setting.depth
            if isinstance(setting.start, str):
                assert setting.start_depth == setting.depth
                assert "depth" not in experiments.schedule(setting)
                continue
            assert setting.start_depth == setting.depth <= 8 or least <= setting.start_depth < setting.depth
    assert {s.seed for s in experiments.plan(name, seeds=3)} >= {0, 1}


def test_a_record_holds_what_loops_over_layers_and_points_give():
    setting = TINY[1]._replace(depth=8, start_depth=8)
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


def test_the_environment_chooses_the_scale_before_the_form_does(monkeypatch, capsys):
    assert (bn.scale("paper"), bn.scale("quick")) == ("quick", "quick")  # as for all tests
    monkeypatch.setenv("BNLIB_SCALE", "paper")
    assert bn.scale("quick") == "paper"
    monkeypatch.delenv("BNLIB_SCALE")
    assert (bn.scale("paper"), bn.scale("quick")) == ("paper", "quick")
    assert capsys.readouterr().out.count("wants an accelerator") == 2
    with pytest.raises(ValueError, match="The scale must be one of quick, paper, but it is 'large'"):
        bn.scale("large")


def test_unknown_experiments_are_refused():
    with pytest.raises(
        ValueError, match="no experiment 'fig-j24'; the experiments are affine-law, affine-law-deep, fig-j22"
    ):
        experiments.plan("fig-j24")
    with pytest.raises(ValueError, match="no experiment 'fig-j24'"):
        experiments.load("fig-j24")
    with pytest.raises(ValueError, match="seeds must be an integer >= 1"):
        experiments.plan("fig-j22", seeds=0)


def test_data_do_not_depend_on_the_precision_of_the_session():
    setting = experiments.plan("fig-j23", quick=True)[0]
    wide = experiments.task(setting)
    with jax.enable_x64(False):
        narrow = experiments.task(setting)
    assert np.array_equal(wide.X, narrow.X)
    assert not np.array_equal(wide.X, experiments.task(setting._replace(seed=1)).X)


def test_the_small_grid_has_the_data_of_the_chapters_quick_one():
    quick, small = experiments.plan("fig-j23", quick=True)[0], experiments.plan("fig-j23-small")[0]
    assert np.array_equal(experiments.task(quick).Y, experiments.task(small).Y)


def test_a_wheel_finds_the_results_beside_the_module(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "__file__", str(tmp_path / "bnlib" / "experiments.py"))
    assert experiments.folder() == tmp_path / "results"
    (tmp_path / "bnlib" / "results").mkdir(parents=True)
    assert experiments.folder() == tmp_path / "bnlib" / "results"


@pytest.fixture
def tiny(monkeypatch):
    """An experiment of four small nets with inserted layers."""
    monkeypatch.setattr(experiments, "plan", lambda name, quick=False, seeds=None: TINY if name == "affine-law" else ())
    how = {"stages": ((0.003, 20), (0.0, 20)), "depth": 6, "shallow": ((0.01, 30),)}
    monkeypatch.setattr(experiments, "schedule", lambda s: how)
    monkeypatch.setattr(experiments, "NAMES", ("affine-law",))
    # The true one compiles two programs.
    monkeypatch.setattr(paper_scale, "probe", lambda settings: paper_scale.Cost(1e-4, 1e-5, 0.1))


def read(folder):
    return json.loads((folder / "affine-law.json").read_text())


def test_results_have_a_manifest_and_no_weights(tiny, tmp_path, capsys):
    assert paper_scale.main(["affine-law"], tmp_path) == 0
    content = read(tmp_path)
    manifest = content["manifest"]
    assert (manifest["stored"], manifest["planned"], manifest["seeds"]) == (4, 4, [0, 1, 2, 3])
    assert manifest["settings"]["depth"] == [6]
    (run,) = manifest["runs"]
    assert run["command"] == "python -m scripts.runs.paper_scale affine-law"
    assert run["device"].startswith("cpu")
    assert run["trained"] == 4
    assert run["seconds"] > 0
    assert run["versions"].keys() == {"python", "bnlib", "jax", "jaxlib", "numpy", "optax"}
    assert manifest["sha256"] == experiments.checksum(content["records"])

    records = experiments.load("affine-law", tmp_path / "affine-law.json")
    assert [paper_scale.setting_of(r) for r in records] == list(TINY)
    assert {len(r["weights"]) for r in records} == {6}
    # First seeds only: it is expensive.
    assert [("stationarity" in r) for r in records] == [True, False, False, False]
    assert max(np.size(value) for r in records for value in r.values()) <= 6 * 10
    result = bn.train(*experiments.member(TINY[2]), **experiments.schedule(TINY[2]))
    assert records[2] == json.loads(json.dumps(experiments.measure(TINY[2], result)))

    before = (tmp_path / "affine-law.json").read_bytes()
    capsys.readouterr()
    assert paper_scale.main(["affine-law"], tmp_path) == 0
    assert "4 stored, 0 to do" in capsys.readouterr().out
    assert (tmp_path / "affine-law.json").read_bytes() == before


def test_a_killed_run_continues_with_the_same_result(tiny, tmp_path, monkeypatch, capsys):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert paper_scale.main(["affine-law"], whole) == 0
    # Killed in the last deep stage of the third training, after two were stored and its shallow net was trained.
    run_phase, seen = trajectory.run_phase, []

    def dying(phase, *rest):
        seen.append(phase)
        if [p.steps for p in seen].count(30) == 3 and phase.width == 0 and phase.kind != "adam":
            raise KeyboardInterrupt
        return run_phase(phase, *rest)

    monkeypatch.setattr(trajectory, "run_phase", dying)
    with pytest.raises(KeyboardInterrupt):
        paper_scale.main(["affine-law"], killed)
    assert read(killed)["manifest"]["stored"] == 2
    assert list((killed / ".checkpoints").iterdir())

    seen.clear()
    monkeypatch.setattr(trajectory, "run_phase", lambda phase, *rest: (seen.append(phase), run_phase(phase, *rest))[1])
    capsys.readouterr()
    assert paper_scale.main(["affine-law"], killed) == 0
    assert "2 stored, 2 to do" in capsys.readouterr().out
    assert [phase.steps for phase in seen].count(30) == 1  # only the fourth training began at its beginning
    assert read(killed)["records"] == read(whole)["records"]
    assert [run["trained"] for run in read(killed)["manifest"]["runs"]] == [2, 2]
    assert not list((killed / ".checkpoints").iterdir())


def test_an_interrupted_write_leaves_the_old_results_whole(tiny, tmp_path, monkeypatch):
    results = paper_scale.Results("affine-law", tmp_path)
    record = dict(zip(Setting._fields, TINY[0], strict=True)) | {"squared_norm": 1.0}
    results.store([record], [])
    before = results.path.read_bytes()
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        results.store([record | {"squared_norm": 2.0}], [])
    assert results.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["affine-law.json"]
    assert results.records() == [record]


def test_edited_results_are_refused(tiny, tmp_path, capsys):
    results = paper_scale.Results("affine-law", tmp_path)
    record = dict(zip(Setting._fields, TINY[0], strict=True)) | {"squared_norm": 1.5}
    results.store([record], [])
    results.path.write_text(results.path.read_text().replace("1.5", "1.4"))
    with pytest.raises(ValueError, match=r"affine-law\.json' are not those of its manifest"):
        results.records()
    assert paper_scale.main(["affine-law"], tmp_path) == 1
    assert "checksum differs" in capsys.readouterr().err
    results.path.write_text(results.path.read_text()[:-20])
    with pytest.raises(ValueError, match=r"affine-law\.json' is no results file"):
        results.records()


def test_results_of_other_settings_are_pending(tiny, tmp_path):
    results = paper_scale.Results("affine-law", tmp_path)
    results.store([dict(zip(Setting._fields, TINY[0]._replace(ridge=0.1), strict=True))], [])
    assert results.records() == []


def test_a_dry_run_says_the_time_and_stores_nothing(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paper_scale, "probe", PROBE)
    assert paper_scale.main(["affine-law", "--dry-run"], tmp_path) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "affine-law: 4 trainings, 0 stored, 4 to do."
    assert second.startswith("On 1 device (cpu) that takes about ")
    assert "seconds" in second or "minutes" in second
    assert "GB of memory for each device" in second
    assert list(tmp_path.iterdir()) == []


def test_time_that_is_up_leaves_the_rest_pending(tiny, tmp_path, capsys):
    assert paper_scale.main(["affine-law", "--minutes", "0"], tmp_path) == 2
    assert "the time is up; 4 trainings are pending" in capsys.readouterr().out
    assert state(read(tmp_path)["manifest"]) == "pending"


def test_estimates_grow_with_what_there_is_to_do():
    cost = paper_scale.Cost(fixed=0.001, per_layer=0.001, compilation=2.0)
    small, large = experiments.plan("affine-law")[0], experiments.plan("affine-law")[-1]
    assert cost.seconds(small) == pytest.approx((500 + 2700) * 0.007)
    assert cost.seconds(large) > cost.seconds(small)
    assert cost.total([small] * 4, 4) < cost.total([small] * 4, 1) < cost.total([small, large] * 2, 1)
    assert paper_scale.memory([small]) < 0.1 < paper_scale.memory(experiments.plan("fig-j23")) < 2
    assert [paper_scale.span(s) for s in (5, 119, 120, 9000)] == [
        "5 seconds",
        "119 seconds",
        "2.0 minutes",
        "2.5 hours",
    ]


def test_chunks_share_a_schedule_and_lose_nothing():
    plan = experiments.plan("affine-law")
    parts = list(paper_scale.chunks(plan, 3))
    assert sorted(s for part in parts for s in part) == sorted(plan)
    assert max(map(len, parts)) == 3
    assert all(len({str(experiments.schedule(s)) for s in part}) == 1 for part in parts)


def test_each_core_becomes_a_device():
    code = "from scripts.runs import paper_scale; import jax; print(len(jax.devices()) == paper_scale.CORES)"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "True"


@pytest.mark.parametrize("name", experiments.NAMES)
def test_stored_results_are_whole_and_of_the_plan(name):
    content = json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))
    records = experiments.load(name)
    assert content["manifest"]["planned"] == len(experiments.plan(name))
    assert content["manifest"]["stored"] == len(records) == len(content["records"])
    assert bool(content["manifest"]["runs"]) == bool(records)
    assert all(np.isfinite(r["squared_norm"]) and r.get("lower_bound", 0.0) <= r["squared_norm"] for r in records)


def test_the_status_page_tells_what_is_pending():
    page = status_page({}, Book(ROOT).manifests)
    for name in experiments.NAMES:
        assert f"| `{name}` | " in page
    entry = {"planned": 4, "seeds": [], "runs": []}
    assert [state(entry | {"stored": n}) for n in (0, 1, 4)] == ["pending", "1 of 4", "all 4"]


def test_the_symmetry_record_tells_what_a_layer_keeps():
    """A net that copies its inputs keeps the phase, a constant one nothing."""
    copies = bn.from_layers([(np.vstack([np.eye(4), -np.eye(4)]), None), (np.ones((1, 8)), None)])
    constant = bn.from_layers([(np.zeros((8, 4)), np.ones(8)), (np.ones((1, 8)), None)])
    kept, nothing = (experiments._symmetry(experiments.plan("symmetry")[0], net) for net in (copies, constant))
    assert kept["orbit_share"][0] > 0.8
    assert nothing["orbit_share"] == [0, 0]
    _, _, phase = kept["decoded_linearly"][0]
    assert phase > 0.9
    assert np.max(nothing["decoded"]) <= 0
    assert np.shape(kept["codes"]) == (1, 200, 2)
    assert np.shape(kept["component_shares"]) == (1, 4)


def test_the_record_of_planets_tells_what_a_layer_keeps():
    """A net that copies the positions keeps the phase and the size, a constant one nothing."""
    energy, shape = (next(s for s in experiments.plan("planets") if s.rank == rank) for rank in (2, 1))
    copies = bn.from_layers([(np.vstack([np.eye(6), -np.eye(6)]), None), (np.ones((1, 12)), None)])
    constant = bn.from_layers([(np.zeros((12, 6)), np.ones(12)), (np.ones((1, 12)), None)])
    kept, similar, nothing = (
        experiments._symmetry(*pair) for pair in ((energy, copies), (shape, copies), (shape, constant))
    )
    assert kept["orbit_share"][0] > 0.8
    assert similar["orbit_share"][0] > kept["orbit_share"][0], "size counts as lost where only the shape matters"
    assert nothing["orbit_share"] == [0, 0]
    assert kept["decoded_linearly"][0][2] > 0.9
    eccentricity, size, _ = similar["decoded_linearly"][0]
    assert size > eccentricity, "the size is close to a linear function of |x|, the eccentricity is not"
    assert np.max(nothing["decoded"]) <= 0
    assert "codes" not in kept
