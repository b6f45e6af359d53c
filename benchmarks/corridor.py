"""Train through a corridor in closed form and, in turn, with inserted layers of full width: objective, rank and time.

Seconds are those of one core, with what compiling costs the first time; --warm runs everything once before. The work
of the matrix products of all steps, forward and back, is what no other process disturbs.
"""

import argparse
from statistics import median
from typing import Any
from unittest import mock

import jax
import machine

import bnlib as bn
from bnlib.training import corridor, trajectory

jax.config.update("jax_enable_x64", True)  # for the judgement; both sides train in float32

SETTINGS = {  # depth, width, points, ridge, start of inserted layers, start of the corridor
    "A": (12, 50, 200, 0.02 / 12, 8, 6),
    "B": (24, 40, 150, 0.05 / 24, 12, 8),
    "deep": (96, 40, 150, 0.0005, 12, 8),
    "paper": (25, 200, 1000, 0.002, 12, 8),
    "wide": (96, 200, 1000, 0.0005, 12, 8),
    "48": (48, 50, 200, 0.001, 12, 8),
    "192": (192, 50, 200, 0.00025, 12, 8),
}
TINY = {"tiny": (16, 10, 40, 0.01, 6, 6)}
SHORT = {"first_order_steps": 200, "shallow": ((0.01, 200),), "stages": ((0.003, 20),) * 3}
ROOT = 11
NAMES = ("train", "through")


def problem(setting: tuple, seed: int) -> tuple[Any, list[bn.Network]]:
    """Return the task and both starts; one key moves the data and the initial weights."""
    _, width, n, _, *starts = setting
    k_task, k_net = jax.random.split(jax.random.fold_in(jax.random.key(ROOT), seed))
    return bn.tasks.latent_task(k_task, n), [bn.init(k_net, 20, width, 20, d) for d in starts]


def one(how: str, start: bn.Network, task: Any, setting: tuple, recipe: dict[str, Any]) -> dict[str, Any]:
    """Train in one of the two ways and count the work of every phase."""
    depth, width, n, ridge, *_ = setting
    work, run_phase, quasi_newton = [0.0], trajectory.run_phase, corridor.quasi_newton

    def full(phase: Any, state: Any, *rest: Any) -> Any:
        work[0] += phase.steps * machine.operations(state[0].depth, width, n)
        return run_phase(phase, state, *rest)

    def through(net: Any, *rest: Any, **named: Any) -> Any:
        work[0] += rest[4] * machine.operations(net.head.depth + net.tail.depth, width, n)
        return quasi_newton(net, *rest, **named)

    begin = machine.clock()
    with (
        mock.patch.object(trajectory, "run_phase", full),
        mock.patch.object(corridor, "quasi_newton", through),
    ):
        train = bn.train if how == "train" else corridor.train_through
        result = train(start, task.X, task.Y, ridge, depth=depth, **recipe)
    seconds = machine.clock() - begin
    rank, _, decided = bn.bottleneck_rank(result.net, task.X)
    return {
        "objective": result.objective,
        "rank": rank,
        "decided": decided,
        "trials": {str(k): value for k, value in result.trials},
        "steps": len(result.history),
        "seconds": seconds,
        "gigaflop": work[0] / 1e9,
    }


def race(name: str, setting: tuple, seeds: list[int], warm: bool, recipe: dict[str, Any]) -> dict[str, Any]:
    print(f"{name}: depth, width, points, ridge, start, start of the corridor = {setting}")
    print("seed      train: objective rank  seconds   Gflop   through: objective rank  seconds   Gflop   time   work")
    rows = []
    for seed in [seeds[0]] * warm + seeds:
        task, starts = problem(setting, seed)
        runs = {how: one(how, start, task, setting, recipe) for how, start in zip(NAMES, starts, strict=True)}
        rows.append({"seed": seed, **runs})
    for row in rows[warm:]:
        texts = [
            f"{row[how]['objective']:16.6f} {row[how]['rank']:4} {row[how]['seconds']:8.1f} {row[how]['gigaflop']:7.0f}"
            for how in NAMES
        ]
        text = "  ".join(f"{row['train'][unit] / row['through'][unit]:5.2f}" for unit in ("seconds", "gigaflop"))
        print(f"{row['seed']:4} {texts[0]} {texts[1]}   {text}", flush=True)
    medians = {
        unit: median(row["train"][unit] / row["through"][unit] for row in rows[warm:])
        for unit in ("objective", "seconds", "gigaflop")
    }
    print(f"median ratios, train over through: {medians}", flush=True)
    return {"setting": setting, "ratios": medians, "runs": rows[warm:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="run at toy size, to see that it runs")
    parser.add_argument("--write", action="store_true", help="store the results")
    parser.add_argument("--warm", action="store_true", help="run the first seed once before, so that nothing compiles")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--sizes", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    options = parser.parse_args()
    settings = TINY if options.tiny else {name: SETTINGS[name] for name in options.sizes}
    recipe = SHORT if options.tiny else {}
    found = {name: race(name, s, options.seeds, options.warm, recipe) for name, s in settings.items()}
    machine.finish("corridor", {"results": found}, options.write)


if __name__ == "__main__":
    main()
