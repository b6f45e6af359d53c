"""Files that are whole or the old ones: written beside their place, and renamed."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def write(path: str | Path, fill: Callable[[BinaryIO], Any]) -> None:
    """Let a function fill a file, so that a kill or an error leaves the old one as it was.

    No other process or thread writes to the temporary file. What is no file, such as a device, is filled itself.

    Args:
        path: file to write; one behind a link is replaced, and the link stays.
        fill: writes the content to a binary file.

    Raises:
        ValueError: it cannot be written, or ``fill`` refuses.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "a.txt")
        >>> write(path, lambda file: file.write(b"whole"))
        >>> path.read_text()
        'whole'
    """
    try:
        place = Path(os.path.realpath(path))
        if Path(path).exists() and not place.is_file():
            with Path(path).open("wb") as file:
                fill(file)
            return
        part = place.with_name(f"{place.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            with part.open("wb") as file:
                fill(file)
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise ValueError(f"Cannot write '{path}': {getattr(error, 'strerror', None) or error}.") from error
