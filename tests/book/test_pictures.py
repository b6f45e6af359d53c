"""Each chapter begins with a drawn picture, the same on every machine, readable on a phone, and true to its formula."""

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise, product

import numpy as np
import pytest

import bnlib as bn
from bnlib import plotting
from bnlib.theory.gains import alternating_sum
from bnlib.theory.leaky_bounds import leaky_schatten
from scripts.chapters.book import ROOT, Book
from scripts.chapters.source import BOX
from scripts.pages.pictures import (
    canvas,
    depth_costs,
    learned,
    neighbours,
    opening,
    ranks,
    right_rank,
    training,
    weights,
    wide,
)
from scripts.pages.pictures.__main__ import FOLDER, main
from scripts.pages.pictures.catalogue import PICTURES

SVG = "{http://www.w3.org/2000/svg}"
CHAPTERS = [path.stem for path in Book(ROOT).chapters]
COLORS = {*plotting.COLORS, canvas.INK, canvas.GREY, canvas.PALE, canvas.WHITE}
ALLOWED = COLORS | {canvas.deep(color) for color in COLORS} | {"none"}
SHAPES = {"svg", "rect", "circle", "path", "text", "tspan"}
MOST_LABELS = 17
FIGURE = re.compile(
    r"```\{figure\} \.\./book/_static/pictures/(?P<file>\w+)\.svg\n:name: (?P<name>[\w-]+)\n:width: \d+px\n"
    r":alt: (?P<alt>.+)\n\n(?P<caption>(?:.+\n)+)```\n"
)


def words(text):
    return "".join(text.itertext())


def labels(slug):
    return [words(text) for text in ET.fromstring(PICTURES[slug]().svg()).iter(f"{SVG}text")]


def faults_of_drawing(svg):
    """Say what is wrong with a drawing: its ground, its colours, or text that is small, cut or too much."""
    tree = ET.fromstring(svg)
    width, height = tree.get("width"), tree.get("height")
    if tree.get("viewBox") != f"0 0 {canvas.WIDTH} {height}":
        yield "it is not as wide as a figure on a phone"
    if [tree[0].get(key) for key in ("width", "height", "fill")] != [width, height, canvas.WHITE]:
        yield "its ground is not white"
    if len(tree.findall(f"{SVG}text")) > MOST_LABELS:
        yield "it has too many labels"
    for part in tree.iter():
        if part.tag.removeprefix(SVG) not in SHAPES:
            yield f"it has a {part.tag}"
        if not {part.get("fill", "none"), part.get("stroke", "none")} <= ALLOWED:
            yield f"its colour {part.get('fill')} or {part.get('stroke')} is not in the palette"
        if float(part.get("font-size", 99)) < canvas.SMALLEST:
            yield f"its text {words(part)!r} is too small"
        if part.tag == f"{SVG}text":
            long = 0.54 * float(part.get("font-size")) * len(words(part))
            left = float(part.get("x")) - {"start": 0, "middle": 0.5, "end": 1}[part.get("text-anchor")] * long
            if left < 0 or left + long > canvas.WIDTH or not 8 < float(part.get("y")) < float(height):
                yield f"its text {words(part)!r} is cut"


QUESTION = r"\*\*The question\.\*\* (?:.+\n)+"
QUESTION_WORDS = 60


def faults_of_place(slug, text):
    """Say what is wrong with the place of a picture in its chapter, its caption and its alternative."""
    found = list(FIGURE.finditer(text))
    if len(found) != 1:
        yield f"it shows {len(found)} pictures"
        return
    (figure,) = found
    if (figure["file"], figure["name"]) != (slug, f"fig-{slug}-picture"):
        yield f"it shows {figure['file']} as {figure['name']}"
    if not re.search(rf"\n```\{{admonition\}} {BOX}\n(?:(?!```).*\n)+```\n\n{QUESTION}\n\Z", text[: figure.start()]):
        yield "its picture does not stand behind the opening box and the question"
    question = re.search(rf"^{QUESTION}", text, re.M)
    if question and len(question[0].split()) - 2 > QUESTION_WORDS:
        yield f"its question is {len(question[0].split()) - 2} words long"
    caption = " ".join(figure["caption"].split())
    if not re.fullmatch(r"[A-Z].*(\.|\.\))", caption) or len(caption.split()) < 12:
        yield "its caption is no sentence"
    if not re.fullmatch(r"[A-Z][^$:]*\.", figure["alt"]) or len(figure["alt"].split()) < 12:
        yield "its alternative text does not describe it"


@pytest.mark.parametrize("slug", CHAPTERS)
def test_the_picture_of_a_chapter(slug):
    assert list(faults_of_drawing(PICTURES[slug]().svg())) == []
    assert list(faults_of_place(slug, (ROOT / f"notebooks/{slug}.md").read_text("utf-8"))) == []


def test_the_pictures_are_drawn_and_no_others(capsys):
    assert list(PICTURES) == CHAPTERS
    assert main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("shift", [1e-12, -1e-12])
def test_rounding_does_not_change_a_picture(shift, monkeypatch):
    exact = canvas.number
    monkeypatch.setattr(canvas, "number", lambda value: exact(value * (1 + shift)))
    for slug, draw in PICTURES.items():
        assert draw().svg() == (ROOT / FOLDER / f"{slug}.svg").read_text("utf-8"), slug
    assert exact(12.005 * (1 + shift)) == "12.01"


SOUND = (
    "\n```{admonition} This chapter\n:class: note\n\n- **Needs:** nothing.\n```\n\n**The question.** What\nfor?\n\n"
    + (
        "```{figure} ../book/_static/pictures/cost.svg\n:name: fig-cost-picture\n:width: 520px\n"
        ":alt: Three equal squares above, and three squares of different size below them.\n\n"
        "Three squares say what three layers cost, and equal\nsquares have the least area.\n```\n\nMore.\n"
    )
)
MISPLACED = [
    ("```{figure}", "```{image}", "shows 0 pictures"),
    ("pictures/cost", "pictures/rank", "shows rank"),
    ("fig-cost-picture", "fig-cost", "as fig-cost"),
    ("- **Needs:** nothing.\n```\n", "- **Needs:** nothing.\n```\n\nWords.\n", "behind the opening box"),
    ("**The question.** What\nfor?\n\n", "", "and the question"),
    ("What\nfor?\n\n", f"What{' for' * QUESTION_WORDS}?\n\n", "words long"),
    ("the least area.", "the least area", "no sentence"),
    ("Three squares say what three layers cost, and equal\nsquares have the least area", "Squares", "no sentence"),
    ("Three equal squares above, and three squares of different size below them", "Squares", "does not describe"),
    ("Three equal squares above,", "Three $equal$ squares: above,", "does not describe"),
]


def test_a_misplaced_picture_is_found():
    assert list(faults_of_place("cost", SOUND)) == []
    for old, new, reason in MISPLACED:
        assert old in SOUND
        assert any(reason in fault for fault in faults_of_place("cost", SOUND.replace(old, new))), reason


BADLY_DRAWN = [
    ({}, "", "its ground", ('fill="#ffffff"', 'fill="none"')),
    ({}, "", "as wide as", ("0 0 350", "0 0 700")),
    ({"size": 9}, "small", "is too small", None),
    ({"color": "#FF0000"}, "red", "not in the palette", None),
    ({"x": 200}, "a label that is too long for its place", "is cut", None),
    ({}, "", "has a ", ("</svg>", "<image/></svg>")),
    ({"times": MOST_LABELS + 1}, "word", "too many labels", None),
]


@pytest.mark.parametrize(
    ("options", "text", "reason", "edit"), BADLY_DRAWN, ids=[reason for *_, reason, _ in BADLY_DRAWN]
)
def test_a_badly_drawn_picture_is_found(options, text, reason, edit):
    more = {"x": 20, "times": 1} | options
    x, times = more.pop("x"), more.pop("times")
    picture = canvas.Picture(100)
    for _ in range(times if text else 0):
        picture.text(x, 50, text, **more)
    svg = picture.svg()
    assert reason in " ".join(faults_of_drawing(svg.replace(*edit) if edit else svg))


def test_a_formula_is_set_and_its_shift_undone():
    picture = canvas.Picture(100)
    picture.text(10, 50, "costs $L·s^{2/L}$, as $R_{BN}$ < 1")
    (text,) = ET.fromstring(picture.svg()).iter(f"{SVG}text")
    assert words(text) == "costs L·s2/L, as RBN < 1"
    assert sum(float(span.get("dy", 0)) for span in text) == pytest.approx(0)
    slanted = {span.text for span in text if span.get("font-style")}
    assert slanted == {"L", "s", "R"}


def test_stale_missing_and_left_over_pictures_are_found(tmp_path, capsys):
    toc = "format: jb-book\nroot: book/intro\nparts:\n- chapters: [{file: notebooks/cost}, {file: notebooks/rank}]\n"
    (tmp_path / "_toc.yml").write_text(toc, "utf-8")
    arguments = ["--root", str(tmp_path)]
    assert main(["--check", *arguments]) == 1
    assert main(arguments) == 0
    assert main(["--check", *arguments]) == 0
    capsys.readouterr()
    folder = tmp_path / FOLDER
    (folder / "cost.svg").write_text("<svg/>", "utf-8")
    (folder / "old.svg").write_text("<svg/>", "utf-8")
    assert main(["--check", *arguments]) == 1
    said = "book/_static/pictures/{} is out of date: run `python -m scripts.pages.pictures`."
    assert sorted(capsys.readouterr().err.splitlines()) == [said.format(name) for name in ("cost.svg", "old.svg")]
    assert main(arguments) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["cost.svg", "rank.svg"]
    (tmp_path / "_toc.yml").write_text(toc.replace("rank", "new"), "utf-8")
    assert main(arguments) == 1
    assert "No picture is drawn for new" in capsys.readouterr().err


# What is drawn is what the formulas say.


def test_opening_shows_a_network_with_two_singular_values_in_the_middle():
    values = np.asarray(opening.singular_values())
    assert len(values) == opening.SHOWN["depth"]
    middle = values[3:8]
    assert middle[:, :2].min() > 1
    assert middle[:, 2:].max() < 0.01


def test_cost_shows_the_least_norm_of_a_factor():
    least = float(bn.linear_cost(np.array([[float(depth_costs.FACTOR)]]), depth_costs.LAYERS))
    assert f"4 + 4 + 4 = {least:g}" in labels("cost")
    assert f"16 + 4 + 1 = {depth_costs.norm(depth_costs.UNEVEN):g}" in labels("cost")
    assert math.prod(depth_costs.UNEVEN) == depth_costs.FACTOR
    assert depth_costs.norm(depth_costs.UNEVEN) > least


def test_linear_shows_the_angles_of_the_cone():
    edge = np.array([1.0, math.tan(math.radians(depth_costs.HALF_ANGLE))])
    for stretch in (0.1, 4.0):
        for share in (0.0, 0.25, 1.0):
            moved = np.diag([1.0, stretch**share]) @ edge
            half = math.degrees(math.atan2(moved[1], moved[0]))
            assert depth_costs.opening_angle(stretch, share) == pytest.approx(2 * half)
    angles = [depth_costs.opening_angle(4.0, step / depth_costs.STEPS) for step in range(depth_costs.STEPS + 1)]
    assert angles[0] < 90 < angles[1]


def test_training_shows_a_descent_that_never_comes_to_the_kink():
    path = np.array(training.descent())
    assert training.LEFT < 0 < training.RIGHT
    assert np.abs(path).min() > 0.25
    assert all(a * b < 0 for a, b in pairwise(path))
    around = [training.objective(b) for b in (-0.01, 0.0, 0.01)]
    slopes = np.diff(around) / 0.01
    assert min(around) == around[1] == 0
    np.testing.assert_allclose(slopes, [training.LEFT, training.RIGHT], atol=0.01)
    assert {"slope −1", "slope +1"} <= set(labels("training"))


def test_first_pictures_shows_lines_whose_slopes_are_the_ranks():
    for k, found in training.medians().items():
        straight = {depth: norm for depth, norm in found.items() if depth >= training.STRAIGHT}
        slope = np.polyfit(list(straight), list(straight.values()), 1)[0]
        assert slope == pytest.approx(k, rel=0.05)
        assert f"rank {k}: slope {k}" in labels("first_pictures")


def test_rank_shows_a_map_onto_the_edge_whose_jacobian_has_rank_one():
    rng = np.random.default_rng(0)
    points = [x for x in rng.uniform(-1, 1, (300, 2)) if np.abs(x).max() > 0.5]
    for x in points:
        value = np.array(ranks.clipped(tuple(x)))
        assert np.abs(value).max() == 1
        h = 1e-7
        jacobian = [(np.array(ranks.clipped(tuple(x + h * e))) - value) / h for e in np.eye(2)]
        assert np.linalg.matrix_rank(np.array(jacobian), tol=1e-3) <= 1


def test_regularity_shows_the_bounds_of_a_line_and_a_fold():
    line = float(bn.linear_expansion(np.array([[ranks.SLOPE]]))[1])
    turned = (1 - (-1) * 1) / 2  # what two points add whose left singular vectors are opposite, the right ones equal
    assert (ranks.line_bound(), ranks.fold_bound()) == pytest.approx((line, line + turned))
    assert {"2 log s = 2.20", "2 log s + 1 = 3.20"} <= set(labels("regularity"))


def test_gain_shows_two_functions_as_steep_as_each_other():
    for slopes, gain in ((ranks.CLIP, 1), (ranks.FOLD, 2)):
        assert ranks.gain_of(slopes) == float(alternating_sum(slopes)) == gain
    assert {"gain 1, cost 0.00", f"gain 2, cost {math.log(4):.2f}"} <= set(labels("gain"))


def test_tangent_kernel_shows_the_terms_of_a_chain():
    chain = bn.from_layers([(np.array([[weights.WEIGHT]]), None)] * weights.DEPTH)
    trace = float(np.squeeze(bn.ntk_trace(chain, np.ones((1, 1)))))
    assert sum(a * b for a, b in weights.terms()) == pytest.approx(trace, rel=1e-5)


def test_weights_shows_a_budget_that_is_kept():
    found = weights.budget()
    assert len(found.layers) == weights.SHOWN["depth"]
    assert sum(found.layers) < found.limit
    assert max(found.layers[3:18]) < 0.05


def test_next_order_shows_that_half_of_the_layers_cost_twice():
    equal = [weights.GROWTH / weights.LAYERS] * weights.LAYERS
    third = float(bn.linear_expansion(np.array([[math.exp(weights.GROWTH)]]))[2])
    assert weights.energy(equal) == pytest.approx(third / weights.LAYERS)
    assert [label for label in labels("next_order") if "=" in label] == ["2Σε2 = 1", "2Σε2 = 2"]


def test_features_shows_clouds_that_keep_their_order():
    first = np.array(canvas.sunflower(90))
    assert np.hypot(*first.T).max() <= 1
    strip = np.array(weights.cloud(0.05, 20.0, 0.0))
    assert np.linalg.svd(strip - strip.mean(axis=0), compute_uv=False) @ [0, 1] < 0.1 * np.linalg.norm(strip)
    assert np.corrcoef(first[:, 0], strip[:, 0])[0, 1] > 0.99


def test_curve_shows_paths_through_the_grids_of_the_least_length():
    shown = labels("curve")
    for side in right_rank.SIDES:
        path = right_rank.snake(side)
        assert sorted(path) == [(a / side, b / side) for a, b in product(range(side), repeat=2)]
        assert right_rank.length(path) == pytest.approx((side**2 - 1) / side)
        assert {f"N = {side**2} points", f"length {canvas.number((side**2 - 1) / side)}"} <= set(shown)


def test_window_shows_the_proved_end_at_rank_two_below_the_other():
    assert right_rank.LOWER == 2 / 2
    assert right_rank.UPPER > right_rank.LOWER


def test_symmetry_shows_ellipses_around_the_sun():
    for axis, eccentricity, turn in learned.ORBITS:
        points = np.array(learned.ellipse(axis, eccentricity, turn))
        along = points @ [math.cos(math.radians(turn)), math.sin(math.radians(turn))]
        squared = learned.energy_and_momentum(axis, eccentricity)[1] ** 2
        np.testing.assert_allclose(np.hypot(*points.T) + eccentricity * along, squared)


def test_autoencoder_shows_the_nearest_points():
    noisy = (3.0, 4.0)
    back = np.array(learned.projected(noisy, 2.0))
    circle = [np.array([2 * math.cos(t), 2 * math.sin(t)]) for t in np.linspace(0, 7, 5000)]
    nearest = min(math.dist(noisy, point) for point in circle)
    assert math.dist(noisy, back) == pytest.approx(nearest, abs=1e-5)


def test_acceleration_shows_no_speed_up_and_a_large_one():
    assert wide.speed_up(1e-3) < 1.01
    assert wide.speed_up(1e3) > 10


def test_leaky_shows_what_is_left_of_a_state_and_what_holding_it_costs():
    layers = 10**5
    assert neighbours.kept(1, neighbours.DEPTH) == pytest.approx((1 - neighbours.DEPTH / layers) ** layers, rel=1e-3)
    cost = float(leaky_schatten([1.0], neighbours.DEPTH / layers, layers))
    assert neighbours.held(neighbours.DEPTH) == pytest.approx(cost, rel=1e-3)
    assert {"a dimension costs 0", f"a dimension costs {neighbours.DEPTH:g}"} <= set(labels("leaky"))


def test_infinite_features_shows_growth_that_fades_with_the_dimension():
    growth = [np.hypot(*np.array(wide.kernel(d)).T).max() - 1 for d in wide.DIMENSIONS]
    np.testing.assert_allclose(np.array(growth) * wide.DIMENSIONS, wide.GROWTH)
