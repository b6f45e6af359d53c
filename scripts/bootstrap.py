"""Make `.venv` from requirements.lock: called by every make target, and done in no time when nothing changed.

Written in the syntax of Python 3.6, so that a too old Python is told so instead of showing a SyntaxError.
"""

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Optional

OLDEST, NEWEST = (3, 11), (3, 13)
NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ProxyError|ConnectTimeout|Max retries exceeded|dns error"
    r"|error sending request|Failed to fetch|Could not connect|tcp connect error|from versions: none",
    re.I,
)


class BootstrapError(Exception):
    """What is missing, in one sentence that says what to do."""


def check_python(version: tuple) -> None:
    """Refuse a Python that the lock is not made for."""
    if not OLDEST <= tuple(version[:2]) <= NEWEST:
        raise BootstrapError(
            "This book needs Python 3.11, 3.12 or 3.13, but this is Python {}.{}; "
            "name another one, as in `make PYTHON=python3.12 book`.".format(*version[:2])
        )


def check_venv(find_spec: Callable = importlib.util.find_spec) -> None:
    """Refuse a Python without venv or ensurepip: Debian and Ubuntu package them apart."""
    for module in ("venv", "ensurepip"):
        if find_spec(module) is None:
            raise BootstrapError(
                "This Python lacks its {} module, which makes virtual environments; "
                "on Debian or Ubuntu install it with `apt install python3-venv`.".format(module)
            )


def run(command: list, log: Path, env: Optional[dict] = None) -> None:
    """Run a command with its output kept in the log file; explain a failure by what the log says."""
    with log.open("ab") as stream:
        code = subprocess.call([str(c) for c in command], stdout=stream, stderr=subprocess.STDOUT, env=env)
    if code:
        if NO_NETWORK.search(log.read_text(encoding="utf-8", errors="replace")):
            raise BootstrapError(
                "The package index cannot be reached: check the network or proxy and try again (details in {}).".format(
                    log.name
                )
            )
        raise BootstrapError("Installing the locked packages failed: the reason is in {}.".format(log.name))


def locked(lock: Path, name: str) -> str:
    """Return one package's requirement with its hashes, as it stands in the lock."""
    block = re.search(r"^{}==.*\n(?:    .*\n)*".format(re.escape(name)), lock.read_text(encoding="utf-8"), re.M)
    if block is None:
        raise BootstrapError("{} does not pin {}: run `make lock`.".format(lock.name, name))
    return block.group()


def install(root: Path, log: Path) -> None:
    """Bring root/.venv to exactly what requirements.lock says, and add this project in editable form."""
    venv, lock = root / ".venv", root / "requirements.lock"
    python = venv / "bin" / "python"
    # A sound environment of the same Python is updated in place; anything else is made anew.
    wanted = "{}.{}".format(*sys.version_info)
    asks = [str(python), "-c", "import sys, pip; print('{}.{}'.format(*sys.version_info))"]
    try:
        found = subprocess.check_output(asks, stderr=subprocess.DEVNULL).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        found = None
    if found != wanted:
        run([sys.executable, "-m", "venv", "--clear", venv], log)

    # uv installs the lock in seconds where pip takes minutes; pip is needed only to fetch uv itself.
    with tempfile.TemporaryDirectory() as folder:
        uv = Path(folder) / "uv.txt"
        uv.write_text(locked(lock, "uv"), encoding="utf-8")
        pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        run([*pip, "--no-deps", "--require-hashes", "-r", uv], log)
    env = dict(os.environ, VIRTUAL_ENV=str(venv))
    uv = venv / "bin" / "uv"
    run([uv, "pip", "sync", "--require-hashes", lock], log, env)
    run([uv, "pip", "install", "--no-deps", "--no-build-isolation", "-e", root], log, env)


def bootstrap(root: Path) -> None:
    """Install unless the environment was made from this very lock, at this very place."""
    stamp, log = root / ".venv" / ".installed", root / "bootstrap.log"
    digest = hashlib.sha256(str(root).encode())
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((root / name).read_bytes())
    supported = OLDEST <= sys.version_info[:2] <= NEWEST
    made_from = stamp.read_text().split() if stamp.exists() else []
    # An unsupported Python may still use a finished environment: only making one needs a supported Python.
    if made_from[:1] == [digest.hexdigest()] and (
        not supported or made_from[1:] == ["{}.{}".format(*sys.version_info)]
    ):
        return
    check_python(sys.version_info)
    check_venv()
    print("Installing the locked packages into .venv (once, about a minute) ...", flush=True)
    if log.exists():
        log.unlink()
    if stamp.exists():
        stamp.unlink()
    install(root, log)
    stamp.write_text("{} {}.{}\n".format(digest.hexdigest(), *sys.version_info))
    log.unlink()


def main() -> int:
    """Bootstrap this checkout; return the exit status."""
    try:
        bootstrap(Path(__file__).resolve().parents[1])
    except BootstrapError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
