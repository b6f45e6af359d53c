"""The films of points: they are whole, they are those of their chapters, and what is said of them is so."""

import json
import re
import shutil

import jax
import numpy as np
import pytest

from bnlib import tasks
from bnlib.measure.representations import principal_plane
from notebook_checks import ROOT
from scripts.pages import films


def text(slug):
    return (ROOT / "notebooks" / f"{slug}.md").read_text(encoding="utf-8")


def test_the_films_are_whole():
    assert films.main(["--check"]) == 0
    assert len(films.read("cloud")["frames"]) == films.CLOUD["depth"] + 1
    assert films.read("points")["frames"][0]["step"] == 0


def test_a_film_that_is_not_whole_is_found(tmp_path):
    shutil.copytree(ROOT / films.FOLDER, tmp_path / films.FOLDER)
    assert films.faults(tmp_path) == []
    path = films.path("cloud", tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('"share":1.0', '"share":0.9', 1), encoding="utf-8")
    films.path("points", tmp_path).write_text("window.bnlibPoints = 0;\n", encoding="utf-8")
    assert films.faults(tmp_path) == ["cloud", "points"]


def test_a_film_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit):
        films.main(["snow"])
    assert "There is no film 'snow': name cloud or points." in capsys.readouterr().err


def test_the_films_are_of_the_networks_of_their_chapters():
    def quick(name, source):
        return re.search(rf"\b{name}=\(\(?([\d.]+)(?:, (\d+)\))?", source).groups()

    features, infinite = text("features"), text("infinite_features")
    for name in ("n_train", "width", "ridge", "start"):
        assert float(quick(name, features)[0]) == films.CLOUD[name], name
    assert int(quick("depths", features)[1]) == films.CLOUD["depth"]
    assert float(quick("width", infinite)[0]) == films.POINTS["width"]
    assert f'bn.stream("{films.POINTS["stream"]}", {films.POINTS["d"]})' in infinite


def test_the_first_frame_of_the_cloud_is_the_plane_of_the_inputs():
    with jax.enable_x64(True):
        data = tasks.latent_task(jax.random.fold_in(jax.random.key(films.CLOUD["root"]), 0), films.CLOUD["n_train"])
    film = films.read("cloud")
    plane = principal_plane(data.X)
    assert film["frames"][0]["share"] == pytest.approx(plane.share, abs=1e-3)
    assert np.allclose(np.abs(film["frames"][0]["points"]), np.abs(plane.points), atol=2e-3)
    assert np.allclose(film["colours"]["latent 1"], data.latent[:, 0], atol=1e-3)


def test_the_points_are_those_that_the_library_computes():
    frames, colours = films.points()
    stored = films.read("points")
    assert [f["step"] for f in frames] == [f["step"] for f in stored["frames"]]
    for now, then in zip(frames, stored["frames"], strict=True):
        assert now["alignment"] == pytest.approx(then["alignment"], abs=0.01)
        assert np.allclose(now["points"], then["points"], atol=0.05)
    assert colours == stored["colours"]


def test_what_is_said_of_the_films_is_so():
    alignment = {f["step"]: f["alignment"] for f in films.read("points")["frames"]}
    assert all(value < 0.1 for step, value in alignment.items() if step <= 15)
    assert all(value > 0.6 for step, value in alignment.items() if step >= 40)
    shares = [f["share"] for f in films.read("cloud")["frames"]]
    assert max(shares[:2]) < 0.6
    assert min(shares[2:-2]) > 0.98


def test_the_data_are_a_script_of_one_object():
    for name in films.FILMS:
        film = films.read(name)
        again = films.script(name, film["frames"], film["colours"])
        assert json.loads(again.partition(" = ")[2].removesuffix(";\n"))["frames"] == film["frames"]
