"""The files around the code agree: versions, the repository's address, the lock, what a missing tool says."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version as installed

import jax
import jax.numpy as jnp
import nbformat
import numpy as np
import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import bnlib
import bnlib as bn
from bnlib import experiments
from bnlib.experiments import symmetry
from notebook_checks import ROOT
from scripts import bootstrap
from scripts.chapters.book import Book
from scripts.pages import landing_figure, site_figures, status_page
from scripts.pages.address import Address, strangers, texts

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = ("3.11", "3.12", "3.13")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_version_is_the_same_everywhere():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == bnlib.__version__ == installed("bnlib") == PROJECT["version"]
    assert re.search(rf"^## \[?{re.escape(PROJECT['version'])}\b", read("CHANGELOG.md"), re.M)


def test_repository_address_is_the_one_in_pyproject():
    assert strangers(texts(ROOT), Address.read(ROOT)) == [], "`make address` sets it everywhere"


def lock_pins(text):
    """Return the lock's pins as (name, version, marker)."""
    pins = re.findall(r"^([\w.-]+)==([^\s;\\]+)(?: ; ([^\\]+?))? \\$", text, re.M)
    return [(name, Version(number), Marker(marker) if marker else None) for name, number, marker in pins]


def unmet(requirements, pins, python):
    """List the requirements that a lock does not satisfy on Linux under one Python."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    held = {name: number for name, number, marker in pins if marker is None or marker.evaluate(environment)}
    needed = [r for r in requirements if r.marker is None or r.marker.evaluate(environment | {"extra": ""})]
    return [str(r) for r in needed if r.name.lower() not in held or held[r.name.lower()] not in r.specifier]


def requirements():
    texts = [
        *PROJECT["dependencies"],
        *(r for extra in PROJECT["optional-dependencies"].values() for r in extra),
    ]
    found = [Requirement(text) for text in texts]
    return [requirement for requirement in found if requirement.name != PROJECT["name"]]


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_satisfies_pyproject(python):
    assert unmet(requirements(), lock_pins(read("requirements.lock")), python) == []


def test_moved_bound_is_caught():
    bound = Requirement("jax>=99")
    assert unmet([bound], lock_pins(read("requirements.lock")), "3.12") == ["jax>=99"]
    assert unmet([Requirement("not-there")], lock_pins(read("requirements.lock")), "3.12") == ["not-there"]


def test_lock_gives_one_version_of_what_is_behind_the_numbers():
    pins = lock_pins(read("requirements.lock"))
    for package in ("jax", "jaxlib", "numpy", "optax"):
        assert len([name for name, *_ in pins if name == package]) == 1, package


def test_lock_is_hashed_and_names_no_index():
    lock = read("requirements.lock")
    blocks = re.split(r"^(?=[\w.-]+==)", lock, flags=re.M)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in lock


def test_conda_environment_reads_the_lock():
    dependencies = yaml.safe_load(read("environment.yml"))["dependencies"]
    (python,) = [d.split("=")[1] for d in dependencies if isinstance(d, str) and d.startswith("python=")]
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.0")
    (pip,) = [d["pip"] for d in dependencies if isinstance(d, dict)]
    # An editable install beside hashed requirements would make pip refuse them all.
    assert pip == ["-r requirements.lock"]


def test_workflow_runs_every_supported_python():
    jobs = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]
    assert tuple(jobs["check"]["strategy"]["matrix"]["python"]) == PYTHONS
    assert bootstrap.OLDEST == (3, 11)
    assert bootstrap.NEWEST == (3, 13)


def test_contents_list_every_chapter_and_page():
    def files(node):
        if isinstance(node, dict):
            return [node[key] for key in ("root", "file") if key in node] + files(list(node.values()))
        return [name for item in node for name in files(item)] if isinstance(node, list) else []

    listed = files(yaml.safe_load(read("_toc.yml")))
    chapters = {f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.md")}
    assert {name for name in listed if name.startswith("notebooks/")} == chapters
    assert len(listed) == len(set(listed))
    pages = {
        path.relative_to(ROOT).with_suffix("").as_posix()
        for path in (ROOT / "book").rglob("*.md")
        if not path.relative_to(ROOT / "book").parts[0].startswith("_")
    }
    assert {name for name in listed if name.startswith("book/")} == pages


def test_status_page_shows_the_recorded_runtimes():
    book = Book(ROOT)
    assert list(book.runtimes) == [path.stem for path in book.chapters]
    assert book.status.read_text(encoding="utf-8") == status_page.page(book), "`python -m scripts.pages.status_page`"


FOLDED_PROOF = re.compile(r"\{prf:proof\}[^\n]*\n(?:---\n)?:?class: dropdown")


def test_no_folded_prf_proof():
    # It has no title to fold under: the script that folds stops there, and every later fold stays open.
    for path in Book(ROOT).chapters:
        text = path.read_text(encoding="utf-8")
        assert not FOLDED_PROOF.search(text), f"{path.name}: write an admonition titled Proof, class dropdown"


def test_folded_prf_proof_is_caught():
    assert FOLDED_PROOF.search("```{prf:proof}\n:class: dropdown\nClear.\n```")
    assert FOLDED_PROOF.search("```{prf:proof} Of it\n---\nclass: dropdown\n---\nClear.\n```")


# What bootstrap says.


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 0), (3, 14, 0)])
def test_unsupported_python_is_one_sentence(version):
    with pytest.raises(bootstrap.BootstrapError, match=r"needs Python 3\.11, 3\.12 or 3\.13, but this is") as error:
        bootstrap.check_python(version)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 1), (3, 13, 9)])
def test_supported_python_passes(version):
    bootstrap.check_python(version)


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_missing_venv_is_one_sentence(missing):
    with pytest.raises(bootstrap.BootstrapError, match=rf"lacks its {missing} module.*apt install python3-venv"):
        bootstrap.check_venv(find_spec=lambda name: None if name == missing else object())


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("urllib3: NewConnectionError: Name or service not known", "cannot be reached: check the network"),
        ("error: Failed to fetch: dns error", "cannot be reached: check the network"),
        ("No matching version (from versions: none)", "cannot be reached: check the network"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES", "failed: the reason is in bootstrap.log"),
    ],
)
def test_failed_install_is_one_sentence_and_names_the_log(tmp_path, output, sentence):
    log = tmp_path / "bootstrap.log"
    with pytest.raises(bootstrap.BootstrapError, match=sentence):
        bootstrap.run([sys.executable, "-c", f"print({output!r}); raise SystemExit(2)"], log)
    assert output in log.read_text()


def test_unpinned_uv_is_one_sentence(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("jax==1.0 \\\n    --hash=sha256:00\n")
    with pytest.raises(bootstrap.BootstrapError, match=r"does not pin uv: run `make lock`"):
        bootstrap.locked(lock, "uv")


def test_main_exits_with_1_and_the_sentence_alone(monkeypatch, capsys):
    def fail(root):
        raise bootstrap.BootstrapError("A sentence.")

    monkeypatch.setattr(bootstrap, "bootstrap", fail)
    assert bootstrap.main() == 1
    assert capsys.readouterr().err == "A sentence.\n"


def test_unknown_python_is_one_sentence():
    done = subprocess.run(
        ["make", "--no-print-directory", "PYTHON=python-of-nowhere", "venv"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert done.stderr.startswith("There is no python-of-nowhere here: install Python 3.11, 3.12 or 3.13")


def test_the_picture_of_the_first_page_is_that_of_the_first_chapter(tmp_path, capsys):
    assert landing_figure.main(["--check"]) == 0, capsys.readouterr().err
    alt = landing_figure.picture().alt
    assert f"![{alt}]({landing_figure.TARGET})" in read("README.md")
    assert f":alt: {alt}\n" in read("book/intro.md")
    for folder in ("notebooks", "book/_static"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / landing_figure.SOURCE, tmp_path / "notebooks")
    (tmp_path / landing_figure.TARGET).write_bytes(b"another")
    assert landing_figure.main(["--check", "--root", str(tmp_path)]) == 1
    assert landing_figure.main(["--root", str(tmp_path)]) == 0
    assert (tmp_path / landing_figure.TARGET).read_bytes() == (ROOT / landing_figure.TARGET).read_bytes()
    stored = nbformat.read(tmp_path / landing_figure.SOURCE, as_version=4)
    stored.cells = [cell for cell in stored.cells if "mystnb" not in cell.metadata]
    nbformat.write(stored, tmp_path / landing_figure.SOURCE)
    with pytest.raises(ValueError, match="stores 0 pictures"):
        landing_figure.picture(tmp_path)


def test_the_page_of_knobs_shows_the_stored_runs(tmp_path):
    assert site_figures.stale() == []
    (tmp_path / "results").mkdir()
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "_static").symlink_to(ROOT / "book" / "_static")
    others = {"fig-j23-small": ("weights", 0.5), "phase-ridges": ("spectrum", 0.5), "symmetry": ("codes", [0.5, 0.5])}
    for name, (field, other) in others.items():
        stored = json.loads(read(f"results/{name}.json"))
        values = stored["records"][0][field]
        (values if name == "phase-ridges" else values[0])[0] = other
        (tmp_path / "results" / f"{name}.json").write_text(json.dumps(stored), encoding="utf-8")
    assert site_figures.stale(tmp_path) == [f"{name}.{kind}" for name in site_figures.FIGURES for kind in ("js", "svg")]


def test_the_inputs_of_the_planes_are_those_whose_codes_are_stored():
    """A network of depth two that copies its inputs: its stored codes must be those of the latents of the page."""
    net = bn.from_layers([(np.vstack([np.eye(4), -np.eye(4)]), None), (np.ones((1, 8)), None)])
    kept = np.array(symmetry.kept(net, 2)["codes"])[0]
    X = np.asarray(bn.tasks.rotated_pair(*(jnp.asarray(a) for a in site_figures.latents().T)))
    with jax.enable_x64(True):
        fit = bn.tasks.symmetry_task(jax.random.key(1), experiments.READ, n_test=1).X
    assert np.allclose(np.abs(kept), np.abs(bn.principal_components(net, fit, 2, X).scores[0]), atol=1e-5)


def test_what_is_said_of_the_knobs_is_so():
    runs = site_figures.spectra()
    assert len(runs) == 80
    ranks = {}
    for r in runs:
        ranks.setdefault((r["depth"], r["ridge"]), []).append(r["learned_rank"] if r["decided"] else None)
    assert {len(found) for found in ranks.values()} == {4}
    assert ranks[4, 0.002] == [None] * 4
    assert all(ranks[depth, 0.002] == [2] * 4 for depth in (12, 16, 25))
    assert sorted(ranks[25, 0.032]) == [0, 1, 1, 1]
    assert ranks[8, 0.0005] == ranks[8, 0.002] == [3] * 4
    for run in (r for r in runs if (r["depth"], r["ridge"]) == (25, 0.002)):
        middle = np.array(run["representations"])[5:18]
        assert np.all(np.diff(middle[:, :2], axis=0) > 0)
        assert np.all(middle[:, 2:] < 0.01 * middle[:, :1])


def test_what_is_said_of_the_phases_is_so():
    runs = site_figures.phases()
    assert len(runs) == 1024
    best = {}
    for r in sorted(runs, key=lambda r: r["objective"]):
        best.setdefault((r["depth"], r["ridge"], r["seed"]), r)

    def rank(r):
        return 0 if r["constant"] < r["objective"] else r["learned_rank"] if r["decided"] else None

    def ranks(depth, ridge):
        return [rank(best[depth, ridge, seed]) for seed in range(4)]

    assert sorted(ranks(24, 0.0005)) == [2, 3, 3, 3]
    assert all(ranks(24, ridge) == [2] * 4 for ridge in (0.001, 0.002, 0.004))
    assert ranks(24, 0.032) == [1] * 4
    assert ranks(24, 0.064) == [0] * 4
    assert ranks(6, 0.004) == [3] * 4
    assert all(ranks(depth, 0.004) == [2] * 4 for depth in (8, 12, 16, 20, 24, 32))
    for (depth, ridge), k in zip(site_figures.CELLS, (3, 2, 1), strict=True):
        values = np.array([best[depth, ridge, seed]["spectrum"] for seed in range(4)])
        assert np.all(np.abs(values[:, :k] - 1) < 0.25)
        assert np.all(values[:, k:] < 0.01)
    for r in best.values():
        if r["depth"] >= 12 and rank(r) in (1, 2):
            assert all(1 < value < 1.2 for value in r["spectrum"][: rank(r)])
            assert max(r["spectrum"][rank(r) :]) < 0.02
    kept = np.mean([r["learned_rank"] == 1 for r in runs if r["start"] == 1])
    assert 0.75 < kept < 0.85
    ones = [r for r in runs if r["start"] == 1 and r["learned_rank"] == 1]
    assert sum(rank(best[r["depth"], r["ridge"], r["seed"]]) == 2 for r in ones) > 50


def test_what_is_said_of_the_planes_is_so():
    for run in site_figures.planes():
        codes = np.array(run["codes"]).reshape(24, 25, 8, 2)
        centres = codes.mean(axis=2)
        apart = np.linalg.norm(centres[:, :, None] - centres[:, None], axis=-1) + 9 * np.eye(25)
        around = np.linalg.norm(codes - centres[:, :, None], axis=-1).max(axis=(1, 2))
        first = 1 if run["seed"] == 0 else 3  # the printed picture shows layer 2 of the first seed
        assert np.all(around[first:] < 0.1 * apart.min(axis=(1, 2))[first:])
        moved = np.sqrt(np.mean(np.sum(np.diff(centres, axis=0) ** 2, axis=-1), axis=-1))
        assert np.all(moved[5:17] < 0.1 * np.sqrt(np.mean(np.sum(centres**2, axis=-1), axis=-1))[5:17])
        phase = site_figures.latents()[:8, 2]
        angle = np.angle(codes[0] @ [1, 1j])
        turned = np.exp(1j * (angle - phase)), np.exp(1j * (angle + phase))  # the picture may be mirrored
        assert max(np.abs(np.mean(t)) for t in turned) > 0.99
