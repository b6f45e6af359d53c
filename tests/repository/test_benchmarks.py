"""Every benchmark runs at toy size and stores what it measured; how fast it was is nobody's business here."""

import json
import os
import subprocess
import sys

import pytest

from notebook_checks import ROOT

CASES = [
    "machine",
    "steps",
    "corridor --seeds 0",
    "depth",
    "ensembles",
    "infinite",
    "recorder",
    "time_to_target",
    "time_to_target --polish",
]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Keep compiled programs in a folder: almost all of the time at toy size is compilation."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


@pytest.mark.parametrize("case", CASES)
def test_benchmark_runs_at_toy_size(compiled, case):
    name, *flags = case.split()
    tiny = [] if name == "machine" else ["--tiny"]
    environment = os.environ | compiled | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    environment |= {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0"}
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *tiny, *flags]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_benchmark_is_tried():
    names = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert names == {case.split()[0] for case in CASES} | {"certificates"}  # which has no toy size


@pytest.mark.parametrize("path", sorted((ROOT / "results" / "benchmarks").glob("*.json")), ids=lambda path: path.stem)
def test_stored_results_name_the_machine(path):
    machine = json.loads(path.read_text(encoding="utf-8"))["machine"]
    assert {"cpu", "cores", "device", "per", "versions"} <= machine.keys()
    assert machine["versions"]["jax"]
