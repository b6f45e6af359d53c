"""Training: objectives, phases, runs, sweeps, and how near a network is to a minimum."""

from .objective import Loss, smoothed_objective
from .outcome import TrainResult
from .phases import Stages
from .run import POLISH, train

__all__ = ["POLISH", "Loss", "Stages", "TrainResult", "smoothed_objective", "train"]
