"""Rounding stays within its bound in every format, and no wrong reading does."""

from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnlib.measure._agreement import BRAIN, HALF, SINGLE, TF32, U, behind, formats, rounding, written
from bnlib.measure._chains import Bounds
from bnlib.measure._comparison import FINALS, agreement, nearest, truth, values_of
from bnlib.measure.readers import read
from models import leaky, mlp
from readings import DIFFERS, layers_of

FORMATS = [SINGLE, TF32, HALF, BRAIN]
KIND = {SINGLE: "float32", TF32: "float32", HALF: "float16", BRAIN: "bfloat16"}
NETWORKS = st.tuples(
    st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 48), st.integers(1, 4), st.sampled_from([0.0, 0.1, 1.0])
)


def ten_bits(a):
    """Round float32 to the ten bits behind the point that TF32 keeps, to the nearest and ties to even."""
    bits = np.asarray(a, np.float32).view(np.uint32)
    even = np.uint32(0xFFF) + ((bits >> np.uint32(13)) & np.uint32(1))
    return ((bits + even) & np.uint32(0xFFFFE000)).view(np.float32)


def through(kind):
    return lambda a: np.asarray(a, np.float32).astype(kind).astype(np.float32)


ROUNDED = {SINGLE: np.float32, TF32: ten_bits, HALF: through(np.float16), BRAIN: through(ml_dtypes.bfloat16)}


def computed(layers, slope, X, form):
    """Return the outputs of a model that computes in a format, with sums of 32 bits."""
    factor = ROUNDED[form]
    stored = np.float32 if form == TF32 else factor
    h = stored(np.asarray(X, np.float32))
    for i, (W, b) in enumerate(layers):
        z = stored(factor(h) @ factor(W).T + (np.float32(0) if b is None else stored(b)))
        h = np.where(z > 0, z, stored(np.float32(slope) * z)) if i + 1 < len(layers) else z
    return h.astype(float)


def drawn(seed, depth, width, ends, slope=0.0):
    rng = np.random.default_rng(seed)
    layers = layers_of(rng, ends, *[width] * (depth - 1), ends, bias=bool(seed % 2))
    X = rng.normal(size=(20, ends)) * rng.choice([0.1, 1.0, 10.0])
    return layers, X, values_of(layers, slope, X)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@settings(max_examples=40)
@given(NETWORKS)
def test_rounding_is_within_its_bound(form, network):
    *sizes, slope = network
    layers, X, Y = drawn(*sizes, slope)
    off = np.abs(computed(layers, slope, X, form) - Y)
    bound = behind(rounding(layers, slope, X, form, Y.size), "", Y, form)
    assert np.all(off <= bound)


def kept_in(layers, X, form, skip, *, scaled):
    """Return the outputs of a model in a format whose inner layers keep a share of their state, as a leak or not."""
    factor = ROUNDED[form]
    stored = np.float32 if form == TF32 else factor
    share, leak = stored(np.float32(skip)), stored(np.float32(1 - skip))
    h = z = stored(np.asarray(X, np.float32))
    for i, (W, b) in enumerate(layers):
        inner = 0 < i < len(layers) - 1
        W, b = (a / (1 - skip) if inner and scaled else a for a in (W, np.zeros(len(W)) if b is None else b))
        new = stored(factor(h) @ factor(W).T + stored(b))
        new = stored(leak * new) if inner and scaled else new
        z = stored(stored(share * z) + new) if inner else new
        h = np.maximum(z, 0)
    return z.astype(float)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(3, 12), st.integers(1, 48), st.sampled_from([0.3, 0.9]), st.booleans())
def test_rounding_of_a_kept_state_is_within_its_bound(form, seed, depth, width, skip, scaled):
    layers, X, _ = drawn(seed, depth, width, 3)
    shares = [0.0, *[skip] * (depth - 2), 0.0]
    Y = values_of(layers, 0.0, X, skip=shares)
    off = np.abs(kept_in(layers, X, form, skip, scaled=scaled) - Y)
    assert np.all(off <= behind(rounding(layers, 0.0, X, form, Y.size, shares), "", Y, form))


def test_a_kept_state_has_errors_of_its_own():
    """Without what is kept the bound would be that of layers which forget: here a hundredth of the errors."""
    layers = [(np.eye(4), None), *[(1e-3 * np.eye(4), None)] * 12, (np.eye(4), None)]
    X = np.random.default_rng(0).normal(size=(20, 4)) - 3
    Y = values_of([*layers[:-1], (-np.eye(4), None)], 0.0, -X, skip=0.9)
    off = np.abs(kept_in([*layers[:-1], (-np.eye(4), None)], -X, BRAIN, 0.9, scaled=False) - Y)
    assert np.max(off) > 10 * np.max(rounding(layers, 0.0, -X, BRAIN, Y.size))


def of_low_rank(seed, depth, width, rank):
    """Return layers whose errors come to the outputs by ways of one sign, as after training with weight decay."""
    rng = np.random.default_rng(seed)
    codes = [np.abs(rng.normal(size=(width, rank))) / np.sqrt(width) for _ in range(depth)]
    middle = [(after @ before.T, None) for before, after in pairwise(codes)]
    return [
        (codes[0] @ rng.uniform(0.5, 1, (rank, 4)), None),
        *middle,
        (rng.normal(size=(3, rank)) @ codes[-1].T, None),
    ]


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(2, 8), st.sampled_from([16, 64, 256]), st.integers(1, 3))
def test_errors_of_a_factor_add_up_where_ranks_are_low(form, seed, depth, width, rank):
    """One error of h_j moves all z_i: taken for as many errors, TF32 would be outside by a factor that grows."""
    layers = of_low_rank(seed, depth, width, rank)
    X = np.random.default_rng(seed).normal(size=(20, 4))
    Y = values_of(layers, 0.0, X)
    off = np.abs(computed(layers, 0.0, X, form) - Y)
    assert np.all(off <= behind(rounding(layers, 0.0, X, form, Y.size), "", Y, form))


def test_a_network_of_low_rank_agrees_with_its_outputs_in_tf32():
    layers = of_low_rank(0, 8, 256, 2)
    X = np.random.default_rng(1).normal(size=(20, 4))
    known = truth(X, computed(layers, 0.0, X, TF32), "float32")
    assert agreement(nearest([(layers, "right")], [0.0], known, Bounds()), known) == TF32


def test_a_bound_without_one_of_its_parts_does_not_hold():
    """The bound is of the size of the errors: a fiftieth of it holds nowhere, nor does one without inner layers."""
    layers, X, Y = drawn(1, 6, 32, 4)
    for form in FORMATS:
        off = np.abs(computed(layers, 0.0, X, form) - Y)
        bound = behind(rounding(layers, 0.0, X, form, Y.size), "", Y, form)
        assert 0.02 < np.max(off / bound) <= 1
    h = values_of([*layers[:-1], (np.eye(32), None)], 0.0, X)
    last = rounding(layers[-1:], 0.0, np.maximum(h, 0), TF32, Y.size)
    assert np.any(np.abs(computed(layers, 0.0, X, TF32) - Y) > 0.3 * last)


def test_no_fixed_number_would_do():
    """A right network of the depth of this book's differs by more than a thousandth in TF32; a small one by 1e-6."""
    layers, X, Y = drawn(0, 16, 64, 8)
    spread = np.max(np.abs(Y - Y.mean(0)))
    assert np.max(np.abs(computed(layers, 0.0, X, TF32) - Y)) > 1e-3 * spread
    small, X, Y = drawn(1, 3, 4, 2)
    assert np.max(rounding(small, 0.0, X, SINGLE, Y.size)) < 5e-6 * np.max(np.abs(Y - Y.mean(0)))


@given(st.integers(1, 4), st.integers(1, 8))
def test_the_bound_grows_like_the_root_of_width_and_depth(wide, deep):
    """For layers that keep lengths: n copies of orthogonal maps in a row, without an activation."""
    rng = np.random.default_rng(wide)
    n = 4**wide
    Q = [(np.linalg.qr(rng.normal(size=(n, n)))[0], None) for _ in range(deep)]
    X = rng.normal(size=(4, n))
    bound = rounding(Q, 1.0, X, SINGLE, 4 * n)
    # |x_i| of size 1 and sums of |W_ij h_j| of at most sqrt(n) |h|_i: between u and u sqrt(n+3) sqrt(L) deviations.
    deviations = np.sqrt(2 * np.log(8 * n / 1e-6))
    sizes = np.linalg.norm(X, axis=1)
    high = deviations * U * sizes * np.sqrt(deep * (n + 4) / 3)
    low = deviations * U * sizes / np.sqrt(n) * np.sqrt(deep / 3)
    assert np.all(np.max(bound, axis=1) <= high)
    assert np.all(np.max(bound, axis=1) >= low)
    deeper = rounding([*Q, *Q, *Q, *Q], 1.0, X, SINGLE, 4 * n)
    assert np.linalg.norm(deeper) > 1.7 * np.linalg.norm(bound)  # twice as large for four times the depth


WRONG = {
    "another slope": (None, 0.01),
    "slightly another slope": (None, 1e-3),
    "transposed": (lambda layers: [layers[0], (layers[1][0].T, layers[1][1]), *layers[2:]], 0.0),
    "exchanged": (lambda layers: [layers[0], layers[2], layers[1], *layers[3:]], 0.0),
    "left out": (lambda layers: [layers[0], *layers[2:]], 0.0),
    "without a bias": (lambda layers: [*layers[:2], (layers[2][0], None), *layers[3:]], 0.0),
    "a weight rounded": (lambda layers: [(np.round(layers[0][0], 3), layers[0][1]), *layers[1:]], 0.0),
}


@pytest.mark.parametrize("wrong", WRONG)
@settings(max_examples=15)
@given(st.integers(0, 1000).map(lambda i: 2 * i + 1), st.integers(4, 7), st.integers(12, 32))
def test_a_wrong_reading_is_not_let_through(wrong, seed, depth, width):
    layers, X, _ = drawn(seed, depth, width, 4)
    X = X / np.max(np.abs(X))
    change, slope = WRONG[wrong]
    outputs = computed(layers, 0.0, X, SINGLE)
    read_as = layers if change is None else change(layers)
    trial = nearest([(read_as, "wrong")], [slope], truth(X, outputs), Bounds())
    right = nearest([(layers, "right")], [0.0], truth(X, outputs), Bounds())
    assert agreement(right, truth(X, outputs)) == SINGLE
    assert trial is None or agreement(trial, truth(X, outputs)) is None


@pytest.mark.parametrize("final", [name for name in FINALS if name])
def test_a_last_function_is_bounded(final):
    layers, X, _ = drawn(3, 4, 16, 4)
    z = computed(layers, 0.0, X, SINGLE)
    outputs = FINALS[final](z.astype(np.float32)).astype(float)
    assert np.any(outputs != FINALS[final](values_of(layers, 0.0, X)))
    trial = nearest([(layers, "")], [0.0], truth(X, outputs), Bounds())
    assert (trial.final, agreement(trial, truth(X, outputs))) == (final, SINGLE)


def test_formats_by_the_type_of_outputs():
    assert [formats(kind) for kind in ("float64", "torch.float32", "float16", "torch.bfloat16")] == [
        (SINGLE,),
        (SINGLE, TF32),
        (HALF,),
        (BRAIN,),
    ]


def test_outputs_that_were_written_with_few_decimals():
    Y = np.random.default_rng(0).normal(size=(20, 3))
    assert (written(Y), written(np.round(Y, 4)), written(np.round(Y))) == (0.0, 0.5e-4, 0.0)
    layers, X, Y = drawn(1, 4, 16, 4)
    X, Y = X / np.max(np.abs(X)), values_of(layers, 0.0, X / np.max(np.abs(X)))
    assert read(layers, X, np.round(Y, 4)).difference > 1e-6
    with pytest.raises(ValueError, match=DIFFERS):
        read(layers, X, np.round(Y, 4) + 3e-4)


@pytest.mark.parametrize("form", [TF32, HALF, BRAIN], ids=lambda form: form.name)
def test_outputs_of_few_bits_are_read_and_what_they_leave_open_is_said(form):
    layers = layers_of(np.random.default_rng(8), 8, 16, 16, 16, 3)
    state = {
        f"{2 * i}.{k}": a for i, layer in enumerate(layers) for k, a in zip(("weight", "bias"), layer, strict=True)
    }
    X = np.random.default_rng(1).normal(size=(50, 8))
    kind = {TF32: np.float32, HALF: np.float16, BRAIN: ml_dtypes.bfloat16}[form]
    reading = read(state, X, computed(layers, 0.0, X, form).astype(kind))
    assert reading.net.depth == 4
    if form == TF32:
        assert "factors of 10 bits (TF32)" in reading.open[0]
    else:
        assert not reading.open
    with pytest.raises(ValueError, match=DIFFERS):
        read(state, X, mlp(layers, leaky(0.9))(X).astype(kind), negative_slope=0.0)
    with pytest.raises(ValueError, match=DIFFERS):
        read(state, X, mlp([*layers[:1], layers[2], layers[1], layers[3]])(X).astype(kind), layers=["0", "2", "4", "6"])


def test_outputs_that_agree_with_two_readings_say_so():
    """Of a shallow network, slopes 0 and 0.01 are nearer to each other than outputs of 8 bits tell."""
    layers = layers_of(np.random.default_rng(8), 8, 16, 3)
    state = {
        f"{2 * i}.{k}": a for i, layer in enumerate(layers) for k, a in zip(("weight", "bias"), layer, strict=True)
    }
    X = np.random.default_rng(1).normal(size=(50, 8))
    reading = read(state, X, computed(layers, 0.01, X, BRAIN).astype(ml_dtypes.bfloat16))
    assert "agree as well with another one, of slope" in reading.open[0]
    assert read(state, X, computed(layers, 0.01, X, SINGLE)).net.negative_slope == 0.01


def test_a_search_that_was_cut_off_says_so(monkeypatch):
    layers = layers_of(np.random.default_rng(2), *[6] * 10, bias=False)
    letters = {f"{c}.weight": W for c, (W, _) in zip("qwertyuio", layers, strict=True)}
    X = np.random.default_rng(0).normal(size=(20, 6))
    Y = mlp([layers[i] for i in (4, 0, 3, 8, 1, 7, 5, 2, 6)])(X)
    monkeypatch.setattr("bnlib.measure._comparison.MOST_TRIALS", 100)
    with pytest.raises(ValueError, match=f"{DIFFERS}[.].* The search was cut off before all readings were tried"):
        read(letters, X, Y)
    with pytest.raises(ValueError, match=DIFFERS) as error:
        read(letters, X, Y, layers=list("qwertyuio"), layout="out_in")
    assert "cut off" not in str(error.value)
    monkeypatch.setattr("bnlib.measure._chains.MOST_STEPS", -6)
    with pytest.raises(ValueError, match="in no order that was tried, and the search was cut off"):
        read(
            [np.ones(s) for s in ((3, 2), (2, 3), (4, 3), (3, 4), (2, 3), (3, 2), (4, 3), (3, 4))][::-1],
            layout="out_in",
        )
