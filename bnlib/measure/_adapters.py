"""Low-rank adapters beside a weight matrix, as of LoRA and DoRA: merged where their factor is known."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._arrays import Named, last

# Names of the two factors of an adapter, and of the lengths of the rows of DoRA; behind the @ its own name.
ADAPTER_NAMES: list[tuple[str, Any]] = [
    (r"lora_([AB])\.([^.]+)\.weight$", r"lora_\1@\2"),
    (r"lora_([AB])\.weight$", r"lora_\1@"),
    (r"lora_([AB])\.([^.]+)$", r"lora_\1@\2"),
    (r"lora_([AB])$", r"lora_\1@"),
    (r"lora_(?:kernel_)?([ab])(\.weight)?$", lambda found: f"lora_{found[1].upper()}@"),
    (r"lora_(down|up)\.weight$", lambda found: f"lora_{'A' if found[1] == 'down' else 'B'}@"),
    (r"lora_magnitude_vector\.([^.]+?)(\.weight)?$", r"lora_lengths@\1"),
]
# Parts of adapters of other kinds.
OTHERS = re.compile(r"(^|[./])(lora_(E|embedding_[AB])|ia3_l|hada_[wt]\w*|lokr_\w+|vera_\w+|b?oft_\w+)([./]|$)")
AWAY = "merge it first, as merge_and_unload() does"


def refuse_adapters(name: str) -> None:
    """Refuse a part of an adapter of another kind, by its name."""
    if OTHERS.search(name):
        raise ValueError(f"'{name}' is a part of an adapter of a kind that bnlib does not merge; {AWAY}.")


def adapted(parts: dict[str, Named], factor: Callable[[str], float | None]) -> dict[str, Named]:
    r"""Return the arrays of a module with its adapters merged into the weight matrix.

    .. math:: W+\sum_i s_iB_iA_i,\quad\text{with DoRA each row of it scaled to its own length}

    Args:
        parts: arrays by last name, each with its full name.
        factor: s of the adapter of a name, 0 where it is not in use, None where it is unknown.

    Raises:
        ValueError: an adapter without its layer, of another shape, or whose factor is unknown and matters.
    """
    parts = dict(parts)
    names = [key.partition("@")[2] for key in parts if key.startswith("lora_A@")]
    first = parts[next(key for key in parts if key.startswith("lora_"))][0]
    key = next((k for k in ("weight", "kernel") if k in parts), None)
    if key is None:
        raise ValueError(f"'{first}' is a low-rank adapter without its layer; {AWAY}.")
    where, W = parts[key]
    stored = parts.pop("alpha")[1] if "alpha" in parts and parts["alpha"][1].ndim == 0 else None
    total, lengths = W.astype(float), None
    for name in names:
        (_, A), (_, B) = parts.pop(f"lora_A@{name}"), parts.pop(f"lora_B@{name}", ("", np.zeros((0, 0))))
        if key == "kernel":
            A, B = B, A
        change = B.astype(float) @ A.astype(float) if B.shape[-1:] == A.shape[:1] else np.zeros((0, 0))
        if change.shape != W.shape:
            raise ValueError(f"'{first}' is a low-rank adapter whose shape does not fit '{where}'.")
        s = factor(name)
        s = float(stored) / len(A) if s is None and stored is not None else s
        if s is None and change.any():
            raise ValueError(_unknown(first, names))
        total = total + (s or 0.0) * change
        own = parts.pop(f"lora_lengths@{name}", None)
        if own is not None and s != 0:
            if lengths is not None:
                raise ValueError(f"'{own[0]}' belongs to one of several adapters with lengths of rows; {AWAY}.")
            lengths = own[1].astype(float).reshape(-1, 1)
    if left := [name for k, (name, _) in parts.items() if k.startswith("lora_")]:
        raise ValueError(f"'{left[0]}' is a part of a low-rank adapter whose other part is missing; {AWAY}.")
    if lengths is not None:
        total = lengths * total / np.linalg.norm(total, axis=1, keepdims=True)
    parts[key] = where, total.astype(W.dtype)
    return parts


def _unknown(first: str, names: list[str]) -> str:
    if len(names) > 1:
        shown = ", ".join(f"'{name}'" for name in names)
        return (
            f"'{first}' is one of several low-rank adapters of its layer, {shown}, and the arrays do not say which are "
            f"in use and with which factors; {AWAY}, or give outputs, which tell it."
        )
    return (
        f"'{first}' is a low-rank adapter, and its factor alpha/r is not among the arrays; {AWAY}, or give outputs, "
        "which tell the factor."
    )


def adapter_names(arrays: Sequence[Named]) -> list[str]:
    """Return the names of the adapters that arrays belong to, in stored order; without one ''."""
    found = []
    for name, _ in arrays:
        for pattern, into in ADAPTER_NAMES:
            name = re.sub(pattern, into, name)
        if last(name).startswith("lora_A@"):
            found.append(last(name).partition("@")[2])
    return list(dict.fromkeys(found))
