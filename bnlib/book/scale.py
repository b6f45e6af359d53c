"""At which size a chapter runs."""

import os
from collections import namedtuple
from typing import Any

import jax

SCALES = ("quick", "paper")


def scale(choice: str = "quick") -> str:
    """Return "quick" or "paper": what the environment variable BNLIB_SCALE says, else the choice in the chapter's form.

    Says on an accelerator what it runs on, and warns of the paper's scale on a processor. In a chapter at quick scale
    on a processor it prints nothing.

    Args:
        choice: "quick" or "paper".

    Raises:
        ValueError: another word, here or in the environment.

    Example:
        >>> from unittest import mock
        >>> with mock.patch.dict(os.environ, {"BNLIB_SCALE": "quick"}):
        ...     scale("paper")
        'quick'

    Source: bnlib; page running.
    """
    chosen = os.environ.get("BNLIB_SCALE", choice)
    if chosen not in SCALES:
        raise ValueError(f"The scale must be one of {', '.join(SCALES)}, but it is {chosen!r}.")
    device, *others = jax.devices()
    if device.platform != "cpu":
        print(f"Scale {chosen}, on {1 + len(others)} x {device.device_kind}.")
    elif chosen == "paper":
        print("The scale of the papers wants an accelerator: a processor needs far longer than the status page says.")
    return chosen


def parameters(choice: str = "quick", /, **values: tuple[Any, Any]) -> Any:
    """Return the parameters of a chapter as a named tuple, each given as a pair: quick, and at the papers' scale.

    Args:
        choice: the scale in the chapter's form, see ``scale``.
        values: by name, the value of the quick scale and that of the papers'.

    Raises:
        ValueError: a value that is no pair.

    Example:
        >>> from unittest import mock
        >>> with mock.patch.dict(os.environ, {"BNLIB_SCALE": "quick"}):
        ...     p = parameters(depths=((8, 16), (8, 16, 24)), width=(20, 200))
        >>> p.depths, p.width
        ((8, 16), 20)

    Source: bnlib.
    """
    for name, pair in values.items():
        if not isinstance(pair, tuple) or len(pair) != len(SCALES):
            raise ValueError(f"The parameter {name} must be a pair (quick, paper), but it is {pair!r}.")
    index = SCALES.index(scale(choice))
    return namedtuple("Parameters", values)(*(pair[index] for pair in values.values()))
