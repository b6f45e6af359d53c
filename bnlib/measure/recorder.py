"""Record rank, norm, imbalance and spectra from inside of any training loop."""

import math
from typing import Any

import numpy as np

from .. import _checks
from ._given import inputs_of, is_number, network_of
from .curves import TrainingCurves, curves_of
from .readers import Layout
from .snapshots import Snapshot, snapshot


class Recorder:
    """Measure the network of a training loop every so many steps: ``recorder(step, params)`` in any loop.

    It knows no framework: ``params`` is whatever ``report`` takes, and is read at once, so that the loop may change or
    donate it. By default it takes the spectra of weights and of representations, norm and imbalance, on a sample of
    the inputs. In compiled loops, call it between their parts.

    Args:
        X: inputs (N, d_in), as the network sees them.
        every: a step that is a multiple of it is recorded, and so is step 0.
        sample: number of inputs taken, at equal distances; None for all.
        bound: take the lower bound of the norm as well, which needs the Jacobian at every input of the sample.
        layers, layout, negative_slope: how the parameters are read, as for ``from_arrays``.

    Raises:
        ValueError: inputs of another shape, integers, NaN or infinity; numbers that are no counts.

    Example:
        >>> import jax
        >>> from bnlib import init
        >>> recorder = Recorder(np.eye(3), every=10)
        >>> for step in range(21):
        ...     recorder(step, init(jax.random.key(0), 3, 4, 3, 3))
        >>> recorder.curves.steps.tolist()
        [0, 10, 20]

    Source: bnlib.
    """

    def __init__(
        self,
        X: Any,
        every: int = 100,
        *,
        sample: int | None = 256,
        bound: bool = False,
        layers: Any = None,
        layout: Layout | None = None,
        negative_slope: float | None = None,
    ) -> None:
        self.every, self.bound = _checks.integer("every", every, 1), bound
        given = inputs_of(X)
        count = len(given) if sample is None else min(len(given), _checks.integer("sample", sample, 1))
        self.X = given[np.linspace(0, len(given) - 1, count).astype(int)]
        self._how = {"layers": layers, "layout": layout, "negative_slope": negative_slope}
        self._found: dict[float, tuple[str, Snapshot]] = {}
        self._notes: dict[str, None] = {}

    def __call__(self, step: Any, parameters: Any) -> None:
        """Record the parameters if the step is a multiple of ``every``; else do nothing."""
        if _checks.is_traced(step, parameters):
            raise ValueError(
                "A Recorder needs numbers, but this is a compiled program: call it in the Python loop around it."
            )
        if _checks.integer("step", step, 0) % self.every == 0:
            self.record(int(step), parameters)

    def record(self, step: float, parameters: Any, *, name: str | None = None) -> None:
        """Record the parameters at any step.

        Args:
            step: a finite number that was not recorded before.
            parameters: as ``report`` takes them.
            name: of the network, for messages and records.

        Raises:
            ValueError: a step that was recorded, or parameters of no plain ReLU network, of another architecture than
                those before, or with NaN or infinity; the sentence begins with the name.
        """
        name = f"step {step}" if name is None else name
        if not is_number(step) or not math.isfinite(step):
            raise ValueError(f"A step must be a finite number, but that of '{name}' is {step}.")
        if step in self._found:
            raise ValueError(f"Step {step} is recorded already; each training needs a Recorder of its own.")
        try:
            self._found[step] = (name, self._measured(parameters))
        except ValueError as error:
            raise ValueError(str(error) if name in str(error) else f"At '{name}': {error}") from error

    def _measured(self, parameters: Any) -> Snapshot:
        """Read a network and measure it."""
        net, notes = network_of(parameters, self.X.shape[1], **self._how)
        found = snapshot(net, self.X, bound=self.bound)
        self._notes.update(dict.fromkeys(notes))
        for other, first in list(self._found.values())[:1]:
            if first.size != found.size:
                raise ValueError(
                    f"All networks must have one architecture, but this one has {found.size}, and '{other}' has "
                    f"{first.size}."
                )
        return found

    @property
    def curves(self) -> TrainingCurves:
        """What was recorded so far, in the order of the steps.

        Raises:
            ValueError: nothing was recorded.
        """
        if not self._found:
            raise ValueError(
                f"Nothing is recorded yet: call the Recorder at a step that is a multiple of {self.every}."
            )
        steps = sorted(self._found)
        names, snapshots = zip(*(self._found[step] for step in steps), strict=True)
        return curves_of(steps, names, snapshots, tuple(self._notes))
