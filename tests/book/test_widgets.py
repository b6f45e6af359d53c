"""The widgets compute what the library computes; their printed pictures and the data of the ladder are fresh."""

import json
import re
import shutil

import jax
import numpy as np
import pytest

import bnlib as bn
from bnlib.build import cell_snakes, snakes
from bnlib.theory import paths
from notebook_checks import ROOT
from scripts.chapters.book import Book
from scripts.pages import widget_figures
from scripts.pages.javascript import evaluate
from scripts.runs import learning_rates

FOLDER = ROOT / widget_figures.FOLDER
rng = np.random.default_rng(24)


def off(mine, theirs):
    """Return the largest difference, infinite when the shapes differ."""
    mine, theirs = np.asarray(mine, float), np.asarray(theirs, float)
    return float(np.abs(mine - theirs).max(initial=0.0)) if mine.shape == theirs.shape else np.inf


def numbers(folder, widget, expression, **given):
    """Return an expression of the numbers of a widget, in which the given names stand."""
    names = "".join(f"const {name} = {json.dumps(value)};" for name, value in given.items())
    code = f"(() => {{ {names} const w = bnlibWidgets.{widget}.numbers; return {expression}; }})()"
    return evaluate([folder / "draw.js", folder / f"{widget}.js"], code)


def check_cost(folder):
    cases = [(s, L, tilt) for s in (0.2, 1.0, 10.0) for L in (1, 2, 7, 24) for tilt in (-0.6, 0.0, 1.0)]
    weights, costs, even, limit = numbers(
        folder,
        "cost",
        "[all.map((c) => w.weights(...c)), all.map((c) => w.cost(w.weights(...c))),"
        " all.map(([s, L]) => w.even(s, L)), all.map(([s, L]) => w.limit(s, L))]",
        all=cases,
    )
    for i, (s, L, tilt) in enumerate(cases):
        chain = bn.from_layers([([[w]], None) for w in np.array(weights[i], float)], negative_slope=1.0)
        yield "product", off(np.prod(weights[i]), s)
        yield "cost", off(costs[i], float(bn.squared_norm(chain))) / costs[i]
        yield "even", off(even[i], bn.linear_cost([[s]], L))
        if tilt == 0:
            yield "even split", off(costs[i], even[i])
        elif L > 1 and costs[i] <= even[i]:
            yield "an uneven split is as cheap", np.inf
        r0, r1, _ = bn.linear_expansion([[s]])
        yield "limit", off(limit[i], r0 * L + r1)


def check_cone(folder):
    L = 16
    for opening in (30, 80, 90, 120):
        for factor in (0.125, 1.0, 4.0):
            edge = np.tan(np.deg2rad(opening / 2))
            cone = np.array([[1.0, edge], [1.0, -edge], [0.5, 0.1 * edge], [0.7, 0.0]])
            wide, openings, hidden = numbers(
                folder,
                "cone",
                "[w.wide(opening, factor, L), layers.map((l) => w.opening(opening, factor, l / L)),"
                " layers.map((l) => cone.map((x) => w.hidden(x, factor, l / L)))]",
                opening=opening,
                factor=factor,
                L=L,
                cone=cone.tolist(),
                layers=list(range(1, L)),
            )
            A = np.diag([1.0, factor])
            try:
                net = bn.linear_network(A, L, domain=cone)
            except ValueError as error:
                if f"at layer {wide[0] if wide else None} " not in str(error):
                    yield f"layers {wide}, where the library says: {error}", np.inf
                continue
            if wide:
                yield f"the library turns the layers {wide}", np.inf
            for opened, mine, theirs in zip(openings, hidden, bn.activations(net, cone).post, strict=True):
                # The isometry of the library may exchange the two neurons.
                yield "hidden", off(np.sort(mine, axis=1), np.sort(theirs, axis=1))
                u, v = np.asarray(theirs, float)[:2]
                yield "opening", off(opened, np.rad2deg(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v))))


def check_snake(folder):
    for n in (2, 3, 6, 9):
        for kind in ("rows", "cells"):
            top = (n - 1) / n if kind == "rows" else 1.0
            if kind == "rows":
                code, curve, (corners, t) = snakes.code(n, 2), snakes.curve(n, 2), snakes.corners(n, 2)
                points, ends = None, (t[0], t[-1])
            else:
                code, curve = (bn.from_layers(layers(n, 2)) for layers in (cell_snakes.encoder, cell_snakes.decoder))
                corners, points, t = None, cell_snakes.points(n, 2), cell_snakes.codes(n, 2)
                ends = (t[0], t[-1])
            X, T = rng.uniform(size=(200, 2)) * [1, top], np.linspace(*ends, 201)
            mine = numbers(
                folder,
                "snake",
                "({codes: X.map((x) => w[kind].code(n, x)), values: T.map((t) => w.curve(kind, n, t)),"
                " points: w[kind].points(n), corners: w[kind].knots(n).map((k) => k[1]),"
                " length: w.length(w.part(kind, n, ...ends)), shortest: w.shortest(n), bound: w.bound(kind, n),"
                " at: w[kind].points(n).map((x) => w.curve(kind, n, w[kind].code(n, x)))})",
                n=n,
                kind=kind,
                X=X.tolist(),
                T=T.tolist(),
                ends=[float(end) for end in ends],
            )
            yield "code", off(mine["codes"], np.asarray(bn.apply(code, X))[:, 0])
            yield "curve", off(mine["values"], bn.apply(curve, T[:, None]))
            yield "points", off(mine["at"], mine["points"])
            if corners is not None:
                yield "corners", off(mine["corners"], corners)
                yield "grid", off(sorted(mine["points"]), sorted(snakes.grid(n, 2).tolist()))
            if points is not None:
                yield "centres", off(mine["points"], points)
            fine = np.linspace(*ends, 40_001)[:, None]
            yield "length", 0.01 * off(mine["length"], paths.length(bn.apply(curve, fine)))  # the polygon cuts corners
            yield "shortest", off(mine["shortest"], cell_snakes.path_length(n, 2))
            yield "bound", off(mine["bound"], 2 * np.log(cell_snakes.path_length(n, 2) / np.hypot(1, top)))


CHECKS = {"cost": check_cost, "cone": check_cone, "snake": check_snake}


def wrong(widget, folder):
    with jax.enable_x64(True):
        return sorted({name for name, difference in CHECKS[widget](folder) if not difference < 1e-4})


@pytest.mark.parametrize("widget", CHECKS)
def test_the_numbers_are_those_of_the_library(widget):
    assert wrong(widget, FOLDER) == []


BROKEN = [
    ("cost", "sum + w * w", "sum + w", "cost"),
    ("cost", "s ** (2 / depth)", "s ** (1 / depth)", "even"),
    ("cost", "depth + 2 * Math.log(s)", "depth + Math.log(s)", "limit"),
    ("cost", "2 * i - depth + 1", "2 * i - depth", "product"),
    ("cone", "(360 / Math.PI) * Math.atan", "(180 / Math.PI) * Math.atan", "opening"),
    ("cone", "(a + factor ** share * b)", "(a + factor * b)", "hidden"),
    ("snake", "(j % 2 ? 1 - u : u)", "(j % 2 ? u : 1 - u)", "code"),
    ("snake", "row * (1 + 1 / n)", "row * (1 + 2 / n)", "curve"),
    ("snake", "(n - 3 / 8) / n", "(n - 5 / 8) / n", "curve"),
    ("snake", "/ 0.75", "/ 0.8", "code"),
    ("snake", "(n * n - 1) / n", "n", "shortest"),
]


@pytest.mark.parametrize(("widget", "old", "new", "seen"), BROKEN)
def test_a_wrong_formula_is_seen(tmp_path, widget, old, new, seen):
    folder = shutil.copytree(FOLDER, tmp_path / "widgets")
    text = (folder / f"{widget}.js").read_text(encoding="utf-8")
    assert old in text
    (folder / f"{widget}.js").write_text(text.replace(old, new, 1), encoding="utf-8")
    assert seen in wrong(widget, folder)


def test_a_script_that_fails_is_reported():
    with pytest.raises(ValueError, match="no_such_name"):
        evaluate([], "no_such_name + 1")


# The ladder


def stored():
    return json.loads(learning_rates.STORED.read_text(encoding="utf-8"))


def test_the_stored_ladder_is_whole():
    ladder = stored()
    assert ladder["manifest"]["sha256"] == learning_rates.checksum(ladder["records"])
    assert tuple(ladder["manifest"]["times"]) == learning_rates.TIMES
    assert [record["rate"] for record in ladder["records"]] == list(learning_rates.RATES)
    for record in ladder["records"]:
        shape = (len(learning_rates.GROUPS), learning_rates.SEEDS, len(learning_rates.TIMES))
        assert np.array(list(record["sharpness"].values()), float).shape == shape
    ladder["records"][0]["sharpness"]["ridge"][0][0] += 0.01
    assert ladder["manifest"]["sha256"] != learning_rates.checksum(ladder["records"])


def test_the_first_times_of_the_ladder_come_out_again():
    """Later ones need not: at the edge of stability rounding grows."""
    record = next(r for r in stored()["records"] if r["rate"] == 0.08)
    found = learning_rates.follow(0.08, learning_rates.STEPS[:5]).transpose(1, 2, 0)
    kept = np.array([record["sharpness"][group] for group in learning_rates.GROUPS])[:, :, :5]
    assert np.allclose(found, kept, rtol=2e-3)
    other = learning_rates.follow(0.16, learning_rates.STEPS[:5]).transpose(1, 2, 0)
    assert not np.allclose(other[..., 1:], kept[..., 1:], rtol=2e-3)


def test_the_ladder_shows_the_stored_medians():
    ladder = stored()
    files = [FOLDER / f"{name}.js" for name in ("draw", widget_figures.DATA, "ladder")]
    at = (0, 10, len(learning_rates.TIMES) - 1)
    shown = evaluate(
        files,
        "bnlibLadder.records.map((r) => ['no ridge', 'ridge'].map((g) => "
        f"{list(at)}.map((i) => bnlibWidgets.ladder.numbers.median("
        "bnlibWidgets.ladder.numbers.living(r.rate, g, bnlibLadder.times[i])))))",
    )
    for record, mine in zip(ladder["records"], shown, strict=True):
        for group, medians in zip(learning_rates.GROUPS, mine, strict=True):
            kept = np.array(record["sharpness"][group], float)[:, at]
            assert np.allclose(np.nanmedian(kept, axis=0), medians)


def test_what_is_said_of_the_ladder_is_so():
    last = {r["rate"]: np.array(r["sharpness"]["no ridge"], float)[:, -1] for r in stored()["records"]}
    for rate, found in last.items():
        assert abs(np.nanmedian(found) * rate / 2 - 1) < 0.25
    first = next(np.array(r["sharpness"]["no ridge"], float) for r in stored()["records"] if r["rate"] == 0.04)
    median = np.median(first, axis=0)
    assert median[1] < median[0]
    assert median[1] < 30
    assert np.all(np.abs(median[20:] / 50 - 1) < 0.15)
    assert len(learning_rates.TIMES) == 45


# Pictures and places


def test_the_pictures_are_what_the_widgets_draw(tmp_path):
    assert widget_figures.bring_up_to_date(check=True) == []
    for folder in (widget_figures.FOLDER, "results"):
        (tmp_path / folder).mkdir(parents=True)
    for path in FOLDER.iterdir():
        shutil.copy(path, tmp_path / widget_figures.FOLDER)
    shutil.copy(learning_rates.STORED, tmp_path / widget_figures.STORED)
    assert widget_figures.main(["--check", "--root", str(tmp_path)]) == 0
    cost, results = tmp_path / widget_figures.FOLDER / "cost.js", tmp_path / widget_figures.STORED
    cost.write_text(cost.read_text(encoding="utf-8").replace("start: 0.5", "start: 0.25"), encoding="utf-8")
    ladder = stored()
    ladder["records"][2]["sharpness"]["no ridge"][0][3] = 33.0
    results.write_text(json.dumps(ladder), encoding="utf-8")
    assert widget_figures.bring_up_to_date(tmp_path, check=True) == ["ladder-data.js", "cost.svg"]
    assert widget_figures.main(["--check", "--root", str(tmp_path)]) == 1
    assert widget_figures.main(["--root", str(tmp_path)]) == 0
    assert widget_figures.main(["--check", "--root", str(tmp_path)]) == 0


PLACE = re.compile(
    r"^```\{figure\} \.\./book/_static/widgets/([\w-]+)\.svg\n(?:(?!```).*\n)*```\n\n"
    r'<div class="live-figure" data-widget="(\w+)"(?: data-with="([\w-]+)")?(?: data-kind="(\w+)")?></div>\n'
    r'<script src="\.\./_static/widgets/load\.js" defer></script>\n$',
    re.M,
)


def places(text):
    """Return the pictures that stand before a widget, each as the figures' script knows it."""
    return {
        picture: widget_figures.Picture(widget, data or None, {"kind": kind} if kind else {})
        for picture, widget, data, kind in PLACE.findall(text)
    }


def test_every_widget_stands_behind_its_own_picture():
    texts = {path.stem: path.read_text(encoding="utf-8") for path in Book(ROOT).chapters}
    found = {slug: places(text) for slug, text in texts.items()}
    ours = {picture.widget for picture in widget_figures.PICTURES.values()}
    for slug, text in texts.items():
        boxes = re.findall(r'data-widget="(\w+)"', text)
        assert [box for box in boxes if box in ours] == [picture.widget for picture in found[slug].values()]
    assert {slug: list(at) for slug, at in found.items() if at} == {
        "cost": ["cost"],
        "linear": ["cone"],
        "curve": ["snake"],
        "narrow": ["snake-cells"],
        "tangent_kernel": ["ladder"],
    }
    assert {name: picture for at in found.values() for name, picture in at.items()} == widget_figures.PICTURES
    assert places(texts["cost"].replace("```\n\n<div", "```\n\nA word.\n\n<div")) == {}
