"""Further networks as the documentation of their frameworks writes them: read right, announced, or refused by name.

Outcomes are those of the log of users (``test_reading_log``): by names alone, and with the model's outputs.
"""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import bnlib as bn
from bnlib.measure.readers import read
from models import Tensor, mlp
from readings import PLAIN, STATE, check_by_names, check_with_outputs, is_right
from situations import adapters, beside, blocks, forms, frameworks, jax_trees, wrappers
from situations.forms import Device, Frame, masked

SUBJECTS = (wrappers, adapters, blocks, jax_trees, frameworks, forms, beside)
ROWS = [row for subject in SUBJECTS for row in subject.ROWS]
IDS = [r.number for r in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_by_names_alone_it_is_read_right_or_announced_or_refused(row):
    check_by_names(row)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_with_outputs_it_is_read_right_or_refused(row):
    check_with_outputs(row)


# Inputs and outputs, reports, files.


class Sparse:
    """A matrix of SciPy, which NumPy takes for one object."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def toarray(self):
        return self.values


FORMS_OF_POINTS = {
    "lists": lambda a: a.tolist(),
    "objects": lambda a: a.astype(object),
    "frame": Frame,
    "big-endian": lambda a: a.astype(">f8"),
    "by columns": np.asfortranarray,
    "long double": lambda a: a.astype(np.longdouble),
    "nothing masked": masked,
    "sparse": Sparse,
    "device": Device,
    "tensor": Tensor,
    "float32": lambda a: a.astype(np.float32),
}


@pytest.mark.parametrize("form", FORMS_OF_POINTS)
def test_inputs_and_outputs_come_in_any_form(form):
    X = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32).astype(float)
    made = FORMS_OF_POINTS[form]
    report = bn.report(STATE, made(X), outputs=made(mlp(PLAIN)(X)))
    assert report.reading.difference < 1e-5
    assert not report.reading.open


@pytest.mark.parametrize(
    ("X", "Y", "sentence"),
    [
        (masked(np.eye(8) * 2, True), np.eye(8), "'X' has masked entries; say what they are first, as by filled"),
        (np.eye(8), masked(np.eye(8) * 2, True), "'outputs' has masked entries"),
        (np.eye(8), (np.ones((8, 3)), np.ones((8, 16))), "'outputs' cannot be made an array"),
        (np.eye(8), {"logits": np.ones((8, 3))}, "outputs must hold real numbers, but its type is object"),
        (np.eye(8), jax.ShapeDtypeStruct((8, 3), jnp.float32), "'outputs' has a shape but no numbers"),
        ({"X": np.eye(8)}, np.ones((8, 3)), "X must hold (real )?numbers"),
        ((row for row in np.eye(8)), np.ones((8, 3)), "X must hold (real )?numbers"),
        (
            np.eye(8),
            np.ones((8, 1, 3)),
            "outputs must have one row for each of the 8 inputs, but its shape is .8, 1, 3.",
        ),
        (np.eye(8)[:, None], np.ones((8, 3)), "X must have shape .N, d_in. with N >= 1, but its shape is .8, 1, 8."),
    ],
)
def test_points_that_are_none_are_refused_in_one_sentence(X, Y, sentence):
    with pytest.raises(ValueError, match=f"^.*{sentence}.*[.]$"):
        bn.report(STATE, X, outputs=Y)


@pytest.mark.parametrize(("bits", "rank"), [(np.float64, 8), (np.float32, 2)])
@pytest.mark.parametrize("wide", [False, True])
def test_float64_weights_are_judged_in_float64(bits, rank, wide):
    """Row 69: in Python as in the command, whatever the default of the session."""
    rng = np.random.default_rng(0)
    s = np.array([1.0, 1.0, *[1e-10] * 6])
    Ws = [np.linalg.qr(rng.normal(size=(8, 8)))[0] * s @ np.linalg.qr(rng.normal(size=(8, 8)))[0] for _ in range(5)]
    with jax.enable_x64(wide):
        report = bn.report([W.astype(bits) for W in Ws], rng.normal(size=(20, 8)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a reading that is open
            net = bn.from_arrays([W.astype(bits) for W in Ws])
        assert net.last[0].dtype == (bits if wide else np.float32)
        assert bn.apply(net, np.eye(8)).shape == (8, 8)
    assert [r.numerical_rank for r in report.weight_ranks] == [rank] * 5
    assert report.reading.dtype == np.dtype(bits).name


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_files_of_the_further_situations(tmp_path, kind):
    """Those whose names are those of arrays are read from a file as they are from memory, or announced."""
    X = np.random.default_rng(0).normal(size=(40, 8))
    tried = 0
    for r in ROWS:
        plain = isinstance(r.params, dict) and all(
            type(a) is np.ndarray and a.dtype in (np.float64, np.int64) for a in r.params.values()
        )
        if not plain or r.names is not True or r.options or r.d_in != 8:
            continue
        tried += 1
        if kind == "npz":
            np.savez(tmp_path / "w", **r.params)
        else:
            safetensors.numpy.save_file({k: np.ascontiguousarray(a) for k, a in r.params.items()}, tmp_path / "w.npz")
        try:
            reading = read(tmp_path / "w.npz", d_in=8)
        except ValueError as error:
            assert "Nothing tells the order of the layers" in str(error)  # noqa: PT017
        else:
            assert reading.open or is_right(reading, r, X), r.number
        if r.outputs is True:
            assert is_right(read(tmp_path / "w.npz", X, r.function(X)), r, X), r.number
    assert tried > 20
