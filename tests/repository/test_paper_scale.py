"""Runs at the papers' scale: results stay whole, go on after a kill and come with an estimate."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import bnlib as bn
from bnlib import experiments
from bnlib.experiments import Setting
from bnlib.experiments.registry import EXPERIMENTS
from bnlib.training import trajectory
from notebook_checks import ROOT
from scripts.chapters.book import Book
from scripts.pages.status_page import experiments_table, state
from scripts.runs import paper_scale

TINY = tuple(Setting("affine-law", 1, 6, 4, 6, 15, 0.002, seed) for seed in range(4))
PROBE = paper_scale.probe


def test_the_environment_chooses_the_scale_before_the_form_does(monkeypatch, capsys):
    assert (bn.scale("paper"), bn.scale("quick")) == ("quick", "quick")  # as for all tests
    monkeypatch.setenv("BNLIB_SCALE", "paper")
    assert bn.scale("quick") == "paper"
    monkeypatch.delenv("BNLIB_SCALE")
    assert (bn.scale("paper"), bn.scale("quick")) == ("paper", "quick")
    assert capsys.readouterr().out.count("wants an accelerator") == 2
    with pytest.raises(ValueError, match="The scale must be one of quick, paper, but it is 'large'"):
        bn.scale("large")


@pytest.fixture
def tiny(monkeypatch):
    """An experiment of four small nets with inserted layers."""
    how = {"stages": ((0.003, 20), (0.0, 20)), "depth": 6, "shallow": ((0.01, 30),)}
    law = replace(EXPERIMENTS["affine-law"], plan=lambda quick, seeds: list(TINY), schedule=lambda setting: how)
    monkeypatch.setitem(EXPERIMENTS, "affine-law", law)
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


def test_the_status_page_tells_what_is_pending():
    page = experiments_table(Book(ROOT).manifests)
    for name in experiments.NAMES:
        assert f"| `{name}` | " in page
    entry = {"planned": 4, "seeds": [], "runs": []}
    assert [state(entry | {"stored": n}) for n in (0, 1, 4)] == ["pending", "1 of 4", "all 4"]
