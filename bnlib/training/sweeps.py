"""Many trainings at once: spread over all devices of all processes, batched on accelerators."""

import pickle
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from .. import _checks
from ..networks import Network
from . import checkpoints
from .objective import Loss
from .outcome import TrainResult, foresee, summarise
from .phases import Phase, Stages, first_order, optimiser, run_phase, schedule
from .run import STAGES, checked, train
from .scaling import warnings_of_scale
from .trajectory import WAY

Member = tuple[Network, Any, Any, float]
Outcomes = dict[int, TrainResult | RuntimeError]
SINGLE = {"depth", "shallow", "polish", "checkpoint"}


class SweepError(ExceptionGroup):
    """Hold the errors of the members of a sweep that failed, and the results of all others.

    Args:
        message: what happened.
        errors: from the number of a member to its error.
        results: from the number of a member to its result.

    Example:
        >>> try:
        ...     raise SweepError("1 of 2 members failed.", {1: RuntimeError("Training diverged.")}, {0: "a result"})
        ... except SweepError as error:
        ...     error.indices, error.results, str(error.exceptions[0])
        ([1], {0: 'a result'}, 'Member 1: Training diverged.')

    Source: bnlib.
    """

    indices: list[int]
    results: dict[int, TrainResult]

    def __new__(cls, message: str, errors: Mapping[int, Exception], results: dict[int, TrainResult]) -> "SweepError":
        """Name the member in each error, and keep the results beside them."""
        named = [RuntimeError(f"Member {i}: {error}") for i, error in errors.items()]
        for new, error in zip(named, errors.values(), strict=True):
            new.__cause__ = error
        group = super().__new__(cls, f"{message} The numbers are in .indices, what has finished in .results.", named)
        group.indices, group.results = list(errors), results
        return group


def sweep(
    members: Iterable[Member], *, mesh: Mesh | None = None, batched: bool | None = None, **settings: Any
) -> list[TrainResult]:
    """Train every member as ``train`` does, whatever mixture of seeds, ridges, depths and tasks they are.

    Member i goes to device i modulo the number of devices, and every device works through its share, members of equal
    shapes with one compiled program. On an accelerator those members train as one batch, which fills it; on a CPU they
    train one after the other, because batching does not pay there, and each result is that of ``train`` bit for bit.
    In a run of several processes all must pass the same members, and all get all results.

    Args:
        members: tuples (start, X, Y, ridge), in a list or from a generator.
        mesh: devices to use; all devices of all processes when None.
        batched: whether equal shapes train as one batch; None to decide by the kind of device. Inserted layers,
            polishing and checkpoints are for single members.
        **settings: see ``train``; one checkpoint path serves all members, whose fingerprints are added to its name, so
            that members can be added, left out and reordered.

    Returns:
        One ``TrainResult`` per member, in order.

    Raises:
        ValueError: no members, one that is no (start, X, Y, ridge), or bad input as in ``train``.
        SweepError: some members diverged or failed otherwise; it has their numbers, and the results of all others.

    Example:
        >>> from bnlib import from_layers
        >>> start = from_layers([([[1.0]], [0.0])])
        >>> results = sweep([(start, [[-1.0], [1.0]], [[-2.0], [2.0]], ridge) for ridge in (0.25, 1.0)])
        >>> [round(float(r.net.last[0][0, 0]), 3) for r in results]
        [1.6, 1.0]

    Source: bnlib; chapter training.
    """
    members = list(members)
    if not members:
        raise ValueError("members must hold at least one (start, X, Y, ridge).")
    for i, member in enumerate(members):
        if not isinstance(member, tuple | list) or len(member) != 4:
            raise ValueError(f"Member {i} must be a tuple (start, X, Y, ridge), but it is {_form(member)}.")
    devices = list(mesh.devices.flat) if mesh is not None else jax.devices()
    settings = {name: value for name, value in settings.items() if value or name not in SINGLE}
    single = SINGLE & settings.keys()
    batched = devices[0].platform != "cpu" and not single if batched is None else batched
    if batched and single:
        raise ValueError(f"A batch cannot have {', '.join(sorted(single))}: say batched=False.")
    work = _batches(members, len(devices)) if batched else [(i % len(devices), [i]) for i in range(len(members))]
    x64 = bool(jax.config.jax_enable_x64)  # type: ignore[attr-defined]
    # All are checked before the first is trained; as NumPy arrays they are bound to no device.
    kind = settings.get("dtype", jnp.float32), settings.get("loss", "squared")
    cast = [(*jax.tree.map(np.asarray, checked(*member, *kind)[:3]), float(member[3])) for member in members]
    names = _names(cast) if settings.get("checkpoint") is not None else []
    # X and Y stay in the type in which they were given: what a cast loses is said of them.
    given = [(np.asarray(X), np.asarray(Y)) for _, X, Y, _ in members]
    members = cast

    def work_on(indices: list[int]) -> list[TrainResult | RuntimeError]:
        if len(indices) > 1:
            return _batch([members[i] for i in indices], [given[i] for i in indices], **settings)
        (i,) = indices
        (net, _, _, ridge), (X, Y) = members[i], given[i]
        own = {"checkpoint": checkpoints.beside(Path(settings["checkpoint"]), names[i])} if names else {}
        return [train(net, X, Y, ridge, **settings | own)]

    def share(d: int) -> Outcomes:
        done: Outcomes = {}
        # Context settings belong to a thread, so each worker repeats them.
        with jax.enable_x64(x64), jax.default_device(devices[d]):
            for _, indices in (job for job in work if job[0] == d):
                try:
                    done |= zip(indices, work_on(indices), strict=True)
                except RuntimeError as error:  # the other members go on
                    done |= dict.fromkeys(indices, error)
        return done

    local = [d for d, device in enumerate(devices) if device.process_index == jax.process_index()]
    mine: Outcomes | Exception
    try:
        with ThreadPoolExecutor(max(1, len(local))) as pool:
            mine = {i: r for part in pool.map(share, local) for i, r in part.items()}
    except Exception as error:  # the other processes wait for results: they must hear of it
        mine = error
    done: Outcomes = {}
    for part in _gather(mine) if jax.process_count() > 1 else [mine]:
        if isinstance(part, Exception):
            raise part
        done |= part
    results, errors = {}, {}
    for i, outcome in sorted(done.items()):
        if isinstance(outcome, RuntimeError):
            errors[i] = outcome
        else:
            results[i] = outcome
    if errors:
        raise SweepError(f"{len(errors)} of {len(members)} members failed.", errors, results)
    return list(results.values())


def _form(member: Any) -> str:
    return f"{len(member)} values" if isinstance(member, tuple | list) else f"of type {type(member).__name__}"


def _names(members: Sequence[Member]) -> list[str]:
    """Return the fingerprint of each member, with a number where equal ones are repeated."""
    keys = [checkpoints.fingerprint(*member)[:16] for member in members]
    repeated = [keys[:i].count(key) for i, key in enumerate(keys)]
    return [f"{key}-{count}" if count else key for key, count in zip(keys, repeated, strict=True)]


def _batches(members: Sequence[Member], n_devices: int) -> list[tuple[int, list[int]]]:
    """Deal the members to devices and group each device's share by shapes."""
    groups: dict[tuple, list[int]] = {}
    for i, (net, X, Y, _) in enumerate(members):
        shapes = (net.depth, net.width, net.negative_slope, np.shape(X), np.shape(Y))
        groups.setdefault((i % n_devices, shapes), []).append(i)
    return [(device, indices) for (device, _), indices in groups.items()]


def _batch(
    group: list[Member],
    given: list[tuple[np.ndarray, np.ndarray]],
    *,
    loss: Loss = "squared",
    first_order_steps: int = 500,
    learning_rate: float = 5e-3,
    stages: Stages | None = None,
    memory: int | None = None,
    dtype: Any = jnp.float32,
) -> list[TrainResult | RuntimeError]:
    """Train members of equal shapes as one batch on the current device; X and Y are also as they were given."""
    stacked = jax.tree.map(lambda *a: jnp.stack([jnp.asarray(v, dtype) for v in a]), *group)
    phases = schedule(first_order_steps, STAGES if stages is None else stages)
    rate = _checks.number("learning_rate", learning_rate)
    memory = None if memory is None else _checks.integer("memory", memory, 1)
    variances = [foresee(Y, member[3], member[0].depth, loss) for member, (_, Y) in zip(group, given, strict=True)]
    for sentence in (s for arrays in given for s in warnings_of_scale(*arrays, dtype)):
        warnings.warn(sentence, stacklevel=2)
    nets, histories, smoothed = _run(tuple(phases), rate, memory, loss, *stacked)
    results: list[TrainResult | RuntimeError] = []
    for i, (_, X, Y, ridge) in enumerate(group):
        net, history = jax.tree.map(lambda a, i=i: a[i], nets), np.asarray(histories[i], np.float64)
        if not np.all(np.isfinite(history)):
            step = int(np.argmin(np.isfinite(history)))
            said = f"Training diverged for ridge {ridge!r}: the objective is not finite at step {step}; {WAY}."
            results.append(RuntimeError(said))
            continue
        results.append(summarise(net, history, float(smoothed[i]), X, Y, ridge, variances[i], loss))
    return results


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
@partial(jax.vmap, in_axes=(None, None, None, None, 0, 0, 0, 0))
def _run(
    phases: tuple[Phase, ...], rate: float, memory: int | None, loss: Loss, net: Network, X: Array, Y: Array, lam: Array
) -> tuple[Network, Array, Array]:
    """Run all phases of every member inside one traced program."""
    state = (net, optimiser(first_order(phases), rate).init(net))
    histories, smoothed = [], jnp.full((), jnp.nan, X.dtype)
    for phase in phases:
        state, values, gradient = run_phase(phase, state, X, Y, lam, rate, memory, loss)
        histories.append(values)
        smoothed = smoothed if gradient is None else gradient
    return state[0], jnp.concatenate(histories), smoothed


def _gather(done: Outcomes | Exception) -> list[Outcomes | Exception]:
    """Exchange what the processes of one run have as bytes, which no conversion of types can touch."""
    plain = jax.tree.map(lambda a: np.asarray(a) if isinstance(a, Array) else a, done)
    mine = np.frombuffer(pickle.dumps(plain), np.uint8)
    sizes = np.ravel(multihost_utils.process_allgather(np.array([len(mine)])))
    padded = np.pad(mine, (0, int(sizes.max()) - len(mine)))
    everything = np.asarray(multihost_utils.process_allgather(padded)).reshape(len(sizes), -1)
    return [pickle.loads(row[:size].tobytes()) for row, size in zip(everything, sizes, strict=True)]
