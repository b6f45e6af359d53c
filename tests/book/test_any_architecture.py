"""The page on spectra of any architecture: its snippet runs, and it shows the stored models."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from bnlib.measure import words
from notebook_checks import ROOT
from scripts.runs import any_architecture, digits_cnn, small_transformer, stored

PAGE = (ROOT / "book" / "any_architecture.md").read_text(encoding="utf-8")
EXAMPLES = {"transformer": small_transformer, "cnn": digits_cnn}
SHOWN = {"transformer": small_transformer.MLP, "cnn": digits_cnn.DRAWN}


@pytest.fixture(scope="module")
def measured():
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # as the scripts run
        return {
            example: {name: module.measure(name) for name in any_architecture.names(module.SEEDS, module.RIDGE)}
            for example, module in EXAMPLES.items()
        }


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_page_shows_the_stored_models(measured, example):
    module, found = EXAMPLES[example], measured[example]
    endings = stored.trainings(module.STORED)
    table = any_architecture.table(found, endings, module.SEEDS, module.RIDGE, SHOWN[example])
    assert (any_architecture.SHOWN / f"{example}.txt").read_text(encoding="utf-8") == table
    one = (any_architecture.SHOWN / f"{example}-penalty-0.txt").read_text(encoding="utf-8")
    assert one == f"{found['penalty-0'][0]}\n"
    with Image.open(any_architecture.SHOWN / f"{example}.png") as figure:
        assert figure.info["Source"] == " ".join(stored.checksums(module.STORED).values())


@pytest.mark.parametrize("module", EXAMPLES.values())
def test_the_stored_models_are_what_their_manifest_says(module):
    manifest = json.loads((module.STORED / stored.MANIFEST).read_text(encoding="utf-8"))
    assert manifest["sha256"] == stored.checksums(module.STORED)
    assert list(manifest["trainings"]) == any_architecture.names(module.SEEDS, module.RIDGE)
    for name, ending in manifest["trainings"].items():
        assert ending["ridge"] == pytest.approx(module.RIDGE[name.partition("-")[0]], rel=1e-6)
        assert ending["objective"] < ending["first objective"]
    assert sum(path.stat().st_size for path in module.STORED.iterdir()) < 500_000


def test_what_the_page_says_in_words(measured):
    for example, found in measured.items():
        for seed in EXAMPLES[example].SEEDS:
            (plain, right), (penalty, still) = found[f"plain-{seed}"], found[f"penalty-{seed}"]
            for name in SHOWN[example]:
                with_ridge, without = (any_architecture.spectrum(one, name) for one in (penalty, plain))
                assert with_ridge.dimension < without.dimension + (name in ("conv3", "after conv3"))
            assert still == 1.0 if example == "transformer" else abs(right - still) < 0.02


def test_what_the_page_says_of_the_convolutional_network(measured):
    endings = stored.trainings(digits_cnn.STORED)
    shares = [t["gradient"] / t["gradient of the penalty"] for t in endings.values() if t["ridge"]]
    assert 0.4 < min(shares) < max(shares) < 1.1
    for seed in digits_cnn.SEEDS:
        plain, penalty = (measured["cnn"][f"{name}-{seed}"][0] for name in digits_cnn.RIDGE)
        share = {
            name: any_architecture.spectrum(penalty, name).dimension / any_architecture.spectrum(plain, name).dimension
            for name in digits_cnn.DRAWN
        }
        assert all(0.3 < share[name] < 0.6 for name in ("conv1", "conv2", "after conv1", "after conv2"))
        assert min(share["conv3"], share["after conv3"]) > 0.8


def test_what_the_page_says_of_the_transformer(measured):
    found, endings = measured["transformer"], stored.trainings(small_transformer.STORED)
    wrong = [round(49 * (1 - found[f"plain-{seed}"][1])) for seed in small_transformer.SEEDS]
    assert sorted(wrong) == [0, 0, 2]
    shares = sorted(t["gradient"] / t["gradient of the penalty"] for t in endings.values() if t["ridge"])
    assert shares == pytest.approx([1 / 50, 1 / 2, 3 / 2], rel=0.2)
    gaps: dict[str, list[float]] = {"plain": [], "penalty": []}
    for name, (one, _) in found.items():
        matrices = [any_architecture.spectrum(one, matrix) for matrix in small_transformer.MLP[:4]]
        gaps[name.partition("-")[0]] += [matrix.gap for matrix in matrices]
        dimensions = {matrix.dimension for matrix in matrices}
        assert dimensions <= ({22, 23} if name.startswith("plain") else {2, 3, 4, 5})
    assert max(gaps["plain"]) < words.GAP
    assert min(gaps["penalty"]) < words.GAP < max(gaps["penalty"])


def test_the_snippet_measures_what_was_recorded(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (snippet,) = re.findall(r"```python\n(import bnlib as bn\n.*?)```", PAGE, re.S)
    names = {"weights": {"up": np.eye(3)}, "activations": {"tokens": np.ones((4, 2, 3))}}
    exec(compile(snippet, "any_architecture.md", "exec"), names)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spectra.json", "spectra.png"]
    assert capsys.readouterr().out == f"{names['found']}\n"


@pytest.mark.parametrize("stride", [1, 2])
def test_the_product_of_matrices_is_a_convolution(stride):
    rng = np.random.default_rng(0)
    K, x = rng.normal(size=(4, 3, 3, 3)), rng.normal(size=(2, 6, 6, 3))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    places = range(0, 6, stride)
    direct = [[np.einsum("nabc,ocab->no", padded[:, i : i + 3, j : j + 3], K) for j in places] for i in places]
    found = digits_cnn.convolve(jnp.asarray(K), jnp.asarray(x), stride)
    np.testing.assert_allclose(np.asarray(found), np.transpose(direct, (2, 0, 1, 3)), atol=1e-12)


def test_the_size_of_a_query_and_its_key_is_free():
    tokens, _ = small_transformer.task()
    p = small_transformer.init(jax.random.key(0))
    other = p | {"block1.query": 8 * p["block1.query"], "block1.key": p["block1.key"] / 8}
    with jax.numpy_dtype_promotion("standard"):
        one, two = (small_transformer.forward(q, tokens)[0] for q in (p, other))
    np.testing.assert_array_equal(np.asarray(one), np.asarray(two))
    assert set(small_transformer.SCALE_FREE) < set(p)
