"""Networks from files and pytrees: found by shape, or refused in one sentence; damaged files never do worse."""

import io
import json
import os
import pickle
import re
import struct
import sys
import tracemalloc
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
from bnlib import claims, from_arrays, load_network
from bnlib.measure.files import DTYPES, load_arrays, load_points
from bnlib.training import checkpoints
from strategies import FIXED_X, fixed_net, random_layers

CASES = int(os.environ.get("BNLIB_FUZZ", "100"))  # of each reader; `make fuzz` asks for many


def same(net, layers):
    """Tell whether a network has exactly these layers (W, b)."""
    wanted = bn.from_layers(layers)
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(net), jax.tree.leaves(wanted), strict=True))


def layers_of(*widths):
    return random_layers(np.random.default_rng(1), widths)


def named(layers, pattern, weight="weight", bias="bias", *, transpose=False):
    """Name the arrays of layers, in reverse, since the order in a file means nothing."""
    state = {}
    for i, (W, b) in reversed(list(enumerate(layers))):
        state[pattern.format(i, weight)] = np.asarray(W).T if transpose else np.asarray(W)
        state[pattern.format(i, bias)] = np.asarray(b)
    return state


# Files.


@pytest.mark.parametrize("kind", ["npz", "compressed", "safetensors"])
def test_loading_is_what_was_saved(tmp_path, kind):
    file = tmp_path / "weights"
    state = bn.to_torch_state(fixed_net())
    save = {"npz": np.savez, "compressed": np.savez_compressed, "safetensors": None}[kind]
    if save:
        with file.open("wb") as stream:
            save(stream, **state)
    else:
        safetensors.numpy.save_file(state, file)
    assert same(load_network(file), fixed_net().layers)


def test_zeros_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(200_000))
    assert not np.any(load_arrays(tmp_path / "a.npz")["a"])
    monkeypatch.setattr("bnlib.measure.files.MOST_INFLATED", 10**6)
    with pytest.raises(
        ValueError, match=r"its \d+ bytes declare 1600128, more than a hundred to one; store the arrays"
    ):
        load_arrays(tmp_path / "a.npz")


def test_a_compressed_array_is_in_memory_once(tmp_path):
    A = np.random.default_rng(0).normal(size=(1000, 1000))
    np.savez_compressed(tmp_path / "a.npz", a=A)
    load_arrays(tmp_path / "a.npz")
    tracemalloc.start()
    try:
        found = load_arrays(tmp_path / "a.npz")["a"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found, A)
    assert peak < 1.5 * A.nbytes  # unpacked bytes and array side by side are two of it


def test_arrays_by_columns_and_of_the_other_byte_order(tmp_path):
    A = np.arange(6.0).reshape(2, 3)
    np.savez(tmp_path / "a.npz", a=np.asfortranarray(A), b=A.astype(">f4"))
    arrays = load_arrays(tmp_path / "a.npz")
    np.testing.assert_array_equal(arrays["a"], A)
    np.testing.assert_array_equal(arrays["b"], A)
    assert arrays["b"].dtype.isnative


class Code:
    """Leave the process when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code was run')",))


def objects():
    file = io.BytesIO()
    np.savez(file, **{"0.weight": np.array([Code()], dtype=object)})
    return file.getvalue()


def torch_archive():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Code()))
    return file.getvalue()


@pytest.mark.parametrize("content", [pickle.dumps(Code()), objects(), torch_archive()], ids=["pickle", "npz", "torch"])
def test_a_pickle_is_refused_and_runs_no_code(tmp_path, content):
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"^Cannot read.*is a pickle, which can run any code.*safetensors\.torch\.save"
    ):
        load_network(tmp_path / "weights.pt")


def declared(shape, size, content=b""):
    """Return a safetensors file with one array of float64."""
    header = json.dumps({"0.weight": {"dtype": "F64", "shape": shape, "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + content


def npz_of(member, **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        archive.writestr("0.weight.npy", member)
    return file.getvalue()


def npy(shape, content=b""):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + content


def shared_place():
    """Return a safetensors file whose two tensors are one, so that it holds less than it declares."""
    entry = {"dtype": "F64", "shape": [2, 2], "data_offsets": [0, 32]}
    header = json.dumps({"0.weight": entry, "2.weight": entry}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(32)


def archive_of(name):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"some text")
    return file.getvalue()


TEN_TB = 10**13


def one_after_the_other():
    """Return arrays as equinox.tree_serialise_leaves writes them."""
    file = io.BytesIO()
    for W in (np.eye(3), np.eye(2)):
        np.save(file, W)
    return file.getvalue()


WHOLE = declared([2, 2], 32, bytes(32))
BAD = {
    "npz declares 10 TB": (npz_of(npy((TEN_TB // 8,))), "declares 10000000000000 bytes but has 0"),
    "safetensors declares 10 TB": (declared([TEN_TB // 8], TEN_TB), "Cannot read arrays"),
    "safetensors header of 10 TB": (struct.pack("<Q", TEN_TB) + b"{}", "Cannot read arrays"),
    "truncated safetensors": (WHOLE[:-1], "Cannot read arrays"),
    "truncated header": (WHOLE[:20], "Cannot read arrays"),
    "safetensors without header": (WHOLE[:8], "neither an npz archive nor a safetensors file"),
    "shape that does not fit": (declared([3, 2], 32, bytes(32)), "Cannot read arrays"),
    "negative shape": (npz_of(npy((-1, -4), bytes(32))), "Cannot read arrays"),
    "member that is no array": (npz_of(b"0.weight"), "Cannot read arrays"),
    "unusual compression": (npz_of(npy((1,), bytes(8)), compression=zipfile.ZIP_LZMA), "numpy does not write"),
    "numbers of another length": (WHOLE.replace(b'"F64"', b'"F32"'), "declares 32 bytes, which do not fit its shape"),
    "numbers of an unknown type": (WHOLE.replace(b'"F64"', b'"F99"'), "of type F99, which NumPy lacks"),
    "two tensors in one place": (shared_place(), "do not fit its shape or the file"),
    "bytes of no tensor": (WHOLE + bytes(8), "it declares 32 bytes of tensors but has 40"),
    "an archive of something else": (archive_of("data/words.txt"), "it holds 'data/words.txt'"),
    "an archive of stable-baselines3": (archive_of("policy.pth"), "pass model.policy.state_dict()"),
    "empty": (b"", "it is empty"),
    "arrays of equinox": (one_after_the_other(), "as of equinox.tree_serialise_leaves"),
    "npy that is cut off": (npy((4,), bytes(24)), "declares 32 bytes but has 24"),
    "NaN": (declared([1, 1], 8, struct.pack("<d", np.nan)), "W of layer 1 must be finite"),
    "infinity": (declared([1, 1], 8, struct.pack("<d", np.inf)), "W of layer 1 must be finite"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_one_sentence_and_take_no_memory(tmp_path, case):
    content, sentence = BAD[case]
    file = tmp_path / "weights"
    file.write_bytes(content)
    from_arrays({"0.weight": np.eye(2), "1.weight": np.eye(2)})  # what is imported and compiled once is not counted
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"^[^\n]*\.$") as error:
            load_network(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sentence in str(error.value)
    assert peak < 2**24


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float16"])
def test_short_numbers_are_read_exactly(tmp_path, dtype):
    W = np.random.default_rng(0).normal(size=(3, 3)).astype(getattr(ml_dtypes, dtype, dtype))
    name = {"bfloat16": "BF16", "float16": "F16"}.get(dtype) or dtype.upper().removeprefix("FLOAT").removesuffix("FN")
    name = name if name in DTYPES else f"F{name}"
    header = json.dumps({"0.weight": {"dtype": name, "shape": [3, 3], "data_offsets": [0, W.nbytes]}}).encode()
    (tmp_path / "weights").write_bytes(struct.pack("<Q", len(header)) + header + W.tobytes())
    net = load_network(tmp_path / "weights")
    assert net.last[0].dtype == np.float32
    np.testing.assert_array_equal(net.last[0], W.astype(np.float32))


def test_a_tensor_stored_once_for_two_names_is_two_layers(tmp_path):
    """As safetensors.torch.save_model stores a layer that is used twice."""
    first, shared, end = (np.asarray(W) for W, _ in layers_of(2, 3, 3, 1))
    arrays = {"0.weight": first, "2.weight": shared, "6.weight": end}
    also = {"format": "pt", "4.weight": "2.weight", "gone": "nothing"}
    safetensors.numpy.save_file(arrays, tmp_path / "weights", metadata=also)
    assert same(load_network(tmp_path / "weights"), [(W, None) for W in (first, shared, shared, end)])


def test_safetensors_files_need_no_package(tmp_path, monkeypatch):
    (tmp_path / "weights").write_bytes(safetensors.numpy.save({"0.weight": np.eye(2)}))
    monkeypatch.setitem(sys.modules, "safetensors", None)
    np.testing.assert_array_equal(load_network(tmp_path / "weights").last[0], np.eye(2))


class Stored(np.ndarray):
    """A data set of h5py, which says how many bytes the file holds of it."""

    id = SimpleNamespace(get_storage_size=lambda: 10**6)


def hdf5(arrays):
    """Return a stand-in for h5py whose files hold these arrays."""

    class File:
        def __init__(self, path, mode):
            self.path = path

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def visititems(self, visit):
            for name, a in arrays.items():
                visit(name.rpartition("/")[0], SimpleNamespace())  # a group
                visit(name, np.asarray(a).view(Stored))

    return SimpleNamespace(File=File)


KERAS = {f"layers/dense{i}/vars/{k}": a for i, (W, b) in zip(("", "_1", "_2"), layers_of(3, 3, 3, 3), strict=True)
         for k, a in enumerate((np.asarray(W).T, np.asarray(b)))}  # fmt: skip


def test_files_of_keras_are_read_with_h5py(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", hdf5(KERAS | {"optimizer/vars/0": np.ones((9, 9))}))
    (tmp_path / "net.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n and more")
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"\x89HDF")
    for name in ("net.weights.h5", "net.keras"):
        net = load_network(tmp_path / name)
        assert same(
            net, [(KERAS[f"layers/dense{i}/vars/0"].T, KERAS[f"layers/dense{i}/vars/1"]) for i in ("", "_1", "_2")]
        )
    vast = hdf5(KERAS)
    monkeypatch.setattr(Stored, "id", SimpleNamespace(get_storage_size=lambda: -1))
    monkeypatch.setitem(sys.modules, "h5py", vast)
    with pytest.raises(ValueError, match="declares far more bytes than the file holds"):
        load_network(tmp_path / "net.weights.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match="need the package h5py: pip install h5py"):
        load_network(tmp_path / "net.weights.h5")


def test_an_onnx_file_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    with pytest.raises(ValueError, match="store its initializers by name, as numpy"):
        load_network(tmp_path / "net.onnx")


def test_points_are_an_array_of_their_name_or_the_only_one(tmp_path):
    X = np.ones((3, 2))
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "one.npz", X)
    np.savez(tmp_path / "both.npz", X=X, Y=2 * X)
    for name in ("x.npy", "one.npz", "both.npz"):
        np.testing.assert_array_equal(load_points(tmp_path / name, "X"), X)
    np.testing.assert_array_equal(load_points(tmp_path / "both.npz", "Y"), 2 * X)
    with pytest.raises(ValueError, match=r"must hold an array named Z, but it holds \['X', 'Y'\]"):
        load_points(tmp_path / "both.npz", "Z")


# Layers, by shape.

LAYERS = layers_of(3, 6, 4, 2)
SQUARE = layers_of(*[3] * 13)


@pytest.mark.parametrize("layers", [LAYERS, SQUARE], ids=["widths differ", "all square"])
@pytest.mark.parametrize("d_in", [3, None])
@pytest.mark.parametrize(
    ("pattern", "weight", "transpose"),
    [("net.{}.{}", "weight", False), ("layers/{}/{}", "weight", False), ("params/Dense_{}/{}", "kernel", True)],
    ids=["torch", "equinox", "flax"],
)
def test_layers_are_found_under_any_name(layers, d_in, pattern, weight, transpose):
    assert same(from_arrays(named(layers, pattern, weight, transpose=transpose), d_in=d_in), layers)


def test_the_slope_on_negative_numbers_is_kept(tmp_path):
    arrays = named(LAYERS, "net.{}.{}")
    assert from_arrays(arrays, negative_slope=0.3).negative_slope == 0.3
    np.savez(tmp_path / "weights.npz", **arrays)
    assert load_network(tmp_path / "weights.npz", negative_slope=0.3).negative_slope == 0.3
    assert load_network(tmp_path / "weights.npz").negative_slope == 0.0


def test_shapes_decide_the_orientation_against_the_name():
    assert same(from_arrays(named(LAYERS, "{1}{0}", "W", "b", transpose=True)), LAYERS)
    assert same(from_arrays(named(LAYERS, "{1}{0}", "kernel", "b")), LAYERS)


def test_the_input_width_decides_the_orientation(tmp_path):
    layers = [(W, None) for W, _ in layers_of(3, 5, 3)]
    swapped = [np.asarray(W).T for W, _ in layers]  # chains as 5, 3, 5 too
    assert same(from_arrays(swapped, d_in=5), [(W, None) for W in swapped])
    assert same(from_arrays(swapped, d_in=3), layers)
    np.savez(tmp_path / "weights.npz", **{f"{i}.W": W for i, W in enumerate(swapped)})
    assert same(load_network(tmp_path / "weights.npz", d_in=3), layers)


def test_shapes_decide_the_order_where_names_do_not_follow_it():
    names = ["input", "encoder", "output"]
    state = {f"{n}.weight": W for n, (W, _) in zip(names, LAYERS, strict=True)}
    state |= {f"{n}.bias": b for n, (_, b) in zip(names, LAYERS, strict=True)}
    assert same(from_arrays(state, d_in=3), LAYERS)


def test_layers_of_equal_shape_keep_the_order_of_their_names():
    first, second, start = (
        np.random.default_rng(i).normal(size=size) for i, size in enumerate([(3, 3), (3, 3), (3, 2)])
    )
    with pytest.warns(UserWarning, match="the order of the layers 'a', 'b', which is the one that their names suggest"):
        net = from_arrays({"a.weight": first, "b.weight": second, "z.weight": start}, d_in=2)
    assert same(net, [(W, None) for W in (start, first, second)])


def test_pytrees_of_other_libraries():
    @jax.tree_util.register_dataclass
    @dataclass
    class Linear:
        weight: jax.Array
        bias: jax.Array

    @jax.tree_util.register_dataclass
    @dataclass
    class MLP:
        layers: list
        activation: Callable
        final_activation: Callable

    layers = [Linear(*map(jnp.asarray, layer)) for layer in LAYERS]
    assert same(from_arrays(layers), LAYERS)
    assert same(from_arrays(MLP(layers, jax.nn.relu, lambda x: x), d_in=3), LAYERS)
    for activations in ((jnp.tanh, lambda x: x), (jax.nn.relu, jax.nn.relu), (jax.nn.gelu, lambda x: x)):
        with pytest.raises(ValueError, match="activation' is neither an array nor ReLU"):
            from_arrays(MLP(layers, *activations))
    assert same(from_arrays([(W, b) for W, b in LAYERS]), LAYERS)
    assert same(from_arrays({"W": [W for W, _ in LAYERS], "b": [b for _, b in LAYERS]}), LAYERS)
    variables = named(LAYERS, "{}/{}/value", "kernel", transpose=True)
    assert same(from_arrays(variables), LAYERS)


def test_a_network_without_any_bias_has_zero_biases():
    assert same(from_arrays([W for W, _ in LAYERS]), [(W, None) for W, _ in LAYERS])


def test_half_precision_becomes_single_precision():
    for dtype in (np.float16, jnp.bfloat16):
        net = from_arrays([np.asarray(W).astype(dtype) for W, _ in LAYERS])
        assert net.last[0].dtype == np.float32
        assert bn.report(net, FIXED_X).rank >= 0


def without(name):
    return {key: value for key, value in named(LAYERS, "{}.{}").items() if key != name}


def plus(**arrays):
    return named(LAYERS, "{}.{}") | {key.replace("_", ".", 1): value for key, value in arrays.items()}


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (plus(**{"0_weight": np.ones((2, 3, 3, 3))}), "'0.weight' has shape (2, 3, 3, 3), like a convolution"),
        (plus(**{"3_weight": np.ones(4)}), "'3.weight' has shape (4,), like a part of a normalisation layer"),
        (plus(**{"3_scale": np.ones(4)}), "'3.scale' has shape (4,), like a part of a normalisation layer"),
        (plus(**{"3_running_mean": np.ones(4)}), "'3.running_mean' has shape (4,), like a part of a normalisation"),
        (without("1.weight"), "'1.bias': these are vectors without a matrix"),
        (plus(**{"3_alpha": np.float64(0.5)}), "'3.alpha' has shape ()"),
        (
            plus(**{"1_weight": np.ones((4, 6), np.int8)}),
            "'1.weight' holds integers of 8 bits or less, as of quantised",
        ),
        (plus(**{"1_weight": np.ones((5, 6))}), "'2.weight' of shape (2, 4) cannot follow '1.weight' of shape (5, 6)"),
        (plus(**{"1_bias": np.ones(5)}), "b of layer 2 must have shape (4,), but its shape is (5,)"),
        ({}, "There is no weight matrix among the arrays []"),
        ({"0.bias": np.ones(2)}, "There is no weight matrix among the arrays ['0.bias']"),
        ({"0.weight": np.eye(2), "2.bias": np.ones(2)}, "'2.bias': these are vectors without a matrix"),
        ({"0.weight": [["a", "b"]] * 2}, "There is no weight matrix among the arrays []"),
        ({"0.weight": np.array([["a"]])}, "'0.weight' must hold real numbers, but its type is <U1"),
        ({"0.weight": np.array([[1j]])}, "'0.weight' must hold real numbers, but its type is complex128"),
        (len, "'builtin_function_or_method' is neither an array nor ReLU"),
    ],
)
def test_what_is_no_plain_network_is_one_sentence(parameters, sentence):
    with pytest.raises(ValueError, match=r"^[^\n]*\.$") as error:
        from_arrays(parameters, d_in=3)
    assert sentence in str(error.value)


def test_a_wrong_input_width_is_said_in_terms_of_the_inputs():
    with pytest.raises(ValueError, match=r"X must have shape \(N, 3\) with N >= 1, but its shape is \(2, 4\)"):
        bn.report(named(LAYERS, "{}.{}"), np.ones((2, 4)))


NAMES = st.lists(st.sampled_from(["0", "1", "10", "net", "weight", "kernel", "bias", "scale"]), max_size=3).map(
    ".".join
)
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@settings(max_examples=CASES, database=None)
@given(st.dictionaries(NAMES, SHAPES, max_size=5), st.sampled_from([None, 1, 2]))
def test_any_shapes_give_a_network_or_one_sentence(shapes, d_in):
    sentence = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a reading of several
            net = from_arrays({name: np.ones(shape) for name, shape in shapes.items()}, d_in=d_in)
    except ValueError as error:
        sentence = str(error)
    if sentence is None:
        points = ((1, 1, 1),)  # as of a convolution over single points
        assert net.depth == sum((len(shape) == 2 or shape in points) and 0 not in shape for shape in shapes.values())
    else:
        assert re.fullmatch(r".*\.", sentence)


# Damaged bytes, in every file that the library reads.


LEDGER = b"""claims:
  - {id: a, source: J23, kind: remark, standing: x, statement: c, proved: null, test: d, settings: e,
     checks: {n: {label: f, at_most: 1.0e-9, why: g}}, tier: quick, chapter: null, tests: [], status: open,
     deviation: null, measured: null}
"""


def sound(kind):
    """Return the bytes of a small file of a kind."""
    file, state = io.BytesIO(), {"0.weight": np.eye(3), "0.bias": np.ones(3, np.float32)}
    if kind == "safetensors":
        return safetensors.numpy.save(state)
    if kind == "npy inside npz":
        np.save(file, state["0.weight"])
    elif kind == "checkpoint":
        np.savez(file, header=np.array(["run", "1", checkpoints.fingerprint("run", 1, [np.eye(2)])]), array_0=np.eye(2))
    elif kind == "claims":
        return LEDGER
    else:
        (np.savez_compressed if kind == "compressed npz" else np.savez)(file, **state)
    return file.getvalue()


def read(kind, path):
    if kind == "checkpoint":
        return checkpoints.load(path, "run")
    return claims.load(path) if kind == "claims" else load_arrays(path)


KINDS = ["npz", "compressed npz", "npy inside npz", "safetensors", "checkpoint", "claims"]


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_bytes_are_read_or_refused_in_one_sentence(kind, tmp_path):
    whole, path, outcomes = sound(kind), tmp_path / "file", Counter()

    def damage(seed):
        random = Random(seed)
        content = bytearray(whole)
        for _ in range(random.randrange(4)):
            content[random.randrange(len(whole))] = random.randrange(256)
        if random.random() < 0.25:
            at = random.randrange(len(whole))
            content[at:at] = random.randbytes(random.randint(1, 4))
        if random.random() < 0.25:
            del content[random.randrange(len(whole)) :]
        path.write_bytes(npz_of(bytes(content)) if kind == "npy inside npz" else content)
        sentence = None
        try:
            read(kind, path)
        except (ValueError, claims.ClaimError) as error:
            sentence = str(error)
        outcomes["read" if sentence is None else "refused"] += 1
        assert sentence is None or re.fullmatch(r"(Cannot read arrays|'|The claims ledger).*\.", sentence)

    if "BNLIB_FUZZ" in os.environ:
        for seed in range(CASES):
            damage(seed)
    else:
        settings(max_examples=CASES, database=None)(given(st.integers(0, 2**64))(damage))()
    assert outcomes.keys() == {"refused", "read"}
    print(f"{kind}: {outcomes.total()} damaged files, {dict(outcomes)}")
