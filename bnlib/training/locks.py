"""A lock on a file that several processes may want to write, released by the system when its holder dies."""

import errno
import importlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    fcntl: Any = importlib.import_module("fcntl")
except ImportError:  # a system without POSIX locks
    fcntl = None

# Seconds to wait for another process, which holds the lock while it writes one file.
PATIENCE = 30.0


@contextmanager
def held(path: Path, patience: float = PATIENCE) -> Iterator[bool]:
    """Hold the lock of a file, in a file beside it that is removed at the end.

    Args:
        path: the file to be written.
        patience: seconds to wait for another holder.

    Yields:
        Whether nobody else can hold it; False on a system or in a folder that has no locks.

    Raises:
        OSError: another process holds it for longer than that, or nothing can be written there.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "run.npz"
        >>> with held(path):
        ...     [other.name for other in path.parent.iterdir()]
        ['run.npz.lock']
        >>> list(path.parent.iterdir())
        []

    Source: bnlib.
    """
    lock = path.with_name(path.name + ".lock")
    if fcntl is None:
        yield False
        return
    file, alone = _taken(lock, time.monotonic() + patience)
    try:
        yield alone
    finally:
        lock.unlink(missing_ok=True)  # before it is released, so that nobody locks a file without a name
        os.close(file)


def _taken(lock: Path, until: float) -> tuple[int, bool]:
    """Open and lock the file; one that its last holder has removed meanwhile is opened anew."""
    while True:
        file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.exists() and os.path.samestat(os.fstat(file), lock.stat()):
                return file, True
        except FileNotFoundError:  # removed between the two looks
            pass
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                return file, False
            if time.monotonic() > until:
                os.close(file)
                raise OSError(errno.EAGAIN, "another process holds its lock") from error
        os.close(file)
        time.sleep(0.01)
