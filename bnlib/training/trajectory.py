"""The phases of one training one after the other, with a checkpoint between any two."""

import sys
import warnings
from itertools import accumulate
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..networks import Network
from . import checkpoints
from .objective import Loss
from .phases import Phase, State, first_order, optimiser, run_phase

# Norm of the gradient, relative to that of the ridge, at which rounds of polishing end.
FLAT = 0.01
# What to do about an objective that is not finite.
WAY = "scale X and Y, or lower learning_rate"


class Trajectory:
    """Run the phases of one training one after the other, from a checkpoint where there is one.

    Args:
        net: start.
        phases: what ``schedule`` returns.
        name: of the part of a training that this is, added to the name of its checkpoint.
        before: the trajectory whose history this one continues.
        path: file of the checkpoint, or None.
        data: X (N, d_in), Y (N, d_out) and the ridge.
        rate: peak learning rate of Adam.
        memory: pairs kept by L-BFGS, or None.
        loss: as in ``train``.
        failures: takes the errors at writing checkpoints; shared by the trajectories of a training, which warn once.

    Raises:
        ValueError: the checkpoint is damaged or of another run, or none can be written there.

    Example:
        >>> from bnlib import from_layers
        >>> from bnlib.training.phases import schedule
        >>> X = jnp.array([[-1.0], [1.0]])
        >>> given = {"path": None, "rate": 0.0, "memory": None, "loss": "squared", "failures": []}
        >>> start = from_layers([([[1.0]], [0.0])])
        >>> end = Trajectory(start, schedule(0, ((0.0, 5),)), data=(X, 2.0 * X, 0.25), **given).advance()
        >>> round(float(end.net.last[0][0, 0]), 4)
        1.6

    Source: bnlib.
    """

    def __init__(
        self,
        net: Network,
        phases: list[Phase],
        name: str = "",
        before: "Trajectory | None" = None,
        *,
        path: Path | None,
        data: tuple[Array, Array, float],
        rate: float,
        memory: int | None,
        loss: Loss,
        failures: list[OSError],
    ) -> None:
        self.phases, self.data, self.rate, self.memory, self.failures = phases, data, rate, memory, failures
        self.loss: Loss = loss
        self.path = path = checkpoints.beside(path, name) if path is not None and name else path
        self.history: np.ndarray = np.zeros(0) if before is None else before.history
        self.smoothed: float = float("nan") if before is None else before.smoothed
        self.done = 0
        self.state: State = (net, optimiser(first_order(phases), rate).init(net))
        whose = checkpoints.fingerprint(net, *data, rate, memory, loss)
        # A run that ended earlier and is the same up to there is continued.
        self.keys = [checkpoints.fingerprint(whose, phases[:stop]) for stop in range(len(phases) + 1)]
        if path is not None and (found := checkpoints.load(path, self.keys)) is not None:
            self.done, (self.history, smoothed, *leaves) = found
            self.smoothed = float(smoothed)
            with jax.enable_x64(any(a.dtype == np.float64 for a in leaves)):
                self.state = jax.tree.unflatten(jax.tree.structure(self.state), [jnp.asarray(a) for a in leaves])
        if path is not None and self.done < len(phases):
            checkpoints.reserve(path)

    @property
    def net(self) -> Network:
        """Return the network where the trajectory is now."""
        return self.state[0]

    def objective(self, stop: int) -> float:
        """Return the objective after so many phases; a trajectory continued from a checkpoint may be further."""
        steps = list(accumulate(phase.steps for phase in self.phases))
        return float(self.history[steps[stop - 1] - 1])

    def _flat(self, phase: Phase) -> bool:
        """Say whether this round of polishing would repeat one that has ended flat."""
        again = self.done > 0 and phase == self.phases[self.done - 1]
        return again and phase.kind == "polish" and phase.width > 0 and self.smoothed <= FLAT

    def advance(self, stop: int | None = None) -> "Trajectory":
        """Run up to a phase; every phase starts from arrays alone, so that a checkpoint can stand between any two.

        Raises:
            RuntimeError: the objective became NaN or infinite, with the step.
        """
        X, Y, ridge = self.data
        lam = jnp.asarray(ridge, X.dtype)
        for phase in self.phases[self.done : stop]:
            if self._flat(phase):
                self.done += 1
                continue
            self.state, values, gradient = run_phase(phase, self.state, X, Y, lam, self.rate, self.memory, self.loss)
            self.smoothed = self.smoothed if gradient is None else float(gradient)
            self.history = np.append(self.history, np.asarray(values, np.float64))
            if not np.all(np.isfinite(self.history)):
                step = int(np.argmin(np.isfinite(self.history)))
                raise RuntimeError(f"Training diverged: the objective is not finite at step {step}; {WAY}.")
            self.done += 1
            _progress(self.done, len(self.phases), self.history[-1])
            if self.path is not None:
                arrays = [self.history, np.asarray(self.smoothed), *map(np.asarray, jax.tree.leaves(self.state))]
                try:
                    checkpoints.save(self.path, self.keys, self.done, arrays)
                except OSError as error:
                    if not self.failures:  # once is enough for the whole training
                        warnings.warn(
                            f"No checkpoint could be written to '{self.path}' ({error.strerror}); training goes on.",
                            stacklevel=3,
                        )
                    self.failures.append(error)
        return self


def _progress(done: int, total: int, objective: float) -> None:
    """Draw a bar in a terminal, and nothing elsewhere."""
    if sys.stderr.isatty():
        bar = "#" * (20 * done // total)
        end = "\n" if done == total else ""
        print(f"\r[{bar:20}] {done}/{total}  objective {objective:.6g} ", end=end, file=sys.stderr, flush=True)
