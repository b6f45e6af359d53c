"""The page for a network of one's own: its snippets compute what it says, and it shows what is stored."""

import json
import re
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image
from sklearn.neural_network import MLPRegressor

import bnlib as bn
from bnlib.measure.files import load_arrays
from notebook_checks import ROOT
from scripts.runs import stored, three_networks
from strategies import FIXED_X, fixed_net

PAGE = (ROOT / "book" / "your_network.md").read_text(encoding="utf-8")


def snippet(start, language="python"):
    """Return the only snippet of the page that holds these words."""
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.S) if start in text]
    return found


# The loop in PyTorch, run on a small stand-in for torch, and on torch where it is installed.


class Tensor:
    """As much of a tensor as a loss needs; `backward` notes the value."""

    seen = []  # noqa: RUF012

    def __init__(self, value):
        self.value = np.asarray(value, float)

    def __sub__(self, other):
        return Tensor(self.value - other.value)

    def __pow__(self, power):
        return Tensor(self.value**power)

    def __add__(self, other):
        return Tensor(self.value + getattr(other, "value", other))

    def __mul__(self, factor):
        return Tensor(self.value * factor)

    __radd__, __rmul__ = __add__, __mul__

    def sum(self, dim=None):
        return Tensor(self.value.sum(axis=dim))

    def mean(self):
        return Tensor(self.value.mean())

    def backward(self):
        Tensor.seen.append(float(self.value))


class Model:
    """A network with the parameters of PyTorch's names."""

    def __init__(self, net):
        self.net = net

    def __call__(self, X):
        return Tensor(np.asarray(bn.apply(self.net, X.value)))

    def named_parameters(self):
        return [(name, Tensor(a)) for name, a in bn.to_torch_state(self.net).items()]

    def parameters(self):
        return [p for _, p in self.named_parameters()]


def stand_in():
    """Return a module like torch, and the list of what its optimisers were asked for."""
    asked = []

    def optimiser(name):
        def make(parameters, lr, weight_decay=0.0):
            asked.append((name, weight_decay))
            return SimpleNamespace(zero_grad=lambda: asked.append("zero"), step=lambda: asked.append("step"))

        return make

    schedules = SimpleNamespace(CosineAnnealingLR=lambda _, steps: SimpleNamespace(step=lambda: asked.append("rate")))
    optim = SimpleNamespace(Adam=optimiser("Adam"), AdamW=optimiser("AdamW"), lr_scheduler=schedules)
    return SimpleNamespace(optim=optim), asked


def loop_is_right(code):
    """Return whether the loop asks Adam, without a decay of its own, to decrease this book's objective."""
    torch, asked = stand_in()
    net, ridge = fixed_net(), 0.37
    Y = np.ones((len(FIXED_X), net.d_out))
    Tensor.seen = []
    names = {"torch": torch, "model": Model(net), "X": Tensor(FIXED_X), "Y": Tensor(Y), "ridge": ridge, "steps": 2}
    exec(compile(code.replace("import torch\n", ""), "your_network.md", "exec"), names)
    error = np.sum((np.asarray(bn.apply(net, FIXED_X)) - Y) ** 2, axis=1).mean()
    objective = error + ridge * float(bn.squared_norm(net))
    return np.allclose(Tensor.seen, [objective] * 2, rtol=1e-6) and asked == [
        ("Adam", 0.0),
        *["zero", "step", "rate"] * 2,
    ]


LOOP = snippet("CosineAnnealingLR")


def test_the_loop_has_ten_lines_and_the_right_penalty():
    assert len([line for line in LOOP.splitlines() if line]) == 10
    assert loop_is_right(LOOP)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("p in model.parameters())", "n, p in model.named_parameters() if 'bias' not in n)"),
        ("p**2", "p**4"),
        ("ridge * penalty", "ridge * 0.5 * penalty"),
        (".sum(dim=1).mean()", ".mean()"),
        ("optim.Adam(model.parameters(), lr=2e-3)", "optim.AdamW(model.parameters(), lr=2e-3)"),
        ("lr=2e-3)", "lr=2e-3, weight_decay=1e-2)"),
        ("    optimiser.zero_grad()\n", ""),
        ("    schedule.step()\n", ""),
    ],
)
def test_a_wrong_loop_is_seen(right, wrong):
    assert LOOP.count(right) == 1
    assert not loop_is_right(LOOP.replace(right, wrong))


def test_the_loop_trains_in_torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    X, Y = torch.randn(20, 3), torch.randn(20, 2)
    names = {"model": model, "X": X, "Y": Y, "ridge": 0.1, "steps": 300}

    def objective():
        norm = sum((p**2).sum() for p in model.parameters())
        return float((((model(X) - Y) ** 2).sum(1).mean() + 0.1 * norm).detach())

    before = objective()
    exec(compile(LOOP, "your_network.md", "exec"), names)
    assert objective() < before


# The comparison that finds what is unseen, and the other ways in.


COMPARE = min(re.findall(r"```python\n(report = bn\.report.*?)```", PAGE, re.S), key=len)


def compare(params, outputs):
    names = {"bn": bn, "params": params, "outputs": outputs, "inputs": FIXED_X}
    exec(compile(COMPARE, "your_network.md", "exec"), names)
    return names["report"]


def test_the_comparison_finds_what_is_unseen():
    net = fixed_net()
    params, outputs = bn.to_torch_state(net), np.asarray(bn.apply(net, FIXED_X))
    assert compare(params, outputs).reading.difference < 1e-6
    square = [(np.asarray(W)[:3, :3], np.asarray(b)[:3]) for W, b in net.layers]
    own = np.asarray(bn.apply(bn.from_layers(square), FIXED_X))
    assert compare(square, own).reading.layout == "out_in"
    assert compare([(W.T, b) for W, b in square], own).reading.layout == "in_out"
    with pytest.raises(ValueError, match="No reading that was tried has the model's outputs"):
        compare(params, np.tanh(outputs) + np.sin(FIXED_X))


def test_scikit_learn_is_read_as_the_page_says():
    model = MLPRegressor(hidden_layer_sizes=(4, 4), max_iter=100, alpha=0.5, random_state=0, solver="lbfgs").fit(
        FIXED_X, FIXED_X
    )
    report = compare(model, model.predict(FIXED_X))
    assert (report.reading.layout, report.depth) == ("in_out", 3)


def test_the_line_for_colab_is_that_of_the_chapters():
    install, environment = snippet("%pip", "text").splitlines()[:2]
    chapter = (ROOT / "notebooks" / "opening.md").read_text(encoding="utf-8")
    assert f"    {install}\n    {environment}\n" in chapter


# The table of readings.


def readings(table):
    """Return the rows of the table *you see, it means, try*."""
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()[2:]]


def unlinked(table):
    """Return the rows that lead nowhere and give no number of their own to change."""
    return [row[0] for row in readings(table) if not re.search(r"\{(doc|ref|prf:ref)\}`[^`<]+ <[^`>]+>`", row[2])]


def test_each_reading_says_what_to_try_and_where_it_is_explained():
    assert "```{include} your_network/advice.txt\n```" in PAGE
    table = (three_networks.SHOWN / "advice.txt").read_text(encoding="utf-8")
    assert table == three_networks.advice_table()
    assert all(len(row) == 3 and all(row) for row in readings(table))
    assert unlinked(table) == ["no middle", "inputs that span too few dimensions"]
    broken = re.sub(r"\{ref\}`the theorem <[^>]*theorem>`", "the theorem", table)
    assert len(unlinked(broken)) == 3


# The three networks.


@pytest.fixture(scope="module")
def measured():
    return three_networks.measure()


def test_the_three_networks_are_what_they_are_called(measured):
    kinds = {name: r.bottleneck for name, (r, *_) in measured.items()}
    assert kinds == {"absent": "absent", "partial": "partial", "healthy": "bottleneck"}
    assert measured["healthy"][0].rank == three_networks.RANK
    certified = [r.lower_bound / r.squared_norm for r, *_ in measured.values()]
    imbalances = [r.relative_imbalance for r, *_ in measured.values()]
    assert certified == sorted(certified)
    assert imbalances == sorted(imbalances, reverse=True)


def test_the_partial_one_is_best_on_new_points_as_the_page_says(measured):
    assert min(measured, key=lambda name: measured[name][2]) == "partial"


def test_the_page_shows_the_stored_networks(measured):
    shown = three_networks.SHOWN
    assert (shown / "three.txt").read_text(encoding="utf-8") == three_networks.table(measured)
    assert (shown / "healthy.txt").read_text(encoding="utf-8") == f"{measured['healthy'][0]}\n"
    with Image.open(shown / "three.png") as figure:
        assert figure.info["Source"] == three_networks.drawn_from()


def test_the_stored_networks_are_what_their_manifest_says(tmp_path):
    manifest = json.loads((three_networks.STORED / stored.MANIFEST).read_text(encoding="utf-8"))
    assert manifest["sha256"] == stored.checksums(three_networks.STORED)
    assert {name: t["ridge"] for name, t in manifest["trainings"].items()} == three_networks.RIDGE
    assert max(t["decrease"] for t in manifest["trainings"].values()) < 1e-3
    (tmp_path / "weights.npz").write_bytes(b"one")
    stored.write_manifest(tmp_path, "three_networks", {"depth": 3}, ("numpy",), {"a": {"ridge": 0.5}})
    assert stored.trainings(tmp_path) == {"a": {"ridge": 0.5}}
    before = stored.checksums(tmp_path)
    (tmp_path / "weights.npz").write_bytes(b"two")
    assert stored.checksums(tmp_path) != before


def test_the_trainings_start_from_the_stored_task_and_decrease_its_objective():
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):  # as the script runs
        data, task = load_arrays(three_networks.STORED / "task.npz"), three_networks.task()
        for name in ("X", "Y", "X_test", "Y_test"):
            np.testing.assert_allclose(data[name], getattr(task, name), rtol=1e-6, atol=1e-8)
        net, values = three_networks.train(0.02, data["X"], data["Y"], steps=30)
        final = float(three_networks.error(net, data["X"], data["Y"])) + 0.02 * float(bn.squared_norm(net))
        assert final < values[-1] < values[0]
