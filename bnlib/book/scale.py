"""At which size a chapter runs."""

import os

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

    Source: bnlib; page "How to run this book".
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
