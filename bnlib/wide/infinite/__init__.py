"""Infinitely wide networks with a finite bottleneck: frozen kernels, moving points.

Plain NumPy, in float64 unless a ``WideLayer`` is drawn in float32: derivatives are closed forms and all arrays are
small, so there is nothing to differentiate and compiling would take longer than running. Only erf in float32 is
compiled.
"""

from ..kernels import ACTIVATIONS, Wide, dual, edge, kernels, limit_kernel, ntk_gradient, target_norm
from .descent import (
    BLOW_UP,
    JITTER,
    Divergence,
    Loss,
    State,
    bottleneck,
    cross_entropy,
    descend,
    descend_frozen,
    squared,
)
from .history import History
from .layers import Carrier, WideLayer, moving_ntk
