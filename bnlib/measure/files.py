"""Arrays from files that hold numbers and no code: npz, npy, safetensors and HDF5, told apart by content."""

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

PICKLE = (
    "it is a pickle, which can run any code when it is opened; store the weights with safetensors.torch.save_file, "
    "or with numpy.savez as plain arrays"
)
BLOCK = 2**20  # bytes read at a time
MOST_INFLATED = 2**28  # bytes to which a file may always be unpacked
# Widths of the numbers of a safetensors file; what NumPy lacks becomes float32, which holds it exactly.
DTYPES: dict[str, Any] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
}  # fmt: skip


def load_arrays(path: Any) -> dict[str, np.ndarray]:
    """Read the arrays of an npz, npy, safetensors or HDF5 file, told apart by content, without unpickling anything.

    A header is believed only as far as the file is long: what it declares beyond that is never allocated. Numbers of
    16 and 8 bits that NumPy lacks become float32, which holds them exactly. A tensor that
    ``safetensors.torch.save_model`` stored once for two names is found under both.

    Args:
        path: file of weights or inputs. HDF5 files, such as ``.weights.h5`` and ``.keras`` of Keras, need the package
            h5py; no other package is needed.

    Returns:
        The arrays by name; that of an npy file is ``arr_0``.

    Raises:
        ValueError: a missing, empty, truncated or foreign file, or a pickle.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "weights.npz")
        >>> np.savez(file, **{"0.weight": np.eye(2)})
        >>> list(load_arrays(file))
        ['0.weight']

    Source: bnlib.
    """
    try:
        return _reader(Path(path))(Path(path))
    except Exception as error:  # a damaged file can end in any error of zipfile, zlib, tokenize or numpy
        reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())
        raise ValueError(f"Cannot read arrays from '{path}': {reason.removesuffix('.')}.") from error


def load_points(path: Any, name: str) -> np.ndarray:
    """Read the array of one name, or the only array of a file that gives it no name of its own.

    Args:
        path: file as ``load_arrays`` reads it.
        name: ``"X"`` for inputs, ``"Y"`` for outputs.

    Raises:
        ValueError: an unreadable file, or one without such an array.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "inputs.npy")
        >>> np.save(file, np.ones((3, 2)))
        >>> load_points(file, "X").shape
        (3, 2)

    Source: bnlib.
    """
    arrays = load_arrays(path)
    if name not in arrays and list(arrays) == ["arr_0"]:  # as numpy calls what was given no name
        return arrays["arr_0"]
    if name not in arrays:
        raise ValueError(f"'{path}' must hold an array named {name}, but it holds {sorted(arrays)}.")
    return arrays[name]


def _reader(path: Path) -> Callable[[Path], dict[str, np.ndarray]]:
    with path.open("rb") as file:
        head = file.read(9)
    if not head:
        raise ValueError("it is empty")
    if head.startswith(b"PK"):
        return _archive
    if head.startswith(b"\x93NUMPY"):
        return _npy
    if head.startswith(b"\x89HDF"):
        return _hdf5
    if head.endswith(b"{") and len(head) == 9:  # after the eight bytes of the header's length
        return _safetensors
    if head[0] == 0x80:
        raise ValueError(PICKLE)
    if path.suffix == ".onnx":
        raise ValueError(
            "it is an ONNX model; store its initializers by name, as numpy.savez('weights.npz', "
            "**{t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer})"
        )
    raise ValueError("it is neither an npz archive nor a safetensors file, nor npy or HDF5; numpy.savez writes one")


def _archive(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "policy.pth" in names:
            raise ValueError(
                "it is an archive of stable-baselines3, which holds a pickle; load it there, and pass "
                "model.policy.state_dict()"
            )
        if any(name.endswith(".pkl") for name in names):  # as in the files of torch.save
            raise ValueError(PICKLE)
        if "model.weights.h5" in names:  # of Keras
            info = archive.getinfo("model.weights.h5")
            _plainly_packed(info)
            _not_inflated(archive)
            with archive.open(info) as file:
                return _hdf5(io.BytesIO(file.read()))
        if strange := [name for name in names if not name.endswith(".npy")]:
            raise ValueError(f"it is an archive of something else than NumPy's arrays: it holds '{strange[0]}'")
        _not_inflated(archive)
        return {info.filename.removesuffix(".npy"): _member(archive, info) for info in archive.infolist()}


def _not_inflated(archive: zipfile.ZipFile) -> None:
    """Refuse what would fill the memory with next to no numbers: weights hardly shrink, zeros a thousandfold."""
    declared = sum(info.file_size for info in archive.infolist())
    there = sum(info.compress_size for info in archive.infolist())
    if declared > MOST_INFLATED and declared > 100 * there:
        raise ValueError(
            f"its {there} bytes declare {declared}, more than a hundred to one; store the arrays with numpy.savez, "
            "which does not compress"
        )


def _plainly_packed(info: zipfile.ZipInfo) -> None:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"'{info.filename}' is compressed in a way that numpy does not write")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    _plainly_packed(info)
    with archive.open(info) as file:
        return _array(file, info.filename, info.file_size)


def _npy(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        return {"arr_0": _array(file, path.name, path.stat().st_size)}


def _array(file: Any, name: str, length: int) -> np.ndarray:
    """Read one array in NumPy's format from a file of known length."""
    if np.lib.format.read_magic(file) == (1, 0):
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, by_columns, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.hasobject:
        raise ValueError(f"'{name}' holds Python objects: {PICKLE}")
    size, there = math.prod(shape) * dtype.itemsize, length - file.tell()
    if size < there and not isinstance(file, zipfile.ZipExtFile):
        raise ValueError(
            "it holds more than the one array that it declares, as of equinox.tree_serialise_leaves; read it there, "
            "and pass the model"
        )
    if size != there:
        raise ValueError(f"'{name}' declares {size} bytes but has {there}")
    flat = np.empty(math.prod(shape), dtype)  # filled in place: the bytes are in memory once
    got, room = 0, flat.view(np.uint8)
    for start in range(0, size, BLOCK):
        got += file.readinto(room[start : start + BLOCK].data) or 0
    if got != size:
        raise ValueError(f"'{name}' declares {size} bytes but has {got}")
    return flat.reshape(shape, order="F" if by_columns else "C").astype(dtype.newbyteorder("="), copy=False)


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        length, size = int.from_bytes(file.read(8), "little"), path.stat().st_size
        if length > size - 8:
            raise ValueError(f"its header declares {length} bytes but the file has {size}")
        header = json.loads(file.read(length))
        also = header.pop("__metadata__", None) or {}
        return _shared(dict(_tensors(file, header, 8 + length, size)), also)


def _tensors(file: BinaryIO, header: dict[str, Any], begin: int, size: int) -> Iterator[tuple[str, np.ndarray]]:
    declared = 0
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"the numbers of '{name}' are of type {entry['dtype']}, which NumPy lacks")
        dtype, shape = np.dtype(DTYPES[entry["dtype"]]), entry["shape"]
        declared += stop - start
        fits = min([start, *shape]) >= 0 and stop - start == math.prod(shape) * dtype.itemsize
        if not fits or begin + max(stop, declared) > size:
            raise ValueError(f"'{name}' declares {stop - start} bytes, which do not fit its shape or the file")
        file.seek(begin + start)
        A = np.frombuffer(file.read(stop - start), dtype).reshape(shape)
        yield name, A.astype(np.float32 if dtype.type.__module__ == "ml_dtypes" else dtype.newbyteorder("="))
    if begin + declared != size:  # as of two tensors of one name
        raise ValueError(f"it declares {declared} bytes of tensors but has {size - begin}")


def _shared(arrays: dict[str, np.ndarray], also: dict[str, Any]) -> dict[str, np.ndarray]:
    """Add the names whose tensor was stored under another one."""
    return arrays | {name: arrays[kept] for name, kept in also.items() if kept in arrays and name not in arrays}


def _hdf5(path: Path | io.BytesIO) -> dict[str, np.ndarray]:
    try:
        import h5py
    except ImportError as error:
        raise ValueError("HDF5 files, as Keras writes them, need the package h5py: pip install h5py") from error
    arrays: dict[str, np.ndarray] = {}

    def visit(name: str, item: Any) -> None:
        if hasattr(item, "shape") and not name.startswith("optimizer"):
            if math.prod(item.shape) * item.dtype.itemsize > item.id.get_storage_size() * 1000 + 1024:
                raise ValueError(f"'{name}' declares far more bytes than the file holds")
            arrays[name] = np.asarray(item)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return arrays
