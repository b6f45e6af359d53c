"""Time whole recipes to a bottleneck: `train` with inserted layers against deep Adam followed by SciPy's L-BFGS-B.

The common target of a seed is 1.005 times the objective at which the baseline ends, and both sides are timed to the end
and to their first value at or below it. Adam and each stage of L-BFGS are one program, so the time of a value inside
one is interpolated. Everything runs once before it is timed. With --polish measure instead how stationary `train` gets
with `polish=training.POLISH`.
"""

from statistics import median
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import machine
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from scipy.optimize import minimize

import bnlib as bn
from bnlib import training
from bnlib.training import trajectory

jax.config.update("jax_enable_x64", True)  # for the judgement; both sides train in float32

SETTINGS = {  # depth, width, points, ridge, depth to start from
    "A": (12, 50, 200, 0.02 / 12, 8),
    "B": (24, 40, 150, 0.05 / 24, 8),
}
TINY = {"A": (6, 10, 40, 0.01, 4)}
# Compiling is all that a run at toy size costs: stages of equal length share one program.
TINY_RECIPE = {"first_order_steps": 20, "shallow": ((0.003, 20),), "stages": ((0.003, 20), (0.0, 20))}
SEEDS, ROOT, RANK = range(5), 11, 2
SLACK = 1.005
ADAM_STEPS, QUASI_NEWTON_STEPS = 3000, 2500


def objective(net: bn.Network, X: jax.Array, Y: jax.Array, ridge: jax.Array) -> jax.Array:
    return jnp.mean(jnp.sum((bn.networks._apply(net, X) - Y) ** 2, axis=1)) + ridge * bn.squared_norm(net)


def single(tree: Any) -> Any:
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), tree)


@jax.jit
def adam_phase(net: bn.Network, X: jax.Array, Y: jax.Array, ridge: jax.Array) -> tuple[bn.Network, jax.Array]:
    """Run the baseline's first phase in one program: Adam from the deep start, the best of the tried settings."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, 3e-3, 200, ADAM_STEPS, 3e-6)
    adam = optax.adam(schedule, b2=0.99)

    def step(carry: Any, _: None) -> tuple[Any, jax.Array]:
        net, state = carry
        value, gradient = jax.value_and_grad(objective)(net, X, Y, ridge)
        updates, state = adam.update(gradient, state)
        return (optax.apply_updates(net, updates), state), value

    (net, _), history = jax.lax.scan(step, (net, adam.init(net)), None, length=ADAM_STEPS)
    return net, history


class Baseline:
    """Adam, then SciPy's L-BFGS-B on the flat vector, one compiled value and gradient for all seeds."""

    def __init__(self) -> None:
        self.compiled: dict[int, Any] = {}

    def run(self, start: bn.Network, X: Any, Y: Any, ridge: float, limit: int) -> dict[str, Any]:
        """Run both phases; note the time at which each objective was known."""
        start, X, Y, lam = single((start, X, Y, ridge))
        begin = machine.clock()
        net, history = adam_phase(start, X, Y, lam)
        values = [float(v) for v in history]
        per_step = (machine.clock() - begin) / len(values)
        times = [per_step * (i + 1) for i in range(len(values))]
        flat, unravel = ravel_pytree(net)
        if start.depth not in self.compiled:
            evaluate = jax.value_and_grad(lambda v, *data: objective(unravel(v), *data))
            self.compiled[start.depth] = jax.jit(evaluate)

        def evaluate(v: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = self.compiled[start.depth](jnp.asarray(v, jnp.float32), X, Y, lam)
            values.append(float(value))
            times.append(machine.clock() - begin)
            return values[-1], np.asarray(gradient, np.float64)

        options = {"maxiter": limit, "maxfun": 10**6, "maxcor": 20, "ftol": 0.0, "gtol": 0.0}
        found = minimize(evaluate, np.asarray(flat, np.float64), jac=True, method="L-BFGS-B", options=options)
        total = machine.clock() - begin
        reached = next(t for t, v in zip(times, values, strict=True) if v <= SLACK * found.fun)
        net = unravel(jnp.asarray(found.x, jnp.float32))
        return {
            "objective": float(found.fun),
            "seconds": total,
            "to_target": reached,
            "net": net,
            "evaluations": len(values),
        }


def library(start: bn.Network, X: Any, Y: Any, ridge: float, depth: int, **settings: Any) -> dict[str, Any]:
    """Run ``train``; note when each phase began and ended, at which depth, and the objectives in it."""
    begin, phases, run_phase = machine.clock(), [], trajectory.run_phase

    def timed(*arguments: Any) -> Any:
        start = machine.clock()
        found = run_phase(*arguments)
        phases.append((found[0][0].depth, start - begin, np.asarray(found[1]), machine.clock() - begin))
        return found

    with mock.patch.object(trajectory, "run_phase", timed):
        result = bn.train(start, X, Y, ridge, depth=depth, **settings)
    seconds = machine.clock() - begin
    trials = {str(rank): value for rank, value in result.trials}
    run = {"objective": result.objective, "seconds": seconds, "net": result.net, "trials": trials, "result": result}
    return run | {"phases": phases}


def first_time(run: dict[str, Any], depth: int, target: float) -> float | None:
    """Return when the deep network first had the target, if it also ended there."""
    if run["objective"] > target:
        return None
    for of, start, values, end in run["phases"]:
        if of == depth and np.any(values <= target):
            return float(start + (end - start) * (np.argmax(values <= target) + 1) / len(values))
    return None


def problem(setting: tuple, seed: int) -> tuple[Any, bn.Network, bn.Network, float]:
    """Return the task and both starts; one key moves the data and the initial weights."""
    depth, width, n, ridge, shallow = setting
    k_task, k_net = jax.random.split(jax.random.fold_in(jax.random.key(ROOT), seed))
    task = bn.tasks.latent_task(k_task, n)
    deep, start = (bn.init(k_net, 20, width, 20, d) for d in (depth, shallow))
    return task, deep, start, ridge


def race(name: str, setting: tuple, seeds: range, limit: int, recipe: dict[str, Any]) -> list[dict[str, Any]]:
    baseline, rows = Baseline(), []
    for seed in [seeds[0], *seeds]:  # the first seed twice: its first run compiles
        task, deep, start, ridge = problem(setting, seed)
        base = baseline.run(deep, task.X, task.Y, ridge, limit)
        ours = library(start, task.X, task.Y, ridge, setting[0], **recipe)
        rows.append({"seed": seed, "target": SLACK * base["objective"]})
        for side, run in (("baseline", base), ("bnlib", ours)):
            run["rank"], _, run["decided"] = bn.bottleneck_rank(run.pop("net"), task.X)
            run.pop("result", None)
            rows[-1][side] = run
        ours["to_target"] = first_time(ours, setting[0], rows[-1]["target"])
        del ours["phases"]
    print(f"{name}: depth, width, points, ridge, start = {setting}; seconds are those of one core")
    print("seed  baseline          to target   bnlib            to target")
    for row in rows[1:]:
        base, ours = row["baseline"], row["bnlib"]
        left = f"{base['objective']:.5f} {base['rank']} {base['seconds']:6.1f} s  {base['to_target']:6.1f} s"
        reached = "missed" if ours["to_target"] is None else f"{ours['to_target']:5.1f} s"
        right = f"{ours['objective']:.5f} {ours['rank']} {ours['seconds']:5.1f} s  {reached}"
        print(f"{row['seed']:4}  {left}   {right}", flush=True)
    return rows[1:]


def ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return medians over seeds of the baseline's time over ours; a target that was missed counts as 0."""

    def ratio(theirs: str, ours: str) -> float:
        return median(row["baseline"][theirs] / (row["bnlib"][ours] or float("inf")) for row in rows)

    return {
        "whole": ratio("seconds", "seconds"),
        "to_result": ratio("seconds", "to_target"),
        "to_target": ratio("to_target", "to_target"),
        "met": sum(row["bnlib"]["to_target"] is not None for row in rows),
        "rank": sum(row["bnlib"]["rank"] == RANK for row in rows),
    }


def polished(name: str, setting: tuple, seeds: range, recipe: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    print(f"{name}, polished: seed, objective, rank, gradient, clarke, smoothed, imbalance, seconds")
    for seed in seeds:
        task, _, start, ridge = problem(setting, seed)
        run = library(start, task.X, task.Y, ridge, setting[0], **recipe)
        result, net = run.pop("result"), run.pop("net")
        del run["phases"]
        rank, gap, decided = bn.bottleneck_rank(net, task.X)
        found = bn.stationarity(net, task.X, task.Y, ridge)
        run |= {"seed": seed, "rank": rank, "gap": gap, "decided": decided, **found._asdict()}
        run |= {"smoothed_gradient": result.smoothed_gradient, "imbalance": result.imbalance}
        rows.append(run)
        print(
            f"{seed}  {run['objective']:.5f}  {rank}  {run['gradient']:.2f}  {run['clarke']:.4f}  "
            f"{run['smoothed_gradient']:.4f}  {run['imbalance']:.1e}  {run['seconds']:.1f}",
            flush=True,
        )
    return rows


def main() -> None:
    options = machine.arguments(__doc__, polish="measure stationarity after polishing, and nothing else")
    settings, seeds, limit, polish = SETTINGS, SEEDS, QUASI_NEWTON_STEPS, training.POLISH
    recipe: dict[str, Any] = {}
    if options.tiny:
        settings, seeds, limit, polish, recipe = TINY, range(1), 50, ((0.01, 20), (0.0, 20)), TINY_RECIPE
    if options.polish:
        rows = {name: polished(name, setting, seeds, recipe | {"polish": polish}) for name, setting in settings.items()}
        machine.finish("stationarity", {"settings": settings, "stages": polish, "runs": rows}, options.write)
        return
    found = {}
    for name, setting in settings.items():
        rows = race(name, setting, seeds, limit, recipe)
        found[name] = {"setting": setting, "ratios": ratios(rows), "runs": rows}
        print(f"median ratios, baseline over bnlib: {found[name]['ratios']}", flush=True)
    machine.finish("time_to_target", {"slack": SLACK, "results": found}, options.write)


if __name__ == "__main__":
    main()
