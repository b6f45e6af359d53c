"""Run an experiment of the papers at their scale and store what the book keeps of it in results/.

    python -m scripts.runs.paper_scale fig-j22 --dry-run     say how long it would take
    python -m scripts.runs.paper_scale fig-j22               run it, or what is left of it
    python -m scripts.runs.paper_scale all --minutes 60      run what fits into an hour

bnlib.experiments defines the experiments. Each training that ends is stored at once, and a training that is killed
continues from its checkpoint, so the same command may be given again at any time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

# Before jax is imported: each core of this machine becomes a device that trains on its own.
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
if "jax" not in sys.modules and "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={CORES}"

import jax
import jax.numpy as jnp

import bnlib
from bnlib import experiments
from bnlib.experiments import Setting, setting_of
from bnlib.training import checkpoints
from bnlib.training.run import PAIRS, SHALLOW, quasi_newton
from bnlib.training.sweeps import sweep
from scripts.atomic import write

ROOT = Path(__file__).resolve().parents[2]
PROBE_ITERATIONS = 10
# Compilations of one depth: Adam, and L-BFGS for up to three numbers of iterations.
PROGRAMS = 3


@dataclass(frozen=True)
class Results:
    """One experiment and its file of results."""

    name: str
    folder: Path
    quick: bool = False

    @property
    def path(self) -> Path:
        """Return where the results are; those at quick scale are not kept in the repository."""
        return self.folder / "quick" / f"{self.name}.json" if self.quick else self.folder / f"{self.name}.json"

    @property
    def scratch(self) -> Path:
        """Return the folder of the checkpoints."""
        return self.folder / ".checkpoints"

    def records(self) -> list[dict[str, Any]]:
        """Read what is stored, refusing a file that was changed."""
        return experiments.load(self.name, self.path, quick=self.quick)

    def runs(self) -> list[dict[str, Any]]:
        """Read who computed the stored records."""
        stored = json.loads(self.path.read_text(encoding="utf-8"))["manifest"] if self.path.exists() else {}
        return list(stored.get("runs", []))

    def store(self, records: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]]) -> None:
        """Write records and manifest as one file in one step, records in the order of the plan, one a line."""
        plan = experiments.plan(self.name, quick=self.quick)
        found = {setting_of(record): record for record in records}
        ordered = [found[setting] for setting in plan if setting in found]
        manifest = {
            "experiment": self.name,
            "planned": len(plan),
            "stored": len(ordered),
            "seeds": sorted({record["seed"] for record in ordered}),
            "settings": {
                field: sorted({getattr(setting, field) for setting in plan})
                for field in ("rank", "depth", "width", "n", "ridge")
            },
            "training": {
                layers: stages
                for s in sorted(set(plan), key=lambda s: s.depth)
                for layers, stages in (
                    (f"{s.start_depth} layers", experiments.schedule(s).get("shallow")),
                    (f"{s.start_depth} to {s.depth} layers", experiments.schedule(s)["stages"]),
                )
                if stages
            },
            "runs": list(runs),
            "sha256": experiments.checksum(json.loads(json.dumps(ordered))),
        }
        lines = ",\n".join(json.dumps(record, sort_keys=True) for record in ordered)
        write(self.path, f'{{"manifest": {json.dumps(manifest, indent=1)},\n"records": [\n{lines}\n]}}\n')


def commit() -> str | None:
    """Return the commit of the code, with a plus when code was changed since; None outside a checkout."""

    def git(*question: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *question], capture_output=True, text=True, check=False).stdout

    head = git("rev-parse", "--short=12", "HEAD").strip()
    return head + "+" * bool(git("status", "--porcelain", "--", "bnlib", "scripts")) if head else None


def this_run(arguments: Sequence[str]) -> dict[str, Any]:
    """Describe the command, the devices and the versions behind a number."""
    device = jax.devices()[0]
    packages = ("jax", "jaxlib", "numpy", "optax")
    return {
        "command": " ".join(["python -m scripts.runs.paper_scale", *arguments]),
        "commit": commit(),
        "device": f"{device.device_kind}, {platform.system()} {platform.machine()}",
        "devices": len(jax.devices()),
        "versions": {"python": platform.python_version(), "bnlib": bnlib.__version__}
        | {package: version(package) for package in packages},
        "trained": 0,
        "seconds": 0.0,
    }


@dataclass(frozen=True)
class Cost:
    """What a training costs on one device: seconds per iteration by depth, and seconds to compile one program."""

    fixed: float
    per_layer: float
    compilation: float

    def seconds(self, setting: Setting) -> float:
        """Estimate one training without compilation; two ranks race through its first deep stages."""
        how = experiments.schedule(setting)
        deep = sum(count for _, count in how["stages"])
        if "depth" not in how:
            return (training_steps() + deep) * self.iteration(setting.depth)
        shallow = training_steps() + sum(count for _, count in how.get("shallow", SHALLOW))
        race = sum(count for _, count in how["stages"][:3])
        return shallow * self.iteration(setting.start_depth) + (deep + race) * self.iteration(setting.depth)

    def iteration(self, depth: int) -> float:
        """Return the seconds that one iteration takes at a depth."""
        return self.fixed + self.per_layer * depth

    def total(self, settings: Sequence[Setting], devices: int) -> float:
        """Estimate a list of trainings on several devices that share the compiler."""
        depths = {(s.width, s.n, depth) for s in settings for depth in (s.depth, s.start_depth)}
        return self.compilation * PROGRAMS * len(depths) + sum(map(self.seconds, settings)) / devices


def training_steps() -> int:
    """Return the Adam steps with which a training begins."""
    return 500


def probe(settings: Sequence[Setting]) -> Cost:
    """Time a few iterations of the shallowest start and of the deepest net, on this machine."""
    by_depth = {s.start_depth: s for s in settings} | {s.depth: s for s in settings}
    times, compilation = {}, 0.0
    for depth in {min(by_depth), max(by_depth)}:
        start, X, Y, ridge = experiments.member(by_depth[depth]._replace(depth=depth, start_depth=depth))
        single = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (start, X, Y, ridge, 0.01))
        compiled = quasi_newton.lower(*single, PROBE_ITERATIONS)
        begin = time.perf_counter()
        program = compiled.compile()
        compilation = max(compilation, time.perf_counter() - begin)
        laps = [time.perf_counter()]
        for _ in range(4):  # the first warms up, and the best of the others is least disturbed by other work
            jax.block_until_ready(program(*single))
            laps.append(time.perf_counter())
        times[depth] = min(b - a for a, b in pairwise(laps[1:])) / PROBE_ITERATIONS
    (low, fast), (high, slow) = (min(times.items()), max(times.items()))
    if low == high:
        return Cost(0.0, slow / high, compilation)
    per_layer = max(0.0, (slow - fast) / (high - low))
    return Cost(max(0.0, slow - per_layer * high), per_layer, compilation)


def memory(settings: Sequence[Setting]) -> float:
    """Estimate the gigabytes that one training needs: the pairs of L-BFGS and the activations of one gradient."""
    largest = 0.0
    for setting in {s._replace(seed=0) for s in settings}:
        parameters = (setting.depth + 2) * (setting.width + 1) * setting.width
        pairs = max(10, min(50, PAIRS // parameters))
        floats = (2 * pairs + 8) * parameters + 4 * setting.depth * setting.n * setting.width
        largest = max(largest, 4e-9 * floats)
    return largest


def span(seconds: float) -> str:
    """Say a time in words."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def chunks(settings: Sequence[Setting], devices: int) -> Iterator[list[Setting]]:
    """Cut a list of trainings into parts that one sweep can train, one training for each device."""
    left = list(settings)
    while left:
        first = experiments.schedule(left[0])
        part = [s for s in left if experiments.schedule(s) == first][:devices]
        left = [s for s in left if s not in part]
        yield part


def train_chunk(part: Sequence[Setting], scratch: Path) -> list[dict[str, Any]]:
    """Train some settings, continuing from checkpoints, and measure them."""
    scratch.mkdir(parents=True, exist_ok=True)
    name = f"{part[0].experiment}-{checkpoints.fingerprint(*part)[:16]}"
    how = experiments.schedule(part[0])
    trained = sweep([experiments.member(s) for s in part], checkpoint=scratch / f"{name}.npz", **how)
    records = [experiments.measure(s, result) for s, result in zip(part, trained, strict=True)]
    for path in scratch.glob(f"{name}.*"):
        path.unlink()
    return records


def describe(record: dict[str, Any]) -> str:
    """Say in one line what came out of a training."""
    decided = "" if record["decided"] else " (undecided)"
    converged = "" if record["converged"] else ", not converged"
    start = f"start {record['start']} " if record.get("start") else ""
    return (
        f"k={record['rank']} L={record['depth']} w={record['width']} N={record['n']} ridge={record['ridge']:.4g} "
        f"{start}seed {record['seed']}: norm {record['squared_norm']:.2f}, rank {record['learned_rank']}"
        f"{decided}{converged}"
    )


def run(results: Results, options: argparse.Namespace, arguments: Sequence[str], deadline: float) -> bool:
    """Run one experiment, or what is left of it; say whether it is complete."""
    say = partial(print, flush=True)
    wanted = experiments.plan(results.name, quick=results.quick, seeds=options.seeds)
    # Records of other seeds than those asked for stay.
    records, runs = results.records(), results.runs()
    done = {setting_of(record) for record in records}
    pending = [setting for setting in wanted if setting not in done]
    devices = len(jax.devices())
    say(f"{results.name}: {len(wanted)} trainings, {len(wanted) - len(pending)} stored, {len(pending)} to do.")
    if not pending:
        return True
    cost = probe(pending)
    estimate, begin = cost.total(pending, devices), time.perf_counter()
    say(
        f"On {devices} device{'s' * (devices > 1)} ({jax.devices()[0].device_kind}) that takes about {span(estimate)} "
        f"and {memory(pending):.1g} GB of memory for each device, besides 1 to 3 GB for JAX and its compiler."
    )
    if options.dry_run:
        return False
    current, left, rest = this_run(arguments), list(pending), estimate
    for part in chunks(pending, devices):
        if time.perf_counter() + rest * cost.total(part, devices) / cost.total(left, devices) > deadline:
            say(f"{results.name}: the time is up; {len(left)} trainings are pending.")
            return False
        records += train_chunk(part, results.scratch)
        left = [setting for setting in left if setting not in part]
        spent = time.perf_counter() - begin
        # What is done corrects the estimate.
        rest = cost.total(left, devices) * spent / cost.total([s for s in pending if s not in left], devices)
        current |= {"trained": current["trained"] + len(part), "seconds": round(spent, 1)}
        results.store(records, [*runs, current])
        for record in records[-len(part) :]:
            say(f"[{len(wanted) - len(left)}/{len(wanted)}] {describe(record)}; {span(rest)} left")
    return True


def main(arguments: Sequence[str] | None = None, folder: Path = ROOT / "results") -> int:
    """Run experiments; return 0 when all that was asked for is stored."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(description="Run experiments at the papers' scale and store their results.")
    parser.add_argument("experiment", choices=[*experiments.NAMES, "all"])
    parser.add_argument("--seeds", type=int, help="number of seeds (default: the book's)")
    parser.add_argument("--quick", action="store_true", help="run the chapters' small sizes; results/quick keeps them")
    parser.add_argument("--dry-run", action="store_true", help="only say what there is to do and how long it takes")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no training that ends later")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    deadline = time.perf_counter() + 60 * options.minutes
    names = experiments.NAMES if options.experiment == "all" else [options.experiment]
    try:
        for missing in (Results(name, folder) for name in experiments.NAMES):
            if not missing.path.exists() and not options.dry_run:
                missing.store([], [])  # so that the status page can call it pending
        complete = [run(Results(name, folder, options.quick), options, arguments, deadline) for name in names]
    except ValueError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0 if all(complete) or options.dry_run else 2


if __name__ == "__main__":
    sys.exit(main())
