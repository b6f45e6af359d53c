"""The section on a training and on two networks: its snippets run, and it shows what is stored."""

import json
import re

import jax
import matplotlib
import numpy as np
import pytest
from PIL import Image

import bnlib as bn
from bnlib.measure.files import load_arrays
from notebook_checks import ROOT
from scripts.runs import along_training, stored, three_networks
from strategies import FIXED_X, fixed_net

SECTION = (ROOT / "book" / "_includes" / "along.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", SECTION, re.S)


@pytest.fixture(scope="module")
def measured():
    return along_training.measure()


def test_the_page_includes_the_section():
    page = (ROOT / "book" / "your_network.md").read_text(encoding="utf-8")
    assert page.count("```{include} _includes/along.md\n") == 1


def test_the_section_shows_the_stored_networks(measured):
    for name, found in zip(("along", "pair"), measured, strict=True):
        assert (along_training.SHOWN / f"{name}.txt").read_text(encoding="utf-8") == f"{found}\n"
        with Image.open(along_training.SHOWN / f"{name}.png") as figure:
            assert figure.info["Source"] == along_training.drawn_from()


def test_the_figures_show_what_their_descriptions_say(measured):
    curves, pair = measured
    rank = dict(zip(curves.steps.tolist(), curves.rank.tolist(), strict=True))
    assert (rank[0], rank[1000], rank[3000], rank[3500]) == (20, 3, 3, 2)
    assert set(curves.rank[curves.steps >= 3500]) == {2}
    share = curves.lower_bound / curves.squared_norm
    assert np.all(share <= 1)
    assert np.all(np.abs(share[curves.steps >= 1000] - 0.75) < 0.06)
    imbalance = dict(zip(curves.steps.tolist(), curves.relative_imbalance.tolist(), strict=True))
    assert imbalance[0] > 0.9
    assert imbalance[5000] < 0.015
    values = [value for *_, value in pair.pairs]
    assert 0.5 < min(values) <= max(values) < 0.8
    assert pair.nearer == "healthy"
    assert np.min(pair.a.weights[1:-1, :8]) > 1
    assert pair.b.rank == three_networks.RANK


def test_the_checkpoints_are_what_their_manifest_says():
    manifest = json.loads((along_training.STORED / stored.MANIFEST).read_text(encoding="utf-8"))
    assert manifest["sha256"] == stored.checksums(along_training.STORED)
    assert manifest["settings"]["steps"] == list(along_training.STEPS)
    objectives = [t["objective"] for t in manifest["trainings"].values() if "objective" in t]
    assert len(objectives) == len(along_training.STEPS) - 1
    assert objectives == sorted(objectives, reverse=True)


def test_the_training_is_that_of_the_healthy_network():
    first, last = (load_arrays(along_training.STORED / f"step_{step}.npz") for step in (0, three_networks.STEPS))
    end = load_arrays(three_networks.STORED / "healthy.npz")
    for name, a in last.items():
        np.testing.assert_allclose(a, end[name], atol=1e-3)  # another machine may round otherwise
    with jax.enable_x64(True):
        key = jax.random.key(three_networks.SEED + 1)
        start = bn.init(key, three_networks.INPUTS, three_networks.WIDTH, three_networks.OUTPUTS, three_networks.DEPTH)
    for name, a in bn.to_torch_state(start).items():
        np.testing.assert_allclose(first[name], a, rtol=1e-6, atol=1e-12)


def test_the_snippets_run(tmp_path, monkeypatch, capsys):
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    for step in (9, 10):
        np.savez(tmp_path / "checkpoints" / f"step_{step}.npz", **bn.to_torch_state(fixed_net()))
    names = {"bn": bn, "inputs": FIXED_X, "steps": 201, "first": fixed_net(), "second": fixed_net(0.5)}
    names |= {"params": fixed_net(), "state": None, "update": lambda params, state: (params, state)}
    assert len(SNIPPETS) == 3
    for snippet in SNIPPETS:
        assert len(snippet.splitlines()) <= 10
        exec(compile(snippet, "along.md", "exec"), names)
    assert names["curves"].steps.tolist() == [9, 10]
    assert names["recorder"].curves.steps.tolist() == [0, 100, 200]
    assert capsys.readouterr().out == f"{names['curves']}\n{names['recorder'].curves}\n{names['pair']}\n"
    assert {path.name for path in tmp_path.glob("*.png")} == {"along.png", "pair.png"}
    matplotlib.pyplot.close("all")
